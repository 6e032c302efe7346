//! Whether endpoints hold the same private state.

use serde_json::json;

use super::QuorumNode;
use crate::evm::answers::{result, wrong};
use crate::evm::hex;
use crate::node::Node;
use crate::words::{BlockAt, Hash, Height, NodeError};

/// What is asked of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateQuestion {
    /// A call that changes nothing, as the endpoint's party sees the contract (`eth_call` of GoQuorum; `priv_call` within a group).
    Call {
        /// The group's id in Base64; `None` with GoQuorum.
        group: Option<String>,
        /// The contract.
        to: [u8; 20],
        /// What it is called with.
        data: Vec<u8>,
    },
    /// The root of a contract's storage (`eth_storageRoot` of GoQuorum).
    StorageRoot {
        /// The contract.
        contract: [u8; 20],
    },
}

/// What came of a comparison at one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateComparison {
    /// Both answer the same.
    Same(Vec<u8>),
    /// They answer differently on the same block: one lost or missed a private transaction, or is not a party to it.
    Differs([Vec<u8>; 2]),
    /// Their public blocks differ already: what was private cannot be compared.
    OtherBlock([Option<Hash>; 2]),
}

/// Asks two endpoints the same at the same height, and compares.
///
/// # Errors
/// One of them did not answer in time, or refused.
pub async fn compare_private(
    nodes: [&QuorumNode; 2],
    question: &PrivateQuestion,
    at: Height,
) -> Result<PrivateComparison, NodeError> {
    let (a, b) = tokio::join!(nodes[0].block_hash(at), nodes[1].block_hash(at));
    let blocks = [a?, b?];
    if blocks[0].is_none() || blocks[0] != blocks[1] {
        return Ok(PrivateComparison::OtherBlock(blocks));
    }
    let (a, b) = tokio::join!(ask(nodes[0], question, at), ask(nodes[1], question, at));
    let answers = [a?, b?];
    let [a, b] = &answers;
    Ok(if a == b { PrivateComparison::Same(a.clone()) } else { PrivateComparison::Differs(answers) })
}

async fn ask(node: &QuorumNode, question: &PrivateQuestion, at: Height) -> Result<Vec<u8>, NodeError> {
    let at = hex::write_number(at.0);
    let (method, params) = match question {
        PrivateQuestion::Call { group, to, data } => {
            let call = json!({ "to": hex::write_bytes(to), "data": hex::write_bytes(data) });
            match group {
                Some(group) => ("priv_call", json!([group, call, at])),
                None => ("eth_call", json!([call, at])),
            }
        }
        PrivateQuestion::StorageRoot { contract } => {
            ("eth_storageRoot", json!([hex::write_bytes(contract), at]))
        }
    };
    let answer = result(node.ask(method, params).await?)?;
    answer.as_str().and_then(hex::read_bytes).ok_or_else(|| wrong(method))
}

impl QuorumNode {
    async fn block_hash(&self, at: Height) -> Result<Option<Hash>, NodeError> {
        Ok(self.block(BlockAt::Height(at)).await?.map(|block| block.hash))
    }
}
