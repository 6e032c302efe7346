//! TrainTicket's spans over OTLP: how fast they are taken, and how small they become.

use anyhow::{Context, Result};

use super::Bench;
use super::bodies::{Bodies, BodyWriter, Protocol};
use super::figures::{Figures, Quantity, Wanted};
use super::http::Client;
use super::otlp;
use super::server::{Kind, PATIENCE, Server};
use super::train_ticket::{self, Span};

const SPEED: Quantity = ("spans per core", "1/s");
const WITH_MERGES: Quantity = ("with all merges", "1/s");
const DISK: Quantity = ("disk per span", "bytes");
const RATIO: Quantity = ("OTLP : disk", ": 1");
const RESIDENT: Quantity = ("resident after it", "MB");

const KINDS: [Kind; 2] = [Kind::Weir, Kind::Jaeger];

/// The path that takes traces.
pub(super) const PATH: &str = "/v1/traces";

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let mut spans = train_ticket::spans()?;
    if bench.short {
        spans.truncate(spans.len() / 20);
    }
    let (bodies, bytes) = pack(&spans, bench)?;
    let count = spans.len() as f64;
    let mut figures = Figures::new(
        "traces",
        format!("{} spans of TrainTicket, {:.1} MB of OTLP", spans.len(), bytes as f64 / 1e6),
    )
    .bar(SPEED, Wanted::AtLeast, 60_000.0, None)
    .bar(DISK, Wanted::AtMost, 18.0, None);
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
            figures.add(name, RATIO, bytes as f64 / disk);
        }
    }
    figures.report(&mut bench.report);
    Ok(())
}

fn pack(spans: &[Span], bench: &Bench) -> Result<(Bodies, u64)> {
    let mut writer = BodyWriter::create(&bench.file("spans"), Protocol::Otlp)?;
    let mut request = otlp::Request::default();
    let mut bytes = 0;
    for span in spans {
        request.add(
            &span.pod,
            &otlp::Span {
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
