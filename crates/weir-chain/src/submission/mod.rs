//! A submission: from a transaction to exactly one outcome.

pub(crate) mod machine;
pub(crate) mod view;
mod words;

pub use words::{BadSubmissionId, NotTaken, Outcome, Progress, Resend, SubmissionId, Submit, Why};
