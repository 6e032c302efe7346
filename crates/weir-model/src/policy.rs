//! What is allowed: limits, breakers, retries, header edits and cross-origin rules.

use std::sync::Arc;
use std::time::Duration;

use crate::{Pattern, ServiceId};

/// A limit on the rate of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// A bucket per key that fills at a constant rate; over all workers.
    TokenBucket {
        /// What tells callers apart.
        key: LimitKey,
        /// What happens to a request without a key.
        missing: MissingKey,
        /// Tokens per `per`.
        requests: u32,
        /// The span in which they are refilled.
        per: Duration,
        /// Size of the bucket: how many may come at once.
        burst: u32,
    },
    /// At most so many in any span of this length; over all workers.
    SlidingWindow {
        /// Requests in a span.
        requests: u32,
        /// The span.
        per: Duration,
    },
}

/// What tells callers apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// Nothing: one bucket for all.
    All,
    /// A header field (lower-case name).
    Header(Arc<str>),
    /// The client's address, after trusted proxies.
    Address,
    /// A cookie.
    Cookie(Arc<str>),
    /// A query parameter.
    Query(Arc<str>),
}

/// What happens to a request that has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKey {
    /// All such requests share one bucket.
    Shared,
    /// They are not limited.
    Skip,
    /// They are refused.
    Deny,
}

/// A breaker: closed → open → half-open → closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Opens after so many failures in a row. 0 switches this trigger off.
    pub consecutive_failures: u32,
    /// Opens on a share of failures.
    pub failure_share: Option<FailureShare>,
    /// What counts as a failure.
    pub failures: BreakerFailures,
    /// How long it stays open before probes are let through.
    pub open_for: Duration,
    /// Probes let through while half-open; all must succeed for it to close, one failure opens it again.
    pub half_open_requests: u32,
    /// A service that is asked instead while it is open; one hop only (a fallback's own fallback is not used).
    pub fallback: Option<ServiceId>,
}

/// Opens when a share of recent requests failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureShare {
    /// Share of failures that opens it, in millionths.
    pub share_ppm: u32,
    /// Span of time looked at.
    pub window: Duration,
    /// Fewer requests than this in the span never open it.
    pub minimum: u32,
}

/// What counts as a failure for a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerFailures {
    /// Answers of status 500 to 599.
    pub status_5xx: bool,
    /// Connections that could not be made, or broke.
    pub connect: bool,
    /// Tries that ran out of time.
    pub timeout: bool,
}

/// When a try is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further tries after the first. 0 switches retries off, except the one that is always safe: a reused
    /// connection that turned out closed before a byte of the answer.
    pub max: u32,
    /// What is repeated.
    pub on: RetryOn,
    /// Retries in flight may be at most this share of live requests, in millionths…
    pub budget_ppm: u32,
    /// …but this many are always allowed.
    pub budget_min: u32,
    /// Bodies up to this size are held, so that they can be sent again.
    pub replay_bytes_max: u32,
    /// First pause before a retry; doubled each time, with jitter.
    pub backoff: Duration,
}

/// What is repeated. Only idempotent methods are, once a byte was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection could be made.
    pub connect: bool,
    /// The connection broke before the answer.
    pub reset: bool,
    /// The try ran out of time.
    pub timeout: bool,
    /// 502, 503 or 504 was answered.
    pub gateway_status: bool,
    /// Any 5xx was answered.
    pub status_5xx: bool,
}

/// Edits of header fields, in the order remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Lower-case names whose fields are removed.
    pub remove: Vec<Arc<str>>,
    /// Fields that replace all of their name.
    pub set: Vec<HeaderEdit>,
    /// Fields that come in addition.
    pub add: Vec<HeaderEdit>,
}

/// One field of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderEdit {
    /// Name, as it is written to the wire.
    pub name: Arc<str>,
    /// Value.
    pub value: Arc<str>,
}

impl HeaderEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// Cross-origin rules (Fetch standard, "CORS protocol").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins let in.
    pub origins: Vec<OriginMatch>,
    /// Methods let in on a preflight.
    pub methods: Vec<Arc<str>>,
    /// Request header fields let in on a preflight; empty mirrors what was asked for.
    pub headers: Vec<Arc<str>>,
    /// Answer header fields shown to scripts.
    pub expose: Vec<Arc<str>>,
    /// Whether credentials are let in. Never together with [`OriginMatch::Any`].
    pub credentials: bool,
    /// How long a preflight may be remembered.
    pub max_age: Duration,
}

/// An origin let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginMatch {
    /// `*`.
    Any,
    /// `https://app.example.com`.
    Exact(Arc<str>),
    /// The whole origin matches.
    Regex(Pattern),
}
