//! Makes a block of spans.

use weir_signal::{Span, SpanKind, Status, TraceId};

use super::gather::{Extra, Gathered, Origin, Row, Size, extra};
use super::operations::Operations;
use super::times::Grains;
use super::{SECTIONS, Section, parents, times};
use crate::pack::Effort;
use crate::spans::attributes::{Attributes, ColumnValues};
use crate::spans::columns::ColumnWriter;
use crate::spans::interner::Interner;
use crate::spans::keys::{KeyEntry, KeyKinds, KeyScope, KeysWriter};
use crate::spans::operations::{Counts, OperationsWriter};
use crate::spans::tokens;
use crate::spans::writer::Unstorable;
use crate::varint::put_u64;

/// What a block that was made has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::spans) struct Encoded {
    pub(in crate::spans) spans: u32,
    /// The traces, one for each fragment.
    pub(in crate::spans) traces: Vec<TraceId>,
    pub(in crate::spans) from_ns: i64,
    pub(in crate::spans) to_ns: i64,
    pub(in crate::spans) duration_min_ns: u64,
    pub(in crate::spans) duration_max_ns: u64,
    /// Bit `n` for the status of number `n`, and for the kind.
    pub(in crate::spans) statuses: u8,
    pub(in crate::spans) kinds: u8,
    /// What the filter is to know, in no order.
    pub(in crate::spans) tokens: Vec<u64>,
}

/// Gathers spans and makes a block of them. Its memory is used again for the next.
pub(in crate::spans) struct BlockEncoder {
    gathered: Gathered,
    size: Size,
    writer: ColumnWriter,
    operations: Operations,
    sections: [Vec<u8>; SECTIONS],
}

impl BlockEncoder {
    pub(in crate::spans) fn new(effort: Effort) -> Self {
        Self {
            gathered: Gathered::default(),
            size: Size::default(),
            writer: ColumnWriter::new(effort),
            operations: Operations::default(),
            sections: Default::default(),
        }
    }

    pub(in crate::spans) fn spans(&self) -> usize {
        self.gathered.rows.len()
    }

    /// Bytes of texts so far.
    pub(in crate::spans) fn bytes(&self) -> usize {
        self.gathered.bytes()
    }

    /// Attributes, events and links so far.
    pub(in crate::spans) fn parts(&self) -> usize {
        self.size.parts
    }

    /// Adds a span.
    ///
    /// # Errors
    /// No block takes it.
    pub(in crate::spans) fn push(&mut self, span: &Span) -> Result<(), Unstorable> {
        let size = Size::of(span, !self.gathered.knows_origins(span))?;
        self.gathered.push(span)?;
        self.size.parts += size.parts;
        Ok(())
    }

    /// Replaces what is in `out` by the block of all spans, and forgets them. Tells what keys and operations there are.
    pub(in crate::spans) fn encode(
        &mut self,
        block: u32,
        keys: &mut KeysWriter,
        statistics: &mut OperationsWriter,
        out: &mut Vec<u8>,
    ) -> Encoded {
        let mut rows = std::mem::take(&mut self.gathered.rows);
        sort(&mut rows);
        let begins: Vec<bool> =
            (0..rows.len()).map(|place| place == 0 || rows[place - 1].trace != rows[place].trace).collect();
        let mut encoded = summary(&rows);
        self.sections.iter_mut().for_each(Vec::clear);
        self.put_rows(&rows, &begins);
        self.put_origins(block, keys, &mut encoded.tokens);
        self.put_attributes(&rows, block, keys, &mut encoded.tokens);
        self.put_extras(&rows);
        self.tell_operations(&rows, statistics, &mut encoded.tokens);
        out.clear();
        put_u64(out, rows.len() as u64);
        put_u64(out, encoded.traces.len() as u64);
        self.sections.iter().for_each(|section| put_u64(out, section.len() as u64));
        self.sections.iter().for_each(|section| out.extend_from_slice(section));
        rows.clear();
        self.gathered.rows = rows;
        self.gathered.clear();
        self.size = Size::default();
        encoded
    }

