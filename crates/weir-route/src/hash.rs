//! A persistent hash table whose keys live in its values.
//!
//! [`weir_model::CowMap`] suits look-ups once per change. This one suits look-ups per request: slots are one flat array
//! per shard (one cache line per probe, not four), the caller brings the hash (a path is hashed once for all its
//! prefixes), and a growing table splits one shard at a time, so that no single change pays for all entries.

use std::ops::Range;
use std::sync::Arc;

/// Entries a shard may hold before it is split. A change copies one shard and the directory of shards: about two times
/// 256 reference counts at 50,000 entries.
const SHARD_ENTRIES_MAX: usize = 256;
/// Splits beyond this are given up: so many equal leading bits mean equal hashes.
const DEPTH_MAX: u8 = 24;

const ODD: u64 = 0xA076_1D64_78BD_642F;
const OTHER: u64 = 0xE703_7ED1_A0B4_28DB;

/// The hash of nothing.
pub(crate) const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Continues a hash over `bytes`. Where the pieces are cut matters: the same bytes have to come in the same pieces.
#[inline]
pub(crate) fn extend(hash: u64, bytes: &[u8]) -> u64 {
    let mut state = hash ^ (bytes.len() as u64).wrapping_mul(OTHER);
    let mut rest = bytes;
    while rest.len() > 16 {
        let (Some(a), Some(b)) = (rest.first_chunk::<8>(), rest[8..].first_chunk::<8>()) else { break };
        state = fold(u64::from_le_bytes(*a) ^ ODD, u64::from_le_bytes(*b) ^ state);
        rest = &rest[16..];
    }
    let (a, b) = if let (Some(first), Some(last)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
    } else if let (Some(first), Some(last)) = (rest.first(), rest.last()) {
        (u64::from(*first) << 16 | u64::from(rest[rest.len() / 2]) << 8 | u64::from(*last), 0)
    } else {
        (0, 0)
    };
    fold(a ^ ODD, b ^ state)
}

#[derive(Clone, Debug)]
struct Slot<V> {
    hash: u64,
    value: Option<V>,
}

/// Linear probing over a power of two of slots, at most two thirds full. The low bits of a hash choose the slot.
#[derive(Clone, Debug)]
struct Shard<V> {
    slots: Arc<[Slot<V>]>,
    len: u32,
    /// Leading hash bits that all its entries share.
    depth: u8,
}

impl<V> Shard<V> {
    fn empty(depth: u8) -> Self {
        Self { slots: Arc::default(), len: 0, depth }
    }

    #[inline]
    fn position(&self, hash: u64, mut is: impl FnMut(&V) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = &self.slots[at];
            let value = slot.value.as_ref()?;
            if slot.hash == hash && is(value) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }
}

impl<V: Clone> Shard<V> {
    fn insert(&mut self, hash: u64, value: V) {
        if (self.len as usize + 1) * 3 > self.slots.len() * 2 {
            let count = (self.slots.len() * 2).max(4);
            let old = std::mem::replace(&mut self.slots, vec![Slot { hash: 0, value: None }; count].into());
            let slots = Arc::make_mut(&mut self.slots);
            for slot in old.iter().filter(|s| s.value.is_some()) {
                place(slots, slot.clone());
            }
        }
        place(Arc::make_mut(&mut self.slots), Slot { hash, value: Some(value) });
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> Option<V> {
        let slots = Arc::make_mut(&mut self.slots);
        let mask = slots.len() - 1;
        let removed = slots[at].value.take();
        // Later entries of the same run move up, so that no gap hides them.
        let (mut gap, mut at) = (at, at);
        loop {
            at = (at + 1) & mask;
            if slots[at].value.is_none() {
                break;
            }
            let home = slots[at].hash as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                slots.swap(at, gap);
                gap = at;
            }
        }
        self.len -= 1;
        removed
    }
}

fn place<V>(slots: &mut [Slot<V>], slot: Slot<V>) {
    let mask = slots.len() - 1;
    let mut at = slot.hash as usize & mask;
    while slots[at].value.is_some() {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

#[derive(Clone, Debug)]
enum Root<V> {
    /// A small table spares the hop over a directory.
    One(Shard<V>),
    /// Indexed by a hash's leading bits; a shard of less depth stands in several neighbouring places (extendible
    /// hashing).
    Many(Arc<[Shard<V>]>),
}

/// See the module. `V` should be cheap to clone (an `Arc`): a change clones its shard's values.
#[derive(Clone, Debug)]
pub(crate) struct Table<V> {
    root: Root<V>,
    len: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { root: Root::One(Shard::empty(0)), len: 0 }
    }
}

#[inline]
fn index(count: usize, hash: u64) -> usize {
    // `count` is a power of two and at least 2.
    (hash >> (64 - count.trailing_zeros())) as usize
}

/// The places of a directory that hold the shard of `hash`.
fn places(count: usize, depth: u8, hash: u64) -> Range<usize> {
    let width = count >> depth;
    let start = index(count, hash) / width * width;
    start..start + width
}

impl<V> Table<V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard<V> {
        match &self.root {
            Root::One(shard) => shard,
            Root::Many(shards) => &shards[index(shards.len(), hash)],
        }
    }

    /// The value of this hash that `is` the one.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&V) -> bool) -> Option<&V> {
        let shard = self.shard(hash);
        shard.position(hash, is).and_then(|at| shard.slots[at].value.as_ref())
    }

    /// All values with their hashes, in a reproducible order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, &V)> {
        let shards = match &self.root {
            Root::One(shard) => std::slice::from_ref(shard),
            Root::Many(shards) => shards,
        };
        let distinct = shards.chunk_by(|a, b| a.depth == b.depth && Arc::ptr_eq(&a.slots, &b.slots));
        distinct.flat_map(|same| same[0].slots.iter().filter_map(|s| Some((s.hash, s.value.as_ref()?))))
    }
}

