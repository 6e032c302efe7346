//! `cargo xtask bench live`: what a thousand changes cost those who are being served.
//!
//! Requests run over plain keep-alive connections (each answer is looked at), over TLS (wrk counts its errors), and through
//! two tunnels, while routes, services, listeners and certificates change by way of the admin interface, whose answers say
//! how long a change took from its receipt until every worker had acknowledged it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Scratch;
use super::origin::Origin;
use super::proxy::Setup;
use super::report::Report;
use crate::process::{Running, free_address};
use crate::table::Table;
use crate::workspace;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Changes under load
    #[arg(long, default_value_t = 1000)]
    changes: u32,
    /// A fifth of the changes
    #[arg(long)]
    quick: bool,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the results into bench/results/
    #[arg(long)]
    record: bool,
}

const CONNECTIONS: usize = 4;
const TUNNELS: usize = 2;
const ROUTES: usize = 50_000;

/// Runs both parts. An error when a bar is missed.
pub fn run(options: &Options) -> Result<()> {
    let changes = if options.quick { options.changes.div_ceil(5) } else { options.changes };
    let weir = workspace::release_binary()?;
    let mut report = Report::begin("live", options.quick, 1);
    let mut missed = Vec::new();
    under_load(changes, &weir, &mut report, &mut missed).context("changes under load")?;
    among_many(if options.quick { 40 } else { 200 }, &weir, &mut report, &mut missed)
        .context("one among many")?;
    report.finish(options.json.as_deref(), options.record)?;
    if !missed.is_empty() {
        bail!("missed: {}", missed.join("; "));
    }
    Ok(())
}

struct Gateway {
    running: Running,
    admin: SocketAddr,
    token: String,
}

impl Gateway {
    fn start(dir: &Path, weir: &Path, admin: SocketAddr, config: &str, listens: SocketAddr) -> Result<Self> {
        let token_file = dir.join("token");
        let file = dir.join("weir.yaml");
        let text = format!(
            "version: 1\nadmin: {{ address: {admin}, token_file: {} }}\n{config}",
            token_file.display()
        );
        std::fs::write(&file, text)?;
        let mut command = Command::new(weir);
        command.arg("gateway").arg("--config").arg(&file);
        let mut running = Running::start("weir", &mut command, None, &dir.join("weir.log"))?;
        running.wait_for(listens, Duration::from_secs(30))?;
        running.wait_for(admin, Duration::from_secs(10))?;
        let until = Instant::now() + Duration::from_secs(5);
        while !token_file.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let token = std::fs::read_to_string(&token_file)
            .with_context(|| format!("the admin token\n{}", running.said()))?
            .trim()
            .to_owned();
        Ok(Self { running, admin, token })
    }

