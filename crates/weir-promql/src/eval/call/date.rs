//! Parts of dates, in UTC.

use super::{Call, Context, EvalError, Grid, Vector, math, without_labels};
use crate::functions::FunctionId;

const DAY_SECONDS: i64 = 86_400;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::eval) struct Date {
    pub year: i64,
    /// From 1 on.
    pub month: u8,
    /// From 1 on.
    pub day: u8,
}

impl Date {
    /// The day of a time in seconds since 1970.
    pub(in crate::eval) fn of_unix(seconds: i64) -> Self {
        // Counted in years that begin in March, so that a leap day is the last one; 719,468 days before 1970 an era of 400
        // years begins (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
        let days = seconds.div_euclid(DAY_SECONDS) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month: month as u8, day: day as u8 }
    }

    fn is_leap_year(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(self) -> u8 {
        match self.month {
            2 if self.is_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// From 1 on.
    fn day_of_year(self) -> u16 {
        let before = |month: u8| Self { month, ..self }.days_in_month();
        (1..self.month).map(|month| u16::from(before(month))).sum::<u16>() + u16::from(self.day)
    }
}

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
        F::DayOfMonth => |seconds| f64::from(Date::of_unix(seconds).day),
        F::DayOfYear => |seconds| f64::from(Date::of_unix(seconds).day_of_year()),
        F::DaysInMonth => |seconds| f64::from(Date::of_unix(seconds).days_in_month()),
        F::Month => |seconds| f64::from(Date::of_unix(seconds).month),
        _ => |seconds| Date::of_unix(seconds).year as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_times() {
        let check = |seconds, year, month, day, of_year| {
            let date = Date::of_unix(seconds);
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
