//! OTLP, Jaeger and Zipkin. The first byte of the input chooses which, and how it is written.

use weir_intake::otlp::json::{self, Request};
use weir_intake::otlp::{Accepted, Deltas, MetricOptions, decode_logs, decode_metrics, decode_traces};
use weir_intake::record::Recorder;
use weir_intake::{Limits, jaeger, zipkin};
use weir_signal::Refusal;

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "otlp",
    words: &[
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{",
        "\"traceId\":\"5b8efff798038103d269b633813fc60c\",",
        "\"spanId\":\"eee19b7ec3c1b174\",",
        "\"attributes\":[{\"key\":\"a\",\"value\":{\"intValue\":\"1\"}}]",
        "\"exponentialHistogram\":{\"dataPoints\":[{\"scale\":9,\"positive\":{\"offset\":-3,\"bucketCounts\":[1,2]}}]}",
        "\"aggregationTemporality\":1",
        "}]}]}]}",
        "\x0a\x02\x12\x00",
        "\x12\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
        "\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01s\x00",
        "\u{82}emitBatch",
        "[{\"traceId\":\"1\",\"id\":\"2\",\"annotations\":[{\"timestamp\":1,\"value\":\"sr\"}]}]",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some((&choice, payload)) = input.split_first() else { return 0 };
    let limits = Limits { labels: 8, line_bytes: 256, histogram_buckets: 64, ..Limits::default() };
    let mut sink = Recorder::new();
    let found = decode(choice, payload, &limits, &mut sink);
    match found {
        Ok(accepted) => {
            let floats = sink.samples.len() + sink.histograms.len();
            assert!(
                sink.spans.iter().all(|span| !span.trace.is_zero() && !span.id.is_zero()),
                "a span without a name"
            );
            hash(&[
                choice % 12,
                1,
                bucket(accepted.items),
                bucket(accepted.refused.total()),
                bucket(floats as u64),
            ])
        }
        Err(refusal) => hash(refusal.reason.as_str().as_bytes()) ^ u64::from(choice % 12),
    }
}

fn bucket(count: u64) -> u8 {
    count.min(4) as u8
}

fn decode(choice: u8, payload: &[u8], limits: &Limits, sink: &mut Recorder) -> Result<Accepted, Refusal> {
    let requests = [Request::Traces, Request::Logs, Request::Metrics];
    let request = requests[usize::from(choice) % 3];
    match choice % 12 {
        0..=2 => plain(request, payload, limits, sink),
        3..=5 => plain(request, &json::to_protobuf(request, payload)?, limits, sink),
        6 => jaeger::decode_binary(payload, limits, sink),
        7 => jaeger::decode_compact_message(payload, limits, sink),
        8 => jaeger::decode_post_spans(payload, limits, sink),
        9 => zipkin::decode_v1_json(payload, limits, sink),
        10 => zipkin::decode_v2_json(payload, limits, sink),
        _ => zipkin::decode_v2_protobuf(payload, limits, sink),
    }
}

fn plain(
    request: Request,
    payload: &[u8],
    limits: &Limits,
    sink: &mut Recorder,
) -> Result<Accepted, Refusal> {
    match request {
        Request::Traces => decode_traces(payload, limits, sink),
        Request::Logs => decode_logs(payload, limits, 1, sink),
        Request::Metrics => {
            decode_metrics(payload, limits, &MetricOptions::default(), &mut Deltas::default(), sink)
        }
    }
}
