//! Columns of floats.

pub mod integers;

use crate::frame::Damage;
use crate::pack::Effort;
use crate::varint::{Cursor, put_bytes, put_i64};

/// How a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// One whole number: a varint.
    ConstantInt = 0,
    /// One value: its bits.
    Constant = 1,
    /// The bits of each.
    Plain = 2,
}

impl Codec {
    const ALL: [Self; 3] = [Self::ConstantInt, Self::Constant, Self::Plain];

    pub(crate) fn as_u8(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_u8(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether the length of its light bytes has to be kept.
    pub(crate) fn has_length(self) -> bool {
        !matches!(self, Self::ConstantInt | Self::Constant)
    }

    /// The length of light bytes, where it is plain from them.
    pub(crate) fn plain_length(self, light: &[u8]) -> Result<usize, Damage> {
        let mut cursor = Cursor::new(light);
        match self {
            Self::ConstantInt => drop(cursor.u64()?),
            _ => drop(cursor.fixed_u64()?),
        }
        Ok(cursor.at())
    }

    pub(crate) fn has_dense(self) -> bool {
        false
    }
}

/// Writes columns. Keeps its memory between them.
pub struct Encoder {
    _effort: Effort,
}

impl Encoder {
    /// One for an effort.
    pub fn new(effort: Effort) -> Self {
        Self { _effort: effort }
    }

    /// Appends a column: what general compression may shorten to `light`, the rest to `dense`.
    pub fn encode(&mut self, values: &[f64], light: &mut Vec<u8>, dense: &mut Vec<u8>) -> Codec {
        let _ = &dense;
        let first = values.first().copied().unwrap_or_default();
        if values.iter().all(|value| value.to_bits() == first.to_bits()) {
            let whole = first as i64;
            if (whole as f64).to_bits() == first.to_bits() {
                put_i64(light, whole);
                return Codec::ConstantInt;
            }
            light.extend_from_slice(&first.to_bits().to_le_bytes());
            return Codec::Constant;
        }
        for value in values {
            light.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Codec::Plain
    }
}

impl Encoder {
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

/// Reads columns. Keeps its memory between them.
#[derive(Default)]
pub struct Decoder {}

impl Decoder {
    /// Appends `count` values to `values`. `count` is trusted: memory for it is allocated.
    ///
    /// # Errors
    /// The bytes are not a column of so many values.
    pub fn decode(
        &mut self,
        codec: Codec,
        count: usize,
        light: &mut Cursor<'_>,
        _dense: &[u8],
        values: &mut Vec<f64>,
    ) -> Result<(), Damage> {
        match codec {
            Codec::ConstantInt => values.resize(values.len() + count, light.i64()? as f64),
            Codec::Constant => values.resize(values.len() + count, light.f64()?),
            Codec::Plain => {
                let bytes = light.take(count * 8)?;
                values.extend(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)));
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
