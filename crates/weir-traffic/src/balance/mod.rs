//! Which endpoint answers, and which backend of a route.

mod choice;
mod ring;
mod schedule;
#[cfg(test)]
mod tests;

use weir_model::{Balancer, Endpoint, fixed_hash};

use crate::Rng;
pub use choice::WeightedChoice;
use ring::Ring;
use schedule::Schedule;

/// How often an endpoint is drawn at random before all are looked at in turn.
const DRAWS_MAX: u32 = 8;

/// Picks an endpoint of a service. Immutable, shared by workers; what changes is in the caller's [`Cursor`], generator and
/// closures.
///
/// Endpoints of weight 0 are never picked. Nothing usable gives `None`; every usable endpoint is found if there is one.
#[derive(Clone, Debug)]
pub struct Picker {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    RoundRobin(Schedule),
    LeastRequests { schedule: Schedule, weights: Box<[u32]> },
    ConsistentHash { ring: Ring, schedule: Schedule },
}

/// One worker's place in the turn. Stays valid when the endpoints change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    at: u32,
}

impl Cursor {
    /// A place at random, so that workers which start together do not all begin with the first endpoint.
    pub fn random(rng: &mut Rng) -> Self {
        Self { at: rng.next_u64() as u32 }
    }
}

impl Picker {
    /// A picker over `endpoints`; what it returns is an index into them.
    ///
    /// Costs time and memory in proportion to the reduced weights, within bounds: a schedule has at most 8,192 entries
    /// of 4 bytes (or one an endpoint), a ring at most 65,536 points of 20 bytes (or one an endpoint).
    pub fn new(balancer: &Balancer, endpoints: &[Endpoint]) -> Self {
        let weights: Box<[u32]> = endpoints.iter().map(|e| e.weight).collect();
        let schedule = Schedule::new(&weights);
        let kind = match balancer {
            Balancer::RoundRobin => Kind::RoundRobin(schedule),
            Balancer::LeastRequests => Kind::LeastRequests { schedule, weights },
            Balancer::ConsistentHash(_) => {
                let ring = Ring::new(endpoints.iter().map(|e| (fixed_hash(&e.address), e.weight)));
                Kind::ConsistentHash { ring, schedule }
            }
        };
        Self { kind }
    }

    /// Picks an endpoint for which `usable` holds.
    ///
    /// * Round robin: in turn, spread evenly by weight (see `Schedule`).
    /// * Least requests: of two drawn by weight, the one with less `load` for its weight; the first where equal.
    /// * Consistent hash: the first on the ring from `hash`; in turn where the request has none. While an endpoint is
    ///   not usable, its keys go to others, and only they. `hash` may come from keys that clients choose: aiming at one
    ///   endpoint is what this balancer is for.
    #[inline]
    pub fn pick(
        &self,
        cursor: &mut Cursor,
        rng: &mut Rng,
        hash: Option<u64>,
        usable: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        match &self.kind {
            Kind::RoundRobin(schedule) => schedule.next(&mut cursor.at, usable),
            Kind::LeastRequests { schedule, weights } => {
                let first = draw(schedule, weights, rng, &usable)?;
                let other = |i| i != first && usable(i);
                let Some(second) = draw(schedule, weights, rng, other) else { return Some(first) };
                // Load for weight, both sides multiplied by both weights.
                let busy = |i: usize, other: usize| u64::from(load(i)) * u64::from(weights[other]);
                Some(if busy(second, first) < busy(first, second) { second } else { first })
            }
            Kind::ConsistentHash { ring, schedule } => match hash {
                Some(hash) => ring.find(hash, usable),
                None => schedule.next(&mut cursor.at, usable),
            },
        }
    }
}

/// A usable endpoint, drawn by weight. Where luck does not find one (few are usable, or their weights are small), the
/// first usable one from a random place on.
fn draw(
    schedule: &Schedule,
    weights: &[u32],
    rng: &mut Rng,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    for _ in 0..DRAWS_MAX {
        let drawn = schedule.draw(rng)?;
        if usable(drawn) {
            return Some(drawn);
        }
    }
    let start = rng.below(weights.len() as u64) as usize;
    (start..weights.len()).chain(0..start).find(|&i| weights[i] > 0 && usable(i))
}
