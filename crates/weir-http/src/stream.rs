//! A byte stream, plain or TLS, read and written without waiting.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::TlsStream;

/// Reads what is there, without waiting.
///
/// Not [`TcpStream::try_read`]: the runtime's own read notes when less came than there was room for, and so spares the
/// call that would only be told `EAGAIN` (one in five system calls of a proxied request). The waker given here wakes
/// nobody; whoever is told `WouldBlock` polls readiness with the right one.
#[inline]
pub(crate) fn read_now(tcp: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = ReadBuf::new(buf);
    match Pin::new(tcp).poll_read(&mut Context::from_waker(Waker::noop()), &mut filled) {
        Poll::Ready(result) => result.map(|()| filled.filled().len()),
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

/// A connection's bytes. Reading and writing never wait: `WouldBlock` means to poll for readiness and try again.
///
/// The order that makes a wait sound is: try, and on `WouldBlock` poll readiness; if that is ready, try again.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP, after its handshake.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Ready when [`Stream::try_read`] may give bytes, the end, or an error; else the task is woken then.
    #[inline]
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
            Self::Tls(tls) => tls.poll_readable(cx),
        }
    }

    /// Reads what is there. 0 is the end (for TLS: a proper one; a cut-off is an `UnexpectedEof` error).
    #[inline]
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => read_now(tcp, buf),
            Self::Tls(tls) => tls.try_read(buf),
        }
    }

    /// Ready when [`Stream::try_write`] may take bytes; else the task is woken then.
    #[inline]
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_write_ready(cx),
            Self::Tls(tls) => tls.poll_writable(cx),
        }
    }

    /// Takes some of the bytes. For TLS, taken bytes may still have to be sent: see [`Stream::poll_flush`].
    #[inline]
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(tls) => tls.try_write(&[IoSlice::new(bytes)]),
        }
    }

    /// Takes some of the bytes of several slices, in one system call.
    #[inline]
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(slices),
            Self::Tls(tls) => tls.try_write(slices),
        }
    }

    /// Ready when all bytes that were taken have gone to the operating system.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(cx),
        }
    }

    /// Says that no more bytes will be written (TLS: `close_notify`, then FIN). Best effort, never waits.
    pub fn finish(&mut self) {
        if let Self::Tls(tls) = self {
            tls.send_close_notify();
        }
        let _ = socket2::SockRef::from(self.tcp()).shutdown(std::net::Shutdown::Write);
    }

    /// The TCP connection underneath.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.tcp(),
        }
    }

    /// Gives back memory that only bytes in flight need. Called when a connection becomes idle.
    pub fn release_memory(&mut self) {
        if let Self::Tls(tls) = self {
            tls.release_memory();
        }
    }
}
