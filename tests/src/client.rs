//! A client that sends whatever bytes it is given.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::wire::{Fault, Message, Reader};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a port on this machine.
#[derive(Debug)]
pub struct Client {
    reader: Reader<TcpStream>,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("a port that answers")
    }

    /// Connects, where somebody listens.
    pub fn try_connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).expect("an open socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("an open socket");
        Some(Self { reader: Reader::new(stream) })
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.reader.stream
    }

    /// How long [`Client::response`] and the like wait.
    pub fn patience(&mut self, span: Duration) {
        self.reader.stream.set_read_timeout(Some(span)).expect("an open socket");
    }

    /// Sends bytes. The peer may have closed: what matters is what it says.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.reader.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends bytes in pieces, each in a packet of its own as far as that can be had.
    pub fn send_pieces(&mut self, pieces: &[&[u8]], pause: Duration) -> &mut Self {
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                std::thread::sleep(pause);
            }
            self.send(piece);
        }
        self
    }

    /// Ends our side; what the peer sends is still read.
    pub fn finish(&mut self) -> &mut Self {
        let _ = self.reader.stream.shutdown(Shutdown::Write);
        self
    }

    /// The answer to a request of `method`.
    pub fn try_response(&mut self, method: &str) -> Result<Message, Fault> {
        self.reader.response(method)
    }

    /// The answer to a request of `method`; panics where there is none.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Message {
        match self.reader.response(method) {
            Ok(message) => message,
            Err(fault) => {
                panic!("no answer: {fault:?} after {:?}", String::from_utf8_lossy(&self.reader.seen))
            }
        }
    }

    /// The head of an answer; its body stays in the connection.
    #[track_caller]
    pub fn head(&mut self) -> Message {
        self.reader.head().expect("the head of an answer")
    }

    /// Takes exactly so many bytes.
    pub fn take(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        self.reader.take(count)
    }

    /// Everything until the peer closes.
    pub fn rest(&mut self) -> Vec<u8> {
        self.reader.rest()
    }

    /// Whether the peer closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.wait(), Err(Fault::Closed | Fault::Reset))
    }

    /// Whether nothing comes within `span` and the connection stays open.
    pub fn stays_open(&mut self, span: Duration) -> bool {
        self.patience(span);
        let open = self.reader.wait() == Err(Fault::Timeout);
        self.patience(PATIENCE);
        open
    }

    /// Asks and reads the answer, on a connection that stays.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        let request = request.as_ref();
        let method = request.split(|&b| b == b' ').next().unwrap_or_default().to_vec();
        self.send(request);
        self.response(&String::from_utf8_lossy(&method))
    }

    /// A GET on a connection that stays.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Message {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }
}

/// A GET on a connection of its own.
#[track_caller]
pub fn get(port: u16, path: &str) -> Message {
    Client::connect(port).ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
}
