//! Agents between programs and Weir, with the configurations that the page shows.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_tests::payload::{now_ns, otlp_spans};
use weir_tests::peers::{peer, run};
use weir_tests::store::post;
use weir_tests::{Client, Store, eventually, free_port};

use crate::page::{code, found};
use crate::senders::Running;

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319d;

#[test]
fn a_collector_sends_over_http_and_grpc() {
    let Some(program) = peer("telemetry", "otelcol") else { return };
    let store = Store::start();
    let (grpc, http) = (free_port(), free_port());
    let dir = tempfile::tempdir().expect("a place for temporary files");
    let config = code(&store, "OpenTelemetry", "receivers:")
        .replace("localhost:14317", &format!("127.0.0.1:{grpc}"))
        .replace("localhost:14318", &format!("127.0.0.1:{http}"));
    // Its own metrics are for another port, which may be in use.
    let config = format!("{config}  telemetry: {{ metrics: {{ level: none }} }}\n");
    fs::write(dir.path().join("collector.yaml"), config).expect("a folder of our own");
    let log = fs::File::create(dir.path().join("log")).expect("a folder of our own");
    let child = Command::new(program)
        .current_dir(dir.path())
        .args(["--config", "file:collector.yaml"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("a collector that starts");
    let _running = Running(child);
    let said = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    eventually("a collector that listens", Duration::from_secs(20), || Client::try_connect(http).is_some());

    let now = now_ns();
    let resource =
        r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"collected"}}]}"#;
    let metrics = format!(
        r#"{{"resourceMetrics":[{{{resource},"scopeMetrics":[{{"metrics":[{{"name":"collected.orders","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{{"timeUnixNano":"{now}","asInt":"7"}}]}}}}]}}]}}]}}"#
    );
    let logs = format!(
        r#"{{"resourceLogs":[{{{resource},"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{now}","severityText":"WARN","body":{{"stringValue":"order 7 timed out"}}}}]}}]}}]}}"#
    );
    for (path, body) in [("metrics", metrics), ("logs", logs), ("traces", otlp_spans("collected", [TRACE]))] {
        let request = post(&format!("/v1/{path}"), "content-type: application/json\r\n", body.as_bytes());
        let answer = Client::connect(http).ask(request);
        assert_eq!(answer.status(), 200, "{path}: {} {}", answer.text(), said());
    }
    found("a counter", || store.promql(r#"collected_orders_total{job="collected"} == 7"#).len());
    found("a line", || store.logql(r#"{service_name="collected"} |= "order 7""#).len());
    found("a span", || store.trace(&format!("{TRACE:032x}")).len());
    assert!(!said().contains("Exporting failed"), "{}", said());
}

#[test]
fn promtails_client_sends_what_its_configuration_names() {
    let Some(program) = peer("telemetry", "loki-client-go") else { return };
    let store = Store::start();
    let dir = tempfile::tempdir().expect("a place for temporary files");
    let logs = dir.path().join("orders");
    fs::create_dir(&logs).expect("a folder of our own");
    let lines: Vec<String> = (0..500).map(|order| format!("level=info order={order} \"ö\" \t end")).collect();
    fs::write(logs.join("one.log"), lines.join("\n")).expect("a folder of our own");
    fs::write(logs.join("two.log"), "the only line\n").expect("a folder of our own");
    let config =
        code(&store, "Loki's clients", "clients:").replace("/var/log/orders", &logs.display().to_string());
    let file = dir.path().join("promtail.yaml");
    fs::write(&file, config).expect("a folder of our own");
    let (succeeded, said) = run(&program, &[&file.display().to_string()]);
    assert!(succeeded && !said.contains("level=error"), "{said}");
    let found = store.logql(r#"{app="orders", filename=~".*/one.log"}"#);
    assert_eq!(found.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), lines);
    assert_eq!(store.logql(r#"{app="orders", filename=~".*two.log"}"#).len(), 1);
}
