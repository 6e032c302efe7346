//! What a gateway keeps of its own traffic: metrics, access records and spans, each found in its way; and that keeping
//! them is never in a request's way.

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use weir_tests::gateway::{Setup, Weir, origin};
use weir_tests::payload::{loki, now_ns};
use weir_tests::store::Door;
use weir_tests::{Client, Origin, eventually, free_port, get};

/// How long what was seen may take to be found: batches wait for 200 ms, metrics for their second.
const SOON: Duration = Duration::from_secs(20);

/// A gateway with a store beside it, and the store's door.
fn remembering(origin_port: u16, own: &str) -> (Setup, Door) {
    let (http, grpc) = (free_port(), free_port());
    let text = format!(
        "routes:\n  - {{ name: orders, matches: [ {{ path: {{ prefix: /orders }} }} ], service: origin }}\n  \
         - {{ name: all, service: origin }}\n\
         store: {{ path: data, http: [\"127.0.0.1:{http}\"], grpc: [\"127.0.0.1:{grpc}\"], own: {{ {own} }} }}\n"
    );
    (Setup::new(text + &origin(origin_port)).access_log("{ format: off }"), Door { http })
}

fn ask(client: &mut Client, path: &str, more: &str) {
    let answer = client.ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// The ids of a `traceparent`: the trace, and who sent it on.
fn ids(traceparent: &str) -> (String, String) {
    let parts: Vec<_> = traceparent.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

/// The value of a metric on admin, as far as it is there.
fn counted(weir: &Weir, series: &str) -> f64 {
    let text = get(weir.admin, "/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or(0.0)
}

#[test]
fn metrics_records_and_spans_are_found() {
    let upstream = Origin::saying("hello");
    let (setup, store) = remembering(upstream.port, "metrics: 1s, spans: 100%");
    let weir = setup.start();
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut client = Client::connect(weir.port);
    ask(&mut client, "/orders/7?card=secret", &format!("traceparent: 00-{trace}-{parent}-01\r\n"));
    ask(&mut client, "/other", "");

    // Metrics.
    eventually("a metric of a route", SOON, || {
        let found = store.promql(r#"weir_requests_total{job="weir", route="orders", code="2xx"}"#);
        found.len() == 1 && found[0]["value"][1] == "1"
    });
    eventually("a series that goes on", SOON, || {
        store.promql("count_over_time(process_cpu_seconds_total[1m]) > 2").len() == 1
    });
    let metadata = store.json("/api/v1/metadata?metric=weir_requests_total");
    assert_eq!(metadata["data"]["weir_requests_total"][0]["type"], "counter", "{metadata}");

    // Access records.
    eventually("a record of each request", SOON, || store.logql(r#"{service_name="weir"}"#).len() == 2);
    let records = store.logql(r#"{route="orders"} | json | status = 200"#);
    assert_eq!(records.len(), 1, "{records:?}");
    let record: serde_json::Value = serde_json::from_str(&records[0].1).expect("a record in JSON");
    assert_eq!((&record["path"], &record["trace"]), (&"/orders/7".into(), &trace.into()), "{record}");
    assert!(!records[0].1.contains("secret"), "what stands behind a `?` is not kept");
    assert_eq!(store.logql(&format!(r#"{{service_name="weir"}} | trace_id = "{trace}""#)).len(), 1);

    // Spans: by the client's trace, and by the one that Weir began.
    let seen: Vec<_> =
        upstream.requests().iter().map(|r| ids(r.field("traceparent").expect("a field"))).collect();
    assert_eq!(seen[0].0, trace);
    for ((trace, span), (name, path)) in seen.iter().zip([("GET orders", "/orders/7"), ("GET all", "/other")])
    {
        let mut spans = Vec::new();
        eventually("the span of a request", SOON, || {
            spans = store.trace(trace);
            !spans.is_empty()
        });
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(spans[0]["spanID"], span.as_str(), "what the service was sent is what is kept");
        assert_eq!(spans[0]["operationName"], name);
        assert!(spans[0]["tags"].to_string().contains(path), "{}", spans[0]);
        assert!(!spans[0].to_string().contains("secret"), "{}", spans[0]);
    }
    let first = store.trace(trace);
    assert_eq!(first[0]["references"][0]["spanID"], parent, "{first:?}");
    let found = store.json("/api/traces?service=weir&lookback=1h&limit=20");
    assert_eq!(found["data"].as_array().map(Vec::len), Some(2), "{found}");
}

/// The path that Grafana goes: from a metric to a record, and from that to its trace, with nothing but what each said.
#[test]
fn from_a_failure_to_its_trace() {
    let closed = free_port();
    let (setup, store) = remembering(closed, "metrics: 1s, spans: 100%");
    let weir = setup.start();
    assert_eq!(get(weir.port, "/orders/9").status(), 503);
    eventually("a failure is counted", SOON, || {
        store.promql(r#"weir_failures_total{kind="connection_refused"} > 0"#).len() == 1
    });
    let mut lines = Vec::new();
    eventually("its record", SOON, || {
        lines = store.logql(r#"{route="orders"} | json | failure = "connection_refused""#);
        lines.len() == 1
    });
    let record: serde_json::Value = serde_json::from_str(&lines[0].1).expect("a record in JSON");
    let trace = record["trace"].as_str().expect("a trace").to_owned();
    eventually("its span", SOON, || store.trace(&trace).len() == 1);
    let span = store.trace(&trace).remove(0);
    assert!(span["tags"].to_string().contains("connection_refused"), "{span}");
    assert!(span["tags"].to_string().contains("\"error\""), "{span}");
}

#[test]
fn a_stated_share_of_spans_is_kept() {
    const REQUESTS: usize = 4000;
    const CONNECTIONS: usize = 8;
    let upstream = Origin::saying("hello");
    let (setup, store) = remembering(upstream.port, "metrics: none, logs: false, spans: 25%");
    let weir = setup.workers(2).start();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let port = weir.port;
            std::thread::spawn(move || {
                let mut client = Client::connect(port);
                (0..REQUESTS / CONNECTIONS).for_each(|_| ask(&mut client, "/orders", ""));
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    let mut kept = 0;
    let count = || {
        let found = store.json("/api/traces?service=weir&lookback=1h&limit=1500");
        let ids: HashSet<_> = found["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|trace| trace["traceID"].to_string())
            .collect();
        ids.len()
    };
    eventually("spans are kept", SOON, || {
        let before = kept;
        kept = count();
        std::thread::sleep(Duration::from_millis(300));
        kept > 0 && kept == before
    });
    // A quarter of 4,000, and a 200th of that either way.
    assert!((995..=1005).contains(&kept), "{kept} of {REQUESTS}");
    assert!(counted(&weir, r#"weir_own_telemetry_records_total{result="dropped"}"#).abs() < 0.5);
    assert!(store.promql("weir_requests_total").is_empty(), "`metrics: none` notes none");
    assert!(store.logql(r#"{service_name="weir"}"#).is_empty(), "`logs: false` keeps none");
}

/// From one moment on nothing can be written any more. Requests do not notice; senders are told to come back; what is in
/// memory and on the disk is still found.
#[test]
fn a_disk_that_fails_is_in_nobodys_way() {
    let upstream = Origin::saying("hello");
    let (setup, store) = remembering(upstream.port, "metrics: 1s, spans: 100%");
    // The system's answer to a write past the limit is a signal, unless that is ignored.
    let mut weir = setup.through(&["sh", "-c", "trap '' XFSZ && exec \"$@\"", "sh"]).start();
    let mut client = Client::connect(weir.port);
    ask(&mut client, "/orders/before", "");
    eventually("a record before", SOON, || store.logql(r#"{route="orders"}"#).len() == 1);

    let limited = Command::new("prlimit").args(["--pid", &weir.pid().to_string(), "--fsize=1"]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit failed");
    for _ in 0..2000 {
        ask(&mut client, "/orders/after", "");
    }
    let push = || {
        let body = loki(r#"{"app":"late"}"#, [(now_ns(), "a line".to_owned())]);
        store.post("/loki/api/v1/push", "content-type: application/json\r\n", body)
    };
    let mut answer = push();
    eventually("senders are told", SOON, || {
        answer = push();
        answer.status() == 503
    });
    assert!(answer.field("retry-after").is_some(), "{answer:?}");
    ask(&mut client, "/orders/after", "");
    assert!(counted(&weir, r#"weir_requests_total{route="orders",code="2xx"}"#) >= 2002.0);
    assert!(!store.logql(r#"{route="orders"} |= "before""#).is_empty(), "what was kept is still found");
    weir.signal("TERM");
    weir.wait(Duration::from_mins(1));
}
