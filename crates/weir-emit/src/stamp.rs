//! Moments as text, always in UTC: a record must mean the same on every machine that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_model::Wall;

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
    let (year, month, day) = date((seconds / 86_400) as u32);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    text[0..2].copy_from_slice(&pair(year / 100));
    text[2..4].copy_from_slice(&pair(year % 100));
    text[5..7].copy_from_slice(&pair(month));
    text[8..10].copy_from_slice(&pair(day));
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

/// Year, month and day of a day since the epoch, in the proleptic Gregorian calendar. Years are counted from March,
/// so that the leap day comes last and a month's first day is a linear function of its number.
fn date(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
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

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for day in 1..80_000 {
            let next = date(day);
            assert!(next > before && (next.2 == before.2 + 1 || next.2 == 1), "{before:?} {next:?}");
            before = next;
        }
    }
}
