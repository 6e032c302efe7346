//! What came in and what did not, as the metrics say it.

use std::time::{Duration, Instant};

use weir_tests::payload::{Proto, loki, now_ms, now_ns, otlp_spans, remote_write, snappy};
use weir_tests::store::Door;
use weir_tests::{Store, eventually, free_port};

const REMOTE_WRITE: &str = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
const JSON: &str = "content-type: application/json\r\n";
const SOON: Duration = Duration::from_secs(20);

/// The value of a series in the exposition; `None` where it is not there.
fn value(store: Door, series: &str) -> Option<f64> {
    let answer = store.get("/metrics", "");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let text = answer.text();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn check(store: Door, series: &str, expect: f64) {
    // Families share one look at the store, of a moment ago.
    let begun = Instant::now();
    while value(store, series) != Some(expect) && begun.elapsed() < Duration::from_secs(1) {}
    assert_eq!(value(store, series), Some(expect), "{series}");
}

#[test]
fn whatever_is_refused_is_counted_once() {
    let store = Store::with("limits: { payload: 64KiB }", &[]);
    let post = |path: &str, headers: &str, body: &[u8], status: u16| {
        let answer = store.post(path, headers, body);
        assert_eq!(answer.status(), status, "{path}: {}", answer.text());
        answer.text()
    };
    let (write, push) = ("/api/v1/write", "/loki/api/v1/push");
    let now = now_ms();
    let sample = |value| snappy(remote_write(&[("__name__", "one")], [(now, value)]));
    post(write, REMOTE_WRITE, &sample(1.0), 204);
    post(write, REMOTE_WRITE, &sample(1.0), 204);
    // Another value at the same time is found only when it is committed; the sender learns of it all the same.
    let said = post(write, REMOTE_WRITE, &sample(2.0), 400);
    assert!(said.contains("another value at time"), "{said}");
    let old = remote_write(&[("__name__", "old")], [(1, 1.0), (2, 1.0), (now, 1.0)]);
    post(write, REMOTE_WRITE, &snappy(old), 400);
    let unnamed = remote_write(&[("", "x")], [(now, 1.0), (now + 1, 1.0)]);
    post(write, REMOTE_WRITE, &snappy(unnamed), 400);
    post(write, REMOTE_WRITE, b"no snappy", 400);
    post(write, "content-type: text/plain\r\n", b"", 415);
    post(write, REMOTE_WRITE, &vec![0; 100 * 1024], 413);
    for (series, expect) in [
        (r#"weir_store_payloads_total{protocol="remote_write",result="taken"}"#, 2.0),
        (r#"weir_store_payloads_total{protocol="remote_write",result="partly"}"#, 3.0),
        (r#"weir_store_payloads_total{protocol="remote_write",result="refused"}"#, 3.0),
        (r#"weir_store_payloads_refused_total{protocol="remote_write",reason="malformed"}"#, 1.0),
        (r#"weir_store_payloads_refused_total{protocol="remote_write",reason="unsupported"}"#, 1.0),
        (r#"weir_store_payloads_refused_total{protocol="remote_write",reason="too_large"}"#, 1.0),
        (r#"weir_store_taken_total{signal="metrics"}"#, 3.0),
        (r#"weir_store_refused_total{signal="metrics",reason="duplicate"}"#, 1.0),
        (r#"weir_store_refused_total{signal="metrics",reason="too_old"}"#, 2.0),
        (r#"weir_store_refused_total{signal="metrics",reason="labels"}"#, 2.0),
        (r#"weir_store_refused_total{signal="metrics",reason="overloaded"}"#, 0.0),
        (r#"weir_store_active_series{tenant=""}"#, 2.0),
        ("weir_store_failed", 0.0),
    ] {
        check(*store, series, expect);
    }

    let lines = [(now_ns(), "one".to_owned()), (1, "old".to_owned())];
    post(push, JSON, loki(r#"{"app":"a"}"#, lines.clone()).as_bytes(), 400);
    post(push, JSON, loki(r#"{"app":"a"}"#, lines).as_bytes(), 400);
    post(push, JSON, b"{", 400);
    let spans = otlp_spans("a", [7]);
    post("/v1/traces", JSON, spans.as_bytes(), 200);
    post("/v1/traces", JSON, spans.as_bytes(), 200);
    post("/v1/traces", "content-type: text/html\r\n", spans.as_bytes(), 415);
    post("/api/v2/spans", JSON, b"[", 400);
    for (series, expect) in [
        (r#"weir_store_payloads_total{protocol="loki",result="partly"}"#, 2.0),
        (r#"weir_store_payloads_refused_total{protocol="loki",reason="malformed"}"#, 1.0),
        (r#"weir_store_taken_total{signal="logs"}"#, 1.0),
        // The second payload was there already: nothing of it is counted again.
        (r#"weir_store_refused_total{signal="logs",reason="too_old"}"#, 1.0),
        (r#"weir_store_payloads_repeated_total{signal="logs"}"#, 1.0),
        (r#"weir_store_payloads_total{protocol="otlp_http",result="taken"}"#, 2.0),
        (r#"weir_store_payloads_refused_total{protocol="otlp_http",reason="unsupported"}"#, 1.0),
        (r#"weir_store_taken_total{signal="spans"}"#, 1.0),
        (r#"weir_store_payloads_refused_total{protocol="zipkin",reason="malformed"}"#, 1.0),
    ] {
        check(*store, series, expect);
    }

    // Memory becomes parts.
    assert!(value(*store, "weir_store_wal_bytes").is_some_and(|bytes| bytes > 0.0));
    assert_eq!(store.post("/-/settle", "", b"").status(), 200);
    check(*store, r#"weir_store_flushes_total{result="done"}"#, 1.0);
    check(*store, r#"weir_store_parts{signal="spans",level="0"}"#, 1.0);
    assert!(value(*store, r#"weir_store_bytes{tenant="",signal="logs"}"#).is_some_and(|bytes| bytes > 0.0));
    assert!(value(*store, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 0.0));
}

#[test]
fn what_the_process_says_is_the_default_tenants() {
    let access = "access:\n  - { tenant: shop, by: { token: { file: shop.token } } }\n  \
                  - { by: { token: { file: own.token } } }\n  \
                  - { tenant: shop, by: { token: { file: reader.token } }, may: read }";
    let tokens = [
        ("shop.token", "shop-shop-shop-shop"),
        ("own.token", "own-own-own-own-own"),
        ("reader.token", "reader-reader-reader"),
    ];
    let store = Store::with(access, &tokens);
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    assert_eq!(store.get("/metrics", "").status(), 401);
    assert_eq!(store.get("/metrics", &bearer("shop-shop-shop-shop")).status(), 403);
    assert_eq!(store.post("/-/settle", &bearer("shop-shop-shop-shop"), b"").status(), 403);
    assert_eq!(store.post("/-/settle", &bearer("own-own-own-own-own"), b"").status(), 200);
    let line = loki(r#"{"app":"a"}"#, [(now_ns(), "one".to_owned())]);
    assert_eq!(store.post("/loki/api/v1/push", JSON, &line).status(), 401);
    let reader = format!("{JSON}{}", bearer("reader-reader-reader"));
    assert_eq!(store.post("/loki/api/v1/push", &reader, &line).status(), 403);
    let text = store.get("/metrics", &bearer("own-own-own-own-own")).text();
    for reason in ["unauthenticated", "permission_denied"] {
        let series = format!(r#"weir_store_payloads_refused_total{{protocol="loki",reason="{reason}"}} 1"#);
        assert!(text.lines().any(|line| line == series), "{series}: {text}");
    }
}

#[test]
fn scrapes_are_counted_by_how_they_end() {
    // It scrapes itself, somebody who is not there, and a path that answers another status.
    let (gone, grpc) = (free_port(), free_port());
    let http = free_port();
    let keys = format!(
        "http: [\"127.0.0.1:{http}\"]\ngrpc: [\"127.0.0.1:{grpc}\"]\nscrape:\n  \
         - {{ name: self, targets: [\"127.0.0.1:{http}\"], interval: 200ms, timeout: 200ms }}\n  \
         - {{ name: gone, targets: [\"127.0.0.1:{gone}\"], interval: 200ms, timeout: 200ms }}\n  \
         - {{ name: lost, targets: [\"127.0.0.1:{http}\"], path: /lost, interval: 200ms, timeout: 200ms }}"
    );
    let store = Store::at(http, &keys);
    let above = |series: &str| value(*store, series).is_some_and(|value| value > 0.0);
    eventually("a scrape of each", SOON, || {
        above(r#"weir_scrapes_total{scrape_job="self",result="good"}"#)
            && above(r#"weir_scrapes_total{scrape_job="gone",result="connect"}"#)
            && above(r#"weir_scrapes_total{scrape_job="lost",result="status"}"#)
    });
    check(*store, r#"weir_scrape_targets{scrape_job="self",state="up"}"#, 1.0);
    check(*store, r#"weir_scrape_targets{scrape_job="gone",state="down"}"#, 1.0);
    check(*store, r#"weir_scrapes_total{scrape_job="gone",result="good"}"#, 0.0);
    assert!(above(r#"weir_scrape_samples_total{scrape_job="self"}"#));
    assert!(above(r#"weir_scrape_duration_seconds_total{scrape_job="lost"}"#));
    // So that they are found by asking, too.
    eventually("the store's own metrics in the store", SOON, || {
        !store.promql(r#"weir_scrapes_total{job="self", scrape_job="gone", result="connect"} > 0"#).is_empty()
    });
}

/// A request of remote write 2.0, as its specification has it, with a float, a native histogram, an exemplar, a start
/// timestamp and what is known of the family: proven whatever Prometheus this machine has.
#[test]
fn a_request_of_remote_write_2_is_taken() {
    let store = Store::start();
    let now = now_ms();
    let symbols =
        ["", "__name__", "crafted_total", "shop", "north", "How many.", "crafted_seconds", "trace_id", "7f"];
    let packed = |numbers: &[u8]| numbers.to_vec();
    let time = now as u64;
    let counter = Proto::new()
        .bytes(1, packed(&[1, 2, 3, 4]))
        .bytes(2, Proto::new().double(1, 7.0).number(2, time).number(3, time - 60_000))
        .bytes(4, Proto::new().bytes(1, packed(&[7, 8])).double(2, 1.0).number(3, time))
        .bytes(5, Proto::new().number(1, 1).number(3, 5));
    let spans = Proto::new().number(1, 0).number(2, 2);
    let histogram = Proto::new()
        .number(1, 3)
        .double(3, 4.5)
        .number(4, 0)
        .double(5, 1e-128)
        .number(6, 0)
        .bytes(11, spans)
        .bytes(12, packed(&[2, 2]))
        .number(15, time);
    let histogram =
        Proto::new().bytes(1, packed(&[1, 6, 3, 4])).bytes(3, histogram).bytes(5, Proto::new().number(1, 3));
    let request = symbols.iter().fold(Proto::new(), |request, symbol| request.bytes(4, symbol));
    let request = request.bytes(5, counter).bytes(5, histogram);
    let headers = "content-type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n\
                   content-encoding: snappy\r\nx-prometheus-remote-write-version: 2.0.0\r\n";
    let answer = store.post("/api/v1/write", headers, snappy(request));
    assert_eq!(answer.status(), 204, "{}", answer.text());
    for (kind, expect) in [("samples", "1"), ("histograms", "1"), ("exemplars", "1")] {
        let field = format!("x-prometheus-remote-write-{kind}-written");
        assert_eq!(answer.field(&field), Some(expect), "{field}");
    }
    let found = store.promql(r#"crafted_total{shop="north"}"#);
    assert_eq!(found[0]["value"][1], "7", "{found:?}");
    let found = store.promql("histogram_count(crafted_seconds)");
    assert_eq!(found[0]["value"][1], "3", "{found:?}");
    let metadata = store.json("/api/v1/metadata?metric=crafted_total");
    assert_eq!(metadata["data"]["crafted_total"][0]["type"], "counter", "{metadata}");
    assert_eq!(metadata["data"]["crafted_total"][0]["help"], "How many.", "{metadata}");
    let (from, to) = (now / 1000 - 60, now / 1000 + 60);
    let found = store.json(&format!("/api/v1/query_exemplars?query=crafted_total&start={from}&end={to}"));
    assert_eq!(found["data"][0]["exemplars"][0]["labels"]["trace_id"], "7f", "{found}");
}
