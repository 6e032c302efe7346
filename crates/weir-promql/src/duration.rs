//! Durations: their text, and their calculation.

use crate::ast::{BinaryOp, Duration, DurationExpr, Expr, Span};
use crate::lex::quote;

/// Units and their milliseconds, in the order in which a duration names them.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest duration, in milliseconds: Prometheus counts nanoseconds in 63 bits.
const MILLIS_MAX: i64 = i64::MAX / 1_000_000;

/// The milliseconds of `1h30m`: whole numbers with units, each unit at most once, longest first.
///
/// # Errors
/// What is wrong, in Prometheus' words: no duration, or one of more than 292 years.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let not_valid = || format!("not a valid duration string: {}", quote(text));
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err("empty duration string".to_owned());
    }
    let mut rest = text;
    let mut least = 0;
    let mut sum = 0_i64;
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit();
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let Ok(number) = number.parse::<u64>() else { return Err(not_valid()) };
        if unit.is_empty() {
            return Err(not_valid());
        }
        let Some(at) = UNITS.iter().position(|known| known.0 == unit) else {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        if at < least {
            return Err(not_valid());
        }
        least = at + 1;
        let part = i64::try_from(number).ok().and_then(|number| number.checked_mul(UNITS[at].1));
        let longer = part.and_then(|part| sum.checked_add(part)).filter(|&sum| sum <= MILLIS_MAX);
        sum = longer.ok_or("duration out of range")?;
        rest = after;
    }
    Ok(sum)
}

/// The text of a duration: years and weeks only where nothing is left over, since `90d` reads better than `12w6d`.
pub fn format_duration(millis: i64) -> String {
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut left = millis.unsigned_abs();
    if millis < 0 {
        text.push('-');
    }
    for (unit, length) in UNITS {
        let length = length.unsigned_abs();
        let needs_exact = matches!(unit, "y" | "w");
        if left >= length && (!needs_exact || left.is_multiple_of(length)) {
            text.push_str(&(left / length).to_string());
            text.push_str(unit);
            left %= length;
        }
    }
    text
}

/// Whether so many seconds are no duration: Prometheus counts nanoseconds in 63 bits.
pub(crate) fn is_out_of_range(seconds: f64) -> bool {
    const SECONDS_MAX: f64 = (1_u64 << 63) as f64 / 1e9;
    !(-SECONDS_MAX..=SECONDS_MAX).contains(&seconds) && !seconds.is_nan()
}

/// Seconds as milliseconds, by way of whole nanoseconds; what is finer than a millisecond is cut off.
pub(crate) fn seconds_to_millis(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64 / 1_000_000
}

