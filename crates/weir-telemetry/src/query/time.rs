//! Times as people and their programs write them.

/// Milliseconds since 1970 as RFC 3339 in UTC: `2026-11-25T01:02:03.004Z`.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    let (seconds, ms) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_written() {
        let check = |time_ms: i64, expect: &str| assert_eq!(super::rfc3339(time_ms), expect);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_004, "2000-02-29T00:00:00.004Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(1_795_521_667_123, "2026-11-24T12:01:07.123Z");
    }
}
