//! Why a node gave no answer.

use std::fmt;

/// A call to a node that gave no answer of the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct NodeError {
    /// What went wrong.
    pub kind: NodeErrorKind,
    /// Whether the node may have acted all the same.
    pub effect: Effect,
    /// What was met, in words; without secrets.
    pub detail: String,
}

/// Whether a call that failed may have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It failed before the node can have got it whole: nothing happened.
    BeforeSend,
    /// It may have happened.
    Unknown,
}

/// What went wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeErrorKind {
    /// No connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// The node answered that it is overloaded, or that too much was asked (HTTP 429, 503).
    Busy,
    /// The node asks for proof of who is calling (HTTP 401, 403).
    Unauthorized,
    /// The answer is not of the protocol.
    Protocol,
    /// The node does not offer the call.
    Unsupported,
    /// The node answered with an error of its own.
    Internal,
}

impl NodeError {
    /// A call that failed before it was sent.
    pub fn before_send(kind: NodeErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, effect: Effect::BeforeSend, detail: detail.into() }
    }

    /// A call that may have had its effect.
    pub fn unknown(kind: NodeErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, effect: Effect::Unknown, detail: detail.into() }
    }
}

impl fmt::Display for NodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the node cannot be reached",
            Self::Timeout => "the node did not answer in time",
            Self::Broken => "the connection to the node broke",
            Self::Busy => "the node is busy",
            Self::Unauthorized => "the node does not accept who is calling; check `authorization`",
            Self::Protocol => {
                "the node's answer is not of the protocol; check that the endpoint is a node of this kind"
            }
            Self::Unsupported => "the node does not offer this call",
            Self::Internal => "the node answered with an error",
        })
    }
}
