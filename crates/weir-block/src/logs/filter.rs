//! The filter file: which keys ([`super::tokens`]) are in which blocks.
//!
//! One sorted list of short fingerprints for the whole segment, cut into pages by their value: a key is looked up by
//! reading one page, however many blocks there are. A key that is not there is found with a probability of about 1 in 80,
//! and then stands for the few blocks of the key that it was taken for.
//!
//! ```text
//! piece 1: how many fingerprints, bits of each, how many blocks; for each page the length of its piece
//! page: bits; for each fingerprint of its range, ascending:
//!   0, then its distance from the one before (quotient by 2^6 in unary, rest in 6 bits); 1 at the end of the page
//!   in how many blocks it is (gamma; the number of all blocks where it is in more than half of them: then nothing follows)
//!   the first block (truncated binary), the distances to the others (gamma)
//! ```

use weir_signal::ReadError;

use super::FILTER;
use super::bits::{BitReader, BitWriter};
use super::tokens::{LONG_KEY, Need, SPARSE_KEY};
use crate::frame::{Damage, FileReader, FileWriter, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::varint::{Cursor, put_u64};

const HEAD: u8 = 1;
/// By how many bits a fingerprint is longer than the number of them: what makes a wrong hit rare.
const SPARE_BITS: u32 = 6;
/// Fingerprints in a page: two or three thousand bytes, about what one read brings anyway.
const PAGE_KEYS: u64 = 1536;
/// More needs are not looked up: what they could still spare is less than what they cost.
const NEEDS_MAX: usize = 32;
/// More keys of a set are not looked up, for the same reason.
const KEYS_MAX: usize = 8;

/// Gathers the keys of a segment.
#[derive(Debug, Default)]
pub(super) struct FilterWriter {
    keys: Vec<(u64, u32)>,
}

impl FilterWriter {
    /// Adds the keys of a block, sorted and each once. Blocks come in ascending order.
    pub(super) fn add_block(&mut self, block: u32, keys: &[u64]) {
        self.keys.extend(keys.iter().map(|&key| (key, block)));
    }

    /// The file.
    pub(super) fn finish(mut self, blocks: u32) -> Vec<u8> {
        self.keys.sort_unstable();
        let distinct = self.keys.chunk_by(|(a, _), (b, _)| a == b).count() as u64;
        let shape = Shape { keys: distinct, bits: (distinct + 1).ilog2() + 1 + SPARE_BITS, blocks };
        let mut file = FileWriter::new(FILTER);
        let mut head = Vec::new();
        put_u64(&mut head, shape.keys);
        put_u64(&mut head, u64::from(shape.bits));
        put_u64(&mut head, u64::from(blocks));
        let fingerprint = |key: u64| key >> (64 - shape.bits);
        let mut entries = self.keys.chunk_by(|&(a, _), &(b, _)| fingerprint(a) == fingerprint(b)).peekable();
        let mut list = Vec::new();
        for page in 0..shape.pages() {
            let mut bits = BitWriter::default();
            let mut last = shape.start(page);
            while let Some(entry) = entries.next_if(|entry| shape.page(fingerprint(entry[0].0)) == page) {
                let next = fingerprint(entry[0].0);
                bits.put(0, 1);
                bits.put_unary((next - last) >> SPARE_BITS);
                bits.put((next - last) & ((1 << SPARE_BITS) - 1), SPARE_BITS);
                last = next;
                list.clear();
                list.extend(entry.iter().map(|&(_, block)| block));
                list.sort_unstable();
                list.dedup();
                put_blocks(&mut bits, &list, blocks);
            }
            bits.put(1, 1);
            let place = file.put(&bits.finish());
            put_u64(&mut head, u64::from(place.length));
        }
        file.put_named(HEAD, &head);
        file.finish()
    }
}

fn put_blocks(bits: &mut BitWriter, list: &[u32], blocks: u32) {
    let count = list.len() as u32;
    if count > blocks / 2 {
        bits.put_gamma(blocks);
        return;
    }
    bits.put_gamma(count);
    bits.put_below(list[0], blocks);
    for [a, b] in list.array_windows() {
        bits.put_gamma(b - a);
    }
}

/// What the head says.
#[derive(Debug, Clone, Copy)]
struct Shape {
    keys: u64,
    bits: u32,
    blocks: u32,
}

impl Shape {
    fn pages(self) -> u64 {
        self.keys.div_ceil(PAGE_KEYS)
    }

    fn page(self, fingerprint: u64) -> u64 {
        ((u128::from(fingerprint) * u128::from(self.pages())) >> self.bits) as u64
    }

    /// The least fingerprint that can be in a page.
    fn start(self, page: u64) -> u64 {
        (u128::from(page) << self.bits).div_ceil(u128::from(self.pages())) as u64
    }
}

/// Looks keys up.
pub(super) struct FilterReader {
    file: FileReader,
    shape: Shape,
    pages: Vec<Place>,
}

impl FilterReader {
    pub(super) fn open(file: FileReader, blocks: usize) -> Result<Self, ReadError> {
        let (head, place) = file.read_named(HEAD)?;
        let read = || {
            let mut cursor = Cursor::new(&head);
            let shape = Shape {
                keys: cursor.u64()?,
                bits: cursor.length(63)? as u32,
                blocks: cursor.length(u32::MAX as usize)? as u32,
            };
            if shape.blocks as usize != blocks {
                return Err(cursor.damage("it is the filter of a segment of other blocks"));
            }
            let mut pages = Vec::new();
            let mut offset = crate::frame::HEAD_BYTES as u64;
            while !cursor.is_empty() {
                let length = cursor.length(PIECE_BYTES_MAX)? as u32;
                pages.push(Place { offset, length });
                offset += u64::from(length) + SEAL_BYTES as u64;
            }
            if pages.len() as u64 != shape.pages() || (shape.bits < SPARE_BITS && shape.keys > 0) {
                return Err(cursor.damage("it has another number of pages than its keys need"));
            }
            Ok((shape, pages))
        };
        let (shape, pages) = read().map_err(|damage| file.damaged(place, damage))?;
        Ok(Self { file, shape, pages })
    }

    /// Looks up what is needed.
    pub(super) fn find<'a>(&self, needs: &'a [Need]) -> Result<Found<'a>, ReadError> {
        let needs = &needs[..needs.len().min(NEEDS_MAX)];
        let sets = needs.iter().flat_map(|need| &need.keys);
        let mut keys: Vec<u64> = sets.flat_map(|set| set.iter().take(KEYS_MAX)).copied().collect();
        if needs.iter().any(|need| need.or_long || need.or_sparse) {
            keys.extend([LONG_KEY, SPARSE_KEY]);
        }
        keys.sort_unstable();
        keys.dedup();
        let blocks = self.look_up(&keys)?;
        Ok(Found { needs, keys, blocks })
    }

    /// The blocks of each key; the keys are ascending, so that each page is read once.
    fn look_up(&self, keys: &[u64]) -> Result<Vec<Blocks>, ReadError> {
        let mut found = vec![Blocks::None; keys.len()];
        if self.shape.keys == 0 {
            return Ok(found);
        }
        let fingerprint = |key: u64| key >> (64 - self.shape.bits);
        let mut at = 0;
        for group in
            keys.chunk_by(|&a, &b| self.shape.page(fingerprint(a)) == self.shape.page(fingerprint(b)))
        {
            let page = self.shape.page(fingerprint(group[0]));
            let wanted = &mut found[at..at + group.len()];
            self.for_each(page, |entry, blocks| {
                let first = group.partition_point(|&key| fingerprint(key) < entry);
                for (key, found) in group[first..].iter().zip(&mut wanted[first..]) {
                    if fingerprint(*key) != entry {
                        break;
                    }
                    found.clone_from(&blocks);
                }
            })?;
            at += group.len();
        }
        Ok(found)
    }

    fn for_each(&self, page: u64, mut each: impl FnMut(u64, Blocks)) -> Result<(), ReadError> {
        let place = self.pages[page as usize];
        let body = self.file.read(place)?;
        let mut bits = BitReader::new(&body);
        let mut walk = || {
            let mut last = self.shape.start(page);
            while bits.take(1)? == 0 {
                let far = bits.take_unary()?;
                last = last.saturating_add(far << SPARE_BITS | bits.take(SPARE_BITS)?);
                each(last, Blocks::take(&mut bits, self.shape.blocks)?);
            }
            Ok(())
        };
        walk().map_err(|damage: Damage| self.file.damaged(place, damage))
    }

    /// Reads all of it, and says what is damaged.
    pub(super) fn verify(&self) -> Vec<ReadError> {
        (0..self.pages.len() as u64).filter_map(|page| self.for_each(page, |_, _| ()).err()).collect()
    }
}

