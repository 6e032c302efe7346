//! What every file has in common: a head that says what it is, sealed pieces, and a table of where they are.
//!
//! ```text
//! head: "weir", kind (3 bytes), version (1 byte)
//! piece: body, XXH3-64 of the body          any number of them
//! table: piece of (tag, offset, length)*    only named pieces stand in it
//! tail: offset of the table (8 bytes), length of its body (4 bytes), XXH3-64 of these twelve (8 bytes)
//! ```
//!
//! A piece is checked whenever it is read, so that a flipped bit is found in the piece that it is in and nowhere else.
//! All fixed-size numbers are little-endian.

use std::sync::Arc;

use weir_signal::ReadError;
use xxhash_rust::xxh3::xxh3_64;

use crate::cache::{Cache, Decoded, FileCache};
use crate::read::{ReadAt, read_into};
use crate::varint::{Cursor, put_u64};

/// The length of a file's head.
pub const HEAD_BYTES: usize = 8;
/// What a checksum adds to a piece.
pub const SEAL_BYTES: usize = 8;
const TAIL_BYTES: usize = 20;
/// No piece is longer: a bound on what a reader allocates at once.
pub const PIECE_BYTES_MAX: usize = 1 << 30;

/// Bytes that are not what they should be. Pure decoders give it; whoever knows the file makes a [`ReadError`] of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub struct Damage {
    /// Where, counted from the first byte that the decoder was given.
    pub at: usize,
    /// What was found.
    pub what: &'static str,
}

