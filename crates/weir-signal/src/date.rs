//! Days of the calendar and moments as text, in UTC.
//!
//! Days are counted from 1970-01-01 in the proleptic Gregorian calendar, by years that begin in March: so the leap day is the
//! last of its year, and a month's first day a linear function of its number (Howard Hinnant, "chrono-Compatible Low-Level
//! Date Algorithms"). Text is that of RFC 3339.

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// Days from 1970-01-01 to the day before the first of March of the year 0.
const TO_MARCH_OF_0: i64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// From 1 on.
    pub month: u8,
    /// From 1 on.
    pub day: u8,
}

impl Date {
    /// The date of a day. Exact for all that seconds in 64 bits can count.
    pub fn of_days(days: i64) -> Self {
        let days = days.saturating_add(TO_MARCH_OF_0);
        let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self { year: year + era * 400 + i64::from(month <= 2), month: month as u8, day: day as u8 }
    }

    /// The date of a moment, in seconds since 1970.
    pub fn of_seconds(seconds: i64) -> Self {
        Self::of_days(seconds.div_euclid(DAY_SECONDS))
    }

    /// The date of these numbers; `None` where its month does not have that day, or the year more than nine digits.
    pub fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let in_range =
            year.unsigned_abs() < 1_000_000_000 && (1..=12).contains(&month) && (1..=31).contains(&day);
        let date = Self { year, month: month as u8, day: day as u8 };
        (in_range && Self::of_days(date.days()) == date).then_some(date)
    }

    /// Days since 1970.
    pub fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((i64::from(self.month) + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_MARCH_OF_0
    }

    /// How many days its month has.
    pub fn days_in_month(self) -> u8 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The number of the day within its year, from 1 on.
    pub fn day_of_year(self) -> u16 {
        let first = Self { month: 1, day: 1, ..self };
        (self.days() - first.days() + 1) as u16
    }
}

/// Milliseconds since 1970 as RFC 3339: `2026-11-25T01:02:03.004Z`.
pub fn rfc3339_ms(time_ms: i64) -> String {
    let (seconds, ms) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let Date { year, month, day } = Date::of_seconds(seconds);
    let rest = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Nanoseconds since 1970 of a moment as RFC 3339 writes it, with any offset; digits of its fraction beyond the ninth are
/// passed over. `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().all(u8::is_ascii_digit).then(|| text[from..to].parse().ok())?
    };
    let is = |at: usize, expected: &[u8]| bytes.get(at).is_some_and(|byte| expected.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let date = Date::new(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // A leap second is the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut ns = 0_i128;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let nine = text[at + 1..=at + digits].chars().chain(std::iter::repeat('0')).take(9);
        ns = nine.collect::<String>().parse().ok()?;
        at += digits + 1;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        direction @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *direction == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds = date.days() * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * 1_000_000_000 + ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_dates() {
        let check = |days: i64, year: i64, month: i64, day: i64| {
            let date = Date::of_days(days);
            assert_eq!(Some(date), Date::new(year, month, day), "{days}");
            assert_eq!(date.days(), days);
        };
        check(0, 1970, 1, 1);
        check(-1, 1969, 12, 31);
        check(11_016, 2000, 2, 29);
        check(47_541, 2100, 3, 1);
        check(-719_468, 0, 3, 1);
        check(-719_528, 0, 1, 1);
        for (year, month, day) in
            [(2023, 2, 29), (2100, 2, 29), (2024, 4, 31), (2024, 0, 1), (2024, 13, 1), (2024, 1, 0)]
        {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        let _ = [i64::MIN, i64::MAX].map(Date::of_days);
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = Date::of_days(-800_000);
        for days in -799_999..800_000 {
            let next = Date::of_days(days);
            let expect = if before.day < before.days_in_month() {
                Date { day: before.day + 1, ..before }
            } else if before.month < 12 {
                Date { month: before.month + 1, day: 1, ..before }
            } else {
                Date { year: before.year + 1, month: 1, day: 1 }
            };
            assert_eq!(next, expect);
            before = next;
        }
        assert_eq!(Date::new(2024, 12, 31).unwrap().day_of_year(), 366);
    }

    #[test]
    fn moments_are_written_and_read() {
        let check = |text: &str, ms: i64| {
            assert_eq!(rfc3339_ms(ms), text);
            assert_eq!(parse_rfc3339(text), Some(i128::from(ms) * 1_000_000));
        };
        check("1970-01-01T00:00:00.000Z", 0);
        check("2000-02-29T00:00:00.004Z", 951_782_400_004);
        check("1969-12-31T23:59:59.999Z", -1);
        check("2026-11-24T12:01:07.123Z", 1_795_521_667_123);
        let read = |text: &str, expect: Option<i128>| assert_eq!(parse_rfc3339(text), expect, "{text}");
        read("2015-07-01t22:10:51.781+02:00", Some(1_435_781_451_781_000_000));
        read("1970-01-01 00:00:00.1234567899Z", Some(123_456_789));
        for wrong in [
            "",
            "2015-07-01",
            "2015-07-01T20:10:51",
            "2015-02-29T00:00:00Z",
            "2015-07-01T24:00:00Z",
            "2015-07-01T20:10:51.Z",
            "2015-07-01T20:10:51+0200",
            "2015-07-01T20:10:51+99:00",
            "2015-07-01T20:10:51Zé",
        ] {
            read(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn moments_come_back(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(parse_rfc3339(&rfc3339_ms(ms)), Some(i128::from(ms) * 1_000_000));
        }

        #[test]
        fn any_text_gets_an_answer(text in ".{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
