//! Payloads that are no good: each gets its protocol's own error, and nothing of it is kept.

use std::fmt::Write as _;

use weir_tests::payload::{Proto, gzip, loki, now_ms, now_ns, otlp_spans, remote_write, snappy};
use weir_tests::peers::{peer, run_with_input};
use weir_tests::{Message, Store};

/// Small, so that what is too large is quickly sent.
const LIMITS: &str = "limits: { payload: 64KiB }";
/// More than that.
const LARGE: usize = 100 * 1024;

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";
const REMOTE_WRITE: &str = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";

fn check(store: &Store, path: &str, headers: &str, body: impl AsRef<[u8]>, status: u16) -> Message {
    let answer = store.post(path, headers, body.as_ref());
    assert_eq!(answer.status(), status, "{path} {headers:?}: {}", answer.text());
    assert_eq!(answer.field("retry-after"), None, "what is no good will be no better later");
    answer
}

/// A good series, and then bytes that are no message.
fn half_good() -> Vec<u8> {
    let good = remote_write(&[("__name__", "half_good")], [(now_ms(), 1.0)]);
    [good.as_ref(), Proto::new().claim(1, 1 << 20).as_ref()].concat()
}

#[test]
fn of_remote_write() {
    let store = Store::with(LIMITS, &[]);
    let path = "/api/v1/write";
    let good = remote_write(&[("__name__", "good")], [(now_ms(), 1.0)]);
    let whole = snappy(&good);
    check(&store, path, REMOTE_WRITE, &whole[..whole.len() - 3], 400);
    check(&store, path, REMOTE_WRITE, &good, 400);
    check(&store, path, REMOTE_WRITE, snappy(half_good()), 400);
    check(&store, path, REMOTE_WRITE, snappy(Proto::new().claim(1, u64::MAX)), 400);
    check(
        &store,
        path,
        "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n",
        gzip(&good),
        415,
    );
    check(&store, path, "content-type: text/plain\r\ncontent-encoding: snappy\r\n", &whole, 415);
    check(&store, path, REMOTE_WRITE, vec![0; LARGE], 413);
    // Snappy of some bytes that says it unfolds to a gibibyte, and one that does unfold to too much.
    check(&store, path, REMOTE_WRITE, [&[0x80, 0x80, 0x80, 0x80, 0x04][..], b"\x00a"].concat(), 413);
    let mut unfolds = vec![0xff, 0xff, 0x07, 0x00, b'a'];
    unfolds.extend([0xfe, 0x01, 0x00].repeat(2048));
    check(&store, path, REMOTE_WRITE, unfolds, 413);
    // 2.0 says how much was written, in errors too.
    let v2 = "content-type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\ncontent-encoding: snappy\r\n";
    let answer = check(&store, path, v2, snappy(Proto::new().claim(5, 1 << 30)), 400);
    assert_eq!(answer.field("x-prometheus-remote-write-samples-written"), Some("0"));
    // A bad label name among good series: the rest is kept, and the answer says what was not.
    let mixed = remote_write(&[("__name__", "bad"), ("", "x")], [(now_ms(), 1.0)]);
    let mixed =
        [remote_write(&[("__name__", "beside_bad")], [(now_ms(), 1.0)]).as_ref(), mixed.as_ref()].concat();
    check(&store, path, REMOTE_WRITE, snappy(mixed), 400);
    let names = store.json("/api/v1/label/__name__/values");
    assert_eq!(names["data"], serde_json::json!(["beside_bad"]), "nothing else is kept");
    check(&store, path, REMOTE_WRITE, whole, 204);
}

