//! The window against an exact log of what it admitted.

use std::collections::VecDeque;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::Rng;

const MS: u64 = 1_000_000;

/// Moments of all admitted requests.
struct Log {
    requests: usize,
    per: u64,
    admitted: VecDeque<u64>,
}

impl Log {
    fn new(requests: u32, per: u64) -> Self {
        Self { requests: requests as usize, per, admitted: VecDeque::new() }
    }

    fn check(&mut self, now: u64) -> Result<u32, Duration> {
        while self.admitted.front().is_some_and(|&at| at + self.per <= now) {
            self.admitted.pop_front();
        }
        if self.admitted.len() < self.requests {
            self.admitted.push_back(now);
            return Ok((self.requests - self.admitted.len()) as u32);
        }
        Err(Duration::from_nanos(self.per - (now - self.admitted[0])))
    }
}

/// The most admitted in any span of length `per`.
fn most_in_any_span(admitted: &[u64], per: u64) -> usize {
    let mut first = 0;
    let most = admitted.iter().enumerate().map(|(last, at)| {
        while admitted[first] + per <= *at {
            first += 1;
        }
        last + 1 - first
    });
    most.max().unwrap_or(0)
}

proptest! {
    #[test]
    fn small_windows_are_exact(
        requests in 1u32..20,
        pauses in prop::collection::vec(prop_oneof![Just(0u64), 0u64..30, 0u64..300], 1..400),
    ) {
        let per = 100 * MS;
        let (window, mut log) = (Window::new(requests, Duration::from_nanos(per)), Log::new(requests, per));
        let mut now = 0;
        for pause in pauses {
            now += pause * MS;
            match (window.check(Mono(now)), log.check(now.max(1))) {
                (Verdict::Allow { remaining, .. }, Ok(exact)) => prop_assert!(remaining <= exact),
                (Verdict::Deny { retry_after }, Err(exact)) => prop_assert_eq!(retry_after, exact),
                (own, exact) => prop_assert!(false, "{:?} but exactly {:?}", own, exact),
            }
        }
    }
}

#[test]
fn any_span_holds_at_most_the_limit_and_overload_gets_all_of_it() {
    #[track_caller]
    fn check(requests: u32, overload: u64) {
        let per = 1000 * MS;
        let window = Window::new(requests, Duration::from_nanos(per));
        let mut rng = Rng::seeded(u64::from(requests));
        let pause = per / u64::from(requests) / overload;
        let (mut now, mut admitted) = (5, Vec::new());
        while now < 4 * per {
            if window.check(Mono(now)).passes() {
                admitted.push(now);
            }
            now += rng.below(2 * pause + 1);
        }
        let most = most_in_any_span(&admitted, per);
        assert!(most <= requests as usize, "{most} in a span, of {requests}");
        let exact = 4 * requests as usize;
        assert!(admitted.len() * 100 >= exact * 99, "{} of {exact}", admitted.len());
    }
    for requests in [100, 1000, 4096, 4097, 5000, 20_000, 50_001] {
        check(requests, 2);
        check(requests, 5);
    }
}

#[test]
fn what_remains_is_learnt_again_after_a_pause() {
    #[track_caller]
    fn check(requests: u32, at_ms: &[u64], expected: u32) {
        let window = Window::new(requests, Duration::from_millis(100));
        let verdicts: Vec<_> = at_ms.iter().map(|ms| window.check(Mono(ms * MS))).collect();
        match verdicts.last() {
            Some(Verdict::Allow { remaining, .. }) => assert_eq!(*remaining, expected, "{at_ms:?}"),
            other => panic!("{other:?}"),
        }
    }
    check(10, &[1], 9);
    check(10, &[1, 1, 1], 7);
    check(10, &[1, 1, 1, 500], 9);
    check(10, &[1, 2, 3, 102], 8);
    check(10, &[1, 2, 3, 50, 102], 7);
    check(10_000, &[1, 1, 1], 9996);
    check(10_000, &[1, 1, 1, 500], 9998);
}

#[test]
fn nothing_passes_a_window_of_zero() {
    let per = Duration::from_secs(1);
    assert_eq!(Window::new(0, per).check(Mono(9)), Verdict::Deny { retry_after: per });
    assert!(Window::new(1, Duration::MAX).check(Mono(9)).passes());
    assert_eq!(Window::new(u32::MAX, per).capacity(), u32::MAX - u32::MAX % (1 << 20));
}

/// Clocks are read before the window is asked, so a worker may come with an earlier moment than one before it.
#[test]
fn a_clock_that_lags_makes_it_stricter_only() {
    let window = Window::new(2, Duration::from_millis(100));
    let passes = |ms: u64| window.check(Mono(ms * MS)).passes();
    assert!(passes(150) && passes(50));
    assert!(!passes(200), "the second counts from the moment of the first, not from its own");
    assert!(passes(250) && passes(250) && !passes(250));
}

#[test]
fn workers_share_it() {
    #[track_caller]
    fn check(requests: u32) {
        let per = 10 * MS;
        let window = Window::new(requests, Duration::from_nanos(per));
        let clock = AtomicU64::new(1);
        let admitted = Mutex::new(Vec::new());
        // Four times the limit, for 20 spans.
        let step = per / (4 * u64::from(requests));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    loop {
                        let now = clock.fetch_add(step, Relaxed);
                        if now >= 20 * per {
                            break;
                        }
                        if window.check(Mono(now)).passes() {
                            own.push(now);
                        }
                    }
                    admitted.lock().unwrap().extend(own);
                });
            }
        });
        let mut admitted = admitted.into_inner().unwrap();
        admitted.sort_unstable();
        let exact = 20 * requests as usize;
        let most = most_in_any_span(&admitted, per);
        assert!(most * 100 <= requests as usize * 101, "{most} in a span, of {requests}");
        assert!(admitted.len().abs_diff(exact) * 100 <= exact, "{} of {exact}", admitted.len());
    }
    check(1000);
    check(9000);
}
