//! Pages of blocks: the unit that is read, checked and unpacked at once.
//!
//! A block is at most [`ROW_SAMPLES_MAX`] samples of one series. Blocks of neighbouring series lie in one page, column by
//! column, so that what they have in common is packed away; a page is full at about [`PAGE_BYTES`], so that reading one
//! series decodes little of others.
//!
//! ```text
//! number of the first series, count of blocks
//! packed: a byte each: codec of values (5 bits), whether starts and histograms follow, whether it goes on with the
//!         series of the block before
//! packed: varints each: number of the column of times
//! packed: varints of those whose length is not plain from their codec: light bytes; where the codec has any: dense bytes
//! packed: light bytes, one block after the other
//! dense bytes, one block after the other: they are entropy-coded already
//! ```

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::ROW_SAMPLES_MAX;
use super::extras;
use super::samples::Samples;
use crate::cache::Decoded;
use crate::frame::Damage;
use crate::pack::{Effort, Packer, Unpacker};
use crate::values::{self, Codec, Peer, Scaled};
use crate::varint::{Cursor, put_u64};

/// A page is closed when light and dense bytes together are as long,
pub(crate) const PAGE_BYTES: usize = 64 * 1024;
/// unless it has fewer blocks than this: long blocks too shall find others that they are like,
const PAGE_ROWS_MIN: usize = 16;
/// but not when it is as long.
const PAGE_BYTES_MAX: usize = 256 * 1024;
/// And when it has as many blocks, however short.
pub(crate) const PAGE_ROWS_MAX: usize = 2048;
/// What damaged lengths can claim at most.
const LIGHT_BYTES_MAX: usize = 64 << 20;

/// How many blocks of one column of times are compared with the next one.
const ALIKE_MAX: usize = 16;
/// A block is like one that is like one: so long a chain has to be followed when one is read.
const LIKE_DEPTH_MAX: usize = 6;

const CODEC_BITS: u8 = 0x1f;
const HAS_EXTRAS: u8 = 0x40;
const GOES_ON: u8 = 0x80;

/// Builds pages.
pub(crate) struct PageWriter {
    effort: Effort,
    packer: Packer,
    encoder: values::Encoder,
    first_series: u32,
    last_series: Option<u32>,
    heads: Vec<u8>,
    times: Vec<u8>,
    lengths: Vec<u8>,
    light: Vec<u8>,
    dense: Vec<u8>,
    /// Blocks of this page that others may be written like, by their column of times.
    alike: HashMap<u32, VecDeque<Alike>>,
    from_ms: i64,
    to_ms: i64,
}

/// A block that others may be written like.
struct Alike {
    row: usize,
    scale: u8,
    /// How many others have to be decoded for it.
    depth: usize,
    numbers: Vec<i64>,
}

/// A finished page and what the directory says of it.
pub(crate) struct Page {
    pub(crate) first_series: u32,
    pub(crate) last_series: u32,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) body: Vec<u8>,
}

