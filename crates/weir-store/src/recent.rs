//! What was used a moment ago and is kept within a bound: open files, opened parts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values by number. Those that were used longest ago go when all together weigh more than the bound.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    weight_max: u64,
    state: Mutex<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    /// Grows with each use.
    uses: u64,
    weight: u64,
    held: BTreeMap<u64, Held<V>>,
}

#[derive(Debug)]
struct Held<V> {
    used: u64,
    weight: u64,
    value: V,
}

impl<V: Clone> Recent<V> {
    pub(crate) fn new(weight_max: u64) -> Self {
        Self { weight_max, state: Mutex::new(State { uses: 0, weight: 0, held: BTreeMap::new() }) }
    }

    pub(crate) fn get(&self, number: u64) -> Option<V> {
        let mut state = self.locked();
        state.uses += 1;
        let used = state.uses;
        let held = state.held.get_mut(&number)?;
        held.used = used;
        Some(held.value.clone())
    }

    /// Keeps a value, in place of the one of its number. One that alone weighs more than all may is kept until the next
    /// comes.
    pub(crate) fn put(&self, number: u64, weight: u64, value: V) {
        let mut gone = Vec::new();
        let mut state = self.locked();
        state.uses += 1;
        let used = state.uses;
        gone.extend(state.take(number));
        state.weight += weight;
        state.held.insert(number, Held { used, weight, value });
        while state.weight > self.weight_max && state.held.len() > 1 {
            let oldest = state.held.iter().min_by_key(|(_, held)| held.used).map(|(&number, _)| number);
            gone.extend(oldest.and_then(|oldest| state.take(oldest)));
        }
        drop(state);
        // Dropped without the lock: what is given up may give up other things.
        drop(gone);
    }

    pub(crate) fn remove(&self, number: u64) {
        let gone = self.locked().take(number);
        drop(gone);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.locked().held.len()
    }

    fn locked(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> State<V> {
    fn take(&mut self, number: u64) -> Option<V> {
        let held = self.held.remove(&number)?;
        self.weight -= held.weight;
        Some(held.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_one_used_longest_ago_goes() {
        let recent = Recent::new(3);
        (0..3).for_each(|number| recent.put(number, 1, number));
        assert_eq!(recent.get(0), Some(0));
        recent.put(3, 1, 3);
        assert_eq!([0, 1, 2, 3].map(|number| recent.get(number).is_some()), [true, false, true, true]);
        recent.put(4, 9, 4);
        assert_eq!((recent.len(), recent.get(4)), (1, Some(4)));
    }

    proptest! {
        #[test]
        fn the_bound_holds(steps in prop::collection::vec((0_u64..20, 0_u64..5, 0..3), 0..200)) {
            let recent = Recent::new(9);
            for (number, weight, step) in steps {
                match step {
                    0 => drop(recent.get(number)),
                    1 => recent.remove(number),
                    _ => recent.put(number, weight, ()),
                }
                let state = recent.locked();
                prop_assert_eq!(state.weight, state.held.values().map(|held| held.weight).sum::<u64>());
                prop_assert!(state.weight <= 9);
            }
        }
    }
}
