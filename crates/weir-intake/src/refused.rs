//! What was not taken of a payload whose rest was.

use std::collections::BTreeMap;
use std::fmt;

use weir_signal::{Reason, Refusal};

/// Messages that are kept of one payload; the rest is only counted.
const MESSAGES_MAX: usize = 8;

/// Counts by reason, and the first few messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    counts: BTreeMap<Reason, u64>,
    messages: Vec<String>,
}

impl Refused {
    /// Notes that `items` (samples, lines, spans) at `place` were not taken.
    ///
    /// # Errors
    /// The refusal itself where the sender shall try again: then the whole payload is given up, since it will come again
    /// as a whole.
    pub fn note(
        &mut self,
        place: impl fmt::Display,
        refusal: impl Into<Refusal>,
        items: u64,
    ) -> Result<(), Refusal> {
        let refusal = refusal.into();
        if refusal.reason.may_retry() {
            return Err(refusal);
        }
        self.count(refusal.reason, items);
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(format!("{place}: {}", refusal.message));
        }
        Ok(())
    }

    /// Counts items that were lost with something whose refusal was noted.
    pub fn count(&mut self, reason: Reason, items: u64) {
        *self.counts.entry(reason).or_default() += items;
    }

    /// How many items were refused, by reason.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.counts.iter().map(|(&reason, &count)| (reason, count))
    }

    /// How many items were refused in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether all was taken.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// How many there were and the first few, one a line.
impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} refused, the rest was taken", self.total())?;
        self.messages.iter().try_for_each(|message| write!(out, "\n{message}"))
    }
}
