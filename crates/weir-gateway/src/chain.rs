//! Chains in force: how their nodes are, and what may be kept of their answers.
//!
//! Nodes are asked on the runtime of control, and publish what they say in a table that workers read without a lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use weir_chain::health::{Health, Verdict};
use weir_chain::{ClientSettings, Watch, factory};
use weir_emit::metrics::{Counter, Counters, Family, Histogram, Histograms, Registry};
use weir_jsonrpc::methods::Dialect;
use weir_model::{Chain, ChainId, ChainKind, CowMap, Finality};

use crate::kept::Kept;
use crate::secrets;

/// A chain that services stand on.
#[derive(Debug)]
pub(crate) struct ChainLive {
    pub(crate) model: Arc<Chain>,
    pub(crate) dialect: Dialect,
    pub(crate) metrics: ChainMetrics,
    health: Arc<ArcSwap<Health>>,
    families: Families,
    kept: Box<[Mutex<Kept>]>,
    _watch: Watch,
}

/// Bytes of answers that are kept of a chain, over all workers.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A chain's own series.
#[derive(Clone, Debug)]
pub(crate) struct ChainMetrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    /// Reads that a second node was asked for.
    pub(crate) hedges: Counter,
}

/// A node's place in its chain, as an endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeEnd {
    /// Its place among the chain's endpoints.
    pub(crate) node: usize,
    /// Path and query of its URL.
    pub(crate) target: Arc<str>,
}

/// Series by chain and method.
#[derive(Clone, Debug)]
struct Families {
    calls: Counters,
    duration: Histograms,
    kept: Counters,
    hedges: Counters,
}

/// A method's series.
#[derive(Clone, Debug)]
pub(crate) struct MethodMetrics {
    pub(crate) calls: Counter,
    pub(crate) duration: Histogram,
}

/// The chains that services stand on now.
#[derive(Debug)]
pub(crate) struct Chains {
    live: HashMap<ChainId, Arc<ChainLive>>,
    families: Families,
    workers: usize,
}

impl Chains {
    pub(crate) fn new(registry: &Registry, workers: usize) -> Self {
        let families = Families {
            calls: registry.counters(
                Family::new("weir_chain_calls_total", "JSON-RPC calls by chain, method and what it does.")
                    .labels(&["chain", "method", "effect"]),
            ),
            duration: registry.histograms(
                Family::new(
                    "weir_chain_call_duration_seconds",
                    "From a request's head to its answer's end, by chain and method; batches count as `_batch`.",
                )
                .labels(&["chain", "method"]),
            ),
            kept: registry.counters(
                Family::new(
                    "weir_chain_kept_answers_total",
                    "Calls about final blocks, by chain and whether their answer was kept.",
                )
                .labels(&["chain", "found"]),
            ),
            hedges: registry.counters(
                Family::new(
                    "weir_chain_hedges_total",
                    "Reads that a second node was asked for because the first was slow, by chain.",
                )
                .labels(&["chain"]),
            ),
        };
        Self { live: HashMap::new(), families, workers }
    }

    /// Those of a model; the ones that did not change go on as they are. A chain that cannot be asked is left out with
    /// its reason: its nodes are then used as if nothing were known of them.
    pub(crate) fn update(
        &mut self,
        model: &CowMap<ChainId, Arc<Chain>>,
        used: impl Iterator<Item = ChainId>,
    ) {
        let mut next = HashMap::new();
        for id in used {
            let Some(chain) = model.get(id.as_str()) else { continue };
            if next.contains_key(&id) {
                continue;
            }
            let live = match self.live.get(&id) {
                Some(live) if Arc::ptr_eq(&live.model, chain) => live.clone(),
                _ => Arc::new(ChainLive::start(chain, &self.families, self.workers)),
            };
            next.insert(id, live);
        }
        self.live = next;
    }

    pub(crate) fn get(&self, id: &ChainId) -> Option<&Arc<ChainLive>> {
        self.live.get(id)
    }
}

