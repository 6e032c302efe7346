//! Answers of Prometheus' interface, held against the description that Prometheus 3 gives of it at `/api/v1/openapi.yaml`.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::peers::{peer, run_with_input};
use weir_tests::{Client, Origin, Store, eventually, free_port};

use crate::datasources::{ask, body, requests, tell_more};

/// What is described and not answered: Prometheus' own administration, and what it says of parts that Weir has not.
const LEFT: &[&str] = &[
    "/query_cost",
    "/query_range_cost",
    "/parse_query",
    "/search/metric_names",
    "/search/label_names",
    "/search/label_values",
    "/scrape_pools/config",
    "/targets/metadata",
    "/targets/relabel_steps",
    "/alertmanagers",
    "/status/config",
    "/status/tsdb/blocks",
    "/status/walreplay",
    "/status/self_metrics",
    "/admin/tsdb/delete_series",
    "/admin/tsdb/clean_tombstones",
    "/admin/tsdb/snapshot",
    "/read",
    "/write",
    "/otlp/v1/metrics",
    "/notifications",
    "/features",
];

/// What is asked for besides what data sources ask. A text as a query is not: the description has the time of its
/// answer as a text, and Prometheus gives a number.
const FURTHER: &[&str] = &[
    "query?query=orders_total[1m]",
    "query?query=rate(orders_total%7Bshop=~\"n.*\"%7D[30s])%20%2B%20on()%20vector(time())",
    "query?query=checkout_seconds",
    "query?query=checkout_seconds[1m]",
    "query?query=avg_over_time(orders_total[30s:5s])%20/%200",
    "query?query=nothing",
    "query?query=",
    "query?query=sum(orders_total)&time=never",
    "query_range?query=up&start=1&end=0&step=1",
    "format_query?query=sum(rate(orders_total[1m]))by(shop)",
    "scrape_pools",
    "targets",
    "targets?state=active",
    "targets?state=dropped",
    "series",
    "label/not%20there/values",
    "rules?type=alert",
    "alerts",
    "status/buildinfo",
    "status/flags",
    "status/runtimeinfo",
    "status/tsdb",
    "status/tsdb?limit=2",
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn answers_are_what_prometheus_describes() {
    let (Some(prometheus), Some(python)) = (peer("telemetry", "prometheus"), peer("telemetry", "openapi"))
    else {
        return;
    };
    let dir = tempfile::tempdir().expect("a place for temporary files");
    std::fs::write(dir.path().join("prometheus.yml"), "scrape_configs: []\n").expect("a folder of our own");
    let port = free_port();
    let child = Command::new(prometheus)
        .current_dir(dir.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a Prometheus that starts");
    let _running = Running(child);

    let exporter = Origin::saying("temperature 21.5\n");
    let scrape = format!(
        "scrape: [{{ name: exporter, targets: [\"127.0.0.1:{}\", \"127.0.0.1:1\"], interval: 1s,\n  \
         relabel: [{{ source_labels: [__address__], regex: \".*:1\", action: drop }}] }}]",
        exporter.port
    );
    let store = Store::with(&scrape, &[]);
    tell_more(&store);
    eventually("a target that is up", Duration::from_secs(20), || store.promql("up == 1").len() == 1);

    let mut answers = Vec::new();
    for request in requests("Prometheus:") {
        let answer = ask(&store, &request);
        let path = request["path"].as_str().expect("a text").trim_start_matches("/api/v1").to_owned();
        let value: Value = serde_json::from_slice(&body(&answer)).expect("JSON");
        answers.push(json!([request["method"], path, answer.status(), value]));
    }
    for path in FURTHER {
        let answer = store.get(&format!("/api/v1/{}", path.replace('"', "%22")), "");
        let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let path = format!("/{}", path.split('?').next().unwrap_or_default());
        answers.push(json!(["GET", path, answer.status(), value]));
    }
    eventually("a Prometheus that answers", Duration::from_secs(20), || {
        Client::try_connect(port).is_some_and(|mut client| {
            client.send("GET /-/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            client.try_response("GET").is_ok_and(|answer| answer.status() == 200)
        })
    });
    let description = format!("http://127.0.0.1:{port}/api/v1/openapi.yaml");
    let input = json!({ "answers": answers, "left": LEFT }).to_string();
    let script = include_str!("openapi.py");
    let (succeeded, said) = run_with_input(&python, &["-c", script, &description], input.as_bytes());
    assert!(succeeded, "{said}");
    println!("{said}");
}
