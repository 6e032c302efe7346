//! Chains: their nodes, and how one talks to them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Authorization, ChainId, ClientTls, EndpointAddress, Origin};

/// A chain, as seen through a set of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Its name.
    pub id: ChainId,
    /// Where it was written.
    pub origin: Origin,
    /// What its nodes speak.
    pub kind: ChainKind,
    /// Its nodes. At least one, but for mocks.
    pub endpoints: Vec<ChainEndpoint>,
    /// When a block stays.
    pub finality: Finality,
    /// Whether the same bytes may have an effect twice.
    pub repeats: Repeats,
    /// What the chain calls itself; what most of its nodes say where not set.
    pub chain_id: Option<Arc<str>>,
    /// TLS towards `https` and `wss` endpoints.
    pub tls: ClientTls,
    /// How Weir shows the nodes who it is.
    pub authorization: Option<Authorization>,
    /// Deadlines of calls.
    pub timeouts: ChainTimeouts,
    /// How often nodes are asked how they are, and for new blocks where they cannot push them.
    pub poll: Duration,
    /// An endpoint that is this many blocks behind is not used.
    pub max_lag: u64,
    /// Blocks that a submission is watched for, where its caller does not say.
    pub deadline_blocks: u64,
    /// The folder of the submissions' journal; `None` is the usual place of the user's state.
    pub journal: Option<PathBuf>,
    /// What only Quorum chains have.
    pub quorum: QuorumSettings,
    /// What only mocks have.
    pub mock: MockSettings,
}

/// What a chain's nodes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainKind {
    /// CometBFT's JSON-RPC, and that of Tendermint before it.
    Tendermint,
    /// Ethereum's JSON-RPC with private transactions.
    Quorum,
    /// Ethereum's JSON-RPC.
    Evm,
    /// A chain in memory, with faults.
    Mock,
}

impl ChainKind {
    /// The word in configuration and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tendermint => "tendermint",
            Self::Quorum => "quorum",
            Self::Evm => "evm",
            Self::Mock => "mock",
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEndpoint {
    /// Where it answers JSON-RPC.
    pub url: ChainUrl,
    /// Where it pushes new blocks; where not set, Tendermint's `/websocket` beside `url`, and polling for others.
    pub websocket: Option<ChainUrl>,
}

/// Where JSON-RPC is answered: `http://host:port/path`, or `https`, `ws`, `wss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainUrl {
    /// Whether it is reached by WebSocket.
    pub websocket: bool,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Who answers.
    pub address: EndpointAddress,
    /// Path and query; begins with `/`. May hold a key of its provider, so it is not shown.
    pub target: Arc<str>,
}

impl ChainUrl {
    /// Reads it. `None` where it is no such URL, holds a user name, or a fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (websocket, tls) = match scheme {
            "http" => (false, false),
            "https" => (false, true),
            "ws" => (true, false),
            "wss" => (true, true),
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let printable = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let bare = !authority.rsplit(']').next()?.contains(':');
        let port = if tls { 443 } else { 80 };
        let address = if bare {
            EndpointAddress::parse(&format!("{authority}:{port}"))
        } else {
            EndpointAddress::parse(authority)
        };
        let address = address.filter(|a| *a != EndpointAddress::Echo)?;
        let target = if target.starts_with('/') { target.into() } else { format!("/{target}").into() };
        printable.then_some(Self { websocket, tls, address, target })
    }

    /// Scheme and address: what may be shown of it.
    pub fn shown(&self) -> String {
        let scheme = match (self.websocket, self.tls) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        format!("{scheme}://{}", self.address)
    }
}

/// The whole URL, as it is configured; [`ChainUrl::parse`] reads it back. [`ChainUrl::shown`] is for logs and tables.
impl fmt::Display for ChainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())?;
        f.write_str(if &*self.target == "/" { "" } else { &self.target })
    }
}

/// When a block stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// At once: the chain never goes back.
    AtOnce,
    /// Once this many blocks stand on top of it.
    Depth(u64),
    /// Once the chain itself says so (Ethereum's tag `finalized`).
    Tag,
}

/// Whether the same bytes may have an effect twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The chain sees to it that they have an effect at most once: by numbers of the sender, or by their hash.
    Rejected,
    /// They may have an effect each time that they are sent.
    Accepted,
}

/// Deadlines of calls to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTimeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// One call, connecting included.
    pub request: Duration,
}

/// What only Quorum chains have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumSettings {
    /// The transaction managers (Tessera's interface) beside the endpoints, in the same order; one for all where there is one.
    pub managers: Vec<ChainUrl>,
    /// How long a private call may take, connecting included.
    pub private_timeout: Duration,
}

/// What only mocks have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockSettings {
    /// What everything that it does follows from.
    pub seed: u64,
    /// Its nodes.
    pub nodes: u32,
    /// Time between blocks.
    pub block_time: Duration,
    /// How often its nodes do harm.
    pub faults: MockFaults,
}

/// How often a mock's nodes do harm; shares are in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MockFaults {
    /// The usual time of a call; a tenth takes twice as long, a hundredth ten times.
    pub latency: Duration,
    /// Calls that fail before they had an effect.
    pub errors_ppm: u32,
    /// Calls whose answer is lost after they had their effect.
    pub lost_answers_ppm: u32,
    /// Blocks at which nodes are cut off from the others for a while.
    pub partitions_ppm: u32,
    /// Messages that come twice or out of order.
    pub duplicates_ppm: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        #[track_caller]
        fn check(text: &str, reads_as: Option<&str>, shown: &str) {
            let url = ChainUrl::parse(text);
            assert_eq!(url.as_ref().map(ToString::to_string).as_deref(), reads_as, "{text}");
            assert_eq!(url.map(|u| u.shown()).unwrap_or_default(), shown, "{text}");
        }
        check("http://127.0.0.1:26657", Some("http://127.0.0.1:26657"), "http://127.0.0.1:26657");
        check("https://Node.example", Some("https://node.example:443"), "https://node.example:443");
        check("http://[::1]/", Some("http://[::1]:80"), "http://[::1]:80");
        check("wss://n:8546/v3/key?x=1", Some("wss://n:8546/v3/key?x=1"), "wss://n:8546");
        check("http://n?x", Some("http://n:80/?x"), "http://n:80");
        check("tcp://n:1", None, "");
        check("http://user:secret@n:1", None, "");
        check("http://n:0", None, "");
        check("http://n/a#b", None, "");
        check("http://weir:echo", None, "");
        check("n:1", None, "");
    }
}
