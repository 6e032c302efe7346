//! Time as values: cores are told what time it is.

use std::time::Duration;

/// Nanoseconds on a monotonic clock with an arbitrary start; comparable within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Later than every real moment.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment plus `span`, saturating at [`Mono::NEVER`].
    #[inline]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time passed since `earlier`; zero where it lies ahead.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds since the Unix epoch, as the operating system believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);
