//! What comes in over gRPC: OTLP, all three signals, and Jaeger's `PostSpans`.
//!
//! tonic speaks gRPC; messages pass it as bytes, since the decoders are the same as for HTTP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::Request as HttpRequest;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Request, Response, Status};
use weir_intake::otlp::json::Request as Signal;
use weir_intake::wire::Writer;
use weir_signal::{Reason, Refusal};

use super::spans::{self, Form};
use super::{RETRY_AFTER_S, otlp, take};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::Answer;
use crate::tally::{Became, Protocol, Why};

/// What is called.
#[derive(Debug, Clone, Copy)]
enum Method {
    Otlp(Signal),
    PostSpans,
}

/// Answers a call of a caller, where it is known who calls.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: Option<Caller>,
    request: HttpRequest<Incoming>,
) -> Answer {
    let method = match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Method::Otlp(Signal::Traces)),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Method::Otlp(Signal::Logs)),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
            Some(Method::Otlp(Signal::Metrics))
        }
        "/jaeger.api_v2.CollectorService/PostSpans" => Some(Method::PostSpans),
        _ => None,
    };
    let protocol = match method {
        Some(Method::PostSpans) => Protocol::JaegerGrpc,
        _ => Protocol::OtlpGrpc,
    };
    let count = |why| engine.tally().note(protocol, Became::Refused(why));
    let refused = match (&caller, method) {
        (None, _) => {
            count(Why::Unauthenticated);
            Some(Status::unauthenticated("who is calling? Send `authorization: Bearer TOKEN`"))
        }
        (_, None) => Some(Status::unimplemented(format!("{} is not known here", request.uri().path()))),
        (Some(caller), _) if !caller.may_write() => {
            count(Why::PermissionDenied);
            Some(Status::permission_denied("this caller may not write; see `may` in `store.access`"))
        }
        _ => None,
    };
    let (Some(caller), Some(method), None) = (caller, method, &refused) else {
        let status = refused.unwrap_or_else(|| Status::internal("a call without a caller"));
        return status.into_http::<tonic::body::Body>().map(boxed);
    };
    let bytes_max = engine.rules().intake.decompressed_bytes;
    let mut grpc = Grpc::new(RawCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .apply_max_message_size_config(Some(bytes_max), None);
    let call = Call { engine: engine.clone(), caller, method };
    let answer = grpc.unary(call, request).await;
    // What did not come as far as the decoder: tonic answers with codes that decoders do not use.
    let code = answer.headers().get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    match code {
        Some(Code::OutOfRange) => count(Why::Reason(Reason::TooLarge)),
        Some(Code::Unimplemented) => count(Why::Reason(Reason::Unsupported)),
        Some(Code::Internal) => count(Why::Reason(Reason::Malformed)),
        _ => {}
    }
    answer.map(boxed)
}

fn boxed(body: tonic::body::Body) -> crate::http::Body {
    body.map_err(Into::into).boxed_unsync()
}

struct Call {
    engine: Arc<Engine>,
    caller: Caller,
    method: Method,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let Self { engine, caller, method } = self;
        let (engine, caller, method) = (engine.clone(), caller.clone(), *method);
        Box::pin(async move {
            let payload = request.into_inner();
            let answer = match method {
                Method::Otlp(signal) => otlp::take_plain(&engine, &caller, signal, payload)
                    .await
                    .map(|accepted| accepted.response()),
                // Its response is empty; what was refused is counted.
                Method::PostSpans => {
                    let decoded = take(&engine, Protocol::JaegerGrpc, payload.len(), move |engine| {
                        spans::decode(engine, &caller, Form::JaegerProtobuf, &payload)
                    });
                    decoded.await.map(|_| Vec::new())
                }
            };
            answer.map(|bytes| Response::new(bytes.into())).map_err(|refusal| status(&refusal))
        })
    }
}

/// A refusal as OTLP over gRPC says it: a sender tries again only where `RetryInfo` says when.
fn status(refusal: &Refusal) -> Status {
    let code = match refusal.reason {
        Reason::Overloaded | Reason::TooLarge => Code::ResourceExhausted,
        Reason::Unavailable => Code::Unavailable,
        _ => Code::InvalidArgument,
    };
    if !refusal.reason.may_retry() {
        return Status::new(code, refusal.message.clone());
    }
    let mut details = Writer::new();
    details.uint(1, code as u64);
    details.text(2, &refusal.message);
    details.message(3, |any| {
        any.text(1, "type.googleapis.com/google.rpc.RetryInfo");
        any.message(2, |info| info.message(1, |delay| delay.uint(1, u64::from(RETRY_AFTER_S))));
    });
    Status::with_details(code, refusal.message.clone(), details.into_bytes().into())
}

/// Messages as they are.
#[derive(Debug, Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}
