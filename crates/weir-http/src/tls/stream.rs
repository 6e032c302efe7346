//! A TLS connection after its handshake.

use std::io::{self, IoSlice, Read};
use std::task::{Context, Poll};

use rustls::Error;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::machine::{Goal, Machine, Sink, Step};
use super::record_buf::{RECORD_BUF_BYTES, RecordBuf};
use crate::buf::{BUF_BYTES, Buf};

/// Plaintext bytes of a record (RFC 8446, section 5.1).
const RECORD_PLAIN_BYTES: usize = 16 * 1024;

/// Plaintext that one write takes: two records, so that a full body chunk and the head before it need one system call.
const WRITE_PLAIN_BYTES: usize = 2 * RECORD_PLAIN_BYTES;

/// What waits to be sent goes out together with the next write while it is no longer than this: tickets with a first
/// answer, or the rest of an earlier write. Two records fit behind it in a pooled buffer.
const SHARED_SEND_BYTES: usize = 1536;

/// Bytes that may wait unprocessed. Only a handshake message that is spread over several records comes near, and
/// rustls refuses those over 64 KiB itself.
const INCOMING_BYTES_MAX: usize = 128 * 1024;

/// TLS over TCP. Reads and writes never wait, as [`crate::Stream`] describes.
///
/// rustls' unbuffered state machine works on buffers that the thread lends while bytes are in flight; an idle
/// connection holds none. Every `try_*` call either completes or leaves the connection as it was, so a future that
/// waits between them may be dropped at any time.
#[derive(Debug)]
pub struct TlsStream {
    tcp: TcpStream,
    pub(super) machine: Machine,
    /// Records that arrived and were not processed.
    pub(super) incoming: RecordBuf,
    /// Records that were not sent yet.
    outgoing: RecordBuf,
    /// Plaintext that was decrypted and not read yet.
    plain: RecordBuf,
    /// `incoming` holds nothing that can be processed before more arrives.
    starved: bool,
    peer_closed: bool,
    /// The peer's bytes ended without a `close_notify`. It may still read what we send.
    truncated: bool,
    sent_close: bool,
    fault: Option<Box<Fault>>,
}

/// Why nothing more will ever be read or written.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Tls(Error),
    Io(io::ErrorKind),
}

impl Fault {
    fn to_io(&self) -> io::Error {
        match self {
            Self::Tls(error) => io::Error::new(io::ErrorKind::InvalidData, error.clone()),
            Self::Io(kind) => (*kind).into(),
        }
    }
}

#[cold]
fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the connection ended without a TLS close_notify: what came before it may be cut off",
    )
}

impl TlsStream {
    pub(super) fn new(tcp: TcpStream, machine: Machine) -> Self {
        Self {
            tcp,
            machine,
            incoming: RecordBuf::default(),
            outgoing: RecordBuf::default(),
            plain: RecordBuf::default(),
            starved: true,
            peer_closed: false,
            truncated: false,
            sent_close: false,
            fault: None,
        }
    }

