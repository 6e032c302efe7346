//! TrainTicket's logs by Loki's push: how fast they are taken, and how small they become.

use anyhow::{Context, Result};

use super::Bench;
use super::bodies::{Bodies, BodyWriter, Protocol};
use super::figures::{Figures, Quantity, Wanted};
use super::http;
use super::loki::{Entry, Request};
use super::restored::Restored;
use super::server::{Kind, Server};
use super::train_ticket::{self, LogLine};

const SPEED: Quantity = ("taken in, per core", "MB/s");
const WITH_MERGES: Quantity = ("with all merges", "MB/s");
const DISK: Quantity = ("disk", "MB");
const RATIO: Quantity = ("CSV : disk", ": 1");
const LINES_RATIO: Quantity = ("lines : disk", ": 1");
const RESIDENT: Quantity = ("resident after it", "MB");
const FOUND: Quantity = ("lines counted", "of those sent");
const RESTORED: Quantity = ("lines and times restored", "of those sent");

const KINDS: [Kind; 2] = [Kind::Weir, Kind::VictoriaLogs];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let (mut lines, mut csv_bytes) = train_ticket::logs()?;
    if bench.short {
        csv_bytes /= 10;
        lines.truncate(lines.len() / 10);
    }
    let bytes: usize = lines.iter().map(|line| line.line.len()).sum();
    let bodies = pack(&lines, bench)?;
    let mut figures = Figures::new(
        "logs",
        format!(
            "{} lines of TrainTicket, {:.1} MB, which were {:.1} MB of CSV",
            lines.len(),
            bytes as f64 / 1e6,
            csv_bytes as f64 / 1e6
        ),
    )
    .bar(WITH_MERGES, Wanted::AtLeast, 30.0, None)
    .bar(RATIO, Wanted::AtLeast, 55.0, None)
    .bar(RESTORED, Wanted::AtLeast, 1.0, None);
    for round in 0..bench.rounds {
        for kind in bench.order(&KINDS, round) {
            let name = kind.name();
            let mut server = Server::start(kind, &bench.fresh(kind)?)?;
            let begin = server.cpu_s();
            bodies.send(&mut server.client(), server.loki_push()).with_context(|| name)?;
            figures.add(name, SPEED, bytes as f64 / 1e6 / (server.cpu_s() - begin));
            figures.add(name, RESIDENT, server.resident_bytes() / 1e6);
            server.settle()?;
            figures.add(name, WITH_MERGES, bytes as f64 / 1e6 / (server.cpu_s() - begin));
            let disk = server.disk_bytes()? as f64;
            figures.add(name, DISK, disk / 1e6);
            figures.add(name, RATIO, csv_bytes as f64 / disk);
            figures.add(name, LINES_RATIO, bytes as f64 / disk);
            figures.add(name, FOUND, count(&server, &lines)? / lines.len() as f64);
            if kind == Kind::Weir && round == 0 {
                // From the disk: it is ended and started again.
                server = server.restart_cold()?;
                figures.add(name, RESTORED, Restored::of(&lines).read(&mut server.client())?);
            }
            server.stop()?;
        }
    }
    figures.note(
        "Sent is all that the CSV files hold: node, pod and container as labels of streams, trace and span id as \
         structured metadata, the line with its time. MB/s count the bytes of lines only, each of which is a JSON \
         object as the container runtime wrote it, against all the CPU time of the process. Disk is everything that \
         is kept, index and filters too. Of Weir every line is read back from the disk through Loki's interface and \
         compared with what was sent: time, line, labels, trace and span id.",
    );
    figures.report(&mut bench.report);
    Ok(())
}

fn pack(lines: &[LogLine], bench: &Bench) -> Result<Bodies> {
    let mut writer = BodyWriter::create(&bench.file("logs"), Protocol::LokiPush)?;
    let mut request = Request::default();
    for line in lines {
        request.add(&stream(line), &entry(line));
        if request.is_full() {
            writer.add(&request.take())?;
        }
    }
    writer.add(&request.take())?;
    writer.finish()
}

/// The labels of a line's stream.
pub(super) fn stream(line: &LogLine) -> String {
    format!("{{container=\"{}\", node=\"{}\", pod=\"{}\"}}", line.container, line.node, line.pod)
}

fn entry(line: &LogLine) -> Entry<'_> {
    Entry {
        time_ns: line.time_ns,
        line: &line.line,
        metadata: {
            let [trace_id, span_id] = line.ids();
            [("trace_id", trace_id), ("span_id", span_id)]
        },
    }
}

/// How many lines it says it has.
fn count(server: &Server, lines: &[LogLine]) -> Result<f64> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(0.0) };
    let mut client = server.client();
    if server.kind == Kind::VictoriaLogs {
        let query = http::escape("* | stats count() lines");
        let answer = client.get(&format!("/select/logsql/query?query={query}"))?.success()?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        return Ok(answer["lines"].as_str().context("no count in the answer")?.parse()?);
    }
    let range_s = (last.time_ns - first.time_ns) / 1_000_000_000 + 2;
    let query = http::escape(&format!("sum(count_over_time({{pod=~\".+\"}}[{range_s}s]))"));
    let answer =
        client.get(&format!("/loki/api/v1/query?query={query}&time={}", last.time_ns + 1))?.success()?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let value = answer["data"]["result"][0]["value"][1].as_str().context("no count in the answer")?;
    Ok(value.parse()?)
}
