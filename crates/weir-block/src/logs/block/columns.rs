//! One place of a value in one template: a column.
//!
//! ```text
//! how it is written, in the pool of columns:
//!   0: texts: how many different ones; each, by its first row: 0 where no column had it before, else how far back among
//!      all texts it came. Then, unless there is one or as many as rows, for each row which of them (narrow or wide)
//!   1, 2: numbers as they are, as differences from the one before
//! ```

use super::numbers::{NumberReader, NumberWriter};
use super::pools::{Pool, Pools};
use crate::frame::Damage;
use crate::varint::{Cursor, put_u64, unzigzag, zigzag};

const TEXTS: u8 = 0;
const PLAIN: u8 = 1;
const STEPS: u8 = 2;

/// More different texts need two bytes a row.
const NARROW_MAX: usize = 256;

/// Tells texts by numbers, each of which stands for a text that is written once for all columns.
#[derive(Debug, Default)]
pub(super) struct TextColumns {
    /// By a text's number as it was pushed: its number as it is written; `u32::MAX` where it was not yet.
    written: Vec<u32>,
    /// The numbers as they were pushed, in the order in which they are written.
    order: Vec<u32>,
    /// By a text's number as it was pushed: its place in the column, where `stamp` says that it is of this column.
    local: Vec<(u32, u32)>,
    column: u32,
}

impl TextColumns {
    /// For as many texts.
    pub(super) fn new(texts: usize) -> Self {
        Self { written: vec![u32::MAX; texts], order: Vec::new(), local: vec![(0, 0); texts], column: 0 }
    }

    /// The texts that were written, in order.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The different texts of a column, in order of their first row; notes where each stands.
    pub(super) fn distinct(&mut self, column: &[u64], found: &mut Vec<u32>) {
        found.clear();
        self.column += 1;
        for &number in column {
            let local = &mut self.local[number as usize];
            if local.0 != self.column {
                *local = (self.column, found.len() as u32);
                found.push(number as u32);
            }
        }
    }

    /// Writes a column of which [`TextColumns::distinct`] was called last.
    pub(super) fn put(&mut self, column: &[u64], distinct: &[u32], pools: &mut Pools) {
        let head = pools.get(Pool::Columns);
        head.push(TEXTS);
        put_u64(head, distinct.len() as u64);
        for &number in distinct {
            let written = &mut self.written[number as usize];
            let next = self.order.len() as u32;
            if *written == u32::MAX {
                *written = next;
                self.order.push(number);
                put_u64(head, 0);
            } else {
                put_u64(head, u64::from(next - *written));
            }
        }
        if distinct.len() == 1 || distinct.len() == column.len() {
            return;
        }
        let local = |number: &u64| self.local[*number as usize].1;
        if distinct.len() <= NARROW_MAX {
            pools.get(Pool::Narrow).extend(column.iter().map(|number| local(number) as u8));
        } else {
            let wide = pools.get(Pool::Wide);
            for shift in [0, 8, 16] {
                if distinct.len() >> shift > 0 {
                    wide.extend(column.iter().map(|number| (local(number) >> shift) as u8));
                }
            }
        }
    }
}

/// Writes a column of numbers.
pub(super) fn put_numbers(column: &[i64], pools: &mut Pools, numbers: &mut NumberWriter) {
    let cost = |value: u64| u64::from(u64::BITS - value.leading_zeros());
    let (mut plain, mut steps, mut last) = (0, 0, 0);
    for &value in column {
        plain += cost(zigzag(value));
        steps += cost(zigzag(value.wrapping_sub(last)));
        last = value;
    }
    let how = if steps < plain { STEPS } else { PLAIN };
    pools.get(Pool::Columns).push(how);
    let symbols = pools.get(Pool::Numbers);
    last = 0;
    for &value in column {
        let told = if how == STEPS { value.wrapping_sub(last) } else { value };
        numbers.put(zigzag(told), symbols);
        last = value;
    }
}

/// A column that was read.
#[derive(Debug)]
pub(super) enum Column {
    /// One text for all rows.
    Same(u32),
    /// A text for each row.
    Texts(Vec<u32>),
    Numbers(Vec<i64>),
}

