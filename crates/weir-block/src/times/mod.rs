//! Columns of times.
//!
//! Times of a constant step cost a few bytes whatever their number; others cost what their steps, or the changes of their
//! steps, need. Any order and any value comes back.

use crate::frame::Damage;
use crate::pack::Effort;
use crate::values::integers;
use crate::varint::Cursor;

/// Appends a column of times, of whatever unit. How many there are is for the caller to keep.
pub fn encode(times: &[i64], effort: Effort, out: &mut Vec<u8>) {
    integers::encode(times, effort, out);
}

/// Appends `count` times to `times`.
///
/// # Errors
/// The bytes are not a column of so many times. `count` is trusted: memory for it is allocated.
pub fn decode(cursor: &mut Cursor<'_>, count: usize, times: &mut Vec<i64>) -> Result<(), Damage> {
    integers::decode(cursor, count, times)
}