    /// One write; gives back the milliseconds that it says it took.
    fn write(&self, method: &str, path: &str, body: &Value) -> Result<f64> {
        let body = if method == "DELETE" { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: application/json\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.admin,
            self.token,
            body.len(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
        if !head.starts_with("HTTP/1.1 20") {
            bail!("{method} {path}: {head}\n{body}");
        }
        let answer: Value = serde_json::from_str(body).with_context(|| format!("{method} {path}: {body}"))?;
        answer["took_ms"].as_f64().context("an answer that does not say how long it took")
    }
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    requests: AtomicU64,
    failed: AtomicU64,
    tunnelled: AtomicU64,
    dropped: AtomicU64,
}

fn under_load(changes: u32, weir: &Path, report: &mut Report, missed: &mut Vec<String>) -> Result<()> {
    let scratch = Scratch::new("live")?;
    let dir = scratch.path();
    let origin = Origin::start(0)?;
    let echo = start_echo()?;
    let certificates = ["one", "two"].map(|name| dir.join(name));
    for dir in &certificates {
        std::fs::create_dir_all(dir)?;
    }
    let pairs = [Setup::certificate(&certificates[0])?, Setup::certificate(&certificates[1])?];
    let (web, secure, extra, admin) = (free_address()?, free_address()?, free_address()?, free_address()?);
    let tls = |pair: &(PathBuf, PathBuf)| json!({ "certificates": [{ "cert": pair.0, "key": pair.1 }] });
    let config = format!(
        "access_log: {{ format: off }}\n\
         listeners:\n  - {{ name: web, address: {web} }}\n  - {{ name: secure, address: {secure}, tls: {} }}\n\
         routes:\n  - {{ name: changing, matches: [{{ path: {{ exact: /changing }} }}], service: changing }}\n\
         \x20 - {{ name: tunnel, matches: [{{ path: {{ prefix: /tunnel }} }}], service: tunnel }}\n\
         \x20 - {{ name: all, matches: [{{ path: {{ prefix: / }} }}], service: origin }}\n\
         services:\n  origin: {{ endpoints: [\"{origin}\"] }}\n  changing: {{ endpoints: [\"{origin}\"] }}\n\
         \x20 tunnel: {{ endpoints: [\"{echo}\"] }}\n",
        tls(&pairs[0]),
        origin = origin.address,
    );
    let gateway = Gateway::start(dir, weir, admin, &config, web)?;
    let seen = Arc::new(Seen::default());
    let mut clients: Vec<JoinHandle<()>> = Vec::new();
    for n in 0..CONNECTIONS {
        let seen = seen.clone();
        // Every second connection asks for the route that changes.
        let path = if n % 2 == 0 { "/" } else { "/changing" };
        clients.push(std::thread::spawn(move || keep_asking(web, path, &seen)));
    }
    for _ in 0..TUNNELS {
        let seen = seen.clone();
        clients.push(std::thread::spawn(move || keep_tunnelling(web, &seen)));
    }
    let seconds = u64::from(changes).div_ceil(50) + 2;
    let wrk = workspace::find_program("wrk").context("wrk is missing: cargo xtask peers installs it")?;
    let over_tls = Command::new(wrk)
        .args(["-t1", "-c8", &format!("-d{seconds}s"), &format!("https://{secure}/")])
        .stdout(std::process::Stdio::piped())
        .spawn()?;

    println!("{changes} changes under load …");
    let mut took = Vec::new();
    let mut extra_is_there = false;
    let begun = Instant::now();
    for n in 0..changes {
        let ms = match n % 4 {
            0 => gateway.write(
                "PUT",
                "/config/routes/changing",
                &json!({ "matches": [{ "path": { "exact": "/changing" } }], "service": "changing",
                         "timeouts": { "request": format!("{}s", 10 + n % 50) } }),
            )?,
            1 => gateway.write(
                "PUT",
                "/config/services/changing",
                &json!({ "endpoints": [origin.address.to_string()],
                         "pool": { "max_idle_per_endpoint": 10 + n % 50 } }),
            )?,
            2 => {
                extra_is_there = !extra_is_there;
                let method = if extra_is_there { "PUT" } else { "DELETE" };
                gateway.write(method, "/config/listeners/extra", &json!({ "address": extra.to_string() }))?
            }
            _ => gateway.write(
                "PUT",
                "/config/listeners/secure",
                &json!({ "address": secure.to_string(), "tls": tls(&pairs[(n as usize / 4 + 1) % 2]) }),
            )?,
        };
        took.push(ms);
        // Spread evenly over the time that the load runs.
        let due = begun + Duration::from_millis(u64::from(n) * 20);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let wrk = String::from_utf8_lossy(&over_tls.wait_with_output()?.stdout).into_owned();
    seen.stop.store(true, Ordering::Relaxed);
    for client in clients {
        let _ = client.join();
    }
    let (failed_tls, asked_tls) = wrk_errors(&wrk);
    let failed = seen.failed.load(Ordering::Relaxed) + failed_tls;
    let dropped = seen.dropped.load(Ordering::Relaxed);
    let requests = seen.requests.load(Ordering::Relaxed) + asked_tls;
    let tunnelled = seen.tunnelled.load(Ordering::Relaxed);
    let (median, p99, worst) = spread(&mut took);
    gateway.running.end(Duration::from_secs(10))?;

    let mut table = Table::new(&["what", "figure"]);
    table.row(["changes", &changes.to_string()]);
    table.row(["requests meanwhile", &requests.to_string()]);
    table.row(["failed requests", &failed.to_string()]);
    table.row(["echoes through tunnels", &tunnelled.to_string()]);
    table.row(["tunnels dropped", &dropped.to_string()]);
    table.row(["live after, median / p99 / worst", &format!("{median:.1} / {p99:.1} / {worst:.1} ms")]);
    let mut bars = Vec::new();
    bar(&mut bars, missed, "failed requests", failed as f64, 0.0, "");
    bar(&mut bars, missed, "tunnels dropped", dropped as f64, 0.0, "");
    bar(&mut bars, missed, "live on every worker, p99", p99, 50.0, " ms");
    let values = vec![
        json!({ "name": "live.failed_requests", "value": failed, "unit": "requests" }),
        json!({ "name": "live.dropped_tunnels", "value": dropped, "unit": "tunnels" }),
        json!({ "name": "live.p99", "value": p99, "unit": "ms" }),
        json!({ "name": "live.worst", "value": worst, "unit": "ms" }),
    ];
    report.section(&format!("{changes} changes under load"), &table.markdown(), &bars, values);
    Ok(())
}

fn among_many(changes: u32, weir: &Path, report: &mut Report, missed: &mut Vec<String>) -> Result<()> {
    let scratch = Scratch::new("live-many")?;
    let (web, admin) = (free_address()?, free_address()?);
    let mut config = format!(
        "access_log: {{ format: off }}\nlisteners: [{{ name: web, address: {web} }}]\n\
         services: {{ origin: {{ endpoints: [\"127.0.0.1:9\"] }} }}\nroutes:\n"
    );
    for n in 0..ROUTES {
        let _ = writeln!(
            config,
            "  - {{ name: r{n}, hosts: [h{}.example.com], matches: [{{ path: {{ prefix: /p{n} }} }}], service: origin }}",
            n % 5_000
        );
    }
    println!("{ROUTES} routes, {changes} changes of one …");
    let gateway = Gateway::start(scratch.path(), weir, admin, &config, web)?;
    let mut took = Vec::new();
    for n in 0..changes {
        let which = (n as usize * 7_919) % ROUTES;
        let route = json!({ "hosts": [format!("h{}.example.com", which % 5_000)],
            "matches": [{ "path": { "prefix": format!("/p{which}") } }], "service": "origin",
            "timeouts": { "request": format!("{}s", 1 + n % 30) } });
        took.push(gateway.write("PUT", &format!("/config/routes/r{which}"), &route)?);
    }
    let (median, p99, worst) = spread(&mut took);
    gateway.running.end(Duration::from_secs(10))?;
    let mut table = Table::new(&["what", "figure"]);
    table.row(["live after, median / p99 / worst", &format!("{median:.1} / {p99:.1} / {worst:.1} ms")]);
    let mut bars = Vec::new();
    bar(&mut bars, missed, "one route among 50,000 live, p99", p99, 10.0, " ms");
    let values = vec![
        json!({ "name": "live.one_of_50000.median", "value": median, "unit": "ms" }),
        json!({ "name": "live.one_of_50000.p99", "value": p99, "unit": "ms" }),
    ];
    report.section("one route among 50,000", &table.markdown(), &bars, values);
    Ok(())
}

fn bar(bars: &mut Vec<String>, missed: &mut Vec<String>, what: &str, value: f64, most: f64, unit: &str) {
    let reached = value <= most;
    bars.push(format!(
        "bar: {what} ≤ {most}{unit}: {value:.1}{unit} {}",
        if reached { "reached" } else { "MISSED" }
    ));
    if !reached {
        missed.push(format!("{what}: {value:.1}{unit}"));
    }
}

fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len() - 1)).copied();
    (at(0.5).unwrap_or_default(), at(0.99).unwrap_or_default(), at(1.0).unwrap_or_default())
}

