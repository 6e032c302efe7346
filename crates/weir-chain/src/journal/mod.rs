//! What is remembered of submissions, so that they survive the client.
//!
//! A small append-only file: the transaction before anything is sent, "a node may have it" before the first send, the outcome before
//! it is told. It is written anew, without what is no longer needed, when it has grown.

mod codec;
mod file;
mod ledger;
mod sim;

use std::io;

use crate::node::BoxFuture;

pub use codec::JournalDamage;
pub(crate) use codec::{Begun, Record};
pub use file::{FileJournal, JournalOpenError};
pub(crate) use ledger::{Entry, Ledger, Live};
pub use sim::SimJournal;

/// Where a client remembers its submissions. One client at a time.
///
/// The client has at most one call under way, so the order of calls is that of bytes.
pub trait Journal: Send + Sync + 'static {
    /// Everything that is there, in order. What an append that did not return left behind may follow: any part of its bytes.
    fn read(&self) -> BoxFuture<'_, io::Result<Vec<u8>>>;

    /// Appends, and returns when the bytes survive a crash. After an error none of them may be there.
    fn append(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;

    /// Puts `bytes` in the place of everything. After a crash, either all or nothing of that has happened; when it returns, all.
    fn replace(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;
}
