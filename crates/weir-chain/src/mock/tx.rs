//! Transactions of the mock.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::words::{Tx, TxId};

/// A transaction of the mock: `sender/number/payload`, or any other bytes, which have neither sender nor number. A payload that begins with
/// `bad` is refused, one that begins with `fail` is included and
/// fails, one that begins with `after 12 ` is refused by nodes that do not have block 12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockTx {
    /// The bytes.
    pub bytes: Bytes,
    /// Who signed it, and its number.
    pub numbered: Option<(String, u64)>,
    /// Which send it came by, where each has an effect; 0 elsewhere.
    pub(super) instance: u64,
}

impl MockTx {
    /// A numbered transaction, with its hints.
    pub fn numbered(sender: &str, number: u64, payload: &str) -> Tx {
        let mut tx = Tx::new(format!("{sender}/{number}/{payload}").into_bytes());
        (tx.sender, tx.nonce) = (Some(sender.into()), Some(number));
        tx
    }

    /// Reads bytes; all are a transaction.
    pub fn read(bytes: &Bytes) -> Self {
        let numbered = std::str::from_utf8(bytes).ok().and_then(|text| {
            let mut parts = text.splitn(3, '/');
            let (sender, number, _) = (parts.next()?, parts.next()?, parts.next()?);
            Some((sender.to_owned(), number.parse().ok()?))
        });
        Self { bytes: bytes.clone(), numbered, instance: 0 }
    }

    /// By what it is found.
    pub fn id(&self) -> TxId {
        TxId::Hash(hash(&self.bytes))
    }

    /// What the network itself never includes twice.
    pub(super) fn key(&self) -> (TxId, u64) {
        (self.id(), self.instance)
    }

    fn payload(&self) -> &[u8] {
        let skip = if self.numbered.is_some() { 2 } else { 0 };
        self.bytes.splitn(skip + 1, |b| *b == b'/').last().unwrap_or_default()
    }

    pub(super) fn is_bad(&self) -> bool {
        self.payload().starts_with(b"bad")
    }

    /// The height that a node needs before it takes it.
    pub(super) fn after(&self) -> u64 {
        let text = std::str::from_utf8(self.payload()).unwrap_or_default();
        let height = text.strip_prefix("after ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        height.unwrap_or(0)
    }

    pub(super) fn fails(&self) -> bool {
        self.payload().starts_with(b"fail")
    }
}

/// 32 bytes that stand for a cryptographic hash: nobody attacks a mock.
pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&xxh3_128_with_seed(bytes, 1).to_be_bytes());
    hash[16..].copy_from_slice(&xxh3_128_with_seed(bytes, 2).to_be_bytes());
    hash
}
