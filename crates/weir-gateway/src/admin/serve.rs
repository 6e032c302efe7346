//! Connections: accepted within a bound, ended when they take too long.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::Context;
use super::answer::answer;
use super::guard::Door;

/// Open connections per door; more wait in the kernel's queue.
pub(super) const CONNECTIONS_MAX: usize = 128;

/// Bytes and fields of a head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const FIELDS_MAX: usize = 100;

/// A connection without a whole head for this long is closed, whether it is slow or idle.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// A connection is ended after this time, so that one whose client reads nothing does not keep its place.
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(10);

/// What an ending connection's request still gets.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after an `accept` that failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Accepted {
    Tcp(TcpStream, Door),
    Unix(UnixStream),
}

impl Listening {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Of a connection that is gone already its task finds out.
                let _ = stream.set_nodelay(true);
                let door = Door::Tcp(stream.local_addr()?);
                Ok(Accepted::Tcp(stream, door))
            }
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

/// Serves one address until it is told to stop, and lets its connections end.
pub(super) async fn door(
    context: Arc<Context>,
    listening: Listening,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = next(&listening, &places) => accepted,
        };
        match accepted {
            Ok((Accepted::Tcp(stream, door), place)) => {
                connections.spawn(connection(context.clone(), stream, door, place, stop.clone()));
            }
            Ok((Accepted::Unix(stream), place)) => {
                connections.spawn(connection(context.clone(), stream, Door::Unix, place, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "admin cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listening);
    while connections.join_next().await.is_some() {}
}

/// The place first: a connection that finds none is left in the kernel's queue.
async fn next(
    listening: &Listening,
    places: &Arc<Semaphore>,
) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listening.accept().await?, place))
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    context: Arc<Context>,
    stream: S,
    door: Door,
    place: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(answer(&context, door, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a connection breaks interests nobody but its client, who knows.
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(CONNECTION_TIME_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, connection).await;
    drop(place);
}
