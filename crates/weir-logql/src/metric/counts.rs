//! What grows by each line: their number and their bytes.

/// Sums over windows that may overlap. A line is added where it enters the first window that has it and taken away behind
/// the last one, so that it costs the same however many windows have it. The sums are whole numbers, so nothing is lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// By how much a sum differs from the one before it; and how many lines, likewise.
    differences: Vec<(f64, i64)>,
}

impl Counts {
    /// Adds a line of the windows of `first` up to and with `last`, of `steps` in all.
    pub(super) fn add(&mut self, first: usize, last: usize, steps: usize, value: f64) {
        if self.differences.is_empty() {
            self.differences.resize(steps + 1, (0.0, 0));
        }
        self.differences[first].0 += value;
        self.differences[first].1 += 1;
        self.differences[last + 1].0 -= value;
        self.differences[last + 1].1 -= 1;
    }

    /// The sum of each window that has a line.
    pub(super) fn sums(&self) -> impl Iterator<Item = (usize, f64)> {
        let (mut sum, mut lines) = (0.0, 0);
        self.differences.iter().enumerate().filter_map(move |(step, (value, more))| {
            sum += value;
            lines += more;
            (lines > 0).then_some((step, sum))
        })
    }
}
