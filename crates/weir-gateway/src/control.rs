//! The gateway as its owner sees it: started with a model, given another while it runs, drained at the end.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, mpsc, oneshot};
use weir_emit::access::{AccessLog, Format, Settings, Target, Totals};
use weir_emit::logging::Colour;
use weir_emit::metrics::{Columns, Family, Registry};
use weir_emit::trail::Trail;
use weir_http::{BindError, mono_now};
use weir_model::{AccessLogFormat, Model, RateLimit, Telemetry};

use crate::assemble::{Addresses, AssembleError, Assembler, Secrets};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::worker::{self, Order};
use crate::{echo, gauges, resolve};

/// Orders that a worker may have waiting.
const INBOX: usize = 64;

/// Why the gateway does not start, or a change is not taken.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate or another file is missing.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The access log can't be written.
    #[error("the access log cannot be opened: {0}")]
    AccessLog(std::io::Error),
    /// A thread or another resource of the operating system can't be had.
    #[error("the operating system refused a resource: {0}")]
    System(#[from] std::io::Error),
    /// What the model says of the store cannot be put in force.
    #[error(transparent)]
    Store(StoreError),
    /// The gateway is draining or its workers are gone.
    #[error("the gateway is stopping")]
    Stopping,
}

/// Judges what a model says of the store in the same process, and gives what puts it in force. An error refuses the change
/// as a whole.
pub struct StoreChange(Box<Judge>);

type Judge = dyn Fn(&Arc<Telemetry>) -> Result<PutInForce, StoreError> + Send + Sync;
/// Puts in force what was judged.
pub type PutInForce = Box<dyn FnOnce() + Send>;
/// Why what a model says of the store cannot be put in force.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

impl StoreChange {
    /// What judges by `judge`.
    pub fn new(
        judge: impl Fn(&Arc<Telemetry>) -> Result<PutInForce, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(judge))
    }
}

impl std::fmt::Debug for StoreChange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("StoreChange")
    }
}

/// A change that is live.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The snapshot's number.
    pub version: u64,
    /// What changed, in words.
    pub changes: Vec<String>,
    /// From its receipt to the last worker's acknowledgement.
    pub took: Duration,
}

/// A running gateway. Cheap to clone; all clones are the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    access_totals: Totals,
    shared: Arc<Shared>,
    current: ArcSwap<Snapshot>,
    inboxes: Vec<mpsc::Sender<Order>>,
    /// What takes changes of the store in the same process, where there is one.
    store: OnceLock<StoreChange>,
    /// One change at a time.
    state: Mutex<State>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    assembler: Assembler,
    /// Sockets by address; workers have duplicates.
    sockets: HashMap<SocketAddr, Vec<TcpListener>>,
    addresses: Addresses,
    stopping: bool,
}

impl Gateway {
    /// Binds, starts one thread per worker and serves. Must be called within a runtime that drives control: name
    /// resolution and the echo service run on it.
    pub async fn start(model: Model, registry: Registry, workers: usize) -> Result<Self, GatewayError> {
        Self::start_with_trail(model, registry, workers, None).await
    }

    /// The same, telling every request to a store in the same process.
    pub async fn start_with_trail(
        model: Model,
        registry: Registry,
        workers: usize,
        trail: Option<Trail>,
    ) -> Result<Self, GatewayError> {
        let workers = workers.max(1);
        let mut assembler = Assembler::new(&registry, workers);
        if resolve::wants_echo(&model) {
            assembler.echo = Some(echo::start()?);
        }
        let addresses = resolve::first(&model).await;
        let access_totals = Totals::default();
        access_totals.register(&registry);
        let access = Arc::new(open_access_log(&model, &access_totals)?);
        let snapshot = Arc::new(assembler.assemble(model, None, &addresses, Secrets::Keep, access)?);
        let mut seed = seed();
        let failures = registry
            .counters(
                Family::new("weir_failures_total", "Requests that did not get the answer they asked for.")
                    .columns(Columns::Failure),
            )
            .series(&[]);
        let shared = Arc::new(Shared::new(workers, &mut seed, assembler.unrouted(), failures, trail));
        prepare_limits(&shared, &snapshot.model);
        let mut sockets = HashMap::new();
        for listener in snapshot.listeners() {
            let address = listener.model.address;
            sockets.insert(address, weir_http::listen(address, workers)?);
        }
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for index in 0..workers {
            let (sender, inbox) = mpsc::channel(INBOX);
            let metrics = registry.worker(index).ok_or(GatewayError::Stopping)?;
            let (shared, snapshot) = (shared.clone(), snapshot.clone());
            let seed = seed.next_u64();
            let thread =
                std::thread::Builder::new().name(format!("weir-worker-{index}")).spawn(move || {
                    if let Err(error) = worker::run(index, shared, metrics, snapshot, seed, inbox) {
                        tracing::error!(worker = index, %error, "a worker could not start");
                    }
                })?;
            inboxes.push(sender);
            threads.push(thread);
        }
        let gateway = Self {
            inner: Arc::new(Inner {
                registry,
                access_totals,
                shared,
                current: ArcSwap::from(snapshot.clone()),
                inboxes,
                store: OnceLock::new(),
                state: Mutex::new(State { assembler, sockets, addresses, stopping: false }),
                threads: std::sync::Mutex::new(threads),
            }),
        };
        gauges::register(&gateway);
        let mut state = gateway.inner.state.lock().await;
        let all: Vec<SocketAddr> = state.sockets.keys().copied().collect();
        gateway.publish(&mut state, &snapshot, &all).await?;
        drop(state);
        tokio::spawn(resolve::follow(gateway.clone()));
        Ok(gateway)
    }

