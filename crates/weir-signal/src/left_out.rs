//! What is missing in an answer because files are damaged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::scope::ReadError;

/// So many damages of one query are told one by one; of further ones it is said that there are some.
const NAMED_MAX: usize = 16;

/// What the answer of a query leaves out, as it is damaged or cannot be read. Shared by all that reads for the query; whoever
/// gives the answer says so in it.
#[derive(Debug, Default)]
pub struct LeftOut {
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// By what they say, so that each stands there once.
    named: BTreeMap<String, ReadError>,
    more: bool,
}

impl LeftOut {
    /// Notes that something is left out.
    ///
    /// # Errors
    /// The error itself where it is not of a file: then it is the query that has to end.
    pub fn leave_out(&self, error: ReadError) -> Result<(), ReadError> {
        if error.file().is_none() {
            return Err(error);
        }
        let mut found = self.found();
        let text = error.to_string();
        if found.named.len() < NAMED_MAX || found.named.contains_key(&text) {
            found.named.insert(text, error);
        } else {
            found.more = true;
        }
        Ok(())
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.found().named.is_empty()
    }

    /// What was left out: at most 16 places.
    pub fn errors(&self) -> Vec<ReadError> {
        self.found().named.values().cloned().collect()
    }

    /// A sentence for whoever asked about each thing that was left out, ascending.
    pub fn warnings(&self) -> Vec<String> {
        let found = self.found();
        let more = found.more.then(|| "more than these was left out; see `weir store verify`".to_owned());
        found.named.keys().map(|text| format!("left out of the answer: {text}")).chain(more).collect()
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // Nothing is left half-changed by a panic.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(offset: u64) -> ReadError {
        ReadError::Damaged { file: "part/data".into(), offset, what: "a bit is flipped".into() }
    }

    #[test]
    fn each_is_told_once_and_not_without_end() {
        let left_out = LeftOut::default();
        assert!(left_out.is_empty());
        for offset in (10..12).chain(10..12) {
            left_out.leave_out(damage(offset)).unwrap();
        }
        assert_eq!(left_out.errors(), [damage(10), damage(11)]);
        assert_eq!(
            left_out.warnings()[1],
            "left out of the answer: part/data is damaged at byte 11: a bit is flipped"
        );
        (0..1000).for_each(|offset| left_out.leave_out(damage(offset)).unwrap());
        assert_eq!(left_out.warnings().len(), NAMED_MAX + 1);
    }

    #[test]
    fn a_budget_that_is_used_up_ends_the_query() {
        let left_out = LeftOut::default();
        assert_eq!(left_out.leave_out(ReadError::Rows(7)), Err(ReadError::Rows(7)));
        assert!(left_out.is_empty());
    }
}
