//! How long does it take to read an edited file of 50,000 routes again, and to find what changed?

// A bench speaks on standard output.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use weir_config::{Source, changes, keep_unchanged, load, print, put_route};

const ROUTES: usize = 50_000;

/// 40 % exact, 50 % prefix, 10 % regex, over 5,000 hosts.
fn text(timeout_of_first: &str) -> String {
    let mut text = String::from("version: 1\nlisteners: [{ name: web, address: 127.0.0.1:8080 }]\nroutes:\n");
    for n in 0..ROUTES {
        let path = match n % 10 {
            0..=3 => format!("exact: /service/{n}/items"),
            4..=8 => format!("prefix: /service/{n}"),
            _ => format!(r"regex: '/v\d+/service-{n}(/.*)?'"),
        };
        let timeout = if n == 0 { timeout_of_first } else { "30s" };
        let _ = write!(
            text,
            "  - name: route-{n}\n    hosts: [host-{}.example.com]\n    matches:\n      - {{ path: {{ {path} }}, methods: [GET, POST] }}\n    timeouts: {{ request: {timeout} }}\n    service: service-{}\n",
            n % 5_000,
            n % 100,
        );
    }
    text.push_str("services:\n");
    for n in 0..100 {
        let _ = writeln!(text, "  service-{n}: {{ endpoints: [\"127.0.0.1:{}\"] }}", 9_000 + n);
    }
    text
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    println!("{what:<48} {:>8.1} ms", start.elapsed().as_secs_f64() * 1_000.0);
    result
}

fn main() {
    let base = Path::new("");
    let (before, after) = (text("30s"), text("5s"));
    let of = |text| Source { name: "weir.yaml", text, base };
    println!("{ROUTES} routes, {} KiB", before.len() >> 10);
    let old = timed("load", || load(&of(&before))).model.expect("valid");
    let new = timed("load, edited", || load(&of(&after))).model.expect("valid");
    let kept = timed("keep_unchanged", || keep_unchanged(&old, new));
    let said = timed("changes", || changes(&old, &kept));
    assert_eq!(said, ["route route-0: timeout 30s → 5s"]);
    let printed = timed("print", || print(&kept));
    timed("load what was printed", || load(&of(&printed))).model.expect("valid");
    let one = of("matches: [{ path: { prefix: /new } }]\nservice: service-1");
    timed("put_route", || put_route(&kept, "new", &one)).expect("valid");
    let json = one_line_json(ROUTES);
    timed("load, as JSON on one line", || load(&of(&json))).model.expect("valid");
}

fn one_line_json(routes: usize) -> String {
    let mut text = String::from(
        r#"{"version":1,"listeners":[{"name":"web","address":"127.0.0.1:8080"}],"services":{"s":{"endpoints":["127.0.0.1:9000"]}},"routes":["#,
    );
    for n in 0..routes {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"name":"r{n}","matches":[{{"path":{{"prefix":"/service/{n}"}}}}],"service":"s"}}"#
        );
    }
    text.push_str("]}");
    text
}
