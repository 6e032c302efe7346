//! Programs of others send; what they sent is found by asking.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use weir_tests::payload::{now_ns, otlp_spans};
use weir_tests::peers::{peer, run, run_node};
use weir_tests::{Store, eventually, free_port};

use crate::page::{code, found, shell};

pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn promtool_pushes() {
    let Some(promtool) = peer("telemetry", "promtool") else { return };
    let (pushes, said) = run(&promtool, &["push", "metrics", "--help"]);
    if !pushes {
        assert!(said.contains("push"), "{said}");
        return eprintln!(
            "NOT RUN: this promtool cannot push metrics, as that of Prometheus 2.46 and later can"
        );
    }
    let store = Store::start();
    let code = code(&store, "Prometheus", "promtool push");
    shell(&code.replace("promtool", &promtool.display().to_string()), &[]);
    let found = store.promql("orders_total");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["value"][1], "7");
    assert_eq!(found[0]["metric"]["shop"], "north");
}

/// Of remote write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A Prometheus that scrapes itself and sends all of it on, by the page's configuration.
#[track_caller]
fn prometheus(store: &Store, change: impl Fn(String) -> String) -> Option<(Running, tempfile::TempDir)> {
    let program = peer("telemetry", "prometheus")?;
    let (port, dir) = (free_port(), tempfile::tempdir().expect("a place for temporary files"));
    let config = code(store, "Prometheus", "remote_write")
        .replace("localhost:9090", &format!("127.0.0.1:{port}"))
        .replace("scrape_interval: 5s", "scrape_interval: 1s");
    fs::write(dir.path().join("prometheus.yml"), change(config)).expect("a folder of our own");
    let log = fs::File::create(dir.path().join("log")).expect("a folder of our own");
    let child = Command::new(program)
        .current_dir(dir.path())
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=tsdb",
            "--enable-feature=metadata-wal-records",
        ])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("a Prometheus that starts");
    Some((Running(child), dir))
}

/// Whether this machine's Prometheus knows remote write 2.0, which came with 2.54: told by what its own checker says of the
/// page's configuration, as builds from source do not know their version.
fn speaks_2(promtool: &Path) -> bool {
    let dir = tempfile::tempdir().expect("a place for temporary files");
    let config = dir.path().join("prometheus.yml");
    let text =
        "remote_write: [ { url: 'http://localhost', protobuf_message: io.prometheus.write.v2.Request } ]\n";
    fs::write(&config, text).expect("a folder of our own");
    let (well, said) = run(promtool, &["check", "config", &config.display().to_string()]);
    assert!(well || said.contains("protobuf_message"), "{said}");
    well
}

#[track_caller]
fn prometheus_sends(change: impl Fn(String) -> String, version: Version) {
    let store = Store::start();
    let Some((_running, dir)) = prometheus(&store, change) else { return };
    found("samples that Prometheus sent", || store.promql("up{job=\"prometheus\"} == 1").len());
    found("a counter that goes on", || {
        store.promql("rate(prometheus_tsdb_head_samples_appended_total[10s]) > 0").len()
    });
    let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    assert!(!log.contains("non-recoverable"), "{log}");
    if version == Version::V2 {
        // It brings kinds and help with the series; 1.0 sends them by themselves, after a minute.
        found("a kind", || {
            let metadata = store.json("/api/v1/metadata?metric=prometheus_tsdb_head_samples_appended_total");
            usize::from(
                metadata["data"]["prometheus_tsdb_head_samples_appended_total"][0]["type"] == "counter",
            )
        });
    }
    assert_eq!(store.promql("count(prometheus_remote_storage_samples_failed_total > 0)").len(), 0);
}

#[test]
fn prometheus_sends_by_remote_write_2() {
    let Some(promtool) = peer("telemetry", "promtool") else { return };
    if speaks_2(&promtool) {
        return prometheus_sends(|config| config, Version::V2);
    }
    // Debian's, where there is no Go toolchain to build the pinned one with.
    eprintln!(
        "NOT RUN: this Prometheus does not speak remote write 2.0, as 2.54 and later do. That 2.0 is taken is shown by \
         `a_request_of_remote_write_2_is_taken`; by 1.0 it sends in `prometheus_sends_by_remote_write_1`"
    );
}

#[test]
fn prometheus_sends_by_remote_write_1() {
    let without = |config: String| {
        config.lines().filter(|line| !line.contains("protobuf_message")).collect::<Vec<_>>().join("\n")
    };
    prometheus_sends(without, Version::V1);
}

