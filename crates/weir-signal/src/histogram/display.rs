//! Histograms as text.

use std::fmt;

use super::Histogram;

/// A number as Go's `%g` writes it, which is how Prometheus shows numbers in histograms and messages: the shortest digits
/// that mean the number, with an exponent below 10^-4 and from 10^6.
pub fn go_g(value: f64) -> impl fmt::Display {
    GoG(value)
}

struct GoG(f64);

impl fmt::Display for GoG {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.is_nan() {
            return out.write_str("NaN");
        }
        if value.is_infinite() {
            return out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        }
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..6).contains(&exponent) {
            return write!(out, "{value}");
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Count, sum and every bucket that holds something, ascending: `{count:3, sum:4.5, [-1,1]:1, (1,2]:2}`.
impl fmt::Display for Histogram {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{{count:{}, sum:{}", go_g(self.count), go_g(self.sum))?;
        let zero = (self.zero_count != 0.0).then(|| self.zero_bucket());
        let below = self.negative_buckets().rev();
        for bucket in below.chain(zero).chain(self.positive_buckets()).filter(|bucket| bucket.count != 0.0) {
            write!(out, ", {bucket}")?;
        }
        out.write_str("}")
    }
}
