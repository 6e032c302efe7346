//! `weir store stats`: what is in a store's folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use weir_signal::Tenant;
use weir_store::{Disk, EntryKind, PartMeta, Recovery, Signal, Space};
use weir_telemetry::ask::rfc3339;

use super::folder::{self, FolderArgs};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run};
use crate::terminal::{self, Paint, align_right, count, headed, say_bytes, say_count};

/// Say what is in the folder of a store, also while it is written to
///
/// By tenant and signal: parts, series (of logs streams, of spans traces, each counted once per part), rows (samples, lines or
/// spans), bytes with indexes and filters, bytes per row, and times.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir store stats
  weir store stats --path /var/lib/weir/store
  weir store stats -c weir.yaml --output json")]
pub(crate) struct Stats {
    #[command(flatten)]
    folder: FolderArgs,
}

/// What was found.
pub(crate) struct Found {
    path: PathBuf,
    rows: Vec<Row>,
    recovery: Recovery,
    log_bytes: u64,
    tombstones: u64,
    snapshots: usize,
    /// Folders of damaged parts that are kept as they were.
    aside: Vec<String>,
    space: Option<Space>,
}

/// What a tenant has of a signal in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    tenant: Tenant,
    signal: Signal,
    parts: u64,
    series: u64,
    rows: u64,
    bytes: u64,
    from: i64,
    to: i64,
}

impl Command for Stats {
    const NAME: &'static str = "store stats";
    type Ready = Found;

    fn before(self, run: &Run) -> anyhow::Result<Found> {
        let path = self.folder.path(run)?;
        let disk = Arc::new(folder::disk(&path)?);
        let (store, recovery) = folder::read(&path, disk.clone())?;
        let stats = store.stats();
        Ok(Found {
            rows: rows(&store.parts()),
            recovery,
            log_bytes: log_bytes(&*disk),
            tombstones: stats.tombstones,
            snapshots: store.snapshots().len(),
            aside: stats.damage.aside,
            space: stats.space,
            path,
        })
    }

    fn run(found: &mut Found, run: &Run) -> anyhow::Result<Outcome> {
        terminal::print(&match run.settings.output {
            Output::Text => text(found, run.settings.stdout()),
            Output::Json => json(found),
        })?;
        Ok(Outcome::Done)
    }
}

/// Bytes of the log's files.
pub(super) fn log_bytes(disk: &dyn Disk) -> u64 {
    let entries = disk.list("wal").unwrap_or_default();
    let bytes = |kind| if let EntryKind::File { bytes } = kind { bytes } else { 0 };
    entries.into_iter().map(|entry| bytes(entry.kind)).sum()
}

/// By tenant and signal, ascending.
fn rows(parts: &[PartMeta]) -> Vec<Row> {
    let mut rows: BTreeMap<(Tenant, Signal), Row> = BTreeMap::new();
    for part in parts {
        let row = rows.entry((part.tenant.clone(), part.signal)).or_insert_with(|| Row {
            tenant: part.tenant.clone(),
            signal: part.signal,
            parts: 0,
            series: 0,
            rows: 0,
            bytes: 0,
            from: part.from,
            to: part.to,
        });
        row.parts += 1;
        row.series += part.series;
        row.rows += part.rows;
        row.bytes += part.bytes();
        row.from = row.from.min(part.from);
        row.to = row.to.max(part.to);
    }
    rows.into_values().collect()
}

fn time(signal: Signal, time: i64) -> String {
    rfc3339(time.div_euclid(signal.units_per_ms()))
}

fn of(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "sample",
        Signal::Logs => "line",
        Signal::Spans => "span",
    }
}

/// The default tenant has no name.
pub(super) fn name(tenant: &Tenant) -> &str {
    if tenant.as_str().is_empty() { "(default)" } else { tenant.as_str() }
}

fn text(found: &Found, paint: Paint) -> String {
    let mut text = format!("{}\n\n", paint.bold(&found.path.display().to_string()));
    if found.rows.is_empty() {
        text += "nothing is in parts yet\n";
    } else {
        text += &table(&found.rows, paint);
    }
    let records = say_count(found.recovery.records);
    let mut facts = vec![
        ["log", &format!("{}, {records} records not in parts yet", say_bytes(found.log_bytes))]
            .map(str::to_owned),
    ];
    let mut fact = |name: &str, says: String| facts.push([name.to_owned(), says]);
    if found.tombstones > 0 {
        fact("deletions", format!("{} not merged yet", found.tombstones));
    }
    if found.snapshots > 0 {
        fact("snapshots", found.snapshots.to_string());
    }
    if !found.aside.is_empty() {
        fact("kept aside", format!("{}, damaged when they were merged", count(found.aside.len(), "part")));
    }
    if let Some(space) = found.space {
        fact("disk", format!("{} of {} are free", say_bytes(space.free_bytes), say_bytes(space.total_bytes)));
    }
    let damages = damages(&found.recovery);
    let whole = damages.is_empty();
    fact("damages", if whole { "none seen".into() } else { count(damages.len(), "damage") });
    text += "\n";
    text += &terminal::table(
        &facts,
        "",
        |column, cell| if column == 0 { paint.dim(cell) } else { cell.to_owned() },
    );
    for damage in damages {
        let _ = writeln!(text, "  {}", paint.red(&terminal::visible(&damage)));
    }
    for folder in &found.aside {
        let _ = writeln!(text, "  {}", terminal::visible(folder));
    }
    if !whole {
        text += "`weir store verify` reads everything and says what is lost\n";
    }
    text
}

