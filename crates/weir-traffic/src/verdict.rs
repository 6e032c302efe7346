//! What a limit says of one request.

use std::time::Duration;

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, and was counted.
    Allow {
        /// How many more would pass at this moment. A window may understate it for a while after a pause.
        remaining: u32,
        /// When the limit is as if it had never been used, should nothing more come.
        reset_after: Duration,
    },
    /// It does not pass, and was not counted.
    Deny {
        /// The earliest moment at which one would pass, should nothing else come.
        retry_after: Duration,
    },
    /// The request has no key, and the limit leaves such requests alone.
    Skip,
    /// The request has no key, and the limit refuses such requests; waiting does not help.
    NoKey,
}

impl Verdict {
    /// Whether the request goes on.
    #[inline]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Allow { .. } | Self::Skip)
    }
}
