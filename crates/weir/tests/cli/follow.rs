//! Changes of files, found by themselves or by SIGHUP.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{Running, answering, dir, free_port, get, replace, until};

#[track_caller]
fn until_answer(port: u16, body: &str) {
    until(body, || get(port, "/").1 == body);
}

#[test]
fn a_file_renamed_over_goes_live_and_the_log_says_so_in_words() {
    let (dir, port) = (dir(), free_port());
    let config = dir.path().join("weir.yaml");
    fs::write(&config, answering(port, "one", "")).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    assert_eq!(get(port, "/"), (200, "one".into()));
    replace(&config, &answering(port, "two", ""));
    until_answer(port, "two");
    weir.until_log("route hello: ");
    weir.until_log(" · live in ");
    // Written in place, too.
    fs::write(&config, answering(port, "three", "")).unwrap();
    until_answer(port, "three");
}

#[test]
fn links_that_are_swapped_count() {
    let (dir, port) = (dir(), free_port());
    let version = |name: &str, body: &str| {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("weir.yaml"), answering(port, body, "")).unwrap();
    };
    let swap = |name: &str| {
        symlink(name, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    };
    // As Kubernetes lays out the volume of a ConfigMap.
    version("..1", "one");
    swap("..1");
    symlink("..data/weir.yaml", dir.path().join("weir.yaml")).unwrap();
    let _weir = Running::gateway(Path::new("/"), dir.path().join("weir.yaml").to_str().unwrap(), port);
    assert_eq!(get(port, "/").1, "one");
    for (name, body) in [("..2", "two"), ("..3", "three")] {
        version(name, body);
        swap(name);
        until_answer(port, body);
    }
}

#[test]
fn a_directory_that_is_replaced_counts() {
    let (dir, port) = (dir(), free_port());
    let folder = |name: &str, body: &str| {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("weir.yaml"), answering(port, body, "")).unwrap();
    };
    folder("conf", "one");
    let _weir = Running::gateway(dir.path(), "conf/weir.yaml", port);
    for (at, body) in ["two", "three"].into_iter().enumerate() {
        folder("next", body);
        fs::rename(dir.path().join("conf"), dir.path().join(format!("old{at}"))).unwrap();
        fs::rename(dir.path().join("next"), dir.path().join("conf")).unwrap();
        until_answer(port, body);
    }
}

#[test]
fn a_bad_file_is_refused_with_its_errors_and_the_old_one_serves_on() {
    let (dir, port) = (dir(), free_port());
    let config = dir.path().join("weir.yaml");
    fs::write(&config, answering(port, "one", "")).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    replace(&config, &answering(port, "two", "sevices: {}"));
    weir.until_log("weir.yaml: 1 error; what is in force serves on");
    weir.until_log("did you mean `services`?");
    assert_eq!(get(port, "/").1, "one");
    fs::remove_file(&config).unwrap();
    weir.until_log("weir.yaml cannot be read");
    assert_eq!(get(port, "/").1, "one");
    replace(&config, &answering(port, "three", ""));
    until_answer(port, "three");
}

#[test]
fn hangup_reads_everything_again_and_reopens_the_access_log() {
    let (dir, port) = (dir(), free_port());
    let text = answering(port, "one", "").replace("format: json", "format: json, file: access.log");
    fs::write(dir.path().join("weir.yaml"), text).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    let lines = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default().lines().count();
    get(port, "/");
    until("a first record", || lines("access.log") == 1);
    fs::rename(dir.path().join("access.log"), dir.path().join("access.log.1")).unwrap();
    weir.signal(Signal::HUP);
    weir.until_log("certificates and keys read again");
    get(port, "/");
    until("a record in a new file", || lines("access.log") == 1);
    assert_eq!(lines("access.log.1"), 1);
}

#[test]
fn certificates_are_followed_also_those_that_are_still_to_come() {
    let (dir, port, secure) = (dir(), free_port(), free_port());
    let certificate = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(dir.path().join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        replace(&dir.path().join(format!("{name}.pem")), &made.cert.pem());
    };
    let config = dir.path().join("weir.yaml");
    fs::write(&config, answering(port, "one", "")).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    let plain = format!("{{ name: web, address: 127.0.0.1:{port} }}");
    let tls = "tls: { certificates: [{ cert: a.pem, key: a.key }] }";
    let both = format!("{plain}, {{ name: secure, address: 127.0.0.1:{secure}, {tls} }}");
    replace(&config, &answering(port, "two", "").replace(&plain, &both));
    weir.until_log("cannot be put in force");
    assert_eq!(get(port, "/").1, "one");
    certificate("a");
    until_answer(port, "two");
    weir.until_log("listener secure added");
    certificate("a");
    weir.until_log("certificates and keys read again");
}

#[test]
fn what_waits_for_the_next_start_says_so() {
    let (dir, port) = (dir(), free_port());
    let config = dir.path().join("weir.yaml");
    fs::write(&config, answering(port, "one", "")).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    replace(&config, &answering(port, "two", "workers: 7"));
    weir.until_log("`workers` takes effect at the next start");
    until_answer(port, "two");
    assert!(!weir.log().contains("workers none → 7"), "{}", weir.log());
}
