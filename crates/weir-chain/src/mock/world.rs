//! The mock's world, without IO: nodes, what they hear, what goes wrong, at which time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Finality, Mono, Repeats, Wall};

use super::random::Random;
use super::settings::MockChainSettings;
use super::tree::{At, Fits, Tree};
use super::tx::MockTx;
use crate::words::{Rejection, SendOutcome, TxId};

/// What happens at a time.
#[derive(Clone, Debug)]
enum What {
    /// Blocks are made.
    Tick,
    /// A node hears of a block.
    Hears { node: usize, tip: At },
    /// A transaction reaches a node; the answer is kept for the call of this number.
    Arrives { node: usize, tx: Arc<MockTx>, call: Option<u64> },
    /// The network is whole again.
    Heals,
    /// A node starts again.
    Starts { node: usize },
}

/// Who makes blocks on which branch: all, or the larger and the smaller part of a divided network.
#[derive(Clone, Debug)]
struct Part {
    tip: At,
    /// Blocks since the network was divided.
    alone: u64,
}

#[derive(Clone, Debug)]
pub(super) struct NodeState {
    pub(super) tip: At,
    part: usize,
    pub(super) is_down: bool,
    /// Whether it hears of no block: for tests.
    pub(super) deaf: bool,
    /// In order of arrival.
    pub(super) mempool: Vec<Arc<MockTx>>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: MockChainSettings,
    pub(super) random: Random,
    pub(super) tree: Tree,
    pub(super) nodes: Vec<NodeState>,
    parts: Vec<Part>,
    queue: BTreeMap<(Mono, u64), What>,
    queued: u64,
    now: Mono,
    /// Not before this time the network is divided again.
    whole_until: Mono,
    answers: BTreeMap<u64, Option<SendOutcome>>,
    competed: BTreeSet<(String, u64)>,
}

impl World {
    pub(super) fn new(settings: MockChainSettings) -> Self {
        let node = NodeState { tip: 0, part: 0, is_down: false, deaf: false, mempool: Vec::new() };
        let mut world = Self {
            random: Random::new(settings.seed),
            tree: Tree::new(settings.repeats),
            nodes: vec![node; settings.nodes.max(1)],
            parts: vec![Part { tip: 0, alone: 0 }],
            queue: BTreeMap::new(),
            queued: 0,
            now: Mono(0),
            whole_until: Mono(0),
            answers: BTreeMap::new(),
            competed: BTreeSet::new(),
            settings,
        };
        world.at(world.now.after(world.settings.block_time), What::Tick);
        world
    }

    fn at(&mut self, when: Mono, what: What) {
        self.queued += 1;
        self.queue.insert((when, self.queued), what);
    }

