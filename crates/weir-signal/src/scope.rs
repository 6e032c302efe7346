//! Who reads, what they may see, and what it may cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::left_out::LeftOut;
use crate::matcher::Matcher;

/// Whose telemetry it is. It comes from the authenticated caller; the empty one is the default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tenant(Box<str>);

impl Tenant {
    /// `None` where `name` cannot be a folder's: other than up to 64 of `a-z A-Z 0-9 - _ .`, or beginning with a dot.
    pub fn new(name: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (name.len() <= 64 && !name.starts_with('.') && name.bytes().all(good)).then(|| Self(name.into()))
    }

    /// Its name; empty for the default tenant.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one query may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are read and decoded.
    pub bytes_max: u64,
    /// Samples, lines or spans that are looked at.
    pub rows_max: u64,
    /// Series in a result.
    pub series_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 16 << 30, rows_max: 2_000_000_000, series_max: 500_000 }
    }
}

/// What one query has left. Whoever decodes charges it; whoever watches the clock or the client cancels it.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    bytes: AtomicU64,
    rows: AtomicU64,
    cancelled: AtomicBool,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        })
    }

    /// Notes that `rows` and `bytes` were decoded. Called per block, not per row.
    ///
    /// # Errors
    /// The budget is used up, or the query was cancelled: stop.
    pub fn charge(&self, rows: u64, bytes: u64) -> Result<(), ReadError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limits.bytes_max {
            return Err(ReadError::Bytes(self.limits.bytes_max));
        }
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows > self.limits.rows_max {
            return Err(ReadError::Rows(self.limits.rows_max));
        }
        Ok(())
    }

    /// Ends the query at its next charge: its time is over, or nobody waits for it any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Samples, lines or spans looked at, and bytes decoded so far.
    pub fn used(&self) -> (u64, u64) {
        (self.rows.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// What it began with.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// The right to read. There is no reading without one.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Whose telemetry is read.
    pub tenant: Tenant,
    /// What every series, stream or span that is read has to match as well.
    pub matchers: Arc<[Matcher]>,
    /// What it may cost.
    pub budget: Arc<Budget>,
    /// What is damaged and so missing in the answer.
    pub left_out: Arc<LeftOut>,
}

impl Scope {
    /// All that `tenant` has, within `limits`.
    pub fn new(tenant: Tenant, limits: Limits) -> Self {
        Self { tenant, matchers: Arc::from([]), budget: Budget::new(limits), left_out: Arc::default() }
    }
}

/// Why a read ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Its time was over, or nobody waited any more.
    #[error("the query was stopped: its time is over; ask for less time or fewer series")]
    Cancelled,
    /// It decoded too much.
    #[error("the query reads more than {0} bytes; narrow its matchers or its time range")]
    Bytes(u64),
    /// It looked at too much.
    #[error(
        "the query looks at more than {0} samples, lines or spans; narrow its matchers or its time range"
    )]
    Rows(u64),
    /// Too many series.
    #[error("the query has more than {0} series; aggregate, or narrow its matchers")]
    Series(u64),
    /// A block is damaged. Names the file and the place.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// A file could not be read.
    #[error("cannot read {file}: {error}")]
    Io {
        /// The file.
        file: String,
        /// What the operating system said.
        error: String,
    },
}

impl ReadError {
    /// The file that is damaged or cannot be read; `None` where it is the query that has to end.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Damaged { file, .. } | Self::Io { file, .. } => Some(file),
            Self::Cancelled | Self::Bytes(_) | Self::Rows(_) | Self::Series(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_a_query() {
        let budget = Budget::new(Limits { bytes_max: 100, rows_max: 10, series_max: 1 });
        assert_eq!(budget.charge(10, 50), Ok(()));
        assert_eq!(budget.charge(1, 1), Err(ReadError::Rows(10)));
        assert_eq!(budget.charge(0, 50), Err(ReadError::Bytes(100)));
        budget.cancel();
        assert_eq!(budget.charge(0, 0), Err(ReadError::Cancelled));
    }

    #[test]
    fn a_tenant_can_be_a_folder() {
        for (name, good) in
            [("", true), ("team-a", true), ("..", false), ("a/b", false), (&"x".repeat(65), false)]
        {
            assert_eq!(Tenant::new(name).is_some(), good, "{name}");
        }
    }
}
