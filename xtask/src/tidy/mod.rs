//! `cargo xtask tidy`: what the compiler does not check of the house's rules.
//!
//! Each rule is a function from the tree to what is wrong with it, a line each; a line names the place and the remedy.

mod code;
mod examples;
mod links;
mod paths;
mod rings;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace;

/// What is wrong, and what is only worth a look.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    pub(crate) fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// A tracked text file, its path relative to the workspace.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether the name ends in `.` and this.
    pub(crate) fn is(&self, extension: &str) -> bool {
        std::path::Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }
}

/// Checks the whole tree. An error lists all that is wrong.
pub fn run() -> Result<()> {
    let files = tracked()?;
    let mut findings = Findings::default();
    toolchain(&mut findings)?;
    rings::check(&files, &mut findings)?;
    code::check(&files, &mut findings);
    links::check(&files, &mut findings);
    paths::check(&files, &mut findings);
    examples::check(&files, &mut findings)?;
    for warning in &findings.warnings {
        println!("tidy: warning: {warning}");
    }
    if !findings.problems.is_empty() {
        bail!("the tree is not tidy:\n  {}", findings.problems.join("\n  "));
    }
    println!("tidy: {} files in order", files.len());
    Ok(())
}

/// Files that git tracks, or would with the next `git add`; binary ones are left out.
fn tracked() -> Result<Vec<File>> {
    let list = workspace::output(Command::new("git").current_dir(workspace::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let root = workspace::root();
    let read = |path: &str| {
        let text = fs::read(root.join(path)).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
        Some(File { path: path.to_owned(), text })
    };
    Ok(list.lines().filter_map(read).collect())
}

/// The compiler in use is the one that the tree pins.
fn toolchain(findings: &mut Findings) -> Result<()> {
    let pinned = fs::read_to_string(workspace::root().join("rust-toolchain.toml"))?;
    let channel = pinned.lines().find_map(|line| line.strip_prefix("channel = "));
    let Some(channel) = channel.map(|value| value.trim_matches('"')) else {
        findings.problem("rust-toolchain.toml pins no channel");
        return Ok(());
    };
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let version = workspace::output(Command::new(rustc).current_dir(workspace::root()).arg("--version"))?;
    if version.split_whitespace().nth(1) != Some(channel) {
        findings.problem(format!(
            "the compiler is {}, the tree pins {channel}; unset RUSTUP_TOOLCHAIN and RUSTC",
            version.trim()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        if let Err(error) = super::run() {
            panic!("{error:#}");
        }
    }
}
