//! What became of a commit.

use weir_signal::Refused;

/// What became of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Samples, lines or spans that are kept, those included that were there already with the same value.
    pub accepted: u64,
    /// Those that are not: what whoever filled the appender noted, and what only the commit could find.
    pub refused: Refused,
    /// The batch was committed before: nothing was done, and it may be acknowledged once the ticket is done.
    pub already_there: bool,
}
