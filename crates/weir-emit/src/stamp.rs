//! Moments as text, always in UTC: a record must mean the same on every machine that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_model::Wall;
use weir_signal::Date;

use crate::digits::pair;

/// The operating system's time.
pub(crate) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Appends `2026-11-24T12:01:07.123456Z` (RFC 3339, microseconds).
pub(crate) fn push_date_time(out: &mut Vec<u8>, at: Wall) {
    let seconds = at.0 / 1_000_000_000;
    let micros = (at.0 / 1_000 % 1_000_000) as u32;
    let Date { year, month, day } = Date::of_seconds(seconds as i64);
    let year = year as u32;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    text[0..2].copy_from_slice(&pair(year / 100));
    text[2..4].copy_from_slice(&pair(year % 100));
    text[5..7].copy_from_slice(&pair(month.into()));
    text[8..10].copy_from_slice(&pair(day.into()));
    text[11..19].copy_from_slice(&clock(seconds));
    text[20..22].copy_from_slice(&pair(micros / 10_000));
    text[22..24].copy_from_slice(&pair(micros / 100 % 100));
    text[24..26].copy_from_slice(&pair(micros % 100));
    out.extend_from_slice(&text);
}

/// Appends `12:01:07`.
pub(crate) fn push_clock(out: &mut Vec<u8>, at: Wall) {
    out.extend_from_slice(&clock(at.0 / 1_000_000_000));
}

fn clock(seconds: u64) -> [u8; 8] {
    let second = (seconds % 86_400) as u32;
    let mut text = *b"00:00:00";
    text[0..2].copy_from_slice(&pair(second / 3_600));
    text[3..5].copy_from_slice(&pair(second / 60 % 60));
    text[6..8].copy_from_slice(&pair(second % 60));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        #[track_caller]
        fn check(seconds: u64, nanos: u64, expect: &str) {
            let mut out = Vec::new();
            push_date_time(&mut out, Wall(seconds * 1_000_000_000 + nanos));
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
        check(0, 0, "1970-01-01T00:00:00.000000Z");
        check(951_782_399, 999_999_999, "2000-02-28T23:59:59.999999Z");
        check(951_782_400, 1_000, "2000-02-29T00:00:00.000001Z");
        check(1_709_164_800, 0, "2024-02-29T00:00:00.000000Z");
        check(1_795_521_667, 123_456_789, "2026-11-24T12:01:07.123456Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000000Z");
    }
}
