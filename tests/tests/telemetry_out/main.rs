//! Ways out: one story, told in all three signals, asked for in every interface and from the terminal.

mod datasources;
mod following;
mod logs;
mod metrics;
mod openapi;
mod terminal;
mod traces;

use serde_json::{Value, json};
use weir_tests::payload::{loki, now_ms, now_ns, remote_write, snappy};
use weir_tests::{Message, Store};

const JSON: &str = "content-type: application/json\r\n";
const TRACE: &str = "5b8efff798038103d269b633813fc60c";

/// A minute of a counter at 5 s, five lines, and a trace of two services.
fn story() -> Store {
    let store = Store::start();
    tell(&store);
    store
}

fn tell(store: &Store) {
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
}

fn read(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
