//! What was sent is asked for from the terminal, of a running Weir and of its folder.

use std::fs;
use std::path::Path;

use crate::support::{Running, dir, free_port, post, said, until, weir};

fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Three samples of two series, 15 s apart, the last at `at_s`.
fn send_metrics(port: u16, at_s: u64) {
    let point = |room: &str, value: f64, ago_s: u64| {
        let time = (at_s - ago_s) * 1_000_000_000;
        format!(
            r#"{{"timeUnixNano":"{time}","asDouble":{value},"attributes":[{{"key":"room","value":{{"stringValue":"{room}"}}}}]}}"#
        )
    };
    let points = [
        point("attic", 1.0, 30),
        point("attic", 2.0, 15),
        point("attic", 3.5, 0),
        point("cellar", -4.0, 30),
        point("cellar", -4.0, 0),
    ];
    let body = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"house"}}}}]}},
        "scopeMetrics":[{{"metrics":[{{"name":"temperature","gauge":{{"dataPoints":[{}]}}}}]}}]}}]}}"#,
        points.join(",")
    );
    let (status, answer) = post(port, "/v1/metrics", &body);
    assert_eq!(status, 200, "{answer}");
}

/// The same words answer the same, whether the server is asked or the folder that it writes to.
#[track_caller]
fn check(dir: &Path, port: u16, arguments: &[&str], code: i32, out: &str, err: &str) {
    let url = format!("http://127.0.0.1:{port}");
    for place in [["--url", &url], ["--store", "store"]] {
        let said = said(weir(dir, &[arguments, &place].concat()));
        assert_eq!((said.code, said.out.as_str()), (code, out), "{place:?}: {}", said.err);
        assert!(said.err.contains(err), "{place:?}: {}", said.err);
    }
}