    /// Has changes of what the model says of the store judged, and put in force with the rest. The first one given stays.
    pub fn follow_store(&self, change: StoreChange) {
        self.inner.store.get_or_init(|| change);
    }

    /// The model in force.
    pub fn model(&self) -> Model {
        self.inner.current.load().model.clone()
    }

    /// The number of the snapshot in force.
    pub fn version(&self) -> u64 {
        self.inner.current.load().version
    }

    /// The metrics.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The access log, to be reopened or flushed.
    pub fn access_log(&self) -> Arc<AccessLog> {
        self.inner.current.load().access.clone()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.current.load_full()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Puts a model in force: live when every worker has acknowledged it. On an error the old one serves on and nothing
    /// has changed. `change` gets the model in force, so that edits which come at once build on each other.
    pub async fn change<E: From<GatewayError>>(
        &self,
        change: impl FnOnce(&Model) -> Result<Model, E>,
    ) -> Result<Applied, E> {
        let received = Instant::now();
        let mut state = self.inner.state.lock().await;
        let current = self.inner.current.load_full();
        let model = change(&current.model)?;
        self.put_in_force(&mut state, &current, model, Secrets::Keep, received).await.map_err(E::from)
    }

    /// Reads all secrets again, for certificates whose files have changed.
    pub async fn reload_secrets(&self) -> Result<Applied, GatewayError> {
        let received = Instant::now();
        let mut state = self.inner.state.lock().await;
        let current = self.inner.current.load_full();
        let model = current.model.clone();
        let mut applied =
            self.put_in_force(&mut state, &current, model, Secrets::ReadAgain, received).await?;
        applied.changes.push("certificates and keys read again".into());
        Ok(applied)
    }

    /// New addresses for names.
    pub(crate) async fn readdress(&self, fresh: Addresses) -> Result<(), GatewayError> {
        let received = Instant::now();
        let mut state = self.inner.state.lock().await;
        if state.addresses == fresh {
            return Ok(());
        }
        state.addresses = fresh;
        let current = self.inner.current.load_full();
        let model = current.model.clone();
        self.put_in_force(&mut state, &current, model, Secrets::Keep, received).await.map(drop)
    }

    async fn put_in_force(
        &self,
        state: &mut State,
        current: &Arc<Snapshot>,
        model: Model,
        secrets: Secrets,
        received: Instant,
    ) -> Result<Applied, GatewayError> {
        if state.stopping {
            return Err(GatewayError::Stopping);
        }
        if state.assembler.echo.is_none() && resolve::wants_echo(&model) {
            state.assembler.echo = Some(echo::start()?);
        }
        for (name, addresses) in resolve::missing(&model, &state.addresses).await {
            state.addresses.insert(name, addresses);
        }
        let changes = weir_config::changes(&current.model, &model);
        // Before anything is live: it may refuse the change. Its secrets are read again with all others.
        let store = match (self.inner.store.get(), &model.store) {
            (Some(change), Some(wanted))
                if current.model.store != model.store || secrets == Secrets::ReadAgain =>
            {
                Some((change.0)(wanted).map_err(GatewayError::Store)?)
            }
            (None, Some(_)) if current.model.store != model.store => {
                tracing::warn!("no store is open: what `store` says takes effect at the next start");
                None
            }
            _ => None,
        };
        // New sockets first: an address in use refuses the change before anything of it is live.
        let mut fresh = Vec::new();
        for listener in model.listeners.values() {
            if !state.sockets.contains_key(&listener.address) {
                let sockets = weir_http::listen(listener.address, self.inner.inboxes.len())?;
                fresh.push((listener.address, sockets));
            }
        }
        let access = if model.access_log == current.model.access_log {
            current.access.clone()
        } else {
            Arc::new(open_access_log(&model, &self.inner.access_totals)?)
        };
        let State { assembler, addresses, .. } = &mut *state;
        let snapshot = Arc::new(assembler.assemble(model, Some(current), addresses, secrets, access)?);
        prepare_limits(&self.inner.shared, &snapshot.model);
        let new: Vec<SocketAddr> = fresh.iter().map(|(address, _)| *address).collect();
        state.sockets.extend(fresh);
        self.publish(state, &snapshot, &new).await?;
        if let Some(put_in_force) = store {
            put_in_force();
        }
        // Closed only now: until every worker had let go, connections in their queues were still accepted.
        state.sockets.retain(|address, _| snapshot.listener_at(*address).is_some());
        Ok(Applied { version: snapshot.version, changes, took: received.elapsed() })
    }

    async fn publish(
        &self,
        state: &mut State,
        snapshot: &Arc<Snapshot>,
        new: &[SocketAddr],
    ) -> Result<(), GatewayError> {
        let mut acknowledged = Vec::with_capacity(self.inner.inboxes.len());
        for (index, inbox) in self.inner.inboxes.iter().enumerate() {
            let mut sockets = Vec::with_capacity(new.len());
            for address in new {
                if let Some(socket) = state.sockets.get(address).and_then(|all| all.get(index)) {
                    sockets.push((*address, socket.try_clone()?));
                }
            }
            let (done, ack) = oneshot::channel();
            let order = Order::Publish { snapshot: snapshot.clone(), sockets, done };
            inbox.send(order).await.map_err(|_| GatewayError::Stopping)?;
            acknowledged.push(ack);
        }
        for ack in acknowledged {
            ack.await.map_err(|_| GatewayError::Stopping)?;
        }
        self.inner.current.store(snapshot.clone());
        Ok(())
    }

    /// Stops accepting, lets open requests end within the listeners' longest drain time, and ends all workers. Gives back
    /// whether every connection ended by itself.
    pub async fn drain(&self) -> bool {
        let mut state = self.inner.state.lock().await;
        state.stopping = true;
        let longest = self
            .snapshot()
            .listeners()
            .map(|listener| listener.model.timeouts.drain)
            .max()
            .unwrap_or_default();
        let begun = Instant::now();
        let deadline = mono_now().after(longest);
        // Now, and not at the end: while one of our handles is open the system goes on completing handshakes that nobody
        // accepts, also those meant for a successor on the same port.
        state.sockets.clear();
        let mut acknowledged = Vec::new();
        for inbox in &self.inner.inboxes {
            let (done, ack) = oneshot::channel();
            if inbox.send(Order::Drain { deadline, done }).await.is_ok() {
                acknowledged.push(ack);
            }
        }
        for ack in acknowledged {
            let _ = ack.await;
        }
        let threads = std::mem::take(
            &mut *self.inner.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        let _ = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        })
        .await;
        self.access_log().flush(Duration::from_secs(2));
        begun.elapsed() < longest || longest.is_zero()
    }
}

