//! The service behind every proxy: one thread that answers as cheaply as it can, so that the core it shares with the
//! load generator does not run out before the proxy's does.
//!
//! The last segment of a path chooses the answer: `64k` and `10m` are so many bytes, everything else 128. A request's
//! body is read to its end before it is answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::sys::{self, Epoll};

/// Runs until it is dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Origin {
    pub(crate) fn start(core: usize) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let thread = std::thread::spawn(move || {
            sys::pin_current(core)?;
            serve(&listener, &theirs)
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(Err(error)) = self.thread.take().and_then(|thread| thread.join().ok()) {
            eprintln!("bench: the origin failed: {error:#}");
        }
    }
}

struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    head: Vec<u8>,
    /// Bytes of the request's body still to come, once its head is read.
    body_left: Option<u64>,
    answer: Choice,
    /// Bytes of the answer sent; `None` while none is due.
    sent: Option<usize>,
}

#[derive(Clone, Copy)]
enum Choice {
    Small,
    Medium,
    Large,
}

fn answer(length: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'w'; length]].concat()
}

fn serve(listener: &TcpListener, stop: &AtomicBool) -> Result<()> {
    let answers = Answers { small: answer(128), medium: answer(64 << 10), large: answer(10 << 20) };
    let mut epoll = Epoll::new(1024)?;
    epoll.watch(listener, 0)?;
    let mut connections: Vec<Option<Connection>> = vec![None];
    let mut scratch = vec![0; 256 << 10];
    let mut ready = Vec::new();
    while !stop.load(Relaxed) {
        ready.clear();
        ready.extend(epoll.wait(Duration::from_millis(50))?);
        for &token in &ready {
            if token == 0 {
                accept(listener, &epoll, &mut connections)?;
                continue;
            }
            let Some(connection) = connections[token].as_mut() else { continue };
            if connection.advance(&answers, &mut scratch).is_none() {
                connections[token] = None;
            }
        }
    }
    Ok(())
}

fn accept(listener: &TcpListener, epoll: &Epoll, connections: &mut Vec<Option<Connection>>) -> Result<()> {
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // Slots of closed connections are not used again: a late event must not reach a newcomer.
        epoll.watch(&socket, connections.len())?;
        connections.push(Some(Connection {
            socket,
            head: Vec::new(),
            body_left: None,
            answer: Choice::Small,
            sent: None,
        }));
    }
}

impl Connection {
    /// Does what can be done without waiting; `None` when the connection is over.
    fn advance(&mut self, answers: &Answers, scratch: &mut [u8]) -> Option<()> {
        loop {
            if let Some(sent) = self.sent {
                let bytes = match self.answer {
                    Choice::Small => &answers.small,
                    Choice::Medium => &answers.medium,
                    Choice::Large => &answers.large,
                };
                let sent = match self.socket.write(&bytes[sent..]) {
                    Ok(count) => sent + count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
                    Err(_) => return None,
                };
                self.sent = (sent < bytes.len()).then_some(sent);
                continue;
            }
            let count = match self.socket.read(scratch) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
                Err(_) => return None,
            };
            self.take(&scratch[..count])?;
            if self.sent.is_none() && count < scratch.len() {
                return Some(());
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Option<()> {
        if self.body_left.is_none() {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Some(());
            };
            let (choice, length) = read_head(&self.head[..end])?;
            self.answer = choice;
            self.body_left = Some(length);
            bytes = &bytes[end + 4 - before..];
            self.head.clear();
        }
        let left = self.body_left?.checked_sub(bytes.len() as u64)?;
        self.body_left = Some(left);
        if left == 0 {
            self.body_left = None;
            self.sent = Some(0);
        }
        Some(())
    }
}

/// The answer asked for and the length of the request's body.
fn read_head(head: &[u8]) -> Option<(Choice, u64)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?;
    let choice = match path.rsplit('/').next()? {
        "64k" => Choice::Medium,
        "10m" => Choice::Large,
        _ => Choice::Small,
    };
    let mut length = 0;
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    Some((choice, length))
}
