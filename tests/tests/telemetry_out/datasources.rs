//! What Grafana's stock data sources ask, and what they read of the answers; and what Loki's manual shows.
//!
//! `datasources.json` holds their requests, as their sources write them: of `pkg/promlib` and
//! `packages/grafana-prometheus`, and of `pkg/tsdb` and `public/app/plugins/datasource` for Loki, Tempo and Jaeger.
//! `reads` names by JSON pointers (RFC 6901) what is read of an answer, and what has to stand there: a value, or `*` for
//! a text that is not empty, `number`, `string`, `list`, `object`, or nothing at all.

use std::fmt::Write as _;
use std::io::Read as _;

use serde_json::Value;
use weir_tests::payload::{now_ms, now_ns, remote_write, snappy};
use weir_tests::store::{encoded, post};
use weir_tests::{Client, Message, Store};

use crate::{JSON, TRACE, tell};

const REQUESTS: &str = include_str!("datasources.json");

/// The story with what only these requests ask for: kinds, exemplars, a native histogram, a line with a trace's id.
pub(crate) fn tell_more(store: &Store) {
    tell(store);
    let now = now_ns();
    let begin = now - 40_000_000_000;
    let point = |time: u64, value: u64| {
        format!(
            r#"{{"startTimeUnixNano":"{begin}","timeUnixNano":"{time}","asInt":"{value}",
               "exemplars":[{{"timeUnixNano":"{time}","asDouble":0.25,"traceId":"{TRACE}","spanId":"eee19b7ec3c1b173"}}]}}"#
        )
    };
    let native = |time: u64| {
        format!(
            r#"{{"startTimeUnixNano":"{begin}","timeUnixNano":"{time}","count":"3","sum":0.75,"scale":0,"zeroCount":"0","positive":{{"offset":-2,"bucketCounts":["3"]}}}}"#
        )
    };
    let metrics = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},"scopeMetrics":[{{"metrics":[
          {{"name":"checkouts","description":"Checkouts.","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{},{}]}}}},
          {{"name":"checkout","unit":"s","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{},{}]}}}}]}}]}}]}}"#,
        point(begin, 1),
        point(now - 10_000_000_000, 4),
        native(begin),
        native(now - 10_000_000_000)
    );
    let labels = [("__name__", "requests_total"), ("http.status", "200")];
    let body = snappy(remote_write(&labels, [(now_ms() - 5000, 1.0)]));
    assert_eq!(store.post("/api/v1/write", "content-encoding: snappy\r\n", body).status(), 204);
    let answer = store.post("/v1/metrics", JSON, metrics);
    assert_eq!((answer.status(), answer.text()), (200, "{}".into()));
    let line = format!(
        r#"{{"streams":[{{"stream":{{"app":"orders"}},"values":[["{}","level=info order=4 took=40ms",{{"trace_id":"{TRACE}"}}]]}}]}}"#,
        now - 20_000_000_000
    );
    assert_eq!(store.post("/loki/api/v1/push", JSON, line).status(), 204);
}

/// The requests of one data source.
pub(crate) fn requests(source: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(REQUESTS).expect("a table in JSON");
    all.into_iter().filter(|one| one["sent"].as_str().is_some_and(|sent| sent.starts_with(source))).collect()
}

/// A text with times and ids in the places that the table leaves for them.
fn filled(text: &str) -> String {
    let (from, to) = (now_ms() / 1000 - 90, now_ms() / 1000 + 1);
    let mut text = text.replace("@TRACE@", TRACE);
    for (unit, zeros) in [("S", ""), ("MS", "000"), ("US", "000000"), ("NS", "000000000")] {
        text = text
            .replace(&format!("@FROM_{unit}@"), &format!("{from}{zeros}"))
            .replace(&format!("@TO_{unit}@"), &format!("{to}{zeros}"));
    }
    text
}

fn pairs(value: &Value) -> String {
    let text = |value: &Value| encoded(&filled(value.as_str().expect("a text")));
    let pairs = value.as_array().into_iter().flatten();
    pairs.map(|pair| format!("{}={}", text(&pair[0]), text(&pair[1]))).collect::<Vec<_>>().join("&")
}

pub(crate) fn ask(store: &Store, request: &Value) -> Message {
    let word = |name: &str| request[name].as_str().expect("a text");
    let mut path = filled(word("path"));
    if request["query"].is_array() {
        path = format!("{path}?{}", pairs(&request["query"]));
    }
    let mut headers = "user-agent: Grafana/13.0.0\r\naccept-encoding: gzip\r\n".to_owned();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let _ = write!(headers, "{name}: {}\r\n", value.as_str().expect("a text"));
    }
    if word("method") == "GET" {
        return store.get(&path, &headers);
    }
    if request["form"].is_array() {
        headers += "content-type: application/x-www-form-urlencoded\r\n";
    }
    Client::connect(store.http).ask(post(&path, &headers, pairs(&request["form"]).as_bytes()))
}

/// The bytes of an answer, unpacked.
pub(crate) fn body(answer: &Message) -> Vec<u8> {
    if answer.field("content-encoding") != Some("gzip") {
        return answer.body.clone();
    }
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// Whether what an answer holds is what has to stand there.
fn is(found: Option<&Value>, expected: &Value) -> bool {
    match (expected.as_str(), found) {
        (Some("*"), found) => found.and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
        (Some("string"), found) => found.is_some_and(Value::is_string),
        (Some("number"), found) => found.is_some_and(Value::is_number),
        (Some("list"), found) => found.is_some_and(Value::is_array),
        (Some("object"), found) => found.is_some_and(Value::is_object),
        (Some(text), found) => found.and_then(Value::as_str) == Some(filled(text).as_str()),
        (None, found) => found.unwrap_or(&Value::Null) == expected,
    }
}

/// What is wrong with the answer to one request.
fn wrong(request: &Value, answer: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = request["status"].as_u64().unwrap_or(200);
    if u64::from(answer.status()) != status {
        wrong.push(format!("status {} rather than {status}", answer.status()));
    }
    let kind = request["type"].as_str().unwrap_or("application/json");
    let said = answer.field("content-type").unwrap_or_default();
    if said.split(';').next() != Some(kind) {
        wrong.push(format!("type {said:?} rather than {kind:?}"));
    }
    let bytes = body(answer);
    if bytes.is_empty() {
        wrong.push("an empty body".to_owned());
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    for (pointer, expected) in request["reads"].as_object().expect("an object") {
        let found = value.pointer(pointer);
        if !is(found, expected) {
            wrong.push(format!("{pointer} is {found:?} rather than {expected}"));
        }
    }
    if !wrong.is_empty() {
        wrong.push(String::from_utf8_lossy(&bytes).chars().take(600).collect());
    }
    wrong
}

#[track_caller]
fn check(source: &str) {
    let store = Store::start();
    tell_more(&store);
    let requests = requests(source);
    assert!(requests.len() > 4, "requests of {source}");
    let mut failures = Vec::new();
    for request in &requests {
        let wrong = wrong(request, &ask(&store, request));
        if !wrong.is_empty() {
            failures.push(format!("{}\n    {}", request["sent"], wrong.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), requests.len(), failures.join("\n"));
}

#[test]
fn grafanas_data_source_for_prometheus_is_answered() {
    check("Prometheus:");
}

#[test]
fn grafanas_data_source_for_loki_is_answered() {
    check("Loki:");
}

#[test]
fn loki_is_answered_as_its_manual_has_it() {
    check("Loki's manual:");
}

#[test]
fn grafanas_data_source_for_tempo_is_answered() {
    check("Tempo:");
}

#[test]
fn grafanas_data_source_for_jaeger_is_answered() {
    check("Jaeger:");
}