/// What all three kinds of SDK send, and how it is found.
#[track_caller]
fn sdk_arrived(store: &Store, service: &str, word: &str, trace: &str) {
    let counter = store.promql(&format!("{word}_orders_total"));
    assert_eq!(counter.len(), 1, "{counter:?}");
    assert_eq!((&counter[0]["value"][1], &counter[0]["metric"]["job"]), (&"7".into(), &service.into()));
    let lines = store.logql(&format!(r#"{{service_name="{service}"}} |= "{word}: order 7""#));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].1, format!("{word}: order 7 timed out"));
    let within = store.logql(&format!(r#"{{service_name="{service}"}} | trace_id = "{trace}""#));
    assert!(within.iter().any(|line| line.1.starts_with(word)), "a line is found by its trace: {within:?}");
    let spans = store.trace(trace);
    let mut names: Vec<_> = spans.iter().filter_map(|span| span["operationName"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["checkout", "pay"], "{spans:?}");
    let pay = spans.iter().find(|span| span["operationName"] == "pay").expect("a span, as was just seen");
    assert_eq!(pay["references"][0]["refType"], "CHILD_OF");
    assert!(pay["tags"].to_string().contains("visa"), "{pay}");
    assert!(pay["logs"].to_string().contains("bank"), "{pay}");
}

#[test]
fn opentelemetrys_sdk_for_python_sends_over_http_and_grpc() {
    let Some(python) = peer("telemetry", "opentelemetry") else { return };
    let store = Store::start();
    for (word, holding) in [("over_http", "http/protobuf"), ("over_grpc", "=grpc")] {
        let mut script = code(&store, "OpenTelemetry", holding);
        script.push_str("exec \"$PYTHON\" -c \"$SCRIPT\" \"$WORD\"");
        let said = shell(
            &script,
            &[
                ("PYTHON", python.display().to_string()),
                ("SCRIPT", include_str!("senders/sdk.py").to_owned()),
                ("WORD", word.to_owned()),
            ],
        );
        sdk_arrived(&store, "orders", word, said.trim());
        let histogram = store.promql(&format!("{word}_duration_milliseconds_sum"));
        assert_eq!(histogram[0]["value"][1], "12.5");
    }
    assert_eq!(store.promql("count by (job) (target_info)").len(), 1);
}

#[test]
fn opentelemetrys_sdk_for_node_sends() {
    let Some(node) = peer("telemetry", "opentelemetry_js") else { return };
    let store = Store::start();
    let url = format!("process.env.URL = 'http://127.0.0.1:{}'; process.env.WORD = 'from_js';", store.http);
    let (succeeded, said) = run_node(&node, &format!("{url}\n{}", include_str!("senders/sdk.js")), b"");
    assert!(succeeded, "{said}");
    sdk_arrived(&store, "orders-js", "from_js", said.trim());
}

#[test]
fn zipkins_client_sends_in_each_of_its_encodings() {
    let Some(python) = peer("telemetry", "zipkin") else { return };
    let store = Store::start();
    for (path, encoding) in [("v2", "v2_json"), ("v2", "v2_proto3"), ("v1", "v1_json")] {
        let url = format!("http://127.0.0.1:{}/api/{path}/spans", store.http);
        let service = format!("zipkin-{encoding}");
        let (succeeded, said) =
            run(&python, &["-c", include_str!("senders/zipkin.py"), &url, encoding, &service]);
        assert!(succeeded && said.trim().len() == 32, "{encoding}: {said}");
        let spans = store.trace(said.trim());
        assert_eq!(spans.len(), 2, "{encoding}: {spans:?}");
        assert!(
            spans
                .iter()
                .any(|span| span["operationName"] == "pay" && span["tags"].to_string().contains("visa"))
        );
        let services = store.json("/api/services");
        assert!(services["data"].to_string().contains(&service), "{services}");
    }
}

#[test]
fn jaegers_client_sends_in_each_of_its_ways() {
    let Some(python) = peer("telemetry", "jaeger_client") else { return };
    let store = Store::start();
    for (way, port) in [("http", store.http), ("grpc", store.grpc), ("udp", store.udp)] {
        let script = include_str!("senders/jaeger.py");
        let (succeeded, said) = run(&python, &["-W", "ignore", "-c", script, way, &port.to_string()]);
        assert!(succeeded && said.trim().len() == 32, "{way}: {said}");
        let mut spans = Vec::new();
        eventually(&format!("spans over {way}: {said}"), Duration::from_secs(10), || {
            spans = store.trace(said.trim());
            spans.len() == 2
        });
        assert!(spans.iter().any(|span| span["logs"].to_string().contains("bank")), "{spans:?}");
        let traces = store.json(&format!("/api/traces?service=jaeger-{way}&lookback=1h&limit=20"));
        assert_eq!(traces["data"].as_array().map(Vec::len), Some(1), "{traces}");
    }
}

#[test]
fn otlp_in_json_by_curl() {
    let Some(curl) = peer("telemetry", "curl") else { return };
    let store = Store::start();
    let now = now_ns();
    let metrics = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"by-curl"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"curl.temperature","unit":"Cel","gauge":{{"dataPoints":[{{"timeUnixNano":"{now}","asDouble":21.5}}]}}}}]}}]}}]}}"#
    );
    let logs = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"by-curl"}}}}]}},"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{now}","severityText":"WARN","body":{{"stringValue":"by curl"}}}}]}}]}}]}}"#
    );
    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128;
    for (path, body) in [("metrics", metrics), ("logs", logs), ("traces", otlp_spans("by-curl", [trace]))] {
        let url = format!("http://127.0.0.1:{}/v1/{path}", store.http);
        let args = ["-sS", "-w", "%{http_code}", "-H", "content-type: application/json", "-d", &body, &url];
        let (succeeded, said) = run(&curl, &args);
        assert!(succeeded && said == "{}200", "{path}: {said}");
    }
    assert_eq!(store.promql("curl_temperature_celsius")[0]["value"][1], "21.5");
    assert_eq!(store.logql(r#"{service_name="by-curl"}"#)[0].1, "by curl");
    assert_eq!(store.trace(&format!("{trace:032x}")).len(), 1);
}
