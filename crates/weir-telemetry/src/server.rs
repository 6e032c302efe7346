//! The doors of the store, from their opening to their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_emit::metrics::{Collecting, Registry};
use weir_emit::trail::{Keeps, Trail};
use weir_http::BindError;
use weir_model::{ScrapeJob, Telemetry};
use weir_store::Store;

use crate::caller::{Guard, GuardError};
use crate::engine::Engine;
use crate::http::{self, Door};
use crate::live::{DoorTls, Live};
use crate::tls::TlsError;
use crate::{export, own, receive, scrape};

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
    live: Live,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    http: Vec<SocketAddr>,
    grpc: Vec<SocketAddr>,
    exported: Vec<Collecting>,
    follower: Option<(Trail, JoinHandle<()>)>,
}

impl Server {
    /// Opens every door that `settings` names, and begins to scrape, on the runtime of the caller. All addresses are
    /// bound before this returns; where one cannot be, none is open.
    pub async fn start(store: Store, settings: Arc<Telemetry>) -> Result<Self, StartError> {
        let guard = Guard::new(&settings.access)?;
        let engine = Engine::new(store, settings.clone(), guard);
        let (tls, shown) = watch::channel(DoorTls::new(settings.tls.as_ref())?);
        let http_doors = listen(&settings.http)?;
        let grpc_doors = listen(&settings.grpc)?;
        let udp = match settings.jaeger_udp {
            None => None,
            Some(address) => Some(UdpSocket::bind(address).await.map_err(|error| {
                std::io::Error::new(
                    error.kind(),
                    format!("{address} cannot be bound for Jaeger's UDP: {error}"),
                )
            })?),
        };
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let addresses =
            |doors: &[TcpListener]| doors.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
        let (http, grpc) = (addresses(&http_doors)?, addresses(&grpc_doors)?);
        for door in http_doors {
            tasks.spawn(http::door(Door::Http, engine.clone(), door, shown.clone(), stopped.clone()));
        }
        for door in grpc_doors {
            tasks.spawn(http::door(Door::Grpc, engine.clone(), door, shown.clone(), stopped.clone()));
        }
        if let Some(socket) = udp {
            tasks.spawn(receive::udp::door(engine.clone(), socket, stopped.clone()));
        }
        let (jobs, wanted) = watch::channel(settings.scrape.clone());
        tasks.spawn(scrape::run(engine.clone(), wanted, stopped));
        let live = Live { engine, tls, jobs };
        Ok(Self { live, stop, tasks, http, grpc, follower: None, exported: Vec::new() })
    }

    /// Shows `registry` at `GET /metrics`, to callers of the default tenant, and adds to it what the store says of itself.
    pub fn export(&mut self, registry: &Registry) {
        self.exported = export::register(registry, &self.live.engine);
        self.live.engine.show(registry.clone());
    }

    /// What takes changes while the doors are open.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Keeps what the gateway in the same process says of its traffic. The way is to be handed to the gateway; what it
    /// was told until it drained is in the store once [`Server::stop`] has returned.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn own(&mut self, registry: &Registry) -> std::io::Result<Option<Trail>> {
        let own = self.live.engine.settings().own;
        if let Some(every) = own.metrics {
            let stopped = self.stop.subscribe();
            self.tasks.spawn(own::metrics::watch(self.live.engine.clone(), registry.clone(), every, stopped));
        }
        if !own.logs && own.spans_ppm == 0 {
            return Ok(None);
        }
        let keeps = Keeps { logs: own.logs, spans_ppm: own.spans_ppm };
        let (trail, reader) = Trail::new(keeps);
        trail.register(registry);
        let thread = own::follow(self.live.engine.store().clone(), reader, keeps)?;
        self.follower = Some((trail.clone(), thread));
        Ok(Some(trail))
    }

    /// Scrapes these jobs from now on. One that is as before goes on undisturbed; series of targets that are not asked any
    /// more end after two intervals, unless another target goes on with them.
    pub fn scrape(&self, jobs: Vec<Arc<ScrapeJob>>) {
        self.live.jobs.send_replace(jobs);
    }

    /// What the doors lead to.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.live.engine
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
        if let Some((trail, follower)) = self.follower.take() {
            trail.close();
            // Ends once it has taken what is left; a disk that hangs is not waited for.
            let ended = tokio::task::spawn_blocking(move || follower.join());
            if tokio::time::timeout(DRAIN, ended).await.is_err() {
                tracing::warn!(
                    "Weir's own last records were still on their way after {DRAIN:?}: they are lost"
                );
            }
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
