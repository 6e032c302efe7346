//! Handshakes: from a TCP connection to a TLS one, in bounded time.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CertificateError, Error, HandshakeKind, ProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use weir_model::{FailureKind, Mono, TlsVersion};

use super::certificate::PeerCertificate;
use super::client::ClientTlsConfig;
use super::machine::{Goal, Machine, Step};
use super::resolver;
use super::server::ServerTlsConfig;
use super::stream::{Fault, TlsStream};
use crate::timer::Timer;

/// What both sides agreed on, and who the peer is.
#[derive(Clone, Debug)]
pub struct HandshakeInfo {
    /// The name that the client asked for (SNI), in lower case; on a server only.
    pub server_name: Option<String>,
    /// The protocol agreed on by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// The version.
    pub version: TlsVersion,
    /// Whether an earlier session was taken up.
    pub resumed: bool,
    /// The client's verified certificate; on a server only. A resumed session has that of its first handshake.
    pub client_certificate: Option<PeerCertificate>,
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The deadline passed.
    #[error("the TLS handshake took longer than allowed")]
    TimedOut,
    /// The peer closed the connection.
    #[error("the peer closed the connection before the TLS handshake was done")]
    Closed,
    /// The connection broke.
    #[error("the connection broke during the TLS handshake")]
    Io(#[source] io::Error),
    /// The first byte was a letter: a client that speaks plain HTTP (or another text protocol) to a TLS port. The
    /// connection is given back for an answer in the clear; what arrived on it so far is dropped.
    #[error("the client does not speak TLS (it may be sending plain HTTP to a TLS port)")]
    PlainHttp(TcpStream),
    /// The peer's certificate is missing or not acceptable.
    #[error("the peer's certificate is not acceptable: {}", explain(.0))]
    Certificate(Error),
    /// The peer refused with an alert.
    #[error("the peer ended the TLS handshake: {0}")]
    Refused(Error),
    /// Anything else.
    #[error("the TLS handshake failed: {0}")]
    Protocol(Error),
    /// The name to be verified is no DNS name and no IP address.
    #[error("'{0}' is neither a DNS name nor an IP address, so no certificate can be valid for it")]
    ServerName(String),
}

impl HandshakeError {
    /// The kind of failure that it is for a request to an upstream.
    pub fn failure_kind(&self) -> FailureKind {
        match self {
            Self::TimedOut => FailureKind::ConnectionTimeout,
            Self::Closed | Self::Io(_) => FailureKind::ConnectionTerminated,
            Self::Certificate(_) | Self::ServerName(_) => FailureKind::TlsCertificateError,
            Self::PlainHttp(_) | Self::Refused(_) | Self::Protocol(_) => FailureKind::TlsProtocolError,
        }
    }

    fn from_tls(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(_) | Error::NoCertificatesPresented => Self::Certificate(error),
            Error::AlertReceived(_) => Self::Refused(error),
            _ => Self::Protocol(error),
        }
    }
}

/// rustls' words, and where it helps, the remedy.
fn explain(error: &Error) -> String {
    let remedy = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its issuer is not among the trusted roots (or an intermediate certificate was not sent); add the issuer \
             to the roots, or complete the peer's chain"
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "it was not signed by the trusted root that has its issuer's name (roots of another installation?)"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "it has expired; it has to be renewed, or this machine's clock is wrong"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "it is not valid yet; is this machine's clock right?",
        Error::NoCertificatesPresented => "none was sent",
        _ => "",
    };
    if remedy.is_empty() { error.to_string() } else { remedy.to_owned() }
}

/// Does the server's side of a handshake.
///
/// Until the client has sent something, nothing is allocated for it. The session tickets of TLS 1.3 are sent together
/// with the first bytes that are written, which spares a system call and a packet. Cancel safe in that dropping the future closes
/// the connection and leaves nothing behind.
pub async fn accept(
    tcp: TcpStream,
    config: &ServerTlsConfig,
    deadline: Mono,
) -> Result<(Box<TlsStream>, HandshakeInfo), HandshakeError> {
    let mut timer = Timer::default();
    timer.set(deadline);
    poll_fn(|cx| {
        if timer.poll_expired(cx) {
            return Poll::Ready(Err(HandshakeError::TimedOut));
        }
        tcp.poll_read_ready(cx).map_err(HandshakeError::Io)
    })
    .await?;
    let connection =
        UnbufferedServerConnection::new(Arc::clone(&config.rustls)).map_err(HandshakeError::Protocol)?;
    let mut stream = Box::new(TlsStream::new(tcp, Machine::Server(connection)));
    let mut server_name = None;
    let done = poll_fn(|cx| poll_handshake(&mut stream, &mut timer, &mut server_name, cx)).await;
    match done {
        Ok(()) => {}
        Err(Failed::PlainHttp) => return Err(HandshakeError::PlainHttp(stream.into_tcp())),
        Err(Failed::Other(error)) => return Err(error),
    }
    let info = info(&stream, server_name);
    Ok((stream, info))
}

