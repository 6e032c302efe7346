//! Connections: accepted within a bound, with TLS where it is configured, HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use weir_http::tls::PeerCertificate;

use super::{Answer, dispatch, text};
use crate::engine::Engine;
use crate::live::DoorTls;
use crate::receive;
use crate::tally::{Became, Why};

/// Open connections per address; more wait in the kernel's queue.
pub(crate) const CONNECTIONS_MAX: usize = 1024;
/// A connection without a whole head for this long is closed, whether it is slow or idle.
const HEAD_TIME_MAX: Duration = Duration::from_mins(2);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of an HTTP/1.1 head: queries may be long.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// What an ending connection's request still gets.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an `accept` that failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The names by which a client's verified certificate is known: DNS names and URIs of its alternative names.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertificateNames(pub(crate) Arc<[String]>);

impl CertificateNames {
    /// Those of the first certificate of a chain that was verified; none where none was shown.
    pub(crate) fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        let Some(first) = chain.and_then(<[_]>::first) else { return Self::default() };
        let read = PeerCertificate::read(first);
        Self(read.dns_names.into_iter().chain(read.uris).collect())
    }
}

/// What is spoken behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// HTTP interfaces.
    Http,
    /// gRPC.
    Grpc,
}

/// Serves one address until it is told to stop, and lets its requests end.
pub(crate) async fn door(
    kind: Door,
    engine: Arc<Engine>,
    listener: TcpListener,
    tls: watch::Receiver<DoorTls>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = next(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let tls = match kind {
                    Door::Http => tls.borrow().http.clone(),
                    Door::Grpc => tls.borrow().grpc.clone(),
                };
                connections.spawn(connection(kind, engine.clone(), stream, peer, tls, place, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the store's door cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The place first: a connection that finds none is left in the kernel's queue.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Of a connection that is gone already its task finds out.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, place))
}

async fn connection(
    kind: Door,
    engine: Arc<Engine>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
    stop: watch::Receiver<bool>,
) {
    match tls {
        None => requests(kind, engine, stream, CertificateNames::default(), stop).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let names = CertificateNames::of(stream.get_ref().1.peer_certificates());
                requests(kind, engine, stream, names, stop).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake with the store's door failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake with the store's door took too long"),
        },
    }
    drop(place);
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    kind: Door,
    engine: Arc<Engine>,
    stream: S,
    names: CertificateNames,
    mut stop: watch::Receiver<bool>,
) {
    let stopping = stop.clone();
    let service = service_fn(move |request| {
        let (engine, names, stopping) = (engine.clone(), names.clone(), stopping.clone());
        async move { Ok::<_, Infallible>(answer(kind, &engine, &names, request, stopping).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_streams(128);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a connection breaks interests nobody but its client, who knows.
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, connection).await;
}

/// Finds out who asks, and answers.
async fn answer(
    kind: Door,
    engine: &Arc<Engine>,
    names: &CertificateNames,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Answer {
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let caller = engine.rules().guard.caller(authorization, &names.0);
    if kind == Door::Grpc {
        return receive::grpc::answer(engine, caller, request).await;
    }
    let Some(caller) = caller else {
        if let Some(protocol) = dispatch::protocol(&request) {
            engine.tally().note(protocol, Became::Refused(Why::Unauthenticated));
        }
        let mut refused =
            text(401, "who is asking? Send `Authorization: Bearer TOKEN` with a token of `store.access`\n");
        refused
            .headers_mut()
            .insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"weir\""));
        return refused;
    };
    dispatch::dispatch(engine, &caller, request, stop).await
}

/// Says when to come back.
pub(crate) fn retry_after(mut answer: Answer, seconds: u32) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}
