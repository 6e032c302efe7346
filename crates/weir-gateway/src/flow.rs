//! One direction of a message: from one connection's buffer to the other connection, re-framed on the way.
//!
//! ```text
//! source stream ─read─► Buf ─┬─ identity ────────────────────────┬─► sink stream
//!                            └─ decoded / encoded ─► out (staged) ┘
//! ```
//! Identity bodies go from the buffer straight to the sink. Everything else is staged in `out`, which also carries the
//! head, so that head and first bytes leave in one system call. No more is read while staged bytes wait: a slow sink
//! slows its source, and nothing grows.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use weir_head::{
    Chunk, ChunkDecoder, Fields, Framing, HOP_BY_HOP, Known, Limits, Parsed, parse_trailers, write_chunk_head,
};
use weir_http::{BUF_BYTES, Buf, Stream};

/// Bodies up to this size are copied behind the head; larger ones are cheaper as a second slice.
const COPY_BYTES_MAX: usize = 4096;

/// Turns of the loop before other connections of the worker get theirs.
const TURNS_MAX: u32 = 64;

/// Fields that a trailer section may not carry on: framing, routing, credentials (RFC 9110, section 6.5.1).
const NOT_IN_TRAILERS: u64 = HOP_BY_HOP
    | Known::ContentLength.bit()
    | Known::Host.bit()
    | Known::Authorization.bit()
    | Known::Cookie.bit()
    | Known::SetCookie.bit()
    | Known::ContentEncoding.bit()
    | Known::ContentType.bit();

/// How the sink's bytes are framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    #[default]
    Identity,
    /// In chunks.
    Chunked,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    Ended,
    Length(u64),
    Chunked(ChunkDecoder),
    Trailers,
    UntilClose,
}

/// Why a body could not be passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlowError {
    /// The source's connection broke, or ended before its body did.
    Source,
    /// The source's bytes are no body in the announced framing.
    Malformed,
    /// The body is longer than allowed.
    TooLarge,
    /// The sink's connection broke.
    Sink,
}

/// The state of one direction. Recycled: [`Flow::start`] sets everything, `out` keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    source: Source,
    coding: Coding,
    /// Head and staged bytes.
    pub(crate) out: Vec<u8>,
    sent: usize,
    /// Body bytes taken from the source.
    pub(crate) body_bytes: u64,
    /// Bytes given to the sink, head and framing included.
    pub(crate) wire_bytes: u64,
    body_bytes_max: u64,
    trailers: Fields,
}

impl Flow {
    /// Begins a message: `out` is emptied for the head to be written to.
    pub(crate) fn start(&mut self, framing: Framing, coding: Coding, body_bytes_max: u64) {
        self.source = match framing {
            Framing::None | Framing::Length(0) => Source::Ended,
            Framing::Length(bytes) => Source::Length(bytes),
            Framing::Chunked => Source::Chunked(ChunkDecoder::default()),
            Framing::UntilClose => Source::UntilClose,
        };
        self.coding = coding;
        self.out.clear();
        self.trailers.clear();
        self.sent = 0;
        self.body_bytes = 0;
        self.wire_bytes = 0;
        self.body_bytes_max = body_bytes_max;
    }

    /// Begins to send the same message again: `out` is emptied for its head. What was taken from the source stays taken.
    pub(crate) fn restart(&mut self) {
        self.out.clear();
        self.sent = 0;
        self.wire_bytes = 0;
    }

    /// Gives back memory that only an unusually large head or trailer needed.
    pub(crate) fn recycle(&mut self) {
        self.source = Source::Ended;
        self.out.clear();
        self.sent = 0;
        if self.out.capacity() > 4 * BUF_BYTES {
            self.out = Vec::new();
        }
    }

    /// Whether the source's body was taken to its end.
    pub(crate) fn source_ended(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// Whether nothing is staged.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent == self.out.len()
    }

