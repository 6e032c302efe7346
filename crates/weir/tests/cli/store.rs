//! What is done with the folder of a store.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::{Running, dir, post, replace, said, weir};

fn now_ns() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

/// A store with `samples` of one series in parts, closed.
fn filled(dir: &Path, samples: u32) {
    let (mut running, port) = Running::store(dir, &[]);
    fill(port, samples, 0);
    running.signal(Signal::TERM);
    assert_eq!(running.ends(), 0, "{}", running.log());
}

/// Sends samples a millisecond apart, the last of them so many seconds ago.
fn fill(port: u16, samples: u32, ago_s: u32) {
    let now = now_ns() - u128::from(ago_s) * 1_000_000_000;
    let points: Vec<String> = (0..samples)
        .map(|at| {
            let time = now - u128::from(samples - at) * 1_000_000;
            format!(r#"{{"timeUnixNano":"{time}","asInt":"{at}"}}"#)
        })
        .collect();
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"counted","gauge":{{"dataPoints":[{}]}}}}]}}]}}]}}"#,
        points.join(",")
    );
    let (status, answer) = post(port, "/v1/metrics", &body);
    assert_eq!(status, 200, "{answer}");
}

#[track_caller]
fn check(dir: &Path, arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let said = said(weir(dir, arguments));
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    let text = said.out + &said.err;
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    text
}

/// The largest file below a folder.
fn largest(folder: &Path) -> PathBuf {
    fn all(folder: &Path, found: &mut Vec<(u64, PathBuf)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all(&path, found);
            } else {
                found.push((fs::metadata(&path).unwrap().len(), path));
            }
        }
    }
    let mut found = Vec::new();
    all(folder, &mut found);
    found.into_iter().max().unwrap().1
}

#[test]
fn statistics_of_a_folder() {
    let dir = dir();
    filled(dir.path(), 1_000);
    let text =
        check(dir.path(), &["store", "stats", "--path", "store"], 0, &["(default)  metrics", "none seen"]);
    assert!(text.contains(" 1 000 ") && text.contains(" per sample "), "{text}");
    let json = said(weir(dir.path(), &["store", "stats", "--path", "store", "--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["parts"][0]["rows"], &json["parts"][0]["series"]), (&1_000.into(), &1.into()));
    fs::create_dir(dir.path().join("empty")).unwrap();
    check(dir.path(), &["store", "stats", "--path", "empty"], 2, &["there is no store in empty"]);
    check(dir.path(), &["store", "stats", "--path", "gone"], 2, &["--path names"]);
}

#[test]
fn a_damage_is_named_and_bounded() {
    let dir = dir();
    filled(dir.path(), 1_000);
    check(dir.path(), &["store", "verify", "--path", "store"], 0, &["store: sound · 1 part and the log"]);
    let file = largest(&dir.path().join("store/tenants"));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let text =
        check(dir.path(), &["store", "verify", "--path", "store"], 1, &["store: 1 damage", "lost:", name]);
    assert!(text.contains("is damaged at byte "), "{text}");
    let json = said(weir(dir.path(), &["store", "verify", "--path", "store", "--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json["sound"].as_bool(), json["damages"].as_array().unwrap().len()), (Some(false), 1));
    assert!(json["damages"][0]["file"].as_str().unwrap().ends_with(name), "{json}");
}

#[test]
fn a_copy_is_a_store_and_makes_one() {
    let dir = dir();
    filled(dir.path(), 1_000);
    check(dir.path(), &["store", "snapshot", "copy", "--path", "store"], 0, &["copied 1 part", "to copy"]);
    check(dir.path(), &["store", "verify", "--path", "copy"], 0, &["copy: sound"]);
    check(dir.path(), &["store", "snapshot", "copy", "--path", "store"], 2, &["copy is not empty"]);
    check(dir.path(), &["store", "restore", "copy", "--path", "again"], 0, &["restored 1 part", "to again"]);
    check(dir.path(), &["store", "restore", "copy", "--path", "again"], 2, &["again is not empty"]);
    check(dir.path(), &["store", "restore", "gone", "--path", "more"], 2, &["gone: "]);
    check(dir.path(), &["query", "count_over_time(counted[1h])", "--store", "again"], 0, &["1000"]);
    // The store itself is as it was.
    check(dir.path(), &["store", "verify", "--path", "store"], 0, &["sound"]);
    assert_eq!(fs::read_dir(dir.path().join("store/snapshots")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_store_in_use_is_read_and_copied() {
    let dir = dir();
    let (_running, port) = Running::store(dir.path(), &[]);
    fill(port, 100, 60);
    assert_eq!(post(port, "/-/settle", "").0, 200);
    fill(port, 100, 0);
    check(dir.path(), &["store", "stats", "--path", "store"], 0, &["metrics", "none seen"]);
    check(dir.path(), &["store", "verify", "--path", "store"], 0, &["sound"]);
    check(dir.path(), &["store", "snapshot", "copy", "--path", "store"], 0, &["in use", "copied 1 part"]);
    check(dir.path(), &["store", "verify", "--path", "copy"], 0, &["sound"]);
    // Both what is in parts and what is only in the log.
    check(dir.path(), &["query", "count_over_time(counted[1h])", "--store", "store"], 0, &["200"]);
    check(dir.path(), &["query", "count_over_time(counted[1h])", "--store", "copy"], 0, &["100"]);
}

#[test]
fn hangup_takes_up_what_can_change() {
    let dir = dir();
    let say = |keys: &str| {
        replace(&dir.path().join("weir.yaml"), &format!("version: 1\nstore: {{ {keys} }}\n"));
    };
    say("limits: { line: 64B }");
    let (running, port) = Running::store(dir.path(), &["-c", "weir.yaml"]);
    let push = || {
        let line = "x".repeat(1000);
        let body =
            format!(r#"{{"streams":[{{"stream":{{"app":"a"}},"values":[["{}","{line}"]]}}]}}"#, now_ns());
        post(port, "/loki/api/v1/push", &body).0
    };
    assert_eq!(push(), 400);
    say("access: [ { by: { token: { file: gone.token } } } ]");
    running.signal(Signal::HUP);
    running.until_log("gone.token");
    assert_eq!(push(), 400, "what is in force serves on");
    say("own: { logs: false }");
    running.signal(Signal::HUP);
    running.until_log("read again");
    assert!(running.log().contains("`store.own` takes effect at the next start"), "{}", running.log());
    assert_eq!(push(), 204);
}
