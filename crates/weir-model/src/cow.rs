//! A persistent hash map: a clone is cheap, and a change copies one small shard.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::hash::{FixedState, fixed_hash};

/// Average entries a shard may hold before the number of shards doubles.
const SHARD_ENTRIES_MAX: usize = 48;

type Shard<K, V> = Arc<HashMap<K, V, FixedState>>;

/// A map for configuration objects: cloning copies two words, inserting into a clone copies one shard of about
/// fifty entries and the array of shards, and a look-up is one hash and two hops.
///
/// Doubling the shards copies everything once; it happens a logarithmic number of times over a map's life.
#[derive(Clone, Debug)]
pub struct CowMap<K, V> {
    shards: Arc<Vec<Shard<K, V>>>,
    len: usize,
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        Self { shards: Arc::new(vec![Arc::new(HashMap::with_hasher(FixedState))]), len: 0 }
    }
}

impl<K, V> CowMap<K, V> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in the map.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in no particular (but reproducible) order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// All values, in the order of [`CowMap::iter`].
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Whether both maps are the same version of the same map (no change between them).
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shards, &other.shards)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> CowMap<K, V> {
    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The top bits choose the shard, the low ones are left to the table inside it.
        let bits = self.shards.len().trailing_zeros();
        if bits == 0 { 0 } else { (fixed_hash(key) >> (64 - bits)) as usize }
    }

    /// The value under `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[self.shard_of(key)].get(key)
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }

    /// Puts a value in, and gives back the one it replaced.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.len >= self.shards.len() * SHARD_ENTRIES_MAX {
            self.double();
        }
        let at = self.shard_of(&key);
        let shards = Arc::make_mut(&mut self.shards);
        let old = Arc::make_mut(&mut shards[at]).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes a value out.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let at = self.shard_of(key);
        self.shards[at].get(key)?;
        let shards = Arc::make_mut(&mut self.shards);
        let old = Arc::make_mut(&mut shards[at]).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    /// What has changed since `older`: keys that are gone, and entries that are new or whose value is not the `same`.
    ///
    /// Shards that both maps share are passed over, so that the cost follows the size of the change where one map was made
    /// from the other.
    pub fn changed_since<'a>(
        &'a self,
        older: &'a Self,
        same: impl Fn(&V, &V) -> bool,
    ) -> (Vec<&'a K>, Vec<(&'a K, &'a V)>) {
        let (mut gone, mut put) = (Vec::new(), Vec::new());
        if self.ptr_eq(older) {
            return (gone, put);
        }
        let aligned = self.shards.len() == older.shards.len();
        let differs = |at: usize| !aligned || !Arc::ptr_eq(&self.shards[at], &older.shards[at]);
        for (at, shard) in older.shards.iter().enumerate() {
            if differs(at) {
                gone.extend(shard.keys().filter(|key| !self.contains_key(*key)));
            }
        }
        for (at, shard) in self.shards.iter().enumerate() {
            if differs(at) {
                put.extend(
                    shard.iter().filter(|(key, value)| !older.get(*key).is_some_and(|old| same(old, value))),
                );
            }
        }
        (gone, put)
    }

    fn double(&mut self) {
        let count = self.shards.len() * 2;
        let bits = count.trailing_zeros();
        let mut next: Vec<HashMap<K, V, FixedState>> =
            (0..count).map(|_| HashMap::with_hasher(FixedState)).collect();
        for (key, value) in self.iter() {
            let at = (fixed_hash(key) >> (64 - bits)) as usize;
            next[at].insert(key.clone(), value.clone());
        }
        self.shards = Arc::new(next.into_iter().map(Arc::new).collect());
    }
}

impl<K: Hash + Eq + Clone, V: Clone> FromIterator<(K, V)> for CowMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_held() {
        let mut map: CowMap<String, u32> = (0..5_000).map(|n| (format!("k{n}"), n)).collect();
        let before = map.clone();
        map.insert("k7".into(), 70);
        map.remove("k8");
        map.insert("new".into(), 1);
        assert_eq!(before.get("k7"), Some(&7));
        assert_eq!(before.get("k8"), Some(&8));
        assert_eq!(before.get("new"), None);
        assert_eq!(map.get("k7"), Some(&70));
        assert_eq!(map.get("k8"), None);
        assert_eq!((before.len(), map.len()), (5_000, 5_000));
        assert_eq!(map.iter().count(), 5_000);
    }

    #[test]
    fn changes_are_found() {
        let map: CowMap<u32, u32> = (0..1_000).map(|n| (n, n)).collect();
        let mut next = map.clone();
        next.insert(5, 6);
        next.insert(2_000, 1);
        next.remove(&7);
        let (gone, mut put) = next.changed_since(&map, |a, b| a == b);
        put.sort();
        assert_eq!((gone, put), (vec![&7], vec![(&5, &6), (&2_000, &1)]));
        let afresh: CowMap<u32, u32> = (0..1_000).map(|n| (n, n)).collect();
        let (gone, put) = afresh.changed_since(&map, |a, b| a == b);
        assert!(gone.is_empty() && put.is_empty());
    }

    #[test]
    fn one_change_copies_one_shard() {
        let map: CowMap<u32, u32> = (0..10_000).map(|n| (n, n)).collect();
        let mut next = map.clone();
        next.insert(5, 6);
        let shared = map.shards.iter().zip(next.shards.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, map.shards.len() - 1);
    }
}
