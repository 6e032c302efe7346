//! Spans out of a block.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use weir_signal::{
    Link, ReadError, Span, SpanCondition, SpanEvent, SpanField, SpanId, SpanKind, SpanTest, Status, TraceId,
    Value,
};

use super::decode::{Attributes, Block, Walk, number};
use super::gather::extra;
use crate::frame::{Damage, FileReader, Place};
use crate::spans::attributes::ColumnData;
use crate::spans::test::{int_meets, meets, text_meets};
use crate::spans::values::Values;

/// A block that was read. Its columns are decoded when they are asked for; a damaged one is an error each time.
pub struct SpanBlock {
    block: Block,
    /// Where each [`STRIDE`]th row has its values.
    positions: OnceCell<Vec<Position>>,
    data: FileReader,
    place: Place,
}

/// To reach a row, no more rows are passed over.
const STRIDE: usize = 256;

impl SpanBlock {
    pub(in crate::spans) fn open(data: FileReader, place: Place) -> Result<Self, ReadError> {
        let body = data.read(place)?;
        let block = Block::open(body).map_err(|damage| data.damaged(place, damage))?;
        Ok(Self { block, positions: OnceCell::new(), data, place })
    }

    fn told<T>(&self, read: Result<T, Damage>) -> Result<T, ReadError> {
        read.map_err(|damage| self.data.damaged(self.place, damage))
    }

    /// How many spans it has.
    pub fn spans(&self) -> usize {
        self.block.spans
    }

    /// The traces that it has spans of, by fragment.
    ///
    /// # Errors
    /// The block is damaged; so for all that follow.
    pub fn traces(&self) -> Result<&[TraceId], ReadError> {
        self.told(self.block.fragments()).map(|fragments| fragments.traces.as_slice())
    }

    /// The start of each fragment's first span, ascending.
    pub fn starts(&self) -> Result<Vec<i64>, ReadError> {
        let read = || {
            let (fragments, starts) = (self.block.fragments()?, self.block.starts()?);
            Ok((0..fragments.traces.len()).map(|fragment| starts[fragments.rows(fragment).start]).collect())
        };
        self.told(read())
    }

    /// The starts of a fragment's spans, ascending.
    pub fn starts_of(&self, fragment: usize) -> Result<&[i64], ReadError> {
        let read = || Ok(&self.block.starts()?[self.block.fragments()?.rows(fragment)]);
        self.told(read())
    }

    /// The spans of a fragment.
    pub fn fragment(&self, fragment: usize) -> Result<Vec<Span>, ReadError> {
        self.told(self.block.fragments().and_then(|fragments| self.spans_of(fragments.rows(fragment))))
    }

    /// All spans, fragment by fragment.
    pub fn all(&self) -> Result<Vec<Span>, ReadError> {
        self.told(self.spans_of(0..self.block.spans))
    }

    /// The spans of a trace; none where it has none.
    pub fn trace(&self, id: TraceId) -> Result<Vec<Span>, ReadError> {
        match self.traces()?.iter().position(|&trace| trace == id) {
            Some(fragment) => self.fragment(fragment),
            None => Ok(Vec::new()),
        }
    }

    /// The fragments that have a span which meets the condition, ascending.
    pub fn matching(&self, condition: &SpanCondition) -> Result<Vec<u32>, ReadError> {
        let read = || {
            let rows = self.rows_matching(condition)?;
            let fragments = self.block.fragments()?;
            let has = |fragment: &u32| rows[fragments.rows(*fragment as usize)].contains(&true);
            Ok((0..fragments.traces.len() as u32).filter(has).collect())
        };
        self.told(read())
    }

    /// Adds the values that a field has.
    pub fn values(&self, field: &SpanField, values: &mut Values) -> Result<(), ReadError> {
        self.told(self.gather_values(field, values))
    }

    /// Decodes everything.
    pub(in crate::spans) fn verify(&self) -> Result<(), ReadError> {
        self.all().map(drop)
    }

