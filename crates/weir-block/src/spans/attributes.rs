//! Attributes of spans, resources and the like, in columns.
//!
//! The names and kinds of what one thing has, in order, are its *shape*; the values of one name and kind are a column,
//! whatever the shape that they are of.
//!
//! ```text
//! names: how many; packed, each with its length before it
//! columns: how many; for each its name and its kind; for each the bytes of its body
//! shapes: how many, the first of which is the empty one; packed, for each how many values it has, and their columns
//! bodies of the columns
//! ```

use std::collections::HashMap;

use weir_signal::{Attribute, Value};

use super::PLAIN_BYTES_MAX;
use super::columns::{ColumnReader, ColumnWriter, Texts, VALUES_MAX};
use super::interner::Interner;
use super::nested;
use crate::frame::Damage;
use crate::varint::{Cursor, put_bytes, put_u64};

/// The kind of a value, as columns tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    Empty = 0,
    String = 1,
    Bool = 2,
    Int = 3,
    Double = 4,
    Bytes = 5,
    /// An array or a map.
    Nested = 6,
}

const KINDS: [Kind; 7] =
    [Kind::Empty, Kind::String, Kind::Bool, Kind::Int, Kind::Double, Kind::Bytes, Kind::Nested];

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Empty => Self::Empty,
            Value::String(_) => Self::String,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Double(_) => Self::Double,
            Value::Bytes(_) => Self::Bytes,
            Value::Array(_) | Value::Map(_) => Self::Nested,
        }
    }
}

/// The shape of what has no attribute.
pub(super) const NO_SHAPE: u32 = 0;

#[derive(Debug, Clone, Copy)]
struct Column {
    key: u32,
    kind: Kind,
    /// The text that came last.
    last: u32,
}

