//! The columns of a block, each decoded when it is first asked for.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use weir_signal::{Attribute, InstrumentationScope, Resource, SpanId, TraceId};

use super::gather::extra;
use super::operations::Read as Operations;
use super::times::Grains;
use super::{SECTIONS, Section, parents, times};
use crate::frame::Damage;
use crate::spans::attributes::{ColumnData, Table};
use crate::spans::columns::{ColumnReader, Texts, VALUES_MAX};
use crate::spans::{BLOCK_SPANS_MAX, PLAIN_BYTES_MAX};
use crate::varint::Cursor;

/// The fragments of a block.
#[derive(Debug)]
pub(super) struct Fragments {
    pub(super) traces: Vec<TraceId>,
    /// The row behind the last of each.
    pub(super) ends: Vec<u32>,
    /// Of each row, whether it is the first of a fragment.
    begins: Vec<bool>,
}

impl Fragments {
    /// The rows of a fragment.
    pub(super) fn rows(&self, fragment: usize) -> Range<usize> {
        let start = if fragment == 0 { 0 } else { self.ends[fragment - 1] };
        start as usize..self.ends[fragment] as usize
    }
}

/// A table of attributes and its columns.
#[derive(Debug)]
pub(super) struct Attributes {
    section: Section,
    pub(super) table: Table,
    counts: Vec<usize>,
    columns: Vec<OnceCell<ColumnData>>,
}

/// What few spans have.
#[derive(Debug)]
pub(super) struct Extras {
    pub(super) states: Option<Texts>,
    pub(super) messages: Option<Texts>,
    /// Dropped attributes, events and links; how many events and links.
    pub(super) numbers: [Vec<i64>; 5],
}

#[derive(Debug)]
pub(super) struct Events {
    pub(super) times: Vec<i64>,
    pub(super) names: Texts,
    pub(super) shapes: Vec<i64>,
    pub(super) dropped: Vec<i64>,
    pub(super) attributes: Attributes,
}

#[derive(Debug)]
pub(super) struct Links {
    pub(super) traces: Vec<u8>,
    pub(super) spans: Vec<u8>,
    pub(super) states: Texts,
    pub(super) flags: Vec<i64>,
    pub(super) shapes: Vec<i64>,
    pub(super) dropped: Vec<i64>,
    pub(super) attributes: Attributes,
}

/// The body of a block.
pub(super) struct Block {
    body: Vec<u8>,
    sections: [Range<usize>; SECTIONS],
    pub(super) spans: usize,
    fragment_count: usize,
    reader: RefCell<ColumnReader>,
    fragments: OnceCell<Fragments>,
    ids: OnceCell<Vec<SpanId>>,
    parents: OnceCell<Vec<SpanId>>,
    operations: OnceCell<Operations>,
    starts: OnceCell<Vec<i64>>,
    ends: OnceCell<Vec<i64>>,
    resources: OnceCell<Vec<Arc<Resource>>>,
    scopes: OnceCell<Vec<Arc<InstrumentationScope>>>,
    attributes: OnceCell<Attributes>,
    extras: OnceCell<Extras>,
    events: OnceCell<Option<Events>>,
    links: OnceCell<Option<Links>>,
}

/// What is in a cell, or what is made now.
fn lazily<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T, Damage>) -> Result<&T, Damage> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

