//! Nodes from configuration.

use std::sync::Arc;

use weir_model::{Chain, ChainKind, SecretRef};

use crate::evm::EvmNode;
use crate::mock::{MockChain, MockChainSettings};
use crate::node::Node;
use crate::quorum::QuorumNode;
use crate::rpc::Access;

/// Reads a secret when it is needed. This crate opens no file and no variable itself.
pub type Secrets<'a> = &'a dyn Fn(&SecretRef) -> std::io::Result<Vec<u8>>;

/// Why a chain's nodes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FactoryError {
    /// A secret cannot be read.
    #[error("{what} cannot be read from {secret}: {error}")]
    Secret {
        /// What it is for.
        what: &'static str,
        /// Where it should be.
        secret: SecretRef,
        /// What was met.
        error: std::io::Error,
    },
    /// A certificate, key or header is not in order.
    #[error("{what}: {problem}")]
    Bad {
        /// What it is for.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The endpoints of `chain`, one node each, in order. Connects nowhere yet. Within a tokio runtime.
///
/// # Errors
/// Where a secret or a certificate is missing or not in order.
pub fn nodes(chain: &Chain, secrets: Secrets<'_>) -> Result<Vec<Arc<dyn Node>>, FactoryError> {
    match chain.kind {
        ChainKind::Mock => {
            let (finality, repeats) = (chain.finality, chain.repeats);
            let settings = MockChainSettings::of(&chain.mock, finality, repeats, chain.timeouts.request);
            Ok(MockChain::new(settings).nodes())
        }
        ChainKind::Evm => {
            let access = Access::of(chain, secrets)?;
            let node = |endpoint| Arc::new(EvmNode::new(chain, endpoint, access.clone())) as Arc<dyn Node>;
            Ok(chain.endpoints.iter().map(node).collect())
        }
        ChainKind::Quorum => {
            let nodes = quorum_nodes(chain, secrets)?;
            Ok(nodes.into_iter().map(|node| node as Arc<dyn Node>).collect())
        }
        ChainKind::Tendermint => Err(FactoryError::Bad {
            what: "kind",
            problem: "nodes of `tendermint` cannot be asked yet, only served: requests go to all of them as if nothing were \
                      known of how they are"
                .into(),
        }),
    }
}

/// The endpoints of a chain of the kind `quorum`, with what only they offer.
///
/// # Errors
/// As [`nodes`].
pub fn quorum_nodes(chain: &Chain, secrets: Secrets<'_>) -> Result<Vec<Arc<QuorumNode>>, FactoryError> {
    let access = Access::of(chain, secrets)?;
    let managers = &chain.quorum.managers;
    let node = |(at, endpoint)| {
        let manager = managers.get(if managers.len() == 1 { 0 } else { at });
        Arc::new(QuorumNode::new(chain, endpoint, manager, &access))
    };
    Ok(chain.endpoints.iter().enumerate().map(node).collect())
}
