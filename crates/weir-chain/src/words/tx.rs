//! Transactions: the caller's bytes, and what the caller knows of them.

use std::sync::Arc;

use bytes::Bytes;

use super::Height;

/// A signed transaction. Its bytes are the caller's and pass untouched; the rest are hints, which make outcomes surer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tx {
    /// What is sent.
    pub bytes: Bytes,
    /// Who signed it: an account, where the chain has them. Keeps transactions of one sender on one endpoint.
    pub sender: Option<Arc<str>>,
    /// Its number among the sender's transactions.
    pub nonce: Option<u64>,
    /// The last height whose block may hold it, where the bytes say so (for example `timeout_height` of the Cosmos SDK). Later
    /// heights prove that it never will be included.
    pub expires: Option<Height>,
    /// Who else may see it, on chains with private transactions.
    pub private: Option<Private>,
}

impl Tx {
    /// Bytes without hints.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), sender: None, nonce: None, expires: None, private: None }
    }
}

/// How a transaction is kept from those whom it does not concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Private {
    /// Through a transaction manager (Tessera's interface): the bytes are a signed transaction whose data is the hash that the
    /// manager gave for the payload.
    Manager {
        /// The sender's key at its manager; the manager's own default where not set.
        from: Option<Arc<str>>,
        /// The keys of those who receive it.
        recipients: Vec<Arc<str>>,
    },
    /// By the Enterprise Ethereum Alliance's form: the bytes are a signed transaction with the private fields in it.
    Eea,
}

/// Why bytes are no transaction of a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no transaction of this chain: {0}")]
pub struct BadTx(pub String);
