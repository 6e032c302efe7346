//! Columns of whole numbers.
//!
//! A column is written as its numbers, their differences, or the differences of those, divided by what they all are a
//! multiple of; whichever needs least. What is left then is nothing (a constant, or a constant step), a list of the few
//! that are not zero, numbers of a fixed count of bits, or entropy-coded.
//!
//! ```text
//! head: order of differences (2 bits), form (3 bits), whether there is a factor (1 bit)
//! first number; the first difference, where differences of differences follow; factor, where there is one
//! sparse:  until all are there: count of zeros, number; a count to the end at last
//! bits, entropy-coded: smallest number; bits: their count (a byte)
//! dense bytes: bits or a chunk of pco
//! ```

use pco::{DeltaSpec, ModeSpec};

use super::bits;
use super::entropy;
use super::estimate::{Estimate, gcd};
use crate::frame::Damage;
use crate::pack::Effort;
use crate::varint::{Cursor, length_u64, put_bytes, put_i64, put_u64, zigzag};

/// What remains of a column when differences are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Zero = 0,
    Sparse = 1,
    Bits = 2,
    Entropy8 = 3,
    Entropy16 = 4,
    Entropy32 = 5,
    Entropy64 = 6,
}

const FORMS: [Form; 7] =
    [Form::Zero, Form::Sparse, Form::Bits, Form::Entropy8, Form::Entropy16, Form::Entropy32, Form::Entropy64];

const FACTOR: u8 = 0x20;
/// With fewer numbers, describing bins costs more than they spare.
const ENTROPY_MIN: usize = 48;
/// Where estimates are as close, both orders are tried.
const CLOSE: f64 = 1.2;

/// Appends a column. How many numbers there are is for the caller to keep.
pub fn encode(values: &[i64], effort: Effort, out: &mut Vec<u8>) {
    let mut dense = Vec::new();
    if Encoder::default().encode(values, effort, out, &mut dense) {
        put_bytes(out, &dense);
    }
}

/// Appends `count` numbers to `values`.
///
/// # Errors
/// The bytes are not a column of so many numbers. `count` is trusted: memory for it is allocated.
pub fn decode(cursor: &mut Cursor<'_>, count: usize, values: &mut Vec<i64>) -> Result<(), Damage> {
    Decoder::default().decode(cursor, None, count, values)
}

/// Writes columns in two parts. Keeps its memory between them.
#[derive(Default)]
pub(crate) struct Encoder {
    /// What is left at each order of differences.
    orders: [Vec<i64>; 3],
    tried: Vec<u8>,
    best: Vec<u8>,
}

/// A way to write a column that was tried.
struct Tried {
    order: usize,
    form: Form,
    factor: u64,
    /// The smallest number that is left.
    least: i64,
    /// Bits of each.
    width: u32,
    bytes: usize,
}

impl Encoder {
    /// Appends a column to `light`, and what is not worth packing again to `dense`; whether it did that.
    pub(crate) fn encode(
        &mut self,
        values: &[i64],
        effort: Effort,
        light: &mut Vec<u8>,
        dense: &mut Vec<u8>,
    ) -> bool {
        let Some(&first) = values.first() else { return false };
        let [_, steps, changes] = &mut self.orders;
        differences(values, steps);
        if steps.iter().all(|&step| step == steps[0]) {
            let step = steps.first().copied().unwrap_or(0);
            light.push(if step == 0 { 1 } else { 2 });
            put_i64(light, first);
            if step != 0 {
                put_i64(light, step);
            }
            return false;
        }
        let tried = match effort {
            Effort::Fast => self.simple(1, 1),
            Effort::Small => {
                differences(steps, changes);
                self.best(values)
            }
        };
        let head = tried.order as u8 | (tried.form as u8) << 2;
        light.push(if tried.factor > 1 { head | FACTOR } else { head });
        put_i64(light, first);
        if tried.order == 2 {
            put_i64(light, self.orders[1][0]);
        }
        if tried.factor > 1 {
            put_u64(light, tried.factor);
        }
        let left = &self.orders[tried.order];
        match tried.form {
            Form::Zero => {}
            Form::Sparse => put_sparse(left, tried.factor, light),
            Form::Bits => {
                put_i64(light, tried.least);
                light.push(tried.width as u8);
                let numbers = left.iter().map(|&number| tried.offset(number));
                bits::pack(numbers, tried.width, dense);
                return true;
            }
            _ => {
                put_i64(light, tried.least);
                dense.extend_from_slice(&self.best);
                return true;
            }
        }
        false
    }

