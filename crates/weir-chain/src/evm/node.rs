//! An Ethereum node as a [`Node`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use weir_model::{Chain, ChainEndpoint, ChainUrl, Finality, Repeats};

use super::answers::{self, result, wrong};
use super::refusal::{is_state_gone, outcome_of};
use super::{Transaction, hex};
use crate::heads::{HeadSender, Heads};
use crate::node::{Asked, Node};
use crate::rpc::{Access, Answered, Rpc, Socket};
use crate::words::{
    BadTx, Block, BlockAt, Inclusion, NodeError, NodeErrorKind, NodeStatus, SendOutcome, Tx, TxId,
};

/// Readings of a receipt whose block left the chain meanwhile.
const RECEIPT_READINGS: usize = 3;
/// A quiet subscription is asked for a sign of life this often.
const PING: Duration = Duration::from_secs(15);

/// One endpoint that answers Ethereum's JSON-RPC, over HTTP; new blocks come over WebSocket where one is configured.
///
/// A receipt is believed only where the node's own chain has its block. A node that does not know the tag `finalized` has
/// no final blocks, unless the chain's finality is instant.
#[derive(Debug)]
pub struct EvmNode {
    rpc: Rpc,
    access: Access,
    websocket: Option<ChainUrl>,
    finality: Finality,
    repeats: Repeats,
    poll: Duration,
    /// It refused several calls in one body.
    one_by_one: AtomicBool,
}

impl EvmNode {
    /// Connects nowhere yet.
    pub fn new(chain: &Chain, endpoint: &ChainEndpoint, access: Access) -> Self {
        Self {
            rpc: Rpc::new(access.clone(), endpoint.url.clone()),
            access,
            websocket: endpoint.websocket.clone(),
            finality: chain.finality,
            repeats: chain.repeats,
            poll: chain.poll,
            one_by_one: AtomicBool::new(false),
        }
    }

    /// Its JSON-RPC.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The account that signed `tx`, and its number: from the bytes, or else as the caller says.
    pub(crate) fn sender_and_nonce(tx: &Tx) -> Option<([u8; 20], u64)> {
        let said = || Some((hex::read_array(tx.sender.as_deref()?)?, tx.nonce?));
        let read = || {
            let signed = *Transaction::read(&tx.bytes).ok()?.known()?;
            let signed = if tx.private.is_some() { signed.as_private() } else { signed };
            Some((signed.sender().ok()?, signed.nonce))
        };
        read().or_else(said)
    }

    async fn ask(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        result(self.rpc.call(method, &params).await?)
    }

