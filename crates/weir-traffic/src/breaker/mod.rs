//! A breaker's live state: closed, open, half-open.

mod share;
mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::Duration;

use weir_model::{Breaker, BreakerFailures, FailureKind, Mono};

use share::RecentShare;
use state::{Phase, State};

/// Probes whose result has not come after this time are given up, or after [`Breaker::open_for`] if that is longer.
const PROBE_DEADLINE_MIN: Duration = Duration::from_secs(1);

/// A breaker's live state, shared by workers.
///
/// ```text
///            too many failures                 `open_for` has passed: the next request is a probe
///   Closed ────────────────────► Open ◄──────────────────────────────────────────────► HalfOpen
///     ▲                                        a probe failed                              │
///     └──────────────────────────────────────────────────── all probes succeeded ──────────┘
/// ```
///
/// One word holds state, generation and counts, and changes by compare-and-swap, so that each change of state happens
/// once. Each begins a generation; a [`Pass`] carries its own, and a result from another generation is ignored: what
/// began before the breaker opened tells nothing about a service that is being probed.
///
/// Probes that never report do not wedge it: when all places are taken and none came back for the longer of one second
/// and `open_for`, half-open begins anew.
#[derive(Debug)]
pub struct BreakerLive {
    settings: Breaker,
    state: AtomicU64,
    /// While open, when probes begin. Moved before the state is swapped, so that whoever sees the new state sees its
    /// moment; and it only grows, so a worker that fell behind cannot bring back an earlier one.
    open_until: AtomicU64,
    /// While half-open, when its probes are given up; kept like `open_until`.
    probes_until: AtomicU64,
    share: Option<RecentShare>,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What [`BreakerLive::try_pass`] says; handed back with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the outcome of a pass is recorded, also where the request was abandoned"]
pub enum Pass {
    /// The breaker is closed.
    Closed {
        /// Which period of being closed.
        generation: u32,
    },
    /// The request is a probe.
    Probe {
        /// Which period of being half-open.
        generation: u32,
    },
    /// The request must not be sent.
    Refused {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

/// How a request that passed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service did its work.
    Success,
    /// The service failed.
    Failure,
    /// It tells nothing of the service (not sent, the client went away); a probe gives its place back.
    Abandoned,
}

/// The three states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All requests pass.
    Closed,
    /// None passes, until this moment.
    Open {
        /// When probes begin.
        until: Mono,
    },
    /// Only probes pass.
    HalfOpen,
}

/// A change of state, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It opened: too many failures, or a probe failed.
    Opened {
        /// Whether it was half-open before.
        by_probe: bool,
    },
    /// `open_for` has passed, and probes began.
    HalfOpened,
    /// All probes succeeded.
    Closed,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerCounts {
    /// How often it opened.
    pub opened: u64,
    /// How many requests it refused.
    pub refused: u64,
}

impl BreakerLive {
    /// A closed breaker.
    pub fn new(settings: &Breaker) -> Self {
        Self {
            settings: settings.clone(),
            state: AtomicU64::new(State { generation: 0, phase: Phase::Closed { failures: 0 } }.pack()),
            open_until: AtomicU64::new(0),
            probes_until: AtomicU64::new(0),
            share: settings.failure_share.as_ref().map(RecentShare::new),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether this is the state of a breaker with these settings, and so is kept when configuration changes. Where a
    /// request goes instead is no part of it.
    pub fn is_for(&self, settings: &Breaker) -> bool {
        let fallback = settings.fallback.clone();
        Breaker { fallback, ..self.settings.clone() } == *settings
    }

    /// Asks whether a request may be sent now. Every pass but a refusal must be [recorded](Self::record).
    #[inline]
    pub fn try_pass(&self, now: Mono) -> (Pass, Option<Transition>) {
        let state = State::unpack(self.state.load(Acquire));
        if let Phase::Closed { .. } = state.phase {
            return (Pass::Closed { generation: state.generation }, None);
        }
        self.try_probe(now)
    }

    /// Whether [`try_pass`](Self::try_pass) would not refuse; takes nothing. For a balancer that looks for an endpoint.
    #[inline]
    pub fn would_pass(&self, now: Mono) -> bool {
        match State::unpack(self.state.load(Acquire)).phase {
            Phase::Closed { .. } => true,
            Phase::HalfOpen { taken, .. } if taken < self.places() => true,
            Phase::HalfOpen { .. } => now.0 >= self.probes_until.load(Relaxed),
            Phase::Open => now.0 >= self.open_until.load(Relaxed),
        }
    }

    #[cold]
    fn try_probe(&self, now: Mono) -> (Pass, Option<Transition>) {
        loop {
            let packed = self.state.load(Acquire);
            let state = State::unpack(packed);
            let first = Phase::HalfOpen { taken: 1, succeeded: 0 };
            let (next, transition, wait_until) = match state.phase {
                Phase::Closed { .. } => return (Pass::Closed { generation: state.generation }, None),
                Phase::HalfOpen { taken, succeeded } if taken < self.places() => {
                    (state.same(Phase::HalfOpen { taken: taken + 1, succeeded }), None, 0)
                }
                Phase::HalfOpen { .. } => (state.next(first), None, self.probes_until.load(Relaxed)),
                Phase::Open => {
                    (state.next(first), Some(Transition::HalfOpened), self.open_until.load(Relaxed))
                }
            };
            if now.0 < wait_until {
                self.refused.fetch_add(1, Relaxed);
                return (Pass::Refused { retry_after: Mono(wait_until).since(now) }, None);
            }
            let deadline = now.after(self.settings.open_for.max(PROBE_DEADLINE_MIN));
            self.probes_until.fetch_max(deadline.0, Relaxed);
            if self.state.compare_exchange(packed, next.pack(), AcqRel, Relaxed).is_ok() {
                return (Pass::Probe { generation: next.generation }, transition);
            }
        }
    }

    /// Records how a request that passed ended.
    #[inline]
    pub fn record(&self, pass: Pass, outcome: Outcome, now: Mono) -> Option<Transition> {
        match (pass, outcome) {
            (Pass::Refused { .. }, _) | (Pass::Closed { .. }, Outcome::Abandoned) => None,
            (Pass::Closed { generation }, Outcome::Success) => {
                self.record_success(generation, now);
                None
            }
            (Pass::Closed { generation }, Outcome::Failure) => self.record_failure(generation, now),
            (Pass::Probe { generation }, _) => self.record_probe(generation, outcome, now),
        }
    }

    #[inline]
    fn record_success(&self, generation: u32, now: Mono) {
        let mut packed = self.state.load(Relaxed);
        if State::unpack(packed).generation != generation {
            return;
        }
        if let Some(share) = &self.share {
            share.count(generation, false, now);
        }
        loop {
            let state = State::unpack(packed);
            // The usual case writes nothing.
            if state.generation != generation || state.phase == (Phase::Closed { failures: 0 }) {
                return;
            }
            let next = state.same(Phase::Closed { failures: 0 }).pack();
            match self.state.compare_exchange_weak(packed, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => packed = newer,
            }
        }
    }

    #[cold]
    fn record_failure(&self, generation: u32, now: Mono) -> Option<Transition> {
        if State::unpack(self.state.load(Relaxed)).generation != generation {
            return None;
        }
        if let Some(share) = &self.share {
            share.count(generation, true, now);
        }
        loop {
            let packed = self.state.load(Acquire);
            let state = State::unpack(packed);
            let Phase::Closed { failures } = state.phase else { return None };
            if state.generation != generation {
                return None;
            }
            let failures = failures.saturating_add(1);
            let in_a_row = self.settings.consecutive_failures;
            let opens = (in_a_row > 0 && failures >= in_a_row)
                || self.share.as_ref().is_some_and(|share| share.is_exceeded(generation, now));
            if opens {
                if self.open(packed, now) {
                    return Some(Transition::Opened { by_probe: false });
                }
            } else {
                let next = state.same(Phase::Closed { failures }).pack();
                if self.state.compare_exchange(packed, next, AcqRel, Relaxed).is_ok() {
                    return None;
                }
            }
        }
    }

    #[cold]
    fn record_probe(&self, generation: u32, outcome: Outcome, now: Mono) -> Option<Transition> {
        loop {
            let packed = self.state.load(Acquire);
            let state = State::unpack(packed);
            let Phase::HalfOpen { taken, succeeded } = state.phase else { return None };
            if state.generation != generation {
                return None;
            }
            let (next, transition) = match outcome {
                Outcome::Failure => {
                    if self.open(packed, now) {
                        return Some(Transition::Opened { by_probe: true });
                    }
                    continue;
                }
                Outcome::Success if succeeded + 1 >= self.places() => {
                    (state.next(Phase::Closed { failures: 0 }), Some(Transition::Closed))
                }
                Outcome::Success => (state.same(Phase::HalfOpen { taken, succeeded: succeeded + 1 }), None),
                Outcome::Abandoned => {
                    (state.same(Phase::HalfOpen { taken: taken.saturating_sub(1), succeeded }), None)
                }
            };
            if self.state.compare_exchange(packed, next.pack(), AcqRel, Relaxed).is_ok() {
                return transition;
            }
        }
    }

    /// Opens, unless the state has changed since it was read.
    fn open(&self, packed: u64, now: Mono) -> bool {
        self.open_until.fetch_max(now.after(self.settings.open_for).0, Relaxed);
        let next = State::unpack(packed).next(Phase::Open);
        let opened = self.state.compare_exchange(packed, next.pack(), AcqRel, Relaxed).is_ok();
        if opened {
            self.opened.fetch_add(1, Relaxed);
        }
        opened
    }

    /// The state, for gauges and explanations.
    pub fn state(&self, now: Mono) -> BreakerState {
        let until = Mono(self.open_until.load(Relaxed));
        match State::unpack(self.state.load(Acquire)).phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open if now < until => BreakerState::Open { until },
            Phase::Open | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Counters, for gauges.
    pub fn counts(&self) -> BreakerCounts {
        BreakerCounts { opened: self.opened.load(Relaxed), refused: self.refused.load(Relaxed) }
    }

    fn places(&self) -> u16 {
        u16::try_from(self.settings.half_open_requests).unwrap_or(u16::MAX).max(1)
    }
}

impl Outcome {
    /// The outcome of an answer with this status.
    pub fn of_status(failures: BreakerFailures, status: u16) -> Self {
        if failures.status_5xx && (500..600).contains(&status) { Self::Failure } else { Self::Success }
    }

    /// The outcome of a try that ended without a whole answer. What the breaker does not count tells nothing.
    pub fn of_failure(failures: BreakerFailures, kind: FailureKind) -> Self {
        let counts = match kind {
            FailureKind::DnsError
            | FailureKind::ConnectionRefused
            | FailureKind::ConnectionTerminated
            | FailureKind::TlsCertificateError
            | FailureKind::TlsProtocolError
            | FailureKind::ResponseProtocolError
            | FailureKind::ResponseIncomplete => failures.connect,
            FailureKind::ConnectionTimeout => failures.connect || failures.timeout,
            FailureKind::RequestTimeout | FailureKind::TryTimeout => failures.timeout,
            _ => false,
        };
        if counts { Self::Failure } else { Self::Abandoned }
    }
}