impl ChainLive {
    fn start(chain: &Arc<Chain>, families: &Families, workers: usize) -> Self {
        let nodes = factory::nodes(chain, &secrets::bytes).unwrap_or_else(|error| {
            tracing::error!(chain = %chain.id, %error, "the chain's nodes cannot be asked how they are");
            Vec::new()
        });
        let watch = Watch::start(&ClientSettings::of(chain), nodes);
        let dialect = match chain.kind {
            ChainKind::Tendermint => Dialect::Tendermint,
            ChainKind::Evm | ChainKind::Quorum => Dialect::Ethereum,
            ChainKind::Mock => Dialect::Other,
        };
        Self {
            model: chain.clone(),
            dialect,
            metrics: ChainMetrics {
                hits: families.kept.series(&[chain.id.as_str(), "yes"]),
                misses: families.kept.series(&[chain.id.as_str(), "no"]),
                hedges: families.hedges.series(&[chain.id.as_str()]),
            },
            health: watch.table(),
            kept: (0..workers).map(|_| Mutex::new(Kept::new(KEPT_BYTES_MAX / workers))).collect(),
            families: families.clone(),
            _watch: watch,
        }
    }

    /// What a worker keeps of its answers; no other asks for it, so that the lock is always free.
    pub(crate) fn kept<T>(&self, worker: usize, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept[worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes of answers that are kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).bytes()).sum()
    }

    /// How its nodes are now.
    pub(crate) fn health(&self) -> Arc<Health> {
        self.health.load_full()
    }

    /// The nodes that requests may go to, in order of preference: those at the head, or a block behind it; other healthy
    /// ones; where none has said yet how it is, all of those.
    pub(crate) fn usable(&self) -> Usable {
        let health = self.health.load();
        let head = health.head.map_or(0, |head| head.0);
        let (mut best, mut healthy, mut unknown) = (0_u64, 0_u64, 0_u64);
        for (at, node) in health.endpoints.iter().enumerate().take(64) {
            match node.verdict {
                Verdict::Healthy => {
                    healthy |= 1 << at;
                    let height = node.status.as_ref().map_or(0, |status| status.height.0);
                    if height + 1 >= head {
                        best |= 1 << at;
                    }
                }
                Verdict::Unknown => unknown |= 1 << at,
                _ => {}
            }
        }
        if health.endpoints.is_empty() {
            unknown = u64::MAX;
        }
        Usable { best, any: if healthy == 0 { unknown } else { healthy } }
    }

    /// How long a node takes to say how it is, in microseconds; at least one.
    pub(crate) fn latency_us(&self, node: usize) -> u64 {
        let health = self.health.load();
        health.endpoints.get(node).map_or(1, |node| (node.latency.as_micros() as u64).max(1))
    }

    /// The newest block whose answers may be kept: it will stay, and so will everything that is said of it.
    pub(crate) fn final_height(&self) -> Option<u64> {
        let health = self.health.load();
        let head = health.head?.0;
        match self.model.finality {
            // What is said of the newest block itself still changes: the votes for it are those of the next.
            Finality::AtOnce => head.checked_sub(1),
            Finality::Depth(depth) => head.checked_sub(depth.max(1)),
            Finality::Tag => {
                let told = health.endpoints.iter().filter(|node| node.verdict.is_usable());
                told.filter_map(|node| node.status.as_ref()?.finalized).map(|height| height.0).min()
            }
        }
    }

    /// The series of a method. Takes a lock: for the first call of each worker.
    pub(crate) fn method_metrics(&self, method: &str, effect: &str) -> MethodMetrics {
        let chain = self.model.id.as_str();
        MethodMetrics {
            calls: self.families.calls.series(&[chain, method, effect]),
            duration: self.families.duration.series(&[chain, method]),
        }
    }
}

/// Nodes as bits, by their place in the chain. Those past the 64th are never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usable {
    best: u64,
    any: u64,
}

impl Usable {
    pub(crate) fn is_best(self, node: usize) -> bool {
        node < 64 && self.best & (1 << node) != 0
    }

    pub(crate) fn is_usable(self, node: usize) -> bool {
        node < 64 && self.any & (1 << node) != 0
    }
}
