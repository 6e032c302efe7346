//! Which keys are in which blocks: fingerprints, sorted, in pages.
//!
//! Keys are hashes. Their range is cut into pages of some thousand keys, a page into buckets of about four; of a key a page
//! keeps the byte that follows its bucket, and the blocks that have it. A key is looked up by reading one page, however
//! many blocks there are; one that is not there is found with a probability of about 1 in 60, and then stands for the few
//! blocks of the key that it was taken for.
//!
//! ```text
//! page: for each bucket how many fingerprints it has; a byte of each; for each its blocks:
//!   0: in more than half of all; else (first block << 1 | whether there are more) + 1;
//!   where there are: how many more, then the distances between them
//! head, a named piece: how many keys, how many blocks, bits of a bucket, offset of the first page, the length of each page
//! ```

use weir_signal::ReadError;

use crate::frame::{Damage, FileReader, FileWriter, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::varint::{Cursor, put_u64};

/// Keys in a page: two or three thousand bytes, about what one read brings anyway.
const PAGE_KEYS: u64 = 1024;
const BUCKET_BITS_MAX: u32 = 8;
const REST_BITS: u32 = 8;

/// What of a key counts: with the number of its block it is one number, of which millions are sorted.
const KEY_BITS: u32 = 40;
/// So many blocks have numbers that fit beside a key.
pub(super) const BLOCKS_MAX: u32 = 1 << (64 - KEY_BITS);

/// Gathers the keys of a segment.
#[derive(Debug, Default)]
pub(super) struct FingerprintWriter {
    /// Key and block.
    keys: Vec<u64>,
}

impl FingerprintWriter {
    /// Adds a key of a block.
    pub(super) fn add(&mut self, key: u64, block: u32) {
        debug_assert!(block < BLOCKS_MAX);
        self.keys.push(counting(key) | u64::from(block));
    }

    /// Writes pages and head; gives how many different keys there are.
    pub(super) fn finish(mut self, blocks: u32, tag: u8, file: &mut FileWriter) -> u64 {
        self.keys.sort_unstable();
        self.keys.dedup();
        let keys = self.keys.chunk_by(|&a, &b| counting(a) == counting(b)).count() as u64;
        let shape = Shape::new(keys, blocks);
        let mut head = Vec::new();
        put_u64(&mut head, keys);
        put_u64(&mut head, u64::from(blocks));
        put_u64(&mut head, u64::from(shape.bucket_bits));
        put_u64(&mut head, file.size());
        let mut entries = self.keys.chunk_by(|&a, &b| shape.place(a) == shape.place(b)).peekable();
        let (mut page, mut rests, mut lists, mut list) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..shape.pages() {
            let mut counts = vec![0_u64; 1 << shape.bucket_bits];
            while let Some(entry) = entries.next_if(|entry| shape.place(entry[0]).0 == number) {
                let (_, bucket, rest) = shape.place(entry[0]);
                counts[bucket] += 1;
                rests.push(rest);
                list.clear();
                list.extend(entry.iter().map(|&entry| entry as u32 & (BLOCKS_MAX - 1)));
                list.sort_unstable();
                list.dedup();
                put_list(&list, blocks, &mut lists);
            }
            page.clear();
            for count in counts {
                put_u64(&mut page, count);
            }
            page.append(&mut rests);
            page.append(&mut lists);
            let place = file.put(&page);
            put_u64(&mut head, u64::from(place.length));
        }
        file.put_named(tag, &head);
        keys
    }
}

/// What of a key counts.
fn counting(key: u64) -> u64 {
    key & !(u64::from(BLOCKS_MAX) - 1)
}

/// Appends the blocks of a key, ascending, at least one.
pub(super) fn put_list(list: &[u32], blocks: u32, out: &mut Vec<u8>) {
    if list.len() as u64 > u64::from(blocks) / 2 {
        out.push(0);
        return;
    }
    let more = list.len() > 1;
    put_u64(out, (u64::from(list[0]) << 1 | u64::from(more)) + 1);
    if more {
        put_u64(out, list.len() as u64 - 1);
        for [a, b] in list.array_windows() {
            put_u64(out, u64::from(b - a));
        }
    }
}

/// Reads what [`put_list`] wrote.
pub(super) fn take_list(cursor: &mut Cursor<'_>, blocks: u32) -> Result<Blocks, Damage> {
    let head = cursor.u64()?;
    let Some(head) = head.checked_sub(1) else { return Ok(Blocks::All) };
    let mut list = vec![(head >> 1).min(u64::from(u32::MAX)) as u32];
    if head & 1 == 1 {
        for _ in 0..cursor.length(blocks as usize)? {
            let last = list[list.len() - 1];
            list.push(last.saturating_add(cursor.length(blocks as usize)? as u32));
        }
    }
    if list.last().is_none_or(|&last| last >= blocks) {
        return Err(cursor.damage("a key is in a block that is not there"));
    }
    Ok(Blocks::Some(list))
}

/// In which blocks a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blocks {
    /// In none.
    None,
    /// In these, ascending.
    Some(Vec<u32>),
    /// In so many that they are not told.
    All,
}