/// What the filter says of needs.
pub(super) struct Found<'a> {
    needs: &'a [Need],
    keys: Vec<u64>,
    /// Of each key.
    blocks: Vec<Blocks>,
}

impl Found<'_> {
    /// The needs that a block does not meet by its keys.
    pub(super) fn missing(&self, block: u32) -> impl Iterator<Item = &Need> {
        let has = move |key: u64| {
            self.keys.binary_search(&key).is_ok_and(|place| self.blocks[place].contains(block))
        };
        self.needs.iter().filter(move |need| {
            let met = need.keys.iter().any(|set| set.iter().take(KEYS_MAX).all(|&key| has(key)));
            !(met || need.or_long && has(LONG_KEY) || need.or_sparse && has(SPARSE_KEY))
        })
    }
}

/// In which blocks a key is.
#[derive(Debug, Clone)]
enum Blocks {
    None,
    Some(Vec<u32>),
    All,
}

impl Blocks {
    fn take(bits: &mut BitReader<'_>, blocks: u32) -> Result<Self, Damage> {
        let count = bits.take_gamma()?;
        if count > blocks / 2 {
            return Ok(Self::All);
        }
        let mut last = bits.take_below(blocks)?;
        let mut list = vec![last];
        for _ in 1..count {
            last = last.saturating_add(bits.take_gamma()?);
            list.push(last);
        }
        Ok(Self::Some(list))
    }

