//! What keeps the exporters' numbers moving: a thread a load, each at a rate of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::http::Client;
use super::super::random::Random;
use super::shape::Shape;
use crate::sys;

type Operation = Box<dyn FnMut(&mut Random) -> Result<()> + Send>;

/// Loads that run until they are dropped.
#[derive(Default)]
pub(super) struct Loads {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: Vec<(&'static str, Arc<Count>)>,
    clients: Vec<Child>,
}

#[derive(Default)]
struct Count {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Loads {
    /// Runs `operation` at the rate of `shape`. One that fails is counted and tried again a second later.
    pub(super) fn run(&mut self, name: &'static str, shape: Shape, mut operation: Operation) {
        let (stop, count) = (self.stop.clone(), Arc::new(Count::default()));
        self.counts.push((name, count.clone()));
        self.threads.push(std::thread::spawn(move || {
            let mut random = Random::new(shape.seed);
            let begin = Instant::now();
            let mut due = 0.0;
            while !stop.load(Relaxed) {
                let now = begin.elapsed().as_secs_f64();
                if due > now {
                    // In slices, so that a slow load ends and speeds up as soon as a fast one.
                    std::thread::sleep(Duration::from_secs_f64((due - now).min(0.5)));
                    continue;
                }
                let result = operation(&mut random);
                (if result.is_ok() { &count.done } else { &count.failed }).fetch_add(1, Relaxed);
                // Independent arrivals: exponential gaps, and what was missed is not made up for.
                let gap = -(1.0 - random.unit()).ln() / shape.rate(now);
                due = if result.is_ok() { (due + gap).max(now - 0.2) } else { now + 1.0 };
            }
        }));
    }

    /// What each has done and how often it failed.
    pub(super) fn counts(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.counts {
            let _ = write!(text, " {name} {}", count.done.load(Relaxed));
            if count.failed.load(Relaxed) > 0 {
                let _ = write!(text, " ({} failed)", count.failed.load(Relaxed));
            }
        }
        text
    }

    /// Starts a client that reads statements, a line each, and returns its input.
    fn client(&mut self, command: &mut Command) -> Result<ChildStdin> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        sys::pin_command(command, None);
        let mut child = command.spawn().context("cannot start a database's client")?;
        let input = child.stdin.take().context("a client without input")?;
        self.clients.push(child);
        Ok(input)
    }

