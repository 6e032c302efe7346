//! Samples of several times: a line that rises and falls per series, with its last, least and largest value.

use std::fmt;

use weir_telemetry::ask::rfc3339;

use super::answer::{Data, Series, selector};
use super::{seconds, spark};
use crate::terminal::{self, Paint, align_right, headed, widest};

/// Times with a step between them.
#[expect(clippy::struct_field_names, reason = "the unit stands in the name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first.
    pub(crate) from_ms: i64,
    /// None is later.
    pub(crate) to_ms: i64,
    /// From one to the next.
    pub(crate) step_ms: i64,
}

/// Steps that people choose.
const STEPS_MS: [i64; 17] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
    3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];
/// How many times are asked about where no step is given, at most.
const TIMES_WANTED: i64 = 120;
const COLUMNS_MAX: usize = 60;

impl Range {
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn new(from_ms: i64, to_ms: i64, step_ms: Option<i64>) -> Result<Self, String> {
        let length = to_ms.checked_sub(from_ms).filter(|length| *length >= 0);
        let Some(length) = length else {
            return Err(format!("--from is {}, which is after --to, {}", rfc3339(from_ms), rfc3339(to_ms)));
        };
        let day = STEPS_MS[STEPS_MS.len() - 1];
        let chosen = || {
            let enough = |step: &i64| length / step <= TIMES_WANTED;
            STEPS_MS.into_iter().find(enough).unwrap_or((length / TIMES_WANTED / day + 1) * day)
        };
        let step_ms = step_ms.unwrap_or_else(chosen);
        if step_ms <= 0 { Err("--step is at least 1ms".into()) } else { Ok(Self { from_ms, to_ms, step_ms }) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_ms, to_ms, step_ms } = *self;
        write!(out, "{} to {}, every {} s", rfc3339(from_ms), rfc3339(to_ms), seconds(step_ms))
    }
}

/// The times, then a row per series, as wide as the terminal.
pub(crate) fn write(data: &Data, range: Range, paint: Paint) -> String {
    within(data, range, terminal::width(), paint)
}

fn within(data: &Data, range: Range, width: usize, paint: Paint) -> String {
    let (Data::Matrix(all) | Data::Vector(all)) = data else { return super::table::write(data, paint) };
    if all.is_empty() {
        return String::new();
    }
    let mut rows = vec![["series", "", "last", "least", "largest"].map(str::to_owned)];
    rows.extend(all.iter().map(|series| row(series, range)));
    align_right(&mut rows, 2..5);
    // What the other columns leave of the width, as far as there are times for it.
    let taken: usize = [0, 2, 3, 4].map(|column| widest(&rows, column) + 2).iter().sum();
    let times = ((range.to_ms - range.from_ms) / range.step_ms + 1) as usize;
    let columns = width.saturating_sub(taken).clamp(10, COLUMNS_MAX).min(times);
    for (series, row) in all.iter().zip(&mut rows[1..]) {
        row[1] = spark::line(&series.numbers(), range.from_ms, range.to_ms, columns);
    }
    let painted = |column: usize, cell: &str| match column {
        0 => paint.cyan(cell),
        1 => paint.green(cell),
        _ => cell.to_owned(),
    };
    format!("{}\n{}", paint.dim(&range.to_string()), headed(&rows, paint, painted))
}

fn row(series: &Series, range: Range) -> [String; 5] {
    let numbers = series.numbers();
    let known = || numbers.iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
    // A series that has ended has no last value.
    let last = numbers.last().filter(|(time_ms, _)| time_ms + range.step_ms > range.to_ms);
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
    let (least, largest) = (known().reduce(f64::min), known().reduce(f64::max));
    [
        selector(&series.metric),
        String::new(),
        shown(last.map(|(_, value)| *value)),
        shown(least),
        shown(largest),
    ]
}

/// A number in six digits or fewer.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 {
        return if value.is_infinite() {
            if value > 0.0 { "+Inf" } else { "-Inf" }.into()
        } else {
            format!("{value}")
        };
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.5e}").replace(".00000e", "e");
    }
    let decimals = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;

    use super::super::answer::Answer;
    use super::*;

    #[test]
    fn steps_are_chosen() {
        let check = |length_ms: i64, step_ms: i64| {
            assert_eq!(Range::new(0, length_ms, None), Ok(Range { from_ms: 0, to_ms: length_ms, step_ms }));
        };
        check(0, 1_000);
        check(3_600_000, 30_000);
        check(86_400_000, 900_000);
        check(365 * 86_400_000, 4 * 86_400_000);
        assert!(Range::new(1, 0, None).unwrap_err().contains("after --to"));
        assert!(Range::new(i64::MIN, i64::MAX, None).is_err());
        assert!(Range::new(0, 1, Some(0)).unwrap_err().contains("--step"));
    }

    #[test]
    fn numbers_are_short() {
        let check = |value: f64, expect: &str| assert_eq!(short(value), expect);
        check(0.0, "0");
        check(0.1 + 0.2, "0.3");
        check(1_234_567.8, "1234568");
        check(12.345_678, "12.3457");
        check(-0.000_123_456_7, "-0.000123457");
        check(1e-9, "1e-9");
        check(2.5e20, "2.50000e20");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn a_row_per_series() {
        let text = r#"{"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"a"},"values":[[0,"1"],[15,"2"],[30,"3"],[45,"0.125"]]},
            {"metric":{"job":"gone"},"values":[[0,"100"],[15,"NaN"]]}]}}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        let range = Range::new(0, 45_000, Some(15_000)).unwrap();
        assert_eq!(
            within(&answer.data, range, 100, Paint(Colour::Off)),
            "1970-01-01T00:00:00.000Z to 1970-01-01T00:00:45.000Z, every 15 s\n\
             series               last  least  largest\n\
             up{job=\"a\"}   ▃▆█▁  0.125  0.125        3\n\
             {job=\"gone\"}  ▄         –    100      100\n"
        );
    }
}
