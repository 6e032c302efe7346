//! The series that a tenant writes to: by labels, by number, by what the sender calls them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use weir_signal::{Labels, METRIC_NAME, MatchOp, Matcher};

use super::chunk::Chunk;

/// A series that is written to.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) chunk: Chunk,
    /// When it was last written to, in seconds since 1970.
    pub(super) seen_s: u32,
    /// Whether the current generation of the log names it.
    pub(super) logged: bool,
    /// Whether it has samples beside its chunk.
    pub(super) sided: bool,
    pub(super) state: SeriesState,
}

/// A number is not given to another series before a payload that was begun with it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SeriesState {
    #[default]
    Free,
    /// Not written to for long: not found any more, its number not given away yet.
    Retired,
    Active,
}

/// All series of a tenant that are active.
#[derive(Debug, Default)]
pub(super) struct SeriesTable {
    slots: Vec<Series>,
    free: Vec<u32>,
    retired: Vec<u32>,
    by_labels: HashTable<u32>,
    /// Which series a metric has. Queries nearly always name one.
    by_name: HashMap<Box<str>, Vec<u32>>,
    label_bytes: usize,
}

impl SeriesTable {
    /// How many are active.
    pub(super) fn active(&self) -> usize {
        self.by_labels.len()
    }

    pub(super) fn get(&self, number: u32) -> &Series {
        &self.slots[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Series {
        &mut self.slots[number as usize]
    }

    /// The bytes that labels and tables take, about.
    pub(super) fn bytes(&self) -> usize {
        self.label_bytes + self.slots.len() * (size_of::<Series>() + 16 + 16)
    }

    /// The active series of these labels. Labels are compared, so that a collision of hashes does no harm.
    pub(super) fn find(&self, labels: &Labels) -> Option<u32> {
        let slots = &self.slots;
        self.by_labels.find(hash(labels), |&number| slots[number as usize].labels == *labels).copied()
    }

    /// Adds a series that [`SeriesTable::find`] does not find.
    pub(super) fn add(&mut self, labels: Labels) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Series::default());
            (self.slots.len() - 1) as u32
        });
        let slots = &self.slots;
        self.by_labels.insert_unique(hash(&labels), number, |&other| hash(&slots[other as usize].labels));
        let name = labels.name().unwrap_or_default();
        match self.by_name.get_mut(name) {
            Some(numbers) => numbers.push(number),
            None => {
                self.by_name.insert(name.into(), vec![number]);
            }
        }
        self.label_bytes += labels.as_encoded().len() + 32;
        let state = SeriesState::Active;
        self.slots[number as usize] = Series { labels, state, ..Series::default() };
        number
    }

    /// All active series, ascending by number.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Series)> {
        (0..).zip(&mut self.slots).filter(|(_, series)| series.state == SeriesState::Active)
    }

    /// The active series that match, in no particular order.
    pub(super) fn select(&self, matchers: &[&Matcher]) -> Vec<u32> {
        let matches = |number: &u32| {
            let series = &self.slots[*number as usize];
            series.state == SeriesState::Active
                && matchers.iter().all(|matcher| matcher.selects(&series.labels))
        };
        let names = |matcher: &&Matcher| match matcher.op() {
            MatchOp::Equal => Some(vec![matcher.value().to_owned()]),
            MatchOp::Regex => {
                matcher.alternatives().map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>())
            }
            MatchOp::NotEqual | MatchOp::NotRegex => None,
        };
        let of_name = matchers.iter().filter(|matcher| matcher.name() == METRIC_NAME);
        match of_name.filter_map(names).min_by_key(Vec::len) {
            Some(mut names) => {
                names.sort_unstable();
                names.dedup();
                let numbers = names.iter().filter_map(|name| self.by_name.get(name.as_str())).flatten();
                numbers.copied().filter(matches).collect()
            }
            None => (0..self.slots.len() as u32).filter(matches).collect(),
        }
    }

    /// Gives numbers of series that were retired before to others, and retires those that were not written to since
    /// `idle_since_s`. Says whether any was.
    pub(super) fn retire(&mut self, idle_since_s: u32) -> bool {
        for number in self.retired.drain(..) {
            self.slots[number as usize] = Series::default();
            self.free.push(number);
        }
        for number in 0..self.slots.len() as u32 {
            let series = &self.slots[number as usize];
            let idle = series.state == SeriesState::Active
                && series.seen_s < idle_since_s
                && series.chunk.count() == 0;
            if idle {
                self.retired.push(number);
            }
        }
        for &number in &self.retired {
            let slots = &self.slots;
            let labels = &slots[number as usize].labels;
            if let Ok(entry) = self.by_labels.find_entry(hash(labels), |&other| other == number) {
                entry.remove();
            }
            let name = labels.name().unwrap_or_default();
            if let Some(numbers) = self.by_name.get_mut(name) {
                numbers.retain(|&other| other != number);
                if numbers.is_empty() {
                    self.by_name.remove(name);
                }
            }
            self.label_bytes -= labels.as_encoded().len() + 32;
            self.slots[number as usize].state = SeriesState::Retired;
        }
        !self.retired.is_empty()
    }
}

fn hash(labels: &Labels) -> u64 {
    labels.id() as u64
}

