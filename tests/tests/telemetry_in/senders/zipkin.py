"""py-zipkin: `zipkin.py URL v1_json|v2_json|v2_proto3 SERVICE`. Prints the trace's id."""

import sys
import urllib.request

from py_zipkin import Encoding
from py_zipkin.transport import BaseTransportHandler
from py_zipkin.util import generate_random_128bit_string, generate_random_64bit_string
from py_zipkin.zipkin import ZipkinAttrs, zipkin_client_span, zipkin_span

url, encoding, service = sys.argv[1:]
kind = "application/x-protobuf" if "proto" in encoding else "application/json"


class Post(BaseTransportHandler):
    def get_max_payload_bytes(self):
        return None

    def send(self, payload):
        body = payload if isinstance(payload, bytes) else payload.encode()
        request = urllib.request.Request(url, body, {"content-type": kind})
        assert urllib.request.urlopen(request).status == 202


trace = generate_random_128bit_string()
attributes = ZipkinAttrs(trace, generate_random_64bit_string(), None, "0", True)
with zipkin_span(
    service_name=service,
    span_name="checkout",
    transport_handler=Post(),
    zipkin_attrs=attributes,
    encoding=Encoding[encoding.upper()],
):
    with zipkin_client_span(service_name=service, span_name="pay", binary_annotations={"card": "visa"}):
        pass
print(trace)
