//! What became of a commit.

use std::collections::BTreeMap;

use weir_signal::{Reason, Refusal};

/// What became of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Samples, lines or spans that are kept, those included that were there already with the same value.
    pub accepted: u64,
    /// Those that are not.
    pub refused: Refused,
    /// The batch was committed before: nothing was done, and it may be acknowledged once the ticket is done.
    pub already_there: bool,
}

/// What was refused, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    counts: BTreeMap<Reason, u64>,
    first: Option<Refusal>,
}

impl Refused {
    /// Counts one, and gives it back.
    pub(crate) fn note(&mut self, refusal: Refusal) -> Refusal {
        *self.counts.entry(refusal.reason).or_default() += 1;
        self.first.get_or_insert_with(|| refusal.clone());
        refusal
    }

    /// Counts one whose message is made only for the first.
    pub(crate) fn count(&mut self, reason: Reason, message: impl FnOnce() -> String) {
        *self.counts.entry(reason).or_default() += 1;
        self.first.get_or_insert_with(|| Refusal::new(reason, message()));
    }

    /// How many were refused for each reason, ascending by reason.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.counts.iter().map(|(&reason, &count)| (reason, count))
    }

    /// How many were refused in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The first of them: its place and remedy.
    pub fn first(&self) -> Option<&Refusal> {
        self.first.as_ref()
    }
}
