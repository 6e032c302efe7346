//! Every example is a configuration that `weir check` accepts.

use std::process::Command;

use anyhow::Result;

use super::{File, Findings};
use crate::workspace;

pub(super) fn check(files: &[File], findings: &mut Findings) -> Result<()> {
    let example = |path: &str| path.starts_with("examples/") && path.ends_with(".yaml");
    let examples: Vec<_> = files.iter().map(|file| &file.path).filter(|path| example(path)).collect();
    if examples.is_empty() {
        return Ok(());
    }
    let weir = workspace::checking_binary()?;
    for path in examples {
        let output = Command::new(&weir).current_dir(workspace::root()).args(["check", path]).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).trim().replace('\n', "\n    ");
            findings.problem(format!("{path}: `weir check` refuses it ({}):\n    {said}", output.status));
        }
    }
    Ok(())
}
