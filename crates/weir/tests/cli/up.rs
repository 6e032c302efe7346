use std::fs;
use std::process::Command;

use crate::support::{Running, answering, dir, free_port, get, said, until, weir};

fn up(more: &[&str]) -> (tempfile::TempDir, Running, u16) {
    let (dir, port, admin) = (dir(), free_port(), free_port());
    let (listen, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin}"));
    let arguments = [&["up", "--listen", &listen, "--admin", &admin], more].concat();
    let running = Running::start(weir(dir.path(), &arguments), port);
    until("its welcome", || running.out().contains("Each request is one line"));
    (dir, running, port)
}

#[test]
fn the_three_lines_to_try_do_what_they_say() {
    let (_dir, running, _) = up(&[]);
    let text = running.out();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    let curl = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).env("no_proxy", "*").output().unwrap();
        assert!(output.status.success(), "{line} ended with {} (is curl installed?)", output.status);
        String::from_utf8(output.stdout).unwrap()
    };
    let [route, limit, broken] = lines[..] else { panic!("not three lines to try: {text}") };
    assert_eq!(curl(route), "Hello from Weir.\n");
    let limited = curl(limit);
    let statuses: Vec<&str> = limited.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
    assert_eq!(statuses, ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 429 Too Many Requests"]);
    assert!(limited.contains("\nretry-after: ") && limited.contains("\nratelimit: "), "{limited}");
    let broken = curl(broken);
    assert!(broken.starts_with("HTTP/1.1 503 "), "{broken}");
    assert!(broken.contains("the upstream refused the connection"), "{broken}");
    // One readable line per request.
    until("five lines", || running.out().lines().filter(|line| line.contains("  GET ")).count() == 5);
    assert!(running.out().contains("  429  GET "), "{}", running.out());
}

#[test]
fn a_url_is_stood_in_front_of() {
    let (dir, port) = (dir(), free_port());
    fs::write(dir.path().join("weir.yaml"), answering(port, "behind", "")).unwrap();
    let _behind = Running::gateway(dir.path(), "weir.yaml", port);
    let (_dir, _front, front) = up(&[&format!("http://localhost:{port}")]);
    assert_eq!(get(front, "/"), (200, "behind".into()));
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    #[track_caller]
    fn check(dir: &std::path::Path, arguments: &[&str], part: &str) {
        let said = said(weir(dir, &[&["up", "--log-format", "text"], arguments].concat()));
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains(part), "{}", said.err);
    }
    let dir = dir();
    fs::write(dir.path().join("weir.yaml"), answering(1, "x", "")).unwrap();
    check(dir.path(), &["localhost:3000"], "write http://localhost:3000");
    check(dir.path(), &["http://localhost/x"], "left over");
    check(dir.path(), &["http://localhost:8080"], "come back to Weir itself");
    check(dir.path(), &["http://[::1]:81", "--listen", "[::1]:81"], "come back to Weir itself");
    check(dir.path(), &["http://localhost", "-c", "weir.yaml"], "leave one out");
    check(dir.path(), &["-c", "weir.yaml", "--listen", "127.0.0.1:1"], "without a file");
}

#[test]
fn an_address_in_use_names_it() {
    let (_dir, _running, port) = up(&[]);
    let second = dir();
    let (listen, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", free_port()));
    let arguments = ["up", "--log-format", "text", "--listen", &listen, "--admin", &admin];
    let said = said(weir(second.path(), &arguments));
    assert_eq!(said.code, 1);
    for part in
        [&format!("cannot listen on 127.0.0.1:{port}"), "choose another with --listen", "held by weir"]
    {
        assert!(said.err.contains(part), "{part} is not in {}", said.err);
    }
}
