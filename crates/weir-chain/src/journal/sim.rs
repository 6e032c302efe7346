//! A journal in memory whose crashes follow from a seed.

use std::io;
use std::sync::Mutex;

use super::Journal;
use crate::node::BoxFuture;

/// A journal in memory. [`SimJournal::crash`] leaves of a write under way what a disk may leave.
#[derive(Debug, Default)]
pub struct SimJournal {
    inner: Mutex<Inner>,
    delay: std::time::Duration,
}

#[derive(Debug, Default)]
struct Inner {
    durable: Vec<u8>,
    /// What is being appended.
    under_way: Vec<u8>,
    /// Appends that will fail.
    failures: u32,
    appends: u64,
}

impl SimJournal {
    /// An empty one, each of whose writes takes `delay`.
    pub fn new(delay: std::time::Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// Ends the client's hold on it. Of an append that did not return, `kept` bytes are there (at most all).
    pub fn crash(&self, kept: usize) {
        self.with(|inner| {
            let torn = std::mem::take(&mut inner.under_way);
            inner.durable.extend_from_slice(&torn[..kept.min(torn.len())]);
        });
    }

    /// Lets the next appends fail.
    pub fn fail(&self, appends: u32) {
        self.with(|inner| inner.failures = appends);
    }

    /// What is there.
    pub fn content(&self) -> Vec<u8> {
        self.with(|inner| inner.durable.clone())
    }

    /// Appends so far.
    pub fn appends(&self) -> u64 {
        self.with(|inner| inner.appends)
    }

    fn with<T>(&self, run: impl FnOnce(&mut Inner) -> T) -> T {
        run(&mut self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Journal for SimJournal {
    fn read(&self) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async { Ok(self.content()) })
    }

    fn append(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.with(|inner| inner.under_way = bytes);
            tokio::time::sleep(self.delay).await;
            self.with(|inner| {
                inner.appends += 1;
                if inner.failures > 0 {
                    inner.failures -= 1;
                    inner.under_way.clear();
                    return Err(io::Error::other("no space left"));
                }
                let bytes = std::mem::take(&mut inner.under_way);
                inner.durable.extend_from_slice(&bytes);
                Ok(())
            })
        })
    }

    fn replace(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            self.with(|inner| inner.durable = bytes);
            Ok(())
        })
    }
}
