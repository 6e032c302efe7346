//! What a change did, in the log, in words.

use std::time::Duration;

use crate::control::Applied;

/// Most lines that one change writes.
const LINES_MAX: usize = 50;

/// Says what a change did, an object a line: `route orders: timeout 30s → 5s · live in 7 ms`.
pub fn report(applied: &Applied) {
    let took = took(applied.took);
    if applied.changes.is_empty() {
        tracing::info!("configuration read, nothing changed");
    }
    for change in applied.changes.iter().take(LINES_MAX) {
        tracing::info!("{change} · live in {took}");
    }
    let more = applied.changes.len().saturating_sub(LINES_MAX);
    if more > 0 {
        tracing::info!("and {more} more changes · live in {took}");
    }
}

/// A time for people: whole milliseconds where there are some.
pub(super) fn took(span: Duration) -> String {
    match span.as_secs_f64() * 1e3 {
        ms if ms < 0.95 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        #[track_caller]
        fn check(micros: u64, expected: &str) {
            assert_eq!(took(Duration::from_micros(micros)), expected);
        }
        check(7_100, "7 ms");
        check(990, "1 ms");
        check(420, "0.4 ms");
        check(2_345_600, "2346 ms");
    }
}
