//! A server that keeps what it is sent, so that what a real sender says can be sent again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Answers 200 to every POST until it is finished.
pub(super) struct Capture {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    thread: JoinHandle<()>,
}

impl Capture {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (theirs, out) = (stop.clone(), bodies.clone());
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while !theirs.load(Relaxed) {
                match listener.accept() {
                    Ok((socket, _)) => {
                        let out = out.clone();
                        connections.push(std::thread::spawn(move || {
                            // A connection ends with an error when its sender has gone.
                            let _ = serve(socket, &out);
                        }));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
            for connection in connections {
                let _ = connection.join();
            }
        });
        Ok(Self { address, stop, bodies, thread })
    }

    /// All bodies, once their senders have gone.
    pub(super) fn finish(self) -> Result<Vec<Vec<u8>>> {
        self.stop.store(true, Relaxed);
        if self.thread.join().is_err() {
            bail!("the capturing thread panicked");
        }
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut bodies))
    }
}

fn serve(socket: TcpStream, out: &Mutex<Vec<Vec<u8>>>) -> Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut socket = socket;
    loop {
        let mut length = None;
        loop {
            let mut line = String::new();
            if reader.by_ref().take(64 * 1024).read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = Some(value.trim().parse::<u64>()?);
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let length = length.context("a request without its length")?;
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        out.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        socket.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
    }
}