    /// Several calls, in one body where the node takes that.
    async fn ask_all(&self, calls: &[(&str, Value)]) -> Result<Vec<Answered>, NodeError> {
        if !self.one_by_one.load(Ordering::Relaxed) {
            let answers = self.rpc.batch(calls).await?;
            if !answers.iter().all(Result::is_err) {
                return Ok(answers);
            }
            self.one_by_one.store(true, Ordering::Relaxed);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for (method, params) in calls {
            answers.push(self.rpc.call(method, params).await?);
        }
        Ok(answers)
    }

    fn tag(&self, at: BlockAt) -> String {
        match at {
            BlockAt::Finalized if self.finality != Finality::AtOnce => "finalized".into(),
            BlockAt::Latest | BlockAt::Finalized => "latest".into(),
            BlockAt::Height(height) => hex::write_number(height.0),
        }
    }

    async fn read_block(&self, at: BlockAt) -> Result<Option<Block>, NodeError> {
        match self.rpc.call("eth_getBlockByNumber", &json!([self.tag(at), false])).await? {
            // It does not know the tag, or has no such block yet.
            Err(refused) if at == BlockAt::Finalized && !refused.is_unknown_method() => Ok(None),
            answered => answers::block(&result(answered)?),
        }
    }

    /// A receipt whose block is in the node's chain, and to whom its transaction goes.
    pub(crate) async fn receipt(
        &self,
        id: &TxId,
    ) -> Result<Option<(Inclusion, Option<[u8; 20]>)>, NodeError> {
        let TxId::Hash(hash) = id else { return Ok(None) };
        for _ in 0..RECEIPT_READINGS {
            let receipt = self.ask("eth_getTransactionReceipt", json!([hex::write_bytes(hash)])).await?;
            // Some nodes give one of a transaction that only waits.
            if receipt.is_null() || receipt.get("blockHash").is_some_and(Value::is_null) {
                return Ok(None);
            }
            let (inclusion, to) = answers::receipt(&receipt, hash)?;
            let block = self.read_block(BlockAt::Height(inclusion.height)).await?;
            if let Some(block) = block.filter(|block| block.hash == inclusion.block) {
                return match block.txs.get(inclusion.index as usize) {
                    Some(TxId::Hash(there)) if there == hash => Ok(Some((inclusion, to))),
                    _ => Err(wrong("the transaction in its receipt's block")),
                };
            }
        }
        Err(NodeError::unknown(
            NodeErrorKind::Protocol,
            "the receipt names a block that the node does not have in its chain",
        ))
    }

    /// What the node answered to a send of the transaction that it finds by `id`; `other_id` where it may find it by another.
    pub(crate) fn sent(answered: Answered, id: &TxId, other_id: bool) -> Result<SendOutcome, NodeError> {
        let value = match answered {
            Ok(value) => value,
            Err(refused) => return outcome_of(refused),
        };
        let named = TxId::Hash(answers::bare_hash(&value, "the hash of what was sent")?);
        match (named == *id, other_id) {
            (true, _) => Ok(SendOutcome::Accepted { id: None }),
            (false, true) => Ok(SendOutcome::Accepted { id: Some(named) }),
            (false, false) => Err(NodeError::unknown(
                NodeErrorKind::Protocol,
                format!("the node took {id} and calls it {named}"),
            )),
        }
    }

    async fn read_status(&self) -> Result<NodeStatus, NodeError> {
        let by_tag = |tag: &str| ("eth_getBlockByNumber", json!([tag, false]));
        let calls = [
            ("eth_chainId", json!([])),
            ("eth_syncing", json!([])),
            ("net_peerCount", json!([])),
            by_tag(&self.tag(BlockAt::Finalized)),
            by_tag("latest"),
        ];
        let answers: [Answered; 5] =
            self.ask_all(&calls).await?.try_into().map_err(|_| wrong("one of five answers"))?;
        let [chain_id, syncing, peers, finalized, latest] = answers;
        let latest = answers::block(&result(latest)?)?.ok_or_else(|| wrong("the latest block"))?;
        let finalized = finalized.ok().and_then(|value| answers::block(&value).ok()?);
        Ok(NodeStatus {
            height: latest.height,
            hash: latest.hash,
            app_hash: latest.app_hash,
            finalized: finalized.map(|block| block.height),
            earliest: None,
            chain_id: answers::chain_id(&result(chain_id)?)?,
            peers: peers.ok().and_then(|value| peers_in(&value)),
            syncing: syncing.ok().is_some_and(|value| value.is_object() || value == Value::Bool(true)),
        })
    }

    async fn subscribe(self: Arc<Self>) -> Result<Heads, NodeError> {
        let Some(url) = self.websocket.clone() else { return Ok(Heads::poll(self.clone(), self.poll)) };
        // In boxes: of the whole the compiler cannot tell that it may be sent between threads.
        let opened: Asked<'_, Socket> = Box::pin(Socket::open(&self.access, &url));
        let mut socket = opened.await?;
        let params = json!(["newHeads"]);
        let subscribed: Asked<'_, Answered> = Box::pin(socket.call("eth_subscribe", &params));
        let subscription = match subscribed.await? {
            Ok(Value::String(subscription)) => subscription,
            Ok(_) => return Err(wrong("the name of the subscription")),
            Err(refused) if refused.is_unknown_method() => return Ok(Heads::poll(self.clone(), self.poll)),
            Err(refused) => return Err(refused.into_error()),
        };
        Ok(Heads::spawn(move |sender| async move {
            if let Err(error) = push(socket, subscription, sender.clone()).await {
                let _ = sender.send(Err(error)).await;
            }
        }))
    }
}

/// Hands on what is pushed until nobody listens.
async fn push(mut socket: Socket, subscription: String, sender: HeadSender) -> Result<(), NodeError> {
    loop {
        let message = tokio::select! {
            message = socket.next() => message?,
            () = sleep(PING) => {
                socket.ping()?;
                continue;
            }
            () = sender.closed() => return Ok(()),
        };
        let Some(params) = message.get("params") else { continue };
        if params.get("subscription").and_then(Value::as_str) != Some(&*subscription) {
            continue;
        }
        let head = answers::head(params.get("result").ok_or_else(|| wrong("the pushed head"))?)?;
        if sender.send(Ok(head)).await.is_err() {
            return Ok(());
        }
    }
}

/// Besu and geth write it in hexadecimal digits, some write a number.
fn peers_in(value: &Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| hex::read_number(value.as_str()?))?;
    u32::try_from(number).ok()
}

