//! Whether a try is repeated, and after which pause.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use weir_model::{Failure, FailureKind, Retry, RetryPolicy};

use crate::Rng;

/// Pauses are doubled at most so often.
const DOUBLINGS_MAX: u32 = 6;

/// Why a try is thought to need another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A reused connection turned out closed before a byte of the answer. This is repeated once even where the policy
    /// allows no retries; the next try should use a fresh connection.
    StaleConnection,
    /// The try failed.
    Failure(Failure),
    /// The upstream answered with this status.
    Status(u16),
}

/// What has happened to the request until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Retries made already, without the one for a stale connection.
    pub retries: u32,
    /// Whether a stale connection was made up for already.
    pub stale_before: bool,
    /// Whether the method is idempotent (RFC 9110, section 9.2.2).
    pub idempotent: bool,
    /// Whether a byte of the request was written in this try.
    pub sent: bool,
    /// Whether a byte of an answer went to the client.
    pub answered: bool,
    /// What is left of the request's body.
    pub body: Replay,
}

/// What is left of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// No byte of it was taken, or it has none.
    Untouched,
    /// All bytes taken are still held.
    Held,
    /// Some are gone.
    Gone,
}

/// Whether the try may be repeated, the budget aside.
///
/// Never once an answer was begun, never without the whole body, and once a byte was sent only for idempotent methods:
/// the upstream may have acted on what it got.
pub fn may_retry(policy: &RetryPolicy, cause: Cause, attempt: &Attempt) -> bool {
    let repeatable =
        !attempt.answered && attempt.body != Replay::Gone && (attempt.idempotent || !attempt.sent);
    repeatable
        && match cause {
            Cause::StaleConnection => !attempt.stale_before,
            Cause::Failure(failure) => {
                attempt.retries < policy.max
                    && is_listed(policy, failure.kind)
                    && match failure.retry {
                        Retry::Safe => true,
                        Retry::IfIdempotent => attempt.idempotent,
                        Retry::No => false,
                    }
            }
            Cause::Status(status) => {
                attempt.retries < policy.max
                    && ((policy.on.gateway_status && matches!(status, 502..=504))
                        || (policy.on.status_5xx && matches!(status, 500..=599)))
            }
        }
}

fn is_listed(policy: &RetryPolicy, kind: FailureKind) -> bool {
    match kind {
        FailureKind::DnsError
        | FailureKind::ConnectionRefused
        | FailureKind::TlsCertificateError
        | FailureKind::TlsProtocolError => policy.on.connect,
        FailureKind::ConnectionTimeout => policy.on.connect || policy.on.timeout,
        FailureKind::ConnectionTerminated | FailureKind::ResponseIncomplete => policy.on.reset,
        FailureKind::TryTimeout => policy.on.timeout,
        // Among them RequestTimeout: no time is left.
        _ => false,
    }
}

/// The pause before retry number `retries` (0 is the first): evenly drawn from zero to a bound that doubles each time, up
/// to 64 times [`RetryPolicy::backoff`] ("full jitter": those who failed together do not come back together).
pub fn backoff(policy: &RetryPolicy, retries: u32, rng: &mut Rng) -> Duration {
    let bound = policy.backoff.saturating_mul(1 << retries.min(DOUBLINGS_MAX));
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(bound.saturating_add(1)))
}

/// Bounds the retries in flight by a share of live requests, so that retries cannot multiply an outage. Shared by
/// workers.
#[derive(Debug, Default)]
pub struct RetryBudget {
    retrying: AtomicU32,
}

impl RetryBudget {
    /// Begins a retry if there is room among `live` requests ([`Gate::inside`](crate::Gate::inside)). Every success is
    /// matched by one [`end`](Self::end).
    pub fn try_begin(&self, policy: &RetryPolicy, live: u32) -> bool {
        let share = u64::from(live) * u64::from(policy.budget_ppm) / 1_000_000;
        let max = share.max(u64::from(policy.budget_min));
        self.retrying
            .fetch_update(Relaxed, Relaxed, |n| (u64::from(n) < max).then(|| n.saturating_add(1)))
            .is_ok()
    }