impl PageWriter {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            effort,
            packer: Packer::of(effort),
            encoder: values::Encoder::new(effort),
            first_series: 0,
            last_series: None,
            heads: Vec::new(),
            times: Vec::new(),
            lengths: Vec::new(),
            light: Vec::new(),
            dense: Vec::new(),
            alike: HashMap::new(),
            from_ms: i64::MAX,
            to_ms: i64::MIN,
        }
    }

    /// Adds a block: the samples of `range`, whose times are column `times`.
    pub(crate) fn push(&mut self, series: u32, times: u32, samples: &Samples, range: Range<usize>) {
        let (light, dense) = (self.light.len(), self.dense.len());
        let codec = self.values(times, &samples.values[range.clone()]);
        let mut head = codec.as_u8();
        debug_assert!(head & !CODEC_BITS == 0);
        match self.last_series {
            None => self.first_series = series,
            Some(last) if last == series => head |= GOES_ON,
            Some(last) => debug_assert_eq!(last + 1, series, "series are numbered without gaps"),
        }
        self.last_series = Some(series);
        if extras::write(samples, range.clone(), self.effort, &mut self.light) {
            head |= HAS_EXTRAS;
        }
        if head & HAS_EXTRAS != 0 || codec.has_length() {
            put_u64(&mut self.lengths, (self.light.len() - light) as u64);
        }
        if codec.has_dense() {
            put_u64(&mut self.lengths, (self.dense.len() - dense) as u64);
        }
        self.heads.push(head);
        put_u64(&mut self.times, u64::from(times));
        for &time in &samples.times[range] {
            self.from_ms = self.from_ms.min(time);
            self.to_ms = self.to_ms.max(time);
        }
    }

    fn values(&mut self, times: u32, values: &[f64]) -> Codec {
        let Self { encoder, light, dense, .. } = self;
        if self.effort == Effort::Fast {
            return encoder.encode(values, light, dense);
        }
        let row = self.heads.len();
        let alike = self.alike.get(&times);
        let peers: Vec<_> = alike
            .into_iter()
            .flatten()
            .filter(|alike| alike.depth < LIKE_DEPTH_MAX)
            .map(|alike| Peer { distance: row - alike.row, scale: alike.scale, numbers: &alike.numbers })
            .collect();
        let written = encoder.encode_among(values, &peers, light, dense);
        if let Some(scale) = written.scale {
            let like = written.like.map(|index| row - peers[index].distance);
            let alike = self.alike.entry(times).or_default();
            let depth = alike.iter().find(|alike| Some(alike.row) == like).map_or(0, |alike| alike.depth + 1);
            alike.push_back(Alike { row, scale, depth, numbers: encoder.numbers().to_vec() });
            if alike.len() > ALIKE_MAX {
                alike.pop_front();
            }
        }
        written.codec
    }

    /// The page, once it is full; `flush` where it need not be.
    pub(crate) fn take_page(&mut self, flush: bool) -> Option<Page> {
        let (bytes, rows) = (self.light.len() + self.dense.len(), self.heads.len());
        let long = if rows < PAGE_ROWS_MIN { PAGE_BYTES_MAX } else { PAGE_BYTES };
        let full = bytes >= long || rows >= PAGE_ROWS_MAX;
        let last_series = self.last_series?;
        if !(full || flush) {
            return None;
        }
        let mut body = Vec::with_capacity(self.dense.len() + self.light.len() / 2 + 64);
        put_u64(&mut body, u64::from(self.first_series));
        put_u64(&mut body, self.heads.len() as u64);
        for column in [&mut self.heads, &mut self.times, &mut self.lengths, &mut self.light] {
            self.packer.pack(column, &mut body);
            column.clear();
        }
        body.append(&mut self.dense);
        self.alike.clear();
        let page = Page {
            first_series: self.first_series,
            last_series,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            body,
        };
        (self.last_series, self.from_ms, self.to_ms) = (None, i64::MAX, i64::MIN);
        Some(page)
    }
}

/// A block within a page.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) series: u32,
    pub(crate) times: u32,
    pub(crate) codec: Codec,
    pub(crate) has_extras: bool,
    light: Range<u32>,
    dense: Range<u32>,
}

/// A page that was read.
pub(crate) struct OpenPage {
    rows: Vec<Row>,
    light: Vec<u8>,
    /// The page; its dense bytes begin at `dense`.
    body: Vec<u8>,
    dense: usize,
}

impl Decoded for OpenPage {
    fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.light.capacity() + self.body.capacity()
    }
}

impl OpenPage {
    /// Takes apart the body of a page.
    pub(crate) fn read(body: Vec<u8>) -> Result<Self, Damage> {
        let (mut unpacker, mut column, mut light) = (Unpacker::default(), Vec::new(), Vec::new());
        let mut cursor = Cursor::new(&body);
        let first_series = cursor.length(u32::MAX as usize)? as u32;
        let count = cursor.length(PAGE_ROWS_MAX)?;
        let mut heads = Vec::new();
        unpacker.unpack(&mut cursor, PAGE_ROWS_MAX, &mut heads)?;
        if heads.len() != count {
            return Err(cursor.damage("a page has another number of blocks than it says"));
        }
        unpacker.unpack(&mut cursor, PAGE_ROWS_MAX * 5, &mut column)?;
        let mut numbers = Cursor::new(&column);
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let number = numbers.length(u32::MAX as usize);
            times.push(number.map_err(|_| cursor.damage("a page has damaged columns of times"))? as u32);
        }
        unpacker.unpack(&mut cursor, PAGE_ROWS_MAX * 10, &mut column)?;
        unpacker.unpack(&mut cursor, LIGHT_BYTES_MAX, &mut light)?;
        let dense_start = cursor.at();
        let dense = cursor.rest();
        let mut lengths = Cursor::new(&column);
        let (mut series, mut light_at, mut dense_at) = (first_series, 0, 0);
        let mut rows = Vec::with_capacity(count);
        for (index, (&head, &times)) in heads.iter().zip(times.iter()).enumerate() {
            let bad = |what| Damage { at: cursor.at(), what };
            if index > 0 && head & GOES_ON == 0 {
                series = series.checked_add(1).ok_or(bad("a page has too many series"))?;
            }
            let codec = Codec::from_u8(head & CODEC_BITS).ok_or(bad("a block has an unknown codec"))?;
            let has_extras = head & HAS_EXTRAS != 0;
            let wrong = |_| bad("the lengths of blocks are wrong");
            let length = if has_extras || codec.has_length() {
                lengths.length(light.len() - light_at).map_err(wrong)?
            } else {
                codec.plain_length(&light[light_at..]).map_err(wrong)?
            };
            // Neither is longer than a piece may be, which fits.
            let light = light_at as u32..(light_at + length) as u32;
            light_at += length;
            let length =
                if codec.has_dense() { lengths.length(dense.len() - dense_at).map_err(wrong)? } else { 0 };
            let dense = dense_at as u32..(dense_at + length) as u32;
            dense_at += length;
            rows.push(Row { series, times, codec, has_extras, light, dense });
        }
        if light_at != light.len() || dense_at != dense.len() || !lengths.is_empty() {
            return Err(cursor.damage("the lengths of blocks are wrong"));
        }
        Ok(Self { rows, light, body, dense: dense_start })
    }

    /// How many bytes were read for it.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// Its blocks, ascending by series.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The blocks of one series.
    pub(crate) fn rows_of(&self, series: u32) -> Range<usize> {
        self.rows.partition_point(|row| row.series < series)
            ..self.rows.partition_point(|row| row.series <= series)
    }

    fn light(&self, row: &Row) -> &[u8] {
        &self.light[row.light.start as usize..row.light.end as usize]
    }

    fn dense(&self, row: &Row) -> &[u8] {
        &self.body[self.dense..][row.dense.start as usize..row.dense.end as usize]
    }
}

