//! Columns of floats.
//!
//! A column is written in two parts: *light* bytes, which general compression may shorten, and *dense* ones, which are
//! entropy-coded already. Most columns are decimal fractions and become whole numbers (`decimal`, [`integers`]); where
//! another column of the same page moves alike, as buckets of one histogram do, only the difference to it is written.
//!
//! ```text
//! constant, whole: the number          constant: the bits
//! numbers: scale (4 bits), whether there are exceptions (1 bit); for one like another column: how many blocks before;
//!          column of numbers; exceptions: count, then for each: gap, bits
//! changes, planes, chunk of pco: see [`floats`]
//! ```

mod bits;
mod decimal;
mod entropy;
mod estimate;
mod floats;
pub mod integers;

use std::ops::Range;

use estimate::Estimate;

use crate::frame::Damage;
use crate::pack::Effort;
use crate::varint::{Cursor, put_bytes, put_i64, put_u64};

/// How a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// One whole number.
    ConstantInt = 0,
    /// One value.
    Constant = 1,
    /// Whole numbers of a decimal scale.
    Numbers = 2,
    /// The same with dense bytes.
    NumbersDense = 3,
    /// Whole numbers less those of another column.
    Like = 4,
    /// The same with dense bytes.
    LikeDense = 5,
    /// Entropy-coded floats, all dense.
    Floats = 6,
    /// Runs of values.
    Changes = 7,
    /// Changed bits, byte by byte.
    Planes = 8,
}

impl Codec {
    const ALL: [Self; 9] = [
        Self::ConstantInt,
        Self::Constant,
        Self::Numbers,
        Self::NumbersDense,
        Self::Like,
        Self::LikeDense,
        Self::Floats,
        Self::Changes,
        Self::Planes,
    ];

    pub(crate) fn as_u8(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_u8(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether the length of its light bytes has to be kept.
    pub(crate) fn has_length(self) -> bool {
        !matches!(self, Self::ConstantInt | Self::Constant | Self::Floats)
    }

    /// The length of light bytes, where it is plain from them.
    pub(crate) fn plain_length(self, light: &[u8]) -> Result<usize, Damage> {
        let mut cursor = Cursor::new(light);
        match self {
            Self::ConstantInt => drop(cursor.u64()?),
            Self::Constant => drop(cursor.fixed_u64()?),
            _ => {}
        }
        Ok(cursor.at())
    }

    pub(crate) fn has_dense(self) -> bool {
        matches!(self, Self::NumbersDense | Self::LikeDense | Self::Floats)
    }

    /// Whether it has whole numbers that another column can be like.
    pub(crate) fn has_numbers(self) -> bool {
        matches!(self, Self::Numbers | Self::NumbersDense | Self::Like | Self::LikeDense)
    }

    fn is_like(self) -> bool {
        matches!(self, Self::Like | Self::LikeDense)
    }
}

const EXCEPTIONS: u8 = 0x10;
/// A column is written like another one where that takes less than this part of its own bytes, as estimated.
const LIKE_GAIN: f64 = 0.9;
/// How many steps are compared first.
const PEER_STEPS: usize = 256;
/// With fewer floats, describing bins costs more than they spare.
const FLOATS_ENTROPY_MIN: usize = 48;

/// Another column of as many values, that one may be written like.
pub(crate) struct Peer<'a> {
    /// How many blocks before.
    pub(crate) distance: usize,
    pub(crate) scale: u8,
    pub(crate) numbers: &'a [i64],
}

/// What was written of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) codec: Codec,
    /// Which of the peers it is like.
    pub(crate) like: Option<usize>,
    /// The scale, where it has numbers.
    pub(crate) scale: Option<u8>,
}

/// Writes columns. Keeps its memory between them.
pub struct Encoder {
    effort: Effort,
    integers: integers::Encoder,
    numbers: Vec<i64>,
    exceptions: Vec<(u32, u64)>,
    less: Vec<i64>,
}

impl Encoder {
    /// One for an effort.
    pub fn new(effort: Effort) -> Self {
        Self {
            effort,
            integers: integers::Encoder::default(),
            numbers: Vec::new(),
            exceptions: Vec::new(),
            less: Vec::new(),
        }
    }

    /// Appends a column.
    pub fn encode(&mut self, values: &[f64], light: &mut Vec<u8>, dense: &mut Vec<u8>) -> Codec {
        self.encode_among(values, &[], light, dense).codec
    }

