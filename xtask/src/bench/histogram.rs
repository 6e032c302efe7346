//! Latencies, counted in buckets no wider than 1/64 of their value.

/// A histogram of nanoseconds: 64 buckets for each power of two, so that a quantile is right within 1.6 %.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

const BITS: u32 = 6;
const PER_POWER: u64 = 1 << BITS;

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; ((64 - BITS as usize) + 1) << BITS], total: 0 }
    }

    pub(crate) fn add(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The value in nanoseconds that a share of all stays at or below; `None` when nothing was counted.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(at))
    }
}

fn bucket(ns: u64) -> usize {
    if ns < PER_POWER {
        return ns as usize;
    }
    let power = ns.ilog2();
    let shift = power - BITS;
    ((u64::from(shift + 1) << BITS) + ((ns >> shift) - PER_POWER)) as usize
}

fn middle(bucket: usize) -> f64 {
    let (row, column) = (bucket as u64 >> BITS, bucket as u64 & (PER_POWER - 1));
    if row == 0 {
        return column as f64;
    }
    let width = (1u64 << (row - 1)) as f64;
    (PER_POWER + column) as f64 * width + (width - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_near_the_middle_of_its_bucket() {
        for power in 0..60 {
            for offset in [0u64, 1, 3] {
                let ns = (1u64 << power) + offset;
                let error = (middle(bucket(ns)) - ns as f64).abs() / ns as f64;
                assert!(error <= 1.0 / 64.0, "{ns} is off by {error}");
            }
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000u64).for_each(|us| histogram.add(us * 1000));
        let near = |share, expect: f64| {
            let got = histogram.quantile(share).unwrap();
            assert!((got / expect - 1.0).abs() < 0.02, "{share}: {got} instead of {expect}");
        };
        near(0.5, 500e3);
        near(0.99, 990e3);
        near(1.0, 1e6);
    }
}
