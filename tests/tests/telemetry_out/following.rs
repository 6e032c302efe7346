//! Lines as they come: Loki's tail over WebSocket, and `weir logs --follow`.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_tests::gateway::binary;
use weir_tests::payload::{loki, now_ns};
use weir_tests::peers::{peer, run};
use weir_tests::{Store, eventually};

use super::{JSON, story};

#[test]
fn loki_tail_over_websocket() {
    let Some(python) = peer("telemetry", "websockets") else { return };
    let store = Store::start();
    let base = format!("127.0.0.1:{}", store.http);
    let (succeeded, said) = run(&python, &["-c", include_str!("tail.py"), &base]);
    assert!(succeeded, "{said}");
    let checks: usize = said.trim().parse().unwrap_or_else(|_| panic!("a number: {said}"));
    assert!(checks >= 20, "{checks}");
}

#[test]
fn the_terminal_follows() {
    let store = story();
    let dir = tempfile::tempdir().expect("a place for temporary files");
    let file = |name: &str| File::create(dir.path().join(name)).expect("a folder of our own");
    let read = || fs::read_to_string(dir.path().join("stdout")).unwrap_or_default();
    let mut child = Command::new(binary())
        .args(["logs", r#"{app="orders"} |= "order""#, "--follow", "--color", "never", "--url"])
        .arg(format!("http://127.0.0.1:{}", store.http))
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .expect("a binary that starts");
    let patience = Duration::from_secs(20);
    eventually("what is there", patience, || read().contains("order=4"));
    let push = |line: &str, ago_ns: u64| {
        let body = loki(r#"{"app":"orders"}"#, [(now_ns() - ago_ns, line.to_owned())]);
        assert_eq!(store.post("/loki/api/v1/push", JSON, body).status(), 204);
    };
    push("order=5", 0);
    push("another line", 0);
    eventually("a line that comes", patience, || read().contains("order=5"));
    push("order=6 late", 15_000_000_000);
    eventually("a line that comes late", patience, || read().contains("order=6 late"));
    push("order=7", 0);
    eventually("a further line", patience, || read().contains("order=7"));
    let said = read();
    for order in 0..=7 {
        assert_eq!(said.matches(&format!("order={order}")).count(), 1, "order {order}: {said}");
    }
    assert!(!said.contains("another line"), "{said}");
    assert!(child.try_wait().is_ok_and(|status| status.is_none()), "it goes on");
    child.kill().expect("a process of our own");
    child.wait().expect("a process of our own");
}
