//! The batches that were committed: a sender that sends one again is told that it is there already.

use std::collections::{HashSet, VecDeque};

use weir_signal::Tenant;
use xxhash_rust::xxh3::Xxh3;

use crate::signal::Signal;

/// So many are remembered; what is sent again comes within seconds or minutes.
pub(crate) const BATCHES_MAX: usize = 16_384;

/// What a batch is remembered as: a sender's id says something within its tenant and signal only.
pub(crate) fn key(tenant: &Tenant, signal: Signal, batch: u128) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&[signal.code()]);
    hash.update(&batch.to_le_bytes());
    hash.update(tenant.as_str().as_bytes());
    hash.digest128()
}

/// The last batches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    order: VecDeque<u128>,
    known: HashSet<u128>,
}

impl Batches {
    pub(crate) fn has(&self, key: u128) -> bool {
        self.known.contains(&key)
    }

    pub(crate) fn add(&mut self, key: u128) {
        if self.known.insert(key) {
            self.order.push_back(key);
            if self.order.len() > BATCHES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u128> {
        self.order.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut batches = Batches::default();
        for batch in 0..=BATCHES_MAX as u128 {
            batches.add(batch);
            batches.add(batch);
        }
        assert!(!batches.has(0) && batches.has(1) && batches.has(BATCHES_MAX as u128));
        assert_eq!(batches.iter().count(), BATCHES_MAX);
    }

    #[test]
    fn an_id_means_something_to_its_tenant_only() {
        let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
        assert_ne!(key(&a, Signal::Logs, 1), key(&b, Signal::Logs, 1));
        assert_ne!(key(&a, Signal::Logs, 1), key(&a, Signal::Metrics, 1));
        assert_eq!(key(&a, Signal::Logs, 1), key(&a, Signal::Logs, 1));
    }
}