    /// Takes the body up to `max` bytes into `into` instead of a sink, so that it can be sent more than once. Ready with
    /// whether the whole of it fits.
    pub(crate) fn poll_collect(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut Stream,
        buf: &mut Buf,
        max: usize,
        into: &mut Vec<u8>,
    ) -> Poll<Result<bool, FlowError>> {
        let coding = std::mem::replace(&mut self.coding, Coding::Identity);
        let result = loop {
            self.stage(buf, true)?;
            into.append(&mut self.out);
            if self.source_ended() {
                break true;
            }
            if into.len() >= max {
                break false;
            }
            if self.poll_fill(cx, src, buf)?.is_pending() {
                self.coding = coding;
                return Poll::Pending;
            }
        };
        self.coding = coding;
        Poll::Ready(Ok(result))
    }

    /// Drops body bytes that the buffer holds.
    pub(crate) fn discard(&mut self, buf: &mut Buf) {
        while !buf.is_empty() && !self.source_ended() {
            let before = buf.len();
            if self.stage(buf, true).is_err() {
                return;
            }
            self.out.clear();
            self.sent = 0;
            if buf.len() == before {
                return;
            }
        }
    }

    /// Stages body bytes that were collected before.
    pub(crate) fn stage_collected(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.encode(bytes);
        }
        if self.source_ended() && self.coding == Coding::Chunked {
            self.stage_end();
        }
    }

    /// Moves what can be moved. Ready when the whole message was taken and given to the operating system.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut Stream,
        buf: &mut Buf,
        dst: &mut Stream,
    ) -> Poll<Result<(), FlowError>> {
        for _ in 0..TURNS_MAX {
            self.stage(buf, false)?;
            let straight = self.straight(buf);
            if self.sent < self.out.len() || straight > 0 {
                ready!(self.poll_send(cx, buf, straight, dst)).map_err(|_| FlowError::Sink)?;
                continue;
            }
            if self.source_ended() {
                return dst.poll_flush(cx).map_err(|_| FlowError::Sink);
            }
            ready!(self.poll_fill(cx, src, buf)?);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Like [`Flow::poll`] where the source is known to have ended: only sends what is staged.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, dst: &mut Stream) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match dst.try_write(&self.out[self.sent..]) {
                Ok(count) => self.count_sent(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready!(dst.poll_writable(cx))?,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        dst.poll_flush(cx)
    }

    fn count_sent(&mut self, count: usize) {
        self.sent += count;
        self.wire_bytes += count as u64;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Bytes at the front of the buffer that may go to the sink as they are.
    fn straight(&self, buf: &Buf) -> usize {
        match (&self.source, self.coding) {
            (Source::Length(left), Coding::Identity) => {
                buf.len().min(usize::try_from(*left).unwrap_or(usize::MAX))
            }
            (Source::UntilClose, Coding::Identity) => buf.len(),
            _ => 0,
        }
    }

    fn took(&mut self, count: usize) -> Result<(), FlowError> {
        self.body_bytes += count as u64;
        if self.body_bytes > self.body_bytes_max {
            return Err(FlowError::TooLarge);
        }
        if let Source::Length(left) = &mut self.source {
            *left -= count as u64;
            if *left == 0 {
                self.source = Source::Ended;
            }
        }
        Ok(())
    }

    /// Writes staged bytes, and bytes straight from the buffer behind them.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Buf,
        straight: usize,
        dst: &mut Stream,
    ) -> Poll<io::Result<()>> {
        let staged = self.out.len() - self.sent;
        let written = match (staged, straight) {
            (0, _) => dst.try_write(&buf.data()[..straight]),
            (_, 0) => dst.try_write(&self.out[self.sent..]),
            _ => dst.try_write_vectored(&[
                IoSlice::new(&self.out[self.sent..]),
                IoSlice::new(&buf.data()[..straight]),
            ]),
        };
        match written {
            Ok(0) => Poll::Ready(Err(ErrorKind::WriteZero.into())),
            Ok(count) => {
                let from_out = count.min(staged);
                self.count_sent(from_out);
                let from_buf = count - from_out;
                if from_buf > 0 {
                    self.wire_bytes += from_buf as u64;
                    buf.consume(from_buf);
                    // Never too large: a length was checked when it was announced, and answers have no limit.
                    let _ = self.took(from_buf);
                }
                Poll::Ready(Ok(()))
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => dst.poll_writable(cx),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut Stream,
        buf: &mut Buf,
    ) -> Poll<Result<(), FlowError>> {
        if self.is_long() && buf.is_usual() && buf.is_empty() {
            *buf = Buf::take_large();
        }
        loop {
            match src.try_read(buf.space()) {
                Ok(0) if matches!(self.source, Source::UntilClose) => {
                    self.source = Source::Ended;
                    if self.coding == Coding::Chunked {
                        self.stage_end();
                    }
                    return Poll::Ready(Ok(()));
                }
                Ok(0) => return Poll::Ready(Err(FlowError::Source)),
                Ok(count) => {
                    buf.filled(count);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    ready!(src.poll_readable(cx)).map_err(|_| FlowError::Source)?;
                }
                Err(_) => return Poll::Ready(Err(FlowError::Source)),
            }
        }
    }

    /// Whether the body is known to be longer than a buffer holds.
    fn is_long(&self) -> bool {
        match self.source {
            Source::Length(left) => left > BUF_BYTES as u64,
            Source::Chunked(_) | Source::UntilClose => self.body_bytes > BUF_BYTES as u64,
            Source::Ended | Source::Trailers => false,
        }
    }

    /// Decodes and encodes what the buffer holds into `out`, unless it may go straight. `all` stages identity bytes too.
    fn stage(&mut self, buf: &mut Buf, all: bool) -> Result<(), FlowError> {
        while !buf.is_empty() && self.out.len() - self.sent < BUF_BYTES {
            match &mut self.source {
                Source::Ended => return Ok(()),
                Source::Length(_) | Source::UntilClose => {
                    let have = match self.source {
                        Source::Length(left) => buf.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
                        _ => buf.len(),
                    };
                    let small = !self.out.is_empty() && have <= COPY_BYTES_MAX;
                    if self.coding == Coding::Identity && !small && !all {
                        return Ok(());
                    }
                    self.encode(&buf.data()[..have]);
                    buf.consume(have);
                    self.took(have)?;
                    if self.source_ended() && self.coding == Coding::Chunked {
                        self.stage_end();
                    }
                }
                Source::Chunked(decoder) => {
                    match decoder.next(buf.data()).map_err(|_| FlowError::Malformed)? {
                        Chunk::Data { skip, len } => {
                            buf.consume(skip);
                            if len > 0 {
                                self.encode(&buf.data()[..len]);
                                buf.consume(len);
                                self.took(len)?;
                            }
                        }
                        Chunk::End { skip } => {
                            buf.consume(skip);
                            self.source = Source::Trailers;
                        }
                    }
                }
                Source::Trailers => {
                    let limits = Limits { head_bytes: BUF_BYTES / 2, ..Limits::default() };
                    match parse_trailers(buf.data(), &limits, &mut self.trailers) {
                        Err(_) => return Err(FlowError::Malformed),
                        Ok(Parsed::Partial) => return Ok(()),
                        Ok(Parsed::Complete(len)) => {
                            buf.consume(len);
                            self.source = Source::Ended;
                            self.trailers.remove_any(NOT_IN_TRAILERS);
                            if self.coding == Coding::Chunked {
                                self.stage_end();
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn stage_end(&mut self) {
        self.out.extend_from_slice(b"0\r\n");
        self.trailers.write(&mut self.out);
        self.out.extend_from_slice(b"\r\n");
    }

    fn encode(&mut self, bytes: &[u8]) {
        match self.coding {
            Coding::Identity => self.out.extend_from_slice(bytes),
            Coding::Chunked => {
                write_chunk_head(bytes.len(), &mut self.out);
                self.out.extend_from_slice(bytes);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }
}
