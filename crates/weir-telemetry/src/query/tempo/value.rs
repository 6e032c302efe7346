//! Values of TraceQL as Tempo writes them: OTLP's `AnyValue`, in the JSON of Protocol Buffers.

use serde_json::{Value as Json, json};
use weir_traceql::Value;

/// `AnyValue`. Durations and words of the language are texts.
pub(super) fn any(value: &Value) -> Json {
    match value {
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Float(value) => json!({ "doubleValue": number(*value) }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } })
        }
        other => json!({ "stringValue": other.to_string() }),
    }
}

/// `KeyValue`s.
pub(super) fn pairs<'a>(all: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Json {
    all.into_iter().map(|(key, value)| json!({ "key": key, "value": any(value) })).collect()
}

/// A `double`: what JSON has no number for is a text.
pub(super) fn number(value: f64) -> Json {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}