fn table(all: &[Row], paint: Paint) -> String {
    let mut rows = vec![
        ["tenant", "signal", "parts", "series", "rows", "bytes", "bytes per row", "from", "to"]
            .map(str::to_owned),
    ];
    rows.extend(all.iter().map(|row| {
        [
            name(&row.tenant).to_owned(),
            row.signal.to_string(),
            row.parts.to_string(),
            say_count(row.series),
            say_count(row.rows),
            say_bytes(row.bytes),
            format!("{:.2} per {:<6}", row.bytes as f64 / row.rows.max(1) as f64, of(row.signal)),
            time(row.signal, row.from),
            time(row.signal, row.to),
        ]
    }));
    align_right(&mut rows, 2..7);
    headed(&rows, paint, |column, cell| match column {
        0 => paint.cyan(cell),
        7 | 8 => paint.dim(cell),
        _ => cell.to_owned(),
    })
}

/// What was seen to be damaged without reading everything.
fn damages(recovery: &Recovery) -> Vec<String> {
    let mut all: Vec<String> = recovery.damages.iter().map(ToString::to_string).collect();
    all.extend(recovery.log_damages.iter().map(|damage| {
        format!(
            "{} is damaged at byte {}: {} bytes of acknowledged records",
            damage.file, damage.offset, damage.bytes
        )
    }));
    if recovery.orphans > 0 {
        all.push(format!(
            "{} rows of the log belong to series that a damaged record named",
            recovery.orphans
        ));
    }
    all
}

fn json(found: &Found) -> String {
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| {
            json!({
                "tenant": row.tenant.as_str(), "signal": row.signal.as_str(), "parts": row.parts, "series": row.series,
                "rows": row.rows, "bytes": row.bytes, "from": time(row.signal, row.from), "to": time(row.signal, row.to),
            })
        })
        .collect();
    let space =
        found.space.map(|space| json!({ "free_bytes": space.free_bytes, "total_bytes": space.total_bytes }));
    let value = json!({
        "folder": found.path, "parts": rows, "tombstones": found.tombstones, "snapshots": found.snapshots,
        "log": { "bytes": found.log_bytes, "records": found.recovery.records, "torn_bytes": found.recovery.torn_bytes },
        "damages": damages(&found.recovery), "kept_aside": found.aside, "disk": space,
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;
    use weir_store::{FileMeta, LogDamage};

    use super::*;

    fn part(tenant: &str, signal: Signal, from: i64, to: i64, rows: u64, bytes: u64) -> PartMeta {
        PartMeta {
            tenant: Tenant::new(tenant).unwrap(),
            signal,
            name: "p".into(),
            level: 0,
            day: 0,
            from,
            to,
            sequences: (0, 0),
            cleared: 0,
            rows,
            series: 3,
            files: [FileMeta { bytes, checksum: 0 }, FileMeta::default(), FileMeta::default()],
        }
    }

    #[test]
    fn a_row_per_tenant_and_signal() {
        let parts = [
            part("", Signal::Logs, 1_000_000_000, 2_000_000_000, 100, 450),
            part("", Signal::Metrics, 5_000, 9_000, 1_000_000, 400_000),
            part("", Signal::Metrics, 1_000, 2_000, 234_567, 100_000),
            part("a", Signal::Spans, 0, 0, 1, 18),
        ];
        let found = Found {
            path: "/store".into(),
            rows: rows(&parts),
            recovery: Recovery { records: 1234, ..Recovery::default() },
            log_bytes: 1_500,
            tombstones: 0,
            snapshots: 0,
            aside: Vec::new(),
            space: None,
        };
        assert_eq!(
            text(&found, Paint(Colour::Off)),
            "/store\n\
             \n\
             tenant     signal   parts  series       rows   bytes     bytes per row  from                      to\n\
             (default)  metrics      2       6  1 234 567  500 kB   0.41 per sample  1970-01-01T00:00:01.000Z  1970-01-01T00:00:09.000Z\n\
             (default)  logs         1       3        100   450 B   4.50 per line    1970-01-01T00:00:01.000Z  1970-01-01T00:00:02.000Z\n\
             a          spans        1       3          1    18 B  18.00 per span    1970-01-01T00:00:00.000Z  1970-01-01T00:00:00.000Z\n\
             \n\
             log      1.50 kB, 1 234 records not in parts yet\n\
             damages  none seen\n"
        );
        let json: serde_json::Value = serde_json::from_str(&json(&found)).unwrap();
        assert_eq!(json["parts"][0]["rows"], 1_234_567);
    }

    #[test]
    fn damages_are_named() {
        let recovery = Recovery {
            log_damages: vec![LogDamage { file: "wal/1".into(), offset: 17, bytes: 5 }],
            orphans: 2,
            ..Recovery::default()
        };
        let found = Found {
            path: "/store".into(),
            rows: Vec::new(),
            recovery,
            log_bytes: 0,
            tombstones: 1,
            snapshots: 2,
            aside: vec!["aside/@default/logs/01".into()],
            space: Some(Space { free_bytes: 1_000_000_000, total_bytes: 2_000_000_000 }),
        };
        assert_eq!(
            text(&found, Paint(Colour::Off)),
            "/store\n\
             \n\
             nothing is in parts yet\n\
             \n\
             log         0 B, 0 records not in parts yet\n\
             deletions   1 not merged yet\n\
             snapshots   2\n\
             kept aside  1 part, damaged when they were merged\n\
             disk        1.00 GB of 2.00 GB are free\n\
             damages     2 damages\n  \
               wal/1 is damaged at byte 17: 5 bytes of acknowledged records\n  \
               2 rows of the log belong to series that a damaged record named\n  \
               aside/@default/logs/01\n\
             `weir store verify` reads everything and says what is lost\n"
        );
    }
}
