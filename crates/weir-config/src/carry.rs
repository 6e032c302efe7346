//! What stays the same between two versions of a configuration stays the same `Arc`.

use std::sync::Arc;

use weir_model::{Chain, CowMap, Listener, Model, Rank, Route, Service};

/// `new`, with every object that equals its namesake in `old` (but for where it was written) replaced by it.
///
/// Ranks are kept too, as far as the order allows: the most routes that stand in the same order as before keep their
/// ranks, and the others get ranks between them. So a route that was put in front of 50,000 others is the only one
/// that changed. Where ranks have run out between two routes, all are numbered afresh.
pub fn keep_unchanged(old: &Model, new: Model) -> Model {
    let routes = with_old_ranks(old, &new);
    Model {
        listeners: merge(
            &old.listeners,
            new.listeners.iter().map(|(id, l)| (id.clone(), l.clone())),
            same_listener,
        ),
        services: merge(
            &old.services,
            new.services.iter().map(|(id, s)| (id.clone(), s.clone())),
            same_service,
        ),
        chains: merge(&old.chains, new.chains.iter().map(|(id, c)| (id.clone(), c.clone())), same_chain),
        routes: merge(&old.routes, routes.into_iter().map(|r| (r.id.clone(), r)), same_route),
        ..new
    }
}

/// `old` with what is new or different put in and what is gone taken out; the very same map when nothing is.
fn merge<K, T>(
    old: &CowMap<K, Arc<T>>,
    new: impl Iterator<Item = (K, Arc<T>)>,
    same: impl Fn(&T, &T) -> bool,
) -> CowMap<K, Arc<T>>
where
    K: std::hash::Hash + Eq + Clone,
{
    let mut merged = old.clone();
    let mut names = std::collections::HashSet::new();
    for (name, object) in new {
        if !old.get(&name).is_some_and(|before| same(before, &object)) {
            merged.insert(name.clone(), object);
        }
        names.insert(name);
    }
    if names.len() < merged.len() {
        let gone: Vec<K> = old.iter().map(|(name, _)| name).filter(|n| !names.contains(n)).cloned().collect();
        for name in gone {
            merged.remove(&name);
        }
    }
    merged
}

/// The routes of `new`, in order, with ranks that keep those of `old` where they can.
fn with_old_ranks(old: &Model, new: &Model) -> Vec<Arc<Route>> {
    let mut routes: Vec<Arc<Route>> = new.routes.values().cloned().collect();
    routes.sort_unstable_by(|a, b| (a.rank, &a.id).cmp(&(b.rank, &b.id)));
    let before: Vec<Option<u64>> = routes.iter().map(|r| old.routes.get(&r.id).map(|o| o.rank.0)).collect();
    let ranks = spread(&keep_rising(&before));
    for (route, rank) in routes.iter_mut().zip(ranks) {
        if route.rank.0 != rank {
            // Copied only where the rank is another one, and shared with nobody but `new`, which is given up.
            *route = Arc::new(Route { rank: Rank(rank), ..Route::clone(route) });
        }
    }
    routes
}

/// A longest strictly rising choice among the numbers; the others become `None`.
fn keep_rising(numbers: &[Option<u64>]) -> Vec<Option<u64>> {
    // Patience sorting: `ends[n]` is the place of the least number that ends a rising run of length n + 1.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = vec![None; numbers.len()];
    for (at, number) in numbers.iter().enumerate() {
        let Some(number) = number else { continue };
        let length = ends.partition_point(|&end| numbers[end] < Some(*number));
        previous[at] = length.checked_sub(1).map(|before| ends[before]);
        if length == ends.len() { ends.push(at) } else { ends[length] = at }
    }
    let mut kept = vec![None; numbers.len()];
    let mut at = ends.last().copied();
    while let Some(place) = at {
        kept[place] = numbers[place];
        at = previous[place];
    }
    kept
}

/// Fills the gaps with evenly spread ranks; numbers all afresh where one gap is too small.
fn spread(kept: &[Option<u64>]) -> Vec<u64> {
    let mut ranks: Vec<u64> = Vec::with_capacity(kept.len());
    let mut rest = kept;
    while let Some(first) = rest.first() {
        if let Some(rank) = first {
            ranks.push(*rank);
            rest = &rest[1..];
            continue;
        }
        let gap = rest.iter().take_while(|r| r.is_none()).count() as u64;
        let low = ranks.last().copied().unwrap_or(0);
        let step = match rest.get(gap as usize).copied().flatten() {
            Some(high) => (high - low) / (gap + 1),
            None => Rank::STEP,
        };
        let fits = low.checked_add(step.saturating_mul(gap)).is_some();
        if step == 0 || !fits {
            return (1..=kept.len() as u64).map(|n| n * Rank::STEP).collect();
        }
        ranks.extend((1..=gap).map(|n| low + n * step));
        rest = &rest[gap as usize..];
    }
    ranks
}