impl Damage {
    /// The same damage, of bytes that begin at `base` of `file`.
    pub fn within(self, file: &str, base: u64) -> ReadError {
        ReadError::Damaged {
            file: file.to_owned(),
            offset: base.saturating_add(self.at as u64),
            what: self.what.to_owned(),
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKind {
    /// Three characters.
    pub name: [u8; 3],
    /// Grows when readers of before cannot read it any more.
    pub version: u8,
}

impl FileKind {
    fn head(self) -> [u8; HEAD_BYTES] {
        let [a, b, c] = self.name;
        [b'w', b'e', b'i', b'r', a, b, c, self.version]
    }

    /// Checks a file's head.
    ///
    /// # Errors
    /// It is another kind of file, or of a version that this program does not know.
    pub fn check(self, file: &dyn ReadAt) -> Result<(), ReadError> {
        let mut head = Vec::new();
        read_into(file, 0, HEAD_BYTES, &mut head)?;
        let expected = self.head();
        let damaged =
            |what: String| Err(ReadError::Damaged { file: file.name().to_owned(), offset: 0, what });
        if head[..7] != expected[..7] {
            return damaged(format!("its head is not that of a `{}` file", self.name.escape_ascii()));
        }
        if head[7] != self.version {
            return damaged(format!(
                "it has version {} where this program reads version {}; use a newer Weir",
                head[7], self.version
            ));
        }
        Ok(())
    }
}

/// Where the body of a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Its first byte.
    pub offset: u64,
    /// Its length without the checksum.
    pub length: u32,
}

/// The checksum of a piece.
pub fn checksum(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// Writes a file from front to back. It may be taken away as it grows.
#[derive(Debug)]
pub struct FileWriter {
    out: Vec<u8>,
    /// Bytes that were taken already.
    taken: u64,
    named: Vec<(u8, Place)>,
}

impl FileWriter {
    /// A file of this kind without pieces.
    pub fn new(kind: FileKind) -> Self {
        Self { out: kind.head().to_vec(), taken: 0, named: Vec::new() }
    }

    /// How many bytes were written.
    pub fn size(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Writes a piece. Whoever wrote it keeps its place.
    pub fn put(&mut self, body: &[u8]) -> Place {
        debug_assert!(body.len() <= PIECE_BYTES_MAX);
        let place = Place { offset: self.size(), length: body.len() as u32 };
        self.out.extend_from_slice(body);
        self.out.extend_from_slice(&checksum(body).to_le_bytes());
        place
    }

    /// Writes a piece that readers find by its tag. One tag is used once.
    pub fn put_named(&mut self, tag: u8, body: &[u8]) {
        let place = self.put(body);
        self.named.push((tag, place));
    }

    /// How many bytes wait for [`FileWriter::take`].
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// What was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// Writes the table and the tail, and gives what was not taken.
    pub fn finish(mut self) -> Vec<u8> {
        let mut table = Vec::new();
        for (tag, place) in &self.named {
            table.push(*tag);
            put_u64(&mut table, place.offset);
            put_u64(&mut table, u64::from(place.length));
        }
        let place = self.put(&table);
        let mut tail = [0; 12];
        tail[..8].copy_from_slice(&place.offset.to_le_bytes());
        tail[8..].copy_from_slice(&place.length.to_le_bytes());
        self.out.extend_from_slice(&tail);
        self.out.extend_from_slice(&checksum(&tail).to_le_bytes());
        self.out
    }
}

/// Reads pieces of a file.
#[derive(Clone)]
pub struct FileReader {
    file: Arc<dyn ReadAt>,
    named: Vec<(u8, Place)>,
    cache: Option<Arc<FileCache>>,
}

impl FileReader {
    /// Reads head, tail and table.
    ///
    /// # Errors
    /// What of them is damaged, or that the file cannot be read.
    pub fn open(file: Arc<dyn ReadAt>, kind: FileKind) -> Result<Self, ReadError> {
        let mut opened = Self::open_without_table(file, kind)?;
        let file = &opened.file;
        let size = file.size();
        let mut bytes = Vec::new();
        read_into(&**file, size.saturating_sub(TAIL_BYTES as u64), TAIL_BYTES, &mut bytes)?;
        let base = size - TAIL_BYTES as u64;
        let mut tail = Cursor::new(&bytes);
        let place = (|| {
            let place = Place { offset: tail.fixed_u64()?, length: u32::from_le_bytes(tail.array()?) };
            if tail.fixed_u64()? != checksum(&bytes[..12]) {
                return Err(Damage {
                    at: 0,
                    what: "its tail has another checksum; it may have been cut off",
                });
            }
            Ok(place)
        })()
        .map_err(|damage| damage.within(file.name(), base))?;
        let table = opened.read(place)?;
        let mut cursor = Cursor::new(&table);
        let mut named = Vec::new();
        while !cursor.is_empty() {
            let entry = (|| {
                let tag = cursor.u8()?;
                let offset = cursor.u64()?;
                Ok((tag, Place { offset, length: cursor.length(PIECE_BYTES_MAX)? as u32 }))
            })();
            named.push(entry.map_err(|damage: Damage| damage.within(file.name(), place.offset))?);
        }
        opened.named = named;
        Ok(opened)
    }

    /// Reads the head only: of a file whose pieces another file knows.
    pub fn open_without_table(file: Arc<dyn ReadAt>, kind: FileKind) -> Result<Self, ReadError> {
        kind.check(&*file)?;
        Ok(Self { file, named: Vec::new(), cache: None })
    }

    /// The same file, whose decoded pieces are kept in `cache` from now on; nowhere without one.
    #[must_use]
    pub fn with_cache(mut self, cache: Option<&Arc<Cache>>) -> Self {
        self.cache = cache.map(|cache| Arc::new(FileCache::new(cache)));
        self
    }

    /// The file.
    pub fn file(&self) -> &dyn ReadAt {
        &*self.file
    }

    /// The named pieces, in the order in which they were written.
    pub fn named(&self) -> &[(u8, Place)] {
        &self.named
    }

    /// Where the piece of this tag is.
    pub fn find(&self, tag: u8) -> Option<Place> {
        self.named.iter().find(|&&(found, _)| found == tag).map(|&(_, place)| place)
    }

    /// The body of the piece of this tag and its place; an empty one where there is none.
    pub fn read_named(&self, tag: u8) -> Result<(Vec<u8>, Place), ReadError> {
        match self.find(tag) {
            Some(place) => Ok((self.read(place)?, place)),
            None => Ok((Vec::new(), Place::default())),
        }
    }

    /// The body of a piece.
    pub fn read(&self, place: Place) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        self.read_into(place, &mut body)?;
        Ok(body)
    }

    /// As [`FileReader::read`], into memory that is there.
    ///
    /// # Errors
    /// Its checksum is another, it lies beyond the end of the file, or the file cannot be read.
    pub fn read_into(&self, place: Place, body: &mut Vec<u8>) -> Result<(), ReadError> {
        let length = place.length as usize;
        read_into(&*self.file, place.offset, length + SEAL_BYTES, body)?;
        let (found, seal) = body.split_at(length);
        if checksum(found).to_le_bytes() != *seal {
            let what = format!("the {length} bytes from there on have another checksum");
            return Err(ReadError::Damaged { file: self.file.name().to_owned(), offset: place.offset, what });
        }
        body.truncate(length);
        Ok(())
    }

    /// What `decode` makes of the body of a piece, or what it made of it before. One place is always decoded to one type.
    ///
    /// # Errors
    /// As [`FileReader::read_into`], and what `decode` finds.
    pub fn decoded<T: Decoded>(
        &self,
        place: Place,
        decode: impl FnOnce(Vec<u8>) -> Result<T, Damage>,
    ) -> Result<Arc<T>, ReadError> {
        if let Some(kept) = self.cache.as_ref().and_then(|cache| cache.get(place.offset)) {
            return Ok(kept);
        }
        let decoded = decode(self.read(place)?).map_err(|damage| self.damaged(place, damage))?;
        let decoded = Arc::new(decoded);
        if let Some(cache) = &self.cache {
            cache.put(place.offset, &decoded);
        }
        Ok(decoded)
    }

    /// An error of a decoder that was given the body of the piece at `place`.
    pub fn damaged(&self, place: Place, damage: Damage) -> ReadError {
        damage.within(self.file.name(), place.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::InMemory;

    const KIND: FileKind = FileKind { name: *b"tst", version: 1 };

    fn written() -> (Vec<u8>, Place) {
        let mut writer = FileWriter::new(KIND);
        let place = writer.put(b"somewhere");
        let mut bytes = writer.take();
        writer.put_named(7, b"by name");
        bytes.extend(writer.finish());
        (bytes, place)
    }

    fn read(bytes: Vec<u8>, place: Place) -> Result<[Vec<u8>; 3], ReadError> {
        let reader = FileReader::open(Arc::new(InMemory::new("t", bytes)), KIND)?;
        Ok([reader.read(place)?, reader.read_named(7)?.0, reader.read_named(8)?.0])
    }

    #[test]
    fn pieces_come_back() {
        let (bytes, place) = written();
        assert_eq!(read(bytes, place).unwrap(), [b"somewhere".to_vec(), b"by name".to_vec(), Vec::new()]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let (bytes, place) = written();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = read(flipped, place).unwrap_err();
            assert!(error.to_string().starts_with("t is damaged at byte "), "{bit}: {error}");
        }
        for length in 0..bytes.len() {
            assert!(read(bytes[..length].to_vec(), place).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn another_kind_or_version_says_so() {
        let file = || Arc::new(InMemory::new("t", written().0));
        let check = |kind, expect: &str| {
            let error = FileReader::open(file(), kind).err().unwrap().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(FileKind { name: *b"abc", version: 1 }, "not that of a `abc` file");
        check(FileKind { name: *b"tst", version: 2 }, "version 1 where this program reads version 2");
    }
}
