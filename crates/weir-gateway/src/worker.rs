//! A worker: one thread, one runtime, its own sockets, connections and pools.
//!
//! ```text
//! control ─Publish(snapshot)─► inbox ─► worker ─acknowledges─► control
//! kernel ──SO_REUSEPORT──────► accept ─► connection task ─► exchange ─► log
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use weir_emit::access::AccessBuffer;
use weir_emit::metrics;
use weir_emit::trail::{Sampler, TrailBuffer};
use weir_http::{mono_now, wall_now};
use weir_model::{ChainId, Mono, Wall};
use weir_traffic::{Cursor, Rng};

use crate::chain::{ChainLive, MethodMetrics};
use crate::connection;
use crate::exchange::Exchange;
use crate::live::ListenerLive;
use crate::pool::Pools;
use crate::shared::Shared;
use crate::snapshot::Snapshot;

/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// How often access records are handed on that wait in a worker's buffer: a person watches them come.
const FLUSH: Duration = Duration::from_millis(100);

/// Pause after accepting failed for want of file descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Exchanges kept for reuse; more are freed.
const EXCHANGES_KEPT: usize = 1024;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// This snapshot is in force, with sockets for addresses that are new to the worker. Acknowledged once every later
    /// request is served by it.
    Publish { snapshot: Arc<Snapshot>, sockets: Vec<(SocketAddr, StdTcpListener)>, done: oneshot::Sender<()> },
    /// Accept no more; close idle connections now and the others after their request. Acknowledged when none is left,
    /// or at the deadline.
    Drain { deadline: Mono, done: oneshot::Sender<()> },
}

/// A snapshot as one worker holds it: counted without atomics.
pub(crate) type Published = Rc<Arc<Snapshot>>;

/// What the tasks of one worker share.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: metrics::Worker,
    pub(crate) pools: RefCell<Pools>,
    pub(crate) rng: RefCell<Rng>,
    pub(crate) access: RefCell<AccessBuffer>,
    /// What goes to the store in the same process, where there is one.
    pub(crate) trail: Option<RefCell<TrailBuffer>>,
    sampler: Cell<Sampler>,
    pub(crate) copies: Cell<u32>,
    published: RefCell<Published>,
    cursors: RefCell<Vec<Cursor>>,
    #[expect(clippy::vec_box, reason = "it moves in and out of connections: a pointer, not two kilobytes")]
    exchanges: RefCell<Vec<Box<Exchange>>>,
    methods: RefCell<HashMap<ChainId, HashMap<Box<str>, MethodMetrics>>>,
    connections: RefCell<Connections>,
    draining: Cell<bool>,
    wall: WallClock,
    date: RefCell<String>,
}

/// The wall clock, derived from the monotonic one and set right once a second: one clock reading serves both.
struct WallClock {
    mono: Cell<Mono>,
    wall: Cell<Wall>,
}

/// Open connections, so that all can be woken when they should look around.
#[derive(Default)]
struct Connections {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    open: usize,
}

/// Methods of one chain whose series a worker has at hand; whoever comes later counts as `_other`.
const METHODS_MAX: usize = 512;

impl Worker {
    /// Whether access records are written at all.
    pub(crate) fn logs_requests(&self) -> bool {
        self.published.borrow().logs_requests
    }

    /// The series of a chain's method.
    pub(crate) fn method_metrics(&self, chain: &ChainLive, method: &str, effect: &str) -> MethodMetrics {
        let mut methods = self.methods.borrow_mut();
        let of_chain = methods.entry(chain.model.id.clone()).or_default();
        if let Some(metrics) = of_chain.get(method) {
            return metrics.clone();
        }
        let method = if of_chain.len() < METHODS_MAX { method } else { "_other" };
        let metrics = chain.method_metrics(method, effect);
        of_chain.insert(method.into(), metrics.clone());
        metrics
    }

    /// Whether the span of the next request is kept.
    pub(crate) fn chooses_span(&self) -> bool {
        let mut sampler = self.sampler.get();
        let chosen = sampler.choose();
        self.sampler.set(sampler);
        chosen
    }

    /// Whether every request is told to the store.
    pub(crate) fn keeps_logs(&self) -> bool {
        self.shared.trail.as_ref().is_some_and(|trail| trail.keeps().logs)
    }