    /// The better one of sparse and bits.
    fn simple(&self, order: usize, factor: u64) -> Tried {
        let left = &self.orders[order];
        let divided = |number: i64| divide(number, factor);
        let least = left.iter().copied().map(divided).min().unwrap_or(0);
        let most = left.iter().copied().map(divided).max().unwrap_or(0);
        let width = 64 - (most.wrapping_sub(least) as u64).leading_zeros();
        let tried = |form, bytes| Tried { order, form, factor, least, width, bytes };
        let dense = bits::packed_bytes(left.len(), width) + length_u64(zigzag(least)) + 1;
        let few = left.iter().filter(|&&number| number != 0).count();
        let sparse = if few * 2 < dense { sparse_bytes(left, factor) } else { usize::MAX };
        if sparse <= dense { tried(Form::Sparse, sparse) } else { tried(Form::Bits, dense) }
    }

    /// The shortest way that some effort finds; entropy-coded bytes are in `best`.
    fn best(&mut self, values: &[i64]) -> Tried {
        let first = values[0];
        self.orders[0].clear();
        self.orders[0].extend(values[1..].iter().map(|value| value.wrapping_sub(first)));
        // What wrapped around is no multiple any more.
        let wide = self.orders.iter().flatten().any(|number| number.unsigned_abs() >= 1 << 61);
        let steps = self.orders[1].iter();
        let factor =
            if wide { 1 } else { steps.fold(0, |factor, &step| gcd(factor, step.unsigned_abs())).max(1) };
        let mut estimates = [0, 1, 2].map(|order| {
            let mut estimate = Estimate::default();
            self.orders[order].iter().for_each(|&number| estimate.add(divide(number, factor)));
            (estimate.bytes(), order)
        });
        estimates.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        let (likely, order) = estimates[0];
        let mut found = self.simple(order, factor);
        self.entropy(&mut found);
        for &(bytes, order) in &estimates[1..] {
            if bytes <= likely * CLOSE {
                let simple = self.simple(order, factor);
                let mut other = Tried { bytes: simple.bytes.min(found.bytes), ..simple };
                let tried = self.entropy(&mut other);
                if tried || simple.bytes < found.bytes {
                    found = other;
                }
            }
        }
        found
    }

    /// Tries entropy coding; whether that is shorter than `found`, which is then it.
    fn entropy(&mut self, found: &mut Tried) -> bool {
        let left = &self.orders[found.order];
        if left.len() < ENTROPY_MIN {
            return false;
        }
        self.tried.clear();
        let out = &mut self.tried;
        let numbers = left.iter().map(|&number| found.offset(number));
        let (classic, plain) = (ModeSpec::Classic, DeltaSpec::NoOp);
        let (form, written) = match found.width {
            0..=8 => {
                let numbers: Vec<_> = numbers.map(|number| number as u8).collect();
                (Form::Entropy8, entropy::compress(&numbers, classic, plain, out))
            }
            9..=16 => {
                let numbers: Vec<_> = numbers.map(|number| number as u16).collect();
                (Form::Entropy16, entropy::compress(&numbers, classic, plain, out))
            }
            17..=32 => {
                let numbers: Vec<_> = numbers.map(|number| number as u32).collect();
                (Form::Entropy32, entropy::compress(&numbers, classic, plain, out))
            }
            _ => {
                let numbers: Vec<_> = numbers.collect();
                (Form::Entropy64, entropy::compress(&numbers, classic, plain, out))
            }
        };
        let bytes = out.len() + length_u64(zigzag(found.least)) + length_u64(out.len() as u64);
        if written && bytes < found.bytes {
            (found.form, found.bytes) = (form, bytes);
            std::mem::swap(&mut self.tried, &mut self.best);
            return true;
        }
        false
    }
}

