//! Why an evaluation ended without an answer.

use weir_signal::ReadError;

use crate::duration::DurationError;

/// Why an evaluation ended without an answer. Texts are Prometheus' own, so that people find them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Series could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A duration is none.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Two samples of one time would have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// More would have to be kept at once than [`Options::samples_max`](super::Options::samples_max) allows.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Any other reason: series that do not match as the query says, or a parameter that is out of bounds.
    #[error("{0}")]
    Query(String),
}

impl EvalError {
    pub(super) fn query(text: impl Into<String>) -> Self {
        Self::Query(text.into())
    }
}
