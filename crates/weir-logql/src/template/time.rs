//! Times, and the layouts in which Go reads and writes them: the same moment, 15:04:05 on Monday, 2 January 2006 in a zone
//! of -07:00, written as wanted.

use std::fmt;

use weir_signal::{DAY_SECONDS as DAY, Date};

/// Days from the year 1 (in the calendar that is used today, also for times before it) to 1970.
const SECONDS_TO_YEAR_1: i64 = -62_135_596_800;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment, and how far the clocks of its zone are from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds since 1970.
    seconds: i64,
    nanos: u32,
    /// Seconds east of UTC.
    zone: i32,
}

/// The first moment of the year 1, which Go takes for none.
impl Default for Time {
    fn default() -> Self {
        Self { seconds: SECONDS_TO_YEAR_1, nanos: 0, zone: 0 }
    }
}

impl Time {
    pub(super) fn from_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
            zone: 0,
        }
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds since 1970.
    pub(super) fn nanos(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    pub(super) fn in_utc(&self) -> Self {
        Self { zone: 0, ..*self }
    }

    /// The time in a layout.
    pub(super) fn format(&self, layout: &str) -> String {
        let local = self.seconds.saturating_add(self.zone.into());
        let days = local.div_euclid(DAY);
        let second = local.rem_euclid(DAY);
        let date = Date::of_days(days);
        let Date { year, month, day } = date;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let hour_12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let weekday = DAYS[(days + 4).rem_euclid(7) as usize];
        let month_name = MONTHS[usize::from(month) - 1];
        let year_day = date.day_of_year();
        let mut out = String::new();
        let mut rest = layout;
        while let Some((plain, part, after)) = next(rest) {
            out.push_str(plain);
            rest = after;
            let shown = match part {
                Part::Year => format!("{year:04}"),
                Part::YearShort => format!("{:02}", year.rem_euclid(100)),
                Part::MonthName => month_name.to_owned(),
                Part::MonthShort => month_name[..3].to_owned(),
                Part::Month => month.to_string(),
                Part::MonthZero => format!("{month:02}"),
                Part::DayName => weekday.to_owned(),
                Part::DayShort => weekday[..3].to_owned(),
                Part::Day => day.to_string(),
                Part::DaySpace => format!("{day:2}"),
                Part::DayZero => format!("{day:02}"),
                Part::YearDaySpace => format!("{year_day:3}"),
                Part::YearDayZero => format!("{year_day:03}"),
                Part::Hour => format!("{hour:02}"),
                Part::Hour12 => hour_12.to_string(),
                Part::Hour12Zero => format!("{hour_12:02}"),
                Part::Minute => minute.to_string(),
                Part::MinuteZero => format!("{minute:02}"),
                Part::Second => second.to_string(),
                Part::SecondZero => format!("{second:02}"),
                Part::HalfUpper => if hour < 12 { "AM" } else { "PM" }.to_owned(),
                Part::HalfLower => if hour < 12 { "am" } else { "pm" }.to_owned(),
                Part::ZoneName if self.zone == 0 => "UTC".to_owned(),
                Part::ZoneName => offset(self.zone, "", 2),
                Part::Zone { z: true, .. } if self.zone == 0 => "Z".to_owned(),
                Part::Zone { colon, parts, .. } => offset(self.zone, colon, parts),
                Part::Fraction { sign, digits, trims } => {
                    let all = format!("{:09}", self.nanos);
                    let shown = &all[..digits];
                    let shown = if trims { shown.trim_end_matches('0') } else { shown };
                    if shown.is_empty() { String::new() } else { format!("{sign}{shown}") }
                }
            };
            out.push_str(&shown);
        }
        out + rest
    }
}

/// As Go writes a time where nobody says how.
impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

fn offset(zone: i32, colon: &str, parts: u8) -> String {
    let sign = if zone < 0 { '-' } else { '+' };
    let (hours, minutes) = (zone.abs() / 3600, zone.abs() / 60 % 60);
    match parts {
        1 => format!("{sign}{hours:02}"),
        2 => format!("{sign}{hours:02}{colon}{minutes:02}"),
        _ => format!("{sign}{hours:02}{colon}{minutes:02}{colon}{:02}", zone.abs() % 60),
    }
}

