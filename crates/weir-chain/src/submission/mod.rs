//! A submission: from a transaction to exactly one outcome.

mod words;

pub use words::{BadSubmissionId, NotTaken, Outcome, Progress, Resend, SubmissionId, Submit, Why};
