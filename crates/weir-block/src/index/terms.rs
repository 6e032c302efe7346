//! Pages of terms, each with the series that have it.
//!
//! ```text
//! page: values (crate::strings), packed: the series of each (postings)
//! directory: series; names; packed: for each name the count of its values; for each page count of terms, place;
//!            first values of pages
//! ```
//!
//! A page has at most [`PAGE_TERMS`] terms. Values are not repeated for names: which name a term has follows from its
//! number.

use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;
use weir_signal::{ReadError, STRING_BYTES_MAX};

use super::Index;
use super::postings::{self, Postings};
use crate::cache::Decoded;
use crate::frame::{Damage, FileWriter, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::pack::{Packer, Unpacker};
use crate::strings::{self, Strings};
use crate::varint::{Cursor, put_u64};

const PAGE_TERMS: usize = 256;
/// A page is closed when its lists of series or its values are as long.
const PAGE_BYTES: usize = 64 * 1024;
/// The values of a page with the longest that there can be.
const PAGE_TEXT_MAX: usize = PAGE_BYTES + STRING_BYTES_MAX;
/// What the directory can be unpacked to.
const DIRECTORY_BYTES_MAX: usize = 256 << 20;

/// Writes terms, ascending by name and value.
#[derive(Default)]
pub(super) struct TermsWriter {
    names: Vec<(String, u32)>,
    values: Vec<String>,
    text_bytes: usize,
    postings: Vec<u8>,
    pages: Vec<(u32, Place)>,
    firsts: Vec<String>,
    series: u32,
}

impl TermsWriter {
    pub(super) fn push(
        &mut self,
        name: &str,
        value: &str,
        series: &[u32],
        packer: &mut Packer,
        file: &mut FileWriter,
    ) {
        match self.names.last_mut() {
            Some((last, count)) if last == name => *count += 1,
            _ => self.names.push((name.to_owned(), 1)),
        }
        if self.values.is_empty() {
            self.firsts.push(value.to_owned());
        }
        self.values.push(value.to_owned());
        self.text_bytes += value.len();
        postings::write(series, &mut self.postings);
        self.series = self.series.max(series.last().map_or(0, |last| last + 1));
        if self.values.len() >= PAGE_TERMS || self.postings.len().max(self.text_bytes) >= PAGE_BYTES {
            self.close(packer, file);
        }
    }

    fn close(&mut self, packer: &mut Packer, file: &mut FileWriter) {
        let mut body = Vec::new();
        strings::encode(self.values.iter().map(String::as_str), packer, &mut body);
        packer.pack(&self.postings, &mut body);
        self.pages.push((self.values.len() as u32, file.put(&body)));
        self.values.clear();
        self.text_bytes = 0;
        self.postings.clear();
    }

    /// The directory.
    pub(super) fn finish(mut self, packer: &mut Packer, file: &mut FileWriter) -> Vec<u8> {
        if !self.values.is_empty() {
            self.close(packer, file);
        }
        let mut out = Vec::new();
        put_u64(&mut out, u64::from(self.series));
        strings::encode(self.names.iter().map(|(name, _)| name.as_str()), packer, &mut out);
        let mut numbers = Vec::new();
        for &(_, count) in &self.names {
            put_u64(&mut numbers, u64::from(count));
        }
        let mut offset = 0;
        for &(count, place) in &self.pages {
            put_u64(&mut numbers, u64::from(count));
            put_u64(&mut numbers, place.offset - offset);
            put_u64(&mut numbers, u64::from(place.length));
            offset = place.offset + u64::from(place.length) + SEAL_BYTES as u64;
        }
        packer.pack(&numbers, &mut out);
        strings::encode(self.firsts.iter().map(String::as_str), packer, &mut out);
        out
    }
}

/// Where terms are.
pub(super) struct Directory {
    series: u32,
    names: Strings,
    /// For each name its first term; at the end the count of all.
    name_starts: Vec<u32>,
    pages: Vec<Place>,
    /// For each page its first term; at the end the count of all.
    page_starts: Vec<u32>,
    firsts: Strings,
}

impl Directory {
    pub(super) fn read(body: &[u8]) -> Result<Self, Damage> {
        let (mut cursor, mut unpacker, mut numbers) = (Cursor::new(body), Unpacker::default(), Vec::new());
        let series = cursor.length(u32::MAX as usize)? as u32;
        let names = Strings::decode(&mut cursor, DIRECTORY_BYTES_MAX, &mut unpacker)?;
        unpacker.unpack(&mut cursor, DIRECTORY_BYTES_MAX, &mut numbers)?;
        let firsts = Strings::decode(&mut cursor, DIRECTORY_BYTES_MAX, &mut unpacker)?;
        cursor.end()?;
        let bad = || cursor.damage("the directory of labels does not fit together");
        let mut numbers = Cursor::new(&numbers);
        let mut total = 0_u32;
        let mut starts = Vec::new();
        for _ in 0..names.len() {
            starts.push(total);
            let count = numbers.length(u32::MAX as usize).map_err(|_| bad())?;
            total = total.checked_add(count as u32).filter(|_| count > 0).ok_or_else(bad)?;
        }
        starts.push(total);
        let (mut pages, mut page_starts, mut next, mut offset) = (Vec::new(), Vec::new(), 0_u32, 0_u64);
        for _ in 0..firsts.len() {
            page_starts.push(next);
            let count = numbers.length(PAGE_TERMS).map_err(|_| bad())?;
            next = next.checked_add(count as u32).filter(|_| count > 0).ok_or_else(bad)?;
            let gap = numbers.u64().map_err(|_| bad())?;
            let length = numbers.length(PIECE_BYTES_MAX).map_err(|_| bad())?;
            let place = offset.checked_add(gap).map(|offset| Place { offset, length: length as u32 });
            let place = place.ok_or_else(bad)?;
            offset = place.offset.checked_add(length as u64 + SEAL_BYTES as u64).ok_or_else(bad)?;
            pages.push(place);
        }
        page_starts.push(next);
        if next != total || !numbers.is_empty() || !names.iter().is_sorted_by(|a, b| a < b) {
            return Err(bad());
        }
        Ok(Self { series, names, name_starts: starts, pages, page_starts, firsts })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// The terms of a name.
    pub(super) fn range(&self, name: &str) -> Range<u32> {
        let at = partition(self.names.len(), |index| self.names.get(index) < Some(name));
        if self.names.get(at) == Some(name) { self.name_starts[at]..self.name_starts[at + 1] } else { 0..0 }
    }

    /// The page of a term, its name, and which of the page it is.
    pub(super) fn find(&self, term: u32) -> Option<(usize, &str, usize)> {
        if term >= *self.page_starts.last()? {
            return None;
        }
        let page = self.page_starts.partition_point(|&start| start <= term) - 1;
        let name = self.name_starts.partition_point(|&start| start <= term) - 1;
        Some((page, self.names.get(name)?, (term - self.page_starts[page]) as usize))
    }

    /// A page.
    pub(super) fn page(&self, index: &Index, page: usize) -> Result<Arc<Page>, ReadError> {
        let count = (self.page_starts[page + 1] - self.page_starts[page]) as usize;
        index.file.decoded(self.pages[page], |body| Page::read(&body, count, self.series))
    }

    /// Shows values and their series, ascending, until `visit` says `false`.
    pub(super) fn visit(
        &self,
        index: &Index,
        range: Range<u32>,
        mut visit: impl FnMut(&str, Postings<'_>) -> Result<bool, Damage>,
    ) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let first = self.page_starts.partition_point(|&start| start <= range.start) - 1;
        for number in first..self.pages.len() {
            let start = self.page_starts[number];
            if start >= range.end {
                break;
            }
            let page = self.page(index, number)?;
            let end = range.end.min(self.page_starts[number + 1]);
            let mut terms = (range.start.max(start) - start) as usize..(end - start) as usize;
            let go_on = terms.try_fold(true, |go_on, term| {
                let Some(value) = page.values.get(term).filter(|_| go_on) else { return Ok(false) };
                visit(value, page.postings(term, self.series)?)
            });
            if !go_on.map_err(|damage| index.damaged(self.pages[number], damage))? {
                break;
            }
        }
        Ok(())
    }

    /// The terms of `name` whose value begins with `prefix`, and perhaps some more.
    pub(super) fn prefixed(&self, name: &str, prefix: &str) -> Range<u32> {
        let range = self.range(name);
        if range.is_empty() || prefix.is_empty() {
            return range;
        }
        // Pages that begin within the name: those before the last one that begins before the prefix cannot have it.
        let low = self.page_starts.partition_point(|&start| start <= range.start);
        let high = self.page_starts.partition_point(|&start| start < range.end).min(self.pages.len());
        if low >= high {
            return range;
        }
        let first = |page: usize| self.firsts.get(page).unwrap_or_default();
        let begin = low + partition(high - low, |at| first(low + at) <= prefix);
        let beyond = |value: &str| value > prefix && !value.starts_with(prefix);
        let end = low + partition(high - low, |at| !beyond(first(low + at)));
        let start = if begin > low { self.page_starts[begin - 1] } else { range.start };
        let end = if end < high { self.page_starts[end] } else { range.end };
        start..end.max(start)
    }

    /// The series that have this value of this name.
    pub(super) fn exactly(&self, index: &Index, name: &str, value: &str) -> Result<RoaringBitmap, ReadError> {
        let range = self.prefixed(name, value);
        let first = self.page_starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        for number in first..self.pages.len() {
            let (start, end) = (self.page_starts[number], self.page_starts[number + 1].min(range.end));
            if start >= range.end {
                break;
            }
            let page = self.page(index, number)?;
            let low = (range.start.max(start) - start) as usize;
            let at =
                low + partition((end - start) as usize - low, |at| page.values.get(low + at) < Some(value));
            if at < (end - start) as usize {
                if page.values.get(at) != Some(value) {
                    break;
                }
                let found = page.postings(at, self.series).and_then(|postings| postings.bitmap());
                return found.map_err(|damage| index.damaged(self.pages[number], damage));
            }
        }
        Ok(RoaringBitmap::new())
    }

    pub(super) fn verify(&self, index: &Index, damages: &mut Vec<ReadError>) {
        for page in 0..self.pages.len() {
            let range = self.page_starts[page]..self.page_starts[page + 1];
            if let Err(error) = self.visit(index, range, |_, postings| postings.bitmap().map(|_| true)) {
                damages.push(error);
            }
        }
    }
}

/// A page that was read.
pub(super) struct Page {
    pub(super) values: Strings,
    /// The series of each, one after the other, and where each list ends.
    lists: Vec<u8>,
    ends: Vec<u32>,
}

impl Decoded for Page {
    fn bytes(&self) -> usize {
        self.values.bytes() + self.lists.capacity() + self.ends.capacity() * 4
    }
}

impl Page {
    /// Takes apart the body of a page with `count` terms, of an index with `series` series.
    fn read(body: &[u8], count: usize, series: u32) -> Result<Self, Damage> {
        let (mut cursor, mut unpacker, mut lists) = (Cursor::new(body), Unpacker::default(), Vec::new());
        let values = Strings::decode(&mut cursor, PAGE_TEXT_MAX, &mut unpacker)?;
        if values.len() != count {
            return Err(cursor.damage("a page of labels has another number of them than the directory says"));
        }
        // The last one may be a bitmap of all series.
        unpacker.unpack(&mut cursor, PAGE_BYTES + (1 << 20) + series as usize / 4, &mut lists)?;
        let mut list = Cursor::new(&lists);
        let mut ends = Vec::with_capacity(count);
        for _ in 0..count {
            Postings::read(&mut list, series)
                .map_err(|damage| Damage { at: cursor.at(), what: damage.what })?;
            ends.push(list.at() as u32);
        }
        cursor.end()?;
        Ok(Self { values, lists, ends })
    }

    /// The series of a term of the page.
    fn postings(&self, term: usize, series: u32) -> Result<Postings<'_>, Damage> {
        let start = if term == 0 { 0 } else { self.ends[term - 1] as usize };
        Postings::read(&mut Cursor::new(&self.lists[start..self.ends[term] as usize]), series)
    }
}

/// The first of `0..count` for which `before` is not so.
fn partition(count: usize, mut before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
