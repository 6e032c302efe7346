//! A needle in much of a haystack: ids and rare words in volume that a generator makes.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::bodies::{Protocol, send};
use super::figures::{Figures, Quantity, Wanted};
use super::http::{Client, escape};
use super::loki::{Entry, Request};
use super::server::{Kind, PATIENCE, Server};
use super::templates::Templates;
use super::train_ticket;
use super::{Bench, logs, otlp, traces};

const TRACE: Quantity = ("a trace id, cold", "ms");
const WORD: Quantity = ("a word that occurs three times, cold", "ms");
const SPEED: Quantity = ("taken in, per core", "MB/s");
const WITH_MERGES: Quantity = ("with all merges", "MB/s");
const RATIO: Quantity = ("lines : disk", ": 1");

const KINDS: [Kind; 2] = [Kind::Weir, Kind::VictoriaLogs];

/// What stands in three lines only.
const NEEDLE: &str = "Kx7QuokkaNeedle";

pub(super) fn in_logs(bench: &mut Bench) -> Result<()> {
    let (lines, _) = train_ticket::logs()?;
    let mean = lines.iter().map(|line| line.line.len()).sum::<usize>() as u64 / lines.len() as u64;
    let bytes: u64 = if bench.short { 200_000_000 } else { 10_000_000_000 };
    let count = bytes / mean;
    // A day until now.
    let begin_ns = (bench.now_ms.cast_unsigned() - 86_400_000) * 1_000_000;
    let templates = Templates::new(lines, begin_ns, 86_400_000_000_000 / count);
    let mut figures = Figures::new(
        "lookups-logs",
        format!("{count} lines, {:.1} GB, of TrainTicket's templates (synthetic)", bytes as f64 / 1e9),
    )
    .bar(WITH_MERGES, Wanted::AtLeast, 30.0, None)
    .bar(TRACE, Wanted::AtMost, 100.0, None)
    .bar(WORD, Wanted::AtMost, 500.0, None);
    for kind in bench.order(&KINDS, 0) {
        let name = kind.name();
        let mut server = Server::start(kind, &bench.fresh(kind)?)?;
        let begin = server.cpu_s();
        let sent = fill(&server, &templates, count).with_context(|| name)? as f64;
        figures.add(name, SPEED, sent / 1e6 / (server.cpu_s() - begin));
        server.settle()?;
        figures.add(name, WITH_MERGES, sent / 1e6 / (server.cpu_s() - begin));
        figures.add(name, RATIO, sent / server.disk_bytes()? as f64);
        for tenth in [1, 3, 5, 7, 9] {
            let n = count * tenth / 10;
            server = server.restart_cold()?;
            let (took, found) = find(&server, &templates.trace_id(n), &templates, count)?;
            let expected = templates.lines_of_trace(n, count);
            if found != expected {
                bail!("{name} finds {found} of the {expected} lines of a trace");
            }
            figures.add(name, TRACE, took);
        }
        for _ in 0..3 {
            server = server.restart_cold()?;
            let (took, found) = find(&server, NEEDLE, &templates, count)?;
            if found != 3 {
                bail!("{name} finds {found} of the 3 lines with {NEEDLE}");
            }
            figures.add(name, WORD, took);
        }
        let dir: PathBuf = server.stop()?;
        std::fs::remove_dir_all(dir)?;
    }
    figures.note(
        "Cold: the server started anew after the system's page cache was dropped; its first answer is timed.",
    );
    figures.report(&mut bench.report);
    Ok(())
}

/// Sends so many lines; returns the bytes of them.
fn fill(server: &Server, templates: &Templates, count: u64) -> Result<u64> {
    let mut client = server.client();
    let mut compressor = snap::raw::Encoder::new();
    let mut request = Request::default();
    let mut line = String::new();
    let mut bytes = 0;
    for n in 0..count {
        line.clear();
        templates.write(n, &mut line);
        if [1, 5, 9].iter().any(|tenth| count * tenth / 10 == n) {
            line.push(' ');
            line.push_str(NEEDLE);
        }
        bytes += line.len() as u64;
        let entry = Entry { time_ns: templates.time_ns(n), line: &line, metadata: [("", ""), ("", "")] };
        request.add(&logs::stream(templates.original(n)), &entry);
        if request.is_full() || n + 1 == count {
            let body = Protocol::LokiPush.encode(&request.take(), &mut compressor)?;
            send(&mut client, server.loki_push(), Protocol::LokiPush, &body)?;
        }
    }
    Ok(bytes)
}

/// Looks for a text in all lines: milliseconds, and how many lines hold it.
fn find(server: &Server, text: &str, templates: &Templates, count: u64) -> Result<(f64, u64)> {
    let (start, end) = (templates.time_ns(0), templates.time_ns(count));
    let path = match server.kind {
        Kind::VictoriaLogs => format!(
            "/select/logsql/query?query={}&start={start}&end={end}&limit=1000",
            escape(&format!("\"{text}\""))
        ),
        _ => format!(
            "/loki/api/v1/query_range?query={}&start={start}&end={end}&limit=1000",
            escape(&format!("{{container=~\".+\"}} |= \"{text}\""))
        ),
    };
    let mut client = server.client();
    let begin = Instant::now();
    let answer = client.get(&path)?.success()?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let found = if server.kind == Kind::VictoriaLogs {
        answer.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count()
    } else {
        let answer: Value = serde_json::from_slice(&answer)?;
        let streams = answer["data"]["result"].as_array().context("no result in the answer")?;
        streams.iter().filter_map(|stream| stream["values"].as_array()).map(Vec::len).sum()
    };
    Ok((took, found as u64))
}