    /// Ready when [`TlsStream::try_read`] may give bytes, the end, or an error; else the task is woken then.
    #[inline]
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.starved
            || !self.plain.is_empty()
            || self.peer_closed
            || self.truncated
            || self.fault.is_some()
        {
            return Poll::Ready(Ok(()));
        }
        self.tcp.poll_read_ready(cx)
    }

    /// Reads what is there, one record's bytes at most. 0 is a proper end (`close_notify`); an end without one is
    /// an `UnexpectedEof` error; what the peer got wrong is an `InvalidData` error that holds a [`rustls::Error`].
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.plain.is_empty() {
                let count = self.plain.len().min(buf.len());
                buf[..count].copy_from_slice(&self.plain.data()[..count]);
                self.plain.consume(count);
                return Ok(count);
            }
            if self.peer_closed {
                return Ok(0);
            }
            if let Some(fault) = &self.fault {
                return Err(fault.to_io());
            }
            if self.starved {
                if self.truncated {
                    return Err(truncated());
                }
                self.receive()?;
            }
            let (step, read) = self.step(buf, Goal::Receive)?;
            match step {
                Step::Plaintext if read > 0 => return Ok(read),
                Step::Plaintext | Step::Progress => {}
                Step::PeerClosed | Step::Closed => {
                    self.peer_closed = true;
                    self.incoming.clear();
                }
                Step::Reached | Step::Starved => {
                    self.starved = true;
                    // An answer of rustls' own, such as a refused renegotiation.
                    if !self.outgoing.is_empty() {
                        self.send_pending()?;
                    }
                }
            }
        }
    }

    /// Ready when [`TlsStream::try_write`] may take bytes; else the task is woken then.
    #[inline]
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fault.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.tcp.poll_write_ready(cx)
    }

    /// Takes up to 32 KiB of the bytes in as few records as they need and sends them in one system call.
    ///
    /// Nothing is taken while more than 1.5 KiB of earlier bytes wait to be sent. Taken bytes that the socket has no room for are sent
    /// before those of the next call, or by [`TlsStream::poll_flush`].
    pub fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(fault) = &self.fault {
            return Err(fault.to_io());
        }
        if self.sent_close {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.outgoing.len() > SHARED_SEND_BYTES && !self.send_pending()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut from = Gather { slices, offset: 0 };
        let mut taken = 0;
        while taken < WRITE_PLAIN_BYTES {
            let most = RECORD_PLAIN_BYTES.min(WRITE_PLAIN_BYTES - taken);
            let count = match from.direct(most) {
                [] => break,
                direct if from.is_whole(direct.len(), most) => {
                    self.encrypt(direct)?;
                    direct.len()
                }
                // A small slice before another (a head and its body) is copied, so that they share a record.
                _ => {
                    let mut record = Buf::take();
                    debug_assert_eq!(BUF_BYTES, RECORD_PLAIN_BYTES);
                    let count = from.copy(record.space(), most);
                    record.filled(count);
                    self.encrypt(record.data())?;
                    count
                }
            };
            from.advance(count);
            taken += count;
        }
        self.send_pending()?;
        Ok(taken)
    }

    /// Ready when all bytes that were taken have gone to the operating system.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(fault) = &self.fault {
                return Poll::Ready(Err(fault.to_io()));
            }
            if self.send_pending()? {
                return Poll::Ready(Ok(()));
            }
            std::task::ready!(self.tcp.poll_write_ready(cx))?;
        }
    }

    /// Says that nothing more will be written. Best effort: it is queued behind what waits and sent as far as the
    /// socket takes it; [`TlsStream::poll_flush`] sends the rest.
    pub fn send_close_notify(&mut self) {
        if self.sent_close || self.fault.is_some() || self.machine.is_handshaking() {
            return;
        }
        self.sent_close = true;
        let _ = self.write_goal(Goal::Close).and_then(|()| self.send_pending());
    }

    /// The TCP connection underneath.
    #[inline]
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Gives back memory that only bytes in flight need. What waits to be read or sent stays, in exactly the memory
    /// it needs.
    pub fn release_memory(&mut self) {
        for buf in [&mut self.incoming, &mut self.outgoing, &mut self.plain] {
            buf.shrink();
        }
    }

    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_goal(Goal::Send(bytes))
    }

    /// Steps until a goal that writes is reached. Plaintext that is met on the way waits in `plain`: it came from
    /// `incoming`, which is not filled meanwhile, so its size is bounded.
    fn write_goal(&mut self, goal: Goal<'_>) -> io::Result<()> {
        loop {
            match self.step(&mut [], goal)?.0 {
                Step::Plaintext | Step::Progress => {}
                Step::PeerClosed => self.peer_closed = true,
                Step::Reached => return Ok(()),
                Step::Closed | Step::Starved => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    /// One step; what goes wrong becomes the connection's fault, after the alert for it was sent as far as possible.
    #[inline]
    pub(super) fn step(&mut self, reader: &mut [u8], goal: Goal<'_>) -> io::Result<(Step, usize)> {
        let mut sink = Sink { reader, read: 0, rest: &mut self.plain };
        let step = self.machine.step(&mut self.incoming, &mut self.outgoing, &mut sink, goal);
        let read = sink.read;
        match step {
            Ok(step) => {
                self.starved = self.incoming.is_empty();
                Ok((step, read))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    #[cold]
    fn fail(&mut self, error: Error) -> io::Error {
        // The alert is behind what was queued before it. A step that finds something queued does nothing else.
        while self.machine.common().wants_write() {
            let mut sink = Sink { reader: &mut [], read: 0, rest: &mut self.plain };
            let _ = self.machine.step(&mut self.incoming, &mut self.outgoing, &mut sink, Goal::Receive);
        }
        let _ = self.send_pending();
        self.set_fault(Fault::Tls(error))
    }

    fn set_fault(&mut self, fault: Fault) -> io::Error {
        let error = fault.to_io();
        self.fault = Some(Box::new(fault));
        self.incoming.clear();
        self.outgoing.clear();
        error
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_deref()
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Receives more; the end of the stream is a fault, since a proper one was announced before it.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        if self.incoming.len() >= INCOMING_BYTES_MAX {
            return Err(self.set_fault(Fault::Tls(Error::General("a handshake message is too large".into()))));
        }
        let least = RECORD_BUF_BYTES.saturating_sub(self.incoming.len()).max(8 * 1024);
        let space = self.incoming.space(least);
        let room = space.len();
        let socket = SockRef::from(&self.tcp);
        // Less than there was room for means that the socket is empty: saying so to the runtime spares the call that
        // would only find `WouldBlock`. What arrives later is a new event (the socket is registered edge-triggered).
        let mut drained = 0;
        let received = self.tcp.try_io(Interest::READABLE, || match (&*socket).read(space)? {
            count if count > 0 && count < room => {
                drained = count;
                Err(io::ErrorKind::WouldBlock.into())
            }
            count => Ok(count),
        });
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && drained > 0 => {
                self.incoming.filled(drained);
                self.starved = false;
                Ok(())
            }
            Ok(count) if count > 0 => {
                self.incoming.filled(count);
                self.starved = false;
                Ok(())
            }
            Ok(_) => {
                self.truncated = true;
                self.incoming.clear();
                Err(truncated())
            }
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => {
                        if self.incoming.is_empty() {
                            self.incoming.clear();
                        } else {
                            self.incoming.shrink();
                        }
                    }
                    kind => return Err(self.set_fault(Fault::Io(kind))),
                }
                Err(error)
            }
        }
    }

    /// Sends what waits; whether nothing waits any more.
    #[inline]
    pub(super) fn send_pending(&mut self) -> io::Result<bool> {
        while !self.outgoing.is_empty() {
            match self.tcp.try_write(self.outgoing.data()) {
                Ok(count) => self.outgoing.consume(count),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(false),
                    io::ErrorKind::Interrupted => {}
                    kind => return Err(self.set_fault(Fault::Io(kind))),
                },
            }
        }
        Ok(true)
    }
}

/// The bytes of several slices, in order.
struct Gather<'a> {
    slices: &'a [IoSlice<'a>],
    /// Bytes of the first slice that are done with.
    offset: usize,
}

