//! A columnar database of general use as a yardstick: the recorded samples in a table, sorted by series and time.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::Command;

use anyhow::{Context, Result};

use super::figures::{Figures, Quantity};
use super::remote_write::Families;
use super::replay::{self, Sink};
use super::{Bench, record};
use crate::{peers, workspace};

/// Samples and series as text that it reads.
struct Csv {
    samples: BufWriter<File>,
    series: BufWriter<File>,
    count: u64,
}

impl Sink for Csv {
    fn series(&mut self, number: u32, labels: &[(String, String)]) -> Result<()> {
        let mut text = String::new();
        for (name, value) in labels {
            let _ = write!(text, "{name}={value};");
        }
        // Its fields and rows end at these.
        Ok(writeln!(self.series, "{number}\t{}", text.replace(['\t', '\n', '\r'], " "))?)
    }

    fn sample(&mut self, number: u32, _: &[u8], time_ms: i64, value: f64) -> Result<()> {
        self.count += 1;
        Ok(writeln!(self.samples, "{number},{time_ms},{value:?}")?)
    }
}

/// Adds what a sample takes in its own format and in the Parquet that it writes.
pub(super) fn measure(
    bench: &Bench,
    minutes: Option<u64>,
    figures: &mut Figures,
    disk: Quantity,
) -> Result<()> {
    let python = peers::locate("duckdb").context("duckdb is missing; run `cargo xtask peers --bench`")?;
    let (samples, series) = (bench.file("samples.csv"), bench.file("series.csv"));
    let create = |file| Ok::<_, std::io::Error>(BufWriter::with_capacity(1 << 20, File::create(file)?));
    let mut csv = Csv { samples: create(&samples)?, series: create(&series)?, count: 0 };
    replay::read(&record::default_file()?, minutes, &mut csv, &mut Families::new())?;
    csv.samples.flush()?;
    csv.series.flush()?;
    let (database, parquet) = (bench.file("samples.duckdb"), bench.file("samples.parquet"));
    let script = workspace::root().join("bench/store/columnar.py");
    workspace::output(Command::new(python).arg(script).args([&samples, &series, &database, &parquet]))?;
    let per_sample = |file| Ok::<_, std::io::Error>(fs::metadata(file)?.len() as f64 / csv.count as f64);
    figures.add("duckdb", disk, per_sample(&database)?);
    figures.add("parquet, zstd", disk, per_sample(&parquet)?);
    for file in [samples, series, database, parquet] {
        fs::remove_file(file)?;
    }
    Ok(())
}
