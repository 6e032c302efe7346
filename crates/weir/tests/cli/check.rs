use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{answering, dir, said, weir};

const WRONG: &str = "\
version: 1
listeners:
  - { name: web, address: 127.0.0.1:8080, max_conections: 9 }
routes:
  - { name: all, service: orgin }
services:
  origin: { endpoints: [\"127.0.0.1:9000\"] }
";

const SAYS: &str = "\
error: a listener has no key `max_conections`
 --> wrong.yaml:3:43  (listeners[0].max_conections)
3 |   - { name: web, address: 127.0.0.1:8080, max_conections: 9 }
  |                                           ^^^^^^^^^^^^^^
  = help: did you mean `max_connections`?

error: there is no service named `orgin`
 --> wrong.yaml:5:27  (routes[0].service)
5 |   - { name: all, service: orgin }
  |                           ^^^^^
  = help: did you mean `origin`?

wrong.yaml: 2 errors
";

#[test]
fn all_that_is_wrong_stands_on_one_screen() {
    let dir = dir();
    fs::write(dir.path().join("wrong.yaml"), WRONG).unwrap();
    let said = said(weir(dir.path(), &["check", "wrong.yaml"]));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (1, "", SAYS));
}

#[test]
fn the_worst_file_decides_the_exit_status() {
    #[track_caller]
    fn check(dir: &std::path::Path, arguments: &[&str], code: i32, out: &str) {
        let said = said(weir(dir, arguments));
        assert_eq!((said.code, said.out.as_str()), (code, out), "{}", said.err);
    }
    let dir = dir();
    fs::write(dir.path().join("wrong.yaml"), WRONG).unwrap();
    fs::write(dir.path().join("right.yaml"), answering(8080, "hello", "")).unwrap();
    let valid = "right.yaml: valid · 1 listener, 1 route, 0 services\n";
    check(dir.path(), &["check", "right.yaml"], 0, valid);
    check(dir.path(), &["check", "right.yaml", "wrong.yaml"], 1, valid);
    check(dir.path(), &["check", "gone.yaml", "wrong.yaml", "right.yaml"], 2, valid);
    check(dir.path(), &["check", "--unknown"], 2, "");
    check(dir.path(), &["check", "--print", "--defaults"], 2, "");
    check(dir.path(), &["chek"], 2, "");
    check(dir.path(), &[], 2, "");
}

#[test]
fn what_is_printed_is_valid_and_prints_the_same() {
    let dir = dir();
    fs::write(dir.path().join("right.yaml"), answering(8080, "hello", "")).unwrap();
    for arguments in [&["check", "--print", "right.yaml"][..], &["check", "--defaults"]] {
        let printed = said(weir(dir.path(), arguments));
        assert_eq!((printed.code, printed.err.as_str()), (0, ""));
        assert!(printed.out.contains("max_connections: "), "{}", printed.out);
        let mut again = weir(dir.path(), &["check", "--print", "-"]);
        let mut child =
            again.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(printed.out.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), printed.out);
    }
}

#[test]
fn programs_read_json() {
    let dir = dir();
    fs::write(dir.path().join("wrong.yaml"), WRONG).unwrap();
    let said = said(weir(dir.path(), &["check", "wrong.yaml", "gone.yaml", "--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    let first = &json["files"][0];
    assert_eq!((&first["file"], &first["valid"]), (&"wrong.yaml".into(), &false.into()));
    assert_eq!(
        (&first["diagnostics"][0]["line"], &first["diagnostics"][1]["column"]),
        (&3.into(), &27.into())
    );
    assert!(json["files"][1]["error"].as_str().unwrap().contains("cannot be read"));
}

#[test]
fn the_record_of_a_short_command_is_for_who_asks_for_it() {
    let dir = dir();
    fs::write(dir.path().join("right.yaml"), answering(8080, "hello", "")).unwrap();
    let quiet = said(weir(dir.path(), &["check", "right.yaml"]));
    assert_eq!(quiet.err, "");
    let loud = said(weir(dir.path(), &["check", "right.yaml", "--log-format", "json"]));
    let record: serde_json::Value = serde_json::from_str(&loud.err).unwrap();
    assert_eq!((&record["command"], &record["outcome"]), (&"check".into(), &"done".into()));
    assert!(record["duration_ms"].as_f64().unwrap() > 0.0);
    let debug = said(weir(dir.path(), &["check", "right.yaml", "--log", "debug", "--log-format", "text"]));
    assert!(debug.err.contains("weir check ended"), "{}", debug.err);
}