impl<'a> Gather<'a> {
    /// The bytes at hand without copying, `most` at most; none only when there are no more.
    fn direct(&mut self, most: usize) -> &'a [u8] {
        while let [first, rest @ ..] = self.slices
            && self.offset == first.len()
        {
            (self.slices, self.offset) = (rest, 0);
        }
        let Some(first) = self.slices.first() else { return &[] };
        let bytes = &first[self.offset..];
        &bytes[..bytes.len().min(most)]
    }

    /// Whether `count` bytes at hand are all that a record can hold, or all that there is.
    fn is_whole(&self, count: usize, most: usize) -> bool {
        count == most || self.slices[1..].iter().all(|slice| slice.is_empty())
    }

    fn copy(&self, into: &mut [u8], most: usize) -> usize {
        let mut copied = 0;
        let mut offset = self.offset;
        for slice in self.slices {
            let bytes = &slice[offset..];
            let count = bytes.len().min(most - copied);
            into[copied..copied + count].copy_from_slice(&bytes[..count]);
            copied += count;
            offset = 0;
            if copied == most {
                break;
            }
        }
        copied
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let left = self.slices[0].len() - self.offset;
            if count < left {
                self.offset += count;
                return;
            }
            count -= left;
            (self.slices, self.offset) = (&self.slices[1..], 0);
        }
    }
}
