//! Ethereum's JSON-RPC.

mod account;
pub(crate) mod answers;
pub(crate) mod hex;
mod keccak;
mod node;
mod refusal;
pub mod rlp;
pub(crate) mod transaction;

pub use account::account_of_call;
pub use keccak::keccak;
pub use node::EvmNode;
pub use transaction::{Form, Signed, Transaction, TransactionError};
