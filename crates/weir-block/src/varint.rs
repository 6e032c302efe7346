//! Numbers of as few bytes as they need, and a cursor that believes no length it has not checked.
//!
//! Unsigned numbers are LEB128: seven bits a byte, least significant first. Signed ones are zigzagged before.

use crate::frame::Damage;

/// The longest number, in bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends an unsigned number.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, zigzag(value));
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Numbers close to zero become small ones.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// What [`zigzag`] was given.
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes [`put_u64`] takes for `value`.
#[inline]
pub const fn length_u64(value: u64) -> usize {
    (63 - (value | 1).leading_zeros() as usize) / 7 + 1
}

/// Reads bytes from front to back.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// One that stands before the first byte.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether none is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// What is left, without reading it.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// An error at this place.
    #[cold]
    pub fn damage(&self, what: &'static str) -> Damage {
        Damage { at: self.at, what }
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        if length > self.left() {
            return Err(self.damage("it ends too early"));
        }
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Damage> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(self.damage("it ends too early")),
        }
    }

    /// What [`put_u64`] wrote. Padding (`80 00`) is refused, so that a number has one form.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Damage> {
        let first = self.u8()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.long_u64(first) }
    }

    fn long_u64(&mut self, first: u8) -> Result<u64, Damage> {
        let mut value = u64::from(first & 0x7f);
        for place in 1..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            if byte == 0 || (place == VARINT_BYTES_MAX - 1 && byte > 1) {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damage("a number is longer than it may be"))
    }

    /// What [`put_i64`] wrote.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Damage> {
        Ok(unzigzag(self.u64()?))
    }

    /// A count or length of at most `max`.
    #[inline]
    pub fn length(&mut self, max: usize) -> Result<usize, Damage> {
        match self.u64()? {
            length if length <= max as u64 => Ok(length as usize),
            _ => Err(self.damage("a count is larger than it may be")),
        }
    }

    /// What [`put_bytes`] wrote.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length(self.left())?;
        self.take(length)
    }

    /// Text that [`put_bytes`] wrote.
    pub fn text(&mut self) -> Result<&'a str, Damage> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.damage("a text is not UTF-8"))
    }

    /// Eight bytes, least significant first.
    #[inline]
    pub fn fixed_u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The bits of a float.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, Damage> {
        Ok(f64::from_bits(self.fixed_u64()?))
    }

    /// # Errors
    /// Something is left.
    pub fn end(&self) -> Result<(), Damage> {
        if self.is_empty() { Ok(()) } else { Err(self.damage("it goes on after its end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11], &[0x80]] {
            assert!(Cursor::new(bytes).u64().is_err(), "{bytes:x?}");
        }
        assert!(Cursor::new(&[5, 1, 2]).bytes().is_err());
        assert!(Cursor::new(&[9]).length(8).is_err());
        assert!(Cursor::new(&[1, 0xff]).text().is_err());
    }

    proptest! {
        #[test]
        fn come_back(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_u64(&mut out, value);
            prop_assert_eq!(out.len(), length_u64(value));
            put_i64(&mut out, value as i64);
            put_bytes(&mut out, b"ab");
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.u64()?, value);
            prop_assert_eq!(cursor.i64()?, value as i64);
            prop_assert_eq!(cursor.text()?, "ab");
            cursor.end()?;
        }
    }
}
