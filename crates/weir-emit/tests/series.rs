//! Series over their lives: growing while workers count, bounded, retired, and never going back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use weir_emit::metrics::{Column, Columns, Counter, Family, Registry};

fn value(registry: &Registry, series: &str) -> Option<u64> {
    let text = registry.render();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn routes(registry: &Registry, series_max: usize) -> impl Fn(&str) -> Counter {
    let counters =
        registry.counters(Family::new("weir_requests_total", "R.").labels(&["route"]).at_most(series_max));
    move |route| counters.series(&[route])
}

#[test]
fn counts_are_exact_while_series_appear_and_scrapes_run() {
    const WORKERS: usize = 4;
    const SERIES: usize = 600;
    const TURNS: u64 = 200;
    let registry = Registry::new(WORKERS);
    let counters = registry
        .counters(Family::new("weir_requests_total", "R.").labels(&["route"]).columns(Columns::Status));
    let latency = registry.histograms(Family::new("weir_seconds", "S."));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for index in 0..WORKERS {
            let (worker, latency) = (registry.worker(index).unwrap(), latency.series(&[]));
            // Handles reach a worker as its snapshots do: made elsewhere, sent over.
            let (send, receive) = std::sync::mpsc::sync_channel::<Counter>(SERIES);
            workers.push(send);
            scope.spawn(move || {
                let mut known: Vec<Counter> = Vec::new();
                for counter in receive {
                    known.push(counter);
                    for turn in 0..TURNS {
                        worker.add(&known[turn as usize % known.len()], Column::status(200), 1);
                        worker.observe(&latency, turn * 1_000);
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut before = 0;
            while !done.load(Ordering::Relaxed) {
                let count = value(&registry, "weir_seconds_count").unwrap();
                assert!(count >= before, "{count} after {before}");
                before = count;
            }
        });
        for n in 0..SERIES {
            let counter = counters.series(&[&format!("r{n}")]);
            for worker in &workers {
                worker.send(counter.clone()).unwrap();
            }
        }
        workers.clear();
        let total = (WORKERS * SERIES) as u64 * TURNS;
        while value(&registry, "weir_seconds_count") != Some(total) {
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
        let text = registry.render();
        let sum: u64 = text
            .lines()
            .filter(|line| line.starts_with("weir_requests_total{") && line.contains("code=\"2xx\""))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, total);
        let micros: u64 = (0..TURNS).sum::<u64>() * (WORKERS * SERIES) as u64;
        assert!(text.contains(&format!("weir_seconds_sum {}\n", micros as f64 / 1e6)));
    });
}

#[test]
fn a_removed_route_continues_when_it_comes_back() {
    let registry = Registry::new(1);
    let (route, worker) = (routes(&registry, 10), registry.worker(0).unwrap());
    let orders = route("orders");
    worker.add(&orders, Column::ONLY, 5);
    drop(orders);
    let name = "weir_requests_total{route=\"orders\"}";
    for _ in 0..8 {
        assert_eq!(value(&registry, name), Some(5));
    }
    assert_eq!(value(&registry, name), None, "hidden once every collector had its chance");
    worker.inc(&route("orders"));
    assert_eq!(value(&registry, name), Some(6));
}

#[test]
fn a_full_family_shares_other_until_a_route_goes() {
    let registry = Registry::new(1);
    let (route, worker) = (routes(&registry, 2), registry.worker(0).unwrap());
    let (a, _b, c, d) = (route("a"), route("b"), route("c"), route("d"));
    for counter in [&a, &c, &d] {
        worker.inc(counter);
    }
    let other = "weir_requests_total{route=\"_other\"}";
    assert_eq!(value(&registry, other), Some(2));
    assert_eq!(value(&registry, "weir_requests_total{route=\"c\"}"), None);
    // A second handle keeps a series alive; the last one frees its cells for another route, which starts at zero.
    let again = route("a");
    drop(a);
    worker.inc(&route("e"));
    assert_eq!(value(&registry, other), Some(3));
    drop(again);
    let f = route("f");
    assert_eq!(value(&registry, "weir_requests_total{route=\"f\"}"), Some(0));
    worker.add(&f, Column::ONLY, 7);
    assert_eq!(value(&registry, "weir_requests_total{route=\"f\"}"), Some(7));
    assert_eq!(value(&registry, "weir_requests_total{route=\"a\"}"), None);
    // What was resolved to `_other` stays there for as long as its handle is used.
    worker.inc(&c);
    assert_eq!(value(&registry, other), Some(4));
}

#[test]
fn a_route_may_be_called_other() {
    let registry = Registry::new(1);
    let (route, worker) = (routes(&registry, 1), registry.worker(0).unwrap());
    let (named, beyond) = (route("_other"), route("a"));
    worker.inc(&named);
    worker.inc(&beyond);
    assert_eq!(value(&registry, "weir_requests_total{route=\"_other\"}"), Some(2));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Remove(u8),
    Count(u8, u8),
    Scrape,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..8_u8).prop_map(Step::Add),
        (0..8_u8).prop_map(Step::Remove),
        (0..8_u8, 1..9_u8).prop_map(|(route, by)| Step::Count(route, by)),
        Just(Step::Scrape),
    ]
}

proptest! {
    /// Whatever comes and goes: a series that is held between two scrapes grows by exactly what was counted, `_other` never
    /// goes back, the bound holds, and nothing is counted twice.
    #[test]
    fn shown_counters_never_go_back(steps in prop::collection::vec(step(), 1..120), series_max in 1..6_usize) {
        let registry = Registry::new(1);
        let (route, worker) = (routes(&registry, series_max), registry.worker(0).unwrap());
        let mut held: Vec<Option<Counter>> = vec![None; 8];
        // For each route, what was counted since the last scrape, if it was held all the while.
        let mut since: Vec<Option<u64>> = vec![None; 8];
        let mut shown: BTreeMap<String, u64> = BTreeMap::new();
        let mut counted = 0;
        for step in steps {
            match step {
                Step::Add(n) => held[usize::from(n)] = Some(route(&name(n))),
                Step::Remove(n) => {
                    held[usize::from(n)] = None;
                    since[usize::from(n)] = None;
                }
                Step::Count(n, by) => if let Some(counter) = &held[usize::from(n)] {
                    worker.add(counter, Column::ONLY, u64::from(by));
                    counted += u64::from(by);
                    since[usize::from(n)] = since[usize::from(n)].map(|count| count + u64::from(by));
                },
                Step::Scrape => {
                    let next = scrape(&registry);
                    prop_assert!(next.len() <= series_max + 1);
                    prop_assert!(next.values().sum::<u64>() <= counted);
                    prop_assert!(next.get("_other") >= shown.get("_other"));
                    for n in 0..8 {
                        let both = shown.get(&name(n)).zip(next.get(&name(n)));
                        if let Some(((before, now), count)) = both.zip(since[usize::from(n)]) {
                            prop_assert_eq!(before + count, *now);
                        }
                        since[usize::from(n)] = held[usize::from(n)].as_ref().map(|_| 0);
                    }
                    shown = next;
                }
            }
        }
    }
}

fn name(n: u8) -> String {
    format!("r{n}")
}

fn scrape(registry: &Registry) -> BTreeMap<String, u64> {
    let text = registry.render();
    let line = |line: &str| {
        let (route, value) = line.strip_prefix("weir_requests_total{route=\"")?.split_once("\"} ")?;
        Some((route.to_owned(), value.parse().expect("a number")))
    };
    text.lines().filter_map(line).collect()
}
