//! What templates calculate with.

use std::collections::BTreeMap;
use std::fmt;

use super::time::Time;
use crate::json::{self, Kind, Raw};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Time(Time),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// All labels of the line.
    Labels,
}

/// How deep JSON may be nested.
const DEPTH_MAX: usize = 64;

impl Value {
    /// The value of a text in JSON.
    pub(super) fn from_json(text: &str) -> Result<Self, String> {
        let Ok((raw, end)) = json::value(text, 0) else {
            // A number may end with the text.
            return text.trim().parse().map(Self::Float).map_err(|_| "invalid JSON".to_owned());
        };
        if !text[end..].trim().is_empty() {
            return Err("invalid character after top-level value".to_owned());
        }
        Self::from_raw(raw, 0)
    }

    fn from_raw(raw: Raw<'_>, depth: usize) -> Result<Self, String> {
        if depth == DEPTH_MAX {
            return Err("JSON is nested too deep".to_owned());
        }
        Ok(match raw.kind {
            Kind::Null => Self::Nil,
            Kind::Bool => Self::Bool(raw.text == "true"),
            Kind::Number => {
                Self::Float(raw.text.parse().map_err(|_| format!("invalid number {}", raw.text))?)
            }
            Kind::String => {
                Self::Text(json::unescape(raw.text).ok_or("invalid escape in string")?.into_owned())
            }
            Kind::Array => {
                let mut list = Vec::new();
                let mut inner = Ok(());
                json::elements(raw.text, |element| {
                    inner = Self::from_raw(element, depth + 1).map(|value| list.push(value));
                    Ok(inner.is_ok())
                })?;
                inner.map(|()| Self::List(list))?
            }
            Kind::Object => {
                let mut map = BTreeMap::new();
                let mut inner = Ok(());
                json::members(raw.text, |key, value| {
                    inner =
                        Self::from_raw(value, depth + 1).map(|value| drop(map.insert(key.to_owned(), value)));
                    Ok(inner.is_ok())
                })?;
                inner.map(|()| Self::Map(map))?
            }
        })
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(list) => list.iter().map(|value| 32 + value.weight()).sum(),
            Self::Map(map) => map.iter().map(|(key, value)| 64 + key.len() + value.weight()).sum(),
            _ => 8,
        }
    }

    /// Whether it is neither zero nor empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) | Self::Labels => true,
        }
    }

    /// Its type as Go calls it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Time(_) => "time.Time",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Labels => "map[string]string",
        }
    }

    /// As a whole number: what is none is 0.
    pub(super) fn to_int(&self) -> i64 {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => *value,
            Self::Float(value) => *value as i64,
            Self::Text(text) => {
                let whole = text.split_once('.').filter(|split| split.1.bytes().all(|byte| byte == b'0'));
                whole.map_or(text.as_str(), |split| split.0).parse().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// As a number: what is none is 0.
    pub(super) fn to_float(&self) -> f64 {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => *value as f64,
            Self::Float(value) => *value,
            Self::Text(text) => text.parse().unwrap_or(0.0),
            _ => 0.0,
        }
    }
}

/// As Go's `%v` writes it.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => out.write_str("<nil>"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) => out.write_str(&shortest(*value)),
            Self::Text(text) => out.write_str(text),
            Self::Time(time) => write!(out, "{time}"),
            Self::List(list) => {
                out.write_str("[")?;
                for (at, value) in list.iter().enumerate() {
                    write!(out, "{}{value}", if at > 0 { " " } else { "" })?;
                }
                out.write_str("]")
            }
            Self::Map(map) => {
                out.write_str("map[")?;
                for (at, (key, value)) in map.iter().enumerate() {
                    write!(out, "{}{key}:{value}", if at > 0 { " " } else { "" })?;
                }
                out.write_str("]")
            }
            Self::Labels => out.write_str("map[]"),
        }
    }
}

/// The fewest digits that mean a number, with an exponent where it is long.
pub(super) fn shortest(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