impl Block {
    /// Finds the sections of a block.
    pub(super) fn open(body: Vec<u8>) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(&body);
        let spans = cursor.length(BLOCK_SPANS_MAX)?;
        let fragment_count = cursor.length(spans)?;
        let mut lengths = [0; SECTIONS];
        for length in &mut lengths {
            *length = cursor.length(body.len())?;
        }
        let mut start = cursor.at();
        let sections = lengths.map(|length| {
            start += length;
            start - length..start
        });
        if start != body.len() {
            return Err(cursor.damage("the sections of a block are longer or shorter than it is"));
        }
        Ok(Self {
            body,
            sections,
            spans,
            fragment_count,
            reader: RefCell::default(),
            fragments: OnceCell::new(),
            ids: OnceCell::new(),
            parents: OnceCell::new(),
            operations: OnceCell::new(),
            starts: OnceCell::new(),
            ends: OnceCell::new(),
            resources: OnceCell::new(),
            scopes: OnceCell::new(),
            attributes: OnceCell::new(),
            extras: OnceCell::new(),
            events: OnceCell::new(),
            links: OnceCell::new(),
        })
    }

    /// Reads a section; what is wrong with it is told by its place in the block.
    fn section<T>(
        &self,
        section: Section,
        read: impl FnOnce(&mut Cursor<'_>, &mut ColumnReader) -> Result<T, Damage>,
    ) -> Result<T, Damage> {
        let range = self.sections[section as usize].clone();
        let mut cursor = Cursor::new(&self.body[range.clone()]);
        let read =
            read(&mut cursor, &mut self.reader.borrow_mut()).and_then(|read| cursor.end().map(|()| read));
        read.map_err(|damage| Damage { at: range.start + damage.at, what: damage.what })
    }

    pub(super) fn fragments(&self) -> Result<&Fragments, Damage> {
        lazily(&self.fragments, || {
            self.section(Section::Traces, |cursor, reader| {
                let upper = reader.take_exactly(cursor, self.fragment_count * 8)?;
                let lower = reader.take_exactly(cursor, self.fragment_count * 8)?;
                let counts = reader.take_numbers(cursor, self.fragment_count)?;
                let traces = upper.chunks_exact(8).zip(lower.chunks_exact(8)).map(|(upper, lower)| {
                    let mut id = [0; 16];
                    id[..8].copy_from_slice(upper);
                    id[8..].copy_from_slice(lower);
                    TraceId(id)
                });
                let (mut ends, mut begins) = (Vec::new(), vec![false; self.spans]);
                let mut end = 0;
                for count in counts {
                    let bad = cursor.damage("fragments have more or fewer spans than the block");
                    *begins.get_mut(end).ok_or(bad)? = true;
                    end = usize::try_from(count)
                        .ok()
                        .filter(|&count| count > 0)
                        .and_then(|count| end.checked_add(count))
                        .filter(|&end| end <= self.spans)
                        .ok_or(bad)?;
                    ends.push(end as u32);
                }
                if end != self.spans {
                    return Err(cursor.damage("fragments have more or fewer spans than the block"));
                }
                Ok(Fragments { traces: traces.collect(), ends, begins })
            })
        })
    }

    pub(super) fn ids(&self) -> Result<&[SpanId], Damage> {
        lazily(&self.ids, || {
            self.section(Section::Ids, |cursor, reader| {
                let bytes = reader.take_exactly(cursor, self.spans * 8)?;
                let (ids, _) = bytes.as_chunks();
                Ok(ids.iter().map(|&id| SpanId(id)).collect())
            })
        })
        .map(Vec::as_slice)
    }

    pub(super) fn parents(&self) -> Result<&[SpanId], Damage> {
        lazily(&self.parents, || {
            let (ids, fragments) = (self.ids()?, self.fragments()?);
            self.section(Section::Parents, |cursor, reader| {
                parents::decode(cursor, ids, &fragments.ends, reader)
            })
        })
        .map(Vec::as_slice)
    }

    pub(super) fn operations(&self) -> Result<&Operations, Damage> {
        lazily(&self.operations, || {
            let fragments = self.fragments()?;
            self.section(Section::Operations, |cursor, reader| {
                Operations::decode(cursor, self.spans, &fragments.begins, reader)
            })
        })
    }

    pub(super) fn starts(&self) -> Result<&[i64], Damage> {
        lazily(&self.starts, || {
            let (fragments, operations) = (self.fragments()?, self.operations()?);
            self.section(Section::Starts, |cursor, reader| {
                times::starts(cursor, &fragments.begins, grains(operations), reader)
            })
        })
        .map(Vec::as_slice)
    }

    pub(super) fn ends(&self) -> Result<&[i64], Damage> {
        lazily(&self.ends, || {
            let (starts, operations) = (self.starts()?, self.operations()?);
            self.section(Section::Ends, |cursor, reader| {
                times::ends(cursor, starts, grains(operations), reader)
            })
        })
        .map(Vec::as_slice)
    }

    pub(super) fn resources(&self) -> Result<&[Arc<Resource>], Damage> {
        lazily(&self.resources, || {
            let (attributes, dropped, [schemas, ..]) = self.origins(Section::Resources, 1)?;
            let mut walk = attributes.0.walk();
            (0..attributes.1.len())
                .map(|row| {
                    Ok(Arc::new(Resource {
                        attributes: walk.take(self, &attributes.0, attributes.1[row])?,
                        dropped_attributes: number(dropped[row])?,
                        schema_url: text(schemas.as_ref(), row),
                    }))
                })
                .collect()
        })
        .map(Vec::as_slice)
    }

    pub(super) fn scopes(&self) -> Result<&[Arc<InstrumentationScope>], Damage> {
        lazily(&self.scopes, || {
            let (attributes, dropped, [schemas, names, versions]) = self.origins(Section::Scopes, 3)?;
            let mut walk = attributes.0.walk();
            (0..attributes.1.len())
                .map(|row| {
                    Ok(Arc::new(InstrumentationScope {
                        name: text(names.as_ref(), row),
                        version: text(versions.as_ref(), row),
                        attributes: walk.take(self, &attributes.0, attributes.1[row])?,
                        dropped_attributes: number(dropped[row])?,
                        schema_url: text(schemas.as_ref(), row),
                    }))
                })
                .collect()
        })
        .map(Vec::as_slice)
    }

    /// Attributes and shapes, what was dropped, and `count` columns of texts of resources or scopes.
    #[allow(clippy::type_complexity, reason = "two callers take it apart at once")]
    fn origins(
        &self,
        section: Section,
        count: usize,
    ) -> Result<((Attributes, Vec<u32>), Vec<i64>, [Option<Texts>; 3]), Damage> {
        self.section(section, |cursor, reader| {
            let rows = cursor.length(self.spans)?;
            let shapes = take_shapes(cursor, rows, reader)?;
            let dropped = reader.take_numbers(cursor, rows)?;
            let mut texts = [None, None, None];
            for column in &mut texts[..count] {
                let read = reader.take_texts(cursor, rows, PLAIN_BYTES_MAX)?;
                read.check_utf8().map_err(|damage| cursor.damage(damage.what))?;
                *column = Some(read);
            }
            let attributes = Attributes::decode(section, cursor, shapes.iter().copied(), reader)?;
            Ok(((attributes, shapes), dropped, texts))
        })
    }

    /// The attributes of spans.
    pub(super) fn attributes(&self) -> Result<&Attributes, Damage> {
        lazily(&self.attributes, || {
            let operations = self.operations()?;
            let shapes = (0..self.spans).map(|row| operations.of(row).shape);
            self.section(Section::Attributes, |cursor, reader| {
                Attributes::decode(Section::Attributes, cursor, shapes, reader)
            })
        })
    }

    /// A column of a table of attributes.
    pub(super) fn column<'a>(
        &self,
        attributes: &'a Attributes,
        column: usize,
    ) -> Result<&'a ColumnData, Damage> {
        lazily(&attributes.columns[column], || {
            let range = self.sections[attributes.section as usize].clone();
            let bytes = &self.body[range.clone()];
            let mut reader = self.reader.borrow_mut();
            attributes
                .table
                .column(column, attributes.counts[column], bytes, &mut reader)
                .map_err(|damage| Damage { at: range.start + damage.at, what: damage.what })
        })
    }

    pub(super) fn extras(&self) -> Result<&Extras, Damage> {
        lazily(&self.extras, || {
            let operations = self.operations()?;
            let mut uses = [0_usize; 8];
            for row in 0..self.spans {
                let bits = operations.of(row).extras;
                (0..8).for_each(|bit| uses[bit] += usize::from(bits >> bit & 1));
            }
            let count = |bit: u8| uses[bit.trailing_zeros() as usize];
            self.section(Section::Extras, |cursor, reader| {
                let mut texts = [None, None];
                for (column, bit) in texts.iter_mut().zip([extra::STATE, extra::MESSAGE]) {
                    if count(bit) > 0 {
                        let read = reader.take_texts(cursor, count(bit), PLAIN_BYTES_MAX)?;
                        read.check_utf8().map_err(|damage| cursor.damage(damage.what))?;
                        *column = Some(read);
                    }
                }
                let mut numbers: [Vec<i64>; 5] = Default::default();
                for (column, bit) in numbers.iter_mut().zip([
                    extra::DROPPED_ATTRIBUTES,
                    extra::DROPPED_EVENTS,
                    extra::DROPPED_LINKS,
                    extra::EVENTS,
                    extra::LINKS,
                ]) {
                    *column = reader.take_numbers(cursor, count(bit))?;
                    if column.iter().any(|&number| u32::try_from(number).is_err()) {
                        return Err(cursor.damage("a count of a span is none"));
                    }
                }
                let [states, messages] = texts;
                Ok(Extras { states, messages, numbers })
            })
        })
    }

    /// How many events (or links) there are, which is as many as spans have.
    fn parts(cursor: &mut Cursor<'_>, counts: &[i64]) -> Result<usize, Damage> {
        let count = cursor.length(VALUES_MAX)?;
        let all = counts.iter().try_fold(0_i64, |all, count| all.checked_add(*count));
        if all == Some(count as i64) {
            Ok(count)
        } else {
            Err(cursor.damage("a block has more or fewer events or links than its spans"))
        }
    }

    pub(super) fn events(&self) -> Result<Option<&Events>, Damage> {
        let extras = self.extras()?;
        let read = || {
            if extras.numbers[3].is_empty() {
                return Ok(None);
            }
            self.section(Section::Events, |cursor, reader| {
                let count = Self::parts(cursor, &extras.numbers[3])?;
                let times = reader.take_numbers(cursor, count)?;
                let names = reader.take_texts(cursor, count, PLAIN_BYTES_MAX)?;
                names.check_utf8().map_err(|damage| cursor.damage(damage.what))?;
                let shapes = reader.take_numbers(cursor, count)?;
                let dropped = reader.take_numbers(cursor, count)?;
                let of = shapes.iter().map(|&shape| shape as u32);
                let attributes = Attributes::decode(Section::Events, cursor, of, reader)?;
                Ok(Some(Events { times, names, shapes, dropped, attributes }))
            })
        };
        lazily(&self.events, read).map(Option::as_ref)
    }

    pub(super) fn links(&self) -> Result<Option<&Links>, Damage> {
        let extras = self.extras()?;
        let read = || {
            if extras.numbers[4].is_empty() {
                return Ok(None);
            }
            self.section(Section::Links, |cursor, reader| {
                let count = Self::parts(cursor, &extras.numbers[4])?;
                let traces = reader.take_exactly(cursor, count * 16)?;
                let spans = reader.take_exactly(cursor, count * 8)?;
                let states = reader.take_texts(cursor, count, PLAIN_BYTES_MAX)?;
                states.check_utf8().map_err(|damage| cursor.damage(damage.what))?;
                let flags = reader.take_numbers(cursor, count)?;
                let shapes = reader.take_numbers(cursor, count)?;
                let dropped = reader.take_numbers(cursor, count)?;
                let of = shapes.iter().map(|&shape| shape as u32);
                let attributes = Attributes::decode(Section::Links, cursor, of, reader)?;
                Ok(Some(Links { traces, spans, states, flags, shapes, dropped, attributes }))
            })
        };
        lazily(&self.links, read).map(Option::as_ref)
    }
}