    /// Lets everything happen up to `now`.
    pub(super) fn advance(&mut self, now: Mono) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let ((when, _), what) = entry.remove_entry();
            self.now = when;
            match what {
                What::Tick => self.tick(),
                What::Hears { node, tip } => self.hears(node, tip),
                What::Arrives { node, tx, call } => {
                    let answer = self.arrives(node, &tx);
                    if let Some(call) = call {
                        self.answers.insert(call, answer);
                    }
                }
                What::Heals => self.heals(),
                What::Starts { node } => self.nodes[node].is_down = false,
            }
        }
        self.now = self.now.max(now);
    }

    pub(super) fn is_ill(&self) -> bool {
        self.settings.faults.until.is_none_or(|until| self.now < Mono(0).after(until))
    }

    /// Whether a fault happens that happens in so many of a million cases.
    pub(super) fn fault(&mut self, ppm: u32) -> bool {
        self.is_ill() && self.random.chance(ppm)
    }

    /// How long a message takes.
    pub(super) fn latency(&mut self) -> Duration {
        let usual = self.settings.faults.latency;
        let usual = usual / 2 + self.random.time(usual);
        match self.random.below(100) {
            0 => usual * 10,
            1..10 => usual * 2,
            _ => usual,
        }
    }

    /// Sends a transaction on its way; the answer is there under the number once it arrived.
    pub(super) fn send(&mut self, node: usize, tx: Arc<MockTx>, after: Duration) -> u64 {
        let call = self.queued + 1;
        self.at(self.now.after(after), What::Arrives { node, tx: tx.clone(), call: Some(call) });
        // A refusal says nothing of a second copy that comes when the chain is further: nobody's client could tell the truth.
        let twice = self.settings.repeats == Repeats::Rejected && tx.after() == 0;
        if twice && self.fault(self.settings.faults.duplicates_ppm) {
            let most = self.settings.block_time * 10;
            let later = after + self.random.time(most);
            self.at(self.now.after(later), What::Arrives { node, tx, call: None });
        }
        call
    }

    /// Sends a transaction that arrives when nobody waits for an answer any longer.
    pub(super) fn send_late(&mut self, node: usize, tx: Arc<MockTx>) {
        let later = self.settings.faults.timeout + self.random.time(self.settings.block_time * 20);
        self.at(self.now.after(later), What::Arrives { node, tx, call: None });
    }

    /// The answer to a call: `None` within where nobody listened.
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether there is a call, the inner one what it was told"
    )]
    pub(super) fn answer(&mut self, call: u64) -> Option<Option<SendOutcome>> {
        self.answers.remove(&call)
    }

    fn arrives(&mut self, node: usize, tx: &Arc<MockTx>) -> Option<SendOutcome> {
        if self.nodes[node].is_down {
            return None;
        }
        if tx.is_bad() {
            let log = "it is bad by design".into();
            return Some(SendOutcome::Rejected(Rejection { code: 3, codespace: "mock".into(), log }));
        }
        if self.tree.block(self.nodes[node].tip).height < tx.after() {
            let log = "it is too early".into();
            return Some(SendOutcome::Rejected(Rejection { code: 4, codespace: "mock".into(), log }));
        }
        let (full, compete) = (self.settings.faults.full_ppm, self.settings.faults.competitors_ppm);
        if self.fault(full) || self.nodes[node].mempool.len() >= self.settings.mempool_max {
            return Some(SendOutcome::MempoolFull);
        }
        let held = &self.nodes[node];
        let id = tx.id();
        if held.mempool.iter().any(|other| other.id() == id) {
            return Some(SendOutcome::AlreadyKnown);
        }
        if self.settings.repeats == Repeats::Rejected {
            match self.tree.fits(held.tip, tx) {
                Fits::Included if tx.numbered.is_none() => return Some(SendOutcome::AlreadyKnown),
                Fits::Included | Fits::NumberTooLow => return Some(SendOutcome::NonceTooLow),
                Fits::NumberTooHigh if !self.waits_for(node, tx) => return Some(SendOutcome::NonceTooHigh),
                Fits::NumberTooHigh | Fits::Yes => {}
            }
            if let Some(numbered) = &tx.numbered {
                if held.mempool.iter().any(|other| other.numbered.as_ref() == Some(numbered)) {
                    return Some(SendOutcome::Underpriced);
                }
                if !self.competed.contains(numbered) && self.fault(compete) {
                    self.competes(&numbered.clone());
                }
            }
        }
        let mut tx = MockTx::clone(tx);
        if self.settings.repeats == Repeats::Accepted {
            self.queued += 1;
            tx.instance = self.queued;
        }
        self.nodes[node].mempool.push(Arc::new(tx));
        Some(SendOutcome::Accepted { id: None })
    }

    /// Whether everything before `tx` waits at the node.
    fn waits_for(&self, node: usize, tx: &MockTx) -> bool {
        let Some((sender, number)) = &tx.numbered else { return false };
        let held = &self.nodes[node];
        (self.tree.next_number(held.tip, sender)..*number).all(|before| {
            held.mempool.iter().any(|t| t.numbered.as_ref().is_some_and(|(s, n)| s == sender && *n == before))
        })
    }

    fn competes(&mut self, (sender, number): &(String, u64)) {
        self.competed.insert((sender.clone(), *number));
        let other = self.random.below(self.nodes.len() as u64) as usize;
        let bytes = format!("{sender}/{number}/another").into_bytes().into();
        let place = self.random.below(self.nodes[other].mempool.len() as u64 + 1) as usize;
        self.nodes[other].mempool.insert(place, Arc::new(MockTx::read(&bytes)));
    }

    pub(super) fn has_competed(&self, numbered: &(String, u64)) -> bool {
        self.competed.contains(numbered)
    }

    fn tick(&mut self) {
        let block_time = self.settings.block_time;
        let jitter = self.random.time(block_time / 4);
        self.at(self.now.after(block_time * 7 / 8 + jitter), What::Tick);
        self.goes_wrong();
        for part in 0..self.parts.len() {
            let members: Vec<usize> = self.members(part).collect();
            let most = members.len() * 2 > self.nodes.len();
            let loose = self.settings.loose_blocks();
            let may = match self.settings.finality {
                Finality::AtOnce => most,
                // The smaller part may not outgrow what may be replaced.
                Finality::Depth(_) | Finality::Tag => part == 0 || self.parts[part].alone < loose,
            };
            if !may || members.is_empty() || self.parts.len() > 1 && self.random.chance(200_000) {
                continue;
            }
            let waiting = self.waiting(&members);
            let tip = self.add(self.parts[part].tip, waiting);
            self.parts[part].alone += 1;
            self.spread(part, tip);
            if loose > 0 && self.parts.len() == 1 && self.fault(self.settings.faults.reorganisations_ppm) {
                let depth = 1 + self.random.below(loose);
                self.reorganise(depth);
            }
        }
    }

    fn add(&mut self, parent: At, txs: Vec<Arc<MockTx>>) -> At {
        self.tree.add(parent, txs, Wall(self.now.0))
    }

    /// The nodes of a part that run.
    fn members(&self, part: usize) -> impl Iterator<Item = usize> {
        let member = move |node: &NodeState| node.part == part && !node.is_down;
        self.nodes.iter().enumerate().filter(move |(_, node)| member(node)).map(|(at, _)| at)
    }

    /// What waits at some nodes, each once; now and then one is left out.
    fn waiting(&mut self, members: &[usize]) -> Vec<Arc<MockTx>> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Arc<MockTx>> = Vec::new();
        for &member in members {
            for tx in &self.nodes[member].mempool {
                if seen.insert(tx.key()) {
                    waiting.push(tx.clone());
                }
            }
        }
        waiting.retain(|_| !self.random.chance(100_000));
        // Numbers of one sender follow each other.
        waiting.sort_by_key(|tx| tx.numbered.as_ref().map_or(0, |(_, number)| *number));
        waiting
    }

    /// A block becomes the tip of a part, whose nodes hear of it one after the other.
    fn spread(&mut self, part: usize, tip: At) {
        self.parts[part].tip = tip;
        let members: Vec<usize> = self.members(part).collect();
        for node in members {
            let most =
                if self.fault(50_000) { self.settings.block_time * 3 } else { self.settings.block_time / 4 };
            let delay = self.random.time(most);
            self.at(self.now.after(delay), What::Hears { node, tip });
        }
    }

    fn hears(&mut self, node: usize, tip: At) {
        let before = self.nodes[node].tip;
        let higher = self.tree.block(tip).height > self.tree.block(before).height;
        if !higher || self.nodes[node].is_down || self.nodes[node].deaf {
            return;
        }
        // A block of the other part, which was on its way when the network was divided, still comes; one of a branch that was given up does no harm.
        let common = self.tree.common(before, tip);
        let mut included = BTreeSet::new();
        let mut at = tip;
        while at != common {
            included.extend(self.tree.block(at).txs.iter().map(|tx| tx.key()));
            at = self.tree.block(at).parent;
        }
        let mut orphans = Vec::new();
        at = before;
        while at != common {
            orphans.extend(self.tree.block(at).txs.iter().rev().cloned());
            at = self.tree.block(at).parent;
        }
        let dropped = self.settings.faults.dropped_ppm;
        self.nodes[node].tip = tip;
        self.nodes[node].mempool.retain(|tx| !included.contains(&tx.key()));
        for tx in orphans.into_iter().rev() {
            let known = self.tree.holds(tip, &tx)
                || self.nodes[node].mempool.iter().any(|other| other.key() == tx.key());
            if !known && !self.fault(dropped) {
                self.nodes[node].mempool.push(tx);
            }
        }
        if self.settings.repeats == Repeats::Rejected {
            let tree = &self.tree;
            self.nodes[node]
                .mempool
                .retain(|tx| matches!(tree.fits(tip, tx), Fits::Yes | Fits::NumberTooHigh));
        }
    }

    /// Another branch replaces the newest `depth` blocks.
    fn reorganise(&mut self, depth: u64) {
        let tip = self.parts[0].tip;
        let height = self.tree.block(tip).height;
        let Some(mut at) = self.tree.on_branch(tip, height.saturating_sub(depth)) else { return };
        let members: Vec<usize> = self.members(0).collect();
        for _ in 0..=height - self.tree.block(at).height {
            let waiting = self.waiting(&members);
            let tree = &self.tree;
            let fresh = waiting.into_iter().filter(|tx| !tree.holds(at, tx)).collect();
            at = self.add(at, fresh);
        }
        self.spread(0, at);
    }

    /// Divides the network, stops nodes.
    fn goes_wrong(&mut self) {
        let faults = self.settings.faults.clone();
        let count = self.nodes.len();
        if count > 1
            && self.parts.len() == 1
            && self.now >= self.whole_until
            && self.fault(faults.partitions_ppm)
        {
            let smaller = 1 + self.random.below(count as u64 / 2);
            let tip = self.parts[0].tip;
            self.parts = vec![Part { tip, alone: 0 }, Part { tip, alone: 0 }];
            for _ in 0..smaller.min((count as u64 - 1) / 2).max(1) {
                let node = self.random.below(count as u64) as usize;
                self.nodes[node].part = 1;
            }
            let lasts = self.settings.block_time * (2 + self.random.below(10) as u32);
            self.at(self.now.after(lasts), What::Heals);
        }
        let down = self.nodes.iter().filter(|node| node.is_down).count();
        if (down + 1) * 2 < count && self.fault(faults.stops_ppm) {
            let node = self.random.below(count as u64) as usize;
            if !self.nodes[node].is_down {
                self.stop(node);
                let lasts = self.settings.block_time * (1 + self.random.below(8) as u32);
                self.at(self.now.after(lasts), What::Starts { node });
            }
        }
    }

    fn heals(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.part = 0);
        let height = |part: &Part| self.tree.block(part.tip).height;
        let best = usize::from(self.parts.len() > 1 && height(&self.parts[1]) > height(&self.parts[0]));
        let tip = self.parts[best].tip;
        self.parts = vec![Part { tip, alone: 0 }];
        self.whole_until = self.now.after(self.settings.block_time * 4);
        self.spread(0, tip);
    }

    pub(super) fn stop(&mut self, node: usize) {
        self.nodes[node].is_down = true;
        self.nodes[node].mempool.clear();
    }

    /// The newest block that the network as a whole has.
    pub(super) fn best(&self) -> At {
        let height = |part: &&Part| self.tree.block(part.tip).height;
        self.parts.iter().rev().max_by_key(height).map_or(0, |part| part.tip)
    }

    /// Nodes that a node is connected with.
    pub(super) fn peers(&self, node: usize) -> usize {
        self.members(self.nodes[node].part).filter(|at| *at != node).count()
    }

    pub(super) fn waits(&self, node: usize, id: &TxId) -> bool {
        self.nodes[node].mempool.iter().any(|tx| tx.id() == *id)
    }
}