/// A part of a layout that stands for a part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    YearShort,
    MonthName,
    MonthShort,
    Month,
    MonthZero,
    DayName,
    DayShort,
    Day,
    DaySpace,
    DayZero,
    YearDaySpace,
    YearDayZero,
    Hour,
    Hour12,
    Hour12Zero,
    Minute,
    MinuteZero,
    Second,
    SecondZero,
    HalfUpper,
    HalfLower,
    ZoneName,
    /// Whether UTC is `Z`, what stands between hours and minutes, how many of hours, minutes and seconds.
    Zone {
        z: bool,
        colon: &'static str,
        parts: u8,
    },
    /// A sign, and at most nine digits; whether the zeros at the end go.
    Fraction {
        sign: char,
        digits: usize,
        trims: bool,
    },
}

/// Parts by how they are written, longer ones first where one is the beginning of another.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::MonthName),
    ("Jan", Part::MonthShort),
    ("Monday", Part::DayName),
    ("Mon", Part::DayShort),
    ("MST", Part::ZoneName),
    ("2006", Part::Year),
    ("__2", Part::YearDaySpace),
    ("_2", Part::DaySpace),
    ("002", Part::YearDayZero),
    ("01", Part::MonthZero),
    ("02", Part::DayZero),
    ("03", Part::Hour12Zero),
    ("04", Part::MinuteZero),
    ("05", Part::SecondZero),
    ("06", Part::YearShort),
    ("15", Part::Hour),
    ("PM", Part::HalfUpper),
    ("pm", Part::HalfLower),
    ("Z07:00:00", Part::Zone { z: true, colon: ":", parts: 3 }),
    ("Z070000", Part::Zone { z: true, colon: "", parts: 3 }),
    ("Z07:00", Part::Zone { z: true, colon: ":", parts: 2 }),
    ("Z0700", Part::Zone { z: true, colon: "", parts: 2 }),
    ("Z07", Part::Zone { z: true, colon: "", parts: 1 }),
    ("-07:00:00", Part::Zone { z: false, colon: ":", parts: 3 }),
    ("-070000", Part::Zone { z: false, colon: "", parts: 3 }),
    ("-07:00", Part::Zone { z: false, colon: ":", parts: 2 }),
    ("-0700", Part::Zone { z: false, colon: "", parts: 2 }),
    ("-07", Part::Zone { z: false, colon: "", parts: 1 }),
    ("1", Part::Month),
    ("2", Part::Day),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
];

/// The first part of a layout, with what stands in front of it and behind it.
fn next(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        let found = PARTS.iter().find(|known| rest.starts_with(known.0));
        if let Some(&(text, part)) = found {
            // `_2006` is a year behind an underscore, `Jan` in `Janus` is none.
            let is_year = text == "_2" && rest.starts_with("_2006");
            let is_word = text == "Jan" && rest[3..].starts_with(|c: char| c.is_ascii_lowercase());
            if !is_year && !is_word {
                return Some((&layout[..at], part, &rest[text.len()..]));
            }
        }
        if let Some((part, length)) = fraction(rest) {
            return Some((&layout[..at], part, &rest[length..]));
        }
    }
    None
}

