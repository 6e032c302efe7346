//! `weir version`: which build this is.

use clap::Args;
use serde_json::json;

use crate::build::{BUILD, PARTS, PROFILE, TARGET};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run};
use crate::terminal;

/// Print the version, the commit, the compiler and the parts that are built in
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Command for Version {
    const NAME: &'static str = "version";
    type Ready = ();

    fn before(self, _run: &Run) -> anyhow::Result<()> {
        Ok(())
    }

    fn run((): &mut (), run: &Run) -> anyhow::Result<Outcome> {
        let commit = if BUILD.commit.is_empty() { "unknown" } else { BUILD.commit };
        let text = match run.settings.output {
            Output::Text => {
                let row = |key: &str, value: String| [key.to_owned(), value];
                let rows = [
                    row("weir", BUILD.version.into()),
                    row("commit", commit.into()),
                    row("rustc", BUILD.rustc.into()),
                    row("target", format!("{TARGET}, {PROFILE}")),
                    row("parts", PARTS.join(", ")),
                ];
                terminal::table(&rows, "", |_, cell| cell.to_owned())
            }
            Output::Json => {
                let version = json!({
                    "version": BUILD.version, "commit": commit, "rustc": BUILD.rustc,
                    "target": TARGET, "profile": PROFILE, "parts": PARTS,
                });
                format!("{version:#}\n")
            }
        };
        terminal::print(&text)?;
        Ok(Outcome::Done)
    }
}
