//! What becomes of a transaction at one node.

use std::fmt;

use super::{Hash, Height, TxId};

/// What a node said to a transaction that it was sent.
///
/// Only [`SendOutcome::Accepted`] and [`SendOutcome::AlreadyKnown`] say that the node may include it. With all others this node took
/// nothing *from this send*; whether another send has an effect, only the history of all sends can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The node took it.
    Accepted {
        /// By what the chain finds it, where that differs from what was computed beforehand (EEA: the marker's hash).
        id: Option<TxId>,
    },
    /// The node has these bytes already, waiting or in a block.
    AlreadyKnown,
    /// The node checked it and refuses it.
    Rejected(Rejection),
    /// The node has no room now.
    MempoolFull,
    /// The sender's next number is higher: these bytes, or others with the same number, were included in this node's view.
    NonceTooLow,
    /// The sender's next number is lower: something before it is missing in this node's view.
    NonceTooHigh,
    /// Another transaction with the same number waits, and this one does not pay enough to replace it.
    Underpriced,
}

/// A refusal by a node's check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The chain's number for the reason (Tendermint: the application's code; JSON-RPC: the error's code).
    pub code: i64,
    /// Whose numbers these are; empty where the chain has no such spaces.
    pub codespace: String,
    /// What the node wrote.
    pub log: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.codespace {
            "" => write!(f, "code {}: {}", self.code, self.log),
            space => write!(f, "code {} of {space}: {}", self.code, self.log),
        }
    }
}

/// Where a transaction stands in a node's view of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The block's number.
    pub height: Height,
    /// The block's hash.
    pub block: Hash,
    /// Its place in the block, from 0.
    pub index: u32,
    /// What executing it came to.
    pub execution: Execution,
}

/// What executing an included transaction came to. A failed one is in the chain all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Whether it did what it asked for.
    pub succeeded: bool,
    /// The chain's number for the result; 0 where it succeeded.
    pub code: i64,
    /// What the application wrote.
    pub log: String,
}

impl Execution {
    /// One that did what it asked for, and wrote nothing.
    pub fn success() -> Self {
        Self { succeeded: true, code: 0, log: String::new() }
    }
}
