//! The ring of a consistent hash.

use crate::rng::split_mix;

/// After so many points in a row that are not usable, it is asked whether any endpoint is.
const PATIENCE: usize = 16;
/// Points per unit of weight, before scaling. The shares of equal endpoints differ by some 6 % (1/√256).
const POINTS: u64 = 256;
/// Most points, unless there are more endpoints.
const POINTS_MAX: u64 = 65_536;

/// A hash ring (Karger et al., "Consistent hashing and random trees", 1997) with points by weight.
///
/// Chosen over Maglev's table because an endpoint's points depend on its own address and weight alone: taking one out
/// moves its keys and no others, and passing over one that is not usable does the same. Maglev spreads more evenly but
/// also moves some keys between endpoints that stay. Where many weights would need too many points, all endpoints' points
/// are halved, which keeps the first half of each.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// By position.
    points: Box<[Point]>,
    /// For each of the equal parts of the circle, the first point in it or after it. About as many as points, so that the
    /// search is a step or two.
    starts: Box<[u32]>,
    /// How far to shift a position right for its part.
    shift: u32,
    endpoints: usize,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    position: u64,
    endpoint: u32,
}

impl Ring {
    /// A ring over endpoints, each with a hash of its address and a weight.
    pub(super) fn new(endpoints: impl Iterator<Item = (u64, u32)> + Clone) -> Self {
        let count = endpoints.clone().count();
        let total: u64 = endpoints.clone().map(|(_, weight)| u64::from(weight) * POINTS).sum();
        let halvings = total.div_ceil(POINTS_MAX).max(1).next_power_of_two().trailing_zeros();
        let mut points = Vec::new();
        for (endpoint, (address, weight)) in (0u32..).zip(endpoints) {
            let mut state = address;
            let count = if weight == 0 { 0 } else { ((u64::from(weight) * POINTS) >> halvings).max(1) };
            points.extend((0..count).map(|_| Point { position: split_mix(&mut state), endpoint }));
        }
        points.sort_unstable_by_key(|p| (p.position, p.endpoint));

        let bits = points.len().max(2).next_power_of_two().trailing_zeros();
        let shift = 64 - bits;
        let mut next = 0;
        let starts = (0..1u64 << bits)
            .map(|part| {
                while points.get(next).is_some_and(|p| p.position >> shift < part) {
                    next += 1;
                }
                next as u32
            })
            .collect();
        Self { points: points.into(), starts, shift, endpoints: count }
    }

    /// The endpoint of the first usable point at or after `hash`.
    #[inline]
    pub(super) fn find(&self, hash: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        // Spread anew: a hash whose high bits are weak would crowd into few parts.
        let position = split_mix(&mut { hash });
        let mut start = self.starts[(position >> self.shift) as usize] as usize;
        while self.points.get(start).is_some_and(|p| p.position < position) {
            start += 1;
        }
        let (before, after) = self.points.split_at(start);
        let mut refused = None;
        for (passed, point) in after.iter().chain(before).enumerate() {
            if passed == PATIENCE && !(0..self.endpoints).any(&usable) {
                return None;
            }
            let endpoint = point.endpoint as usize;
            // Neighbouring points are often of one endpoint; asking it again would tell nothing new.
            if refused != Some(endpoint) {
                if usable(endpoint) {
                    return Some(endpoint);
                }
                refused = Some(endpoint);
            }
        }
        None
    }
}