impl Blocks {
    pub(super) fn contains(&self, block: u32) -> bool {
        match self {
            Self::None => false,
            Self::Some(list) => list.binary_search(&block).is_ok(),
            Self::All => true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    keys: u64,
    blocks: u32,
    bucket_bits: u32,
}

impl Shape {
    fn new(keys: u64, blocks: u32) -> Self {
        let per_page = keys / keys.div_ceil(PAGE_KEYS).max(1);
        Self { keys, blocks, bucket_bits: (per_page / 4).next_power_of_two().ilog2().min(BUCKET_BITS_MAX) }
    }

    fn pages(self) -> u64 {
        self.keys.div_ceil(PAGE_KEYS)
    }

    /// Page, bucket and the byte behind it.
    fn place(self, key: u64) -> (u64, usize, u8) {
        let scaled = u128::from(counting(key)) * u128::from(self.pages());
        let fraction = scaled as u64 >> (64 - self.bucket_bits - REST_BITS);
        ((scaled >> 64) as u64, (fraction >> REST_BITS) as usize, fraction as u8)
    }
}

/// Looks keys up.
pub(super) struct Fingerprints {
    shape: Shape,
    pages: Vec<Place>,
}

impl Fingerprints {
    /// Reads the head.
    pub(super) fn open(file: &FileReader, tag: u8, blocks: usize) -> Result<Self, ReadError> {
        let (head, place) = file.read_named(tag)?;
        let read = || {
            let mut cursor = Cursor::new(&head);
            let keys = cursor.u64()?;
            let shape = Shape::new(keys, cursor.length(u32::MAX as usize)? as u32);
            if shape.blocks as usize != blocks || cursor.u64()? != u64::from(shape.bucket_bits) {
                return Err(cursor.damage("its fingerprints are those of other blocks"));
            }
            let mut offset = cursor.u64()?;
            let mut pages = Vec::new();
            while !cursor.is_empty() {
                let length = cursor.length(PIECE_BYTES_MAX)? as u32;
                pages.push(Place { offset, length });
                offset = offset.saturating_add(u64::from(length) + SEAL_BYTES as u64);
            }
            if pages.len() as u64 != shape.pages() {
                return Err(cursor.damage("it has another number of pages than its keys need"));
            }
            Ok(Self { shape, pages })
        };
        read().map_err(|damage| file.damaged(place, damage))
    }

    /// The blocks of a key.
    pub(super) fn find(&self, file: &FileReader, key: u64) -> Result<Blocks, ReadError> {
        if self.shape.keys == 0 {
            return Ok(Blocks::None);
        }
        let (page, wanted, rest) = self.shape.place(key);
        let mut found = Blocks::None;
        self.for_each(file, page, |bucket, byte, blocks| {
            if (bucket, byte) == (wanted, rest) {
                found = blocks;
            }
        })?;
        Ok(found)
    }

    fn for_each(
        &self,
        file: &FileReader,
        page: u64,
        mut each: impl FnMut(usize, u8, Blocks),
    ) -> Result<(), ReadError> {
        let place = self.pages[page as usize];
        let body = file.read(place)?;
        let mut cursor = Cursor::new(&body);
        let mut walk = || {
            let mut counts = Vec::new();
            for _ in 0..1_usize << self.shape.bucket_bits {
                counts.push(cursor.length(body.len())?);
            }
            let rests = cursor.take(counts.iter().sum())?;
            let mut rests = rests.iter();
            for (bucket, &count) in counts.iter().enumerate() {
                for &rest in rests.by_ref().take(count) {
                    each(bucket, rest, take_list(&mut cursor, self.shape.blocks)?);
                }
            }
            cursor.end()
        };
        walk().map_err(|damage: Damage| file.damaged(place, damage))
    }

    /// Reads all of it, and says what is damaged.
    pub(super) fn verify(&self, file: &FileReader) -> Vec<ReadError> {
        (0..self.pages.len() as u64)
            .filter_map(|page| self.for_each(file, page, |_, _, _| ()).err())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::frame::FileKind;
    use crate::read::InMemory;

    const KIND: FileKind = FileKind { name: *b"tst", version: 1 };

    fn check(keys: &[(u64, u32)], blocks: u32) -> (FileReader, Fingerprints) {
        let mut writer = FingerprintWriter::default();
        let mut expected: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for &(key, block) in keys {
            writer.add(key, block);
            expected.entry(key).or_default().push(block);
        }
        let mut file = FileWriter::new(KIND);
        file.put(b"before");
        writer.finish(blocks, 3, &mut file);
        let file = FileReader::open(Arc::new(InMemory::new("t", file.finish())), KIND).unwrap();
        let found = Fingerprints::open(&file, 3, blocks as usize).unwrap();
        for (key, blocks) in expected {
            let found = found.find(&file, key).unwrap();
            assert!(blocks.iter().all(|&block| found.contains(block)), "{key}: {found:?}");
        }
        assert_eq!(found.verify(&file), []);
        (file, found)
    }

    #[test]
    fn few_others_are_found() {
        let hash = |number: u64| xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
        let keys: Vec<_> = (0..50_000).map(|number| (hash(number), (number % 100) as u32)).collect();
        let (file, fingerprints) = check(&keys, 100);
        let wrong = (50_000..54_000)
            .filter(|&number| fingerprints.find(&file, hash(number)).unwrap() != Blocks::None)
            .count();
        assert!(wrong < 4000 / 40, "{wrong} of 4000 keys that are not there were found");
    }

    proptest! {
        #[test]
        fn every_key_is_found(
            keys in prop::collection::vec((any::<u64>(), 0_u32..9), 0..300),
            low: bool,
        ) {
            let keys: Vec<_> = keys.into_iter().map(|(key, block)| (if low { key % 8 } else { key }, block)).collect();
            check(&keys, 9);
        }
    }
}