    fn contains(&self, block: u32) -> bool {
        match self {
            Self::None => false,
            Self::Some(list) => list.binary_search(&block).is_ok(),
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::read::InMemory;

    fn reader(blocks: &[Vec<u64>]) -> FilterReader {
        let mut writer = FilterWriter::default();
        for (number, keys) in (0..).zip(blocks) {
            let mut keys = keys.clone();
            keys.sort_unstable();
            keys.dedup();
            writer.add_block(number, &keys);
        }
        let file = Arc::new(InMemory::new("filter", writer.finish(blocks.len() as u32)));
        FilterReader::open(FileReader::open(file, FILTER).unwrap(), blocks.len()).unwrap()
    }

    fn spread(number: u64) -> u64 {
        crate::frame::checksum(&number.to_le_bytes())
    }

    #[test]
    fn few_keys_are_found_where_they_are_not() {
        let blocks: Vec<Vec<u64>> =
            (0..40).map(|block| (0..500).map(|key| spread(block * 500 + key)).collect()).collect();
        let filter = reader(&blocks);
        let needs: Vec<Need> = (0..20_000)
            .map(|key| Need { keys: vec![vec![spread(1 << 40 | key)]], ..Need::default() })
            .collect();
        let mut wrong = 0;
        for need in needs.chunks(NEEDS_MAX) {
            for need in need {
                let found = filter.find(std::slice::from_ref(need)).unwrap();
                wrong += (0..40).filter(|&block| found.missing(block).next().is_none()).count();
            }
        }
        assert!((100..500).contains(&wrong), "{wrong} of 20,000");
        assert!(filter.verify().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_there_is_found(
            blocks in prop::collection::vec(prop::collection::vec(0_u64..5000, 0..400), 0..9),
            everywhere: bool,
        ) {
            let blocks: Vec<Vec<u64>> = blocks
                .iter()
                .map(|keys| {
                    let extremes = if everywhere { &[0, u64::MAX][..] } else { &[] };
                    keys.iter().map(|&key| spread(key)).chain(extremes.iter().copied()).collect()
                })
                .collect();
            let filter = reader(&blocks);
            for (number, keys) in (0..).zip(&blocks) {
                for keys in keys.chunks(KEYS_MAX) {
                    let need = Need { keys: vec![keys.to_vec()], ..Need::default() };
                    let needs = [need];
                    prop_assert!(filter.find(&needs)?.missing(number).next().is_none());
                }
            }
        }
    }
}
