//! Exemplars of a segment, in pages ascending by series.
//!
//! ```text
//! packed: until it ends: series since the one before, count, columns: times, values, labels as their encoded strings
//! ```

use weir_signal::{Exemplar, Labels};

use super::directory::{put_place, read_place};
use crate::frame::{Damage, Place};
use crate::pack::{Effort, Packer, Unpacker};
use crate::strings::{self, Strings};
use crate::times;
use crate::values::{Decoder, Encoder};
use crate::varint::{Cursor, put_u64};

/// A page is closed when it is as long,
const PAGE_BYTES: usize = 64 * 1024;
/// or has as many exemplars,
const PAGE_COUNT: usize = 16 * 1024;
/// or its labels, unpacked, are as long.
const PAGE_LABEL_BYTES: usize = 1 << 20;
/// The most exemplars that are written as one list.
const LIST_COUNT_MAX: usize = 1024;
/// What labels of one exemplar can be long; more than one list of those does not get into a full page.
pub(super) const LABEL_BYTES_MAX: usize = 1 << 20;
/// What a page can be unpacked to.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// Gathers exemplars, ascending by series.
pub(super) struct ExemplarWriter {
    effort: Effort,
    packer: Packer,
    plain: Packer,
    page: Vec<u8>,
    count: usize,
    label_bytes: usize,
    ready: Vec<(u32, Vec<u8>)>,
    first: u32,
    last: u32,
}

impl ExemplarWriter {
    pub(super) fn new(effort: Effort) -> Self {
        Self {
            effort,
            packer: Packer::of(effort),
            plain: Packer::of(Effort::Fast),
            page: Vec::new(),
            count: 0,
            label_bytes: 0,
            ready: Vec::new(),
            first: 0,
            last: 0,
        }
    }

    pub(super) fn push(&mut self, series: u32, exemplars: &[Exemplar]) {
        if self.page.is_empty() {
            (self.first, self.last) = (series, series);
        }
        let mut rest = exemplars;
        while !rest.is_empty() {
            let mut label_bytes = 0;
            let fit = rest.iter().take(LIST_COUNT_MAX).take_while(|exemplar| {
                let before = label_bytes;
                label_bytes += exemplar.labels.as_encoded().len();
                before == 0 || label_bytes <= LABEL_BYTES_MAX
            });
            let (chunk, after) = rest.split_at(fit.count());
            rest = after;
            put_u64(&mut self.page, u64::from(series - self.last));
            put_u64(&mut self.page, chunk.len() as u64);
            let times: Vec<_> = chunk.iter().map(|exemplar| exemplar.time_ms).collect();
            times::encode(&times, self.effort, &mut self.page);
            let values: Vec<_> = chunk.iter().map(|exemplar| exemplar.value).collect();
            Encoder::new(self.effort).encode_whole(&values, &mut self.page);
            let labels = chunk.iter().map(|exemplar| exemplar.labels.as_encoded());
            self.label_bytes += labels.clone().map(str::len).sum::<usize>();
            self.count += chunk.len();
            strings::encode(labels, &mut self.plain, &mut self.page);
            self.last = series;
            self.close(false);
            if self.page.is_empty() {
                (self.first, self.last) = (series, series);
            }
        }
    }

    /// Makes a full page ready; any with `flush`.
    fn close(&mut self, flush: bool) {
        let full =
            self.page.len() >= PAGE_BYTES || self.count >= PAGE_COUNT || self.label_bytes >= PAGE_LABEL_BYTES;
        if self.page.is_empty() || !(flush || full) {
            return;
        }
        let mut body = Vec::new();
        put_u64(&mut body, u64::from(self.first));
        self.packer.pack(&self.page, &mut body);
        self.ready.push((self.first, body));
        self.page.clear();
        (self.count, self.label_bytes) = (0, 0);
    }

    /// Pages that are full, each with its first series; all with `flush`.
    pub(super) fn take_pages(&mut self, flush: bool) -> Vec<(u32, Vec<u8>)> {
        self.close(flush);
        std::mem::take(&mut self.ready)
    }
}

/// Reads a page: exemplars by series.
pub(super) fn read_page(body: &[u8]) -> Result<Vec<(u32, Vec<Exemplar>)>, Damage> {
    let (mut cursor, mut unpacker, mut page) = (Cursor::new(body), Unpacker::default(), Vec::new());
    let mut series = cursor.length(u32::MAX as usize)?;
    unpacker.unpack(&mut cursor, PAGE_BYTES_MAX, &mut page)?;
    cursor.end()?;
    let whole = |damage: Damage| Damage { at: 0, what: damage.what };
    let mut cursor = Cursor::new(&page);
    let mut found: Vec<(u32, Vec<Exemplar>)> = Vec::new();
    let mut decoder = Decoder::default();
    let (mut count_left, mut label_bytes_left) =
        (PAGE_COUNT + LIST_COUNT_MAX, PAGE_LABEL_BYTES + LABEL_BYTES_MAX);
    while !cursor.is_empty() {
        let list = (|| {
            series += cursor.length(u32::MAX as usize - series)?;
            let count = cursor.length(LIST_COUNT_MAX.min(count_left))?;
            count_left -= count;
            let (mut times, mut values) = (Vec::new(), Vec::new());
            times::decode(&mut cursor, count, &mut times)?;
            decoder.decode_whole(&mut cursor, count, &mut values)?;
            let labels = Strings::decode(&mut cursor, label_bytes_left, &mut unpacker)?;
            label_bytes_left -= labels.iter().map(str::len).sum::<usize>();
            if labels.len() != count {
                return Err(cursor.damage("exemplars have another number of labels"));
            }
            let mut list = Vec::with_capacity(count);
            for ((time_ms, value), labels) in times.into_iter().zip(values).zip(labels.iter()) {
                let labels = Labels::from_encoded(labels)
                    .ok_or_else(|| cursor.damage("the labels of an exemplar are none"))?;
                list.push(Exemplar { labels, value, time_ms });
            }
            Ok(list)
        })()
        .map_err(whole)?;
        match found.last_mut() {
            Some((last, exemplars)) if *last as usize == series => exemplars.extend(list),
            _ => found.push((series as u32, list)),
        }
    }
    Ok(found)
}

/// Writes where pages are: the first series of each since that of the one before, and their places.
pub(super) fn write_directory(pages: &[(u32, Place)], out: &mut Vec<u8>) {
    let (mut series, mut offset) = (0, 0);
    for &(first, place) in pages {
        put_u64(out, u64::from(first - series));
        put_place(out, place, &mut offset);
        series = first;
    }
}

pub(super) fn read_directory(body: &[u8]) -> Result<Vec<(u32, Place)>, Damage> {
    let (mut cursor, mut pages) = (Cursor::new(body), Vec::new());
    let (mut series, mut offset) = (0, 0);
    while !cursor.is_empty() {
        series += cursor.length(u32::MAX as usize - series)?;
        pages.push((series as u32, read_place(&mut cursor, &mut offset)?));
    }
    Ok(pages)
}
