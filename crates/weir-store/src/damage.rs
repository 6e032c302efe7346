//! What is known to be damaged, and how reads and merges go on without it.
//!
//! A read leaves a damaged block out, says so in its answer ([`LeftOut`]), and goes on. A merge takes over what is whole, and
//! keeps the part as it was aside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_block::Watch;
use weir_signal::{Budget, LeftOut, ReadError, Scope};

/// So many damages are told apart; further ones only count.
const KNOWN_MAX: usize = 256;
/// So much that was not asked for yet is kept.
const NEWS_MAX: usize = 64;

/// The damages of a store that were met since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    known: Mutex<Known>,
    left_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// By what they say.
    named: BTreeMap<String, ReadError>,
    news: Vec<String>,
}

impl Damages {
    /// What was found when the store was opened, and told by that.
    pub(crate) fn told(&self, error: &ReadError) {
        self.locked().add(error);
    }

    /// A read went on without something.
    pub(crate) fn met(&self, error: &ReadError) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
        self.found(error);
    }

    /// Something turned out to be damaged.
    pub(crate) fn found(&self, error: &ReadError) {
        let mut known = self.locked();
        if known.add(error) {
            known.news(format!("{error}; reads go on without it"));
        }
    }

    /// A merge kept a part aside that is damaged. What was known of it is known of `folder` now, and concerns no read.
    pub(crate) fn kept_aside(&self, part: &str, folder: &str, error: &ReadError) {
        let mut known = self.locked();
        known.named.retain(|_, known| known.file().is_none_or(|file| !is_within(file, part)));
        known
            .news(format!("{error}; what is whole was merged, and the part is kept as it was in `{folder}`"));
    }

    /// How often a read left something out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    pub(crate) fn known(&self) -> Vec<ReadError> {
        self.locked().named.values().cloned().collect()
    }

    pub(crate) fn take_news(&self) -> Vec<String> {
        std::mem::take(&mut self.locked().news)
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether it was not known.
    fn add(&mut self, error: &ReadError) -> bool {
        let text = error.to_string();
        if self.named.len() >= KNOWN_MAX || self.named.contains_key(&text) {
            return false;
        }
        self.named.insert(text, error.clone());
        true
    }

    fn news(&mut self, text: String) {
        if self.news.len() < NEWS_MAX {
            self.news.push(text);
        }
    }
}

/// Whether a file lies in a folder.
pub(crate) fn is_within(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// How queries read: damages are left out, told in the answer, and noted in the store.
#[derive(Debug, Clone)]
pub(crate) struct Lenient {
    budget: Arc<Budget>,
    left_out: Arc<LeftOut>,
    damages: Arc<Damages>,
}

impl Lenient {
    pub(crate) fn new(scope: &Scope, damages: &Arc<Damages>) -> Self {
        Self {
            budget: Arc::clone(&scope.budget),
            left_out: Arc::clone(&scope.left_out),
            damages: Arc::clone(damages),
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Watch for &Lenient {
    fn charge(&mut self, rows: u64, bytes: u64) -> Result<(), ReadError> {
        self.budget.charge(rows, bytes)
    }

    fn leave_out(&mut self, error: ReadError) -> Result<(), ReadError> {
        self.left_out.leave_out(error.clone())?;
        self.damages.met(&error);
        Ok(())
    }
}

/// How merges read: what is damaged is left out, and by the files it is known which parts have to be kept as they were.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// The first damage of each file.
    damaged: BTreeMap<String, ReadError>,
}

impl Salvage {
    /// The first damage of a part in this folder.
    pub(crate) fn of(&self, folder: &str) -> Option<&ReadError> {
        self.damaged.iter().find(|(file, _)| is_within(file, folder)).map(|(_, error)| error)
    }
}

impl Watch for Salvage {
    fn charge(&mut self, _: u64, _: u64) -> Result<(), ReadError> {
        Ok(())
    }

    fn leave_out(&mut self, error: ReadError) -> Result<(), ReadError> {
        match &error {
            ReadError::Damaged { file, .. } => {
                self.damaged.entry(file.clone()).or_insert(error);
                Ok(())
            }
            // What cannot be read now may be read later.
            _ => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(file: &str) -> ReadError {
        ReadError::Damaged { file: file.into(), offset: 7, what: "a bit is flipped".into() }
    }

    #[test]
    fn is_told_once_and_counted_always() {
        let damages = Damages::default();
        damages.told(&damage("a/data"));
        for file in ["a/data", "b/data", "b/data"] {
            damages.met(&damage(file));
        }
        assert_eq!(damages.left_out(), 3);
        assert_eq!(
            damages.take_news(),
            ["b/data is damaged at byte 7: a bit is flipped; reads go on without it"]
        );
        damages.kept_aside("b", "aside/b", &damage("b/data"));
        assert_eq!(damages.known(), [damage("a/data")]);
        assert_eq!(damages.take_news().len(), 1);
        assert_eq!(damages.take_news().len(), 0);
    }

    #[test]
    fn parts_are_told_apart_by_their_folders() {
        let mut salvage = Salvage::default();
        salvage.leave_out(damage("tenants/a/logs/01/data")).unwrap();
        assert!(salvage.of("tenants/a/logs/01").is_some());
        assert!(salvage.of("tenants/a/logs/0").is_none());
        let io = ReadError::Io { file: "x".into(), error: "too many open files".into() };
        assert_eq!(salvage.leave_out(io.clone()), Err(io));
    }
}
