//! Zipkin's spans: version 2 in JSON and Protocol Buffers, version 1 in JSON.
//!
//! Spans become OpenTelemetry's: tags are attributes, annotations are events, the local endpoint is the resource. Version 1
//! says by annotations (`cs`, `sr`, …) what version 2 says by a span's kind and times.
//!
//! Source: <https://zipkin.io/zipkin-api/>, and OpenTelemetry's
//! <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/>.

mod protobuf;
mod span;
mod v1;
mod v2;

pub use protobuf::decode_v2_protobuf;
pub use v1::decode_v1_json;
pub use v2::decode_v2_json;
