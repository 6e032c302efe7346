//! Why telemetry was not taken.

use std::fmt;

/// The words under which refused telemetry is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The payload is not what its protocol says.
    Malformed,
    /// The payload, a line, or a label is larger than the limit.
    TooLarge,
    /// Labels that are no set of labels.
    Labels,
    /// The time lies before what is kept.
    TooOld,
    /// The time lies further in the future than allowed.
    TooNew,
    /// There are as many series or streams as allowed.
    Cardinality,
    /// A sample of the same time and another value was taken before.
    Duplicate,
    /// A kind of data that Weir does not keep.
    Unsupported,
    /// More comes in than can be written.
    Overloaded,
    /// Nothing can be written: a disk failed.
    Unavailable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::TooLarge,
        Self::Labels,
        Self::TooOld,
        Self::TooNew,
        Self::Cardinality,
        Self::Duplicate,
        Self::Unsupported,
        Self::Overloaded,
        Self::Unavailable,
    ];

    /// The value of the metric's label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Labels => "labels",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::Cardinality => "cardinality",
            Self::Duplicate => "duplicate",
            Self::Unsupported => "unsupported",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the same telemetry may be taken later.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable)
    }
}

/// Telemetry that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The word for it.
    pub reason: Reason,
    /// The place and the remedy.
    pub message: String,
}

impl Refusal {
    /// A refusal for `reason`.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}