/// Reads blocks of pages, one page after the other.
#[derive(Default)]
pub(crate) struct BlockReader {
    numbers: Vec<i64>,
    /// Numbers of blocks of the page that were read, the oldest first.
    kept: VecDeque<Kept>,
}

impl BlockReader {
    /// To be called before blocks of another page are read.
    pub(crate) fn turn(&mut self) {
        self.kept.clear();
    }

    /// Appends the `count` values of a block; gives what follows them in its light bytes.
    pub(crate) fn values<'a>(
        &mut self,
        page: &'a OpenPage,
        index: usize,
        count: usize,
        decoder: &mut values::Decoder,
        values: &mut Vec<f64>,
    ) -> Result<Cursor<'a>, Damage> {
        debug_assert!(count <= ROW_SAMPLES_MAX);
        let summed = if matches!(page.rows[index].codec, Codec::Like | Codec::LikeDense) {
            let mut numbers = std::mem::take(&mut self.numbers);
            numbers.clear();
            let summed = self.sum(page, index, count, 0, decoder, &mut numbers);
            self.numbers = numbers;
            Some(summed?)
        } else {
            None
        };
        let row = &page.rows[index];
        let mut light = Cursor::new(page.light(row));
        if let Some((scaled, at)) = summed {
            light.take(at)?;
            values::Decoder::floats(scaled, &self.numbers, &mut light, values)?;
        } else {
            decoder.decode(row.codec, count, &mut light, page.dense(row), values)?;
        }
        if !row.has_extras {
            light.end()?;
        }
        Ok(light)
    }

    /// Appends the whole numbers of a block, those of the block that it is like added; and how many light bytes they took.
    /// Blocks that others are like are often read next, and so their numbers are kept for a while.
    fn sum(
        &mut self,
        page: &OpenPage,
        index: usize,
        count: usize,
        depth: usize,
        decoder: &mut values::Decoder,
        numbers: &mut Vec<i64>,
    ) -> Result<(Scaled, usize), Damage> {
        let row = &page.rows[index];
        let mut light = Cursor::new(page.light(row));
        let start = numbers.len();
        let scaled = decoder.numbers(row.codec, count, &mut light, page.dense(row), numbers)?;
        let at = light.at();
        if let Some(distance) = scaled.like {
            let other = index.checked_sub(distance).filter(|_| distance > 0 && depth < LIKE_DEPTH_MAX);
            let other = other.ok_or(light.damage("a block is like one that is none"))?;
            let fits = |kept: &&Kept| kept.row == other && kept.numbers.len() == count;
            if let Some(kept) = self.kept.iter().find(fits) {
                add(&mut numbers[start..], &kept.numbers);
            } else {
                self.sum(page, other, count, depth + 1, decoder, numbers)?;
                let (own, others) = numbers[start..].split_at_mut(count);
                add(own, others);
                numbers.truncate(start + count);
            }
        }
        let mut kept =
            if self.kept.len() < KEPT_MAX { None } else { self.kept.pop_front() }.unwrap_or_default();
        kept.row = index;
        kept.numbers.clear();
        kept.numbers.extend_from_slice(&numbers[start..]);
        self.kept.push_back(kept);
        Ok((scaled, at))
    }
}

fn add(own: &mut [i64], others: &[i64]) {
    own.iter_mut().zip(others).for_each(|(own, other)| *own = own.wrapping_add(*other));
}

/// Whole numbers of a block.
#[derive(Default)]
struct Kept {
    row: usize,
    numbers: Vec<i64>,
}

/// How many blocks' numbers are kept.
const KEPT_MAX: usize = 8;