/// Asks again and again on one connection; every answer has to be a whole 200.
fn keep_asking(address: SocketAddr, path: &str, seen: &Seen) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: live.test\r\n\r\n");
    let mut connection: Option<TcpStream> = None;
    while !seen.stop.load(Ordering::Relaxed) {
        let asked = ask(&mut connection, address, &request);
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if asked.is_err() {
            seen.failed.fetch_add(1, Ordering::Relaxed);
            connection = None;
        }
    }
}

fn ask(connection: &mut Option<TcpStream>, address: SocketAddr, request: &str) -> Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        none => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            none.insert(stream)
        }
    };
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::with_capacity(1024);
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("no length")?.trim().parse()?;
            if body.len() >= length {
                if !head.starts_with("http/1.1 200") || body.len() != length {
                    bail!("{head}");
                }
                return Ok(());
            }
        }
        match stream.read(&mut piece)? {
            0 => bail!("closed"),
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
}

/// Holds one tunnel open and has every byte come back.
fn keep_tunnelling(address: SocketAddr, seen: &Seen) {
    let tunnel = || -> Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            b"GET /tunnel HTTP/1.1\r\nhost: live.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("{}", String::from_utf8_lossy(&head));
        }
        while !seen.stop.load(Ordering::Relaxed) {
            let sent = [b'x'; 64];
            stream.write_all(&sent)?;
            let mut back = [0; 64];
            stream.read_exact(&mut back)?;
            if back != sent {
                bail!("other bytes came back");
            }
            seen.tunnelled.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    if let Err(error) = tunnel() {
        println!("a tunnel was dropped: {error:#}");
        seen.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// An endpoint that switches protocols and sends every byte back.
fn start_echo() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
    Ok(address)
}

fn echo(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    if stream.write_all(switched).is_err() {
        return;
    }
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 || stream.write_all(&piece[..count]).is_err() {
            return;
        }
    }
}

/// Errors and requests in wrk's report.
fn wrk_errors(report: &str) -> (u64, u64) {
    let numbers = |line: &str| -> u64 {
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok()).sum()
    };
    let mut failed = 0;
    for line in report.lines().map(str::trim) {
        if let Some(errors) = line.strip_prefix("Socket errors:") {
            failed += numbers(errors);
        }
        if let Some(errors) = line.strip_prefix("Non-2xx or 3xx responses:") {
            failed += numbers(errors);
        }
    }
    let asked = report
        .lines()
        .find(|line| line.contains("requests in"))
        .and_then(|line| line.split_whitespace().next().and_then(|n| n.parse().ok()));
    (failed, asked.unwrap_or(0))
}
