//! What a submission is asked, and what it ends in.

use std::fmt;
use std::sync::Arc;

use crate::words::{Height, Inclusion, Rejection, Tx, TxId};

/// The name of a submission: the caller's, so that asking twice is asking once; or else the transaction's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubmissionId(Arc<str>);

/// Why a text names no submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a submission is 1 to 128 printable ASCII characters without spaces")]
pub struct BadSubmissionId;

impl SubmissionId {
    /// The longest one, in bytes.
    pub const LEN_MAX: usize = 128;

    /// Takes a name.
    pub fn new(text: &str) -> Result<Self, BadSubmissionId> {
        let fits =
            !text.is_empty() && text.len() <= Self::LEN_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(BadSubmissionId) }
    }

    /// The name of a submission whose caller gives none: the same bytes have the same name.
    pub fn of_tx(id: &TxId) -> Self {
        Self(id.to_string().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a transaction that a node may have got is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Whenever it does not show: the chain gives the same bytes an effect at most once.
    ChainRejectsRepeats,
    /// Whenever it does not show: the caller says that a second effect does no harm.
    CallerAllows,
    /// Never: it is watched instead.
    Never,
}

/// What is to be submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// The transaction.
    pub tx: Tx,
    /// The submission's name; the transaction's id where not given.
    pub id: Option<SubmissionId>,
    /// The height up to which it is watched; the chain's configured number of blocks from the first send on, where not given.
    pub deadline: Option<Height>,
    /// When it may be sent again; where not given, only if the chain rejects repeats.
    pub resend: Option<Resend>,
}

impl Submit {
    /// A transaction, and defaults.
    pub fn new(tx: Tx) -> Self {
        Self { tx, id: None, deadline: None, resend: None }
    }
}

/// What a submission ended in. Each says no more than what is true, and stays true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a block that stays, by the chain's stated finality. Whether it did what it asked for, its `execution` says.
    Confirmed(Inclusion),
    /// What this client sent is in no block, and never will be.
    Rejected(Why),
    /// It is in no block up to this height, and those blocks stay; but a node may have it, and nothing proves that a later
    /// block will not hold it. To learn more, submit the same again: with a later deadline it is watched on.
    NotIncluded {
        /// The height.
        by: Height,
    },
}

/// Why a transaction is in no block, and never will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Every node that was asked refused it, and none can have got it otherwise.
    Refused(Rejection),
    /// No node took it until the deadline, and none can have got it otherwise.
    NotTaken {
        /// What the last node said.
        last: NotTaken,
    },
    /// A block that stays has another transaction of the same sender and number.
    NumberSpent {
        /// A height at which that was so.
        at: Height,
    },
    /// A block that stays is past the last height at which it was valid.
    Expired {
        /// Its last height.
        at: Height,
    },
}

/// Why a node did not take a transaction for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// None could be reached.
    Unreachable,
    /// The mempool was full.
    MempoolFull,
    /// Something before it was missing.
    NonceTooHigh,
    /// One that pays more waits under the same number.
    Underpriced,
    /// It was refused, and the refusals could not be verified in time.
    Refused,
}

/// Where a submission stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No node can have it yet.
    Sending,
    /// Unknown: a node may have it. It is watched from height to height.
    Watched {
        /// The newest height when it was first sent.
        since: Height,
        /// The deadline.
        until: Height,
    },
    /// It is in a block that may still go.
    Included(Inclusion),
    /// It ended.
    Done(Outcome),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed(inclusion) if inclusion.execution.succeeded => {
                write!(f, "confirmed in block {}", inclusion.height)
            }
            Self::Confirmed(Inclusion { height, execution, .. }) => {
                write!(
                    f,
                    "confirmed in block {height}, where it failed with code {}: {}",
                    execution.code, execution.log
                )
            }
            Self::Rejected(why) => write!(f, "rejected: {why}"),
            Self::NotIncluded { by } => write!(f, "in no block up to {by}; a later one may hold it"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(rejection) => rejection.fmt(f),
            Self::NotTaken { last } => write!(f, "no node took it: {last}"),
            Self::NumberSpent { at } => {
                write!(f, "at height {at} its number was spent by another transaction")
            }
            Self::Expired { at } => write!(f, "it was valid up to height {at}"),
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "none could be reached",
            Self::MempoolFull => "the mempool was full",
            Self::NonceTooHigh => "a transaction with a lower number is missing",
            Self::Underpriced => "one that pays more waits under the same number",
            Self::Refused => "it was refused",
        })
    }
}