/// Gathers attributes.
#[derive(Debug)]
pub(super) struct Attributes {
    keys: Interner,
    columns: Vec<Column>,
    by_key: HashMap<(u32, Kind), u32>,
    /// The columns of each shape.
    shapes: Vec<Box<[u32]>>,
    by_columns: HashMap<Box<[u32]>, u32>,
    found: Vec<u32>,
    scratch: Vec<u8>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            keys: Interner::default(),
            columns: Vec::new(),
            by_key: HashMap::new(),
            shapes: vec![Box::default()],
            by_columns: HashMap::from([(Box::default(), NO_SHAPE)]),
            found: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl Attributes {
    /// Appends the values of attributes to `values`, texts by their number among `texts`, and gives their shape. `guess` is a
    /// shape that they may have. `None` where a value is nested too deep.
    pub(super) fn add(
        &mut self,
        attributes: &[Attribute],
        guess: u32,
        texts: &mut Interner,
        values: &mut Vec<u64>,
    ) -> Option<u32> {
        if attributes.is_empty() {
            return Some(NO_SHAPE);
        }
        let guess = self.shapes.get(guess as usize).map_or(NO_SHAPE, |_| guess);
        let mut guessed = self.shapes[guess as usize].len() == attributes.len();
        self.found.clear();
        for (place, attribute) in attributes.iter().enumerate() {
            let kind = Kind::of(&attribute.value);
            let likely = if guessed { self.shapes[guess as usize][place] } else { u32::MAX };
            let column = match self.columns.get(likely as usize) {
                Some(column)
                    if column.kind == kind && self.keys.get(column.key) == attribute.key.as_bytes() =>
                {
                    likely
                }
                _ => {
                    guessed = false;
                    self.column(&attribute.key, kind)
                }
            };
            self.found.push(column);
            self.push_value(column, &attribute.value, texts, values)?;
        }
        if guessed {
            return Some(guess);
        }
        if let Some(&shape) = self.by_columns.get(&*self.found) {
            return Some(shape);
        }
        let shape = self.shapes.len() as u32;
        self.shapes.push(self.found.as_slice().into());
        self.by_columns.insert(self.found.as_slice().into(), shape);
        Some(shape)
    }

    fn column(&mut self, key: &str, kind: Kind) -> u32 {
        let key = self.keys.intern(key.as_bytes());
        let next = self.columns.len() as u32;
        let column = *self.by_key.entry((key, kind)).or_insert(next);
        if column == next {
            self.columns.push(Column { key, kind, last: u32::MAX });
        }
        column
    }

    fn push_value(
        &mut self,
        column: u32,
        value: &Value,
        texts: &mut Interner,
        values: &mut Vec<u64>,
    ) -> Option<()> {
        let text = match value {
            Value::Empty => return Some(()),
            Value::Bool(value) => {
                values.push(u64::from(*value));
                return Some(());
            }
            Value::Int(value) => {
                values.push(value.cast_unsigned());
                return Some(());
            }
            Value::Double(value) => {
                values.push(value.to_bits());
                return Some(());
            }
            Value::String(text) => text.as_bytes(),
            Value::Bytes(bytes) => bytes,
            Value::Array(_) | Value::Map(_) => {
                self.scratch.clear();
                if !nested::encode(value, 0, &mut self.scratch) {
                    return None;
                }
                &self.scratch
            }
        };
        let last = &mut self.columns[column as usize].last;
        if !texts.is(*last, text) {
            *last = texts.intern(text);
        }
        values.push(u64::from(*last));
        Some(())
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.columns.clear();
        self.by_key.clear();
        self.shapes.truncate(1);
        self.by_columns.retain(|_, shape| *shape == NO_SHAPE);
    }

    /// Appends what things of these shapes have, whose values begin at these places. Tells the filter about each column: its
    /// name and what is in it.
    pub(super) fn encode(
        &self,
        things: impl Iterator<Item = (u32, u32)>,
        values: &[u64],
        texts: &Interner,
        writer: &mut ColumnWriter,
        mut told: impl FnMut(&[u8], ColumnValues<'_>),
        out: &mut Vec<u8>,
    ) {
        let mut columns: Vec<Vec<u64>> = vec![Vec::new(); self.columns.len()];
        for (shape, start) in things {
            let mut next = start as usize;
            for &column in &self.shapes[shape as usize] {
                if self.columns[column as usize].kind != Kind::Empty {
                    columns[column as usize].push(values[next]);
                    next += 1;
                }
            }
        }
        let mut plain = Vec::new();
        (0..self.keys.len() as u32).for_each(|key| put_bytes(&mut plain, self.keys.get(key)));
        put_u64(out, self.keys.len() as u64);
        writer.put_packed(&plain, out);
        let (mut bodies, mut lengths) = (Vec::new(), Vec::new());
        put_u64(out, self.columns.len() as u64);
        for (column, values) in self.columns.iter().zip(columns) {
            put_u64(out, u64::from(column.key) << 3 | column.kind as u64);
            let before = bodies.len();
            let key = self.keys.get(column.key);
            match column.kind {
                Kind::Empty => told(key, ColumnValues::Others),
                Kind::String => {
                    let distinct = writer.put_texts(&values, texts, &mut bodies);
                    told(key, ColumnValues::Texts(distinct));
                }
                Kind::Bytes | Kind::Nested => {
                    writer.put_texts(&values, texts, &mut bodies);
                    told(key, ColumnValues::Others);
                }
                Kind::Bool | Kind::Int => {
                    let numbers: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
                    writer.put_numbers(&numbers, &mut bodies);
                    told(
                        key,
                        if column.kind == Kind::Int {
                            ColumnValues::Ints(numbers)
                        } else {
                            ColumnValues::Bools(numbers)
                        },
                    );
                }
                Kind::Double => {
                    let floats: Vec<f64> = values.iter().map(|&bits| f64::from_bits(bits)).collect();
                    writer.put_floats(&floats, &mut bodies);
                    told(key, ColumnValues::Others);
                }
            }
            put_u64(&mut lengths, (bodies.len() - before) as u64);
        }
        out.append(&mut lengths);
        plain.clear();
        for shape in &self.shapes[1..] {
            put_u64(&mut plain, shape.len() as u64);
            shape.iter().for_each(|&column| put_u64(&mut plain, u64::from(column)));
        }
        put_u64(out, self.shapes.len() as u64 - 1);
        writer.put_packed(&plain, out);
        out.append(&mut bodies);
    }
}

/// What a column has, for the filter.
pub(super) enum ColumnValues<'a> {
    /// The numbers of different texts.
    Texts(&'a [u32]),
    Ints(Vec<i64>),
    Bools(Vec<i64>),
    /// What no filter knows.
    Others,
}

/// A column of a table of attributes, not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnHead {
    pub(super) key: u32,
    pub(super) kind: Kind,
    /// Where its body begins and ends in what the table was read from.
    start: usize,
    end: usize,
}

/// A table of attributes whose columns are read when they are asked for.
#[derive(Debug)]
pub(super) struct Table {
    keys: Vec<Box<str>>,
    pub(super) columns: Vec<ColumnHead>,
    /// The columns of each shape.
    lists: Vec<u32>,
    ends: Vec<u32>,
}

impl Table {
    /// Reads all but the columns, of which `cursor` is then behind the last. Offsets are those of the cursor.
    pub(super) fn decode(cursor: &mut Cursor<'_>, reader: &mut ColumnReader) -> Result<Self, Damage> {
        let count = cursor.length(PLAIN_BYTES_MAX)?;
        let bad = cursor.damage("a table of attributes has names of other lengths than it says");
        let plain = reader.take_packed(cursor, PLAIN_BYTES_MAX)?;
        let mut names = Cursor::new(&plain);
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(names.text().map_err(|_| bad)?.into());
        }
        names.end().map_err(|_| bad)?;
        let count = cursor.length(cursor.left())?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let head = cursor.u64()?;
            let kind = KINDS.get((head & 7) as usize).copied();
            match kind.filter(|_| head >> 3 < keys.len() as u64) {
                Some(kind) => columns.push(ColumnHead { key: (head >> 3) as u32, kind, start: 0, end: 0 }),
                None => return Err(cursor.damage("a column has a name or kind that is not there")),
            }
        }
        let mut lengths = 0;
        for column in &mut columns {
            column.start = lengths;
            lengths += cursor.length(PLAIN_BYTES_MAX)?;
            column.end = lengths;
        }
        let count = cursor.length(PLAIN_BYTES_MAX)?;
        let plain = reader.take_packed(cursor, PLAIN_BYTES_MAX)?;
        let bad = cursor.damage("a shape has a column that is not there");
        let mut shapes = Cursor::new(&plain);
        let (mut lists, mut ends) = (Vec::new(), vec![0]);
        for _ in 0..count {
            for _ in 0..shapes.length(plain.len()).map_err(|_| bad)? {
                match shapes.length(columns.len()).map_err(|_| bad)? {
                    column if column < columns.len() => lists.push(column as u32),
                    _ => return Err(bad),
                }
            }
            ends.push(lists.len() as u32);
        }
        shapes.end().map_err(|_| bad)?;
        let base = cursor.at();
        cursor.take(lengths)?;
        for column in &mut columns {
            column.start += base;
            column.end += base;
        }
        Ok(Self { keys, columns, lists, ends })
    }

    /// The name of a column.
    pub(super) fn key(&self, column: usize) -> &str {
        &self.keys[self.columns[column].key as usize]
    }

    /// How many shapes there are.
    pub(super) fn shapes(&self) -> usize {
        self.ends.len()
    }

    /// The columns of a shape.
    pub(super) fn shape(&self, shape: u32) -> &[u32] {
        let shape = shape as usize;
        let start = if shape == 0 { 0 } else { self.ends[shape - 1] };
        &self.lists[start as usize..self.ends[shape] as usize]
    }

    /// How many values each column has where things have these shapes.
    pub(super) fn counts(&self, things: impl Iterator<Item = u32>) -> Result<Vec<usize>, Damage> {
        let mut uses = vec![0_usize; self.shapes()];
        for shape in things {
            *uses.get_mut(shape as usize).ok_or(Damage { at: 0, what: "a shape is not there" })? += 1;
        }
        let mut counts = vec![0_usize; self.columns.len()];
        let mut all = 0_usize;
        for (shape, &uses) in uses.iter().enumerate().filter(|&(_, &uses)| uses > 0) {
            let columns = self.shape(shape as u32);
            all = all.saturating_add(columns.len().saturating_mul(uses));
            if all > VALUES_MAX {
                return Err(Damage { at: 0, what: "it has more values than it may have" });
            }
            for &column in columns {
                counts[column as usize] += uses;
            }
        }
        Ok(counts)
    }

    /// Reads a column of so many values out of what the table was read from.
    pub(super) fn column(
        &self,
        column: usize,
        count: usize,
        bytes: &[u8],
        reader: &mut ColumnReader,
    ) -> Result<ColumnData, Damage> {
        let head = self.columns[column];
        let mut cursor = Cursor::new(&bytes[head.start..head.end]);
        let read = match head.kind {
            Kind::Empty => ColumnData::Empty,
            Kind::String => {
                let texts = reader.take_texts(&mut cursor, count, PLAIN_BYTES_MAX)?;
                texts.check_utf8()?;
                ColumnData::Strings(texts)
            }
            Kind::Bytes => ColumnData::Bytes(reader.take_texts(&mut cursor, count, PLAIN_BYTES_MAX)?),
            Kind::Nested => {
                let texts = reader.take_texts(&mut cursor, count, PLAIN_BYTES_MAX)?;
                let values = (0..texts.distinct())
                    .map(|place| {
                        let mut nested = Cursor::new(texts.get(place));
                        let value = nested::decode(&mut nested, 0)?;
                        nested.end().map(|()| value)
                    })
                    .collect::<Result<_, _>>()?;
                ColumnData::Nested(values, texts)
            }
            Kind::Bool => ColumnData::Bools(reader.take_numbers(&mut cursor, count)?),
            Kind::Int => ColumnData::Ints(reader.take_numbers(&mut cursor, count)?),
            Kind::Double => ColumnData::Doubles(reader.take_floats(&mut cursor, count)?),
        };
        cursor.end()?;
        Ok(read)
    }
}

/// A column that was read.
#[derive(Debug)]
pub(super) enum ColumnData {
    Empty,
    Strings(Texts),
    Bools(Vec<i64>),
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
    Bytes(Texts),
    /// The different values.
    Nested(Vec<Value>, Texts),
}

impl ColumnData {
    /// The value of a row.
    pub(super) fn value(&self, row: usize) -> Value {
        match self {
            Self::Empty => Value::Empty,
            Self::Strings(texts) => Value::String(texts.text(row).into()),
            Self::Bools(bools) => Value::Bool(bools[row] != 0),
            Self::Ints(ints) => Value::Int(ints[row]),
            Self::Doubles(doubles) => Value::Double(doubles[row]),
            Self::Bytes(texts) => Value::Bytes(texts.get(texts.place(row)).into()),
            Self::Nested(values, texts) => values[texts.place(row)].clone(),
        }
    }
}
