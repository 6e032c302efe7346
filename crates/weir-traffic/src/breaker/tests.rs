//! The breaker against a plain state machine, and tables for what a reader would ask.

use proptest::prelude::*;
use weir_model::FailureShare;

use super::*;

const MS: u64 = 1_000_000;

fn settings() -> Breaker {
    Breaker {
        consecutive_failures: 3,
        failure_share: None,
        failures: BreakerFailures { status_5xx: true, connect: true, timeout: true },
        open_for: Duration::from_secs(2),
        half_open_requests: 2,
        fallback: None,
    }
}

fn by_share() -> Breaker {
    let failure_share = Some(FailureShare { share_ppm: 500_000, window: Duration::from_secs(1), minimum: 6 });
    Breaker { consecutive_failures: 0, failure_share, ..settings() }
}

/// What the breaker should be, without a thought for speed or workers.
struct Reference {
    settings: Breaker,
    phase: RefPhase,
    period: u32,
    /// Results of this period of being closed: moment and whether it failed.
    log: Vec<(u64, bool)>,
}

enum RefPhase {
    Closed,
    Open { until: u64 },
    HalfOpen { taken: u32, succeeded: u32, deadline: u64 },
}

impl Reference {
    fn new(settings: Breaker) -> Self {
        Self { settings, phase: RefPhase::Closed, period: 0, log: Vec::new() }
    }

    fn enter(&mut self, phase: RefPhase) {
        self.phase = phase;
        self.period += 1;
        self.log.clear();
    }

    fn open_for(&self) -> u64 {
        self.settings.open_for.as_nanos() as u64
    }

    /// Whether a request passes, and whether as a probe.
    fn try_pass(&mut self, now: u64) -> Option<bool> {
        let deadline_next = now + self.open_for().max(1000 * MS);
        match &mut self.phase {
            RefPhase::Closed => return Some(false),
            RefPhase::HalfOpen { taken, deadline, .. } if *taken < self.settings.half_open_requests => {
                *taken += 1;
                *deadline = deadline_next;
            }
            RefPhase::Open { until: wait } | RefPhase::HalfOpen { deadline: wait, .. } => {
                if now < *wait {
                    return None;
                }
                self.enter(RefPhase::HalfOpen { taken: 1, succeeded: 0, deadline: deadline_next });
            }
        }
        Some(true)
    }

    fn record(&mut self, period: u32, outcome: Outcome, now: u64) {
        if period != self.period {
            return;
        }
        match &mut self.phase {
            RefPhase::Closed if outcome == Outcome::Abandoned => {}
            RefPhase::Closed => {
                self.log.push((now, outcome == Outcome::Failure));
                if outcome == Outcome::Failure && self.is_too_bad(now) {
                    let until = now + self.open_for();
                    self.enter(RefPhase::Open { until });
                }
            }
            RefPhase::Open { .. } => {}
            RefPhase::HalfOpen { taken, succeeded, .. } => match outcome {
                Outcome::Abandoned => *taken -= 1,
                Outcome::Failure => {
                    let until = now + self.open_for();
                    self.enter(RefPhase::Open { until });
                }
                Outcome::Success => {
                    *succeeded += 1;
                    if *succeeded == self.settings.half_open_requests {
                        self.enter(RefPhase::Closed);
                    }
                }
            },
        }
    }

    fn is_too_bad(&self, now: u64) -> bool {
        let in_a_row = self.log.iter().rev().take_while(|(_, failed)| *failed).count() as u32;
        if self.settings.consecutive_failures > 0 && in_a_row >= self.settings.consecutive_failures {
            return true;
        }
        self.settings.failure_share.as_ref().is_some_and(|share| {
            let part = share.window.as_nanos() as u64 / share::PARTS;
            let recent: Vec<_> =
                self.log.iter().filter(|(at, _)| at / part + share::PARTS > now / part).collect();
            let failed = recent.iter().filter(|(_, failed)| *failed).count();
            recent.len() >= share.minimum as usize
                && failed as u64 * 1_000_000 >= recent.len() as u64 * u64::from(share.share_ppm)
        })
    }

    fn state(&self, now: u64) -> BreakerState {
        match self.phase {
            RefPhase::Closed => BreakerState::Closed,
            RefPhase::Open { until } if now < until => BreakerState::Open { until: Mono(until) },
            _ => BreakerState::HalfOpen,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Send,
    /// The outcome of one of the requests that are out.
    Finish(usize, Outcome),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Failure),
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Abandoned)
    ];
    let step = prop_oneof![
        2 => prop_oneof![1u64..150, 1u64..4000].prop_map(Step::Wait),
        5 => Just(Step::Send),
        5 => (0usize..8, outcome).prop_map(|(which, outcome)| Step::Finish(which, outcome)),
    ];
    prop::collection::vec(step, 1..500)
}

