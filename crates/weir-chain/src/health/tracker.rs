//! Statuses of nodes, compared: pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Finality, Mono};

use super::{EndpointHealth, Health, Verdict};
use crate::submission::machine::settled;
use crate::words::{Hash, Height, NodeError, NodeErrorKind, NodeStatus};

/// What nodes are held to.
#[derive(Clone, Debug)]
pub struct HealthRules {
    /// A node that is this many blocks behind is ejected.
    pub max_lag: u64,
    /// What the chain calls itself; what most nodes say where not set.
    pub chain_id: Option<Arc<str>>,
    /// At which heights blocks may not differ.
    pub finality: Finality,
}

/// Errors in a row that make a node unreachable, where a single one proves little.
const FAILURES_MAX: u32 = 2;
/// Good answers in a row that bring an ejected node back.
const RETURN_AFTER: u32 = 2;

/// Compares what the nodes of a chain say of themselves.
///
/// * Who does not answer is ejected at once; who answers nonsense, or is busy, the second time in a row.
/// * The chain's height is the newest that a node of it has. Who is [`HealthRules::max_lag`] behind is ejected.
/// * What more than half of those that answer say of a final block is right, the others are ejected. Where there is no majority, none
///   can be told to be wrong: all stay, and the height is published as [`Health::split`].
/// * Who was ejected comes back after two good answers in a row, the lag being at least one block less than what ejects.
#[derive(Clone, Debug)]
pub struct Tracker {
    rules: HealthRules,
    nodes: Vec<Tracked>,
    split: Option<Height>,
}

#[derive(Clone, Debug)]
struct Tracked {
    name: Arc<str>,
    status: Option<NodeStatus>,
    error: Option<NodeError>,
    failures: u32,
    failing_since: Mono,
    latency: Duration,
    disagrees: Option<Height>,
    ejected: bool,
    good: u32,
}

impl Tracked {
    fn is_down(&self) -> bool {
        let single = |e: &NodeError| {
            matches!(e.kind, NodeErrorKind::Unreachable | NodeErrorKind::Timeout | NodeErrorKind::Broken)
        };
        self.error.as_ref().is_some_and(|error| single(error) || self.failures >= FAILURES_MAX)
    }

    /// What it last said of itself, where it still answers.
    fn speaks(&self) -> Option<&NodeStatus> {
        self.status.as_ref().filter(|_| !self.is_down())
    }
}

impl Tracker {
    /// Nodes that have not been asked yet.
    pub fn new(rules: HealthRules, names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let tracked = |name| Tracked {
            name,
            status: None,
            error: None,
            failures: 0,
            failing_since: Mono(0),
            latency: Duration::ZERO,
            disagrees: None,
            ejected: false,
            good: 0,
        };
        Self { rules, nodes: names.into_iter().map(tracked).collect(), split: None }
    }

    /// Takes what a node answered when it was asked how it is.
    pub fn answered(
        &mut self,
        node: usize,
        answer: Result<NodeStatus, NodeError>,
        took: Duration,
        now: Mono,
    ) {
        let Some(tracked) = self.nodes.get_mut(node) else { return };
        match answer {
            Ok(status) => {
                tracked.latency = match tracked.latency {
                    Duration::ZERO => took,
                    before => (before * 7 + took) / 8,
                };
                (tracked.status, tracked.error, tracked.failures) = (Some(status), None, 0);
            }
            Err(error) => {
                if tracked.failures == 0 {
                    tracked.failing_since = now;
                }
                tracked.failures += 1;
                tracked.error = Some(error);
            }
        }
        let (head, chain_id) = (self.head(), self.chain_id());
        for at in 0..self.nodes.len() {
            let verdict = self.judge(at, head, chain_id.as_deref());
            let tracked = &mut self.nodes[at];
            match verdict {
                Some(_) => (tracked.ejected, tracked.good) = (true, 0),
                // Only its own answers speak for a node.
                None if at == node && tracked.error.is_none() => {
                    let lag = |s: &NodeStatus| head.unwrap_or_default().since(s.height) + 1;
                    let near = tracked.status.as_ref().is_some_and(|s| lag(s) < self.rules.max_lag.max(2));
                    tracked.good = if near { tracked.good + 1 } else { 0 };
                    tracked.ejected &= tracked.good < RETURN_AFTER;
                }
                None => {}
            }
        }
    }

