//! Requests as Grafana makes them, and what they are answered.

use http::{HeaderMap, HeaderValue};
use weir_logql::memory::MemoryLogs;
use weir_signal::{Labels, Limits, Scope, Tenant};

use super::asked::Asked;
use super::error::ApiError;
use super::{Plan, plan};
use crate::query::params::Params;

/// Half a minute of two programs, from second 1700000000 on.
fn logs() -> MemoryLogs {
    let mut logs = MemoryLogs::new();
    let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
    let orders = labels(&[("app", "orders"), ("env", "prod")]);
    let web = labels(&[("app", "web"), ("env", "prod")]);
    for second in 0..3 {
        let time_ns = (1_700_000_000 + second * 10) * 1_000_000_000;
        let trace = labels(&[("trace_id", &format!("t{second}"))]);
        logs.push(&orders, time_ns, &format!("level=info took={second}00ms msg=\"order {second}\""), &trace);
        logs.push(&web, time_ns + 1, &format!(r#"{{"level":"warn","status":50{second}}}"#), &Labels::empty());
    }
    logs
}

fn ask(request: &str, logs: &MemoryLogs) -> Result<String, ApiError> {
    let (request, categorizes) = match request.strip_suffix(" categorize-labels") {
        Some(request) => (request, true),
        None => (request, false),
    };
    let mut headers = HeaderMap::new();
    if categorizes {
        headers.insert("X-Loki-Response-Encoding-Flags", HeaderValue::from_static("categorize-labels"));
    }
    let (path, query) = request.split_once('?').unwrap_or((request, ""));
    let path = path.strip_prefix("/loki/api/v1/").unwrap();
    let asked = Asked::new(Params::of_query(query), &headers, 1_700_000_030_000_000_000);
    let body = match plan(path, &asked)? {
        Plan::Now(body) => body,
        Plan::Work(work) => work(logs, &Scope::new(Tenant::default(), Limits::default()))?,
    };
    let body = String::from_utf8(body).unwrap();
    serde_json::from_str::<serde_json::Value>(&body).unwrap();
    Ok(body)
}

#[test]
fn what_grafana_asks_is_answered() {
    let logs = logs();
    let mut failures = Vec::new();
    let mut lines =
        include_str!("requests.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(request) = lines.next() {
        // Parameters are written as people read them.
        let encoded = request.replace('{', "%7B").replace('}', "%7D").replace('"', "%22").replace('|', "%7C");
        let encoded = encoded
            .replace(" categorize-labels", "\u{0}")
            .replace(' ', "+")
            .replace('\u{0}', " categorize-labels");
        let expect = lines.next().unwrap_or_default().trim_start();
        let found = match ask(&encoded, &logs) {
            Ok(body) => body,
            Err(error) => format!("! {} {}", error.status, error.message.replace('\n', "⏎")),
        };
        if found != expect {
            failures.push(format!("{request}\n    {found}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