    fn put_rows(&mut self, rows: &[Row], begins: &[bool]) {
        let fragments = || rows.chunk_by(|a, b| a.trace == b.trace);
        let [traces, ids, parents_out, operations, starts, ends, ..] = &mut self.sections;
        let writer = &mut self.writer;
        for half in [0, 8] {
            let bytes: Vec<u8> =
                fragments().flat_map(|rows| rows[0].trace.0[half..half + 8].to_vec()).collect();
            writer.put_ids(&bytes, traces);
        }
        let counts: Vec<i64> = fragments().map(|rows| rows.len() as i64).collect();
        writer.put_numbers(&counts, traces);
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.id.0).collect();
        writer.put_ids(&bytes, ids);
        parents::encode(fragments(), writer, parents_out);
        self.operations.number(rows.iter().map(|row| row.operation));
        let mut grains = vec![Grains::COARSEST; self.operations.list.len()];
        for (row, &number) in rows.iter().zip(&self.operations.sequence) {
            grains[number as usize].hold(row);
        }
        self.operations.encode(&grains, begins, &self.gathered.names, writer, operations);
        let of_row = |place: usize| grains[self.operations.sequence[place] as usize];
        times::encode(rows, begins, of_row, writer, starts, ends);
    }

    fn put_origins(&mut self, block: u32, keys: &mut KeysWriter, tokens: &mut Vec<u64>) {
        let gathered = &self.gathered;
        let origins = [
            (Section::Resources, &gathered.resources.rows, &gathered.resources.attributes),
            (Section::Scopes, &gathered.scopes.rows, &gathered.scopes.attributes),
        ];
        for (section, rows, attributes) in origins {
            let out = &mut self.sections[section as usize];
            put_u64(out, rows.len() as u64);
            let numbers: [fn(&Origin) -> u32; 2] = [|row| row.shape, |row| row.dropped];
            for number in numbers {
                let column: Vec<_> = rows.iter().map(|row| i64::from(number(row))).collect();
                self.writer.put_numbers(&column, out);
            }
            let texts: [fn(&Origin) -> u32; 3] = [|row| row.schema, |row| row.name, |row| row.version];
            for text in if section == Section::Scopes { &texts[..] } else { &texts[..1] } {
                let column: Vec<_> = rows.iter().map(|row| u64::from(text(row))).collect();
                self.writer.put_texts(&column, &gathered.texts, out);
            }
            let things = rows.iter().map(|row| (row.shape, row.values));
            let mut teller =
                Teller { scope: KeyScope::Resource, block, texts: &gathered.texts, keys, tokens };
            let told = |key: &[u8], values: ColumnValues<'_>| {
                if section == Section::Resources {
                    teller.tell(key, values);
                }
            };
            attributes.encode(things, &gathered.values, &gathered.texts, &mut self.writer, told, out);
        }
    }

    fn put_attributes(&mut self, rows: &[Row], block: u32, keys: &mut KeysWriter, tokens: &mut Vec<u64>) {
        let gathered = &self.gathered;
        let things = rows.iter().map(|row| (row.operation.shape, row.values));
        let mut teller = Teller { scope: KeyScope::Span, block, texts: &gathered.texts, keys, tokens };
        gathered.span_attributes.encode(
            things,
            &gathered.values,
            &gathered.texts,
            &mut self.writer,
            |key, values| teller.tell(key, values),
            &mut self.sections[Section::Attributes as usize],
        );
    }

    fn put_extras(&mut self, rows: &[Row]) {
        let gathered = &self.gathered;
        let writer = &mut self.writer;
        let of = |bit: u8| {
            let there = rows.iter().filter(move |row| row.operation.extras & bit != 0);
            there.map(|row| (row, &gathered.extras[row.extra as usize]))
        };
        let out = &mut self.sections[Section::Extras as usize];
        let texts: [(u8, Number); 2] =
            [(extra::STATE, |extra| extra.state), (extra::MESSAGE, |extra| extra.message)];
        for (bit, text) in texts {
            let column: Vec<_> = of(bit).map(|(_, extra)| u64::from(text(extra))).collect();
            if !column.is_empty() {
                writer.put_texts(&column, &gathered.texts, out);
            }
        }
        let numbers: [(u8, Number); 5] = [
            (extra::DROPPED_ATTRIBUTES, |extra| extra.dropped_attributes),
            (extra::DROPPED_EVENTS, |extra| extra.dropped_events),
            (extra::DROPPED_LINKS, |extra| extra.dropped_links),
            (extra::EVENTS, |extra| extra.events.1),
            (extra::LINKS, |extra| extra.links.1),
        ];
        for (bit, number) in numbers {
            let column: Vec<_> = of(bit).map(|(_, extra)| i64::from(number(extra))).collect();
            writer.put_numbers(&column, out);
        }
        let range = |(start, count): (u32, u32)| start as usize..(start + count) as usize;
        let events: Vec<_> = of(extra::EVENTS)
            .flat_map(|(row, extra)| {
                gathered.events[range(extra.events)].iter().map(move |event| (row.start_ns, event))
            })
            .collect();
        if !events.is_empty() {
            let out = &mut self.sections[Section::Events as usize];
            put_u64(out, events.len() as u64);
            let column: Vec<_> =
                events.iter().map(|(start, event)| event.time_ns.wrapping_sub(*start)).collect();
            writer.put_numbers(&column, out);
            let column: Vec<_> = events.iter().map(|(_, event)| u64::from(event.name)).collect();
            writer.put_texts(&column, &gathered.event_names, out);
            let column: Vec<_> = events.iter().map(|(_, event)| i64::from(event.shape)).collect();
            writer.put_numbers(&column, out);
            let column: Vec<_> = events.iter().map(|(_, event)| i64::from(event.dropped)).collect();
            writer.put_numbers(&column, out);
            let things = events.iter().map(|(_, event)| (event.shape, event.values));
            put_quietly(&gathered.event_attributes, things, gathered, writer, out);
        }
        let links: Vec<_> =
            of(extra::LINKS).flat_map(|(_, extra)| &gathered.links[range(extra.links)]).collect();
        if !links.is_empty() {
            let out = &mut self.sections[Section::Links as usize];
            put_u64(out, links.len() as u64);
            let traces: Vec<u8> = links.iter().flat_map(|link| link.trace.0).collect();
            writer.put_ids(&traces, out);
            let spans: Vec<u8> = links.iter().flat_map(|link| link.span.0).collect();
            writer.put_ids(&spans, out);
            let column: Vec<_> = links.iter().map(|link| u64::from(link.state)).collect();
            writer.put_texts(&column, &gathered.texts, out);
            let column: Vec<_> = links.iter().map(|link| i64::from(link.flags)).collect();
            writer.put_numbers(&column, out);
            let column: Vec<_> = links.iter().map(|link| i64::from(link.shape)).collect();
            writer.put_numbers(&column, out);
            let column: Vec<_> = links.iter().map(|link| i64::from(link.dropped)).collect();
            writer.put_numbers(&column, out);
            let things = links.iter().map(|link| (link.shape, link.values));
            put_quietly(&gathered.link_attributes, things, gathered, writer, out);
        }
    }

    /// Counts services and operations, and gives the tokens of their names.
    fn tell_operations(&self, rows: &[Row], statistics: &mut OperationsWriter, tokens: &mut Vec<u64>) {
        let gathered = &self.gathered;
        let services = &gathered.services;
        tokens.extend(services.iter().map(|service| tokens::service(service)));
        let none = Counts { spans: 0, errors: 0, from_ns: i64::MAX, to_ns: i64::MIN };
        let mut counts = vec![none; self.operations.list.len()];
        for (row, &number) in rows.iter().zip(&self.operations.sequence) {
            let errors = u64::from(row.operation.status == Status::Error as u8);
            let one = Counts { spans: 1, errors, from_ns: row.start_ns, to_ns: row.start_ns };
            counts[number as usize].add(one);
        }
        for (operation, counts) in self.operations.list.iter().zip(counts) {
            let name = std::str::from_utf8(gathered.names.get(operation.name)).unwrap_or_default();
            tokens.push(tokens::name(name));
            let kind = SpanKind::from_number(u64::from(operation.kind));
            statistics.add(&services[operation.resource as usize], name, kind, counts);
        }
    }
}