impl<V: Clone> Table<V> {
    /// Adds a value; one that [`Table::find`] would confuse with it must not be there.
    pub(crate) fn insert(&mut self, hash: u64, value: V) {
        while {
            let shard = self.shard(hash);
            shard.len as usize >= SHARD_ENTRIES_MAX && shard.depth < DEPTH_MAX
        } {
            self.split(hash);
        }
        self.edit(hash, |shard| shard.insert(hash, value));
        self.len += 1;
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&V) -> bool) -> Option<V> {
        let at = self.shard(hash).position(hash, is)?;
        self.len -= 1;
        self.edit(hash, |shard| shard.remove(at))
    }

    /// Changes a value in place.
    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        is: impl FnMut(&V) -> bool,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let at = self.shard(hash).position(hash, is)?;
        self.edit(hash, |shard| Arc::make_mut(&mut shard.slots)[at].value.as_mut().map(change))
    }

    fn edit<R>(&mut self, hash: u64, change: impl FnOnce(&mut Shard<V>) -> R) -> R {
        match &mut self.root {
            Root::One(shard) => change(shard),
            Root::Many(shards) => {
                let places = places(shards.len(), shards[index(shards.len(), hash)].depth, hash);
                let shards = &mut Arc::make_mut(shards)[places];
                // Taken out of all its places first, so that a shard nobody else holds is changed in place.
                let mut shard = std::mem::replace(&mut shards[0], Shard::empty(0));
                shards.fill(Shard::empty(0));
                let result = change(&mut shard);
                shards.fill(shard);
                result
            }
        }
    }

    fn split(&mut self, hash: u64) {
        let old = self.shard(hash).clone();
        let mut shards: Vec<Shard<V>> = match &self.root {
            Root::One(shard) => vec![shard.clone(); 2],
            Root::Many(shards) if shards.len() == 1 << old.depth => {
                shards.iter().flat_map(|s| [s.clone(), s.clone()]).collect()
            }
            Root::Many(shards) => shards.to_vec(),
        };
        let depth = old.depth + 1;
        let mut halves = [Shard::empty(depth), Shard::empty(depth)];
        for slot in old.slots.iter() {
            if let Some(value) = &slot.value {
                halves[(slot.hash >> (64 - depth)) as usize & 1].insert(slot.hash, value.clone());
            }
        }
        let places = places(shards.len(), old.depth, hash);
        let middle = places.start + places.len() / 2;
        let [low, high] = halves;
        shards[places.start..middle].fill(low);
        shards[middle..places.end].fill(high);
        self.root = Root::Many(shards.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(range: Range<u64>) -> Table<u64> {
        let mut table = Table::default();
        for n in range {
            table.insert(extend(SEED, &n.to_le_bytes()), n);
        }
        table
    }

    fn get(table: &Table<u64>, n: u64) -> Option<u64> {
        table.find(extend(SEED, &n.to_le_bytes()), |v| *v == n).copied()
    }

    #[test]
    fn holds_what_was_put_in_through_splits_and_removals() {
        let mut map = table(0..20_000);
        let before = map.clone();
        for n in (0..20_000_u64).step_by(3) {
            assert_eq!(map.remove(extend(SEED, &n.to_le_bytes()), |v| *v == n), Some(n));
        }
        for n in 0..20_000 {
            assert_eq!(get(&map, n), (n % 3 != 0).then_some(n));
            assert_eq!(get(&before, n), Some(n));
        }
        assert_eq!(get(&map, 20_000), None);
        assert_eq!(map.len(), map.entries().count());
        assert_eq!((before.len(), before.entries().count()), (20_000, 20_000));
    }

    #[test]
    fn equal_hashes_are_told_apart() {
        let mut map = Table::default();
        for n in 0..1_000_u64 {
            map.insert(7, n);
        }
        assert_eq!(map.find(7, |v| *v == 500), Some(&500));
        assert_eq!(map.remove(7, |v| *v == 500), Some(500));
        assert_eq!(map.find(7, |v| *v == 500), None);
        assert_eq!(map.update(7, |v| *v == 1, |v| std::mem::replace(v, 1_001)), Some(1));
        assert_eq!(map.len(), 999);
    }

    #[test]
    fn one_change_copies_one_shard() {
        let map = table(0..20_000);
        let mut next = map.clone();
        next.insert(extend(SEED, b"new"), 1 << 40);
        let (Root::Many(a), Root::Many(b)) = (&map.root, &next.root) else { panic!("many shards") };
        let changed: Vec<_> =
            a.iter().zip(b.iter()).filter(|(a, b)| !Arc::ptr_eq(&a.slots, &b.slots)).collect();
        assert!(changed.iter().all(|(a, _)| Arc::ptr_eq(&a.slots, &changed[0].0.slots)));
    }
}