    fn rows_matching(&self, condition: &SpanCondition) -> Result<Vec<bool>, Damage> {
        let test = &condition.test;
        let anything = matches!(test, SpanTest::Equal(Value::Empty));
        if anything {
            return Ok(vec![true; self.block.spans]);
        }
        match &condition.field {
            SpanField::Name => {
                let operations = self.block.operations()?;
                self.by_operation(|operation| text_meets(&operations.names[operation.name as usize], test))
            }
            SpanField::Service => {
                let resources = self.block.resources()?;
                let good: Vec<bool> =
                    resources.iter().map(|resource| text_meets(resource.service(), test)).collect();
                self.by_operation(|operation| good.get(operation.resource as usize) == Some(&true))
            }
            SpanField::Status => self.by_operation(|operation| {
                text_meets(Status::from_number(u64::from(operation.status)).as_str(), test)
            }),
            SpanField::Kind => self.by_operation(|operation| {
                text_meets(SpanKind::from_number(u64::from(operation.kind)).as_str(), test)
            }),
            SpanField::Duration => {
                let times = self.block.starts()?.iter().zip(self.block.ends()?);
                let duration = |(start, end): (&i64, &i64)| {
                    end.checked_sub(*start).map_or(0, |duration| duration.max(0))
                };
                Ok(times.map(|times| int_meets(duration(times), test)).collect())
            }
            SpanField::Span(key) => {
                let mut rows = vec![false; self.block.spans];
                self.by_attribute(key, test, &mut rows)?;
                Ok(rows)
            }
            SpanField::Resource(key) => self.by_resource(key, test),
            SpanField::Either(key) => {
                let mut rows = self.by_resource(key, test)?;
                self.by_attribute(key, test, &mut rows)?;
                Ok(rows)
            }
        }
    }

    fn by_operation(&self, good: impl Fn(&super::gather::Operation) -> bool) -> Result<Vec<bool>, Damage> {
        let operations = self.block.operations()?;
        let good: Vec<bool> = operations.operations.iter().map(good).collect();
        Ok(operations.sequence.iter().map(|&operation| good[operation as usize]).collect())
    }

    fn by_resource(&self, key: &str, test: &SpanTest) -> Result<Vec<bool>, Damage> {
        let has = |resource: &Arc<weir_signal::Resource>| {
            let mut attributes = resource.attributes.iter().filter(|attribute| &*attribute.key == key);
            attributes.any(|attribute| meets(&attribute.value, test))
        };
        let good: Vec<bool> = self.block.resources()?.iter().map(has).collect();
        self.by_operation(|operation| good.get(operation.resource as usize) == Some(&true))
    }

    fn by_attribute(&self, key: &str, test: &SpanTest, rows: &mut [bool]) -> Result<(), Damage> {
        let (attributes, operations) = (self.block.attributes()?, self.block.operations()?);
        let columns = 0..attributes.table.columns.len();
        let mut good: Vec<Option<Good<'_>>> = Vec::new();
        for column in columns {
            let wanted = attributes.table.key(column) == key;
            good.push(if wanted { Some(self.good(attributes, column, test)?) } else { None });
        }
        if good.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut walk = attributes.walk();
        for (row, good_row) in rows.iter_mut().enumerate() {
            walk.each(attributes, operations.of(row).shape, |column, value| {
                *good_row |= good[column].as_ref().is_some_and(|good| good.has(value));
            });
        }
        Ok(())
    }

