//! Does a look-up among 50,000 routes cost what it costs among 10, and what does one change cost?
//!
//! `cargo bench -p weir-route` prints ns per look-up, by kind of route: `warm` one after the other in random order,
//! `cold` each after a walk over 4 MiB that drives the table out of the first two caches, as a proxy's other work does.
//! The time to read the head itself (host and path) is taken off.

#![allow(clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_head::{Limits, RequestHead, parse_request};
use weir_model::{
    Action, HeaderEdits, HostPattern, HostRewrite, ListenerId, Origin, PathMatch, Pattern, Rank, Respond,
    RetryOn, RetryPolicy, Route, RouteId, RouteMatch, RouteOrder, RouteTimeouts,
};
use weir_route::{Call, Request, RouteTable};

const KINDS: [&str; 4] = ["exact", "prefix", "regex", "miss"];
const HEADS: usize = 20_000;

/// Four of ten routes are exact, five are prefixes, one is a pattern; on each host too.
fn kind(n: usize) -> usize {
    match (n + n / 5_000) % 10 {
        0..4 => 0,
        4..9 => 1,
        _ => 2,
    }
}

fn route(n: usize, hosts: usize) -> Arc<Route> {
    let path = match kind(n) {
        0 => PathMatch::Exact(format!("/api/items{n}/status").into()),
        1 => PathMatch::Prefix(format!("/api/things{n}").into()),
        _ => PathMatch::Regex(Pattern::new(&format!(r"/v\d+/orders{n}(/.*)?")).expect("a pattern")),
    };
    let respond = Respond { status: 200, body: [].into(), content_type: "text/plain".into() };
    let host = format!("host{}.example.com", n % hosts);
    Arc::new(Route {
        id: RouteId::new(&format!("route-{n}")).expect("a name"),
        origin: Origin::whole("bench"),
        rank: Rank(n as u64 * Rank::STEP),
        listeners: vec![],
        hosts: vec![HostPattern::parse(&host).expect("a host")],
        matches: vec![RouteMatch { path, methods: vec![], headers: vec![], query: vec![], jsonrpc: vec![] }],
        action: Action::Respond(respond),
        timeouts: RouteTimeouts { request: None, per_try: None, upgrade_idle: None, body: None },
        retry: RetryPolicy {
            max: 0,
            on: RetryOn {
                connect: false,
                reset: false,
                timeout: false,
                gateway_status: false,
                status_5xx: false,
            },
            budget_ppm: 0,
            budget_min: 0,
            replay_bytes_max: 0,
            backoff: Duration::ZERO,
        },
        rate_limits: vec![],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        rewrite_path: None,
        rewrite_host: HostRewrite::Keep,
        cors: None,
        mirror: None,
        body_bytes_max: None,
        access_log: true,
    })
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn heads(wanted: usize, routes: usize, hosts: usize) -> Vec<RequestHead> {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut heads = Vec::with_capacity(HEADS);
    while heads.len() < HEADS {
        let n = random.below(routes);
        if wanted < 3 && kind(n) != wanted {
            continue;
        }
        let path = match wanted {
            0 => format!("/api/items{n}/status"),
            1 => format!("/api/things{n}/7/parts"),
            2 => format!("/v2/orders{n}/7"),
            _ => format!("/other/orders{n}x/7"),
        };
        let host = n % hosts;
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: host{host}.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
        );
        let mut head = RequestHead::default();
        parse_request(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        heads.push(head);
    }
    heads
}

fn touch(head: &RequestHead) -> usize {
    let sum = |bytes: &[u8]| bytes.iter().map(|b| usize::from(*b)).sum::<usize>();
    sum(head.host().as_bytes()) + sum(head.path())
}

/// The least of several runs, in ns per head.
fn warm(heads: &[RequestHead], mut each: impl FnMut(&RequestHead)) -> f64 {
    let mut run = || {
        let start = Instant::now();
        heads.iter().for_each(&mut each);
        start.elapsed().as_nanos() as f64 / heads.len() as f64
    };
    (0..7).map(|_| run()).fold(f64::MAX, f64::min)
}

/// The median over single look-ups, each with cold caches, in ns.
fn cold(heads: &[RequestHead], mut each: impl FnMut(&RequestHead)) -> f64 {
    let mut ballast = vec![1_u8; 4 << 20];
    let mut times: Vec<Duration> = heads
        .iter()
        .take(2_000)
        .map(|head| {
            ballast.iter_mut().step_by(64).for_each(|b| *b = b.wrapping_add(1));
            black_box(touch(head));
            let start = Instant::now();
            each(head);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2].as_nanos() as f64
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

const SHAPES: [(usize, usize); 5] = [(10, 1), (10, 10), (5_000, 500), (50_000, 5_000), (50_000, 1)];

/// Each shape is measured in a process of its own, so that memory freed by one is not what another uses.
fn main() {
    if let Some(at) = std::env::var_os("WEIR_BENCH_SHAPE") {
        let at: usize = at.to_string_lossy().parse().expect("an index");
        return measure(SHAPES[at].0, SHAPES[at].1);
    }
    println!("{:<28} {:>8} {:>8} {:>8}", "look-up, ns", "kind", "warm", "cold");
    for at in 0..SHAPES.len() {
        let mut child = Command::new(std::env::current_exe().expect("a path"));
        let status = child.env("WEIR_BENCH_SHAPE", at.to_string()).status().expect("a child process");
        assert!(status.success());
    }
}

fn measure(count: usize, hosts: usize) {
    let listener = ListenerId::new("web").expect("a name");
    let routes: Vec<_> = (0..count).map(|n| route(n, hosts)).collect();
    let before = resident_kib();
    let start = Instant::now();
    let mut table = RouteTable::new(RouteOrder::Precedence);
    for (n, route) in routes.iter().enumerate() {
        table.insert(route, n);
    }
    let (built, kib) = (start.elapsed(), resident_kib() - before);

    let name = format!("{count} routes, {hosts} host(s)");
    for (wanted, word) in KINDS.iter().enumerate() {
        let heads = heads(wanted, count, hosts);
        let find = |head: &RequestHead| {
            let found = table.find(&Request { listener: &listener, head, call: Call::None });
            assert_eq!(found.is_some(), wanted < 3);
            black_box(found.map(|f| *f.payload));
        };
        let both = warm(&heads, |head| {
            black_box(touch(head));
            find(head);
        });
        let alone = warm(&heads, |head| {
            black_box(touch(head));
        });
        let (chilled, clock) = (cold(&heads, find), cold(&heads, |_| ()));
        println!("{name:<28} {word:>8} {:>8.0} {:>8.0}", both - alone, chilled - clock);
    }
    if count >= 5_000 {
        println!("{name:<28} built in {built:.1?}, {kib} KiB, {} B per route", kib * 1024 / count);
        changes(&table, &routes, hosts);
    }
}

/// A change to a published table: cloned, one route replaced, the old one dropped.
fn changes(table: &RouteTable<usize>, routes: &[Arc<Route>], hosts: usize) {
    let mut random = Random(99);
    let mut published = table.clone();
    let mut times = [vec![], vec![], vec![]];
    for round in 0..3_000 {
        let n = random.below(routes.len());
        let start = Instant::now();
        let mut next = published.clone();
        next.insert(&routes[n], round);
        drop(std::mem::replace(&mut published, next));
        times[kind(n)].push(start.elapsed());
    }
    for (kind, times) in times.iter_mut().enumerate().filter(|(_, times)| !times.is_empty()) {
        times.sort();
        let name = format!("{} routes, {hosts} host(s)", routes.len());
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{name:<28} {:>8} replaced in {median:.1?} (worst {worst:.1?})", KINDS[kind]);
    }
}