/// Makes the table of keyed limits before a request asks for it: five megabytes are not cleared in a moment.
fn prepare_limits(shared: &Shared, model: &Model) {
    let keyed =
        |limits: &[RateLimit]| limits.iter().any(|limit| matches!(limit, RateLimit::TokenBucket { .. }));
    let wanted = || {
        model.routes.values().any(|route| keyed(&route.rate_limits))
            || model.services.values().any(|service| keyed(&service.rate_limits))
    };
    if shared.limits_in_use().is_none() && wanted() {
        shared.limits();
    }
}

fn open_access_log(model: &Model, totals: &Totals) -> Result<AccessLog, GatewayError> {
    let log = &model.access_log;
    let colour = if log.file.is_some() { Colour::Off } else { Colour::of(&std::io::stdout()) };
    let format = match log.format {
        AccessLogFormat::Off | AccessLogFormat::Json => Format::Json,
        AccessLogFormat::Text => Format::Text(colour),
        AccessLogFormat::Auto => {
            let terminal = log.file.is_none() && std::io::IsTerminal::is_terminal(&std::io::stdout());
            if terminal { Format::Text(colour) } else { Format::Json }
        }
    };
    let target = match &log.file {
        Some(path) => Target::File(path.clone()),
        None => Target::Stdout,
    };
    AccessLog::start(Settings::new(target, format), totals).map_err(GatewayError::AccessLog)
}

/// A generator seeded by the operating system, by way of the standard library's own source of hash keys.
fn seed() -> weir_traffic::Rng {
    use std::hash::{BuildHasher, Hasher};
    weir_traffic::Rng::seeded(std::hash::RandomState::new().build_hasher().finish())
}
