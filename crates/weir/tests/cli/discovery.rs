use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{answering, dir, said, weir};

fn put(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, answering(8080, "hello", "")).unwrap();
}

/// Which file `weir check` took.
#[track_caller]
fn check(command: Command, code: i32, names: &str) {
    let said = said(command);
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    let text = if code == 0 { said.out } else { said.err };
    assert!(text.contains(names), "{names} is not in {text}");
}

#[test]
fn the_first_of_the_places_is_taken() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name);
    let plain = || weir(dir.path(), &["check"]);
    let xdg = || {
        let mut command = plain();
        command.env("XDG_CONFIG_HOME", at("xdg"));
        command
    };
    put(&at(".weir.yaml"));
    check(plain(), 0, "/.weir.yaml: valid");
    put(&at("xdg/weir/weir.yaml"));
    check(xdg(), 0, "/xdg/weir/weir.yaml: valid");
    put(&at("named.yaml"));
    let mut named = xdg();
    named.env("WEIR_CONFIG", at("named.yaml"));
    check(named, 0, "/named.yaml: valid");
    put(&at("given.yaml"));
    for order in [&["check", "-c", "given.yaml"][..], &["--config=given.yaml", "check"]] {
        let mut given = weir(dir.path(), order);
        given.env("WEIR_CONFIG", at("named.yaml"));
        check(given, 0, "given.yaml: valid");
    }
    // One that is named is taken or nothing is.
    let mut gone = xdg();
    gone.env("WEIR_CONFIG", at("gone.yaml"));
    check(gone, 2, "gone.yaml cannot be read");
}

#[test]
fn the_current_directory_counts_but_not_for_root() {
    let dir = dir();
    put(&dir.path().join("weir.yaml"));
    if !rustix::process::geteuid().is_root() {
        return check(weir(dir.path(), &["check"]), 0, "./weir.yaml: valid");
    }
    check(weir(dir.path(), &["check"]), 2, "not taken as root: say `-c ./weir.yaml`");
    // The same as somebody else, who may not reach where this binary lies.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Copied by another process: a file that this one has open to write, even in a child on its way to another program,
    // is one that cannot be run yet.
    let copied =
        Command::new("cp").arg(env!("CARGO_BIN_EXE_weir")).arg(dir.path().join("weir")).status().unwrap();
    assert!(copied.success());
    let mut nobody = Command::new(dir.path().join("weir"));
    nobody.arg("check").current_dir(dir.path()).env_clear().uid(65_534).gid(65_534);
    check(nobody, 0, "./weir.yaml: valid");
}

#[test]
fn nothing_found_says_where_and_what_to_do() {
    let dir = dir();
    check(weir(dir.path(), &["check"]), 2, "`weir init` writes one to start from");
    check(weir(dir.path(), &["gateway"]), 2, "no configuration file was found");
}
