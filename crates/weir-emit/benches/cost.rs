//! What does it cost to account for one request? Prints nanoseconds per step, the best of several rounds.
//!
//! The bounds are those that the gateway plans with: 150 ns a request for metrics and ids, 500 ns with the access log.

#![expect(clippy::print_stdout, reason = "its figures are its result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use weir_emit::access::{
    AccessLog, Format, Record, Reuse, Settings, Target, Timings, Totals, encode_json, encode_text,
};
use weir_emit::ids::{RequestId, TraceId, TraceParent};
use weir_emit::logging::Colour;
use weir_emit::metrics::{Column, Columns, Family, Registry};
use weir_model::{Mono, Wall};

const ROUNDS: u32 = 9;
const TURNS: u64 = 100_000;

/// Nanoseconds per turn, in the quickest round.
fn measure(name: &str, mut step: impl FnMut(u64)) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..TURNS).for_each(&mut step);
        start.elapsed().as_nanos() as f64 / TURNS as f64
    };
    let best = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
    println!("{name:<44} {best:>8.1} ns");
    best
}

fn main() {
    let registry = Registry::new(1);
    let requests = registry
        .counters(
            Family::new("weir_requests_total", "Requests.")
                .labels(&["listener", "route", "service"])
                .columns(Columns::Status),
        )
        .series(&["web", "orders", "origin"]);
    let seconds = Family::new("weir_request_duration_seconds", "Latency.").labels(&["route"]);
    let by_route = registry.histograms(seconds).series(&["orders"]);
    let seconds = Family::new("weir_service_duration_seconds", "Latency.").labels(&["service"]);
    let by_service = registry.histograms(seconds).series(&["origin"]);
    let bytes = registry.counters(Family::new("weir_response_bytes_total", "Bytes.")).series(&[]);
    let Some(worker) = registry.worker(0) else { return };

    let latency = |turn: u64| 50_000 + turn.wrapping_mul(0x9E37_79B9) % 5_000_000;
    measure("a counter", |_| worker.add(black_box(&requests), Column::status(black_box(200)), 1));
    measure("a histogram", |turn| worker.observe(black_box(&by_route), latency(turn)));
    let metrics = measure("all metrics of a request", |turn| {
        worker.add(&requests, Column::status(black_box(200)), 1);
        worker.add(&bytes, Column::ONLY, turn);
        worker.observe(&by_route, latency(turn));
        worker.observe(&by_service, latency(turn));
    });

    measure("a request id", |turn| {
        black_box(RequestId::new(black_box(turn), turn));
    });
    let given = *b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    measure("traceparent: parse", |_| {
        black_box(TraceParent::parse(black_box(&given))).ok();
    });
    let ids = measure("request id, traceparent parsed and passed on", |turn| {
        black_box(RequestId::new(black_box(turn), turn));
        black_box(TraceParent::parse(black_box(&given)).map(|parent| parent.child(turn).encode())).ok();
    });

    let record = Record {
        at: Wall(1_795_521_667_123_456_789),
        request_id: b"00112233445566778899aabbccddeeff",
        trace_id: TraceId::new(0x0af7_6519),
        client: Some(([192, 0, 2, 7], 41_234).into()),
        listener: "web",
        route: "orders",
        service: "origin",
        endpoint: "127.0.0.1:9000",
        method: b"GET",
        host: b"api.example.com",
        path: b"/orders/7",
        query: None,
        protocol: "HTTP/1.1",
        status: 200,
        bytes_in: 0,
        bytes_out: 1_234,
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        timings: Timings { first_byte_ns: Some(1_100_000), total_ns: 1_240_500, ..Timings::default() },
        tries: 1,
        connection: Some(Reuse::Reused),
        failure: None,
    };
    let mut out = Vec::with_capacity(4_096);
    measure("an access record: JSON", |_| {
        out.clear();
        encode_json(black_box(&record), &mut out);
    });
    measure("an access record: text, coloured", |_| {
        out.clear();
        encode_text(black_box(&record), &mut out, Colour::On);
    });
    let settings = Settings::new(Target::Writer(Box::new(std::io::sink())), Format::Json);
    let totals = Totals::default();
    let Ok(log) = AccessLog::start(settings, &totals) else { return };
    let mut buffer = log.buffer();
    let logged =
        measure("an access record: through buffer and queue", |turn| buffer.record(&record, Mono(turn)));
    drop(buffer);
    log.flush(Duration::from_secs(10));
    println!();
    println!("{:<44} {:>8.1} ns (plan: 150)", "a request, access log off", metrics + ids);
    println!("{:<44} {:>8.1} ns (plan: 500)", "a request, access log on", metrics + ids + logged);
    println!("{:<44} {:?}", "records", totals.counts());
    changes_and_scrapes();
}

/// What many routes cost off the request's path.
fn changes_and_scrapes() {
    let registry = Registry::new(2);
    let requests = registry.counters(
        Family::new("weir_requests_total", "R.")
            .labels(&["listener", "route", "service"])
            .columns(Columns::Status),
    );
    let seconds = registry.histograms(Family::new("weir_seconds", "S.").labels(&["route"]));
    let start = Instant::now();
    let routes: Vec<String> = (0..50_000).map(|n| format!("route-{n}")).collect();
    let held: Vec<_> = routes
        .iter()
        .map(|route| (requests.series(&["web", route, "origin"]), seconds.series(&[route])))
        .collect();
    let resolved = start.elapsed();
    let start = Instant::now();
    let text = registry.render();
    let rendered = start.elapsed();
    println!("{:<44} {resolved:>8.1?}", "two series for each of 50,000 routes");
    println!("{:<44} {rendered:>8.1?} ({} kB)", "a scrape of 1,000 of them", text.len() / 1_000);
    drop(held);
}
