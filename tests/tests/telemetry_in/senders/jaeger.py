"""Jaeger's client in each of its three ways: `jaeger.py grpc|http|udp PORT`. Prints the trace's id."""

import os
import sys

# What was generated for it years ago is not understood by the fast implementation.
os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

way, port = sys.argv[1], int(sys.argv[2])
if way == "grpc":
    from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter

    exporter = JaegerExporter(collector_endpoint=f"127.0.0.1:{port}", insecure=True)
else:
    from opentelemetry.exporter.jaeger.thrift import JaegerExporter

    if way == "http":
        exporter = JaegerExporter(collector_endpoint=f"http://127.0.0.1:{port}/api/traces?format=jaeger.thrift")
    else:
        exporter = JaegerExporter(agent_host_name="127.0.0.1", agent_port=port)

provider = TracerProvider(resource=Resource.create({"service.name": f"jaeger-{way}"}))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("orders")
with tracer.start_as_current_span("checkout") as outer:
    with tracer.start_as_current_span("pay", attributes={"card": "visa"}) as inner:
        inner.add_event("refused", {"by": "bank"})
print(format(outer.get_span_context().trace_id, "032x"))
provider.shutdown()
