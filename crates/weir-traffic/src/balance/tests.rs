//! Shares, skips and moves of the balancers.

use proptest::prelude::*;
use weir_model::{EndpointAddress, HashKey};

use super::*;
use crate::Rng;

const HASH: Balancer = Balancer::ConsistentHash(HashKey::Address);

fn endpoints(weights: &[u32]) -> Vec<Endpoint> {
    (1u8..)
        .zip(weights)
        .map(|(n, &weight)| Endpoint {
            address: EndpointAddress::Socket(([10, 0, 0, n], 9000).into()),
            weight,
        })
        .collect()
}

/// Picks `picks` times for as many keys, and counts who was picked.
fn counts(picker: &Picker, n: usize, picks: u64, usable: impl Fn(usize) -> bool) -> Vec<u64> {
    let (mut cursor, mut rng) = (Cursor::default(), Rng::seeded(11));
    let mut seen = vec![0; n];
    for key in 0..picks {
        let picked = picker.pick(&mut cursor, &mut rng, Some(fixed_hash(&key)), &usable, |_| 0);
        seen[picked.expect("one is usable")] += 1;
    }
    seen
}

#[test]
fn shares_follow_weights() {
    #[track_caller]
    fn check(balancer: &Balancer, weights: &[u32], without: Option<usize>, tolerance_percent: u64) {
        let picker = Picker::new(balancer, &endpoints(weights));
        let usable = |i| Some(i) != without;
        let seen = counts(&picker, weights.len(), 60_000, usable);
        let total: u64 = (0..).zip(weights).filter(|(i, _)| usable(*i)).map(|(_, w)| u64::from(*w)).sum();
        for ((i, seen), weight) in (0..).zip(&seen).zip(weights) {
            let exact = if usable(i) { 60_000 * u64::from(*weight) / total } else { 0 };
            assert!(
                seen.abs_diff(exact) * 100 <= exact * tolerance_percent,
                "{balancer:?} {weights:?}: endpoint {i} was picked {seen} times, not {exact}"
            );
        }
    }
    for (balancer, tolerance) in [(Balancer::RoundRobin, 1), (Balancer::LeastRequests, 5), (HASH, 25)] {
        check(&balancer, &[1, 1, 1, 1], None, tolerance);
        check(&balancer, &[1, 1, 1, 1], Some(2), tolerance);
        check(&balancer, &[3, 1, 0, 2], None, tolerance);
        check(&balancer, &[3, 1, 0, 2], Some(0), tolerance);
        check(&balancer, &[100, 300], None, tolerance);
    }
}

#[test]
fn round_robin_goes_in_turn_and_workers_begin_apart() {
    let picker = Picker::new(&Balancer::RoundRobin, &endpoints(&[1, 1, 1, 1]));
    let turn = |mut cursor: Cursor, down: Option<usize>| {
        let mut rng = Rng::seeded(0);
        [(); 6].map(|()| picker.pick(&mut cursor, &mut rng, None, |i| Some(i) != down, |_| 0).unwrap())
    };
    assert_eq!(turn(Cursor::default(), None), [0, 1, 2, 3, 0, 1]);
    assert_eq!(turn(Cursor::default(), Some(1)), [0, 2, 3, 0, 2, 3]);
    assert_eq!(turn(Cursor { at: 4_000_000_003 }, None), [3, 0, 1, 2, 3, 0]);
    let mut rng = Rng::seeded(5);
    let begins: std::collections::HashSet<_> =
        (0..20).map(|_| turn(Cursor::random(&mut rng), None)[0]).collect();
    assert_eq!(begins.len(), 4);
}

/// Requests that stay: each goes where the picker says and ends after a while.
#[test]
fn least_requests_levels_the_load() {
    let weights = [4, 2, 1, 1];
    let picker = Picker::new(&Balancer::LeastRequests, &endpoints(&weights));
    let (mut cursor, mut rng) = (Cursor::default(), Rng::seeded(2));
    let mut live = [0u32; 4];
    // The first endpoint is slow: its requests stay ten times as long.
    let mut ends: Vec<(u64, usize)> = Vec::new();
    let mut picked = [0u32; 4];
    for now in 0..20_000u64 {
        ends.retain(|&(end, i)| {
            live[i] -= u32::from(end <= now);
            end > now
        });
        let i = picker.pick(&mut cursor, &mut rng, None, |_| true, |i| live[i]).unwrap();
        live[i] += 1;
        picked[i] += 1;
        ends.push((now + if i == 0 { 400 } else { 40 }, i));
    }
    assert!(picked[0] < 10_000 / 2, "the slow one got its full share: {picked:?}");
    assert!(picked.iter().all(|&n| n > 500), "someone starved: {picked:?}");
    let load = |i: usize| f64::from(live[i]) / f64::from(weights[i]);
    assert!(load(0) < 3.0 * load(1).max(4.0), "{live:?}");
}