/// Does the client's side of a handshake, and verifies that the server is `server_name` (a DNS name or an IP
/// address), which is also sent as SNI where it is a name. Cancel safe as [`accept`] is.
pub async fn connect(
    tcp: TcpStream,
    config: &ClientTlsConfig,
    server_name: &str,
    deadline: Mono,
) -> Result<(Box<TlsStream>, HandshakeInfo), HandshakeError> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| HandshakeError::ServerName(server_name.to_owned()))?;
    let mut timer = Timer::default();
    timer.set(deadline);
    let connection = UnbufferedClientConnection::new(Arc::clone(&config.rustls), name)
        .map_err(HandshakeError::Protocol)?;
    let mut stream = Box::new(TlsStream::new(tcp, Machine::Client(connection)));
    let done = poll_fn(|cx| poll_handshake(&mut stream, &mut timer, &mut None, cx)).await;
    match done {
        Ok(()) => {}
        Err(Failed::PlainHttp) => unreachable!("looked for on a server only"),
        Err(Failed::Other(error)) => return Err(error),
    }
    let info = info(&stream, None);
    Ok((stream, info))
}

enum Failed {
    PlainHttp,
    Other(HandshakeError),
}

fn poll_handshake(
    stream: &mut TlsStream,
    timer: &mut Timer,
    server_name: &mut Option<String>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Failed>> {
    if timer.poll_expired(cx) {
        return Poll::Ready(Err(Failed::Other(HandshakeError::TimedOut)));
    }
    loop {
        let error = match advance(stream, server_name) {
            Ok(Advanced::Done) => return Poll::Ready(Ok(())),
            Ok(Advanced::PlainHttp) => return Poll::Ready(Err(Failed::PlainHttp)),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                // The peer answers only what it has received, so while something waits to be sent there is nothing
                // to read.
                let readiness = if stream.has_pending() {
                    stream.tcp().poll_write_ready(cx)
                } else {
                    stream.tcp().poll_read_ready(cx)
                };
                if let Err(error) = ready!(readiness) {
                    return Poll::Ready(Err(Failed::Other(HandshakeError::Io(error))));
                }
            }
            io::ErrorKind::Interrupted => {}
            kind => {
                let error = match stream.fault() {
                    Some(Fault::Tls(error)) => HandshakeError::from_tls(error.clone()),
                    _ if kind == io::ErrorKind::UnexpectedEof => HandshakeError::Closed,
                    _ => HandshakeError::Io(error),
                };
                return Poll::Ready(Err(Failed::Other(error)));
            }
        }
    }
}

enum Advanced {
    Done,
    PlainHttp,
}

/// Goes on until the handshake is done, or `WouldBlock`.
fn advance(stream: &mut TlsStream, server_name: &mut Option<String>) -> io::Result<Advanced> {
    loop {
        let begins = stream.machine.common().protocol_version().is_none();
        if begins
            && matches!(stream.machine, Machine::Server(_))
            && stream.incoming.data().first().is_some_and(u8::is_ascii_alphabetic)
        {
            return Ok(Advanced::PlainHttp);
        }
        // Early data is not enabled, so there is no plaintext before the end.
        let stepped = stream.step(&mut [], Goal::Receive);
        if let Some(asked) = resolver::take_asked() {
            *server_name = asked.server_name;
        }
        match stepped?.0 {
            Step::Progress | Step::Plaintext => {}
            Step::Reached if !stream.machine.is_handshaking() => {
                // What a TLS 1.3 server has left to say are tickets, which can wait for company. All else, the peer
                // is waiting for.
                let only_tickets = matches!(stream.machine, Machine::Server(_))
                    && stream.machine.common().protocol_version() == Some(ProtocolVersion::TLSv1_3);
                return if only_tickets || stream.send_pending()? {
                    stream.release_memory();
                    Ok(Advanced::Done)
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                };
            }
            Step::Reached | Step::Starved => {
                if !stream.send_pending()? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                stream.receive()?;
            }
            Step::PeerClosed | Step::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn info(stream: &TlsStream, server_name: Option<String>) -> HandshakeInfo {
    let common = stream.machine.common();
    let client_certificate = match &stream.machine {
        Machine::Server(_) => common.peer_certificates().and_then(<[_]>::first),
        Machine::Client(_) => None,
    };
    HandshakeInfo {
        server_name,
        alpn: common.alpn_protocol().map(<[u8]>::to_vec),
        version: match common.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        },
        resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        client_certificate: client_certificate.map(|der| PeerCertificate::read(der)),
    }
}
