//! One endpoint of a chain, as primitive operations.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use weir_model::Repeats;

use crate::heads::Heads;
use crate::words::{BadTx, Block, BlockAt, Inclusion, NodeError, NodeStatus, SendOutcome, Tx, TxId};

/// A future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer of one call to a node.
pub type Asked<'a, T> = BoxFuture<'a, Result<T, NodeError>>;

/// One endpoint of a chain. An adaptor implements this and nothing else; sending again, failing over, judging what is final and
/// remembering are the [`Client`](crate::Client)'s.
///
/// # What every adaptor promises
///
/// * A call is one try at this endpoint: no retries within. It ends within the chain's configured `timeouts`, by an answer or by an
///   error; where the time ran out after the request was, or may have been, written, the error's effect is
///   [`Effect::Unknown`](crate::words::Effect::Unknown).
/// * Reads come from the node's own view, each at least as new as what the call before it showed: after [`Node::status`] told
///   height H, [`Node::look_up`] answers `None` only where no block up to H of that view holds the transaction. Where a node's index trails its blocks,
///   or cannot be asked, the adaptor waits, reads the blocks, or fails; it never takes "not indexed" for "not included".
/// * Dropping a future cancels waiting for the answer, not the call's effect.
/// * Answers are checked before they are believed: lengths, heights, ids. A wrong one is
///   [`NodeErrorKind::Protocol`](crate::words::NodeErrorKind::Protocol).
pub trait Node: fmt::Debug + Send + Sync + 'static {
    /// How it is named in tables and messages: its URL without what is secret in it. The same for as long as it is configured.
    fn name(&self) -> &str;

    /// By what the chain will find `tx`. Pure: the same for every node of the chain.
    fn tx_id(&self, tx: &Tx) -> Result<TxId, BadTx>;

    /// Whether the chain lets the same bytes have an effect twice. The same for every node of the chain.
    fn repeats(&self) -> Repeats;

    /// Sends a transaction, once.
    fn send<'a>(&'a self, tx: &'a Tx) -> Asked<'a, SendOutcome>;

    /// Where a transaction is included, in this node's view of the chain now.
    fn look_up<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<Inclusion>>;

    /// Whether it waits in this node's mempool. `None` where the node cannot tell.
    fn pending<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<bool>>;

    /// Whether the state at `at` proves that `tx` can be in no later block unless it is in one up to `at`: the sender's number is
    /// spent (EVM: the account's count at `at` is larger than the nonce). `false` where it can still be included, or where the chain has no such
    /// proof.
    fn spent<'a>(&'a self, tx: &'a Tx, at: BlockAt) -> Asked<'a, bool>;

    /// A block. `None` where the node does not have it: not yet, or no longer.
    fn block(&self, at: BlockAt) -> Asked<'_, Option<Block>>;

    /// What the node says of itself.
    fn status(&self) -> Asked<'_, NodeStatus>;

    /// New blocks as they come, from now on. Where the node cannot push them, [`Heads::poll`] asks for them.
    fn follow(self: Arc<Self>) -> Asked<'static, Heads>;
}
