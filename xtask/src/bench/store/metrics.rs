//! Recorded metrics by remote write: what a sample costs in CPU time and on disk.

use anyhow::{Context as _, Result};

use super::figures::{Figures, Quantity, Wanted};
use super::remote_write::Samples;
use super::server::{Kind, REMOTE_WRITE, Server};
use super::{Bench, duckdb, http, record, replay};

const DISK: Quantity = ("disk per sample", "bytes");
const CPU: Quantity = ("CPU per million samples", "s");
const CPU_ALL: Quantity = ("with all merges", "s");
const RESIDENT: Quantity = ("resident after it", "MB");
const FOUND: Quantity = ("samples found", "of those sent");

const KINDS: [Kind; 3] = [Kind::Weir, Kind::VictoriaMetrics, Kind::Prometheus];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let minutes_kept = bench.short.then_some(10);
    let samples = replay::pack(&record::default_file()?, minutes_kept, &bench.file("recorded"))?;
    let minutes = (samples.last_ms - samples.first_ms) as f64 / 60e3;
    let question = format!(
        "{} samples of {} series, {minutes:.0} minutes recorded from 20 exporters",
        samples.count, samples.series
    );
    let mut figures = Figures::new("metrics", question)
        .bar(DISK, Wanted::AtMost, 1.0, Some("victoria-metrics"))
        .bar(DISK, Wanted::AtMost, 0.5, None)
        .bar(CPU, Wanted::AtMost, 0.5, Some("victoria-metrics"));
    for round in 0..bench.rounds {
        for kind in bench.order(&KINDS, round) {
            measure(bench, kind, round, &samples, &mut figures)?;
        }
    }
    if !bench.short {
        duckdb::measure(bench, minutes_kept, &mut figures, DISK)?;
    }
    figures.note(
        "Disk is what is allocated once everything is merged: without the caches of VictoriaMetrics, which it can \
         make anew; of Prometheus the blocks of a snapshot, since it keeps its newest two hours in a log. \
         VictoriaMetrics does not count values that are not numbers.",
    );
    figures.report(&mut bench.report);
    Ok(())
}

fn measure(bench: &Bench, kind: Kind, round: usize, samples: &Samples, figures: &mut Figures) -> Result<()> {
    let dir = bench.fresh(kind)?;
    let mut server = Server::start(kind, &dir)?;
    let name = kind.name();
    let millions = samples.count as f64 / 1e6;
    let begin = server.cpu_s();
    samples.bodies.send(&mut server.client(), REMOTE_WRITE).with_context(|| name)?;
    figures.add(name, CPU, (server.cpu_s() - begin) / millions);
    figures.add(name, RESIDENT, server.resident_bytes() / 1e6);
    server.settle()?;
    figures.add(name, CPU_ALL, (server.cpu_s() - begin) / millions);
    figures.add(name, DISK, server.disk_bytes()? as f64 / samples.count as f64);
    if round == 0 {
        figures.add(name, FOUND, found(&server, samples)? / samples.count as f64);
    }
    server.stop()?;
    Ok(())
}

/// How many samples it has in the end: not all that were sent, since markers of an end do not count. It is asked name by
/// name, since series that differ only in their names cannot be counted together.
fn found(server: &Server, samples: &Samples) -> Result<f64> {
    let mut client = server.client();
    let mut ask = |path: &str| -> Result<serde_json::Value> {
        Ok(serde_json::from_slice(&client.get(path)?.success()?)?)
    };
    let (start, end) = (samples.first_ms as f64 / 1e3, samples.last_ms as f64 / 1e3 + 1.0);
    let names = ask(&format!("/api/v1/label/__name__/values?start={start}&end={end}"))?;
    let range_s = (samples.last_ms - samples.first_ms) / 1000 + 60;
    let mut found = 0.0;
    for name in names["data"].as_array().context("no names in the answer")? {
        let name = name.as_str().context("a name that is no text")?;
        let query = http::escape(&format!("sum(count_over_time({name}[{range_s}s]))"));
        let answer = ask(&format!("/api/v1/query?query={query}&time={end}"))?;
        let value = answer["data"]["result"][0]["value"][1].as_str();
        // A name whose series have all ended and left nothing.
        found += value.unwrap_or("0").parse::<f64>()?;
    }
    Ok(found)
}
