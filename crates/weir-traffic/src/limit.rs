//! Limits as configured, with state that outlives a change of configuration.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{LimitKey, MissingKey, Mono, RateLimit, fixed_hash};

use crate::{Gcra, GcraTable, KeyHasher, Verdict, Window};

/// A [`RateLimit`] ready to judge requests.
///
/// Its state belongs to its *identity*, a hash of owner and definition, and not to this value: buckets lie in the
/// [`GcraTable`] under identity and key; a window is handed on by [`compile`](Self::compile). A reload thus changes no
/// verdict unless it changes the definition. What becomes of requests without a key is no part of the definition.
#[derive(Clone, Debug)]
pub struct Limiter {
    identity: u64,
    requests: u32,
    per: Duration,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Bucket { key: LimitKey, missing: MissingKey, gcra: Gcra },
    Window(Arc<Window>),
}

impl Limiter {
    /// A limit whose state is that of `identity`; a window starts empty.
    pub fn new(limit: &RateLimit, identity: u64) -> Self {
        let (requests, per, kind) = match limit {
            RateLimit::TokenBucket { key, missing, requests, per, burst } => {
                let gcra = Gcra::new(*requests, *per, *burst);
                (*requests, *per, Kind::Bucket { key: key.clone(), missing: *missing, gcra })
            }
            RateLimit::SlidingWindow { requests, per } => {
                (*requests, *per, Kind::Window(Arc::new(Window::new(*requests, *per))))
            }
        };
        Self { identity, requests, per, kind }
    }

    /// All limits of one owner (`route orders`, `service origin`), in order. `previous` are the owner's limits until
    /// now, empty for a new one; the windows of those that did not change are handed on.
    pub fn compile(owner: &str, limits: &[RateLimit], previous: &[Self]) -> Vec<Self> {
        let mut compiled: Vec<Self> = Vec::with_capacity(limits.len());
        for limit in limits {
            // Two equal limits of one owner each count for themselves.
            let identity = (0..=compiled.len() as u64)
                .map(|nth| identity(owner, limit, nth))
                .find(|identity| compiled.iter().all(|c| c.identity != *identity))
                .expect("more numbers than limits");
            let mut limiter = Self::new(limit, identity);
            if let Kind::Window(window) = &mut limiter.kind
                && let Some(Kind::Window(kept)) =
                    previous.iter().find(|p| p.identity == identity).map(|p| &p.kind)
            {
                *window = Arc::clone(kept);
            }
            compiled.push(limiter);
        }
        compiled
    }

    /// What the caller has to look up in the request; `None` for a limit that knows no keys.
    #[inline]
    pub fn key(&self) -> Option<&LimitKey> {
        match &self.kind {
            Kind::Bucket { key: LimitKey::All, .. } | Kind::Window(_) => None,
            Kind::Bucket { key, .. } => Some(key),
        }
    }

    /// Judges one request, and counts it if it passes. `key` is what [`key`](Self::key) asked for, where the request has
    /// it.
    ///
    /// A request that a later limit refuses stays counted by the earlier ones.
    #[inline]
    pub fn check(&self, table: &GcraTable, hasher: &KeyHasher, key: Option<&[u8]>, now: Mono) -> Verdict {
        match &self.kind {
            Kind::Window(window) => window.check(now),
            Kind::Bucket { key: by, missing, gcra } => {
                let hash = match (by, key, missing) {
                    // The complement is the domain of the one bucket for all; an empty key is a key like others.
                    (LimitKey::All, _, _) | (_, None, MissingKey::Shared) => hasher.hash(!self.identity, &[]),
                    (_, Some(key), _) => hasher.hash(self.identity, key),
                    (_, None, MissingKey::Skip) => return Verdict::Skip,
                    (_, None, MissingKey::Deny) => return Verdict::NoKey,
                };
                table.check(hash, gcra, now)
            }
        }
    }

    /// Whose state it uses.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Requests per [`per`](Self::per).
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The span of the limit.
    pub fn per(&self) -> Duration {
        self.per
    }
}