/// A duration that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {reason}", span.start, span.end)]
pub struct DurationError {
    /// Where it stands in the query.
    pub span: Span,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Expr {
    /// Puts milliseconds in the place of every duration that is calculated.
    ///
    /// `step_ms` is the query's step, 0 where it has one time only; `range_ms` is from its first time to its last.
    ///
    /// # Errors
    /// A division by zero, a range or step that is not above zero, or a duration that is not finite or more than 292 years.
    pub fn resolve_durations(&mut self, step_ms: i64, range_ms: i64) -> Result<(), DurationError> {
        let resolve = |duration: &mut Duration, sign: Sign| duration.resolve(step_ms, range_ms, sign);
        match self {
            Self::Vector(selector) => {
                if let Some(offset) = &mut selector.offset {
                    resolve(offset, Sign::Any)?;
                }
            }
            Self::Matrix(matrix) => {
                if let Some(offset) = &mut matrix.selector.offset {
                    resolve(offset, Sign::Any)?;
                }
                resolve(&mut matrix.range, Sign::Positive)?;
            }
            Self::Subquery(subquery) => {
                if let Some(offset) = &mut subquery.offset {
                    resolve(offset, Sign::Any)?;
                }
                if let Some(step) = &mut subquery.step {
                    resolve(step, Sign::Positive)?;
                }
                resolve(&mut subquery.range, Sign::Positive)?;
            }
            _ => {}
        }
        self.children_mut().try_for_each(|child| child.resolve_durations(step_ms, range_ms))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Any,
    Positive,
}

impl Duration {
    /// The milliseconds, where they do not depend on the query; 0 for what [`Expr::resolve_durations`] has not met yet.
    pub fn millis(&self) -> i64 {
        match self {
            Self::Millis(millis) => *millis,
            Self::Expr(_) => 0,
        }
    }

    fn resolve(&mut self, step_ms: i64, range_ms: i64, sign: Sign) -> Result<(), DurationError> {
        let Self::Expr(expr) = self else { return Ok(()) };
        let seconds = expr.seconds(step_ms, range_ms)?;
        let error = |reason| Err(DurationError { span: expr.span(), reason });
        if !seconds.is_finite() {
            return error("duration is NaN or infinite");
        }
        if seconds <= 0.0 && sign == Sign::Positive {
            return error("duration must be greater than 0");
        }
        if is_out_of_range(seconds) {
            return error("duration is out of range");
        }
        *self = Self::Millis((seconds * 1000.0) as i64);
        Ok(())
    }
}

impl DurationExpr {
    /// The seconds.
    fn seconds(&self, step_ms: i64, range_ms: i64) -> Result<f64, DurationError> {
        let pair = |a: &Self, b: &Self| Ok((a.seconds(step_ms, range_ms)?, b.seconds(step_ms, range_ms)?));
        let error = |reason| Err(DurationError { span: self.span(), reason });
        Ok(match self {
            Self::Number(number) => number.value,
            Self::Step(_) => step_ms as f64 / 1000.0,
            Self::Range(_) => range_ms as f64 / 1000.0,
            Self::Negative(expr, _) => -expr.seconds(step_ms, range_ms)?,
            Self::Paren(expr, _) => expr.seconds(step_ms, range_ms)?,
            // A value that is no number is reported, so it must not get lost.
            Self::MinOf(a, b, _) | Self::MaxOf(a, b, _) => match pair(a, b)? {
                (a, b) if a.is_nan() || b.is_nan() => f64::NAN,
                (a, b) if matches!(self, Self::MinOf(..)) => a.min(b),
                (a, b) => a.max(b),
            },
            Self::Binary(op, a, b) => {
                let (a, b) = pair(a, b)?;
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Div if b == 0.0 => return error("division by zero"),
                    BinaryOp::Div => a / b,
                    BinaryOp::Mod if b == 0.0 => return error("modulo by zero"),
                    BinaryOp::Mod => a % b,
                    _ => a.powf(b),
                }
            }
        })
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::Binary(_, a, b) => a.span().to(b.span()),
            Self::Step(span)
            | Self::Range(span)
            | Self::Negative(_, span)
            | Self::MinOf(_, _, span)
            | Self::MaxOf(_, _, span)
            | Self::Paren(_, span) => *span,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_to_milliseconds_and_back() {
        let check = |text: &str, millis: i64, again: &str| {
            assert_eq!(parse_duration(text), Ok(millis), "{text}");
            assert_eq!(format_duration(millis), again, "{text}");
        };
        check("0", 0, "0s");
        check("324ms", 324, "324ms");
        check("3s", 3000, "3s");
        check("5m", 300_000, "5m");
        check("90d", 90 * 86_400_000, "90d");
        check("2w", 14 * 86_400_000, "2w");
        check("3y", 3 * 365 * 86_400_000, "3y");
        check("4s324ms", 4324, "4s324ms");
        check("1w2d", 9 * 86_400_000, "9d");
        check("24h1ms", 86_400_001, "1d1ms");
        assert_eq!(format_duration(-90_000), "-1m30s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["1", "s", "1m1h", "1s1s", "-1s", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), Err(format!("not a valid duration string: {text:?}")));
        }
        for (text, unit) in [("1.5h", "."), ("5x", "x"), ("1ys", "ys"), ("1h ", "h ")] {
            let message = format!("unknown unit {unit:?} in duration {text:?}");
            assert_eq!(parse_duration(text), Err(message));
        }
        assert_eq!(parse_duration(""), Err("empty duration string".into()));
        for text in ["294y", "200y10400w", "107675d", "9223372036855s"] {
            assert_eq!(parse_duration(text), Err("duration out of range".into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_comes_back(millis in 0..=MILLIS_MAX) {
            prop_assert_eq!(parse_duration(&format_duration(millis)), Ok(millis));
        }
    }
}