impl Node for EvmNode {
    fn name(&self) -> &str {
        self.rpc.name()
    }

    fn tx_id(&self, tx: &Tx) -> Result<TxId, BadTx> {
        if tx.private.is_some() {
            return Err(BadTx("private transactions are for chains of the kind `quorum`".into()));
        }
        match Transaction::read(&tx.bytes) {
            Ok(transaction) => Ok(TxId::Hash(transaction.hash())),
            Err(error) => Err(BadTx(error.to_string())),
        }
    }

    fn repeats(&self) -> Repeats {
        self.repeats
    }

    fn send<'a>(&'a self, tx: &'a Tx) -> Asked<'a, SendOutcome> {
        Box::pin(async move {
            let bad = |error: BadTx| NodeError::before_send(NodeErrorKind::Protocol, error.to_string());
            let id = self.tx_id(tx).map_err(bad)?;
            let params = json!([hex::write_bytes(&tx.bytes)]);
            Self::sent(self.rpc.call("eth_sendRawTransaction", &params).await?, &id, false)
        })
    }

    fn look_up<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<Inclusion>> {
        Box::pin(async move { Ok(self.receipt(id).await?.map(|(inclusion, _)| inclusion)) })
    }

    fn pending<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<bool>> {
        Box::pin(async move {
            let TxId::Hash(hash) = id else { return Ok(Some(false)) };
            match self.rpc.call("eth_getTransactionByHash", &json!([hex::write_bytes(hash)])).await? {
                Err(refused) if refused.is_unknown_method() => Ok(None),
                answered => {
                    let tx = result(answered)?;
                    Ok(Some(tx.is_object() && tx.get("blockHash").is_none_or(Value::is_null)))
                }
            }
        })
    }

    fn spent<'a>(&'a self, tx: &'a Tx, at: BlockAt) -> Asked<'a, bool> {
        Box::pin(async move {
            let Some((sender, nonce)) = Self::sender_and_nonce(tx) else { return Ok(false) };
            let params = json!([hex::write_bytes(&sender), self.tag(at)]);
            match self.rpc.call("eth_getTransactionCount", &params).await? {
                // Without the state of that block there is no proof.
                Err(refused) if is_state_gone(&refused) => Ok(false),
                answered => Ok(answers::bare_number(&result(answered)?, "eth_getTransactionCount")? > nonce),
            }
        })
    }

    fn block(&self, at: BlockAt) -> Asked<'_, Option<Block>> {
        Box::pin(self.read_block(at))
    }

    fn status(&self) -> Asked<'_, NodeStatus> {
        Box::pin(self.read_status())
    }

    fn follow(self: Arc<Self>) -> Asked<'static, Heads> {
        Box::pin(self.subscribe())
    }
}
