//! Where the pages of a segment are.
//!
//! ```text
//! packed: for each page: series since the last one of the page before, series in it, earliest time since the segment's
//!         earliest, latest before the segment's latest, offset since the end of the page before, length
//! ```

use crate::frame::{Damage, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_u64};

/// A page of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageEntry {
    pub(super) first_series: u32,
    pub(super) last_series: u32,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) place: Place,
}

/// A page of columns of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimesEntry {
    pub(super) first: u32,
    pub(super) place: Place,
}

/// No directory is longer when unpacked.
const BYTES_MAX: usize = 64 << 20;

pub(super) fn write_pages(pages: &[PageEntry], span: (i64, i64), packer: &mut Packer, out: &mut Vec<u8>) {
    let mut plain = Vec::new();
    let (mut series, mut offset) = (0, 0);
    for page in pages {
        put_u64(&mut plain, u64::from(page.first_series - series));
        put_u64(&mut plain, u64::from(page.last_series - page.first_series));
        put_u64(&mut plain, page.from_ms.wrapping_sub(span.0) as u64);
        put_u64(&mut plain, span.1.wrapping_sub(page.to_ms) as u64);
        put_place(&mut plain, page.place, &mut offset);
        series = page.last_series;
    }
    packer.pack(&plain, out);
}

pub(super) fn read_pages(body: &[u8], span: (i64, i64)) -> Result<Vec<PageEntry>, Damage> {
    let plain = unpack(body)?;
    let mut cursor = Cursor::new(&plain);
    let (mut pages, mut series, mut offset) = (Vec::new(), 0_usize, 0);
    while !cursor.is_empty() {
        let first = series + cursor.length(u32::MAX as usize - series)?;
        series = first + cursor.length(u32::MAX as usize - first)?;
        let from_ms = span.0.wrapping_add(cursor.u64()? as i64);
        let to_ms = span.1.wrapping_sub(cursor.u64()? as i64);
        let place = read_place(&mut cursor, &mut offset)?;
        pages.push(PageEntry {
            first_series: first as u32,
            last_series: series as u32,
            from_ms,
            to_ms,
            place,
        });
    }
    Ok(pages)
}

pub(super) fn write_times(pages: &[TimesEntry], packer: &mut Packer, out: &mut Vec<u8>) {
    let mut plain = Vec::new();
    let (mut first, mut offset) = (0, 0);
    for page in pages {
        put_u64(&mut plain, u64::from(page.first - first));
        put_place(&mut plain, page.place, &mut offset);
        first = page.first;
    }
    packer.pack(&plain, out);
}

pub(super) fn read_times(body: &[u8]) -> Result<Vec<TimesEntry>, Damage> {
    let plain = unpack(body)?;
    let mut cursor = Cursor::new(&plain);
    let (mut pages, mut first, mut offset) = (Vec::new(), 0_usize, 0);
    while !cursor.is_empty() {
        first += cursor.length(u32::MAX as usize - first)?;
        let place = read_place(&mut cursor, &mut offset)?;
        pages.push(TimesEntry { first: first as u32, place });
    }
    Ok(pages)
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut plain = Vec::new();
    if !body.is_empty() {
        let mut cursor = Cursor::new(body);
        Unpacker::default().unpack(&mut cursor, BYTES_MAX, &mut plain)?;
        cursor.end()?;
    }
    Ok(plain)
}

/// Pages of one kind follow each other, with pages of others in between.
pub(crate) fn put_place(out: &mut Vec<u8>, place: Place, offset: &mut u64) {
    put_u64(out, place.offset - *offset);
    put_u64(out, u64::from(place.length));
    *offset = place.offset + u64::from(place.length) + SEAL_BYTES as u64;
}

pub(crate) fn read_place(cursor: &mut Cursor<'_>, offset: &mut u64) -> Result<Place, Damage> {
    let gap = cursor.u64()?;
    let length = cursor.length(PIECE_BYTES_MAX)?;
    let place = offset.checked_add(gap).map(|offset| Place { offset, length: length as u32 });
    let end = place.and_then(|place| place.offset.checked_add(length as u64 + SEAL_BYTES as u64));
    match (place, end) {
        (Some(place), Some(end)) => {
            *offset = end;
            Ok(place)
        }
        _ => Err(cursor.damage("a page lies beyond the end of every file")),
    }
}
