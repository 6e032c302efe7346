"""Spans of a small shop by OpenTelemetry's SDK, with ten attributes each, exported over OTLP to the URL that is given."""

import random
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

url, traces = sys.argv[1], int(sys.argv[2])
draw = random.Random(7)
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "okhttp/4.12.0",
    "curl/8.9.1",
]


def tracer(service):
    resource = Resource.create({"service.name": service, "service.version": "1.4.2", "host.name": f"{service}-7d9f"})
    provider = TracerProvider(resource=resource)
    # A queue that holds all, since nothing waits while spans are made.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url), max_queue_size=1 << 20))
    return provider, provider.get_tracer("shop", "0.9.0")


providers, tracers = zip(*(tracer(name) for name in ("edge", "orders", "payments")))


def http(route, order):
    return {
        "http.request.method": draw.choice(("GET", "GET", "POST")),
        "http.route": route,
        "http.response.status_code": draw.choice((200, 200, 200, 201, 404, 500)),
        "url.path": route.replace("{id}", str(order)),
        "server.address": "shop.example.com",
        "server.port": 443,
        "client.address": f"203.0.{draw.randrange(8)}.{draw.randrange(256)}",
        "user_agent.original": draw.choice(AGENTS),
        "enduser.id": f"user-{draw.randrange(5000)}",
        "network.protocol.version": "1.1",
    }


def database(order):
    return {
        "db.system.name": "mysql",
        "db.namespace": "shop",
        "db.operation.name": "SELECT",
        "db.collection.name": "orders",
        "db.query.text": f"SELECT * FROM orders WHERE id = {order}",
        "db.response.returned_rows": draw.randrange(40),
        "server.address": "db1.internal",
        "server.port": 3306,
        "network.peer.address": "10.0.4.17",
        "thread.id": draw.randrange(64),
    }


for _ in range(traces):
    order = draw.randrange(10**8)
    with tracers[0].start_as_current_span("GET /orders/{id}", kind=SpanKind.SERVER, attributes=http("/orders/{id}", order)):
        with tracers[1].start_as_current_span("load", kind=SpanKind.SERVER, attributes=http("/v1/orders/{id}", order)):
            for _ in range(draw.randrange(1, 3)):
                with tracers[1].start_as_current_span("SELECT orders", kind=SpanKind.CLIENT, attributes=database(order)):
                    pass
        with tracers[2].start_as_current_span("charge", kind=SpanKind.INTERNAL, attributes=http("/v1/charges", order)) as span:
            if draw.random() < 0.02:
                span.set_status(trace.StatusCode.ERROR, "declined")
                span.add_event("declined", {"reason": draw.choice(("limit", "expired"))})

for provider in providers:
    provider.shutdown()
