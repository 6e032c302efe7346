//! Why a query of traces has no answer: what Jaeger's and Tempo's interfaces put into words of their own.

use weir_signal::ReadError;

use crate::engine::QueryEnd;

/// A status and what to say.
pub(super) type Failed = (u16, String);

/// The status of a query that did not come to its end.
pub(super) fn failed(end: &QueryEnd<ReadError>) -> Failed {
    let status = match end {
        QueryEnd::TimedOut(_) | QueryEnd::Failed(ReadError::Cancelled) => 503,
        QueryEnd::Failed(ReadError::Bytes(_) | ReadError::Rows(_) | ReadError::Series(_)) => 422,
        _ => 500,
    };
    (status, end.to_string())
}
