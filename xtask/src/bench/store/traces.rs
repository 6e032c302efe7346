//! TrainTicket's spans over OTLP: how fast they are taken, and how small they become.

use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use super::bodies::{Bodies, BodyWriter, Protocol};
use super::capture::Capture;
use super::figures::{Figures, Quantity, Wanted};
use super::http::Client;
use super::server::{Kind, PATIENCE, Server};
use super::train_ticket::{self, SpanRow};
use super::{otlp, protobuf};
use crate::{peers, workspace};

const SPEED: Quantity = ("spans per core", "1/s");
const WITH_MERGES: Quantity = ("with all merges", "1/s");
const DISK: Quantity = ("disk per span", "bytes");
const RATIO: Quantity = ("OTLP : disk", ": 1");
const RESIDENT: Quantity = ("resident after it", "MB");

const KINDS: [Kind; 2] = [Kind::Weir, Kind::Jaeger];

/// The path that takes traces.
pub(super) const PATH: &str = "/v1/traces";

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    train_ticket_spans(bench)?;
    sdk_spans(bench)
}

fn train_ticket_spans(bench: &mut Bench) -> Result<()> {
    let mut spans = train_ticket::spans()?;
    if bench.short {
        spans.truncate(spans.len() / 20);
    }
    let (bodies, bytes) = pack(&spans, bench)?;
    let mut figures = Figures::new(
        "traces",
        format!("{} spans of TrainTicket, {:.1} MB of OTLP", spans.len(), bytes as f64 / 1e6),
    )
    .bar(WITH_MERGES, Wanted::AtLeast, 60_000.0, None)
    .bar(DISK, Wanted::AtMost, 18.0, None);
    measure(bench, &bodies, spans.len() as f64, bytes as f64, &mut figures)?;
    figures.report(&mut bench.report);
    Ok(())
}

/// Spans with ten attributes each, as OpenTelemetry's SDK for Python sends them.
fn sdk_spans(bench: &mut Bench) -> Result<()> {
    let python = peers::locate("opentelemetry")
        .context("OpenTelemetry's SDK is missing; run `cargo xtask peers --bench`")?;
    let traces = if bench.short { 1000 } else { 25_000 };
    let capture = Capture::start()?;
    let script = workspace::root().join("bench/store/sdk_spans.py");
    let url = format!("http://{}{PATH}", capture.address);
    workspace::output(Command::new(python).arg(script).arg(url).arg(traces.to_string()))?;
    let requests = capture.finish()?;
    let bytes: usize = requests.iter().map(Vec::len).sum();
    let mut writer = BodyWriter::create(&bench.file("sdk-spans"), Protocol::Otlp)?;
    requests.iter().try_for_each(|request| writer.add(request))?;
    // A trace has four or five spans, which the seed of the script settles.
    let spans = requests.iter().map(|request| spans_in(request)).sum::<Result<u64>>()?;
    let mut figures = Figures::new(
        "traces-sdk",
        format!(
            "{spans} spans with ten attributes by OpenTelemetry's SDK, {:.1} MB of OTLP",
            bytes as f64 / 1e6
        ),
    )
    .bar(RATIO, Wanted::AtLeast, 12.7, None);
    measure(bench, &writer.finish()?, spans as f64, bytes as f64, &mut figures)?;
    figures.report(&mut bench.report);
    Ok(())
}

fn measure(bench: &Bench, bodies: &Bodies, count: f64, bytes: f64, figures: &mut Figures) -> Result<()> {
    for round in 0..bench.rounds {
        for kind in bench.order(&KINDS, round) {
            let name = kind.name();
            let dir = bench.fresh(kind)?;
            let mut server = Server::start(kind, &dir)?;
            let begin = server.cpu_s();
            bodies.send(&mut Client::new(server.otlp, PATIENCE), PATH).with_context(|| name)?;
            server.drained()?;
            figures.add(name, SPEED, count / (server.cpu_s() - begin));
            figures.add(name, RESIDENT, server.resident_bytes() / 1e6);
            server.settle()?;
            figures.add(name, WITH_MERGES, count / (server.cpu_s() - begin));
            // What was still in memory is on disk only once it has ended.
            server.stop()?;
            let disk = Server::disk_bytes_of(kind, &dir)? as f64;
            figures.add(name, DISK, disk / count);
            figures.add(name, RATIO, bytes / disk);
        }
    }
    Ok(())
}

/// How many spans a request holds.
fn spans_in(request: &[u8]) -> Result<u64> {
    let mut count = 0;
    for (field, resource_spans) in protobuf::fields(request)? {
        for (inner, scope_spans) in if field == 1 { protobuf::fields(resource_spans)? } else { Vec::new() } {
            let fields = if inner == 2 { protobuf::fields(scope_spans)? } else { Vec::new() };
            count += fields.iter().filter(|(field, _)| *field == 2).count() as u64;
        }
    }
    Ok(count)
}

fn pack(spans: &[SpanRow], bench: &Bench) -> Result<(Bodies, u64)> {
    let mut writer = BodyWriter::create(&bench.file("spans"), Protocol::Otlp)?;
    let mut request = otlp::Request::default();
    let mut bytes = 0;
    for span in spans {
        request.add(
            &span.pod,
            &otlp::Outgoing {
                trace_id: span.trace_id,
                span_id: span.span_id,
                parent_id: span.parent_id,
                name: &span.operation,
                start_ns: span.start_ns,
                end_ns: span.end_ns,
                attributes: &[],
            },
        );
        if request.is_full() {
            let body = request.take();
            bytes += body.len() as u64;
            writer.add(&body)?;
        }
    }
    let body = request.take();
    bytes += body.len() as u64;
    writer.add(&body)?;
    Ok((writer.finish()?, bytes))
}