    pub(crate) fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    /// Whether connections should end after their request.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    pub(crate) fn take_exchange(&self) -> Box<Exchange> {
        self.exchanges.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_exchange(&self, mut exchange: Box<Exchange>) {
        let mut kept = self.exchanges.borrow_mut();
        if kept.len() < EXCHANGES_KEPT {
            exchange.recycle();
            kept.push(exchange);
        }
    }

    /// The worker's place in a service's rotation.
    pub(crate) fn with_cursor<R>(&self, slot: usize, use_it: impl FnOnce(&mut Cursor) -> R) -> R {
        let mut cursors = self.cursors.borrow_mut();
        while cursors.len() <= slot {
            cursors.push(Cursor::random(&mut self.rng.borrow_mut()));
        }
        use_it(&mut cursors[slot])
    }

    /// Idle connections that this worker may keep for one endpoint, of `most` in all.
    pub(crate) fn share_of(&self, most: u32) -> u32 {
        let workers = self.shared.workers as u32;
        most / workers + u32::from((self.index as u32) < most % workers)
    }

    /// The wall clock's time at a moment of the monotonic one.
    pub(crate) fn wall_at(&self, moment: Mono) -> Wall {
        let since = moment.0.wrapping_sub(self.wall.mono.get().0);
        Wall(self.wall.wall.get().0.wrapping_add(since))
    }

    /// Writes the time as HTTP does (RFC 9110, section 5.6.7), made once a second.
    pub(crate) fn write_date(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.date.borrow().as_bytes());
    }

    /// Registers a connection; the key is given back with [`Worker::left`].
    pub(crate) fn joined(&self, waker: Waker) -> usize {
        let mut connections = self.connections.borrow_mut();
        connections.open += 1;
        if let Some(key) = connections.free.pop() {
            connections.wakers[key] = Some(waker);
            return key;
        }
        connections.wakers.push(Some(waker));
        connections.wakers.len() - 1
    }

    pub(crate) fn left(&self, key: usize) {
        let mut connections = self.connections.borrow_mut();
        connections.wakers[key] = None;
        connections.free.push(key);
        connections.open -= 1;
    }

    fn wake_all(&self) {
        for waker in self.connections.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

/// A worker's thread: runs until it has drained or its inbox is closed.
pub(crate) fn run(
    index: usize,
    shared: Arc<Shared>,
    metrics: metrics::Worker,
    snapshot: Arc<Snapshot>,
    seed: u64,
    inbox: mpsc::Receiver<Order>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Polls the operating system after so many tasks: with many ready connections fewer calls, each with more to say.
        .event_interval(61)
        .build_local(tokio::runtime::LocalOptions::default())?;
    let spans_ppm = shared.trail.as_ref().map_or(0, |trail| trail.keeps().spans_ppm);
    let worker = Rc::new(Worker {
        index,
        trail: shared.trail.as_ref().map(|trail| RefCell::new(trail.buffer())),
        sampler: Cell::new(Sampler::new(spans_ppm, seed)),
        shared,
        metrics,
        pools: RefCell::default(),
        rng: RefCell::new(Rng::seeded(seed)),
        access: RefCell::new(snapshot.access.buffer()),
        copies: Cell::new(0),
        published: RefCell::new(Rc::new(snapshot)),
        cursors: RefCell::default(),
        exchanges: RefCell::default(),
        methods: RefCell::default(),
        connections: RefCell::default(),
        draining: Cell::new(false),
        wall: WallClock { mono: Cell::new(mono_now()), wall: Cell::new(wall_now()) },
        date: RefCell::new(http_date()),
    });
    runtime.block_on(serve(worker, inbox));
    Ok(())
}

/// Follows orders. Connections are tasks of their own; what they share they reach through the worker.
async fn serve(worker: Rc<Worker>, mut inbox: mpsc::Receiver<Order>) {
    let mut acceptors: HashMap<SocketAddr, Acceptor> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut flush = tokio::time::interval(FLUSH);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            order = inbox.recv() => match order {
                None => return,
                Some(Order::Publish { snapshot, sockets, done }) => {
                    publish(&worker, snapshot, sockets, &mut acceptors);
                    let _ = done.send(());
                }
                Some(Order::Drain { deadline, done }) => {
                    drain(&worker, &mut acceptors, deadline).await;
                    let _ = done.send(());
                    return;
                }
            },
            _ = sweep.tick() => tick(&worker),
            _ = flush.tick(), if worker.logs_requests() || worker.trail.is_some() => {
                let now = mono_now();
                worker.access.borrow_mut().flush_if_older(now);
                if let Some(trail) = &worker.trail {
                    trail.borrow_mut().flush_if_older(now);
                }
            }
        }
    }
}

