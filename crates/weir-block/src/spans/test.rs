//! Whether a value meets a condition.

use std::cmp::Ordering;

use weir_signal::{SpanTest, Value};

/// Whether a value meets a test. Values are equal that are the same number, or written alike; an array meets what one of its
/// values meets.
pub(super) fn meets(value: &Value, test: &SpanTest) -> bool {
    if let Value::Array(values) = value
        && values.iter().any(|value| meets(value, test))
    {
        return true;
    }
    match test {
        SpanTest::Exists => true,
        SpanTest::Equal(wanted) => equal(value, wanted),
        SpanTest::AtLeast(least) => number(value).is_some_and(|number| number >= *least),
        SpanTest::AtMost(most) => number(value).is_some_and(|number| number <= *most),
    }
}

/// Whether a text meets a test.
pub(super) fn text_meets(text: &str, test: &SpanTest) -> bool {
    match test {
        SpanTest::Exists => true,
        SpanTest::Equal(Value::String(wanted)) => text == &**wanted,
        SpanTest::Equal(wanted) => wanted.to_string() == text,
        SpanTest::AtLeast(_) | SpanTest::AtMost(_) => false,
    }
}

/// Whether a number meets a test.
pub(super) fn int_meets(number: i64, test: &SpanTest) -> bool {
    match test {
        SpanTest::Exists => true,
        SpanTest::Equal(wanted) => equal(&Value::Int(number), wanted),
        // Rounding keeps the order: what is at least a float is so when it is rounded.
        SpanTest::AtLeast(least) => number as f64 >= *least,
        SpanTest::AtMost(most) => number as f64 <= *most,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

fn equal(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::String(text), Value::String(wanted)) => text == wanted,
        (Value::Int(number), Value::Int(wanted)) => number == wanted,
        _ => match (number(value), number(wanted)) {
            (Some(number), Some(wanted)) => number.partial_cmp(&wanted) == Some(Ordering::Equal),
            _ => value.to_string() == wanted.to_string(),
        },
    }
}
