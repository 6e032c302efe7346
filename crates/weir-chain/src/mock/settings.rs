//! What a mock chain is, and what it does wrong.

use std::time::Duration;

use weir_model::{Finality, MockSettings, Repeats};

/// A mock chain. Everything that it does follows from `seed` and the order in which it is asked.
#[derive(Clone, Debug)]
pub struct MockChainSettings {
    /// What everything follows from.
    pub seed: u64,
    /// Its nodes.
    pub nodes: usize,
    /// Time between blocks.
    pub block_time: Duration,
    /// `Instant`: a block needs most nodes, and stays. `Depth`: every part of a divided network goes on, at most by the depth, and
    /// the longest branch wins. `Tag`: the same, with a depth of [`TAG_DEPTH`], and the chain tells what stays.
    pub finality: Finality,
    /// Whether transactions are told apart by number and hash, or have an effect each time.
    pub repeats: Repeats,
    /// Transactions that wait at a node at most.
    pub mempool_max: usize,
    /// What goes wrong.
    pub faults: MockFaultSettings,
}

/// Blocks that a chain of finality `Tag` may replace at most.
pub const TAG_DEPTH: u64 = 4;

/// What goes wrong, how often (in millionths of calls, or of blocks).
#[derive(Clone, Debug, Default)]
pub struct MockFaultSettings {
    /// The usual time of a call; a tenth takes twice as long, a hundredth ten times.
    pub latency: Duration,
    /// How long a call may take until whoever asked gives up.
    pub timeout: Duration,
    /// Calls that fail before they had an effect.
    pub errors_ppm: u32,
    /// Calls whose answer is lost after they had their effect.
    pub lost_answers_ppm: u32,
    /// Sends that reach the node long after the caller gave up.
    pub late_ppm: u32,
    /// Sends that reach the node twice (only where repeats are rejected), and heads that are told twice or out of order.
    pub duplicates_ppm: u32,
    /// Sends that find the mempool full.
    pub full_ppm: u32,
    /// Sends of numbered transactions that meet another one of the same number.
    pub competitors_ppm: u32,
    /// Blocks at which the network is divided for a while.
    pub partitions_ppm: u32,
    /// Blocks at which a branch replaces the newest ones (not where finality is instant).
    pub reorganisations_ppm: u32,
    /// Of transactions in blocks that are replaced, those that no node takes back.
    pub dropped_ppm: u32,
    /// Blocks at which a node stops for a while, and forgets its mempool.
    pub stops_ppm: u32,
    /// When everything is well again; `None` is never.
    pub until: Option<Duration>,
}

impl MockChainSettings {
    /// A chain that does nothing wrong.
    pub fn new(seed: u64, nodes: usize, finality: Finality, repeats: Repeats) -> Self {
        Self {
            seed,
            nodes,
            block_time: Duration::from_secs(1),
            finality,
            repeats,
            mempool_max: 5000,
            faults: MockFaultSettings { timeout: Duration::from_secs(1), ..MockFaultSettings::default() },
        }
    }

    /// As configured.
    pub fn of(settings: &MockSettings, finality: Finality, repeats: Repeats, timeout: Duration) -> Self {
        let faults = settings.faults;
        Self {
            block_time: settings.block_time,
            faults: MockFaultSettings {
                latency: faults.latency,
                timeout,
                errors_ppm: faults.errors_ppm,
                lost_answers_ppm: faults.lost_answers_ppm,
                late_ppm: faults.lost_answers_ppm / 4,
                duplicates_ppm: faults.duplicates_ppm,
                partitions_ppm: faults.partitions_ppm,
                reorganisations_ppm: faults.partitions_ppm,
                dropped_ppm: faults.partitions_ppm,
                ..MockFaultSettings::default()
            },
            ..Self::new(settings.seed, settings.nodes as usize, finality, repeats)
        }
    }

    /// Blocks at the tip that may be replaced, at most.
    pub(super) fn loose_blocks(&self) -> u64 {
        match self.finality {
            Finality::AtOnce => 0,
            Finality::Depth(depth) => depth,
            Finality::Tag => TAG_DEPTH,
        }
    }
}
