//! A node with private transactions as a [`Node`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_model::{Chain, ChainEndpoint, ChainUrl, Repeats};

use super::Eea;
use super::manager::Manager;
use crate::evm::answers::{self, result, wrong};
use crate::evm::{EvmNode, hex, keccak};
use crate::heads::Heads;
use crate::node::{Asked, Node};
use crate::rpc::{Access, Answered};
use crate::words::{
    BadTx, Block, BlockAt, Execution, Inclusion, NodeError, NodeErrorKind, NodeStatus, Private, SendOutcome,
    Tx, TxId,
};

/// Where Besu's public markers of private transactions go: offchain groups, flexible groups, and those of plugins.
const MARKERS: [u8; 3] = [0x7e, 0x7c, 0x7b];

/// One endpoint of GoQuorum, or of Besu while it had private transactions. What is public is as with [`EvmNode`].
///
/// A private transaction through a manager is on the chain itself, and has its nonce there. One by the EEA's form is found by
/// its public marker, whose hash the node gives when it takes it; its nonce counts within its group. A node that takes the same
/// bytes twice makes two markers, of which the second has no effect: the client sends such a transaction once.
#[derive(Debug)]
pub struct QuorumNode {
    evm: Arc<EvmNode>,
    manager: Option<Manager>,
    within: Duration,
}

/// A privacy group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyGroup {
    /// Its id, in Base64.
    pub id: String,
    /// Its name, where it has one.
    pub name: String,
    /// The keys of its members, in Base64.
    pub members: Vec<String>,
}

impl QuorumNode {
    /// Connects nowhere yet.
    pub fn new(chain: &Chain, endpoint: &ChainEndpoint, manager: Option<&ChainUrl>, access: &Access) -> Self {
        let within = chain.quorum.private_timeout;
        Self {
            evm: Arc::new(EvmNode::new(chain, endpoint, access.clone())),
            manager: manager.map(|url| Manager::new(access, url.clone(), within)),
            within,
        }
    }

    /// The transaction manager beside it, where one is configured.
    pub fn manager(&self) -> Option<&Manager> {
        self.manager.as_ref()
    }

    /// A private call, in its own time.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Answered, NodeError> {
        self.evm.rpc().call_within(method, &params, self.within).await
    }

    /// What the node's own party knows of a private transaction, by its marker's hash: Besu's receipt. `None` where it is in no
    /// block, or concerns others.
    pub async fn private_receipt(&self, marker: &[u8; 32]) -> Result<Option<Value>, NodeError> {
        let answered = self.ask("priv_getTransactionReceipt", json!([hex::write_bytes(marker)])).await?;
        Ok(Some(result(answered)?).filter(Value::is_object))
    }

    /// A private transaction, by its marker's hash. `None` where it concerns others.
    pub async fn private_transaction(&self, marker: &[u8; 32]) -> Result<Option<Value>, NodeError> {
        let answered = self.ask("priv_getPrivateTransaction", json!([hex::write_bytes(marker)])).await?;
        Ok(Some(result(answered)?).filter(Value::is_object))
    }

    /// The next number of `account` within a group.
    pub async fn private_count(&self, account: &[u8; 20], group: &str) -> Result<u64, NodeError> {
        let params = json!([hex::write_bytes(account), group]);
        let count = result(self.ask("priv_getTransactionCount", params).await?)?;
        answers::bare_number(&count, "priv_getTransactionCount")
    }

    /// Makes a group of these members, keys in Base64, and gives its id. Each call makes another group.
    pub async fn create_privacy_group(
        &self,
        members: &[&str],
        name: &str,
        description: &str,
    ) -> Result<String, NodeError> {
        let params = json!([{ "addresses": members, "name": name, "description": description }]);
        let id = result(self.ask("priv_createPrivacyGroup", params).await?)?;
        id.as_str().map(str::to_owned).ok_or_else(|| wrong("the id of the privacy group"))
    }

    /// The groups of exactly these members.
    pub async fn find_privacy_group(&self, members: &[&str]) -> Result<Vec<PrivacyGroup>, NodeError> {
        let found = result(self.ask("priv_findPrivacyGroup", json!([members])).await?)?;
        let groups = found.as_array().ok_or_else(|| wrong("the list of privacy groups"))?;
        groups.iter().map(group).collect()
    }

    async fn send_private(&self, tx: &Tx, private: &Private) -> Result<SendOutcome, NodeError> {
        let bad = |error: BadTx| NodeError::before_send(NodeErrorKind::Protocol, error.to_string());
        let (id, raw) = (self.tx_id(tx).map_err(bad)?, hex::write_bytes(&tx.bytes));
        let (method, params) = match private {
            Private::Eea => ("eea_sendRawTransaction", json!([raw])),
            Private::Manager { from, recipients } => {
                let recipients: Vec<&str> = recipients.iter().map(|key| &**key).collect();
                let mut who = json!({ "privateFor": recipients });
                if let Some(from) = from {
                    who["privateFrom"] = json!(&**from);
                }
                ("eth_sendRawPrivateTransaction", json!([raw, who]))
            }
        };
        EvmNode::sent(self.ask(method, params).await?, &id, true)
    }

    async fn private_look_up(&self, id: &TxId) -> Result<Option<Inclusion>, NodeError> {
        let Some((mut inclusion, to)) = self.evm.receipt(id).await? else { return Ok(None) };
        let marks = to.is_some_and(|to| to[..19] == [0; 19] && MARKERS.contains(&to[19]));
        if marks && let TxId::Hash(hash) = id {
            inclusion.execution = self.private_execution(hash, inclusion.execution).await?;
        }
        Ok(Some(inclusion))
    }

    /// What executing the private part came to; that of the marker where it concerns others, or the node has no such call.
    async fn private_execution(&self, marker: &[u8; 32], public: Execution) -> Result<Execution, NodeError> {
        match self.ask("priv_getTransactionReceipt", json!([hex::write_bytes(marker)])).await? {
            Ok(receipt) if receipt.is_object() => Ok(answers::execution(&receipt)),
            Ok(_) => Ok(public),
            Err(refused) if refused.is_unknown_method() || refused.code == -32604 => Ok(public),
            Err(refused) => Err(refused.into_error()),
        }
    }
}

