//! What was not taken of a payload whose rest was.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Reason, Refusal};

/// Messages that are kept of one payload; the rest is only counted.
const MESSAGES_MAX: usize = 8;

/// Counts by reason, and the first few messages.
///
/// Sinks say no and count nothing; whoever asked them counts here, once, since it alone knows the place and how many items
/// went with the one that was refused.
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
        self.say(refusal.reason, items, || format!("{place}: {}", refusal.message));
        Ok(())
    }

    /// Counts items, and says why where there is room for one more message.
    pub fn say(&mut self, reason: Reason, items: u64, message: impl FnOnce() -> String) {
        self.count(reason, items);
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(message());
        }
    }

    /// Counts items that were lost with something whose refusal was noted.
    pub fn count(&mut self, reason: Reason, items: u64) {
        *self.counts.entry(reason).or_default() += items;
    }

    /// Adds what was refused of the same payload elsewhere.
    pub fn absorb(&mut self, other: Self) {
        for (reason, items) in other.counts {
            self.count(reason, items);
        }
        let room = MESSAGES_MAX - self.messages.len();
        self.messages.extend(other.messages.into_iter().take(room));
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

    /// The first message.
    pub fn first(&self) -> Option<&str> {
        self.messages.first().map(String::as_str)
    }
}

/// How many there were and the first few, one a line.
impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} refused, the rest was taken", self.total())?;
        self.messages.iter().try_for_each(|message| write!(out, "\n{message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_in_two_places_is_one_count() {
        let mut decoder = Refused::default();
        decoder.note("line 3", Refusal::new(Reason::TooOld, "too old"), 4).unwrap();
        let mut sink = Refused::default();
        for time in 0..20 {
            sink.say(Reason::Duplicate, 1, || format!("another value at {time}"));
        }
        decoder.absorb(sink);
        assert_eq!(decoder.counts().collect::<Vec<_>>(), [(Reason::TooOld, 4), (Reason::Duplicate, 20)]);
        assert_eq!((decoder.total(), decoder.first()), (24, Some("line 3: too old")));
        assert_eq!(decoder.to_string().lines().count(), 1 + MESSAGES_MAX);
        let later = Refusal::new(Reason::Overloaded, "later");
        assert_eq!(decoder.note("line 4", later.clone(), 1), Err(later));
        assert_eq!(decoder.total(), 24);
    }
}