#[test]
fn of_otlp_over_http() {
    let store = Store::with(LIMITS, &[]);
    let spans = otlp_spans("refused", [7]);
    let named = |status: u16, form: &str, code: u64, answer: &Message| {
        assert_eq!(answer.field("content-type"), Some(form), "{status}");
        if form == "application/json" {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("a status in JSON");
            assert_eq!(body["code"], code, "{body}");
            assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        } else {
            assert_eq!(answer.body[..2], [8, code as u8], "google.rpc.Status");
        }
    };
    for path in ["/v1/metrics", "/v1/logs", "/v1/traces"] {
        named(400, "application/json", 3, &check(&store, path, JSON, &spans[..spans.len() - 9], 400));
        named(400, "application/json", 3, &check(&store, path, JSON, "[".repeat(50_000), 400));
        let truncated = Proto::new().claim(1, 1 << 30);
        named(400, "application/x-protobuf", 3, &check(&store, path, PROTOBUF, &truncated, 400));
        // Values within values, deeper than anybody means.
        let deep =
            (0..5_000).fold(Proto::new(), |inner, _| Proto::new().bytes(5, Proto::new().bytes(1, inner)));
        let attribute = Proto::new().bytes(1, "deep").bytes(2, deep);
        let deep = Proto::new().bytes(1, Proto::new().bytes(1, Proto::new().bytes(1, attribute)));
        check(&store, path, PROTOBUF, deep, 400);
        check(&store, path, "content-type: application/json\r\ncontent-encoding: gzip\r\n", &spans, 400);
        check(&store, path, "content-type: application/json\r\ncontent-encoding: br\r\n", &spans, 415);
        check(&store, path, "content-type: text/xml\r\n", &spans, 415);
        check(&store, path, JSON, " ".repeat(LARGE), 413);
        check(
            &store,
            path,
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            gzip(vec![b' '; 64 << 20]),
            413,
        );
        assert_eq!(store.get(path, "").status(), 405);
    }
    // A good span, and behind it one whose ids are none: the payload cannot be read, and the good one is not kept.
    let half = spans.replace("]}]}]}", r#",{"traceId":"zz","spanId":"1"}]}]}]}"#);
    check(&store, "/v1/traces", JSON, half, 400);
    assert!(store.trace(&format!("{:032x}", 7)).is_empty());
    assert_eq!(store.json("/api/services")["data"].as_array().map_or(0, Vec::len), 0);
    check(&store, "/v1/traces", JSON, &spans, 200);
    assert_eq!(store.trace(&format!("{:032x}", 7)).len(), 1);
}

#[test]
fn of_loki() {
    let store = Store::with(LIMITS, &[]);
    let path = "/loki/api/v1/push";
    let good = loki(r#"{"app":"refused"}"#, [(now_ns(), "a line".to_owned())]);
    check(&store, path, JSON, &good[..good.len() - 2], 400);
    check(&store, path, JSON, "[".repeat(50_000), 400);
    check(&store, path, PROTOBUF, &good, 400);
    check(&store, path, PROTOBUF, snappy(Proto::new().claim(1, 1 << 40)), 400);
    check(&store, path, "content-type: application/json\r\ncontent-encoding: br\r\n", &good, 400);
    check(&store, path, "content-type: application/json\r\ncontent-encoding: gzip\r\n", &good, 400);
    check(&store, path, JSON, " ".repeat(LARGE), 413);
    check(
        &store,
        path,
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        gzip(vec![b' '; 64 << 20]),
        413,
    );
    // A good stream, and behind it something that is none.
    let half = good.replace("]}]}", r#"]},{"stream":7}]}"#);
    check(&store, path, JSON, half, 400);
    assert!(store.logql(r#"{app=~".+"}"#).is_empty());
    check(&store, path, JSON, &good, 204);
    // The same payload again, since its answer was lost: taken, and not twice.
    check(&store, path, JSON, &good, 204);
    assert_eq!(store.logql(r#"{app="refused"}"#).len(), 1);
}

#[test]
fn of_zipkin_and_jaeger() {
    let store = Store::with(LIMITS, &[]);
    let zipkin = |id: &str, more: &str| {
        let now = now_ns() / 1000;
        format!(
            r#"[{{"traceId":"{id}","id":"1","name":"a","timestamp":{now},"duration":5,"localEndpoint":{{"serviceName":"refused"}}}}{more}]"#
        )
    };
    let good = zipkin("00000000000000a1", "");
    for path in ["/api/v2/spans", "/api/v1/spans"] {
        check(&store, path, JSON, &good[..good.len() - 3], 400);
        check(&store, path, JSON, "[".repeat(50_000), 400);
        check(&store, path, "content-type: application/json\r\ncontent-encoding: br\r\n", &good, 415);
        check(&store, path, "content-type: application/json\r\ncontent-encoding: gzip\r\n", &good, 400);
        check(&store, path, JSON, " ".repeat(LARGE), 413);
        check(
            &store,
            path,
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            gzip(vec![b' '; 64 << 20]),
            413,
        );
    }
    check(&store, "/api/v2/spans", JSON, zipkin("00000000000000a1", ",7"), 400);
    check(&store, "/api/v2/spans", PROTOBUF, Proto::new().claim(1, 1 << 40), 400);
    let thrift = "content-type: application/vnd.apache.thrift.binary\r\n";
    check(&store, "/api/traces", thrift, [0x0f, 0, 2, 0x0c, 0x7f, 0xff, 0xff, 0xff], 400);
    // Structures within structures, without an end.
    check(&store, "/api/traces", thrift, [0x0c, 0, 1].repeat(20_000), 400);
    check(&store, "/api/traces", thrift, vec![0; LARGE], 413);
    assert_eq!(store.json("/api/services")["data"].as_array().map_or(0, Vec::len), 0);
    check(&store, "/api/v2/spans", JSON, good, 202);
    assert_eq!(store.trace("00000000000000a1").len(), 1);
}

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const POST_SPANS: &str = "/jaeger.api_v2.CollectorService/PostSpans";

/// Calls and the codes that they end with, by a client of gRPC's own.
#[track_caller]
pub(crate) fn grpc(store: &Store, calls: &[(&str, &str, Vec<u8>, &str)]) {
    let Some(python) = peer("telemetry", "opentelemetry") else { return };
    let mut input = String::new();
    for (method, token, payload, _) in calls {
        let _ = write!(input, "{method} {token} x");
        for byte in payload {
            let _ = write!(input, "{byte:02x}");
        }
        input.push('\n');
    }
    let script = include_str!("senders/grpc_codes.py");
    let (succeeded, said) =
        run_with_input(&python, &["-c", script, &store.grpc.to_string()], input.as_bytes());
    assert!(succeeded, "{said}");
    let codes: Vec<_> = said.lines().map(str::trim).collect();
    let expected: Vec<_> = calls.iter().map(|(_, _, _, code)| *code).collect();
    assert_eq!(codes, expected, "{:?}", calls.iter().map(|call| call.0).collect::<Vec<_>>());
}

#[test]
fn of_grpc() {
    let store = Store::with(LIMITS, &[]);
    let bad = Proto::new().claim(1, 1 << 30).as_ref().to_vec();
    let large = Proto::new().bytes(1, vec![0; LARGE]).as_ref().to_vec();
    let mut calls = Vec::new();
    for method in [TRACES, LOGS, METRICS, POST_SPANS] {
        calls.push((method, "-", bad.clone(), "INVALID_ARGUMENT"));
        calls.push((method, "-", large.clone(), "OUT_OF_RANGE"));
        calls.push((method, "-", Vec::new(), "OK"));
    }
    calls.push((
        "/opentelemetry.proto.collector.trace.v1.TraceService/Nothing",
        "-",
        Vec::new(),
        "UNIMPLEMENTED",
    ));
    grpc(&store, &calls);
    assert_eq!(store.json("/api/services")["data"].as_array().map_or(0, Vec::len), 0);
}

/// A disk with less room than the store wants: everybody is told to come back later, and when.
#[test]
fn where_the_disk_is_full() {
    let mounts = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let tried =
        std::process::Command::new(mounts[0]).args(&mounts[1..]).arg("mount -t tmpfs tmpfs /tmp").status();
    if !tried.is_ok_and(|status| status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "this system lets nobody mount in a namespace of their own"
        );
        eprintln!("NOT RUN: this system lets nobody mount in a namespace of their own");
        return;
    }
    let mount = "mount -t tmpfs -o size=64m tmpfs @DIR@/data && exec \"$@\"";
    let store = Store::through(&[&mounts[..], &[mount, "sh"]].concat());
    let metrics = snappy(remote_write(&[("__name__", "late")], [(now_ms(), 1.0)]));
    let logs = loki(r#"{"app":"late"}"#, [(now_ns(), "a line".to_owned())]);
    let zipkin = r#"[{"traceId":"a1","id":"1","name":"a"}]"#;
    for (path, headers, body) in [
        ("/api/v1/write", REMOTE_WRITE, metrics),
        ("/loki/api/v1/push", JSON, logs.into_bytes()),
        ("/v1/traces", JSON, otlp_spans("late", [1]).into_bytes()),
        ("/api/v2/spans", JSON, zipkin.into()),
    ] {
        let answer = store.post(path, headers, body);
        assert_eq!(answer.status(), 429, "{path}: {}", answer.text());
        assert!(answer.field("retry-after").is_some(), "{path} does not say when to come back");
    }
    let span = Proto::new().bytes(1, [1; 16]).bytes(2, [1; 8]).bytes(5, "late");
    let spans = Proto::new().bytes(1, Proto::new().bytes(2, Proto::new().bytes(2, span)));
    grpc(&store, &[(TRACES, "-", spans.as_ref().to_vec(), "RESOURCE_EXHAUSTED retry")]);
    assert!(store.promql("late").is_empty());
}
