//! Columns of whole numbers.

use crate::frame::Damage;
use crate::pack::Effort;
use crate::varint::{Cursor, put_i64};

/// All are one number.
const CONSTANT: u8 = 0;
/// Each is a constant step from the one before.
const STEADY: u8 = 1;
/// Differences of differences, as varints.
const STEPS: u8 = 2;

/// Appends a column. How many there are is for the caller to keep.
pub fn encode(values: &[i64], _effort: Effort, out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let step = values.get(1).map_or(0, |second| second.wrapping_sub(first));
    if values.array_windows().all(|[a, b]| b.wrapping_sub(*a) == step) {
        out.push(if step == 0 { CONSTANT } else { STEADY });
        put_i64(out, first);
        if step != 0 {
            put_i64(out, step);
        }
        return;
    }
    out.push(STEPS);
    let (mut last, mut last_step) = (0_i64, 0_i64);
    for &value in values {
        let step = value.wrapping_sub(last);
        put_i64(out, step.wrapping_sub(last_step));
        (last, last_step) = (value, step);
    }
}

/// Appends `count` numbers to `values`.
///
/// # Errors
/// The bytes are not a column of so many numbers. `count` is trusted: memory for it is allocated.
pub fn decode(cursor: &mut Cursor<'_>, count: usize, values: &mut Vec<i64>) -> Result<(), Damage> {
    if count == 0 {
        return Ok(());
    }
    match cursor.u8()? {
        CONSTANT => values.resize(values.len() + count, cursor.i64()?),
        STEADY => {
            let (first, step) = (cursor.i64()?, cursor.i64()?);
            values.extend((0..count as i64).map(|index| first.wrapping_add(index.wrapping_mul(step))));
        }
        STEPS => {
            values.reserve(count);
            let (mut last, mut step) = (0_i64, 0_i64);
            for _ in 0..count {
                step = step.wrapping_add(cursor.i64()?);
                last = last.wrapping_add(step);
                values.push(last);
            }
        }
        _ => return Err(cursor.damage("a column of numbers has an unknown codec")),
    }
    Ok(())
}
