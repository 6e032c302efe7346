"""Calls over gRPC, one for each line of standard input: `METHOD TOKEN HEX`, `-` for no token. Prints a code for each."""

import sys

import grpc

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
for line in sys.stdin:
    method, token, payload = line.split()
    metadata = [] if token == "-" else [("authorization", f"Bearer {token}")]
    call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    try:
        call(bytes.fromhex(payload.removeprefix("x")), metadata=metadata, timeout=10)
        print("OK")
    except grpc.RpcError as error:
        retry = any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())
        print(error.code().name, "retry" if retry else "")