fn group(of: &Value) -> Result<PrivacyGroup, NodeError> {
    let members = of.get("members").and_then(Value::as_array).ok_or_else(|| wrong("members"))?;
    let member = |key: &Value| key.as_str().map(str::to_owned).ok_or_else(|| wrong("members"));
    Ok(PrivacyGroup {
        id: answers::text(of, "privacyGroupId")?.to_owned(),
        name: of.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        members: members.iter().map(member).collect::<Result<_, _>>()?,
    })
}

impl Node for QuorumNode {
    fn name(&self) -> &str {
        self.evm.name()
    }

    fn tx_id(&self, tx: &Tx) -> Result<TxId, BadTx> {
        match &tx.private {
            None => self.evm.tx_id(tx),
            Some(Private::Manager { recipients, .. }) if recipients.is_empty() => {
                Err(BadTx("a private transaction names at least one recipient".into()))
            }
            Some(Private::Manager { .. }) => self.evm.tx_id(&Tx { private: None, ..tx.clone() }),
            Some(Private::Eea) => match Eea::read(&tx.bytes) {
                Ok(_) => Ok(TxId::Hash(keccak(&tx.bytes))),
                Err(error) => Err(BadTx(error.to_string())),
            },
        }
    }

    fn repeats(&self) -> Repeats {
        self.evm.repeats()
    }

    fn send<'a>(&'a self, tx: &'a Tx) -> Asked<'a, SendOutcome> {
        match &tx.private {
            None => self.evm.send(tx),
            Some(private) => Box::pin(self.send_private(tx, private)),
        }
    }

    fn look_up<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<Inclusion>> {
        Box::pin(self.private_look_up(id))
    }

    fn pending<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<bool>> {
        self.evm.pending(id)
    }

    fn spent<'a>(&'a self, tx: &'a Tx, at: BlockAt) -> Asked<'a, bool> {
        // Numbers within a group are told of the newest block only, which proves nothing of an older one.
        if tx.private == Some(Private::Eea) {
            return Box::pin(async { Ok(false) });
        }
        self.evm.spent(tx, at)
    }

    fn block(&self, at: BlockAt) -> Asked<'_, Option<Block>> {
        self.evm.block(at)
    }

    fn status(&self) -> Asked<'_, NodeStatus> {
        self.evm.status()
    }

    fn follow(self: Arc<Self>) -> Asked<'static, Heads> {
        self.evm.clone().follow()
    }
}
