//! HTTP/1.1 load from one thread: closed loop (each connection sends as soon as it has its answer) or open loop (on a
//! fixed schedule, whatever the answers do).
//!
//! In an open loop a latency counts from when the request was due, not from when a connection was free to send it, so
//! that a proxy which stalls is charged for every request that had to wait.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::histogram::Histogram;
use crate::sys::{self, Epoll};

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Whole requests, taken in turn.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    pub(crate) pace: Pace,
    /// The core that the load runs on.
    pub(crate) core: usize,
}

/// When to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// When the answer before is whole.
    Closed,
    /// So many a second, evenly spaced.
    Open { per_second: f64 },
    /// Closed, and ends after so many answers.
    Count(u64),
}

/// Load that runs until it is dropped or finished.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Raised by one to begin a new window of latencies.
    window: AtomicU64,
    answers: AtomicU64,
    failures: AtomicU64,
    p50_ns: AtomicU64,
    p99_ns: AtomicU64,
}

/// What a load saw since it began; latencies since the window began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) answers: u64,
    pub(crate) failures: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Load {
    pub(crate) fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || {
            let result =
                sys::pin_current(plan.core).map_err(Into::into).and_then(|()| Driver::run(plan, &theirs));
            theirs.stop.store(true, Relaxed);
            result
        });
        Self { shared, thread: Some(thread) }
    }

    /// Answers so far.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers.load(Relaxed)
    }

    /// Whether it has ended, as asked or by an error.
    pub(crate) fn ended(&self) -> bool {
        self.shared.stop.load(Relaxed)
    }

    /// Latencies count from now on.
    pub(crate) fn begin_window(&self) {
        self.shared.window.fetch_add(1, Relaxed);
    }

    /// Stops it and says what it saw.
    pub(crate) fn finish(mut self) -> Result<Seen> {
        self.shared.stop.store(true, Relaxed);
        self.join()?;
        let ns = |cell: &AtomicU64| cell.load(Relaxed) as f64 / 1e3;
        Ok(Seen {
            answers: self.answers(),
            failures: self.shared.failures.load(Relaxed),
            p50_us: ns(&self.shared.p50_ns),
            p99_us: ns(&self.shared.p99_ns),
        })
    }

    /// Waits for a counted load to come to its end by itself.
    pub(crate) fn wait(mut self, at_most: Duration) -> Result<Seen> {
        let begin = Instant::now();
        while !self.ended() {
            if begin.elapsed() > at_most {
                self.shared.stop.store(true, Relaxed);
                self.join()?;
                anyhow::bail!("only {} answers came in {at_most:?}", self.answers());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.finish()
    }

    fn join(&mut self) -> Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(anyhow!("the load's thread panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = self.join();
    }
}

struct Driver<'a> {
    plan: Plan,
    shared: &'a Shared,
    epoll: Epoll,
    connections: Vec<Connection>,
    /// Connections that have nothing to do (open loop).
    idle: Vec<usize>,
    /// Requests that are due and wait for a connection (open loop).
    late: VecDeque<Instant>,
    latencies: Histogram,
    next_request: usize,
    scratch: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    state: State,
    /// When the request in flight was due.
    due: Instant,
    request: usize,
    sent: usize,
    head: Vec<u8>,
    close: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Head,
    Body { left: u64 },
}

impl<'a> Driver<'a> {
    fn run(plan: Plan, shared: &'a Shared) -> Result<()> {
        sys::sharpen_timers();
        let mut driver = Self {
            epoll: Epoll::new(plan.connections.clamp(1, 1024))?,
            connections: Vec::with_capacity(plan.connections),
            idle: Vec::with_capacity(plan.connections),
            late: VecDeque::new(),
            latencies: Histogram::new(),
            next_request: 0,
            scratch: vec![0; 256 * 1024],
            plan,
            shared,
        };
        for token in 0..driver.plan.connections {
            let socket = connect(driver.plan.address)?;
            driver.epoll.watch(&socket, token)?;
            driver.connections.push(Connection {
                socket,
                state: State::Idle,
                due: Instant::now(),
                request: 0,
                sent: 0,
                head: Vec::new(),
                close: false,
            });
        }
        driver.drive()?;
        let ns = |share| driver.latencies.quantile(share).unwrap_or(0.0) as u64;
        shared.p50_ns.store(ns(0.50), Relaxed);
        shared.p99_ns.store(ns(0.99), Relaxed);
        Ok(())
    }

    fn drive(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut scheduled = 0u64;
        let mut window = 0;
        match self.plan.pace {
            Pace::Open { .. } => self.idle.extend(0..self.connections.len()),
            _ => (0..self.connections.len()).try_for_each(|token| self.send(token, Instant::now()))?,
        }
        let mut ready = Vec::new();
        while !self.shared.stop.load(Relaxed) {
            let mut timeout = Duration::from_millis(20);
            if let Pace::Open { per_second } = self.plan.pace {
                loop {
                    let due = begin + Duration::from_secs_f64(scheduled as f64 / per_second);
                    let now = Instant::now();
                    if due > now {
                        timeout = timeout.min(due - now);
                        break;
                    }
                    scheduled += 1;
                    match self.idle.pop() {
                        Some(token) => self.send(token, due)?,
                        None => self.late.push_back(due),
                    }
                }
            }
            ready.clear();
            ready.extend(self.epoll.wait(timeout)?);
            let asked = self.shared.window.load(Relaxed);
            if asked != window {
                window = asked;
                self.latencies.clear();
            }
            for &token in &ready {
                self.advance(token)?;
            }
            if let Pace::Count(most) = self.plan.pace
                && self.shared.answers.load(Relaxed) >= most
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Begins a request that was due at `due`.
    fn send(&mut self, token: usize, due: Instant) -> Result<()> {
        let connection = &mut self.connections[token];
        connection.due = due;
        connection.request = self.next_request % self.plan.requests.len();
        connection.sent = 0;
        connection.state = State::Head;
        self.next_request += 1;
        self.write(token)
    }

    fn write(&mut self, token: usize) -> Result<()> {
        let connection = &mut self.connections[token];
        let request = &self.plan.requests[connection.request];
        while connection.sent < request.len() {
            match connection.socket.write(&request[connection.sent..]) {
                Ok(count) => connection.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.fail(token),
            }
        }
        Ok(())
    }

    /// Goes on with a connection that became ready.
    fn advance(&mut self, token: usize) -> Result<()> {
        if self.connections[token].state == State::Idle {
            return Ok(());
        }
        self.write(token)?;
        loop {
            let room = self.scratch.len();
            let count = match self.connections[token].socket.read(&mut self.scratch) {
                Ok(0) => return self.fail(token),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.fail(token),
            };
            let connection = &mut self.connections[token];
            let mut body = count as u64;
            if connection.state == State::Head {
                connection.head.extend_from_slice(&self.scratch[..count]);
                let Some(end) = connection.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let Some(answer) = Answer::read(&connection.head[..end + 4]) else { return self.fail(token) };
                body = (connection.head.len() - end - 4) as u64;
                connection.close = answer.close;
                connection.head.clear();
                connection.state = State::Body { left: answer.length };
            }
            let State::Body { left } = connection.state else { return self.fail(token) };
            if body > left {
                return self.fail(token);
            }
            connection.state = State::Body { left: left - body };
            if left == body {
                return self.answered(token);
            }
            // A read that did not fill the buffer took all there was; the next edge tells of more.
            if count < room {
                return Ok(());
            }
        }
    }

    fn answered(&mut self, token: usize) -> Result<()> {
        let now = Instant::now();
        let connection = &mut self.connections[token];
        self.latencies.add((now - connection.due).as_nanos() as u64);
        self.shared.answers.fetch_add(1, Relaxed);
        connection.state = State::Idle;
        if connection.close {
            self.reconnect(token)?;
        }
        self.go_on(token, now)
    }

    fn go_on(&mut self, token: usize, now: Instant) -> Result<()> {
        match self.plan.pace {
            Pace::Open { .. } => match self.late.pop_front() {
                Some(due) => self.send(token, due),
                None => {
                    self.idle.push(token);
                    Ok(())
                }
            },
            Pace::Closed | Pace::Count(_) => self.send(token, now),
        }
    }

    /// A wrong or missing answer is counted, and the connection made anew.
    fn fail(&mut self, token: usize) -> Result<()> {
        let failures = self.shared.failures.fetch_add(1, Relaxed) + 1;
        if failures > 1000 {
            let head = String::from_utf8_lossy(&self.connections[token].head).into_owned();
            return Err(anyhow!("1000 requests to {} failed, the last with: {head}", self.plan.address));
        }
        self.connections[token].state = State::Idle;
        self.reconnect(token)?;
        self.go_on(token, Instant::now())
    }

    fn reconnect(&mut self, token: usize) -> Result<()> {
        let socket = connect(self.plan.address)?;
        self.epoll.watch(&socket, token)?;
        let connection = &mut self.connections[token];
        connection.socket = socket;
        connection.head.clear();
        connection.close = false;
        Ok(())
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(2))
        .with_context(|| format!("cannot connect to {address}"))?;
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// What of an answer's head tells where it ends.
struct Answer {
    length: u64,
    close: bool,
}

impl Answer {
    /// `None` unless it is a success whose length is stated.
    fn read(head: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?;
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?;
        if !status.starts_with('2') {
            return None;
        }
        let mut answer = Self { length: u64::MAX, close: false };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                answer.length = value.trim().parse().ok()?;
            } else if name.eq_ignore_ascii_case("connection") {
                answer.close = value.trim().eq_ignore_ascii_case("close");
            }
        }
        (answer.length != u64::MAX).then_some(answer)
    }
}