impl Tried {
    /// A number that is left, divided and counted from the smallest.
    fn offset(&self, number: i64) -> u64 {
        divide(number, self.factor).wrapping_sub(self.least) as u64
    }
}

fn differences(values: &[i64], out: &mut Vec<i64>) {
    out.clear();
    out.extend(values.array_windows().map(|[a, b]| b.wrapping_sub(*a)));
}

fn divide(number: i64, factor: u64) -> i64 {
    if factor == 1 {
        return number;
    }
    let size = (number.unsigned_abs() / factor) as i64;
    if number < 0 { size.wrapping_neg() } else { size }
}

fn put_sparse(left: &[i64], factor: u64, out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &number in left {
        if number == 0 {
            zeros += 1;
        } else {
            put_u64(out, zeros);
            put_i64(out, divide(number, factor));
            zeros = 0;
        }
    }
    if zeros > 0 {
        put_u64(out, zeros);
    }
}

fn sparse_bytes(left: &[i64], factor: u64) -> usize {
    let (mut bytes, mut zeros) = (0, 0);
    for &number in left {
        if number == 0 {
            zeros += 1;
        } else {
            bytes += length_u64(zeros) + length_u64(zigzag(divide(number, factor)));
            zeros = 0;
        }
    }
    if zeros > 0 { bytes + length_u64(zeros) } else { bytes }
}

/// Reads columns. Keeps its memory between them.
#[derive(Default)]
pub(crate) struct Decoder {
    narrow: Narrow,
}

#[derive(Default)]
struct Narrow {
    u8: Vec<u8>,
    u16: Vec<u16>,
    u32: Vec<u32>,
    u64: Vec<u64>,
}

impl Decoder {
    /// Appends `count` numbers to `values`; dense bytes are `dense`, or follow in `light`.
    pub(crate) fn decode(
        &mut self,
        light: &mut Cursor<'_>,
        dense: Option<&[u8]>,
        count: usize,
        values: &mut Vec<i64>,
    ) -> Result<(), Damage> {
        if count == 0 {
            return Ok(());
        }
        let head = light.u8()?;
        let order = usize::from(head & 3);
        let form = FORMS.get(usize::from(head >> 2 & 7)).copied();
        let Some(form) = form.filter(|_| order < 3 && head < 0x40) else {
            return Err(light.damage("a column of numbers has an unknown form"));
        };
        let first = light.i64()?;
        let step = if order == 2 { light.i64()? } else { 0 };
        let factor = if head & FACTOR == 0 { 1 } else { light.u64()?.cast_signed() };
        let start = values.len();
        values.reserve(count);
        values.push(first);
        if order == 2 && count > 1 {
            values.push(first.wrapping_add(step));
        }
        // What is left of differences comes into its place, and is summed up afterwards.
        let Some(left) = (start + count).checked_sub(values.len()).filter(|&left| left > 0) else {
            return Ok(());
        };
        match form {
            Form::Zero => values.resize(start + count, 0),
            Form::Sparse => {
                let end = start + count;
                while values.len() < end {
                    let zeros = light.length(end - values.len())?;
                    values.resize(values.len() + zeros, 0);
                    if values.len() < end {
                        values.push(light.i64()?.wrapping_mul(factor));
                    }
                }
            }
            Form::Bits => {
                let least = light.i64()?;
                let width = light.length(64)? as u32;
                let bytes = match dense {
                    Some(dense) => dense,
                    None => light.bytes()?,
                };
                if bytes.len() != bits::packed_bytes(left, width) {
                    return Err(light.damage("a column of numbers has another length than it says"));
                }
                bits::unpack(bytes, left, width, |number| {
                    values.push(least.wrapping_add(number.cast_signed()).wrapping_mul(factor));
                });
            }
            Form::Entropy8 | Form::Entropy16 | Form::Entropy32 | Form::Entropy64 => {
                let least = light.i64()?;
                let bytes = match dense {
                    Some(dense) => dense,
                    None => light.bytes()?,
                };
                let Narrow { u8, u16, u32, u64 } = &mut self.narrow;
                match form {
                    Form::Entropy8 => expand(bytes, left, least, factor, u8, values),
                    Form::Entropy16 => expand(bytes, left, least, factor, u16, values),
                    Form::Entropy32 => expand(bytes, left, least, factor, u32, values),
                    _ => expand(bytes, left, least, factor, u64, values),
                }
                .map_err(|damage| light.damage(damage.what))?;
            }
        }
        let column = &mut values[start..];
        match order {
            0 => column[1..].iter_mut().for_each(|value| *value = value.wrapping_add(first)),
            1 => {
                let mut sum = first;
                for value in &mut column[1..] {
                    sum = sum.wrapping_add(*value);
                    *value = sum;
                }
            }
            _ => {
                let (mut sum, mut step) = (column[1], step);
                for value in &mut column[2..] {
                    step = step.wrapping_add(*value);
                    sum = sum.wrapping_add(step);
                    *value = sum;
                }
            }
        }
        Ok(())
    }
}

