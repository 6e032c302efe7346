//! Values as bytes, those that hold others among them.
//!
//! ```text
//! 0: empty   1: text   2, 3: false, true   4: whole number   5: bits of a float   6: bytes
//! 7: how many values, the values   8: how many pairs; of each the name and the value
//! ```

use weir_signal::{Attribute, Value};

use crate::frame::Damage;
use crate::varint::{Cursor, put_bytes, put_i64, put_u64};

/// Values are nested at most so deep; no protocol of senders allows as much.
pub(super) const DEPTH_MAX: usize = 128;

/// Appends a value; `false` where it is nested too deep.
pub(super) fn encode(value: &Value, depth: usize, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Empty => out.push(0),
        Value::String(text) => {
            out.push(1);
            put_bytes(out, text.as_bytes());
        }
        Value::Bool(value) => out.push(2 + u8::from(*value)),
        Value::Int(value) => {
            out.push(4);
            put_i64(out, *value);
        }
        Value::Double(value) => {
            out.push(5);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(6);
            put_bytes(out, bytes);
        }
        Value::Array(values) => {
            out.push(7);
            put_u64(out, values.len() as u64);
            return depth < DEPTH_MAX && values.iter().all(|value| encode(value, depth + 1, out));
        }
        Value::Map(pairs) => {
            out.push(8);
            put_u64(out, pairs.len() as u64);
            return depth < DEPTH_MAX
                && pairs.iter().all(|pair| {
                    put_bytes(out, pair.key.as_bytes());
                    encode(&pair.value, depth + 1, out)
                });
        }
    }
    true
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Damage> {
    let kind = cursor.u8()?;
    if kind > 6 && depth == DEPTH_MAX {
        return Err(cursor.damage("a value is nested too deep"));
    }
    Ok(match kind {
        0 => Value::Empty,
        1 => Value::String(cursor.text()?.into()),
        2 => Value::Bool(false),
        3 => Value::Bool(true),
        4 => Value::Int(cursor.i64()?),
        5 => Value::Double(cursor.f64()?),
        6 => Value::Bytes(cursor.bytes()?.into()),
        7 => {
            let mut values = Vec::new();
            for _ in 0..cursor.length(cursor.left())? {
                values.push(decode(cursor, depth + 1)?);
            }
            Value::Array(values)
        }
        8 => {
            let mut pairs = Vec::new();
            for _ in 0..cursor.length(cursor.left())? {
                let key = cursor.text()?.into();
                pairs.push(Attribute { key, value: decode(cursor, depth + 1)? });
            }
            Value::Map(pairs)
        }
        _ => return Err(cursor.damage("a value is of an unknown kind")),
    })
}