#[test]
fn removing_an_endpoint_moves_its_keys_only() {
    let all = endpoints(&[1; 10]);
    let before = Picker::new(&HASH, &all);
    for removed in 0..10 {
        let mut fewer = all.clone();
        fewer.remove(removed);
        let after = Picker::new(&HASH, &fewer);
        let (mut cursor, mut rng) = (Cursor::default(), Rng::seeded(1));
        let mut moved = 0;
        for key in 0..20_000u64 {
            let mut pick = |picker: &Picker, usable: &dyn Fn(usize) -> bool| {
                picker.pick(&mut cursor, &mut rng, Some(key), usable, |_| 0).unwrap()
            };
            let first = pick(&before, &|_| true);
            let second = pick(&after, &|_| true);
            assert_eq!(all[pick(&before, &|i| i != removed)], fewer[second], "out of use is as good as gone");
            if first == removed {
                moved += 1;
            } else {
                assert_eq!(all[first], fewer[second], "a key moved between endpoints that stayed");
            }
        }
        assert!((1_400..=2_600).contains(&moved), "{moved} of 20,000 keys moved");
    }
}

#[test]
fn the_ring_stays_small_and_keeps_its_shares_with_large_weights() {
    let weights = [u32::MAX, u32::MAX, u32::MAX / 2, 1];
    let picker = Picker::new(&HASH, &endpoints(&weights));
    let seen = counts(&picker, 4, 50_000, |_| true);
    for (seen, exact) in seen.iter().zip([20_000u64, 20_000, 10_000, 0]) {
        assert!(seen.abs_diff(exact) <= 1_000, "{seen} is not near {exact}");
    }
}

#[test]
fn an_outage_is_noticed_without_a_walk_along_the_whole_table() {
    let asked = std::cell::Cell::new(0);
    for balancer in [Balancer::RoundRobin, Balancer::LeastRequests, HASH] {
        let picker = Picker::new(&balancer, &endpoints(&[9999, 5000, 1]));
        asked.set(0);
        let down = |_| {
            asked.set(asked.get() + 1);
            false
        };
        assert_eq!(picker.pick(&mut Cursor::default(), &mut Rng::seeded(1), Some(1), down, |_| 0), None);
        assert!(asked.get() < 40, "{balancer:?} asked {} times", asked.get());
    }
}

proptest! {
    /// Whoever is usable is found, and nobody else is picked.
    #[test]
    fn picks_a_usable_endpoint_if_there_is_one(
        endpoints_at in prop::collection::vec((0u32..4, any::<bool>()), 0..12),
        loads in prop::collection::vec(0u32..5, 12),
        hash in any::<Option<u64>>(),
        seed: u64,
    ) {
        let weights: Vec<_> = endpoints_at.iter().map(|(weight, _)| *weight).collect();
        let usable = |i: usize| endpoints_at[i].1;
        let exists = endpoints_at.iter().any(|(weight, usable)| *weight > 0 && *usable);
        let mut rng = Rng::seeded(seed);
        let mut cursor = Cursor::random(&mut rng);
        for balancer in [Balancer::RoundRobin, Balancer::LeastRequests, HASH] {
            let picker = Picker::new(&balancer, &endpoints(&weights));
            for _ in 0..5 {
                match picker.pick(&mut cursor, &mut rng, hash, usable, |i| loads[i]) {
                    Some(i) => prop_assert!(usable(i) && weights[i] > 0),
                    None => prop_assert!(!exists),
                }
            }
        }
    }

    /// In each round everybody has as many turns as weight, and never waits much longer than a fair share.
    #[test]
    fn turns_are_smooth(weights in prop::collection::vec(1u32..30, 1..8)) {
        let picker = Picker::new(&Balancer::RoundRobin, &endpoints(&weights));
        let (mut cursor, mut rng) = (Cursor::default(), Rng::seeded(0));
        let total: u32 = weights.iter().sum();
        let mut last = vec![0u32; weights.len()];
        for turn in 0..2 * total {
            let i = picker.pick(&mut cursor, &mut rng, None, |_| true, |_| 0).unwrap();
            prop_assert!((turn - last[i]) <= 2 * total.div_ceil(weights[i]) + weights.len() as u32);
            last[i] = turn;
        }
        let seen = counts(&picker, weights.len(), 10 * u64::from(total), |_| true);
        for (seen, weight) in seen.iter().zip(&weights) {
            prop_assert_eq!(*seen, 10 * u64::from(*weight));
        }
    }
}
