//! A column: values of one kind, of one name.
//!
//! ```text
//! texts: how many different ones, in order of their first row; packed, each with its length before it; then,
//!   unless there is one or as many as rows: of up to 256, for each row a byte, packed; of more, for each row 0 for the
//!   next new one, else how far back among those that were told it stands: all lowest bytes, packed, all second, all third
//! whole numbers: see [`crate::values::integers`]; floats: see [`crate::values`]
//! ```

use super::interner::Interner;
use crate::frame::Damage;
use crate::pack::{Effort, Packer, Unpacker};
use crate::values::{self, integers};
use crate::varint::{Cursor, put_bytes, put_u64};

/// Of more different texts, rows tell how far back each stands.
const NARROW_MAX: usize = 256;
const PLANES: [u32; 3] = [0, 8, 16];
/// More values than that are in no column.
pub(super) const VALUES_MAX: usize = 1 << 22;

/// Writes columns. Keeps its memory between them.
pub(super) struct ColumnWriter {
    effort: Effort,
    packer: Packer,
    quick: Packer,
    integers: integers::Encoder,
    floats: values::Encoder,
    dense: Vec<u8>,
    plain: Vec<u8>,
    /// By a text's number: the column that it was last seen in, and its place there.
    places: Vec<(u32, u32)>,
    column: u32,
    distinct: Vec<u32>,
}

impl ColumnWriter {
    pub(super) fn new(effort: Effort) -> Self {
        let level = match effort {
            Effort::Fast => 1,
            Effort::Small => 12,
        };
        Self {
            effort,
            packer: Packer::new(level),
            quick: Packer::new(1),
            integers: integers::Encoder::default(),
            floats: values::Encoder::new(effort),
            dense: Vec::new(),
            plain: Vec::new(),
            places: Vec::new(),
            column: 0,
            distinct: Vec::new(),
        }
    }

    /// Appends bytes, packed.
    pub(super) fn put_packed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.packer.pack(bytes, out);
    }

    /// Appends ids. They are mostly random, which is soon seen; that they are not pays even then.
    pub(super) fn put_ids(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.quick.pack(bytes, out);
    }

    /// Appends whole numbers.
    pub(super) fn put_numbers(&mut self, column: &[i64], out: &mut Vec<u8>) {
        self.dense.clear();
        if self.integers.encode(column, self.effort, out, &mut self.dense) {
            put_bytes(out, &self.dense);
        }
    }

    /// Appends floats.
    pub(super) fn put_floats(&mut self, column: &[f64], out: &mut Vec<u8>) {
        self.floats.encode_whole(column, out);
    }

    /// Appends texts by their numbers. Gives those that are different, in order of their first row.
    pub(super) fn put_texts(&mut self, column: &[u64], texts: &Interner, out: &mut Vec<u8>) -> &[u32] {
        self.column += 1;
        self.places.resize(self.places.len().max(texts.len()), (0, 0));
        self.distinct.clear();
        self.plain.clear();
        for &number in column {
            let place = &mut self.places[number as usize];
            if place.0 != self.column {
                *place = (self.column, self.distinct.len() as u32);
                self.distinct.push(number as u32);
                put_bytes(&mut self.plain, texts.get(number as u32));
            }
        }
        let count = self.distinct.len();
        put_u64(out, count as u64);
        self.packer.pack(&self.plain, out);
        if count > 1 && count < column.len() {
            let place = |number: &u64| self.places[*number as usize].1;
            self.plain.clear();
            if count <= NARROW_MAX {
                self.plain.extend(column.iter().map(|number| place(number) as u8));
                self.packer.pack(&self.plain, out);
            } else {
                let mut told = 0;
                let back: Vec<u32> = column
                    .iter()
                    .map(|number| {
                        let back = told - place(number);
                        told += u32::from(back == 0);
                        back
                    })
                    .collect();
                for shift in PLANES.into_iter().filter(|shift| count >> shift > 0) {
                    self.plain.clear();
                    self.plain.extend(back.iter().map(|back| (back >> shift) as u8));
                    self.packer.pack(&self.plain, out);
                }
            }
        }
        &self.distinct
    }
}

/// Reads columns. Keeps its memory between them.
#[derive(Default)]
pub(super) struct ColumnReader {
    unpacker: Unpacker,
    integers: integers::Decoder,
    floats: values::Decoder,
    plain: Vec<u8>,
}

impl ColumnReader {
    /// What was packed, of at most so many bytes.
    pub(super) fn take_packed(&mut self, cursor: &mut Cursor<'_>, max: usize) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        self.unpacker.unpack(cursor, max, &mut out)?;
        Ok(out)
    }

    /// What was packed, of exactly so many bytes.
    pub(super) fn take_exactly(&mut self, cursor: &mut Cursor<'_>, length: usize) -> Result<Vec<u8>, Damage> {
        let out = self.take_packed(cursor, length)?;
        if out.len() == length {
            Ok(out)
        } else {
            Err(cursor.damage("a column has another length than its rows"))
        }
    }