    /// Appends a column, perhaps as one like one of `peers`.
    pub(crate) fn encode_among(
        &mut self,
        values: &[f64],
        peers: &[Peer<'_>],
        light: &mut Vec<u8>,
        dense: &mut Vec<u8>,
    ) -> Written {
        let plain = |codec| Written { codec, like: None, scale: None };
        let first = values.first().copied().unwrap_or_default();
        if values.iter().all(|value| value.to_bits() == first.to_bits()) {
            let whole = first as i64;
            if (whole as f64).to_bits() == first.to_bits() {
                put_i64(light, whole);
                return plain(Codec::ConstantInt);
            }
            light.extend_from_slice(&first.to_bits().to_le_bytes());
            return plain(Codec::Constant);
        }
        let Some(scale) = decimal::scale(values, &mut self.numbers, &mut self.exceptions) else {
            return plain(self.encode_floats(values, light, dense));
        };
        light.push(if self.exceptions.is_empty() { scale } else { scale | EXCEPTIONS });
        let like = self.best_peer(scale, peers);
        let numbers = match like.map(|index| &peers[index]) {
            Some(peer) => {
                put_u64(light, peer.distance as u64);
                self.less.clear();
                self.less.extend(self.numbers.iter().zip(peer.numbers).map(|(a, b)| a.wrapping_sub(*b)));
                &self.less
            }
            None => &self.numbers,
        };
        let has_dense = self.integers.encode(numbers, self.effort, light, dense);
        if !self.exceptions.is_empty() {
            put_u64(light, self.exceptions.len() as u64);
            let mut next = 0;
            for &(index, bits) in &self.exceptions {
                put_u64(light, u64::from(index - next));
                light.extend_from_slice(&bits.to_le_bytes());
                next = index + 1;
            }
        }
        let codec = match (like, has_dense) {
            (None, false) => Codec::Numbers,
            (None, true) => Codec::NumbersDense,
            (Some(_), false) => Codec::Like,
            (Some(_), true) => Codec::LikeDense,
        };
        Written { codec, like, scale: Some(scale) }
    }

    /// The whole numbers of the column written last, where it has any.
    pub(crate) fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The peer that leaves least, where that is much less than what the column needs by itself.
    fn best_peer(&self, scale: u8, peers: &[Peer<'_>]) -> Option<usize> {
        let own = &self.numbers[..];
        let steps = own.len() - 1;
        // A part of them tells which peers are worth a closer look.
        let part = (steps / 2).saturating_sub(PEER_STEPS / 2)..(steps / 2 + PEER_STEPS / 2).min(steps);
        let without = |range: Range<usize>| {
            let mut estimate = Estimate::default();
            own[range.start..=range.end].array_windows().for_each(|[a, b]| estimate.add(b.wrapping_sub(*a)));
            estimate.bytes()
        };
        let with = |range: Range<usize>, numbers: &[i64]| {
            let mut estimate = Estimate::default();
            let own = own[range.start..=range.end].array_windows();
            for ([a, b], [c, d]) in own.zip(numbers[range.start..=range.end].array_windows()) {
                estimate.add(b.wrapping_sub(*a).wrapping_sub(d.wrapping_sub(*c)));
            }
            estimate.bytes()
        };
        let fits = |peer: &Peer<'_>| peer.scale == scale && peer.numbers.len() == own.len();
        let likely = peers.iter().enumerate().filter(|(_, peer)| fits(peer));
        let likely = likely.map(|(index, peer)| (with(part.clone(), peer.numbers), index));
        let (bytes, index) = likely.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        if bytes > without(part) * LIKE_GAIN {
            return None;
        }
        let all = 0..steps;
        (with(all.clone(), peers[index].numbers) < without(all) * LIKE_GAIN - 2.0).then_some(index)
    }

    fn encode_floats(&self, values: &[f64], light: &mut Vec<u8>, dense: &mut Vec<u8>) -> Codec {
        let changes = floats::changes_bytes(values);
        let start = dense.len();
        let entropy = self.effort == Effort::Small
            && values.len() >= FLOATS_ENTROPY_MIN
            && floats::compress(values, dense);
        let least = if entropy { dense.len() - start } else { values.len() * 8 };
        if entropy && least <= changes {
            return Codec::Floats;
        }
        dense.truncate(start);
        if changes < least {
            floats::put_changes(values, light);
            Codec::Changes
        } else {
            floats::put_planes(values, light);
            Codec::Planes
        }
    }

    /// Appends a column with all that [`Decoder::decode_whole`] needs.
    pub fn encode_whole(&mut self, values: &[f64], out: &mut Vec<u8>) {
        let (mut light, mut dense) = (Vec::new(), Vec::new());
        let codec = self.encode(values, &mut light, &mut dense);
        out.push(codec.as_u8());
        if codec.has_dense() {
            put_bytes(out, &dense);
        }
        out.extend_from_slice(&light);
    }
}

/// How numbers become floats again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    scale: u8,
    has_exceptions: bool,
    /// How many blocks before the column is that these numbers are to be added to.
    pub(crate) like: Option<usize>,
}

/// Reads columns. Keeps its memory between them.
#[derive(Default)]
pub struct Decoder {
    integers: integers::Decoder,
    numbers: Vec<i64>,
}

impl Decoder {
    /// Appends `count` values to `values`. `count` is trusted: memory for it is allocated.
    ///
    /// # Errors
    /// The bytes are not a column of so many values, or one that is like another.
    pub fn decode(
        &mut self,
        codec: Codec,
        count: usize,
        light: &mut Cursor<'_>,
        dense: &[u8],
        values: &mut Vec<f64>,
    ) -> Result<(), Damage> {
        match codec {
            Codec::ConstantInt => values.resize(values.len() + count, light.i64()? as f64),
            Codec::Constant => values.resize(values.len() + count, light.f64()?),
            Codec::Floats => floats::decompress(dense, count, values)?,
            Codec::Changes => floats::changes(light, count, values)?,
            Codec::Planes => floats::planes(light, count, values)?,
            Codec::Numbers | Codec::NumbersDense => {
                let mut numbers = std::mem::take(&mut self.numbers);
                numbers.clear();
                let read = self
                    .numbers(codec, count, light, dense, &mut numbers)
                    .and_then(|scaled| Self::floats(scaled, &numbers, light, values));
                self.numbers = numbers;
                read?;
            }
            Codec::Like | Codec::LikeDense => {
                return Err(light.damage("a column is like another one where there is none"));
            }
        }
        Ok(())
    }