#[test]
fn metrics_are_asked_for() {
    let dir = dir();
    let (_running, port) = Running::store(dir.path(), &[]);
    let at = now_s() / 60 * 60;
    send_metrics(port, at);
    let time = at.to_string();
    let from = (at - 30).to_string();
    let query = r#"temperature{room=~"attic|cellar"}"#;
    check(
        dir.path(),
        port,
        &["query", query, "--time", &time],
        0,
        "temperature{job=\"house\", room=\"attic\"}   3.5\ntemperature{job=\"house\", room=\"cellar\"}   -4\n",
        "",
    );
    check(dir.path(), port, &["query", "1 + 1", "--time", &time], 0, "2\n", "");
    check(
        dir.path(),
        port,
        &["query", "sum(temperature)", "--time", &time, "--output", "json"],
        0,
        &format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{{\"metric\":{{}},\"value\":[{time},\"-0.5\"]}}]}}}}\n"
        ),
        "",
    );
    check(dir.path(), port, &["query", "gone", "--time", &time], 0, "", "nothing is found at ");
    let range = ["--from", &from, "--to", &time, "--step", "15s"];
    let url = format!("http://127.0.0.1:{port}");
    let shown = said(weir(dir.path(), &[&["query", query, "--url", &url], &range[..]].concat()));
    let lines: Vec<&str> = shown.out.lines().collect();
    assert!(lines[0].ends_with(", every 15 s"), "{}", shown.out);
    assert_eq!(
        lines[1..],
        [
            "series                                        last  least  largest",
            "temperature{job=\"house\", room=\"attic\"}   ▁▄█   3.5      1      3.5",
            "temperature{job=\"house\", room=\"cellar\"}  ▄▄▄    -4     -4       -4",
        ]
    );
    let csv = said(weir(
        dir.path(),
        &[&["query", "temperature", "--csv", "--store", "store"], &range[..]].concat(),
    ));
    assert_eq!(csv.out.lines().next(), Some("__name__,job,room,time,value"));
    assert_eq!(csv.out.lines().count(), 7, "{}", csv.out);
    assert!(csv.out.lines().nth(3).unwrap().ends_with("Z,3.5"), "{}", csv.out);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let dir = dir();
    let (_running, port) = Running::store(dir.path(), &[]);
    check(
        dir.path(),
        port,
        &["query", "sum(rate(up[5m])"],
        2,
        "",
        "1 | sum(rate(up[5m])\n  |                 ^\n",
    );
    check(dir.path(), port, &["query", "up", "--from", "yesterday"], 2, "", "`yesterday` is no time");
    check(dir.path(), port, &["query", "up", "--from", "now", "--to", "-1h"], 2, "", "which is after --to");
}

#[test]
fn who_cannot_be_asked_is_explained() {
    #[track_caller]
    fn check(dir: &Path, arguments: &[&str], code: i32, parts: &[&str]) {
        let said = said(weir(dir, arguments));
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{}", said.err);
        for part in parts {
            assert!(said.err.contains(part), "{part} is not in {}", said.err);
        }
    }
    let dir = dir();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    check(
        dir.path(),
        &["query", "up", "--url", &nobody],
        1,
        &["nobody answers at 127.0.0.1:", "`weir store serve`", "--store"],
    );
    check(dir.path(), &["query", "up", "--url", "localhost:4318"], 2, &["write http://"]);
    fs::create_dir(dir.path().join("empty")).unwrap();
    check(dir.path(), &["query", "up", "--store", "empty"], 2, &["there is no store in this folder"]);
    check(dir.path(), &["query", "up", "--store", "gone"], 2, &["the store gone", "--url"]);
    check(dir.path(), &["query", "up", "--store", "x", "--url", "http://x"], 2, &["cannot be used with"]);
    check(dir.path(), &["query", "up", "--csv", "--output", "json"], 2, &["leave one out"]);
    check(dir.path(), &["trace", "xyz"], 2, &["is no trace id"]);
    check(dir.path(), &["traces", "--tag", "novalue"], 2, &["write KEY=VALUE"]);
    check(dir.path(), &["logs", "{}", "--since", "1"], 2, &["is no duration"]);
}

#[test]
fn a_token_opens_the_door() {
    let dir = dir();
    fs::write(dir.path().join("token"), "0123456789abcdef\n").unwrap();
    let config = "version: 1\n\
        listeners: [{ name: web, address: 127.0.0.1:8080 }]\n\
        store:\n  path: data\n  access:\n    - { tenant: house, by: { token: { file: token } } }\n";
    fs::write(dir.path().join("weir.yaml"), config).unwrap();
    let (_running, port) = Running::store(dir.path(), &["-c", "weir.yaml"]);
    let url = format!("http://127.0.0.1:{port}");
    let arguments = ["query", "1", "--url", &url];
    let refused = said(weir(dir.path(), &arguments));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--token-file"), "{}", refused.err);
    let wrong = said({
        let mut command = weir(dir.path(), &arguments);
        command.env("WEIR_TOKEN", "another token, which is long enough");
        command
    });
    assert!(wrong.err.contains("does not know this token"), "{}", wrong.err);
    let let_in = said(weir(dir.path(), &[&arguments[..], &["--token-file", "token"]].concat()));
    assert_eq!((let_in.code, let_in.out.as_str()), (0, "1\n"), "{}", let_in.err);
}

/// Sends lines, each with its time in nanoseconds.
fn send_lines(port: u16, labels: &str, lines: &[(u64, &str)]) {
    let values: Vec<String> = lines.iter().map(|(time, line)| format!(r#"["{time}","{line}"]"#)).collect();
    let body = format!(r#"{{"streams":[{{"stream":{labels},"values":[{}]}}]}}"#, values.join(","));
    let (status, answer) = post(port, "/loki/api/v1/push", &body);
    assert_eq!(status, 204, "{answer}");
}

/// Seconds as RFC 3339, by the binary itself.
fn second(dir: &Path, at_s: u64) -> String {
    let time =
        said(weir(dir, &["query", "vector(0)[1s:1s]", "--time", &at_s.to_string(), "--store", "store"])).out;
    time.split_whitespace().nth(1).unwrap().trim_end_matches(".000Z").to_owned()
}

#[test]
fn lines_are_asked_for() {
    let dir = dir();
    let (_running, port) = Running::store(dir.path(), &[]);
    let at = now_s() - 60;
    let ns = at * 1_000_000_000;
    send_lines(port, r#"{"app":"shop","level":"info"}"#, &[(ns, "one"), (ns + 2_000_000, "three")]);
    send_lines(port, r#"{"app":"shop","level":"error"}"#, &[(ns + 1_000_001, "two: timeout")]);
    let time = second(dir.path(), at);
    check(
        dir.path(),
        port,
        &["logs", "{app=\"shop\"}"],
        0,
        &format!(
            "{time}.000Z {{level=\"info\"}} one\n{time}.001Z {{level=\"error\"}} two: timeout\n{time}.002Z {{level=\"info\"}} three\n"
        ),
        "all of {app=\"shop\"",
    );
    check(
        dir.path(),
        port,
        &["logs", "{app=\"shop\"} |= \"timeout\"", "--output", "json"],
        0,
        &format!(
            "{{\"labels\":{{\"app\":\"shop\",\"level\":\"error\"}},\"line\":\"two: timeout\",\"time\":\"{time}.001000001Z\"}}\n"
        ),
        "",
    );
    let newest = format!("{time}.002Z three\n");
    check(dir.path(), port, &["logs", "{app=\"shop\"}", "--limit", "1"], 0, &newest, "level=\"info\"}");
    check(dir.path(), port, &["logs", "{app=\"none\"}"], 0, "", "no line is found");
    check(dir.path(), port, &["logs", "{app=\"shop\""], 2, "", "1 | {app=\"shop\"\n  | ");
    check(
        dir.path(),
        port,
        &["logs", "rate({app=\"shop\"}[1m])", "--follow"],
        2,
        "",
        "only lines can be followed",
    );
    let counted = said(weir(
        dir.path(),
        &["logs", "sum(count_over_time({app=\"shop\"}[5m]))", "--since", "10m", "--store", "store"],
    ));
    assert!(counted.out.contains("every 5 s\nseries  ") && counted.out.contains("{}  "), "{}", counted.out);
}

#[test]
fn lines_are_followed_each_once() {
    let dir = dir();
    let (_running, port) = Running::store(dir.path(), &[]);
    let ns = (now_s() - 5) * 1_000_000_000;
    let labels = r#"{"app":"shop"}"#;
    send_lines(port, labels, &[(ns, "first")]);
    let url = format!("http://127.0.0.1:{port}");
    let follow = |place: &[&str]| {
        let arguments = [&["logs", "{app=\"shop\"}", "--follow", "--output", "json"], place].concat();
        Running::begin(weir(dir.path(), &arguments))
    };
    let following = [follow(&["--url", &url]), follow(&["--store", "store"])];
    let lines = |running: &Running| -> Vec<String> {
        let line = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_str().unwrap().to_owned()
        };
        running.out().lines().map(line).collect()
    };
    for running in &following {
        until("the first line", || lines(running) == ["first"]);
    }
    // Twice the same at one time, and one that comes late.
    send_lines(port, labels, &[(ns + 3, "same"), (ns + 3, "same")]);
    send_lines(port, labels, &[(ns - 30_000_000_000, "late")]);
    for running in &following {
        until("the further lines", || lines(running).len() >= 4);
    }
    send_lines(port, labels, &[(ns + 4, "last")]);
    for running in &following {
        until("the last line", || lines(running).last().is_some_and(|line| line == "last"));
        let mut all = lines(running);
        all.sort();
        assert_eq!(all, ["first", "last", "late", "same", "same"]);
    }
}
