//! How the nodes of a chain are: what is published, and read by whoever picks one.

use std::sync::Arc;
use std::time::Duration;

use weir_model::Mono;

use crate::words::{Height, NodeStatus};

/// How all nodes of a chain are, at one moment. Endpoints stand in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Each endpoint.
    pub endpoints: Vec<EndpointHealth>,
    /// The newest height that a node of this chain has; `None` before any answered.
    pub head: Option<Height>,
    /// What the chain calls itself.
    pub chain_id: Option<Arc<str>>,
    /// A height at which the nodes disagree without a majority, so that nobody could be ejected for it.
    pub split: Option<Height>,
}

/// How one node is.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointHealth {
    /// Its name: [`Node::name`](crate::Node::name).
    pub name: Arc<str>,
    /// What is held of it. Only [`Verdict::Healthy`] ones are used.
    pub verdict: Verdict,
    /// What it last said of itself.
    pub status: Option<NodeStatus>,
    /// What it last failed with, if it failed last.
    pub error: Option<String>,
    /// How long it takes to say how it is: an exponentially weighted mean.
    pub latency: Duration,
}

/// What is held of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has not answered yet.
    Unknown,
    /// It is used.
    Healthy,
    /// It was ejected, is well again, and is watched before it is used.
    Returning,
    /// It is behind.
    Lagging {
        /// Blocks.
        by: u64,
    },
    /// It says that it is catching up.
    Syncing,
    /// It is of another chain.
    WrongChain,
    /// Its block or state differs from that of most others.
    Disagrees {
        /// Where.
        height: Height,
    },
    /// It does not answer.
    Unreachable {
        /// Since when.
        since: Mono,
    },
    /// It has no peers, while others have.
    NoPeers,
}

impl Verdict {
    /// Whether the node is used.
    pub fn is_usable(self) -> bool {
        self == Self::Healthy
    }

    /// The word in tables and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Returning => "returning",
            Self::Lagging { .. } => "lagging",
            Self::Syncing => "syncing",
            Self::WrongChain => "wrong_chain",
            Self::Disagrees { .. } => "disagrees",
            Self::Unreachable { .. } => "unreachable",
            Self::NoPeers => "no_peers",
        }
    }
}

impl Health {
    /// The endpoints that are used, by place in the configuration.
    pub fn usable(&self) -> impl Iterator<Item = usize> {
        self.endpoints.iter().enumerate().filter(|(_, e)| e.verdict.is_usable()).map(|(at, _)| at)
    }

    /// The height of an endpoint, where it told one.
    pub fn height(&self, endpoint: usize) -> Option<Height> {
        self.endpoints.get(endpoint)?.status.as_ref().map(|status| status.height)
    }
}