/// Taking a struct apart in full makes a field that is added to it an error here, until it is compared too.
fn same_route(a: &Route, b: &Route) -> bool {
    let Route {
        id,
        origin: _,
        rank,
        listeners,
        hosts,
        matches,
        action,
        timeouts,
        retry,
        rate_limits,
        request_headers,
        response_headers,
        rewrite_path,
        rewrite_host,
        cors,
        mirror,
        body_bytes_max,
        access_log,
    } = a;
    *id == b.id
        && *rank == b.rank
        && *listeners == b.listeners
        && *hosts == b.hosts
        && *matches == b.matches
        && *action == b.action
        && *timeouts == b.timeouts
        && *retry == b.retry
        && *rate_limits == b.rate_limits
        && *request_headers == b.request_headers
        && *response_headers == b.response_headers
        && *rewrite_path == b.rewrite_path
        && *rewrite_host == b.rewrite_host
        && *cors == b.cors
        && *mirror == b.mirror
        && *body_bytes_max == b.body_bytes_max
        && *access_log == b.access_log
}

fn same_service(a: &Service, b: &Service) -> bool {
    let Service {
        id,
        origin: _,
        chain,
        endpoints,
        balancer,
        pool,
        limits,
        timeouts,
        tls,
        protocol,
        breaker,
        endpoint_breaker,
        rate_limits,
    } = a;
    *id == b.id
        && *chain == b.chain
        && *endpoints == b.endpoints
        && *balancer == b.balancer
        && *pool == b.pool
        && *limits == b.limits
        && *timeouts == b.timeouts
        && *tls == b.tls
        && *protocol == b.protocol
        && *breaker == b.breaker
        && *endpoint_breaker == b.endpoint_breaker
        && *rate_limits == b.rate_limits
}

fn same_chain(a: &Chain, b: &Chain) -> bool {
    Chain { origin: a.origin.clone(), ..b.clone() } == *a
}

fn same_listener(a: &Listener, b: &Listener) -> bool {
    let Listener {
        id,
        origin: _,
        address,
        tls,
        timeouts,
        limits,
        max_connections,
        trusted_proxies,
        path,
        upgrades,
    } = a;
    *id == b.id
        && *address == b.address
        && *tls == b.tls
        && *timeouts == b.timeouts
        && *limits == b.limits
        && *max_connections == b.max_connections
        && *trusted_proxies == b.trusted_proxies
        && *path == b.path
        && *upgrades == b.upgrades
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_rise_and_the_longest_run_is_kept(
            numbers in prop::collection::vec(prop::option::of(1u64..60), 0..10)
        ) {
            let kept = keep_rising(&numbers);
            let run: Vec<u64> = kept.iter().flatten().copied().collect();
            prop_assert!(run.is_sorted_by(|a, b| a < b));
            // The naive answer: the longest rising choice among all choices.
            let longest = (0u32..1 << numbers.len())
                .filter_map(|mask| {
                    let chosen: Option<Vec<u64>> =
                        (0..numbers.len()).filter(|at| mask >> at & 1 == 1).map(|at| numbers[at]).collect();
                    chosen.filter(|c| c.is_sorted_by(|a, b| a < b)).map(|c| c.len())
                })
                .max();
            prop_assert_eq!(Some(run.len()), longest);
            let ranks = spread(&kept);
            prop_assert_eq!(ranks.len(), numbers.len());
            prop_assert!(ranks.is_sorted_by(|a, b| a < b), "{:?}", ranks);
        }
    }

    #[test]
    fn ranks_leave_room() {
        assert_eq!(spread(&[None, Some(100), None, None, Some(400)]), [50, 100, 200, 300, 400]);
        assert_eq!(spread(&[Some(1), None, Some(2)]), [Rank::STEP, 2 * Rank::STEP, 3 * Rank::STEP]);
        assert_eq!(spread(&[None, None]), [Rank::STEP, 2 * Rank::STEP]);
        assert_eq!(spread(&[Some(u64::MAX), None]), [Rank::STEP, 2 * Rank::STEP]);
    }
}
