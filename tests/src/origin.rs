//! Origins that do what a test says: answer exact bytes, stall, reset, drip; and that remember all they were sent.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::wire::{Fault, Message, Reader};

/// How long a connection may stay silent before its thread ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server in this process, on a port of its own.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub port: u16,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    requests: Mutex<Vec<Message>>,
    faults: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    stopped: AtomicBool,
}

/// One connection to an origin, in the hands of its script.
#[derive(Debug)]
pub struct Served {
    /// The bytes that come.
    pub reader: Reader<TcpStream>,
    /// How many connections came before this one.
    pub index: usize,
    log: Arc<Log>,
    reset: bool,
}

impl Origin {
    /// An origin that runs a script for each connection, which is closed when the script returns.
    pub fn scripted(script: impl Fn(&mut Served) + Send + Sync + 'static) -> Self {
        Self::scripted_on(0, script)
    }

    /// The same on a certain port; 0 for any.
    pub fn scripted_on(port: u16, script: impl Fn(&mut Served) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let log = Arc::new(Log::default());
        let script = Arc::new(script);
        let accepting = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(PATIENCE));
                if let Ok(twin) = stream.try_clone() {
                    lock(&accepting.connections).push(twin);
                }
                let index = accepting.accepted.fetch_add(1, Ordering::SeqCst);
                accepting.open.fetch_add(1, Ordering::SeqCst);
                let (script, log) = (script.clone(), accepting.clone());
                std::thread::spawn(move || {
                    let mut served = Served { reader: Reader::new(stream), index, log, reset: false };
                    script(&mut served);
                    served.end();
                });
            }
        });
        Self { port, log }
    }

    /// An origin that gives each request the bytes that `answer` makes of it, on connections that stay open.
    pub fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::answering_on(0, answer)
    }

    /// The same on a certain port; 0 for any.
    pub fn answering_on(port: u16, answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::scripted_on(port, move |served| {
            while let Some(request) = served.request() {
                if !served.send(answer(&request)) {
                    return;
                }
            }
        })
    }

    /// An origin that answers 200 with a text.
    pub fn saying(text: &'static str) -> Self {
        Self::answering(move |_| ok(text))
    }

    /// An origin that answers 200 with the request's body.
    pub fn echoing() -> Self {
        Self::answering(|request| ok(&request.body))
    }

    /// Requests that were read to their end, in the order of their ends.
    pub fn requests(&self) -> Vec<Message> {
        lock(&self.log.requests).clone()
    }

    /// How many of them.
    pub fn count(&self) -> usize {
        lock(&self.log.requests).len()
    }

    /// The only request that came.
    #[track_caller]
    pub fn only(&self) -> Message {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().expect("one, as was just seen")
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        lock(&self.log.requests).clear();
        lock(&self.log.faults).clear();
    }

    /// What came and was no request, or ended within one.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.log.faults).clone()
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.log.open.load(Ordering::SeqCst)
    }

    /// Closes all connections; new ones are accepted.
    pub fn close_connections(&self) {
        for stream in lock(&self.log.connections).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.log.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then lets go of the port.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.close_connections();
    }
}

impl Served {
    /// Reads a request to its end and remembers it. `None` when there is no further one.
    pub fn request(&mut self) -> Option<Message> {
        let result = self.reader.request();
        self.remember(result)
    }

    /// Reads the head of a request only.
    pub fn head(&mut self) -> Option<Message> {
        match self.reader.head() {
            Ok(message) => Some(message),
            other => self.remember(other),
        }
    }

    /// Reads the body that belongs to a head, and remembers the request.
    pub fn body(&mut self, mut message: Message) -> Option<Message> {
        let result = message
            .request_framing()
            .and_then(|framing| self.reader.body(framing, &mut message))
            .map(|()| message);
        self.remember(result)
    }

    fn remember(&mut self, result: Result<Message, Fault>) -> Option<Message> {
        match result {
            Ok(message) => {
                lock(&self.log.requests).push(message.clone());
                Some(message)
            }
            Err(Fault::Closed | Fault::Reset | Fault::Timeout) => None,
            Err(fault) => {
                lock(&self.log.faults).push(format!("{fault:?}"));
                None
            }
        }
    }

    /// Sends bytes; false where the peer is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Whether the peer closes its side within `span`.
    pub fn is_left_within(&mut self, span: Duration) -> bool {
        let _ = self.reader.stream.set_read_timeout(Some(span));
        matches!(self.reader.wait(), Err(Fault::Closed | Fault::Reset))
    }

    /// Ends the connection with a reset.
    pub fn reset(&mut self) {
        self.reset = true;
    }

    fn end(self) {
        if self.reset {
            let socket = socket2::SockRef::from(&self.reader.stream);
            let _ = socket.set_linger(Some(Duration::ZERO));
            // Every handle has to be gone for the reset to leave.
            let ours = self.reader.stream.peer_addr().ok();
            lock(&self.log.connections).retain(|other| other.peer_addr().ok() != ours);
        } else {
            let _ = self.reader.stream.shutdown(Shutdown::Both);
        }
        self.log.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer of status 200.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    status(200, body)
}

/// An answer of any status that has a body.
pub fn status(code: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {code} Said\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
