//! The same questions from the terminal.

use std::process::Command;

use weir_tests::gateway::binary;

use super::{TRACE, story};

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