    /// Statements drawn by `statement` through a client of a database.
    pub(super) fn statements(
        &mut self,
        name: &'static str,
        shape: Shape,
        client: &mut Command,
        statement: fn(&mut Random) -> String,
    ) -> Result<()> {
        let mut input = self.client(client)?;
        self.run(
            name,
            shape,
            Box::new(move |random| {
                writeln!(input, "{}", statement(random))?;
                Ok(input.flush()?)
            }),
        );
        Ok(())
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // Clients first: a load that waits for one that is stuck comes free when it ends.
        for client in &mut self.clients {
            let _ = client.kill();
            let _ = client.wait();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Requests for paths, each as often as it is named.
pub(super) fn pages(address: SocketAddr, paths: &'static [&'static str]) -> Operation {
    let mut client = Client::new(address, Duration::from_secs(5));
    Box::new(move |random| {
        // A new visitor now and then.
        if random.below(12) == 0 {
            client = Client::new(address, Duration::from_secs(5));
        }
        client.get(random.pick::<&str>(paths)).map(drop)
    })
}

/// Pipelined commands to Redis.
pub(super) fn redis(address: SocketAddr, command: fn(&mut Random) -> String) -> Operation {
    let mut socket: Option<TcpStream> = None;
    let mut answers = vec![0; 64 * 1024];
    Box::new(move |random| {
        let mut connected = match socket.take() {
            Some(socket) => socket,
            None => {
                let socket = TcpStream::connect(address)?;
                socket.set_read_timeout(Some(Duration::from_secs(2)))?;
                socket
            }
        };
        let mut commands = String::new();
        for _ in 0..=random.below(6) {
            commands += &command(random);
            commands += "\r\n";
        }
        connected.write_all(commands.as_bytes())?;
        // What is answered does not matter; it only has to be taken.
        std::io::Read::read(&mut connected, &mut answers)?;
        socket = Some(connected);
        Ok(())
    })
}

pub(super) fn cache_command(random: &mut Random) -> String {
    let key = (random.unit() * random.unit() * 4000.0) as u64;
    match random.below(10) {
        0 => format!(
            "SETEX page:{key} {} {}",
            20 + random.below(200),
            "x".repeat(random.below(900) as usize + 1)
        ),
        1 => format!("INCR hits:{}", key % 200),
        2 => format!("DEL page:{key}"),
        3 => format!("HSET session:{} user {} seen {}", key % 700, random.below(5000), random.below(1 << 30)),
        _ => format!("GET page:{key}"),
    }
}

pub(super) fn queue_command(random: &mut Random) -> String {
    match random.below(9) {
        0..=3 => format!("LPUSH jobs:{} {}", random.below(4), random.next()),
        4..=6 => format!("RPOP jobs:{}", random.below(4)),
        7 => format!("ZADD delayed {} job:{}", random.below(1 << 31), random.below(3000)),
        _ => "ZPOPMIN delayed 2".to_owned(),
    }
}

/// What the shop's tables are made with, for both databases.
pub(super) const SCHEMA: &str = "CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40), credit INT); \
    CREATE TABLE orders (id INT PRIMARY KEY, customer INT, status INT, amount INT, note VARCHAR(200)); \
    CREATE INDEX orders_customer ON orders (customer);";

/// A statement of a shop: most look one row up or change it.
pub(super) fn shop(random: &mut Random) -> String {
    let (order, customer) = (random.below(40_000), random.below(2000));
    match random.below(20) {
        0..=3 => format!(
            "DELETE FROM orders WHERE id = {order}; INSERT INTO orders VALUES ({order}, {customer}, 0, {}, '{}');",
            random.below(90_000),
            "n".repeat(random.below(180) as usize)
        ),
        4..=6 => format!(
            "UPDATE orders SET status = status + 1, amount = {} WHERE id = {order};",
            random.below(90_000)
        ),
        7 => format!(
            "DELETE FROM customers WHERE id = {customer}; \
             INSERT INTO customers VALUES ({customer}, 'c{customer}', {});",
            random.below(1000)
        ),
        8 => format!("SELECT status, sum(amount) FROM orders WHERE customer = {customer} GROUP BY status;"),
        9 => format!(
            "BEGIN; UPDATE customers SET credit = credit - 1 WHERE id = {customer}; \
             UPDATE orders SET status = 9 WHERE customer = {customer}; {};",
            if random.below(4) == 0 { "ROLLBACK" } else { "COMMIT" }
        ),
        10 => format!(
            "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer \
             WHERE o.id BETWEEN {order} AND {} ORDER BY o.amount DESC LIMIT 10;",
            order + 300
        ),
        _ => format!("SELECT * FROM orders WHERE id = {order};"),
    }
}

/// A statement of the evening's reports: few and heavy.
pub(super) fn reports(random: &mut Random) -> String {
    match random.below(4) {
        0 => "SELECT status, count(*), avg(amount) FROM orders GROUP BY status ORDER BY 2 DESC;".to_owned(),
        1 => format!("SELECT count(*) FROM orders WHERE note LIKE '%{}%';", "n".repeat(random.below(60) as usize + 1)),
        2 => "SELECT c.id, sum(o.amount) s FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id ORDER BY s LIMIT 20;".to_owned(),
        _ => shop(random),
    }
}

/// A batch job that tells how it went.
pub(super) fn batch_job(address: SocketAddr) -> Operation {
    let mut client = Client::new(address, Duration::from_secs(5));
    let mut runs = 0u64;
    Box::new(move |random| {
        runs += 1;
        let job = *random.pick(&["backup", "invoice", "thumbnails", "reindex", "mail"]);
        let seconds = 2.0 + random.unit() * 90.0;
        let body = format!(
            "# TYPE job_duration_seconds gauge\njob_duration_seconds {seconds:.3}\n\
             # TYPE job_items_total counter\njob_items_total {}\n\
             # TYPE job_last_success_timestamp_seconds gauge\njob_last_success_timestamp_seconds {}\n\
             # TYPE job_bytes gauge\njob_bytes{{kind=\"in\"}} {}\njob_bytes{{kind=\"out\"}} {}\n",
            runs * 17 + random.below(9),
            1.7e9 + runs as f64 * 5.25,
            random.below(1 << 33),
            random.below(1 << 28),
        );
        let path = format!("/metrics/job/{job}/shard/{}", random.below(6));
        client.post(&path, "text/plain", body.as_bytes())?.success().map(drop)
    })
}

/// Alerts that come and go.
pub(super) fn alerts(address: SocketAddr) -> Operation {
    let mut client = Client::new(address, Duration::from_secs(5));
    Box::new(move |random| {
        let alerts = serde_json::json!([{ "labels": {
            "alertname": random.pick(&["HighLatency", "DiskFull", "NoBackup", "ManyErrors"]),
            "service": random.pick(&["shop", "db", "edge"]),
            "severity": random.pick(&["page", "ticket"]),
        } }]);
        client.post("/api/v2/alerts", "application/json", alerts.to_string().as_bytes())?.success().map(drop)
    })
}