/// `.000` or `,999`, not in front of another digit.
fn fraction(text: &str) -> Option<(Part, usize)> {
    let sign = text.chars().next().filter(|sign| matches!(sign, '.' | ','))?;
    let digit = text[1..].chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let digits = text[1..].chars().take_while(|&c| c == digit).count();
    let followed = text[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
    let part = Part::Fraction { sign, digits: digits.min(9), trims: digit == '9' };
    (!followed).then_some((part, 1 + digits))
}

/// The time that a text in a layout says; without a zone in it, that of clocks `zone` seconds east of UTC.
pub(super) fn parse(layout: &str, text: &str, zone: i32) -> Option<Time> {
    let (mut year, mut month, mut day, mut year_day) = (0_i64, None, None, None);
    let (mut hour, mut minute, mut second, mut nanos) = (0_i64, 0_i64, 0_i64, 0_u32);
    let (mut afternoon, mut zone) = (None, zone);
    let mut rest = text;
    let mut layout = layout;
    while let Some((plain, part, after)) = next(layout) {
        rest = rest.strip_prefix(plain)?;
        layout = after;
        let number = |rest: &mut &str, least: usize, most: usize| {
            let trimmed = rest.trim_start_matches(' ');
            let length = trimmed.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let value = trimmed[..length].parse::<i64>().ok().filter(|_| length >= least)?;
            *rest = &trimmed[length..];
            Some(value)
        };
        let name = |rest: &mut &str, names: &[&str], length: usize| {
            let at = names.iter().position(|name| {
                let name = &name[..length.min(name.len())];
                rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
            })?;
            *rest = &rest[length.min(names[at].len())..];
            Some(at as i64 + 1)
        };
        match part {
            Part::Year => year = number(&mut rest, 4, 4)?,
            Part::YearShort => {
                let short = number(&mut rest, 2, 2)?;
                year = short + if short >= 69 { 1900 } else { 2000 };
            }
            Part::MonthName => month = Some(name(&mut rest, &MONTHS, 9)?),
            Part::MonthShort => month = Some(name(&mut rest, &MONTHS, 3)?),
            Part::Month => month = Some(number(&mut rest, 1, 2)?),
            Part::MonthZero => month = Some(number(&mut rest, 2, 2)?),
            Part::DayName => drop(name(&mut rest, &DAYS, 9)?),
            Part::DayShort => drop(name(&mut rest, &DAYS, 3)?),
            Part::Day | Part::DaySpace => day = Some(number(&mut rest, 1, 2)?),
            Part::DayZero => day = Some(number(&mut rest, 2, 2)?),
            Part::YearDaySpace | Part::YearDayZero => year_day = Some(number(&mut rest, 1, 3)?),
            Part::Hour | Part::Hour12 | Part::Hour12Zero => hour = number(&mut rest, 1, 2)?,
            Part::Minute => minute = number(&mut rest, 1, 2)?,
            Part::MinuteZero => minute = number(&mut rest, 2, 2)?,
            Part::Second | Part::SecondZero => {
                second = number(&mut rest, 1, 2)?;
                // A fraction may follow that the layout does not have.
                let follows =
                    rest.starts_with(['.', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit());
                let expected = next(layout).is_some_and(|(plain, part, _)| {
                    plain.is_empty() && matches!(part, Part::Fraction { .. })
                });
                if follows && !expected {
                    nanos = read_fraction(&mut rest)?;
                }
            }
            Part::HalfUpper | Part::HalfLower => {
                let half = rest.get(..2)?;
                afternoon = Some(match half {
                    "AM" | "am" => false,
                    "PM" | "pm" => true,
                    _ => return None,
                });
                rest = &rest[2..];
            }
            Part::ZoneName => {
                let length = rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&length) {
                    return None;
                }
                rest = &rest[length..];
                zone = 0;
            }
            Part::Zone { z: true, .. } if rest.starts_with('Z') => {
                rest = &rest[1..];
                zone = 0;
            }
            Part::Zone { colon, parts, .. } => zone = read_zone(&mut rest, colon, parts)?,
            Part::Fraction { trims: true, .. } if !rest.starts_with(['.', ',']) => {}
            Part::Fraction { .. } => nanos = read_fraction(&mut rest)?,
        }
    }
    if rest != layout || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match afternoon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let days = match year_day {
        Some(at @ 1..=366) if month.is_none() => Date::new(year, 1, 1)?.days() + at - 1,
        Some(_) => return None,
        None => Date::new(year, month.unwrap_or(1), day.unwrap_or(1))?.days(),
    };
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - i64::from(zone);
    Some(Time { seconds, nanos, zone })
}

fn read_fraction(rest: &mut &str) -> Option<u32> {
    let digits = rest.strip_prefix(['.', ','])?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    *rest = &digits[length..];
    let nanos = format!("{:0<9}", &digits[..length.min(9)]);
    nanos.parse().ok().filter(|_| length > 0)
}

fn read_zone(rest: &mut &str, colon: &str, parts: u8) -> Option<i32> {
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let mut zone = 0;
    for (part, length) in [3600, 60, 1].into_iter().take(parts.into()).enumerate() {
        if part > 0 {
            *rest = rest.strip_prefix(colon)?;
        }
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        zone += digits.parse::<i32>().ok()? * length;
        *rest = &rest[2..];
    }
    Some(sign * zone)
}

/// How many seconds east of UTC the clocks of a zone are that says so (`+02:00`); all others count as UTC.
pub(super) fn zone_seconds(name: &str) -> i32 {
    let mut rest = name.trim_start_matches("UTC").trim_start_matches("GMT");
    let colon = if rest.contains(':') { ":" } else { "" };
    let parts = if rest.len() > 3 { 2 } else { 1 };
    read_zone(&mut rest, colon, parts).filter(|_| rest.is_empty()).unwrap_or(0)
}

/// The time of a number since 1970: of days, seconds, milliseconds, microseconds or nanoseconds by how long it is.
pub(super) fn from_epoch(text: &str) -> Result<Time, String> {
    let error = |why: &str| format!("unable to parse time '{text}': {why}");
    let value: i64 = text.parse().map_err(|_| error("invalid syntax"))?;
    let scale = match text.len() {
        5 => 86_400_000_000_000,
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return Err(error("unknown precision")),
    };
    value.checked_mul(scale).map(Time::from_nanos).ok_or_else(|| error("value out of range"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layouts() {
        let time = Time { zone: -25_200, ..Time::from_nanos(1_136_239_445_012_000_000) };
        let check = |layout: &str, expect: &str| {
            assert_eq!(time.format(layout), expect, "{layout}");
        };
        check("Mon Jan _2 15:04:05 MST 2006", "Mon Jan  2 15:04:05 -0700 2006");
        check("2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.012-07:00");
        check("02 Jan 06 15:04 -0700", "02 Jan 06 15:04 -0700");
        check("3:04PM, Monday __2 002", "3:04PM, Monday   2 002");
        check("05.000 5,99 1/2 -07", "05.012 5,01 1/2 -07");
        assert_eq!(Time::default().to_string(), "0001-01-01 00:00:00 +0000 UTC");
    }

    #[test]
    fn texts_are_read() {
        let check = |layout: &str, text: &str, expect: Option<&str>| {
            let time = parse(layout, text, 0).map(|time| time.in_utc().format("2006-01-02 15:04:05.999"));
            assert_eq!(time.as_deref(), expect, "{layout} {text}");
        };
        check("2006-01-02T15:04:05Z07:00", "2023-01-29T15:04:05.25+02:00", Some("2023-01-29 13:04:05.25"));
        check("Jan _2, 06 03:04 PM", "feb  9, 99 12:30 AM", Some("1999-02-09 00:30:00"));
        check("2006 002", "2024 060", Some("2024-02-29 00:00:00"));
        check("2006-01-02", "2023-02-29", None);
        check("2006-01-02", "2023-02-2", None);
        check("15:04", "24:00", None);
        check("2006", "2023x", None);
        assert_eq!(from_epoch("19373").unwrap().format("2006-01-02"), "2023-01-16");
        assert!(from_epoch("12").is_err());
        assert_eq!((zone_seconds("+02:30"), zone_seconds("UTC"), zone_seconds("GMT-1")), (9000, 0, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(nanos: i64, zone in -50_000..50_000_i32) {
            const LAYOUT: &str = "2006-01-02T15:04:05.999999999Z07:00:00";
            let time = Time { zone, ..Time::from_nanos(nanos) };
            prop_assert_eq!(parse(LAYOUT, &time.format(LAYOUT), 0).unwrap().nanos(), i128::from(nanos));
        }

        #[test]
        fn no_text_panics(layout in "[ 0-9.,:JanPMZ_-]{0,20}", text in "[ 0-9.,:JanPMZ+-é]{0,20}") {
            let _ = parse(&layout, &text, 0);
            let _ = zone_seconds(&text);
        }
    }
}
