//! What the filter knows of a block: hashes of names, services, and attributes with their values.
//!
//! Attributes of spans and of resources are told alike, so that one that is looked for in either needs one look. A value is
//! known as it is written as text, and so text, a number and a truth value that are written alike are found by each other.
//! Floats, bytes, arrays and maps are not known: where a name has such, the filter does not speak for it.

use std::io::Write as _;

use weir_signal::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const NAME: u64 = 1;
const SERVICE: u64 = 2;
/// From here on, floats do not tell all whole numbers apart.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The token of a span's name.
pub(super) fn name(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), NAME)
}

/// The token of a service.
pub(super) fn service(service: &str) -> u64 {
    xxh3_64_with_seed(service.as_bytes(), SERVICE)
}

/// What tokens of this attribute's values are made with.
pub(super) fn key(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

/// The token of a text.
pub(super) fn value(key: u64, text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, key)
}

/// The token of a whole number.
pub(super) fn int(key: u64, number: i64) -> u64 {
    let mut text = [0; 20];
    let mut rest = &mut text[..];
    // No number is longer than that.
    let written = write!(rest, "{number}").map(|()| 20 - rest.len()).unwrap_or_default();
    value(key, &text[..written])
}

/// The token of a truth value.
pub(super) fn bool(key: u64, truth: bool) -> u64 {
    value(key, if truth { b"true" } else { b"false" })
}

/// The token that a block has whose attribute has a value equal to this one, unless it has some that no filter knows; `None`
/// where there is no such token.
pub(super) fn wanted(key: u64, wanted: &Value) -> Option<u64> {
    match wanted {
        Value::String(text) => Some(value(key, text.as_bytes())),
        Value::Int(number) => Some(int(key, *number)),
        Value::Bool(truth) => Some(bool(key, *truth)),
        Value::Double(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => {
            Some(int(key, *number as i64))
        }
        _ => None,
    }
}

/// The token of a trace.
pub(super) fn trace(id: weir_signal::TraceId) -> u64 {
    xxh3_64(&id.0)
}