/// What columns are read from.
pub(super) struct ColumnReader<'a> {
    pub(super) columns: Cursor<'a>,
    pub(super) narrow: Cursor<'a>,
    pub(super) wide: Cursor<'a>,
    pub(super) symbols: Cursor<'a>,
    pub(super) numbers: NumberReader<'a>,
}

impl ColumnReader<'_> {
    /// Reads the column of `rows` rows; `written` is how many texts there were before it, and grows by its new ones.
    pub(super) fn take(&mut self, rows: usize, written: &mut u32) -> Result<Column, Damage> {
        match self.columns.u8()? {
            TEXTS => self.take_texts(rows, written),
            how @ (PLAIN | STEPS) => {
                let mut values = Vec::with_capacity(rows);
                let mut last = 0_i64;
                for _ in 0..rows {
                    let told = unzigzag(self.numbers.take(&mut self.symbols)?);
                    last = if how == STEPS { last.wrapping_add(told) } else { told };
                    values.push(last);
                }
                Ok(Column::Numbers(values))
            }
            _ => Err(self.columns.damage("a column is written in an unknown way")),
        }
    }

    fn take_texts(&mut self, rows: usize, written: &mut u32) -> Result<Column, Damage> {
        let count = self.columns.length(rows.min(self.columns.left()))?;
        let mut distinct = Vec::with_capacity(count);
        for _ in 0..count {
            let back = self.columns.length(*written as usize)? as u32;
            distinct.push(*written - back);
            *written += u32::from(back == 0);
        }
        if count == rows {
            return Ok(Column::Texts(distinct));
        }
        if let [same] = distinct[..] {
            return Ok(Column::Same(same));
        }
        let bad = self.columns.damage("a column names a text that it does not have");
        let text = |local: usize| distinct.get(local).copied().ok_or(bad);
        if count <= NARROW_MAX {
            let locals = self.narrow.take(rows)?;
            return Ok(Column::Texts(
                locals.iter().map(|&at| text(usize::from(at))).collect::<Result<_, _>>()?,
            ));
        }
        let mut locals = vec![0_usize; rows];
        for shift in [0, 8, 16] {
            if count >> shift > 0 {
                for (local, &byte) in locals.iter_mut().zip(self.wide.take(rows)?) {
                    *local |= usize::from(byte) << shift;
                }
            }
        }
        Ok(Column::Texts(locals.into_iter().map(text).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_come_back(
            texts in prop::collection::vec((1_u64..400, 1_usize..700), 0..5),
            numbers in prop::collection::vec(any::<i64>(), 0..40),
        ) {
            // Of few and of many texts, of one, and of as many as rows.
            let texts: Vec<Vec<u64>> = texts
                .iter()
                .map(|&(different, rows)| (0..rows as u64).map(|row| row * row % different).collect())
                .collect();
            let mut pools = Pools::default();
            let (mut writer, mut distinct) = (TextColumns::new(400), Vec::new());
            let mut number_writer = NumberWriter::new();
            for column in &texts {
                writer.distinct(column, &mut distinct);
                writer.put(column, &distinct, &mut pools);
            }
            put_numbers(&numbers, &mut pools, &mut number_writer);
            number_writer.finish(&mut pools);
            let mut reader = ColumnReader {
                columns: pools.cursor(Pool::Columns),
                narrow: pools.cursor(Pool::Narrow),
                wide: pools.cursor(Pool::Wide),
                symbols: pools.cursor(Pool::Numbers),
                numbers: NumberReader::new(pools.bytes(Pool::Bits)),
            };
            let mut written = 0;
            for column in &texts {
                let found: Vec<u32> = match reader.take(column.len(), &mut written)? {
                    Column::Same(text) => vec![text; column.len()],
                    Column::Texts(texts) => texts,
                    Column::Numbers(_) => panic!("texts became numbers"),
                };
                let pushed: Vec<u64> =
                    found.iter().map(|&text| u64::from(writer.order()[text as usize])).collect();
                prop_assert_eq!(&pushed, column);
            }
            let Column::Numbers(found) = reader.take(numbers.len(), &mut written)? else {
                panic!("numbers became texts")
            };
            prop_assert_eq!(found, numbers);
        }
    }
}
