//! The times at which an expression is evaluated.

/// Times at equal distances: the steps of a query, or of a subquery within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    start_ms: i64,
    step_ms: i64,
    len: usize,
}

impl Grid {
    /// One time.
    pub fn instant(time_ms: i64) -> Self {
        Self { start_ms: time_ms, step_ms: 1, len: 1 }
    }

    /// From `start_ms` on, every `step_ms` (at least 1) until `end_ms`; no times where the end lies before the start.
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let len = if end_ms < start_ms { 0 } else { end_ms.abs_diff(start_ms) / step_ms.unsigned_abs() + 1 };
        Self { start_ms, step_ms, len: usize::try_from(len).unwrap_or(usize::MAX) }
    }

    /// How many times there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is just one.
    pub fn is_instant(&self) -> bool {
        self.len == 1
    }

    /// The time of a step.
    pub fn time(&self, step: usize) -> i64 {
        self.start_ms.saturating_add((step as i64).saturating_mul(self.step_ms))
    }

    /// The times, ascending.
    pub fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let grid = *self;
        (0..self.len).map(move |step| grid.time(step))
    }

    /// The first time.
    pub fn first(&self) -> i64 {
        self.start_ms
    }

    /// The last time; the first where there are none.
    pub fn last(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }

    /// How far apart the times are, in milliseconds.
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }
}
