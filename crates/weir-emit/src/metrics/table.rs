//! The series of one family: found by label values, bounded, retired when nobody holds them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Weak};

use super::cells::{Allocator, Cells, Span};

/// What stands for every series beyond a family's bound.
pub(super) const OTHER: &str = "_other";

/// Scrapes that still show a series after its last handle is gone, so that each of a few collectors sees its end.
const LAST_SHOWINGS: u8 = 8;

/// A resolved series. Cloned, not resolved again, by whoever already has it.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) span: Span,
    _alive: Arc<Alive>,
}

/// Held by handles only. Its drop is all that retiring costs, so a request may drop the last one.
#[derive(Debug)]
struct Alive {
    retired: Arc<AtomicU64>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.retired.fetch_add(1, Ordering::Release);
    }
}

#[derive(Debug)]
struct Slot {
    /// The key that leads here; empty for a slot that waits for another series.
    key: Box<[u8]>,
    span: Span,
    alive: Weak<Alive>,
    /// What the cells held when this series took them over from another.
    base: Option<Box<[u64]>>,
    showings: u8,
}

/// The series of one family.
#[derive(Debug)]
pub(super) struct Table {
    width: u32,
    series_max: usize,
    slots: Vec<Slot>,
    by_key: BTreeMap<Box<[u8]>, usize>,
    other: Option<Handle>,
    /// Handles dropped so far, and how many of these the last vain search for a retired series knew of.
    retired: Arc<AtomicU64>,
    searched_at: Option<u64>,
}

impl Table {
    pub(super) fn new(width: u32, series_max: usize) -> Self {
        Self {
            width,
            series_max,
            slots: Vec::new(),
            by_key: BTreeMap::new(),
            other: None,
            retired: Arc::new(AtomicU64::new(0)),
            searched_at: None,
        }
    }

    /// Series that have cells.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The series of these label values, made where there is none; `_other` where there is no room.
    pub(super) fn resolve(
        &mut self,
        values: &[&str],
        allocator: &mut Allocator,
        writers: &[Arc<Cells>],
    ) -> Handle {
        let key = key_of(values);
        if let Some(&at) = self.by_key.get(&*key) {
            return self.revive(at);
        }
        if self.slots.len() < self.series_max
            && let Some(span) = allocator.span(self.width, writers.iter().map(|cells| &**cells))
        {
            return self.insert(key, span);
        }
        if let Some(at) = self.find_retired() {
            let slot = &mut self.slots[at];
            let base = (0..slot.span.width).map(|column| sum(writers, slot.span, column)).collect();
            slot.base = Some(base);
            let old = std::mem::replace(&mut slot.key, key.clone());
            self.by_key.remove(&old);
            self.by_key.insert(key, at);
            return self.revive(at);
        }
        if let Some(other) = &self.other {
            return other.clone();
        }
        let key = key_of(&vec![OTHER; values.len()]);
        let known = self.by_key.get(&*key).copied();
        let handle = match known.map(|at| self.revive(at)) {
            Some(named_so) => named_so,
            None => match allocator.span(self.width, writers.iter().map(|cells| &**cells)) {
                Some(span) => self.insert(key, span),
                // Without a cell left in the process, the handle counts nothing: its span has no width.
                None => Handle { span: Span::default(), _alive: self.alive() },
            },
        };
        self.other = Some(handle.clone());
        handle
    }

    fn alive(&self) -> Arc<Alive> {
        Arc::new(Alive { retired: self.retired.clone() })
    }

    fn insert(&mut self, key: Box<[u8]>, span: Span) -> Handle {
        let alive = self.alive();
        self.by_key.insert(key.clone(), self.slots.len());
        self.slots.push(Slot {
            key,
            span,
            alive: Arc::downgrade(&alive),
            base: None,
            showings: LAST_SHOWINGS,
        });
        Handle { span, _alive: alive }
    }

    fn revive(&mut self, at: usize) -> Handle {
        let alive = self.slots[at].alive.upgrade().unwrap_or_else(|| self.alive());
        let slot = &mut self.slots[at];
        slot.alive = Arc::downgrade(&alive);
        slot.showings = LAST_SHOWINGS;
        Handle { span: slot.span, _alive: alive }
    }

    /// A series that nobody holds. Searches only if a handle went since the last search found none.
    fn find_retired(&mut self) -> Option<usize> {
        let retired = self.retired.load(Ordering::Acquire);
        if self.searched_at == Some(retired) {
            return None;
        }
        let found = self.slots.iter().position(|slot| slot.alive.strong_count() == 0);
        // Pairs with the release in the last handle's drop: what its holder counted is seen by the sum below.
        fence(Ordering::Acquire);
        self.searched_at = found.is_none().then_some(retired);
        found
    }

    /// Every series to show, sorted by label values: `show(values, column → sum)`.
    pub(super) fn show(
        &mut self,
        writers: &[Arc<Cells>],
        mut show: impl FnMut(&[&str], &dyn Fn(u32) -> u64),
    ) {
        for (key, &at) in &self.by_key {
            let slot = &mut self.slots[at];
            if slot.alive.strong_count() == 0 {
                if slot.showings == 0 {
                    continue;
                }
                slot.showings -= 1;
            }
            let slot = &*slot;
            let value = |column: u32| {
                let base = slot.base.as_ref().map_or(0, |base| base[column as usize]);
                sum(writers, slot.span, column).wrapping_sub(base)
            };
            show(&values_of(key), &value);
        }
    }
}

fn sum(writers: &[Arc<Cells>], span: Span, column: u32) -> u64 {
    let value = |cells: &Arc<Cells>| cells.cell(span, column).map_or(0, |cell| cell.load(Ordering::Relaxed));
    writers.iter().map(value).fold(0, u64::wrapping_add)
}

/// Label values as one key that sorts as they do. 0xFF is in no UTF-8 text.
pub(super) fn key_of(values: &[&str]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(values.iter().map(|value| value.len() + 1).sum());
    for value in values {
        key.extend_from_slice(value.as_bytes());
        key.push(0xFF);
    }
    key.into()
}

/// The label values of a key.
pub(super) fn values_of(key: &[u8]) -> Vec<&str> {
    let mut values: Vec<&str> =
        key.split(|byte| *byte == 0xFF).map(|value| std::str::from_utf8(value).unwrap_or_default()).collect();
    // Each value is ended, so behind the last end stands nothing.
    values.pop();
    values
}