/// What senders call the series that they wrote to: spares decoding labels that were decoded a moment ago.
///
/// Senders name their series in much the same order each time. So each key remembers which one came after it, and where
/// that holds again, a look-up reads memory that it was about to come to anyhow, instead of a random place of a table that
/// no cache holds: with 12,000 series this took a quarter of all that remote write cost.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Places in `keys`, by hash.
    table: HashTable<u32>,
}

/// A place in [`Keys`]: where the last look-up of a payload ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KeyPlace(u32);

#[derive(Debug)]
struct Key {
    /// In quarters, so that an entry takes 24 bytes and no more.
    parts: [u32; 4],
    number: u32,
    /// The place of the key that came next the last time.
    next: AtomicU32,
}

fn parts(key: u128) -> [u32; 4] {
    [key as u32, (key >> 32) as u32, (key >> 64) as u32, (key >> 96) as u32]
}

fn key_hash(parts: &[u32; 4]) -> u64 {
    u64::from(parts[0]) | u64::from(parts[1]) << 32
}

impl Keys {
    /// The series of a key. `place` is where the look-up before ended, and is moved on.
    #[inline]
    pub(super) fn find(&self, key: u128, place: &mut KeyPlace) -> Option<u32> {
        let parts = parts(key);
        let last = self.keys.get(place.0 as usize);
        if let Some(last) = last {
            let next = last.next.load(Ordering::Relaxed);
            if let Some(found) = self.keys.get(next as usize).filter(|found| found.parts == parts) {
                *place = KeyPlace(next);
                return Some(found.number);
            }
        }
        let is_it = |&at: &u32| self.keys[at as usize].parts == parts;
        let at = *self.table.find(key_hash(&parts), is_it)?;
        if let Some(last) = last {
            last.next.store(at, Ordering::Relaxed);
        }
        *place = KeyPlace(at);
        Some(self.keys[at as usize].number)
    }

    /// Remembers a key. Where there are many more keys than series (a sender that changes the order of labels), all are
    /// forgotten.
    pub(super) fn add(&mut self, key: u128, number: u32, series: usize) {
        if self.keys.len() > 2 * series + 1024 {
            self.keys.clear();
            self.table.clear();
        }
        let Self { keys, table } = self;
        let parts = parts(key);
        let is_it = |&at: &u32| keys[at as usize].parts == parts;
        match table.entry(key_hash(&parts), is_it, |&at| key_hash(&keys[at as usize].parts)) {
            hashbrown::hash_table::Entry::Occupied(entry) => keys[*entry.get() as usize].number = number,
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let at = keys.len() as u32;
                entry.insert(at);
                keys.push(Key { parts, number, next: AtomicU32::new(at + 1) });
            }
        }
    }

    /// Forgets those whose series `keep` does not want.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        let before = std::mem::take(self);
        for key in before.keys.into_iter().filter(|key| keep(key.number)) {
            let at = self.keys.len() as u32;
            self.table.insert_unique(key_hash(&key.parts), at, |&at| key_hash(&self.keys[at as usize].parts));
            self.keys.push(Key { next: AtomicU32::new(at + 1), ..key });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str, host: usize) -> Labels {
        Labels::from_pairs([("__name__", name), ("host", &host.to_string())]).unwrap()
    }

    #[test]
    fn a_number_rests_before_it_is_given_away() {
        let mut table = SeriesTable::default();
        let (a, b) = (table.add(labels("a", 1)), table.add(labels("a", 2)));
        table.get_mut(b).seen_s = 100;
        assert!(table.retire(50));
        assert_eq!((table.find(&labels("a", 1)), table.find(&labels("a", 2))), (None, Some(b)));
        let again = table.add(labels("a", 1));
        assert!(again != a && table.active() == 2);
        table.get_mut(again).seen_s = 100;
        assert!(!table.retire(50));
        assert_eq!(table.add(labels("b", 1)), a);
        assert_eq!(table.select(&[&Matcher::equal("__name__", "a")]), [b, again]);
        assert_eq!(table.select(&[&Matcher::equal("host", "1")]), [a, again]);
        let names = Matcher::new("__name__", MatchOp::Regex, "b|a|b").unwrap();
        assert_eq!(table.select(&[&names, &Matcher::equal("host", "1")]), [again, a]);
    }

    #[test]
    fn keys_are_found_and_bounded() {
        let mut keys = Keys::default();
        let key_of = |number: u128| number * ((1 << 77) + 1);
        for key in 0..5000_u128 {
            keys.add(key_of(key), key as u32, 100);
        }
        assert!(keys.keys.len() <= 1225 && keys.table.len() == keys.keys.len());
        let mut place = KeyPlace::default();
        let mut find = |keys: &Keys, key: u128| keys.find(key | (key << 77), &mut place);
        assert_eq!(find(&keys, 4999), Some(4999));
        keys.add(key_of(4999), 7, 100);
        assert_eq!(find(&keys, 4999), Some(7));
        for _ in 0..2 {
            for key in [4990, 4992, 4991, 4990] {
                assert_eq!(find(&keys, key), Some(key as u32));
            }
        }
        keys.retain(|number| number != 7);
        assert_eq!((find(&keys, 4999), find(&keys, 4990)), (None, Some(4990)));
    }
}
