//! Commands that only say something.

use std::fs;

use crate::support::{dir, said, weir};

#[test]
fn init_writes_what_up_runs_and_never_over_a_file() {
    let dir = dir();
    let init = |arguments: &[&str]| said(weir(dir.path(), &[&["init"], arguments].concat()));
    assert_eq!(init(&[]).code, 0);
    let text = fs::read_to_string(dir.path().join("weir.yaml")).unwrap();
    assert_eq!(init(&["-"]).out, text);
    assert_eq!(said(weir(dir.path(), &["check", "weir.yaml"])).code, 0);
    fs::write(dir.path().join("weir.yaml"), "mine").unwrap();
    let refused = init(&[]);
    assert_eq!((refused.code, refused.err.contains("--force")), (2, true));
    assert_eq!(fs::read_to_string(dir.path().join("weir.yaml")).unwrap(), "mine");
    assert_eq!(init(&["--force"]).code, 0);
    assert_eq!(fs::read_to_string(dir.path().join("weir.yaml")).unwrap(), text);
    fs::create_dir(dir.path().join("etc")).unwrap();
    assert_eq!(init(&["etc"]).code, 0);
    assert!(dir.path().join("etc/weir.yaml").exists());
    assert!(init(&["gone/weir.yaml"]).err.contains("make it first"));
}

#[test]
fn version_says_what_was_built() {
    let dir = dir();
    let text = said(weir(dir.path(), &["version"]));
    assert!(text.out.starts_with(&format!("weir    {}\n", env!("CARGO_PKG_VERSION"))), "{}", text.out);
    let json = said(weir(dir.path(), &["version", "--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    for key in ["version", "commit", "rustc", "target", "profile"] {
        assert!(json[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {json}");
    }
}

#[test]
fn the_manual_holds_every_command_and_its_examples() {
    let dir = dir();
    let page = said(weir(dir.path(), &["man"])).out;
    for command in [
        "UP",
        "GATEWAY",
        "CHECK",
        "INIT",
        "ROUTES",
        "QUERY",
        "LOGS",
        "TRACE",
        "TRACES",
        "VERSION",
        "COMPLETIONS",
        "MAN",
    ] {
        assert!(page.contains(&format!(".SH \"WEIR {command}\"\n")), "{command} is missing");
    }
    for part in [".TH weir 1", ".SH FILES", ".SS EXAMPLES", "weir check \\-\\-print weir.yaml"] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn every_shell_gets_completions_and_every_command_help() {
    let dir = dir();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = said(weir(dir.path(), &["completions", shell]));
        assert_eq!(text.code, 0);
        assert!(text.out.contains("gateway") && text.out.contains("log-format"), "{shell}");
    }
    for command in [
        "up",
        "gateway",
        "check",
        "init",
        "routes",
        "query",
        "logs",
        "trace",
        "traces",
        "store serve",
        "store stats",
        "store verify",
        "store snapshot",
        "store restore",
        "version",
        "completions",
        "man",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = said(weir(dir.path(), &words));
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Global options:"), "{command}");
        assert!(help.out.contains("Examples:") || command == "version", "{command}");
    }
}

#[test]
fn colour_is_for_terminals_or_who_asks_for_it() {
    let dir = dir();
    fs::write(dir.path().join("x.yaml"), "version: 2").unwrap();
    assert!(!said(weir(dir.path(), &["check", "x.yaml"])).err.contains('\x1b'));
    assert!(said(weir(dir.path(), &["check", "x.yaml", "--color", "always"])).err.contains("\x1b["));
}