/// A number of a span's extras.
type Number = fn(&Extra) -> u32;

/// Attributes that the filter does not know.
fn put_quietly(
    attributes: &Attributes,
    things: impl Iterator<Item = (u32, u32)>,
    gathered: &Gathered,
    writer: &mut ColumnWriter,
    out: &mut Vec<u8>,
) {
    attributes.encode(things, &gathered.values, &gathered.texts, writer, |_, _| (), out);
}

/// Tells keys and tokens of one scope.
struct Teller<'a> {
    scope: KeyScope,
    block: u32,
    texts: &'a Interner,
    keys: &'a mut KeysWriter,
    tokens: &'a mut Vec<u64>,
}

impl Teller<'_> {
    fn tell(&mut self, key: &[u8], values: ColumnValues<'_>) {
        let key = std::str::from_utf8(key).unwrap_or_default();
        let seed = tokens::key(key);
        let mut none = KeyEntry::default();
        let entry = self.keys.entry(self.scope, key, self.block).unwrap_or(&mut none);
        match values {
            ColumnValues::Texts(numbers) => {
                entry.kinds.add(KeyKinds::TEXT);
                for &number in numbers {
                    let text = self.texts.get(number);
                    self.tokens.push(tokens::value(seed, text));
                    entry.add_text(text);
                }
            }
            ColumnValues::Ints(mut numbers) => {
                entry.kinds.add(KeyKinds::INT);
                numbers.sort_unstable();
                numbers.dedup();
                for number in numbers {
                    self.tokens.push(tokens::int(seed, number));
                    entry.add_int(number);
                }
            }
            ColumnValues::Bools(mut bools) => {
                entry.kinds.add(KeyKinds::BOOL);
                bools.sort_unstable();
                bools.dedup();
                for value in bools {
                    self.tokens.push(tokens::bool(seed, value != 0));
                    entry.add_bool(value != 0);
                }
            }
            ColumnValues::Others => entry.kinds.add(KeyKinds::OTHERS),
        }
    }
}