/// The hash of owner and definition.
fn identity(owner: &str, limit: &RateLimit, nth: u64) -> u64 {
    match limit {
        RateLimit::TokenBucket { key, missing: _, requests, per, burst } => {
            fixed_hash(&(owner, nth, "bucket", key, requests, per, burst))
        }
        RateLimit::SlidingWindow { requests, per } => fixed_hash(&(owner, nth, "window", requests, per)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket(key: LimitKey, missing: MissingKey, burst: u32) -> RateLimit {
        RateLimit::TokenBucket { key, missing, requests: 10, per: SECOND, burst }
    }

    fn by_user(missing: MissingKey) -> RateLimit {
        bucket(LimitKey::Header("x-user".into()), missing, 2)
    }

    struct Bench {
        table: GcraTable,
        hasher: KeyHasher,
    }

    impl Bench {
        fn new() -> Self {
            Self { table: GcraTable::new(1000), hasher: KeyHasher::seeded(1, 2) }
        }

        /// How many of 20 requests at one moment pass.
        fn passing(&self, limiter: &Limiter, key: Option<&str>) -> usize {
            let key = key.map(str::as_bytes);
            (0..20)
                .filter(|_| {
                    limiter.check(&self.table, &self.hasher, key, Mono(SECOND.as_nanos() as u64)).passes()
                })
                .count()
        }
    }

    #[test]
    fn keys_and_missing_keys() {
        #[track_caller]
        fn check(limit: &RateLimit, keys: &[Option<&str>], expected: &[usize]) {
            let bench = Bench::new();
            let limiter = &Limiter::compile("route a", std::slice::from_ref(limit), &[])[0];
            let passed: Vec<_> = keys.iter().map(|key| bench.passing(limiter, *key)).collect();
            assert_eq!(passed, expected);
        }
        use MissingKey::{Deny, Shared, Skip};
        check(&by_user(Shared), &[Some("a"), Some("b"), Some("a")], &[2, 2, 0]);
        check(&by_user(Shared), &[None, None, Some("")], &[2, 0, 2]);
        check(&by_user(Skip), &[None, Some("a")], &[20, 2]);
        check(&by_user(Deny), &[None, Some("a")], &[0, 2]);
        check(&bucket(LimitKey::All, Deny, 3), &[None, None], &[3, 0]);
        check(&RateLimit::SlidingWindow { requests: 5, per: SECOND }, &[None, None], &[5, 0]);
    }

    #[test]
    fn a_reload_keeps_what_did_not_change() {
        let bench = Bench::new();
        let window = |requests| RateLimit::SlidingWindow { requests, per: SECOND };
        let first = Limiter::compile("service a", &[window(5), by_user(MissingKey::Skip)], &[]);
        assert_eq!(bench.passing(&first[0], None), 5);
        assert_eq!(bench.passing(&first[1], Some("a")), 2);

        // Moved, and with another answer to missing keys: the same limits still.
        let second = Limiter::compile("service a", &[by_user(MissingKey::Deny), window(5)], &first);
        assert_eq!(bench.passing(&second[0], Some("a")), 0);
        assert_eq!(bench.passing(&second[1], None), 0);

        let third = Limiter::compile("service a", &[window(6)], &second);
        assert_eq!(bench.passing(&third[0], None), 6);
        let other = Limiter::compile("service b", &[by_user(MissingKey::Deny)], &second);
        assert_eq!(bench.passing(&other[0], Some("a")), 2);
    }

    #[test]
    fn equal_limits_count_apart() {
        let bench = Bench::new();
        let twice = Limiter::compile("route a", &[by_user(MissingKey::Skip), by_user(MissingKey::Skip)], &[]);
        assert_ne!(twice[0].identity(), twice[1].identity());
        assert_eq!(bench.passing(&twice[0], Some("a")), 2);
        assert_eq!(bench.passing(&twice[1], Some("a")), 2);
    }
}