    /// Ends a retry that had begun.
    pub fn end(&self) {
        let before = self.retrying.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "ended a retry that never began");
    }

    /// Retries in flight.
    pub fn retrying(&self) -> u32 {
        self.retrying.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Phase, RetryOn};

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max: 2,
        on: RetryOn { connect: true, reset: true, timeout: false, gateway_status: true, status_5xx: false },
        budget_ppm: 200_000,
        budget_min: 3,
        replay_bytes_max: 1024,
        backoff: Duration::from_millis(10),
    };
    const FIRST: Attempt = Attempt {
        retries: 0,
        stale_before: false,
        idempotent: true,
        sent: true,
        answered: false,
        body: Replay::Untouched,
    };

    fn failed(kind: FailureKind, retry: Retry) -> Cause {
        Cause::Failure(Failure::new(kind, Phase::Wait).retry(retry))
    }

    #[test]
    fn what_is_repeated() {
        #[track_caller]
        fn check(cause: Cause, attempt: Attempt, expected: bool) {
            assert_eq!(may_retry(&POLICY, cause, &attempt), expected, "{cause:?} {attempt:?}");
        }
        use FailureKind::{ClientGone, ConnectionRefused, ConnectionTerminated, RequestTimeout, TryTimeout};
        let post = Attempt { idempotent: false, ..FIRST };
        let unsent = Attempt { sent: false, ..post };

        check(failed(ConnectionRefused, Retry::Safe), FIRST, true);
        check(failed(ConnectionRefused, Retry::Safe), unsent, true);
        check(failed(ConnectionRefused, Retry::No), FIRST, false);
        check(failed(ConnectionTerminated, Retry::IfIdempotent), FIRST, true);
        check(failed(ConnectionTerminated, Retry::IfIdempotent), post, false);
        check(failed(ConnectionTerminated, Retry::IfIdempotent), unsent, false);
        check(failed(TryTimeout, Retry::IfIdempotent), FIRST, false);
        check(failed(RequestTimeout, Retry::IfIdempotent), FIRST, false);
        check(failed(ClientGone, Retry::Safe), FIRST, false);
        check(Cause::Status(503), FIRST, true);
        check(Cause::Status(503), post, false);
        check(Cause::Status(500), FIRST, false);
        check(Cause::Status(200), FIRST, false);

        let (last, spent) = (Attempt { retries: 1, ..FIRST }, Attempt { retries: 2, ..FIRST });
        check(Cause::Status(503), last, true);
        check(Cause::Status(503), spent, false);
        check(Cause::StaleConnection, spent, true);
        check(Cause::StaleConnection, Attempt { stale_before: true, ..FIRST }, false);
        check(Cause::StaleConnection, post, false);
        check(Cause::StaleConnection, unsent, true);
        for cause in [Cause::Status(503), Cause::StaleConnection, failed(ConnectionRefused, Retry::Safe)] {
            check(cause, Attempt { answered: true, ..FIRST }, false);
            check(cause, Attempt { body: Replay::Gone, ..FIRST }, false);
            check(cause, Attempt { body: Replay::Held, ..FIRST }, true);
        }
    }

    #[test]
    fn a_stale_connection_is_made_up_for_without_retries() {
        let none = RetryPolicy { max: 0, ..POLICY };
        assert!(may_retry(&none, Cause::StaleConnection, &FIRST));
        assert!(!may_retry(&none, Cause::Status(503), &FIRST));
    }

    #[test]
    fn budget_is_a_share_with_a_minimum() {
        #[track_caller]
        fn check(live: u32, expected: u32) {
            let budget = RetryBudget::default();
            while budget.try_begin(&POLICY, live) {}
            assert_eq!(budget.retrying(), expected, "{live} live");
            budget.end();
            assert!(budget.try_begin(&POLICY, live));
        }
        check(0, 3);
        check(10, 3);
        check(100, 20);
        let none = RetryPolicy { budget_min: 0, budget_ppm: 0, ..POLICY };
        assert!(!RetryBudget::default().try_begin(&none, 1000));
    }

    #[test]
    fn pauses_double_and_spread() {
        let mut rng = Rng::seeded(1);
        for (retries, bound_ms) in [(0, 10), (1, 20), (3, 80), (6, 640), (7, 640), (u32::MAX, 640)] {
            let bound = Duration::from_millis(bound_ms);
            let pauses: Vec<_> = (0..2000).map(|_| backoff(&POLICY, retries, &mut rng)).collect();
            assert!(pauses.iter().all(|p| *p <= bound));
            let mean = pauses.iter().sum::<Duration>() / 2000;
            assert!(mean > bound * 45 / 100 && mean < bound * 55 / 100, "{mean:?} of {bound:?}");
        }
        assert_eq!(backoff(&RetryPolicy { backoff: Duration::ZERO, ..POLICY }, 1, &mut rng), Duration::ZERO);
    }
}
