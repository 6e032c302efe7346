//! No file names a folder of the machine it was written on.

use super::{File, Findings};

/// Split so that this file does not hold what it looks for.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(files: &[File], findings: &mut Findings) {
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if MACHINE.iter().any(|path| line.contains(path)) {
                findings.problem(format!(
                    "{}:{}: names a folder of one machine; make it relative or take it from the environment",
                    file.path,
                    number + 1
                ));
            }
        }
    }
}