const SPANS_SPEED: Quantity = ("spans per core", "1/s");
const SPANS_MERGED: Quantity = ("with all merges", "1/s");
const SPANS_DISK: Quantity = ("disk per span", "bytes");
const BY_ID: Quantity = ("a trace by its id", "ms");
const BY_ATTRIBUTE: Quantity = ("by an attribute", "ms");

/// TrainTicket's spans again and again with fresh ids; one in a hundred has an attribute of its own.
struct Spans {
    originals: Vec<train_ticket::SpanRow>,
    begin_ns: u64,
    /// How far apart cycles are: as long as the originals took, gaps between them left out.
    cycle_ns: u64,
}

impl Spans {
    fn trace_id(&self, n: u64) -> u128 {
        let cycle = n / self.originals.len() as u64;
        let id = self.originals[(n % self.originals.len() as u64) as usize].trace_id;
        let half = |half: u64| super::random::mix(half ^ super::random::mix(cycle));
        u128::from(half((id >> 64) as u64)) << 64 | u128::from(half(id as u64))
    }

    fn fill(&self, server: &Server, count: u64) -> Result<()> {
        let mut client = Client::new(server.otlp, PATIENCE);
        let mut request = otlp::Request::default();
        let per_cycle = self.originals.len() as u64;
        for n in 0..count {
            let (cycle, original) = (n / per_cycle, &self.originals[(n % per_cycle) as usize]);
            let id = |id: u64| if id == 0 { 0 } else { super::random::mix(id ^ super::random::mix(cycle)) };
            let order = order_of(n);
            let attributes = [("order.id", order.as_deref().unwrap_or_default())];
            // Starts are spread evenly over a cycle; durations stay.
            let start_ns =
                self.begin_ns + cycle * self.cycle_ns + self.cycle_ns / per_cycle * (n % per_cycle);
            request.add(
                &original.pod,
                &otlp::Outgoing {
                    trace_id: self.trace_id(n),
                    span_id: id(original.span_id),
                    parent_id: id(original.parent_id),
                    name: &original.operation,
                    start_ns,
                    end_ns: start_ns + original.end_ns.saturating_sub(original.start_ns),
                    attributes: if order.is_some() { &attributes } else { &[] },
                },
            );
            if request.is_full() || n + 1 == count {
                send(&mut client, traces::PATH, Protocol::Otlp, &request.take())?;
            }
        }
        Ok(())
    }
}

/// The order that a span tells of, where it does.
fn order_of(n: u64) -> Option<String> {
    n.is_multiple_of(100).then(|| format!("order-{:016x}", super::random::mix(n)))
}

pub(super) fn in_traces(bench: &mut Bench) -> Result<()> {
    let count: u64 = if bench.short { 100_000 } else { 10_000_000 };
    let originals = train_ticket::spans()?;
    let cycles = count.div_ceil(originals.len() as u64);
    let begin_ns = (bench.now_ms.cast_unsigned() - 86_400_000) * 1_000_000;
    let spans = Spans { originals, begin_ns, cycle_ns: 86_400_000_000_000 / cycles };
    let mut figures =
        Figures::new("lookups-traces", format!("{count} spans of TrainTicket's templates (synthetic)"))
            .bar(SPANS_MERGED, Wanted::AtLeast, 60_000.0, None)
            .bar(BY_ID, Wanted::AtMost, 10.0, None)
            .bar(BY_ATTRIBUTE, Wanted::AtMost, 100.0, None);
    // As many spans take Jaeger a long time, so it takes part where it is asked for.
    let kinds =
        if bench.peers.contains(&Kind::Jaeger) { vec![Kind::Weir, Kind::Jaeger] } else { vec![Kind::Weir] };
    for kind in bench.order(&kinds, 0) {
        let name = kind.name();
        let mut server = Server::start(kind, &bench.fresh(kind)?)?;
        let begin = server.cpu_s();
        spans.fill(&server, count).with_context(|| name)?;
        server.drained()?;
        figures.add(name, SPANS_SPEED, count as f64 / (server.cpu_s() - begin));
        server.settle()?;
        figures.add(name, SPANS_MERGED, count as f64 / (server.cpu_s() - begin));
        server = server.restart_cold()?;
        figures.add(name, SPANS_DISK, server.disk_bytes()? as f64 / count as f64);
        let mut client = server.client();
        for tenth in [1, 3, 5, 7, 9] {
            let n = count * tenth / 10 / 100 * 100;
            let begin = Instant::now();
            let answer = client.get(&format!("/api/traces/{:032x}", spans.trace_id(n)))?.success()?;
            figures.add(name, BY_ID, begin.elapsed().as_secs_f64() * 1e3);
            one_trace(&answer).with_context(|| format!("{name}, by id"))?;

            let service = otlp::service(&spans.originals[(n % spans.originals.len() as u64) as usize].pod);
            let tags = escape(&format!("{{\"order.id\":\"{}\"}}", order_of(n).unwrap_or_default()));
            let (start, end) = (spans.begin_ns / 1000, spans.begin_ns / 1000 + 90_000_000_000);
            let path = format!("/api/traces?service={service}&tags={tags}&start={start}&end={end}&limit=20");
            let begin = Instant::now();
            let answer = client.get(&path)?.success()?;
            figures.add(name, BY_ATTRIBUTE, begin.elapsed().as_secs_f64() * 1e3);
            one_trace(&answer).with_context(|| format!("{name}, by attribute"))?;
        }
        let dir: PathBuf = server.stop()?;
        std::fs::remove_dir_all(dir)?;
    }
    figures.report(&mut bench.report);
    Ok(())
}

fn one_trace(answer: &[u8]) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    match answer["data"].as_array().map(Vec::len) {
        Some(1) => Ok(()),
        found => bail!("{} traces instead of one", found.unwrap_or(0)),
    }
}
