//! Asks nodes how they are, and publishes the table.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use weir_model::Mono;

use crate::health::{Health, HealthRules, Tracker};
use crate::node::Node;
use crate::words::{BlockAt, NodeError, NodeErrorKind};

/// Blocks are compared every so many polls.
const COMPARE_EVERY: u32 = 4;

pub(super) struct Monitor {
    shared: Arc<Shared>,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

struct Shared {
    nodes: Arc<[Arc<dyn Node>]>,
    tracker: Mutex<Tracker>,
    table: Arc<ArcSwap<Health>>,
    changed: watch::Sender<Arc<Health>>,
    status_timeout: Duration,
    started: Instant,
}

impl Monitor {
    pub(super) fn start(
        nodes: Arc<[Arc<dyn Node>]>,
        rules: HealthRules,
        poll: Duration,
        status_timeout: Duration,
    ) -> Self {
        let tracker = Tracker::new(rules, nodes.iter().map(|node| node.name().into()));
        let table = Arc::new(tracker.health());
        let shared = Arc::new(Shared {
            nodes,
            tracker: Mutex::new(tracker),
            table: Arc::new(ArcSwap::new(table.clone())),
            changed: watch::Sender::new(table),
            status_timeout,
            started: Instant::now(),
        });
        let mut tasks = JoinSet::new();
        for node in 0..shared.nodes.len() {
            let shared = shared.clone();
            tasks.spawn(async move {
                every(poll, || shared.ask(node)).await;
            });
        }
        let comparing = shared.clone();
        tasks.spawn(async move { every(poll * COMPARE_EVERY, || comparing.compare()).await });
        Self { shared, _tasks: tasks }
    }

    pub(super) fn table(&self) -> Arc<ArcSwap<Health>> {
        self.shared.table.clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<Health>> {
        self.shared.changed.subscribe()
    }

    /// Asks all nodes now.
    pub(super) async fn check_now(&self) -> Arc<Health> {
        let mut asked = JoinSet::new();
        for node in 0..self.shared.nodes.len() {
            let shared = self.shared.clone();
            asked.spawn(async move { shared.ask(node).await });
        }
        asked.join_all().await;
        self.shared.compare().await;
        self.shared.table.load_full()
    }
}

async fn every<F: Future<Output = ()>>(interval: Duration, mut run: impl FnMut() -> F) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        run().await;
    }
}

impl Shared {
    async fn ask(&self, node: usize) {
        let asked = Instant::now();
        let answer = match timeout(self.status_timeout, self.nodes[node].status()).await {
            Ok(answer) => answer,
            Err(_) => Err(NodeError::unknown(NodeErrorKind::Timeout, "it did not say how it is")),
        };
        self.update(|tracker, now| tracker.answered(node, answer, asked.elapsed(), now));
    }

    async fn compare(&self) {
        let Some(height) = self.update(|tracker, _| tracker.compare_at()) else { return };
        let mut asked = JoinSet::new();
        for (at, node) in self.nodes.iter().cloned().enumerate() {
            let within = self.status_timeout;
            asked.spawn(async move {
                let block = timeout(within, node.block(BlockAt::Height(height))).await;
                (at, block.ok().and_then(Result::ok).flatten().map(|block| (block.hash, block.app_hash)))
            });
        }
        let mut blocks = vec![None; self.nodes.len()];
        for (at, block) in asked.join_all().await {
            blocks[at] = block;
        }
        self.update(|tracker, _| tracker.compared(height, &blocks));
    }

    fn update<T>(&self, run: impl FnOnce(&mut Tracker, Mono) -> T) -> T {
        let now = Mono(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = run(&mut tracker, now);
        let table = Arc::new(tracker.health());
        self.table.store(table.clone());
        self.changed.send_if_modified(|held| {
            let moved = table.head != held.head || !table.usable().eq(held.usable());
            *held = table;
            moved
        });
        result
    }
}
