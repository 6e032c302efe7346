//! Jaeger's own protocols: Thrift (binary over HTTP, compact over UDP) and Protocol Buffers (gRPC `PostSpans`).
//!
//! Spans become OpenTelemetry's as the collector translates them: tags are attributes, logs are events, references that are
//! not the parent are links, and the tags that stood for something else (`span.kind`, `error`, `otel.*`) are that again.
//!
//! Source: <https://github.com/jaegertracing/jaeger-idl>, and OpenTelemetry's
//! <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/>.

mod batch;
mod protobuf;
mod thrift;

pub use protobuf::decode_post_spans;
pub use thrift::{decode_binary, decode_compact_message};
