//! Pages of series, each with its terms.
//!
//! ```text
//! page: packed: for each series, terms shared with the one before (a byte); packed: terms of its own, how many (a byte);
//!       packed: those terms, varints
//! directory: series; packed: places of pages
//! ```
//!
//! A page has [`PAGE_SERIES`] series, the last one fewer.

use std::sync::Arc;

use weir_signal::ReadError;

use super::Index;
use crate::cache::Decoded;
use crate::frame::{Damage, FileWriter, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_u64};

const PAGE_SERIES: usize = 512;
/// What damaged lengths can claim at most.
const BYTES_MAX: usize = 64 << 20;

/// Writes series in their order.
#[derive(Default)]
pub(super) struct TableWriter {
    last: Vec<u32>,
    lengths: Vec<u8>,
    terms: Vec<u8>,
    rows: usize,
    series: u32,
    pages: Vec<Place>,
}

impl TableWriter {
    pub(super) fn push(&mut self, row: &[u32], packer: &mut Packer, file: &mut FileWriter) {
        let shared = self.last.iter().zip(row).take_while(|(a, b)| a == b).count();
        put_u64(&mut self.lengths, shared as u64);
        put_u64(&mut self.lengths, (row.len() - shared) as u64);
        for &term in &row[shared..] {
            put_u64(&mut self.terms, u64::from(term));
        }
        self.last.clear();
        self.last.extend_from_slice(row);
        self.rows += 1;
        self.series += 1;
        if self.rows == PAGE_SERIES {
            self.close(packer, file);
        }
    }

    fn close(&mut self, packer: &mut Packer, file: &mut FileWriter) {
        let mut body = Vec::new();
        packer.pack(&self.lengths, &mut body);
        packer.pack(&self.terms, &mut body);
        self.pages.push(file.put(&body));
        self.lengths.clear();
        self.terms.clear();
        self.last.clear();
        self.rows = 0;
    }

    /// The directory.
    pub(super) fn finish(mut self, packer: &mut Packer, file: &mut FileWriter) -> Vec<u8> {
        if self.rows > 0 {
            self.close(packer, file);
        }
        let (mut out, mut places, mut offset) = (Vec::new(), Vec::new(), 0);
        put_u64(&mut out, u64::from(self.series));
        for place in &self.pages {
            put_u64(&mut places, place.offset - offset);
            put_u64(&mut places, u64::from(place.length));
            offset = place.offset + u64::from(place.length) + SEAL_BYTES as u64;
        }
        packer.pack(&places, &mut out);
        out
    }
}

/// Where series are.
pub(super) struct Directory {
    series: u32,
    pages: Vec<Place>,
}

/// A page of series that was read.
pub(super) struct Page {
    terms: Vec<u32>,
    ends: Vec<u32>,
}

/// The page that was read last, and which it is.
pub(super) type LastPage = Option<(usize, Arc<Page>)>;

impl Decoded for Page {
    fn bytes(&self) -> usize {
        (self.terms.capacity() + self.ends.capacity()) * 4
    }
}

impl Directory {
    pub(super) fn read(body: &[u8]) -> Result<Self, Damage> {
        let (mut cursor, mut places) = (Cursor::new(body), Vec::new());
        let series = cursor.length(u32::MAX as usize)? as u32;
        Unpacker::default().unpack(&mut cursor, BYTES_MAX, &mut places)?;
        cursor.end()?;
        let bad = || cursor.damage("the directory of series does not fit together");
        let (mut places, mut pages, mut offset) = (Cursor::new(&places), Vec::new(), 0_u64);
        while !places.is_empty() {
            let gap = places.u64().map_err(|_| bad())?;
            let length = places.length(PIECE_BYTES_MAX).map_err(|_| bad())?;
            let place = offset.checked_add(gap).map(|offset| Place { offset, length: length as u32 });
            let place = place.ok_or_else(bad)?;
            offset = place.offset.checked_add(length as u64 + SEAL_BYTES as u64).ok_or_else(bad)?;
            pages.push(place);
        }
        if pages.len() != (series as usize).div_ceil(PAGE_SERIES) {
            return Err(bad());
        }
        Ok(Self { series, pages })
    }

    pub(super) fn series(&self) -> u32 {
        self.series
    }

    /// The page of a series.
    pub(super) fn page_of(&self, series: u32) -> Option<usize> {
        (series < self.series).then_some(series as usize / PAGE_SERIES)
    }

    /// The terms of a series, which has to be there.
    pub(super) fn row<'a>(
        &self,
        index: &Index,
        series: u32,
        last: &'a mut LastPage,
    ) -> Result<&'a [u32], ReadError> {
        let number = self.page_of(series).unwrap_or(usize::MAX);
        let Some(&place) = self.pages.get(number) else {
            return Err(index.damaged(Place::default(), Damage { at: 0, what: "it has no such series" }));
        };
        let kept = last.take().filter(|(kept, _)| *kept == number);
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let count = PAGE_SERIES.min(self.series as usize - number * PAGE_SERIES);
                (number, index.file.decoded(place, |body| Page::read(&body, count))?)
            }
        };
        let (_, page) = last.insert(kept);
        let within = series as usize % PAGE_SERIES;
        let start = if within == 0 { 0 } else { page.ends[within - 1] };
        Ok(&page.terms[start as usize..page.ends[within] as usize])
    }

    /// The error of a series whose terms are not there.
    pub(super) fn damaged(&self, index: &Index, series: u32) -> ReadError {
        let place = self.page_of(series).and_then(|page| self.pages.get(page)).copied().unwrap_or_default();
        index.damaged(place, Damage { at: 0, what: "a series has labels that are none" })
    }
}

/// Labels of one series, and terms of one page: bounds on what is allocated.
const PAGE_LABELS_MAX: usize = 16 << 20;

impl Page {
    fn read(body: &[u8], count: usize) -> Result<Self, Damage> {
        let mut unpacker = Unpacker::default();
        let (mut cursor, mut lengths, mut own) = (Cursor::new(body), Vec::new(), Vec::new());
        unpacker.unpack(&mut cursor, BYTES_MAX, &mut lengths)?;
        unpacker.unpack(&mut cursor, BYTES_MAX, &mut own)?;
        cursor.end()?;
        let bad = |_| cursor.damage("a page of series does not fit together");
        let (mut lengths, mut own) = (Cursor::new(&lengths), Cursor::new(&own));
        let mut page = Self { terms: Vec::new(), ends: Vec::with_capacity(count) };
        let mut last = 0..0;
        for _ in 0..count {
            let shared = lengths.length(last.len()).map_err(bad)?;
            let more = lengths.length(own.left()).map_err(bad)?;
            let start = page.terms.len();
            if start + shared + more > PAGE_LABELS_MAX {
                return Err(cursor.damage("a page of series has too many labels"));
            }
            page.terms.extend_from_within(last.start..last.start + shared);
            for _ in 0..more {
                page.terms.push(own.length(u32::MAX as usize).map_err(bad)? as u32);
            }
            last = start..page.terms.len();
            page.ends.push(page.terms.len() as u32);
        }
        lengths.end().and_then(|()| own.end()).map_err(bad)?;
        Ok(page)
    }
}
