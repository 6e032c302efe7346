//! Ways out: one story, told in all three signals, asked for in every interface and from the terminal.

use std::process::Command;

use serde_json::{Value, json};
use weir_tests::gateway::binary;
use weir_tests::payload::{loki, now_ms, now_ns, remote_write, snappy};
use weir_tests::store::encoded;
use weir_tests::{Message, Store};

const JSON: &str = "content-type: application/json\r\n";
const TRACE: &str = "5b8efff798038103d269b633813fc60c";

/// A minute of a counter at 5 s, five lines, and a trace of two services.
fn story() -> Store {
    let store = Store::start();
    let begin_ms = now_ms() - 60_000;
    for (shop, step) in [("north", 5.0), ("south", 10.0)] {
        let samples = (0..=12).map(|i| (begin_ms + i * 5000, i as f64 * step));
        let body = remote_write(&[("__name__", "orders_total"), ("shop", shop)], samples);
        let headers = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
        assert_eq!(store.post("/api/v1/write", headers, snappy(body)).status(), 204);
    }
    let begin_ns = now_ns() - 50_000_000_000;
    let lines = (0..5).map(|i| {
        let level = if i == 3 { "error" } else { "info" };
        (begin_ns + i * 1_000_000_000, format!("level={level} order={i} took={}ms", 10 * i))
    });
    assert_eq!(store.post("/loki/api/v1/push", JSON, loki(r#"{"app":"orders"}"#, lines)).status(), 204);
    let span = |service: &str, id: &str, parent: &str, name: &str, from: u64, to: u64, error: bool| {
        json!({ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
            "scopeSpans": [{ "spans": [{ "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": name, "kind": 2,
                "startTimeUnixNano": (begin_ns + from).to_string(), "endTimeUnixNano": (begin_ns + to).to_string(),
                "attributes": [{ "key": "order.id", "value": { "intValue": "7" } }],
                "status": { "code": if error { 2 } else { 0 } } }] }] })
    };
    let spans = json!({ "resourceSpans": [
        span("shop", "eee19b7ec3c1b173", "", "checkout", 0, 30_000_000, false),
        span("bank", "eee19b7ec3c1b174", "eee19b7ec3c1b173", "pay", 10_000_000, 25_000_000, true),
    ] });
    assert_eq!(store.post("/v1/traces", JSON, spans.to_string()).status(), 200);
    store
}

fn read(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[test]
fn prometheus_interface() {
    let store = story();
    let sum = store.promql("sum(orders_total)");
    assert_eq!(sum[0]["value"][1], "180");
    let (start, end) = (now_ms() / 1000 - 30, now_ms() / 1000);
    let range = format!(
        "query={}&start={start}&end={end}&step=10",
        encoded("sum by (shop) (rate(orders_total[30s]))")
    );
    let by_get = store.json(&format!("/api/v1/query_range?{range}"));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let by_post = read(&store.post("/prometheus/api/v1/query_range", form, &range));
    assert_eq!(by_get, by_post, "both methods, and both beginnings");
    let values = list(&by_get["data"]["result"]);
    assert_eq!(values.len(), 2, "{by_get}");
    assert_eq!(values[0]["metric"], json!({ "shop": "north" }));
    assert!(values[0]["values"][1][1].as_str().is_some_and(|value| value.starts_with('1')), "{by_get}");
    let series = store.json(&format!("/api/v1/series?{}={}", encoded("match[]"), encoded("{shop=~\"n.*\"}")));
    assert_eq!(series["data"], json!([{ "__name__": "orders_total", "shop": "north" }]));
    assert_eq!(store.json("/api/v1/label/shop/values")["data"], json!(["north", "south"]));
    assert_eq!(store.json("/api/v1/status/buildinfo")["status"], "success");
    let wrong = store.get("/api/v1/query?query=sum(", "");
    assert_eq!((wrong.status(), &read(&wrong)["errorType"]), (400, &"bad_data".into()));
}

#[test]
fn loki_interface() {
    let store = story();
    let texts = |query: &str| store.logql(query).into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    assert_eq!(texts(r#"{app="orders"}"#).len(), 5);
    assert_eq!(texts(r#"{app="orders"} |= "error""#), ["level=error order=3 took=30ms"]);
    assert_eq!(
        texts(r#"{app="orders"} | logfmt | took > 15ms | level="info" | line_format "{{.order}}""#),
        ["2", "4"]
    );
    let count = format!(
        "/loki/api/v1/query?query={}",
        encoded(r#"sum by (level) (count_over_time({app="orders"} | logfmt [5m]))"#)
    );
    let count = store.json(&count);
    let mut levels: Vec<_> = list(&count["data"]["result"])
        .iter()
        .map(|series| (series["metric"]["level"].to_string(), series["value"][1].to_string()))
        .collect();
    levels.sort();
    let expected = [("\"error\"", "\"1\""), ("\"info\"", "\"4\"")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(levels, expected, "{count}");
    assert_eq!(store.json("/loki/api/v1/labels")["data"], json!(["app"]));
    assert_eq!(store.json("/loki/api/v1/label/app/values")["data"], json!(["orders"]));
    let backward =
        store.json(&format!("/loki/api/v1/query_range?query={}&limit=1", encoded(r#"{app="orders"}"#)));
    assert_eq!(
        backward["data"]["result"][0]["values"][0][1], "level=info order=4 took=40ms",
        "the newest first"
    );
    assert_eq!(store.get("/loki/api/v1/query_range?query=%7B", "").status(), 400);
}

#[test]
fn jaeger_interface() {
    let store = story();
    assert_eq!(store.json("/api/services")["data"], json!(["bank", "shop"]));
    assert_eq!(store.json("/api/services/shop/operations")["data"], json!(["checkout"]));
    let spans = store.trace(TRACE);
    assert_eq!(spans.len(), 2, "{spans:?}");
    let found = |more: &str| {
        let answer = store.json(&format!("/api/traces?service=shop&lookback=1h&limit=20{more}"));
        list(&answer["data"]).len()
    };
    assert_eq!(found(""), 1);
    assert_eq!(found("&minDuration=20ms"), 1);
    assert_eq!(found("&minDuration=40ms"), 0);
    assert_eq!(found(&format!("&tags={}", encoded(r#"{"order.id":"7"}"#))), 1);
    assert_eq!(found(&format!("&tags={}", encoded(r#"{"order.id":"8"}"#))), 0);
    assert_eq!(store.get("/api/traces/5b8efff798038103d269b633813fc60d", "").status(), 404);
    assert_eq!(store.get("/api/traces/zz", "").status(), 400);
}

#[test]
fn tempo_interface() {
    let store = story();
    assert_eq!(store.get("/tempo/api/echo", "").text(), "echo");
    let trace = store.json(&format!("/tempo/api/v2/traces/{TRACE}"));
    assert!(trace.to_string().contains("checkout") && trace.to_string().contains("pay"), "{trace}");
    let found = |query: &str| {
        let answer = store.json(&format!("/tempo/api/search?q={}&limit=20", encoded(query)));
        list(&answer["traces"]).len()
    };
    assert_eq!(found(r#"{ resource.service.name = "shop" && duration > 20ms }"#), 1);
    assert_eq!(found(r#"{ resource.service.name = "shop" && duration > 40ms }"#), 0);
    assert_eq!(found(r#"{ name = "checkout" } > { status = error }"#), 1);
    assert_eq!(found("{ span.order.id = 7 } | count() > 1"), 1);
    assert_eq!(store.get(&format!("/tempo/api/traces/{}", TRACE.replace('5', "6")), "").status(), 404);
}

/// A command, and where it asks.
#[track_caller]
fn terminal(command: &[&str], place: &[&str]) -> String {
    let output = Command::new(binary())
        .args(command)
        .args(place)
        .env("NO_COLOR", "1")
        .output()
        .expect("a binary that starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn from_the_terminal() {
    let store = story();
    let (url, folder) = (format!("http://127.0.0.1:{}", store.http), store.dir.path().join("data"));
    let folder = folder.display().to_string();
    // Against a running Weir, and straight on its folder while it writes there.
    for place in [["--url", &url], ["--store", &folder]] {
        let said = terminal(&["query", "sum by (shop) (orders_total)"], &place);
        assert!(said.contains("north") && said.contains("60") && said.contains("120"), "{said}");
        let said = terminal(&["logs", r#"{app="orders"} |= "error""#], &place);
        assert!(said.contains("order=3") && !said.contains("order=2"), "{said}");
        let said = terminal(&["trace", TRACE], &place);
        assert!(said.contains("checkout") && said.contains("pay"), "{said}");
        let said = terminal(&["traces", "--service", "shop", "--min-duration", "20ms"], &place);
        assert!(said.contains(&TRACE[..8]), "{said}");
    }
}