/// Puts rows in the order of a block.
fn sort(rows: &mut [Row]) {
    rows.sort_by_key(|row| (row.trace, row.start_ns, row.id));
    let mut fragments: Vec<&[Row]> = rows.chunk_by(|a, b| a.trace == b.trace).collect();
    fragments.sort_by_key(|fragment| fragment[0].start_ns);
    let sorted: Vec<Row> = fragments.concat();
    rows.copy_from_slice(&sorted);
}

fn summary(rows: &[Row]) -> Encoded {
    let mut found = Encoded {
        spans: rows.len() as u32,
        traces: rows.chunk_by(|a, b| a.trace == b.trace).map(|rows| rows[0].trace).collect(),
        from_ns: i64::MAX,
        to_ns: i64::MIN,
        duration_min_ns: u64::MAX,
        ..Encoded::default()
    };
    for row in rows {
        let duration = row.end_ns.checked_sub(row.start_ns).map_or(0, |duration| duration.max(0) as u64);
        found.from_ns = found.from_ns.min(row.start_ns);
        found.to_ns = found.to_ns.max(row.start_ns);
        found.duration_min_ns = found.duration_min_ns.min(duration);
        found.duration_max_ns = found.duration_max_ns.max(duration);
        found.statuses |= 1 << row.operation.status;
        found.kinds |= 1 << row.operation.kind;
    }
    found
}
