//! `weir store verify`: everything in a store's folder is read, and what is damaged is named.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use weir_signal::ReadError;
use weir_store::{Concern, Finding, PartMeta, RealDisk, Recovery, Store};
use weir_telemetry::ask::rfc3339;

use super::folder::{self, FolderArgs};
use super::progress::Counting;
use super::stats::{log_bytes, name};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run};
use crate::terminal::{self, Paint, count, say_bytes, say_count, visible};

/// Read everything in the folder of a store and name what is damaged, also while it is written to
///
/// Each damage is named with its file, the place in it, and what cannot be read because of it. Exit status: 0 all is sound, 1
/// something is damaged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir store verify
  weir store verify --path /backup/monday
  weir store verify --output json | jq '.damages[].file'")]
pub(crate) struct Verify {
    #[command(flatten)]
    folder: FolderArgs,
}

/// A folder that is open.
pub(crate) struct Ready {
    path: PathBuf,
    disk: Counting<RealDisk>,
    store: Store,
    recovery: Recovery,
}

impl Command for Verify {
    const NAME: &'static str = "store verify";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let path = self.folder.path(run)?;
        let disk = Counting::new(folder::disk(&path)?);
        let (store, recovery) = folder::read(&path, Arc::new(disk.clone()))?;
        Ok(Ready { path, disk, store, recovery })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { path, disk, store, recovery } = ready;
        let parts = store.parts();
        let bytes = parts.iter().map(PartMeta::bytes).sum::<u64>() + log_bytes(disk);
        let watch = disk.watch("reading", bytes);
        let found = store.verify();
        drop(watch);
        let is_sound = found.is_empty() && recovery.orphans == 0;
        terminal::print(&match run.settings.output {
            Output::Json => {
                let damages: Vec<_> = found.iter().map(as_json).collect();
                let value = json!({
                    "folder": path, "sound": is_sound, "parts": parts.len(), "bytes": bytes, "orphans": recovery.orphans,
                    "damages": damages,
                });
                format!("{value:#}\n")
            }
            Output::Text => {
                let paint = run.settings.stdout();
                let mut text: String = found.iter().map(|finding| as_text(finding, paint)).collect();
                if recovery.orphans > 0 {
                    text += &orphans(recovery.orphans, paint);
                }
                let read = format!("{} and the log, {}", count(parts.len(), "part"), say_bytes(bytes));
                let verdict =
                    if is_sound { paint.green("sound") } else { paint.red(&count(found.len(), "damage")) };
                let _ = writeln!(text, "{}: {verdict} · {read}", path.display());
                text
            }
        })?;
        Ok(if is_sound { Outcome::Done } else { Outcome::Refused })
    }
}

fn as_text(finding: &Finding, paint: Paint) -> String {
    let error = visible(&finding.error.to_string());
    format!("{} {error}\n  {} {}\n", paint.red("✗"), paint.dim("lost:"), lost(&finding.concerns))
}

fn orphans(rows: u64, paint: Paint) -> String {
    let mark = paint.red("✗");
    format!("{mark} {} rows of the log belong to series that a damaged record named\n", say_count(rows))
}

/// What cannot be read because of a damage.
fn lost(concerns: &Concern) -> String {
    match concerns {
        Concern::Nothing => "nothing, there is another copy or nothing is kept there".to_owned(),
        Concern::Commits { bytes } => format!("{} of commits that were not in parts yet", say_bytes(*bytes)),
        Concern::Block(part) => format!("a block {}; its other blocks can be read", of(part)),
        Concern::Part(part) => format!("all {} rows {}", say_count(part.rows), of(part)),
    }
}

/// A part as people know it.
fn of(part: &PartMeta) -> String {
    let time = |time: i64| rfc3339(time.div_euclid(part.signal.units_per_ms()));
    let (from, to) = (time(part.from), time(part.to));
    format!("of {}'s {} from {from} to {to} (part {})", name(&part.tenant), part.signal, part.name)
}

fn as_json(finding: &Finding) -> serde_json::Value {
    let (file, offset, what) = match &finding.error {
        ReadError::Damaged { file, offset, what } => (Some(file), Some(offset), what.clone()),
        ReadError::Io { file, error } => (Some(file), None, error.clone()),
        error => (None, None, error.to_string()),
    };
    let (kind, part) = match &finding.concerns {
        Concern::Nothing => ("nothing", None),
        Concern::Commits { .. } => ("commits", None),
        Concern::Block(part) => ("block", Some(part)),
        Concern::Part(part) => ("part", Some(part)),
    };
    let mut value = json!({ "file": file, "offset": offset, "what": what, "lost": kind });
    if let Some(part) = part {
        value["part"] = json!({
            "name": part.name, "tenant": part.tenant.as_str(), "signal": part.signal.as_str(), "rows": part.rows,
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;

    use super::*;

    #[test]
    fn damages_say_what_is_lost() {
        let damaged =
            ReadError::Damaged { file: "wal/1".into(), offset: 17, what: "its checksum is wrong".into() };
        let finding = Finding { error: damaged, concerns: Concern::Commits { bytes: 1_500 } };
        assert_eq!(
            as_text(&finding, Paint(Colour::Off)),
            "✗ wal/1 is damaged at byte 17: its checksum is wrong\n  lost: 1.50 kB of commits that were not in parts yet\n"
        );
        assert_eq!(
            as_json(&finding),
            json!({ "file": "wal/1", "offset": 17, "what": "its checksum is wrong", "lost": "commits" })
        );
    }
}
