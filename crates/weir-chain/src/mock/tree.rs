//! All blocks of a mock chain: a tree, of which each node sees a branch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_model::{Repeats, Wall};

use super::tx::{MockTx, hash};
use crate::words::{Block, Execution, Hash, Height, Inclusion, TxId};

/// A block, by its place in the tree.
pub(super) type At = usize;

#[derive(Clone, Debug)]
pub(super) struct TreeBlock {
    pub(super) height: u64,
    hash: Hash,
    pub(super) parent: At,
    time: Wall,
    pub(super) txs: Vec<Arc<MockTx>>,
    state: Arc<State>,
}

/// What a branch holds up to a block.
#[derive(Clone, Debug, Default)]
struct State {
    /// The next number of each sender.
    numbers: BTreeMap<String, u64>,
    /// Where each transaction is: height, and place in the block. The first, where repeats have an effect.
    places: BTreeMap<TxId, (u64, u32)>,
    /// What the network would not include again by itself.
    keys: BTreeSet<(TxId, u64)>,
}

/// What a branch says to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    Included,
    NumberTooLow,
    NumberTooHigh,
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    blocks: Vec<TreeBlock>,
    repeats: Repeats,
}

impl Tree {
    pub(super) fn new(repeats: Repeats) -> Self {
        let genesis = TreeBlock {
            height: 0,
            hash: hash(b"genesis").into(),
            parent: 0,
            time: Wall(0),
            txs: Vec::new(),
            state: Arc::default(),
        };
        Self { blocks: vec![genesis], repeats }
    }

    pub(super) fn block(&self, at: At) -> &TreeBlock {
        &self.blocks[at]
    }

    /// Adds a block on top of `parent` with as many of `txs` as fit one after the other.
    pub(super) fn add(&mut self, parent: At, txs: impl IntoIterator<Item = Arc<MockTx>>, time: Wall) -> At {
        let at = self.blocks.len();
        let height = self.blocks[parent].height + 1;
        let mut state = State::clone(&self.blocks[parent].state);
        let mut taken = Vec::new();
        for tx in txs {
            if self.fits_state(&state, &tx) != Fits::Yes {
                continue;
            }
            if let Some((sender, number)) = &tx.numbered {
                state.numbers.insert(sender.clone(), number + 1);
            }
            state.places.entry(tx.id()).or_insert((height, taken.len() as u32));
            state.keys.insert(tx.key());
            taken.push(tx);
        }
        let text = format!("{}/{at}", self.blocks[parent].hash);
        let hash = hash(text.as_bytes()).into();
        self.blocks.push(TreeBlock { height, hash, parent, time, txs: taken, state: Arc::new(state) });
        at
    }

    fn fits_state(&self, state: &State, tx: &MockTx) -> Fits {
        if state.keys.contains(&tx.key()) {
            return Fits::Included;
        }
        if self.repeats == Repeats::Accepted {
            return Fits::Yes;
        }
        let Some((sender, number)) = &tx.numbered else { return Fits::Yes };
        match number.cmp(&state.numbers.get(sender).copied().unwrap_or(0)) {
            std::cmp::Ordering::Less => Fits::NumberTooLow,
            std::cmp::Ordering::Equal => Fits::Yes,
            std::cmp::Ordering::Greater => Fits::NumberTooHigh,
        }
    }

    /// What the branch that ends in `tip` says to a transaction.
    pub(super) fn fits(&self, tip: At, tx: &MockTx) -> Fits {
        self.fits_state(&self.blocks[tip].state, tx)
    }

    pub(super) fn next_number(&self, tip: At, sender: &str) -> u64 {
        self.blocks[tip].state.numbers.get(sender).copied().unwrap_or(0)
    }

    pub(super) fn holds(&self, tip: At, tx: &MockTx) -> bool {
        self.blocks[tip].state.keys.contains(&tx.key())
    }

    /// The block of a height on the branch that ends in `tip`.
    pub(super) fn on_branch(&self, tip: At, height: u64) -> Option<At> {
        let mut at = tip;
        while self.blocks[at].height > height {
            at = self.blocks[at].parent;
        }
        (self.blocks[at].height == height).then_some(at)
    }

    pub(super) fn common(&self, a: At, b: At) -> At {
        let (mut a, mut b) = (a, b);
        while a != b {
            if self.blocks[a].height >= self.blocks[b].height {
                a = self.blocks[a].parent;
            } else {
                b = self.blocks[b].parent;
            }
        }
        a
    }

    pub(super) fn find(&self, tip: At, id: &TxId) -> Option<Inclusion> {
        let (height, index) = *self.blocks[tip].state.places.get(id)?;
        let block = &self.blocks[self.on_branch(tip, height)?];
        let fails = block.txs.get(index as usize).is_some_and(|tx| tx.fails());
        let failed = Execution { succeeded: false, code: 5, log: "it fails by design".into() };
        let execution = if fails { failed } else { Execution::success() };
        Some(Inclusion { height: Height(height), block: block.hash.clone(), index, execution })
    }

    pub(super) fn told(&self, at: At) -> Block {
        let block = &self.blocks[at];
        Block {
            height: Height(block.height),
            hash: block.hash.clone(),
            parent: self.blocks[block.parent].hash.clone(),
            time: block.time,
            txs: block.txs.iter().map(|tx| tx.id()).collect(),
            app_hash: Some(hash(block.hash.as_bytes()).into()),
        }
    }

    /// How often the branch that ends in `tip` holds each transaction.
    pub(super) fn counts(&self, tip: At) -> BTreeMap<TxId, u32> {
        let mut counts = BTreeMap::new();
        let mut at = tip;
        while at != 0 {
            for tx in &self.blocks[at].txs {
                *counts.entry(tx.id()).or_default() += 1;
            }
            at = self.blocks[at].parent;
        }
        counts
    }
}