fn runs_like_the_reference(settings: &Breaker, steps: &[Step]) -> Result<(), TestCaseError> {
    let breaker = BreakerLive::new(settings);
    let mut reference = Reference::new(settings.clone());
    let mut out = Vec::new();
    let mut now = 77;
    for step in steps {
        match *step {
            Step::Wait(ms) => now += ms * MS,
            Step::Send => {
                let would_pass = breaker.would_pass(Mono(now));
                let (pass, _) = breaker.try_pass(Mono(now));
                let passed = match pass {
                    Pass::Closed { .. } => Some(false),
                    Pass::Probe { .. } => Some(true),
                    Pass::Refused { .. } => None,
                };
                prop_assert_eq!(passed, reference.try_pass(now));
                prop_assert_eq!(would_pass, passed.is_some());
                if passed.is_some() {
                    out.push((pass, reference.period));
                }
            }
            Step::Finish(which, outcome) => {
                if out.is_empty() {
                    continue;
                }
                let (pass, period) = out.swap_remove(which % out.len());
                let before = breaker.state(Mono(now));
                let transition = breaker.record(pass, outcome, Mono(now));
                reference.record(period, outcome, now);
                prop_assert_eq!(transition.is_some(), before != breaker.state(Mono(now)));
            }
        }
        prop_assert_eq!(breaker.state(Mono(now)), reference.state(now));
    }
    Ok(())
}

proptest! {
    #[test]
    fn counts_in_a_row_like_the_reference(steps in steps()) {
        runs_like_the_reference(&settings(), &steps)?;
    }

    #[test]
    fn counts_shares_like_the_reference(steps in steps()) {
        runs_like_the_reference(&by_share(), &steps)?;
    }

    #[test]
    fn counts_both_like_the_reference(steps in steps()) {
        let both = Breaker { consecutive_failures: 4, half_open_requests: 3, ..by_share() };
        runs_like_the_reference(&both, &steps)?;
    }
}

/// Opens a breaker of [`settings`] at ms 0.
fn opened() -> BreakerLive {
    let breaker = BreakerLive::new(&settings());
    for n in 0..3 {
        let (pass, _) = breaker.try_pass(Mono(0));
        let transition = breaker.record(pass, Outcome::Failure, Mono(0));
        assert_eq!(transition, (n == 2).then_some(Transition::Opened { by_probe: false }));
    }
    breaker
}

#[test]
fn a_whole_turn() {
    let breaker = opened();
    let at = |ms: u64| Mono(ms * MS);
    let refused = |ms| Pass::Refused { retry_after: Duration::from_millis(ms) };
    assert_eq!(breaker.try_pass(at(500)), (refused(1500), None));
    let (first, transition) = breaker.try_pass(at(2000));
    assert_eq!(transition, Some(Transition::HalfOpened));
    let (second, transition) = breaker.try_pass(at(2100));
    assert_eq!(transition, None);
    assert_eq!(breaker.try_pass(at(2100)).0, refused(2000));
    assert_eq!(breaker.record(first, Outcome::Success, at(2200)), None);
    assert_eq!(breaker.try_pass(at(2200)).0, refused(1900), "a place is not free again by success");
    assert_eq!(breaker.record(second, Outcome::Success, at(2300)), Some(Transition::Closed));
    assert_eq!(breaker.state(at(2300)), BreakerState::Closed);
    assert_eq!(breaker.counts(), BreakerCounts { opened: 1, refused: 3 });
}

#[test]
fn a_failed_probe_opens_for_the_whole_time_only() {
    let breaker = BreakerLive::new(&Breaker { open_for: Duration::from_millis(100), ..settings() });
    for _ in 0..3 {
        let (pass, _) = breaker.try_pass(Mono(0));
        breaker.record(pass, Outcome::Failure, Mono(0));
    }
    let (probe, _) = breaker.try_pass(Mono(100 * MS));
    let transition = breaker.record(probe, Outcome::Failure, Mono(120 * MS));
    assert_eq!(transition, Some(Transition::Opened { by_probe: true }));
    assert_eq!(breaker.state(Mono(121 * MS)), BreakerState::Open { until: Mono(220 * MS) });
}

