//! Errors as Loki answers them: in words.

use weir_promql::eval::EvalError;
use weir_signal::ReadError;

use crate::engine::QueryEnd;
use crate::http::{Answer, text};

/// An error with its status.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into() }
    }

    pub(super) fn answer(self) -> Answer {
        text(self.status, self.message + "\n")
    }
}

impl From<weir_logql::ParseError> for ApiError {
    fn from(error: weir_logql::ParseError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let status = match error {
            ReadError::Cancelled => 503,
            ReadError::Bytes(_) | ReadError::Rows(_) | ReadError::Series(_) => 400,
            _ => 500,
        };
        Self { status, message: error.to_string() }
    }
}

impl From<EvalError> for ApiError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Read(error) => error.into(),
            other => Self::bad(other.to_string()),
        }
    }
}

impl From<QueryEnd<ApiError>> for ApiError {
    fn from(end: QueryEnd<ApiError>) -> Self {
        match end {
            QueryEnd::Failed(error) => error,
            QueryEnd::TimedOut(_) => Self { status: 504, message: end.to_string() },
            QueryEnd::Panicked => Self { status: 500, message: end.to_string() },
        }
    }
}