    /// Appends the whole numbers of a column that has them.
    pub(crate) fn numbers(
        &mut self,
        codec: Codec,
        count: usize,
        light: &mut Cursor<'_>,
        dense: &[u8],
        numbers: &mut Vec<i64>,
    ) -> Result<Scaled, Damage> {
        let head = light.u8()?;
        if head >= 0x20 || !codec.has_numbers() {
            return Err(light.damage("a column has an unknown scale"));
        }
        let like = if codec.is_like() { Some(light.length(usize::MAX)?) } else { None };
        self.integers.decode(light, Some(dense), count, numbers)?;
        Ok(Scaled { scale: head & 0x0f, has_exceptions: head & EXCEPTIONS != 0, like })
    }

    /// Appends the values of whole numbers; exceptions follow in `light`.
    pub(crate) fn floats(
        scaled: Scaled,
        numbers: &[i64],
        light: &mut Cursor<'_>,
        values: &mut Vec<f64>,
    ) -> Result<(), Damage> {
        let start = values.len();
        decimal::floats(numbers, scaled.scale, values);
        if scaled.has_exceptions {
            let mut next = start;
            for _ in 0..light.length(numbers.len())? {
                let index = next.saturating_add(light.length(numbers.len())?);
                let Some(value) = values.get_mut(index) else {
                    return Err(light.damage("an exception is no value of its column"));
                };
                *value = light.f64()?;
                next = index + 1;
            }
        }
        Ok(())
    }

    /// Appends what [`Encoder::encode_whole`] wrote.
    pub fn decode_whole(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: usize,
        values: &mut Vec<f64>,
    ) -> Result<(), Damage> {
        let codec = Codec::from_u8(cursor.u8()?).ok_or(cursor.damage("a column has an unknown codec"))?;
        let dense = if codec.has_dense() { cursor.bytes()? } else { &[] };
        self.decode(codec, count, cursor, dense, values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (any::<i32>(), 0_u8..12).prop_map(|(number, scale)| f64::from(number) / decimal::power(scale)),
            any::<i64>().prop_map(|number| number as f64),
            prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE]),
        ]
    }

    fn check(values: &[f64], effort: Effort) {
        let mut out = Vec::new();
        Encoder::new(effort).encode_whole(values, &mut out);
        let (mut cursor, mut found) = (Cursor::new(&out), vec![1.5]);
        Decoder::default().decode_whole(&mut cursor, values.len(), &mut found).unwrap();
        cursor.end().unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found[1..]), bits(values));
    }

    proptest! {
        #[test]
        fn come_back(values in prop::collection::vec(value(), 0..150), small: bool) {
            check(&values, if small { Effort::Small } else { Effort::Fast });
        }

        #[test]
        fn alike_ones_come_back(
            value in value(),
            others in prop::collection::vec((0_usize..300, value()), 0..40),
            runs: bool,
            small: bool,
        ) {
            let mut values = vec![value; 300];
            for (at, value) in others {
                if runs { values[at..].fill(value) } else { values[at] = value }
            }
            check(&values, if small { Effort::Small } else { Effort::Fast });
        }

        #[test]
        fn decimals_come_back(steps in prop::collection::vec(-50_i64..5000, 1..300), scale in 0_u8..10, small: bool) {
            let mut sum = 0;
            let values: Vec<_> = steps.iter().map(|step| { sum += step; sum as f64 / decimal::power(scale) }).collect();
            check(&values, if small { Effort::Small } else { Effort::Fast });
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..300) {
            let mut values = Vec::new();
            if Decoder::default().decode_whole(&mut Cursor::new(&bytes), count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }
    }
}
