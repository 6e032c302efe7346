//! The words that all chains share.

mod block;
mod error;
mod hash;
mod outcome;
mod tx;

pub use block::{Block, BlockAt, Head, Height, NodeStatus};
pub use error::{Effect, NodeError, NodeErrorKind};
pub use hash::{BadTxId, Hash, TxId};
pub use outcome::{Execution, Inclusion, Rejection, SendOutcome};
pub use tx::{BadTx, Private, Tx};
