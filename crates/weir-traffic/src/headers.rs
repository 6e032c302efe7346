//! How a limit tells the client about itself.
//!
//! The fields are those of draft-ietf-httpapi-ratelimit-headers-10, structured fields (RFC 9651) both:
//!
//! ```text
//! RateLimit-Policy: "orders";q=10;w=1
//! RateLimit: "orders";r=0;t=1
//! ```

use std::io::Write as _;
use std::time::Duration;

use crate::{Limiter, Verdict};

/// Appends an item of the value of `RateLimit-Policy`: the quota `q` in a window of `w` seconds. `w` is left out where the
/// limit's span is not in whole seconds, since the field has no word for it. Several limits are joined by `, `.
pub fn write_policy(name: &str, limiter: &Limiter, out: &mut Vec<u8>) {
    write_string(name, out);
    write_number(b";q=", u64::from(limiter.requests()), out);
    if limiter.per().subsec_nanos() == 0 && !limiter.per().is_zero() {
        write_number(b";w=", limiter.per().as_secs(), out);
    }
}

/// Appends an item of the value of `RateLimit`: the `r` requests that remain, and the seconds `t` until the limit is
/// as new (or, where none remain, until one is allowed). A bucket with a burst may have more left than its quota.
/// Appends nothing for a request that was not measured.
pub fn write_state(name: &str, verdict: &Verdict, out: &mut Vec<u8>) {
    let (remaining, wait) = match verdict {
        Verdict::Allow { remaining, reset_after } => (*remaining, seconds(*reset_after)),
        Verdict::Deny { retry_after } => (0, retry_after_seconds(*retry_after)),
        Verdict::Skip | Verdict::NoKey => return,
    };
    write_string(name, out);
    write_number(b";r=", u64::from(remaining), out);
    write_number(b";t=", wait, out);
}

/// The value of `Retry-After` (RFC 9110, section 10.2.3): whole seconds, rounded up, at least 1.
pub fn retry_after_seconds(wait: Duration) -> u64 {
    seconds(wait).max(1)
}

fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// A structured-field string (RFC 9651, section 3.3.3). It may hold printable ASCII only; other bytes become `?`.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend([b'\\', character as u8]),
            ' '..='~' => out.push(character as u8),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

fn write_number(label: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(label);
    write!(out, "{number}").expect("a Vec takes all");
}

#[cfg(test)]
mod tests {
    use weir_model::RateLimit;

    use super::*;

    #[test]
    fn policies() {
        #[track_caller]
        fn check(name: &str, requests: u32, per_ms: u64, expected: &str) {
            let limit = RateLimit::SlidingWindow { requests, per: Duration::from_millis(per_ms) };
            let mut out = Vec::new();
            write_policy(name, &Limiter::new(&limit, 1), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        check("orders", 10, 1000, r#""orders";q=10;w=1"#);
        check("orders", 10, 60_000, r#""orders";q=10;w=60"#);
        check("orders", 10, 1500, r#""orders";q=10"#);
        check("a\"b\\c\u{e9}\n", 1, 1000, r#""a\"b\\c??";q=1;w=1"#);
    }

    #[test]
    fn states() {
        #[track_caller]
        fn check(verdict: Verdict, expected: &str) {
            let mut out = Vec::new();
            write_state("a", &verdict, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let ms = Duration::from_millis;
        check(Verdict::Allow { remaining: 7, reset_after: ms(1001) }, r#""a";r=7;t=2"#);
        check(Verdict::Allow { remaining: 7, reset_after: ms(0) }, r#""a";r=7;t=0"#);
        check(Verdict::Deny { retry_after: ms(0) }, r#""a";r=0;t=1"#);
        check(Verdict::Deny { retry_after: ms(2000) }, r#""a";r=0;t=2"#);
        check(Verdict::Skip, "");
        check(Verdict::NoKey, "");
    }
}