#[test]
fn probes_that_never_report_do_not_wedge_it() {
    let breaker = opened();
    let (lost, _) = breaker.try_pass(Mono(2000 * MS));
    let (abandoned, _) = breaker.try_pass(Mono(2000 * MS));
    breaker.record(abandoned, Outcome::Abandoned, Mono(2100 * MS));
    let (again, _) = breaker.try_pass(Mono(2100 * MS));
    assert!(matches!(again, Pass::Probe { .. }), "an abandoned probe gives its place back");
    assert!(!breaker.would_pass(Mono(4000 * MS)));
    let (fresh, _) = breaker.try_pass(Mono(4100 * MS));
    assert!(matches!(fresh, Pass::Probe { .. }));
    assert_eq!(breaker.record(lost, Outcome::Failure, Mono(4200 * MS)), None, "it comes too late");
    let (other, _) = breaker.try_pass(Mono(4200 * MS));
    breaker.record(fresh, Outcome::Success, Mono(4300 * MS));
    assert_eq!(breaker.record(other, Outcome::Success, Mono(4300 * MS)), Some(Transition::Closed));
}

#[test]
fn late_results_do_not_disturb_half_open() {
    let breaker = BreakerLive::new(&settings());
    let late: Vec<_> = (0..10).map(|_| breaker.try_pass(Mono(0)).0).collect();
    for pass in &late[..3] {
        breaker.record(*pass, Outcome::Failure, Mono(0));
    }
    let (probe, _) = breaker.try_pass(Mono(2000 * MS));
    assert!(matches!(probe, Pass::Probe { .. }));
    for pass in &late[3..6] {
        assert_eq!(breaker.record(*pass, Outcome::Failure, Mono(2001 * MS)), None);
        assert_eq!(breaker.record(*pass, Outcome::Success, Mono(2001 * MS)), None);
    }
    assert_eq!(breaker.state(Mono(2001 * MS)), BreakerState::HalfOpen);
}

#[test]
fn workers_agree_on_each_change() {
    let breaker = BreakerLive::new(&Breaker { half_open_requests: 3, ..settings() });
    let clock = AtomicU64::new(0);
    let changes: Vec<[u64; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|worker| {
                let (breaker, clock) = (&breaker, &clock);
                scope.spawn(move || {
                    let mut seen = [0; 3];
                    for n in 0..20_000u64 {
                        let now = Mono(clock.fetch_add(10 * MS, Relaxed));
                        let (pass, first) = breaker.try_pass(now);
                        let outcome =
                            if (n + worker) % 64 < 20 { Outcome::Failure } else { Outcome::Success };
                        for change in [first, breaker.record(pass, outcome, now)].into_iter().flatten() {
                            seen[match change {
                                Transition::Opened { .. } => 0,
                                Transition::HalfOpened => 1,
                                Transition::Closed => 2,
                            }] += 1;
                        }
                    }
                    seen
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let [opened, half_opened, closed] = [0, 1, 2].map(|i| changes.iter().map(|c| c[i]).sum::<u64>());
    assert!(opened > 10 && opened == breaker.counts().opened, "{opened} {:?}", breaker.counts());
    // Each period of being open ends half-open but for the last.
    assert!(opened - half_opened <= 1, "{opened} {half_opened}");
    assert!(closed <= half_opened && closed > 0, "{closed} {half_opened}");
}

#[test]
fn a_changed_fallback_keeps_the_state() {
    let breaker = opened();
    let fallback = Some(weir_model::ServiceId::new("spare").unwrap());
    assert!(breaker.is_for(&Breaker { fallback, ..settings() }));
    assert!(!breaker.is_for(&Breaker { half_open_requests: 9, ..settings() }));
}

#[test]
fn outcomes() {
    let all = settings().failures;
    let none = BreakerFailures { status_5xx: false, connect: false, timeout: false };
    let timeouts = BreakerFailures { timeout: true, ..none };
    assert_eq!(Outcome::of_status(all, 503), Outcome::Failure);
    assert_eq!(Outcome::of_status(none, 503), Outcome::Success);
    assert_eq!(Outcome::of_status(all, 404), Outcome::Success);
    assert_eq!(Outcome::of_failure(all, FailureKind::ConnectionRefused), Outcome::Failure);
    assert_eq!(Outcome::of_failure(timeouts, FailureKind::ConnectionRefused), Outcome::Abandoned);
    assert_eq!(Outcome::of_failure(timeouts, FailureKind::ConnectionTimeout), Outcome::Failure);
    assert_eq!(Outcome::of_failure(all, FailureKind::TryTimeout), Outcome::Failure);
    assert_eq!(Outcome::of_failure(all, FailureKind::ClientGone), Outcome::Abandoned);
}