    /// Whole numbers.
    pub(super) fn take_numbers(&mut self, cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, Damage> {
        let mut numbers = Vec::new();
        self.integers.decode(cursor, None, count, &mut numbers)?;
        Ok(numbers)
    }

    /// Floats.
    pub(super) fn take_floats(&mut self, cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<f64>, Damage> {
        let mut floats = Vec::new();
        self.floats.decode_whole(cursor, count, &mut floats)?;
        Ok(floats)
    }

    /// Texts, which together with the lengths before them have at most so many bytes.
    pub(super) fn take_texts(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: usize,
        bytes_max: usize,
    ) -> Result<Texts, Damage> {
        let distinct = cursor.length(count)?;
        let bytes = self.take_packed(cursor, bytes_max)?;
        let spans = split(&bytes, distinct).ok_or(cursor.damage("texts have other lengths than they say"))?;
        let rows = if distinct == count {
            Rows::Each
        } else if distinct == 1 {
            Rows::Same
        } else if distinct <= NARROW_MAX {
            self.unpacker.unpack(cursor, count, &mut self.plain)?;
            Rows::Told(self.plain.iter().map(|&place| u32::from(place)).collect())
        } else {
            let mut told = vec![0_u32; count];
            for shift in PLANES.into_iter().filter(|shift| distinct >> shift > 0) {
                self.unpacker.unpack(cursor, count, &mut self.plain)?;
                if self.plain.len() != count {
                    return Err(cursor.damage("a column has another length than its rows"));
                }
                told.iter_mut().zip(&self.plain).for_each(|(told, &byte)| *told |= u32::from(byte) << shift);
            }
            let mut known = 0_u32;
            for told in &mut told {
                let back = *told;
                *told = known.wrapping_sub(back);
                known += u32::from(back == 0);
            }
            Rows::Told(told)
        };
        if let Rows::Told(told) = &rows
            && (told.len() != count || told.iter().any(|&place| place as usize >= distinct))
        {
            return Err(cursor.damage("a row has a text that is not there"));
        }
        Ok(Texts { bytes, spans, rows })
    }
}

/// Where texts begin and end that have their lengths before them.
fn split(bytes: &[u8], count: usize) -> Option<Vec<(u32, u32)>> {
    let mut cursor = Cursor::new(bytes);
    let mut spans = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        let length = cursor.bytes().ok()?.len();
        spans.push(((cursor.at() - length) as u32, cursor.at() as u32));
    }
    cursor.is_empty().then_some(spans)
}

#[derive(Debug)]
enum Rows {
    /// A text of its own for each row, in order.
    Each,
    /// The only one for all.
    Same,
    /// By place.
    Told(Vec<u32>),
}

/// A column of texts that was read.
#[derive(Debug)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
    rows: Rows,
}

impl Texts {
    /// How many different ones there are.
    pub(super) fn distinct(&self) -> usize {
        self.spans.len()
    }

    /// One of the different ones.
    pub(super) fn get(&self, place: usize) -> &[u8] {
        let (start, end) = self.spans[place];
        &self.bytes[start as usize..end as usize]
    }

    /// Which of the different ones a row has.
    pub(super) fn place(&self, row: usize) -> usize {
        match &self.rows {
            Rows::Each => row,
            Rows::Same => 0,
            Rows::Told(told) => told[row] as usize,
        }
    }

    /// All of them as text.
    pub(super) fn check_utf8(&self) -> Result<(), Damage> {
        let good = (0..self.distinct()).all(|place| std::str::from_utf8(self.get(place)).is_ok());
        if good { Ok(()) } else { Err(Damage { at: 0, what: "a text is not UTF-8" }) }
    }

    /// The text of a row of a column that was checked.
    pub(super) fn text(&self, row: usize) -> &str {
        std::str::from_utf8(self.get(self.place(row))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(rows: &[Vec<u8>], effort: Effort) {
        let mut interner = Interner::default();
        let column: Vec<_> = rows.iter().map(|row| u64::from(interner.intern(row))).collect();
        let mut out = Vec::new();
        let mut writer = ColumnWriter::new(effort);
        writer.put_texts(&column, &interner, &mut out);
        writer.put_texts(&column, &interner, &mut out);
        let mut cursor = Cursor::new(&out);
        for _ in 0..2 {
            let texts = ColumnReader::default().take_texts(&mut cursor, rows.len(), 1 << 20).unwrap();
            let found: Vec<_> = (0..rows.len()).map(|row| texts.get(texts.place(row)).to_vec()).collect();
            assert_eq!(found, rows);
        }
        cursor.end().unwrap();
    }

    proptest! {
        #[test]
        fn texts_come_back(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..40),
            picks in prop::collection::vec(any::<usize>(), 0..90),
            small: bool,
        ) {
            let picked = picks.iter().filter_map(|pick| rows.get(pick % rows.len().max(1)).cloned()).collect::<Vec<_>>();
            let effort = if small { Effort::Small } else { Effort::Fast };
            check(&rows, effort);
            check(&picked, effort);
        }

        #[test]
        fn many_texts_come_back(numbers in prop::collection::vec(0_u16..700, 600..1200)) {
            check(&numbers.iter().map(|number| number.to_string().into_bytes()).collect::<Vec<_>>(), Effort::Small);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..300) {
            let mut cursor = Cursor::new(&bytes);
            if let Ok(texts) = ColumnReader::default().take_texts(&mut cursor, count, 1 << 16) {
                for row in 0..count {
                    texts.get(texts.place(row));
                }
            }
        }
    }
}
