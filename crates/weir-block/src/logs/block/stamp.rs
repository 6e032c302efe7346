//! Times that are written within lines.
//!
//! `16:52:28.243`, `2023-01-29 16:52:28,243`, `2023-01-29T16:52:28Z`: an optional date, a time of day, an optional fraction
//! of a second, an optional `Z`. Such a time is kept as its distance from the time of the line, in units of its last digit,
//! and that is nearly always the same few numbers.

use weir_signal::{DAY_SECONDS, Date};

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct StampShape {
    /// What stands between date and time; 0 where there is no date.
    separator: u8,
    /// What stands before the fraction; 0 where there is none.
    point: u8,
    /// How many digits the fraction has.
    digits: u8,
    zulu: bool,
}

const SEPARATORS: [u8; 3] = [0, b'T', b' '];
const POINTS: [u8; 3] = [0, b'.', b','];
const DATE_BYTES: usize = 10;
const TIME_BYTES: usize = 8;
/// The longest stamp.
const STAMP_BYTES_MAX: usize = DATE_BYTES + 1 + TIME_BYTES + 1 + 9 + 1;

impl StampShape {
    /// A number for it, below 512.
    pub(super) fn code(self) -> u16 {
        let place = |of: [u8; 3], byte| of.iter().position(|&found| found == byte).unwrap_or(0) as u16;
        (place(SEPARATORS, self.separator) * 3 + place(POINTS, self.point)) * 20
            + u16::from(self.digits) * 2
            + u16::from(self.zulu)
    }

    /// The shape of a number.
    pub(super) fn from_code(code: u16) -> Option<Self> {
        let shape = Self {
            separator: *SEPARATORS.get(usize::from(code / 60))?,
            point: POINTS[usize::from(code / 20 % 3)],
            digits: (code % 20 / 2) as u8,
            zulu: code % 2 == 1,
        };
        ((shape.point == 0) == (shape.digits == 0)).then_some(shape)
    }

    /// Nanoseconds in a unit of its last digit.
    fn unit_ns(self) -> i64 {
        10_i64.pow(9 - u32::from(self.digits))
    }

    /// Units in a second.
    fn second(self) -> i64 {
        10_i64.pow(u32::from(self.digits))
    }

    /// Units in a day where it has no date.
    fn day(self) -> Option<i64> {
        (self.separator == 0).then(|| DAY_SECONDS * self.second())
    }

    /// Digits at its end, and whether a `Z` follows: what of it is a token that the filter does not know.
    pub(super) fn end(self) -> (u32, bool) {
        (if self.digits == 0 { 2 } else { u32::from(self.digits) }, self.zulu)
    }

    /// The hours that have passed at a value: as long as they stay the same, so does what stands before the last minutes.
    pub(super) fn hours(self, value: i64) -> i64 {
        value.div_euclid(3600 * self.second())
    }

    pub(super) fn has_date(self) -> bool {
        self.separator != 0
    }

    /// From the value of a stamp its distance from the time of its line.
    pub(super) fn distance(self, value: i64, time_ns: i64) -> i64 {
        let time = time_ns.div_euclid(self.unit_ns());
        match self.day() {
            None => value.wrapping_sub(time),
            Some(day) => (value - time.rem_euclid(day) + day / 2).rem_euclid(day) - day / 2,
        }
    }

    /// What [`StampShape::distance`] was given.
    pub(super) fn value(self, distance: i64, time_ns: i64) -> i64 {
        let time = time_ns.div_euclid(self.unit_ns());
        match self.day() {
            None => distance.wrapping_add(time),
            Some(day) => distance.wrapping_add(time.rem_euclid(day)).rem_euclid(day),
        }
    }

