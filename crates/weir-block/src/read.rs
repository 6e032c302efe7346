//! Where decoders read from.

use std::sync::Arc;

use weir_signal::ReadError;

/// A file, or something like it, whose bytes can be read at any place. It does not change while it is read.
pub trait ReadAt: Send + Sync {
    /// What errors call it.
    fn name(&self) -> &str;

    /// How many bytes it has.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] where it ends before that, [`ReadError::Io`] where it cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError>;
}

/// What a reader tells while it reads: what that costs, and what of it is damaged.
pub trait Watch {
    /// Rows or bytes are about to be decoded that whoever reads cannot count beforehand.
    ///
    /// # Errors
    /// Ends the read.
    fn charge(&mut self, rows: u64, bytes: u64) -> Result<(), ReadError>;

    /// Something is damaged or cannot be read: a page, a block. Goes on without it.
    ///
    /// # Errors
    /// Ends the read.
    fn leave_out(&mut self, error: ReadError) -> Result<(), ReadError>;
}

/// What was read; `None` where it is left out.
///
/// # Errors
/// `watch` does not go on without it.
pub fn or_left_out<T>(read: Result<T, ReadError>, watch: &mut dyn Watch) -> Result<Option<T>, ReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) => watch.leave_out(error).map(|()| None),
    }
}

/// Ends at the first damage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strict;

impl Watch for Strict {
    fn charge(&mut self, _: u64, _: u64) -> Result<(), ReadError> {
        Ok(())
    }

    fn leave_out(&mut self, error: ReadError) -> Result<(), ReadError> {
        Err(error)
    }
}

/// Bytes in memory.
#[derive(Debug, Clone)]
pub struct InMemory {
    name: String,
    bytes: Arc<[u8]>,
}

impl InMemory {
    /// `bytes` under the name that errors shall give them.
    pub fn new(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl ReadAt for InMemory {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from.checked_add(buffer.len());
        let Some(found) = end.and_then(|end| self.bytes.get(from..end)) else {
            return Err(too_short(self, offset, buffer.len()));
        };
        buffer.copy_from_slice(found);
        Ok(())
    }
}

/// The error of a file that ends before `offset + length`.
pub fn too_short(file: &dyn ReadAt, offset: u64, length: usize) -> ReadError {
    ReadError::Damaged {
        file: file.name().to_owned(),
        offset: offset.min(file.size()),
        what: format!("{length} bytes from byte {offset} on lie beyond its end at {}", file.size()),
    }
}

/// Replaces what is in `buffer` by `length` bytes from `offset` on. Nothing is allocated for bytes that are not there.
pub fn read_into(
    file: &dyn ReadAt,
    offset: u64,
    length: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), ReadError> {
    if offset.checked_add(length as u64).is_none_or(|end| end > file.size()) {
        return Err(too_short(file, offset, length));
    }
    buffer.resize(length, 0);
    file.read_at(offset, buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let file = InMemory::new("part/data", b"0123456789".to_vec());
        let mut buffer = Vec::new();
        read_into(&file, 3, 7, &mut buffer).unwrap();
        assert_eq!(buffer, b"3456789");
        for (offset, length) in [(3, 8), (11, 0), (u64::MAX, 1), (0, usize::MAX)] {
            let error = read_into(&file, offset, length, &mut buffer).unwrap_err();
            assert!(error.to_string().starts_with("part/data is damaged at byte"), "{error}");
            assert!(length > 100 || file.read_at(offset, &mut vec![0; length]).is_err());
        }
    }
}
