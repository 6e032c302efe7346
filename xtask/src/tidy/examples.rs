//! Every example is a configuration that `weir check` accepts.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{File, Findings};
use crate::bench::Scratch;
use crate::process::Running;
use crate::workspace;

/// Far more than a check takes.
const CHECK_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) fn check(files: &[File], findings: &mut Findings) -> Result<()> {
    let examples: Vec<_> = files.iter().filter(|f| f.path.starts_with("examples/") && f.is("yaml")).collect();
    if examples.is_empty() {
        return Ok(());
    }
    let weir = workspace::checking_binary()?;
    let scratch = Scratch::new("examples")?;
    for File { path, .. } in examples {
        let mut command = Command::new(&weir);
        command.current_dir(workspace::root()).args(["check", path]).env("RUST_BACKTRACE", "0");
        let running = Running::start("weir check", &mut command, None, &scratch.path().join("said"))?;
        if let Err(error) = running.finish(CHECK_TIME_MAX) {
            findings.problem(format!("{path}: {}", format!("{error:#}").replace('\n', "\n    ")));
        }
    }
    Ok(())
}
