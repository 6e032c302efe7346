//! Typed values of attributes (OpenTelemetry's `AnyValue`).

use std::fmt;

use crate::base64::base64;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: the field was there and empty.
    Empty,
    /// Text.
    String(Box<str>),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// Several values.
    Array(Vec<Value>),
    /// Names and values, in the order in which they came.
    Map(Vec<Attribute>),
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The name.
    pub key: Box<str>,
    /// The value.
    pub value: Value,
}

impl Attribute {
    /// A text.
    pub fn string(key: &str, value: &str) -> Self {
        Self { key: key.into(), value: Value::String(value.into()) }
    }
}

impl Value {
    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// As OpenTelemetry writes values where only text can stand: text as it is, numbers in decimal, bytes in Base64, arrays and
/// maps as JSON.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::String(text) => out.write_str(text),
            Self::Bytes(bytes) => out.write_str(&base64(bytes)),
            other => json(out, other),
        }
    }
}

fn json(out: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Empty => out.write_str("null"),
        Value::String(text) => json_string(out, text),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Double(value) if value.is_finite() => write!(out, "{value}"),
        Value::Double(value) if value.is_nan() => out.write_str("\"NaN\""),
        Value::Double(value) => out.write_str(if *value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }),
        Value::Bytes(bytes) => {
            write!(out, "\"{}\"", base64(bytes))
        }
        Value::Array(values) => {
            out.write_str("[")?;
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.write_str(",")?;
                }
                json(out, value)?;
            }
            out.write_str("]")
        }
        Value::Map(pairs) => {
            out.write_str("{")?;
            for (index, pair) in pairs.iter().enumerate() {
                if index > 0 {
                    out.write_str(",")?;
                }
                json_string(out, &pair.key)?;
                out.write_str(":")?;
                json(out, &pair.value)?;
            }
            out.write_str("}")
        }
    }
}

fn json_string(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            control if control < ' ' => write!(out, "\\u{:04x}", u32::from(control))?,
            other => write!(out, "{other}")?,
        }
    }
    out.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_written_as_text() {
        let check = |value: Value, expect: &str| assert_eq!(value.to_string(), expect);
        check(Value::String("a\"b".into()), "a\"b");
        check(Value::Double(1.5), "1.5");
        check(Value::Double(f64::INFINITY), "\"Infinity\"");
        check(Value::Bytes(b"Man"[..].into()), "TWFu");
        check(Value::Bytes(b"Ma"[..].into()), "TWE=");
        check(Value::Bytes(b"M"[..].into()), "TQ==");
        check(
            Value::Map(vec![
                Attribute {
                    key: "a".into(),
                    value: Value::Array(vec![Value::Int(1), Value::Bool(true), Value::Empty]),
                },
                Attribute::string("b", "\u{1}\n"),
            ]),
            r#"{"a":[1,true,null],"b":"\u0001\n"}"#,
        );
    }
}
