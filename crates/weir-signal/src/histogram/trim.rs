//! Cutting a histogram off at a value (PromQL's `</` and `>/`).

use super::{Bucket, Histogram};

/// Which observations are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Below,
    Above,
}

impl Histogram {
    /// Keeps what lies at or below `bound` (`</`). Count and sum are estimated anew from the buckets where anything is cut
    /// off; a bucket that reaches to infinity is kept whole or not at all.
    pub fn trim_upper(&mut self, bound: f64) {
        self.trim(bound, Keep::Below);
    }

    /// Keeps what lies above `bound` (`>/`), as [`Histogram::trim_upper`] keeps what lies below.
    pub fn trim_lower(&mut self, bound: f64) {
        self.trim(bound, Keep::Above);
    }

    fn trim(&mut self, bound: f64, keep: Keep) {
        let linear = self.uses_custom_buckets();
        let (mut count, mut sum, mut cut) = (0.0, 0.0, false);
        let mut counts_of = |buckets: &mut dyn Iterator<Item = Bucket>, positive: bool| {
            let mut filled = false;
            let counts: Vec<f64> = buckets
                .map(|bucket| {
                    if bucket.count == 0.0 {
                        return 0.0;
                    }
                    filled = true;
                    let (kept, middle) = kept_of(bucket, bound, keep, positive, linear);
                    count += kept;
                    sum += middle * kept;
                    cut |= kept != bucket.count;
                    kept
                })
                .collect();
            (counts, filled)
        };
        let (positive, above) = counts_of(&mut self.positive_buckets(), true);
        let (negative, below) = counts_of(&mut self.negative_buckets(), false);
        self.positive.counts = positive;
        self.negative.counts = negative;
        if self.zero_count > 0.0 {
            let mut zero = self.zero_bucket();
            match (below, above) {
                (true, false) => zero.upper = 0.0,
                (false, true) => zero.lower = 0.0,
                _ => {}
            }
            let (kept, middle) = kept_of_zero(zero, bound, keep);
            cut |= kept != self.zero_count;
            self.zero_count = kept;
            count += kept;
            sum += middle * kept;
        }
        if cut {
            self.count = count;
            self.sum = sum;
            self.compact();
        }
    }
}

/// How many observations of a bucket are kept, and the middle of where they lie.
fn kept_of(bucket: Bucket, bound: f64, keep: Keep, positive: bool, linear: bool) -> (f64, f64) {
    let (whole, part) = match keep {
        Keep::Below => (bucket.upper <= bound, bucket.lower < bound),
        Keep::Above => (bucket.lower >= bound, bucket.upper > bound),
    };
    if whole {
        return (bucket.count, middle(bucket.lower, bucket.upper, positive, linear));
    }
    if !part {
        return (0.0, 0.0);
    }
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return kept_of_endless(bucket, bound, keep);
    }
    let below = if bound <= bucket.lower {
        0.0
    } else if bound >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.fraction_below(bound, linear)
    };
    match keep {
        Keep::Below => (below, middle(bucket.lower, bound, positive, linear)),
        Keep::Above => (bucket.count - below, middle(bound, bucket.upper, positive, linear)),
    }
}

/// The same for a bucket without an end, in which `bound` lies. Nobody knows how observations lie in it, so it is kept only
/// where the bound gives no reason to drop it; one that ends above zero (custom bounds) is taken to begin at zero.
fn kept_of_endless(bucket: Bucket, bound: f64, keep: Keep) -> (f64, f64) {
    let finite = |value: f64| if value.is_infinite() { 0.0 } else { value };
    let Bucket { lower, upper, count, .. } = bucket;
    if lower != f64::NEG_INFINITY {
        return if keep == Keep::Above && bound >= lower { (count, bound) } else { (0.0, finite(lower)) };
    }
    match keep {
        Keep::Below if bound > 0.0 && upper > 0.0 && upper.is_finite() => {
            (count * bound / upper, bound / 2.0)
        }
        Keep::Below if upper <= 0.0 => (count, bound),
        Keep::Above if bound == f64::NEG_INFINITY => (count, 0.0),
        Keep::Above if bound >= 0.0 && upper.is_finite() => {
            (count * (1.0 - bound / upper), f64::midpoint(bound, upper))
        }
        _ => (0.0, finite(upper)),
    }
}

/// The same for the bucket around zero, in which observations are taken to lie evenly.
fn kept_of_zero(bucket: Bucket, bound: f64, keep: Keep) -> (f64, f64) {
    let Bucket { lower, upper, count, .. } = bucket;
    let width = upper - lower;
    match keep {
        // A bucket without width lies on the bound's lower side: it is dropped by the one, kept by the other.
        Keep::Below if bound <= lower => (0.0, 0.0),
        Keep::Above if bound <= lower => (count, f64::midpoint(lower, upper)),
        Keep::Below if bound >= upper => (count, f64::midpoint(lower, upper)),
        Keep::Above if bound >= upper => (0.0, 0.0),
        Keep::Below => (count * ((bound - lower) / width), f64::midpoint(lower, bound)),
        Keep::Above => (count * ((upper - bound) / width), f64::midpoint(bound, upper)),
    }
}

/// The middle of an interval: geometric, or arithmetic where `linear`; the finite end where the other is not finite.
fn middle(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => f64::midpoint(lower, upper),
        (false, false) => {
            let size = (lower * upper).abs().sqrt();
            if positive { size } else { -size }
        }
    }
}
