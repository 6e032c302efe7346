//! Blocks, and what a node says of itself.

use std::fmt;
use std::sync::Arc;

use weir_model::Wall;

use super::{Hash, TxId};

/// The number of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

impl Height {
    /// This height plus `blocks`, saturating.
    pub fn plus(self, blocks: u64) -> Self {
        Self(self.0.saturating_add(blocks))
    }

    /// This height less `blocks`, at least 0.
    pub fn minus(self, blocks: u64) -> Self {
        Self(self.0.saturating_sub(blocks))
    }

    /// Blocks from `earlier` to here; 0 where it lies ahead.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAt {
    /// The newest that the node has.
    Latest,
    /// The newest that the chain itself says will stay. On chains of instant finality the same as `Latest`.
    Finalized,
    /// The one at this height of the node's own view.
    Height(Height),
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// The hash of the one before.
    pub parent: Hash,
    /// When it was proposed.
    pub time: Wall,
    /// Its transactions, in order.
    pub txs: Vec<TxId>,
    /// The hash of the application's state (Tendermint: after the block before; EVM: the state's root after this one).
    pub app_hash: Option<Hash>,
}

impl Block {
    /// What following blocks tells of it.
    pub fn head(&self) -> Head {
        Head { height: self.height, hash: self.hash.clone(), parent: self.parent.clone(), time: self.time }
    }
}

/// A new block, as told by whoever follows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// The hash of the one before. Where that is not the hash of the head told before, heads were skipped (the number is
    /// larger by more than one) or the chain re-organised itself.
    pub parent: Hash,
    /// When it was proposed.
    pub time: Wall,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its newest block.
    pub height: Height,
    /// That block's hash.
    pub hash: Hash,
    /// The hash of the application's state, as in that block.
    pub app_hash: Option<Hash>,
    /// The newest block that will stay, where the chain tells it.
    pub finalized: Option<Height>,
    /// The oldest block that it still has, where it tells it.
    pub earliest: Option<Height>,
    /// The chain's name: `chain_id` of Tendermint's genesis, the decimal number of an EVM chain.
    pub chain_id: Arc<str>,
    /// Other nodes that it is connected with, where it tells it.
    pub peers: Option<u32>,
    /// Whether it is still catching up.
    pub syncing: bool,
}
