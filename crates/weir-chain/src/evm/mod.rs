//! Ethereum's JSON-RPC.

mod account;
pub(crate) mod hex;
mod keccak;
pub mod rlp;
mod transaction;

pub use account::account_of_call;
pub use keccak::keccak;
pub use transaction::{Form, Signed, Transaction, TransactionError};