    /// Which values of a column meet a test.
    fn good<'a>(
        &self,
        attributes: &'a Attributes,
        column: usize,
        test: &SpanTest,
    ) -> Result<Good<'a>, Damage> {
        if *test == SpanTest::Exists {
            return Ok(Good::All);
        }
        let data = self.block.column(attributes, column)?;
        Ok(match data {
            ColumnData::Strings(texts) => {
                let text = |place| std::str::from_utf8(texts.get(place)).unwrap_or_default();
                Good::Texts(texts, (0..texts.distinct()).map(|place| text_meets(text(place), test)).collect())
            }
            ColumnData::Nested(values, texts) => {
                Good::Texts(texts, values.iter().map(|value| meets(value, test)).collect())
            }
            ColumnData::Ints(ints) => Good::Rows(ints.iter().map(|&int| int_meets(int, test)).collect()),
            ColumnData::Bools(bools) => {
                let good = [false, true].map(|value| meets(&Value::Bool(value), test));
                Good::Rows(bools.iter().map(|&value| good[usize::from(value != 0)]).collect())
            }
            ColumnData::Doubles(doubles) => {
                Good::Rows(doubles.iter().map(|&value| meets(&Value::Double(value), test)).collect())
            }
            ColumnData::Bytes(texts) => {
                let value = |place| Value::Bytes(texts.get(place).into());
                Good::Texts(texts, (0..texts.distinct()).map(|place| meets(&value(place), test)).collect())
            }
            ColumnData::Empty => Good::None,
        })
    }

    fn gather_values(&self, field: &SpanField, values: &mut Values) -> Result<(), Damage> {
        match field {
            SpanField::Name => {
                self.block.operations()?.names.iter().for_each(|name| values.add_text(name));
            }
            SpanField::Service => {
                self.block.resources()?.iter().for_each(|resource| values.add_text(resource.service()));
            }
            SpanField::Status => {
                for operation in &self.block.operations()?.operations {
                    values.add_text(Status::from_number(u64::from(operation.status)).as_str());
                }
            }
            SpanField::Kind => {
                for operation in &self.block.operations()?.operations {
                    values.add_text(SpanKind::from_number(u64::from(operation.kind)).as_str());
                }
            }
            SpanField::Duration => {}
            SpanField::Span(key) => self.attribute_values(key, values)?,
            SpanField::Resource(key) => self.resource_values(key, values)?,
            SpanField::Either(key) => {
                self.attribute_values(key, values)?;
                self.resource_values(key, values)?;
            }
        }
        Ok(())
    }

    fn attribute_values(&self, key: &str, values: &mut Values) -> Result<(), Damage> {
        let attributes = self.block.attributes()?;
        for column in 0..attributes.table.columns.len() {
            if attributes.table.key(column) != key {
                continue;
            }
            match self.block.column(attributes, column)? {
                ColumnData::Strings(texts) => (0..texts.distinct()).for_each(|place| {
                    values.add_text(std::str::from_utf8(texts.get(place)).unwrap_or_default());
                }),
                ColumnData::Ints(ints) => {
                    let mut ints = ints.clone();
                    ints.sort_unstable();
                    ints.dedup();
                    for int in ints {
                        values.add(Value::Int(int));
                    }
                }
                ColumnData::Bools(bools) => {
                    for &value in bools {
                        values.add(Value::Bool(value != 0));
                    }
                }
                ColumnData::Doubles(doubles) => {
                    for &value in doubles {
                        values.add(Value::Double(value));
                    }
                }
                ColumnData::Nested(nested, _) => nested.iter().for_each(|value| values.add(value.clone())),
                ColumnData::Bytes(texts) => (0..texts.distinct()).for_each(|place| {
                    values.add(Value::Bytes(texts.get(place).into()));
                }),
                ColumnData::Empty => {}
            }
        }
        Ok(())
    }

    fn resource_values(&self, key: &str, values: &mut Values) -> Result<(), Damage> {
        for resource in self.block.resources()? {
            for attribute in resource.attributes.iter().filter(|attribute| &*attribute.key == key) {
                if attribute.value != Value::Empty {
                    values.add(attribute.value.clone());
                }
            }
        }
        Ok(())
    }

    fn spans_of(&self, rows: Range<usize>) -> Result<Vec<Span>, Damage> {
        let block = &self.block;
        let positions = match self.positions.get() {
            Some(positions) => positions,
            None => {
                let mut position = Position::first(block)?;
                let mut positions = vec![position.clone()];
                for start in (0..block.spans.saturating_sub(STRIDE)).step_by(STRIDE) {
                    position.pass(block, start..start + STRIDE)?;
                    positions.push(position.clone());
                }
                self.positions.get_or_init(|| positions)
            }
        };
        let stride = (rows.start / STRIDE).min(positions.len() - 1);
        let mut position = positions[stride].clone();
        position.pass(block, stride * STRIDE..rows.start)?;
        spans_of(block, rows, position)
    }
}

/// Decodes everything.
#[cfg(test)]
pub(super) fn decode_all(block: &Block) -> Result<Vec<Span>, Damage> {
    spans_of(block, 0..block.spans, Position::first(block)?)
}

fn spans_of(block: &Block, rows: Range<usize>, position: Position) -> Result<Vec<Span>, Damage> {
    let (operations, attributes) = (block.operations()?, block.attributes()?);
    let mut spans = Vec::with_capacity(rows.len());
    let Position { mut walk, mut extras } = position;
    let (fragments, ids, parents) = (block.fragments()?, block.ids()?, block.parents()?);
    let (starts, ends) = (block.starts()?, block.ends()?);
    let (resources, scopes) = (block.resources()?, block.scopes()?);
    let mut fragment = fragments.ends.partition_point(|&end| end as usize <= rows.start);
    for row in rows {
        if fragments.ends.get(fragment).is_some_and(|&end| row >= end as usize) {
            fragment += 1;
        }
        let operation = operations.of(row);
        let bad = Damage { at: 0, what: "a span is of a resource or scope that is not there" };
        let mut span = Span {
            trace: fragments.traces[fragment],
            id: ids[row],
            parent: parents[row],
            flags: operation.flags,
            name: operations.names[operation.name as usize].clone(),
            kind: SpanKind::from_number(u64::from(operation.kind)),
            start_ns: starts[row],
            end_ns: ends[row],
            status: Status::from_number(u64::from(operation.status)),
            attributes: walk.take(block, attributes, operation.shape)?,
            resource: Arc::clone(resources.get(operation.resource as usize).ok_or(bad)?),
            scope: Arc::clone(scopes.get(operation.scope as usize).ok_or(bad)?),
            ..Span::default()
        };
        if operation.extras != 0 {
            extras.take(block, operation.extras, &mut span)?;
        }
        spans.push(span);
    }
    Ok(spans)
}

/// Which values of a column are good.
enum Good<'a> {
    All,
    None,
    Rows(Vec<bool>),
    Texts(&'a crate::spans::columns::Texts, Vec<bool>),
}

