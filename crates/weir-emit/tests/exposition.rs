//! What a scrape gets, held to the rules of the text format 0.0.4 by a strict reader.

use std::collections::{BTreeMap, BTreeSet};

use weir_emit::access::{AccessLog, Format, Settings, Target, Totals};
use weir_emit::metrics::{Column, Columns, Family, Kind, Registry};
use weir_emit::process::{self, Build};
use weir_model::{Failure, FailureKind, Phase};

/// Name with labels, in order → value.
type Series = BTreeMap<Key, f64>;

type Key = (String, Vec<(String, String)>);

/// Reads an exposition and fails on whatever a strict scraper would: families that are split or not announced, odd names,
/// bad escapes, repeated series, counters without `_total` or below zero, histograms that do not add up.
fn read(text: &str) -> Series {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let mut series = Series::new();
    let mut seen = BTreeSet::new();
    let mut family = (String::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a text");
            assert!(!help.is_empty() && unescape(help, false).is_some(), "{line}");
            let kind = lines
                .next()
                .and_then(|l| l.strip_prefix(&format!("# TYPE {name} ")))
                .expect("TYPE follows HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            assert!(seen.insert(name.to_owned()), "{name} is announced twice");
            assert!(seen.range(name.to_owned()..).count() == 1, "{name} is out of order");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(lines.peek().is_some_and(|l| l.starts_with(name)), "{name} has no samples");
            family = (name.to_owned(), kind.to_owned());
            continue;
        }
        let (name, labels, value) = sample(line);
        let suffix =
            name.strip_prefix(&family.0).unwrap_or_else(|| panic!("{line} stands outside its family"));
        let allowed: &[&str] = if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(family.1 == "gauge" || value >= 0.0, "{line}");
        assert!(series.insert((name, labels), value).is_none(), "repeated: {line}");
    }
    histograms_add_up(&series);
    series
}

fn sample(line: &str) -> (String, Vec<(String, String)>, f64) {
    let name_end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(name_end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").expect("label=\"");
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let end = value_end(after);
            labels.push((label.to_owned(), unescape(&after[..end], true).expect("a good escape")));
            rest = &after[end + 1..];
            match rest.as_bytes()[0] {
                b',' => rest = &rest[1..],
                b'}' => break,
                _ => panic!("{line}"),
            }
        }
        rest = &rest[1..];
        let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), labels.len(), "{line}");
    }
    let value = rest.strip_prefix(' ').expect("one space before the value");
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap_or_else(|_| panic!("{line}")),
    };
    (name.to_owned(), labels, value)
}

fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.starts_with(|c| rest(c) && !c.is_ascii_digit()) && text.chars().all(rest)
}

fn value_end(text: &str) -> usize {
    let mut escaped = false;
    text.char_indices()
        .find_map(|(at, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        })
        .expect("the value ends")
}

fn unescape(text: &str, quoted: bool) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                '\\' => out.push('\\'),
                '"' if quoted => out.push('"'),
                _ => return None,
            },
            '"' if quoted => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn histograms_add_up(series: &Series) {
    let mut rows: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
    for ((name, labels), value) in series {
        let Some(name) = name.strip_suffix("_bucket") else { continue };
        let (le, labels): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|(name, _)| name == "le");
        let bound = if le[0].1 == "+Inf" { f64::INFINITY } else { le[0].1.parse().expect("a bound") };
        rows.entry((name.to_owned(), labels)).or_default().push((bound, *value));
    }
    for ((name, labels), mut buckets) in rows {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {buckets:?}");
        let last = buckets.last().expect("a bucket");
        assert!(last.0.is_infinite(), "{name} has no +Inf");
        assert_eq!(series.get(&(format!("{name}_count"), labels.clone())), Some(&last.1));
        assert!(series.contains_key(&(format!("{name}_sum"), labels)));
    }
}

fn value(series: &Series, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    series.get(&(name.to_owned(), labels)).copied()
}

