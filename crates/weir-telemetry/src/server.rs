//! The doors of the store, from their opening to their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use weir_http::BindError;
use weir_model::Telemetry;
use weir_store::Store;

use crate::caller::{Guard, GuardError};
use crate::engine::Engine;
use crate::http;
use crate::tls::{self, TlsError};

/// How long requests that are under way may go on once it stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the doors do not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("the store's door: {0}")]
    Bind(#[source] BindError),
    /// Callers cannot be told apart.
    #[error("the store's `access`: {0}")]
    Guard(#[from] GuardError),
    /// TLS cannot be set up.
    #[error("the store's `tls`: {0}")]
    Tls(#[from] TlsError),
    /// A resource of the operating system can't be had.
    #[error("the store's door: {0}")]
    System(#[from] std::io::Error),
}

/// Open doors, and scrapes under way. Dropped, all ends at once; [`Server::stop`] lets requests end first.
pub struct Server {
    engine: Arc<Engine>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    http: Vec<SocketAddr>,
    grpc: Vec<SocketAddr>,
}

impl Server {
    /// Opens every door that `settings` names, and begins to scrape, on the runtime of the caller. All addresses are
    /// bound before this returns; where one cannot be, none is open.
    pub async fn start(store: Store, settings: Arc<Telemetry>) -> Result<Self, StartError> {
        let guard = Guard::new(&settings.access)?;
        let engine = Engine::new(store, settings.clone(), guard);
        let acceptor = |alpn: &[&str]| -> Result<Option<TlsAcceptor>, TlsError> {
            settings.tls.as_ref().map(|tls| tls::acceptor(tls, alpn)).transpose()
        };
        let (http_tls, grpc_tls) = (acceptor(&["h2", "http/1.1"])?, acceptor(&["h2"])?);
        let http_doors = listen(&settings.http)?;
        let grpc_doors = listen(&settings.grpc)?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let addresses =
            |doors: &[TcpListener]| doors.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
        let (http, grpc) = (addresses(&http_doors)?, addresses(&grpc_doors)?);
        for door in http_doors {
            tasks.spawn(http::door(engine.clone(), door, http_tls.clone(), stopped.clone()));
        }
        Ok(Self { engine, stop, tasks, http, grpc })
    }

    /// What the doors lead to.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Where HTTP is answered.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where gRPC is answered.
    pub fn grpc_addresses(&self) -> &[SocketAddr] {
        &self.grpc
    }

    /// Closes the doors, lets requests end, but no longer than ten seconds. The store itself stays open.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!("requests to the store were still open after {DRAIN:?}: they are cut off");
        }
    }
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let mut doors = Vec::new();
    for &address in addresses {
        let socket = weir_http::listen(address, 1).map_err(StartError::Bind)?.remove(0);
        doors.push(TcpListener::from_std(socket)?);
    }
    Ok(doors)
}