impl Good<'_> {
    fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Rows(rows) => rows[row],
            Self::Texts(texts, good) => good[texts.place(row)],
        }
    }
}

/// Where a row has what it has.
#[derive(Debug, Clone)]
struct Position {
    walk: Walk,
    extras: ExtraWalk,
}

impl Position {
    fn first(block: &Block) -> Result<Self, Damage> {
        let extras = ExtraWalk {
            next: [0; 7],
            event: 0,
            link: 0,
            events: block.events()?.map(|events| events.attributes.walk()),
            links: block.links()?.map(|links| links.attributes.walk()),
        };
        Ok(Self { walk: block.attributes()?.walk(), extras })
    }

    /// Passes over rows.
    fn pass(&mut self, block: &Block, rows: Range<usize>) -> Result<(), Damage> {
        let (operations, attributes) = (block.operations()?, block.attributes()?);
        for row in rows {
            let operation = operations.of(row);
            self.walk.skip(attributes, operation.shape);
            if operation.extras != 0 {
                self.extras.pass(block, operation.extras)?;
            }
        }
        Ok(())
    }
}

/// Walks along what few spans have.
#[derive(Debug, Clone)]
struct ExtraWalk {
    /// The next one of each: state, message, and the numbers of [`super::decode::Extras`].
    next: [usize; 7],
    event: usize,
    link: usize,
    events: Option<Walk>,
    links: Option<Walk>,
}

const BITS: [u8; 7] = [
    extra::STATE,
    extra::MESSAGE,
    extra::DROPPED_ATTRIBUTES,
    extra::DROPPED_EVENTS,
    extra::DROPPED_LINKS,
    extra::EVENTS,
    extra::LINKS,
];

impl ExtraWalk {
    /// Where each of a span's extras is, and steps behind them.
    fn step(&mut self, bits: u8) -> [Option<usize>; 7] {
        let mut places = [None; 7];
        for ((place, next), bit) in places.iter_mut().zip(&mut self.next).zip(BITS) {
            if bits & bit != 0 {
                *place = Some(*next);
                *next += 1;
            }
        }
        places
    }

    /// Passes over a span.
    fn pass(&mut self, block: &Block, bits: u8) -> Result<(), Damage> {
        let numbers = &block.extras()?.numbers;
        let [.., events, links] = self.step(bits);
        if let (Some(row), Some(events), Some(walk)) = (events, block.events()?, &mut self.events) {
            for _ in 0..numbers[3][row] {
                walk.skip(&events.attributes, events.shapes[self.event] as u32);
                self.event += 1;
            }
        }
        if let (Some(row), Some(links), Some(walk)) = (links, block.links()?, &mut self.links) {
            for _ in 0..numbers[4][row] {
                walk.skip(&links.attributes, links.shapes[self.link] as u32);
                self.link += 1;
            }
        }
        Ok(())
    }

    /// Gives a span what it has.
    fn take(&mut self, block: &Block, bits: u8, span: &mut Span) -> Result<(), Damage> {
        let extras = block.extras()?;
        let [state, message, numbers @ ..] = self.step(bits);
        if let (Some(row), Some(states)) = (state, &extras.states) {
            span.trace_state = states.text(row).into();
        }
        if let (Some(row), Some(messages)) = (message, &extras.messages) {
            span.status_message = messages.text(row).into();
        }
        let of = |at: usize| numbers[at].map_or(0, |row| extras.numbers[at][row] as u32);
        span.dropped_attributes = of(0);
        span.dropped_events = of(1);
        span.dropped_links = of(2);
        if let (Some(events), Some(walk)) = (block.events()?, &mut self.events) {
            for _ in 0..of(3) {
                let row = self.event;
                span.events.push(SpanEvent {
                    time_ns: span.start_ns.wrapping_add(events.times[row]),
                    name: events.names.text(row).into(),
                    attributes: walk.take(block, &events.attributes, events.shapes[row] as u32)?,
                    dropped_attributes: number(events.dropped[row])?,
                });
                self.event += 1;
            }
        }
        if let (Some(links), Some(walk)) = (block.links()?, &mut self.links) {
            for _ in 0..of(4) {
                let row = self.link;
                let (traces, _) = links.traces.as_chunks();
                let (spans, _) = links.spans.as_chunks();
                span.links.push(Link {
                    trace: TraceId(traces[row]),
                    span: SpanId(spans[row]),
                    trace_state: links.states.text(row).into(),
                    attributes: walk.take(block, &links.attributes, links.shapes[row] as u32)?,
                    dropped_attributes: number(links.dropped[row])?,
                    flags: number(links.flags[row])?,
                });
                self.link += 1;
            }
        }
        Ok(())
    }
}