/// An unsigned number that pco gives.
trait Widen: pco::data_types::Number + Default {
    fn widen(self) -> i64;
}

macro_rules! widen {
    ($($narrow:ty)*) => {$(
        impl Widen for $narrow {
            #[inline]
            fn widen(self) -> i64 {
                self as i64
            }
        }
    )*};
}

widen!(u8 u16 u32 u64);

fn expand<T: Widen>(
    bytes: &[u8],
    count: usize,
    least: i64,
    factor: i64,
    narrow: &mut Vec<T>,
    values: &mut Vec<i64>,
) -> Result<(), Damage> {
    narrow.resize(count, T::default());
    entropy::decompress(bytes, narrow)?;
    values.extend(narrow.iter().map(|number| least.wrapping_add(number.widen()).wrapping_mul(factor)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[i64], bytes_max: usize) {
        for effort in [Effort::Fast, Effort::Small] {
            let mut out = Vec::new();
            encode(values, effort, &mut out);
            if effort == Effort::Small {
                assert!(
                    out.len() <= bytes_max,
                    "{} bytes for {:?}",
                    out.len(),
                    &values[..values.len().min(9)]
                );
            }
            let mut found = vec![7];
            let mut cursor = Cursor::new(&out);
            decode(&mut cursor, values.len(), &mut found).unwrap();
            cursor.end().unwrap();
            assert_eq!(found[1..], *values);
        }
    }

    #[test]
    fn regular_columns_take_few_bytes() {
        let column = |of: fn(i64) -> i64| (0..1440).map(of).collect::<Vec<_>>();
        check(&column(|_| 5), 2);
        check(&column(|at| 1_700_000_000_000 + at * 5000), 10);
        check(&column(|at| if at < 700 { 5 } else { 9 }), 9);
        check(&column(|at| at * at * 3), 10);
        check(&column(|at| (at * 7919 % 5) * 4096), 700);
        check(&column(|at| i64::MIN + at * (1 << 52)), 30);
    }

    proptest! {
        #[test]
        fn come_back(
            values in prop::collection::vec(any::<i64>(), 0..200),
            shift in 0_u32..64,
            factor in prop::sample::select(vec![1, 2, 25, 4096, i64::MAX, i64::MIN]),
            sums in 0..3,
        ) {
            let mut values: Vec<_> = values.iter().map(|value| (value >> shift).wrapping_mul(factor)).collect();
            for _ in 0..sums {
                let mut sum = 0_i64;
                for value in &mut values {
                    sum = sum.wrapping_add(*value);
                    *value = sum;
                }
            }
            check(&values, usize::MAX);
        }

        #[test]
        fn mostly_equal_ones_come_back(
            changes in prop::collection::vec((0_usize..300, any::<i64>()), 0..9),
            value: i64,
        ) {
            let mut values = vec![value; 300];
            for (at, value) in changes {
                values[at..].fill(value);
            }
            check(&values, 250);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..300) {
            let mut values = Vec::new();
            if decode(&mut Cursor::new(&bytes), count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }
    }
}