    /// Appends a value as it was written; says whether it is one that can be.
    pub(super) fn write(self, value: i64, out: &mut Vec<u8>) -> bool {
        let seconds = value.div_euclid(self.second());
        let mut text = [0; STAMP_BYTES_MAX];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            text[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if self.separator != 0 {
            let Date { year, month, day } = Date::of_seconds(seconds);
            if !(0..10_000).contains(&year) {
                return false;
            }
            let (year, month, day) = (year as u32, u32::from(month), u32::from(day));
            put(&two(year / 100));
            put(&two(year % 100));
            put(b"-");
            put(&two(month));
            put(b"-");
            put(&two(day));
            put(&[self.separator]);
        } else if !(0..DAY_SECONDS).contains(&seconds) {
            return false;
        }
        let second = seconds.rem_euclid(DAY_SECONDS) as u32;
        put(&two(second / 3600));
        put(b":");
        put(&two(second / 60 % 60));
        put(b":");
        put(&two(second % 60));
        if self.digits > 0 {
            let mut fraction = [0; 9];
            let mut rest = value.rem_euclid(self.second());
            for digit in fraction[..usize::from(self.digits)].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            put(&[self.point]);
            put(&fraction[..usize::from(self.digits)]);
        }
        if self.zulu {
            put(b"Z");
        }
        out.extend_from_slice(&text[..at]);
        true
    }
}

/// A time at the beginning of a text: its shape, its value in units of its last digit (of the day where it has no date,
/// else since 1970), and its length. It is none where it does not end with the token that it ends in.
pub(super) fn parse(text: &[u8]) -> Option<(StampShape, i64, usize)> {
    let mut shape = StampShape::default();
    let mut days = 0;
    let mut at = 0;
    if text.get(4) == Some(&b'-') {
        days = date(text)?;
        shape.separator = *text.get(DATE_BYTES).filter(|byte| [b'T', b' '].contains(byte))?;
        at = DATE_BYTES + 1;
    }
    let time: &[u8; TIME_BYTES] = text.get(at..at + TIME_BYTES)?.try_into().ok()?;
    if time[2] != b':' || time[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&time[..2])?, number(&time[3..5])?, number(&time[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    at += TIME_BYTES;
    let mut fraction = 0;
    if let Some(&point) = text.get(at)
        && [b'.', b','].contains(&point)
    {
        let digits = text[at + 1..].iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 9 {
            return None;
        }
        if digits > 0 {
            fraction = number(&text[at + 1..at + 1 + digits])?;
            (shape.point, shape.digits) = (point, digits as u8);
            at += 1 + digits;
        }
    }
    if text.get(at) == Some(&b'Z') {
        shape.zulu = true;
        at += 1;
    }
    if text.get(at).is_some_and(|&byte| crate::logs::tokens::is_token_byte(byte)) {
        return None;
    }
    let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    let value = seconds.checked_mul(shape.second())?.checked_add(fraction)?;
    Some((shape, value, at))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, &digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Days since 1970 of a date at the beginning of a text.
fn date(text: &[u8]) -> Option<i64> {
    if text.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(text.get(8..DATE_BYTES)?)?);
    Some(Date::new(year, month, day)?.days())
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn are_found_in_their_shapes() {
        let check = |text: &str, expect: Option<usize>| {
            let found = parse(text.as_bytes());
            assert_eq!(found.map(|(_, _, length)| length), expect, "{text}");
            if let Some((shape, value, length)) = found {
                assert_eq!(StampShape::from_code(shape.code()), Some(shape));
                let mut out = Vec::new();
                assert!(shape.write(value, &mut out));
                assert_eq!(String::from_utf8_lossy(&out), text[..length]);
            }
        };
        check("16:52:28.243 INFO", Some(12));
        check("16:52:28", Some(8));
        check("16:52:28,243675358Z", Some(19));
        check("2023-01-29T16:52:28Z]", Some(20));
        check("2023-01-29 16:52:28.000001", Some(26));
        check("0000-01-01 00:00:00", Some(19));
        check("9999-12-31 23:59:59", Some(19));
        check("16:52:28. And", Some(8));
        check("2023-02-29T16:52:28Z", None);
        check("2023-13-01T16:52:28Z", None);
        check("2023-01-29", None);
        check("24:00:00", None);
        check("16:52:60", None);
        check("16:52:28x", None);
        check("16:52:28.0123456789", None);
        check("9999-12-31 23:59:59.999999999", None);
    }

    proptest! {
        #[test]
        fn distances_come_back(time_ns: i64, day in 0_i64..86_400_000, code in 0_u16..180) {
            let Some(shape) = StampShape::from_code(code) else { return Ok(()) };
            let value = day * shape.second() / 1000;
            prop_assert_eq!(shape.value(shape.distance(value, time_ns), time_ns), value);
        }

        #[test]
        fn no_text_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]?[0-2][0-9]:[0-6][0-9]:[0-6][0-9][.,]?[0-9]{0,10}Z?.?") {
            if let Some((shape, value, length)) = parse(text.as_bytes()) {
                let mut out = Vec::new();
                prop_assert!(shape.write(value, &mut out));
                prop_assert_eq!(out, &text.as_bytes()[..length]);
            }
        }
    }
}
