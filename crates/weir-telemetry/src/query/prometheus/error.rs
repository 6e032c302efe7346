//! Errors as Prometheus answers them.

use serde_json::json;
use weir_promql::eval::EvalError;
use weir_signal::ReadError;

use crate::engine::QueryEnd;
use crate::http::{Answer, json};

/// An error with Prometheus' word for its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    status: u16,
    kind: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: 400, kind: "bad_data", message: message.into() }
    }

    pub(super) fn bad_param(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {message}"))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, kind: "not_found", message: message.into() }
    }

    pub(super) fn answer(self) -> Answer {
        json(self.status, &json!({ "status": "error", "errorType": self.kind, "error": self.message }))
    }
}

impl From<QueryEnd<EvalError>> for ApiError {
    fn from(end: QueryEnd<EvalError>) -> Self {
        match end {
            QueryEnd::Failed(EvalError::Read(error)) => error.into(),
            QueryEnd::Failed(error) => Self { status: 422, kind: "execution", message: error.to_string() },
            other => ended(&other),
        }
    }
}

impl From<QueryEnd<ReadError>> for ApiError {
    fn from(end: QueryEnd<ReadError>) -> Self {
        match end {
            QueryEnd::Failed(error) => error.into(),
            other => ended(&other),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let (status, kind) = match error {
            ReadError::Cancelled => (503, "canceled"),
            ReadError::Bytes(_) | ReadError::Rows(_) | ReadError::Series(_) => (422, "execution"),
            _ => (500, "internal"),
        };
        Self { status, kind, message: error.to_string() }
    }
}

fn ended<E: std::fmt::Display>(end: &QueryEnd<E>) -> ApiError {
    let (status, kind) =
        if matches!(end, QueryEnd::TimedOut(_)) { (503, "timeout") } else { (500, "internal") };
    ApiError { status, kind, message: end.to_string() }
}
