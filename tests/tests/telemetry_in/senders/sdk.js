// OpenTelemetry's SDKs for Node.js: spans and metrics in protobuf, log records in JSON. Wants `URL`, where everything is
// sent to, and `WORD`, which names begin with. Prints the trace's id.
const { context, trace } = require("@opentelemetry/api");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { LoggerProvider, SimpleLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { SimpleSpanProcessor, TracerProvider } = require("@opentelemetry/sdk-trace");

const { URL: url, WORD: word } = process.env;
const resource = resourceFromAttributes({ "service.name": "orders-js" });

const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics` }) });
const meters = new MeterProvider({ resource, readers: [reader] });
meters.getMeter("orders").createCounter(`${word}.orders`).add(7, { shop: "north" });

const logs = new LoggerProvider({
  resource,
  processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${url}/v1/logs` }) })],
});
const traces = new TracerProvider({
  resource,
  spanProcessors: [new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${url}/v1/traces` }) })],
});
const tracer = traces.getTracer("orders");
const outer = tracer.startSpan("checkout");
const within = trace.setSpan(context.active(), outer);
const inner = tracer.startSpan("pay", { attributes: { card: "visa" } }, within);
inner.addEvent("refused", { by: "bank" });
logs.getLogger("orders").emit({ body: `${word}: order 7 timed out`, severityText: "ERROR", context: within });
inner.end();
outer.end();

(async () => {
  await Promise.all([meters.shutdown(), logs.shutdown(), traces.shutdown()]);
  console.log(outer.spanContext().traceId);
})();
