//! The generic cell rate algorithm: a token bucket in one number.

use std::time::Duration;

use weir_model::Mono;

use crate::Verdict;

/// Longest span in the arithmetic, ns (146 years), so that sums with a moment never wrap.
const SPAN_MAX: u64 = 1 << 62;

/// A token bucket's shape (ITU-T I.371, "virtual scheduling").
///
/// The bucket's whole state is one moment, the *theoretical arrival time*: when it will be full again. A request moves
/// it on by the interval in which one token comes, and passes where that ends within the time that a whole bucket takes
/// to fill. A moment that has passed is a full bucket, which is why it need not be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// In which one token comes, ns. At least 1.
    interval: u64,
    /// In which the bucket fills, ns: `burst` intervals.
    capacity: u64,
}

impl Gcra {
    /// `requests` tokens per `per`, at most `burst` of them saved. Without requests or burst nothing ever passes.
    ///
    /// The interval is rounded to whole ns, so the rate is off by at most 1 % up to 50 million a second.
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let requests = u128::from(requests);
        let interval = (per.as_nanos() + requests / 2).checked_div(requests).unwrap_or(u128::MAX);
        let interval = interval.clamp(1, u128::from(SPAN_MAX)) as u64;
        let burst = if requests == 0 { 0 } else { burst };
        Self { interval, capacity: interval.saturating_mul(u64::from(burst)).min(SPAN_MAX) }
    }

    /// How long an empty bucket takes to fill.
    pub fn refill(&self) -> Duration {
        Duration::from_nanos(self.capacity)
    }

    /// Where the arrival time moves if one more request passes; `Err` holds the ns to wait where it does not pass.
    #[inline]
    pub(crate) fn advance(&self, arrival: u64, now: Mono) -> Result<u64, u64> {
        let next = arrival.max(now.0).saturating_add(self.interval);
        let ahead = next - now.0;
        if ahead <= self.capacity { Ok(next) } else { Err(ahead - self.capacity) }
    }

    /// The verdict on a request that moved the arrival time to `next`.
    #[inline]
    pub(crate) fn allowed(&self, next: u64, now: Mono) -> Verdict {
        let ahead = next - now.0;
        let remaining = (self.capacity - ahead) / self.interval;
        Verdict::Allow { remaining: remaining as u32, reset_after: Duration::from_nanos(ahead) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends requests at the given ms and compares who passes with what.
    #[track_caller]
    fn check(gcra: Gcra, at_ms: &[u64], expected: &[Result<u32, u64>]) {
        let mut arrival = 0;
        let verdicts: Vec<_> = at_ms
            .iter()
            .map(|ms| {
                let now = Mono(ms * 1_000_000);
                arrival = gcra.advance(arrival, now).map_err(|wait| wait / 1_000_000)?;
                match gcra.allowed(arrival, now) {
                    Verdict::Allow { remaining, .. } => Ok(remaining),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn buckets() {
        let second = Duration::from_secs(1);
        // Ten a second, three saved: three at once, then one every 100 ms.
        check(
            Gcra::new(10, second, 3),
            &[5000, 5000, 5000, 5000, 5040, 5100, 5100, 5300, 5300, 5300],
            &[Ok(2), Ok(1), Ok(0), Err(100), Err(60), Ok(0), Err(100), Ok(1), Ok(0), Err(100)],
        );
        // An interval that is no whole number of ns still lets the whole burst pass.
        check(Gcra::new(7, second, 7), &[0; 7], &[Ok(6), Ok(5), Ok(4), Ok(3), Ok(2), Ok(1), Ok(0)]);
        check(Gcra::new(1, second, 0), &[0, 9000], &[Err(1000), Err(1000)]);
        assert!(Gcra::new(0, second, 5).advance(0, Mono(1)).is_err());
    }

    #[test]
    fn extremes_do_not_wrap() {
        for (requests, per, burst) in [
            (u32::MAX, Duration::from_nanos(1), u32::MAX),
            (1, Duration::MAX, u32::MAX),
            (u32::MAX, Duration::MAX, 1),
            (1, Duration::ZERO, 1),
        ] {
            let gcra = Gcra::new(requests, per, burst);
            let now = Mono(1 << 61);
            let mut arrival = 0;
            for _ in 0..10 {
                if let Ok(next) = gcra.advance(arrival, now) {
                    assert!(next > arrival);
                    arrival = next;
                    gcra.allowed(next, now);
                }
            }
        }
    }
}
