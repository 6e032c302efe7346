//! What a chain offers its users, whatever its kind.

use std::sync::Arc;

use tokio::sync::watch;

use crate::heads::Heads;
use crate::health::Health;
use crate::node::BoxFuture;
use crate::submission::{Outcome, Progress, SubmissionId, Submit};
use crate::words::{BadTx, Block, BlockAt, NodeError};

/// A chain behind however many nodes.
pub trait ConsensusClient: Send + Sync + 'static {
    /// Takes a transaction, and answers once it is remembered; what becomes of it, the [`Submission`] tells. From then on it
    /// ends in exactly one outcome, whichever nodes fail and however often this client is started again.
    ///
    /// Submitting the same id or the same bytes again joins the first, also after it ended, for as long as the journal remembers.
    /// Cancel safe in this sense: what was dropped before it answered may be submitted again.
    fn submit_tx(&self, submit: Submit) -> BoxFuture<'_, Result<Submission, SubmitError>>;

    /// A block, from the first healthy node that answers. `None` where those that answered do not have it.
    fn query_block(&self, at: BlockAt) -> BoxFuture<'_, Result<Option<Block>, QueryError>>;

    /// How the nodes are, asked now rather than at the last poll.
    fn health_check(&self) -> BoxFuture<'_, Arc<Health>>;

    /// New blocks as they come, from whichever node is healthy; heights only fall where the chain re-organised itself.
    fn follow(&self) -> BoxFuture<'_, Result<Heads, QueryError>>;
}

/// A submission that is under way, or ended.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(crate) id: SubmissionId,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl Submission {
    /// Its name.
    pub fn id(&self) -> &SubmissionId {
        &self.id
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until it stands elsewhere. Cancel safe.
    pub async fn changed(&mut self) -> Result<Progress, ClientClosed> {
        self.progress.changed().await.map_err(|_| ClientClosed)?;
        Ok(self.progress.borrow_and_update().clone())
    }

    /// Waits for its end. Cancel safe; dropping this does not end the submission.
    pub async fn outcome(&mut self) -> Result<Outcome, ClientClosed> {
        let ended = self.progress.wait_for(|p| matches!(p, Progress::Done(_))).await;
        match ended.map_err(|_| ClientClosed)?.clone() {
            Progress::Done(outcome) => Ok(outcome),
            _ => Err(ClientClosed),
        }
    }
}

/// The client was closed. The submission goes on when it is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client was closed; the submission goes on when it is opened again")]
pub struct ClientClosed;

/// Why a submission was not taken. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The bytes are no transaction of this chain.
    #[error(transparent)]
    BadTx(#[from] BadTx),
    /// The id names other bytes.
    #[error("submission `{0}` is another transaction; give this one another id")]
    IdTaken(SubmissionId),
    /// The chain has already passed the deadline.
    #[error("the deadline has passed; give a height that is still to come")]
    DeadlinePassed,
    /// As many as are allowed are under way.
    #[error("{0} submissions are under way already; submit this one when some have ended")]
    TooMany(usize),
    /// It could not be remembered.
    #[error("the journal cannot be written: {0}")]
    Journal(std::io::Error),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a question about the chain has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No node is healthy.
    #[error("no node of the chain is healthy; `weir chain health` says why")]
    NoNode,
    /// The nodes that were asked gave none; this is what the last one said.
    #[error("no node answered; the last one: {0}")]
    Failed(NodeError),
}