fn http_date() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}

fn tick(worker: &Worker) {
    let now = mono_now();
    worker.wall.mono.set(now);
    worker.wall.wall.set(wall_now());
    *worker.date.borrow_mut() = http_date();
    worker.pools.borrow_mut().sweep(now, worker.shared.workers > 1);
}

fn publish(
    worker: &Rc<Worker>,
    snapshot: Arc<Snapshot>,
    sockets: Vec<(SocketAddr, StdTcpListener)>,
    acceptors: &mut HashMap<SocketAddr, Acceptor>,
) {
    let addresses: Vec<SocketAddr> = snapshot.listeners().map(|l| l.model.address).collect();
    let listeners_left = acceptors.keys().any(|address| !addresses.contains(address));
    if !Arc::ptr_eq(&worker.published().access, &snapshot.access) {
        // What the old buffer holds is handed over when it is dropped.
        *worker.access.borrow_mut() = snapshot.access.buffer();
    }
    *worker.published.borrow_mut() = Rc::new(snapshot);
    worker.pools.borrow_mut().drop_retired();
    acceptors.retain(|address, acceptor| {
        let stays = addresses.contains(address);
        if !stays {
            acceptor.stop.notify_one();
        }
        stays
    });
    for (address, socket) in sockets {
        match TcpListener::from_std(socket) {
            Ok(socket) => {
                let stop = Rc::new(Notify::new());
                let task = tokio::task::spawn_local(accept(worker.clone(), address, socket, stop.clone()));
                acceptors.insert(address, Acceptor { stop, task });
            }
            Err(error) => tracing::error!(%address, %error, "a socket could not be handed to a worker"),
        }
    }
    if listeners_left {
        // Their idle connections see that their listener is gone, and close.
        worker.wake_all();
    }
}

/// A socket's task.
struct Acceptor {
    /// Has it take what waits in its queue already, and end.
    stop: Rc<Notify>,
    task: JoinHandle<()>,
}

async fn accept(worker: Rc<Worker>, address: SocketAddr, socket: TcpListener, stop: Rc<Notify>) {
    // The listener as it was last in force: who came before it was taken away is still served.
    let mut last: Option<Arc<ListenerLive>> = None;
    let mut stopping = false;
    loop {
        let accepted = if stopping {
            match poll_fn(|cx| Poll::Ready(socket.poll_accept(cx))).await {
                Poll::Ready(accepted) => accepted,
                Poll::Pending => return,
            }
        } else {
            tokio::select! {
                biased;
                accepted = socket.accept() => accepted,
                () = stop.notified() => {
                    stopping = true;
                    continue;
                }
            }
        };
        match accepted {
            Ok((tcp, peer)) => {
                if let Some(listener) = worker.published().listener_at(address) {
                    last = Some(listener.clone());
                }
                if let Some(listener) = &last {
                    take_in(&worker, tcp, peer, listener);
                }
            }
            Err(_) if stopping => return,
            Err(error) => {
                // The client may have gone while it waited; that is no reason to pause.
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset
                ) {
                    tracing::warn!(%address, %error, "accepting failed; trying again in {ACCEPT_BACKOFF:?}");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

/// Gives a connection a task of its own, unless there are too many.
fn take_in(worker: &Rc<Worker>, tcp: TcpStream, peer: SocketAddr, listener: &Arc<ListenerLive>) {
    let state = &listener.state;
    state.accepted.fetch_add(1, Ordering::Relaxed);
    if state.connections.fetch_add(1, Ordering::Relaxed) >= listener.model.max_connections {
        state.connections.fetch_sub(1, Ordering::Relaxed);
        state.refused.fetch_add(1, Ordering::Relaxed);
        return;
    }
    tokio::task::spawn_local(connection::serve(worker.clone(), tcp, peer, listener.clone()));
}

async fn drain(worker: &Rc<Worker>, acceptors: &mut HashMap<SocketAddr, Acceptor>, deadline: Mono) {
    worker.draining.set(true);
    for (_, acceptor) in acceptors.drain() {
        acceptor.stop.notify_one();
        // It ends as soon as its queue is empty, and its connections count from their first turn on.
        let _ = acceptor.task.await;
    }
    tokio::task::yield_now().await;
    worker.wake_all();
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while worker.connections.borrow().open > 0 && mono_now() < deadline {
        look.tick().await;
    }
    worker.pools.borrow_mut().clear();
    worker.access.borrow_mut().flush();
}
