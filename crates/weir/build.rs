//! Tells the binary what it was built from. The same commit and compiler give the same words.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=WEIR_COMMIT");
    let commit = std::env::var("WEIR_COMMIT").ok().or_else(|| {
        // The log of HEAD grows with every commit and switch, so that a build after one tells the new one.
        let log = said_by("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
        println!("cargo:rerun-if-changed={log}");
        said_by("git", &["rev-parse", "--short=12", "HEAD"])
    });
    println!("cargo:rustc-env=WEIR_COMMIT={}", commit.unwrap_or_default());
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = said_by(&rustc, &["--version"]).unwrap_or_default();
    println!("cargo:rustc-env=WEIR_RUSTC={}", version.trim_start_matches("rustc "));
    for name in ["TARGET", "PROFILE"] {
        println!("cargo:rustc-env=WEIR_{name}={}", std::env::var(name).unwrap_or_default());
    }
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
