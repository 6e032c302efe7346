//! Parts of dates, in UTC.

use weir_signal::{DAY_SECONDS, Date};

use super::{Call, Context, EvalError, Grid, Vector, math, without_labels};
use crate::functions::FunctionId;

pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let part = part(call.function.id);
    match call.args.first() {
        None => {
            let values = grid.times().map(|time| part(time / 1000)).collect();
            Ok(without_labels(grid, values))
        }
        Some(arg) => math::floats(context, arg, grid, move |_, value| part(value as i64)),
    }
}

fn part(function: FunctionId) -> fn(i64) -> f64 {
    use FunctionId as F;
    match function {
        F::Minute => |seconds| (seconds.rem_euclid(3600) / 60) as f64,
        F::Hour => |seconds| (seconds.rem_euclid(DAY_SECONDS) / 3600) as f64,
        // 1970 began on a Thursday.
        F::DayOfWeek => |seconds| (seconds.div_euclid(DAY_SECONDS) + 4).rem_euclid(7) as f64,
        F::DayOfMonth => |seconds| f64::from(Date::of_seconds(seconds).day),
        F::DayOfYear => |seconds| f64::from(Date::of_seconds(seconds).day_of_year()),
        F::DaysInMonth => |seconds| f64::from(Date::of_seconds(seconds).days_in_month()),
        F::Month => |seconds| f64::from(Date::of_seconds(seconds).month),
        _ => |seconds| Date::of_seconds(seconds).year as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_times() {
        let check = |seconds, year, month, day, of_year| {
            let date = Date::of_seconds(seconds);
            assert_eq!((date, date.day_of_year()), (Date { year, month, day }, of_year), "{seconds}");
        };
        check(0, 1970, 1, 1, 1);
        check(-1, 1969, 12, 31, 365);
        check(951_782_400, 2000, 2, 29, 60);
        check(951_868_800, 2000, 3, 1, 61);
        check(1_735_603_200, 2024, 12, 31, 366);
        check(4_107_542_400, 2100, 3, 1, 60);
        assert_eq!(part(FunctionId::DayOfWeek)(0), 4.0);
        assert_eq!(part(FunctionId::DaysInMonth)(951_782_400), 29.0);
    }
}