#[test]
fn every_kind_of_family() {
    let registry = Registry::new(2);
    let requests = registry.counters(
        Family::new("weir_requests_total", "Requests, by\nroute and \\code.")
            .labels(&["listener", "route"])
            .columns(Columns::Status),
    );
    let odd = "od\"d\\ro\nute";
    let (orders, strange) = (requests.series(&["web", "orders"]), requests.series(&["web", odd]));
    let failures =
        registry.counters(Family::new("weir_failures_total", "Failures.").columns(Columns::Failure));
    let failures = failures.series(&[]);
    let latency =
        registry.histograms(Family::new("weir_request_duration_seconds", "Latency.").labels(&["route"]));
    let latency = latency.series(&["orders"]);
    let open = registry.gauges(Family::new("weir_connections_open", "Open connections."));
    let open = open.series(&[]);
    let (one, two) = (registry.worker(0).unwrap(), registry.worker(1).unwrap());
    assert!(registry.worker(0).is_none() && registry.worker(2).is_none());
    one.add(&orders, Column::status(200), 3);
    two.add(&orders, Column::status(204), 4);
    two.add(&strange, Column::status(0), 1);
    one.add(&failures, Column::failure(&Failure::new(FailureKind::NoRoute, Phase::Route)), 2);
    one.observe(&latency, 100_000);
    two.observe(&latency, 100_001);
    two.observe(&latency, 120_000_000_000);
    one.shift(&open, 5);
    two.shift(&open, -2);
    registry.shared().shift(&open, -4);
    registry
        .collect(Kind::Gauge, Family::new("weir_pool_idle", "Idle.").labels(&["service"]), |out| {
            out.push(&["b"], 1.5);
            out.push(&["a"], f64::INFINITY);
            out.push(&["b"], 2.0);
        })
        .forever();
    process::register(&registry, Build { version: "0.1.0", commit: "", rustc: "1.95" });
    let totals = Totals::default();
    totals.register(&registry);
    let settings = Settings::new(Target::Writer(Box::new(std::io::sink())), Format::Json);
    let _log = AccessLog::start(settings, &totals).unwrap();

    let text = registry.render();
    let series = read(&text);
    let check =
        |name, labels: &[(&str, &str)], expect| assert_eq!(value(&series, name, labels), expect, "{text}");
    let of = |route, code| [("listener", "web"), ("route", route), ("code", code)];
    check("weir_requests_total", &of("orders", "2xx"), Some(7.0));
    check("weir_requests_total", &of("orders", "5xx"), Some(0.0));
    check("weir_requests_total", &of(odd, "none"), Some(1.0));
    check("weir_failures_total", &[("kind", "no_route"), ("blame", "downstream")], Some(2.0));
    check("weir_failures_total", &[("kind", "no_route"), ("blame", "upstream")], None);
    let bucket = |le| [("route", "orders"), ("le", le)];
    check("weir_request_duration_seconds_bucket", &bucket("0.0001"), Some(1.0));
    check("weir_request_duration_seconds_bucket", &bucket("0.00015"), Some(2.0));
    check("weir_request_duration_seconds_bucket", &bucket("60"), Some(2.0));
    check("weir_request_duration_seconds_bucket", &bucket("+Inf"), Some(3.0));
    check("weir_request_duration_seconds_sum", &[("route", "orders")], Some(120.0002));
    check("weir_connections_open", &[], Some(-1.0));
    check("weir_pool_idle", &[("service", "a")], Some(f64::INFINITY));
    check("weir_pool_idle", &[("service", "b")], Some(3.5));
    check("weir_build_info", &[("version", "0.1.0"), ("commit", ""), ("rustc", "1.95")], Some(1.0));
    check("weir_access_log_records_total", &[("result", "dropped")], Some(0.0));
    check("weir_metric_series", &[("family", "weir_requests_total")], Some(2.0));
    assert!(value(&series, "process_resident_memory_bytes", &[]).unwrap() > 0.0);
}

#[test]
fn what_has_nothing_to_show_is_not_announced() {
    let registry = Registry::new(1);
    let counters = registry.counters(Family::new("weir_x_total", "X.").labels(&["a"]));
    assert!(!registry.render().contains("weir_x_total "));
    let held = registry.collect(Kind::Gauge, Family::new("weir_y", "Y."), |out| out.push(&[], 1.0));
    let x = counters.series(&["1"]);
    registry.worker(0).unwrap().inc(&x);
    let series = read(&registry.render());
    assert_eq!(
        (value(&series, "weir_x_total", &[("a", "1")]), value(&series, "weir_y", &[])),
        (Some(1.0), Some(1.0))
    );
    drop(held);
    assert_eq!(value(&read(&registry.render()), "weir_y", &[]), None);
}

#[test]
#[should_panic(expected = "weir_x_total is registered already, as something else")]
fn a_name_means_one_thing() {
    let registry = Registry::new(1);
    registry.counters(Family::new("weir_x_total", "X.").labels(&["a"]));
    registry.counters(Family::new("weir_x_total", "X.").labels(&["b"]));
}

#[test]
#[should_panic(expected = "counters, and only they, end in _total")]
fn a_counter_is_named_like_one() {
    Registry::new(1).counters(Family::new("weir_x", "X."));
}
