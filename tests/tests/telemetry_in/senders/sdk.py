"""OpenTelemetry's SDK, set up by its own environment variables: a counter, a histogram, a log record within a span, and a
span with a child, an event and an error. Prints the trace's id."""

import os
import sys

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry._logs import LogRecord, SeverityNumber

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

word = sys.argv[1]

meters = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
meter = meters.get_meter("orders")
meter.create_counter(f"{word}.orders", unit="1").add(7, {"shop": "north"})
meter.create_histogram(f"{word}.duration", unit="ms").record(12.5, {"shop": "north"})

logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))

traces = TracerProvider()
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = traces.get_tracer("orders")
with tracer.start_as_current_span("checkout") as outer:
    with tracer.start_as_current_span("pay", attributes={"order.id": 7, "card": "visa"}) as inner:
        inner.add_event("refused", {"by": "bank"})
        logs.get_logger("orders").emit(
            LogRecord(
                body=f"{word}: order 7 timed out",
                severity_number=SeverityNumber.ERROR,
                severity_text="ERROR",
                attributes={"order.id": 7},
            )
        )
print(format(outer.get_span_context().trace_id, "032x"))

for provider in (meters, logs, traces):
    provider.shutdown()
