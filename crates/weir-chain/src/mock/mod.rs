//! A chain in memory, with faults that follow from a seed.
//!
//! Its time is tokio's: on a current-thread runtime whose clock is paused, one seed replays everything.

mod node;
mod random;
mod settings;
mod tree;
mod tx;
mod world;

use std::fmt;
use std::sync::Arc;

use crate::node::Node;
use crate::words::{Height, Inclusion, TxId};
use node::{MockNode, Shared};
use world::World;

pub use random::Random;
pub use settings::{MockChainSettings, MockFaultSettings, TAG_DEPTH};
pub use tx::MockTx;

/// A mock chain. It lives for as long as it or one of its nodes is held.
#[derive(Clone)]
pub struct MockChain {
    shared: Arc<Shared>,
    count: usize,
}

impl MockChain {
    /// Begins a chain. Within a tokio runtime.
    pub fn new(settings: MockChainSettings) -> Self {
        let count = settings.nodes.max(1);
        Self { shared: Arc::new(Shared::new(World::new(settings))), count }
    }

    /// Its nodes.
    pub fn nodes(&self) -> Vec<Arc<dyn Node>> {
        let node = |at| -> Arc<dyn Node> {
            Arc::new(MockNode { shared: self.shared.clone(), at, name: format!("mock-{at}") })
        };
        (0..self.count).map(node).collect()
    }

    /// The newest height that the network as a whole has.
    pub fn height(&self) -> Height {
        self.shared.with(|world| Height(world.tree.block(world.best()).height))
    }

    /// Where the network as a whole has a transaction.
    pub fn find(&self, id: &TxId) -> Option<Inclusion> {
        self.shared.with(|world| world.tree.find(world.best(), id))
    }

    /// How often the network as a whole has a transaction.
    pub fn count(&self, id: &TxId) -> u32 {
        self.shared.with(|world| world.tree.counts(world.best()).get(id).copied().unwrap_or(0))
    }

    /// Whether somebody else sent another transaction with this sender and number.
    pub fn has_competed(&self, sender: &str, number: u64) -> bool {
        self.shared.with(|world| world.has_competed(&(sender.to_owned(), number)))
    }

    /// Stops a node, or starts it again.
    pub fn set_running(&self, node: usize, running: bool) {
        self.shared.with(|world| if running { world.nodes[node].is_down = false } else { world.stop(node) });
    }

    /// Keeps a node from hearing of blocks, or lets it hear again.
    pub fn set_deaf(&self, node: usize, deaf: bool) {
        self.shared.with(|world| world.nodes[node].deaf = deaf);
    }
}

impl fmt::Debug for MockChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockChain").field("nodes", &self.count).finish_non_exhaustive()
    }
}