fn grains(operations: &Operations) -> impl Fn(usize) -> Grains {
    |row| operations.grains[operations.sequence[row] as usize]
}

fn take_shapes(cursor: &mut Cursor<'_>, count: usize, reader: &mut ColumnReader) -> Result<Vec<u32>, Damage> {
    Ok(reader.take_numbers(cursor, count)?.into_iter().map(|shape| shape as u32).collect())
}

/// A count of 32 bits.
pub(super) fn number(number: i64) -> Result<u32, Damage> {
    u32::try_from(number).map_err(|_| Damage { at: 0, what: "a number has more than 32 bits" })
}

fn text(texts: Option<&Texts>, row: usize) -> Box<str> {
    texts.map_or("", |texts| texts.text(row)).into()
}

impl Attributes {
    fn decode(
        section: Section,
        cursor: &mut Cursor<'_>,
        shapes: impl Iterator<Item = u32>,
        reader: &mut ColumnReader,
    ) -> Result<Self, Damage> {
        let table = Table::decode(cursor, reader)?;
        let counts = table.counts(shapes).map_err(|damage| cursor.damage(damage.what))?;
        let columns = table.columns.iter().map(|_| OnceCell::new()).collect();
        Ok(Self { section, table, counts, columns })
    }

    /// Stands before the first thing that has attributes.
    pub(super) fn walk(&self) -> Walk {
        Walk { next: vec![0; self.counts.len()] }
    }
}

/// Walks along things that have attributes, in order.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    /// The next value of each column.
    next: Vec<usize>,
}

impl Walk {
    /// Passes over a thing of this shape.
    pub(super) fn skip(&mut self, attributes: &Attributes, shape: u32) {
        attributes.table.shape(shape).iter().for_each(|&column| self.next[column as usize] += 1);
    }

    /// Shows where the values of a thing of this shape are: column and row.
    pub(super) fn each(&mut self, attributes: &Attributes, shape: u32, mut each: impl FnMut(usize, usize)) {
        for &column in attributes.table.shape(shape) {
            let next = &mut self.next[column as usize];
            each(column as usize, *next);
            *next += 1;
        }
    }

    /// The attributes of a thing of this shape.
    pub(super) fn take(
        &mut self,
        block: &Block,
        attributes: &Attributes,
        shape: u32,
    ) -> Result<Vec<Attribute>, Damage> {
        let columns = attributes.table.shape(shape);
        let mut found = Vec::with_capacity(columns.len());
        for &column in columns {
            let next = &mut self.next[column as usize];
            let value = block.column(attributes, column as usize)?.value(*next);
            *next += 1;
            found.push(Attribute { key: attributes.table.key(column as usize).into(), value });
        }
        Ok(found)
    }
}