    /// A height whose block all nodes should have alike, if there are two to compare.
    pub fn compare_at(&self) -> Option<Height> {
        let chain_id = self.chain_id();
        let ours =
            self.nodes.iter().filter_map(Tracked::speaks).filter(|s| Some(&s.chain_id) == chain_id.as_ref());
        // Who is ejected for its lag would only hold the comparison back.
        let head = self.head().unwrap_or_default();
        let ours = ours.filter(|s| head.since(s.height) < self.rules.max_lag);
        let settled = ours.map(|s| settled(self.rules.finality, s.height, s.finalized)).filter(|h| h.0 > 0);
        let heights: Vec<Height> = settled.collect();
        heights.iter().min().copied().filter(|_| heights.len() >= 2)
    }

    /// Takes the nodes' blocks at a height: hash, and that of the state. `None` for those that have none, or did not answer.
    pub fn compared(&mut self, height: Height, blocks: &[Option<(Hash, Option<Hash>)>]) {
        let mut votes: BTreeMap<_, usize> = BTreeMap::new();
        for block in blocks.iter().flatten() {
            *votes.entry(block).or_default() += 1;
        }
        let all: usize = votes.values().sum();
        let right = votes.iter().find(|(_, count)| **count * 2 > all).map(|(block, _)| *block);
        self.split = (all > 0 && right.is_none()).then_some(height);
        let Some(right) = right else { return };
        for (tracked, block) in self.nodes.iter_mut().zip(blocks) {
            if let Some(block) = block {
                tracked.disagrees = (block != right).then_some(height);
                if block != right {
                    (tracked.ejected, tracked.good) = (true, 0);
                }
            }
        }
    }

    /// The table.
    pub fn health(&self) -> Health {
        let (head, chain_id) = (self.head(), self.chain_id());
        let endpoint = |(at, tracked): (usize, &Tracked)| EndpointHealth {
            name: tracked.name.clone(),
            verdict: match self.judge(at, head, chain_id.as_deref()) {
                Some(verdict) => verdict,
                None if tracked.status.is_none() => Verdict::Unknown,
                None if tracked.ejected => Verdict::Returning,
                None => Verdict::Healthy,
            },
            status: tracked.status.clone(),
            error: tracked.error.as_ref().map(ToString::to_string),
            latency: tracked.latency,
        };
        Health {
            endpoints: self.nodes.iter().enumerate().map(endpoint).collect(),
            head,
            chain_id,
            split: self.split,
        }
    }

    /// What is wrong with a node, if anything is.
    fn judge(&self, at: usize, head: Option<Height>, chain_id: Option<&str>) -> Option<Verdict> {
        let tracked = &self.nodes[at];
        if tracked.is_down() {
            return Some(Verdict::Unreachable { since: tracked.failing_since });
        }
        let status = tracked.status.as_ref()?;
        let others_have_peers = || {
            let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != at);
            others.filter_map(|(_, node)| node.speaks()).any(|s| s.peers.is_some_and(|peers| peers > 0))
        };
        if Some(&*status.chain_id) != chain_id {
            return Some(Verdict::WrongChain);
        }
        if let Some(height) = tracked.disagrees {
            return Some(Verdict::Disagrees { height });
        }
        if status.syncing {
            return Some(Verdict::Syncing);
        }
        let by = head.unwrap_or_default().since(status.height);
        if by >= self.rules.max_lag {
            return Some(Verdict::Lagging { by });
        }
        (status.peers == Some(0) && others_have_peers()).then_some(Verdict::NoPeers)
    }

    /// What the configuration says, or most of those that answer; where there is no majority, what the first of them says.
    fn chain_id(&self) -> Option<Arc<str>> {
        if let Some(id) = &self.rules.chain_id {
            return Some(id.clone());
        }
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        let spoken = || self.nodes.iter().filter_map(Tracked::speaks).map(|status| &status.chain_id);
        spoken().for_each(|id| *votes.entry(id).or_default() += 1);
        let all: usize = votes.values().sum();
        let most = votes.iter().find(|(_, count)| **count * 2 > all).map(|(id, _)| *id);
        most.or_else(|| spoken().next()).cloned()
    }

    /// The newest height of those whose word counts.
    fn head(&self) -> Option<Height> {
        let chain_id = self.chain_id();
        let ours = self.nodes.iter().filter(|node| node.disagrees.is_none()).filter_map(Tracked::speaks);
        ours.filter(|s| Some(&s.chain_id) == chain_id.as_ref()).map(|s| s.height).max()
    }
}
