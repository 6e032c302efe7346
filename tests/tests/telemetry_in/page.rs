//! `docs/telemetry.md`: what it tells people to write is what these tests run.

use std::process::{Command, Stdio};
use std::time::Duration;

use weir_tests::{Store, eventually};

const PAGE: &str = include_str!("../../../docs/telemetry.md");

/// The code below a heading (of any level) that holds a text, for the ports of this store.
#[track_caller]
pub(crate) fn code(store: &Store, heading: &str, holding: &str) -> String {
    let heading = format!("# {heading}\n");
    let at = PAGE.find(&heading).unwrap_or_else(|| panic!("docs/telemetry.md has no heading {heading:?}"));
    let section = &PAGE[at + heading.len()..];
    let blocks = section.split("```").skip(1).step_by(2);
    let block =
        blocks.map(|block| block.split_once('\n').map_or("", |(_, code)| code)).find(|b| b.contains(holding));
    let block = block.unwrap_or_else(|| panic!("below {heading:?} no code holds {holding:?}"));
    block
        .replace("localhost:4318", &format!("127.0.0.1:{}", store.http))
        .replace("localhost:4317", &format!("127.0.0.1:{}", store.grpc))
}

/// Runs lines of a shell, and gives back what they print.
#[track_caller]
pub(crate) fn shell(script: &str, environment: &[(&str, String)]) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn every_address_on_the_page_is_known() {
    let store = Store::start();
    let mut known = 0;
    for url in PAGE.split("http://localhost:4318").skip(1) {
        let end = url.find(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))).unwrap_or(url.len());
        let path = url[..end].trim_end_matches('.');
        // A data source's URL, which is the beginning of others.
        if path.is_empty() || path == "/tempo" {
            continue;
        }
        // A trace that nobody sent here is not there, which is another answer than that of an address that is not.
        if path.starts_with("/api/traces/") {
            assert!(store.get(path, "").text().contains("trace not found"), "{path}");
            continue;
        }
        let statuses = [store.get(path, ""), store.post(path, "content-type: application/json\r\n", "[]")]
            .map(|answer| answer.status());
        assert!(statuses.iter().any(|status| !matches!(status, 404 | 405)), "{path}: {statuses:?}");
        known += 1;
    }
    assert!(known >= 6, "only {known} addresses");
}

#[test]
fn what_curl_sends_is_found_by_curl() {
    let store = Store::start();
    let curl = |code: String| code.replace("curl ", "curl -sS --fail-with-body ");
    shell(&curl(code(&store, "Loki's clients", "loki/api/v1/push -H")), &[]);
    shell(&curl(code(&store, "Zipkin and Jaeger", "api/v2/spans -H")), &[]);
    let said = shell(&curl(code(&store, "By hand", "curl")), &[]);
    assert!(said.contains("order 7 timed out"), "{said}");
    assert!(said.contains("get /orders") && said.contains("orders"), "{said}");
    let lines = store.logql(r#"{app="orders"}"#);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// What Grafana's data sources ask when somebody presses "Save & test".
#[test]
fn grafanas_data_sources_find_what_they_look_for() {
    let store = Store::start();
    let text = code(&store, "Grafana", "datasources");
    let field = |line: &str, name: &str| line.trim().strip_prefix(name).map(|value| value.trim().to_owned());
    let (mut kind, mut asked) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(value) = field(line, "type:") {
            kind = value;
        }
        let Some(url) = field(line, "url:").filter(|url| url.starts_with("http")) else { continue };
        let base = url.split_once(&format!(":{}", store.http)).expect("this store").1.to_owned();
        let answer = match kind.as_str() {
            "prometheus" => store.post(
                &format!("{base}/api/v1/query"),
                "content-type: application/x-www-form-urlencoded\r\n",
                "query=1%2B1",
            ),
            "loki" => store.get(&format!("{base}/loki/api/v1/query?query=vector(1)%2Bvector(1)"), ""),
            "tempo" => store.get(&format!("{base}/api/echo"), ""),
            "jaeger" => store.get(&format!("{base}/api/services"), ""),
            other => panic!("{other} is no data source that is known here"),
        };
        assert_eq!(answer.status(), 200, "{kind}: {}", answer.text());
        asked.push(kind.clone());
    }
    assert_eq!(asked, ["prometheus", "loki", "tempo", "jaeger"]);
}

/// Waits until an ask finds something.
#[track_caller]
pub(crate) fn found(what: &str, mut ask: impl FnMut() -> usize) {
    eventually(what, Duration::from_secs(20), || ask() > 0);
}
