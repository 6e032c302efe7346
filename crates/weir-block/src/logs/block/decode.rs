//! Makes rows of a block.

use weir_signal::LabelsBuilder;

use super::Pick;
use super::columns::{Column, ColumnReader};
use super::lanes::Lanes;
use super::line::{Kind, write_hex, write_uuid};
use super::numbers::NumberReader;
use super::pools::{Pool, Pools};
use super::stamp::StampShape;
use super::templates::Template;
use crate::frame::Damage;
use crate::logs::directory::StreamRun;
use crate::logs::rows::LogRows;
use crate::logs::{BLOCK_ROWS_MAX, LINE_BYTES_MAX};
use crate::pack::Unpacker;
use crate::varint::{Cursor, unzigzag};

/// What a pool may have at most: it is never longer than the lines, or than ten bytes for each row and slot.
const POOL_BYTES_MAX: usize = LINE_BYTES_MAX + (LINE_BYTES_MAX >> 2);

const WRONG_ROWS: &str = "a block has other rows than its index says";

/// Decodes blocks. Keeps memory between calls.
#[derive(Default)]
pub(in crate::logs) struct BlockDecoder {
    unpacker: Unpacker,
}

/// What stands in a slot, row by row.
enum Slots {
    Words(Column),
    Uuids(Column),
    Stamps {
        shape: StampShape,
        as_values: bool,
        numbers: Vec<i64>,
    },
    Ids8(Vec<u32>),
    Ids16(Vec<u32>),
    /// Where in the pool.
    Rests(Vec<(u32, u32)>),
    Copy(usize),
}

/// Texts, one after the other.
struct Words<'a> {
    text: &'a [u8],
    ends: Vec<u32>,
}

impl Words<'_> {
    fn get(&self, number: u32) -> Option<&[u8]> {
        let end = *self.ends.get(number as usize)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number as usize - 1] as usize };
        self.text.get(start..end)
    }
}

struct Row {
    template: u32,
    /// Which row of its template it is.
    ordinal: u32,
    time_ns: i64,
    /// Which of the block's streams it is of.
    run: u32,
}

/// A block whose columns are decoded.
struct Block {
    streams: usize,
    pools: Pools,
    templates: Vec<Template>,
    columns: Vec<Vec<Slots>>,
    word_ends: Vec<u32>,
    rows: Vec<Row>,
    ids8_bytes: usize,
    line_bytes: usize,
    metadata_bytes: usize,
}

impl BlockDecoder {
    /// Appends the rows that are wanted to `rows`, in their order. Without `runs` the streams are numbered as they lie in
    /// the block.
    pub(in crate::logs) fn decode(
        &mut self,
        body: &[u8],
        ids: &[u8],
        runs: Option<&[StreamRun]>,
        pick: &Pick<'_>,
        rows: &mut LogRows,
    ) -> Result<(), Damage> {
        let block = self.open(body, ids.len(), runs)?;
        let (ids8, ids16) = ids.split_at(block.ids8_bytes);
        let words = Words { text: block.pools.bytes(Pool::Words), ends: block.word_ends };
        let writer = RowWriter {
            words,
            ids8,
            ids16,
            pools: &block.pools,
            templates: &block.templates,
            columns: &block.columns,
            line_bytes: block.line_bytes,
        };
        let mut metadata_left = block.metadata_bytes;
        let mut builder = LabelsBuilder::new();
        let mut value = Vec::new();
        let whole = |what| Damage { at: 0, what };
        let streams: Vec<u32> = match runs {
            Some(runs) => runs.iter().map(|run| run.stream).collect(),
            None => (0..block.streams as u32).collect(),
        };
        let wanted: Vec<bool> = streams.iter().map(|&stream| pick.stream(stream)).collect();
        for row in &block.rows {
            if !wanted[row.run as usize] || !pick.time(row.time_ns) {
                continue;
            }
            let stream = streams[row.run as usize];
            let start = rows.line_bytes();
            writer.write_line(row, rows.lines_mut()).ok_or_else(|| whole("a row is damaged"))?;
            if !pick.contains.iter().all(|text| text.find(rows.open_line(start)).is_some()) {
                rows.reopen(start);
                continue;
            }
            builder.clear();
            writer
                .write_metadata(row, &mut builder, &mut value, &mut metadata_left)
                .ok_or_else(|| whole("the metadata of a row is damaged"))?;
            let metadata = builder.build().map_err(|_| whole("the metadata of a row has a name twice"))?;
            let wanted = |(name, value): &(Box<str>, Box<str>)| metadata.get(name) == Some(value);
            if pick.metadata.iter().all(wanted) {
                rows.close(stream, row.time_ns, start, metadata);
            } else {
                rows.reopen(start);
            }
        }
        rows.sort();
        Ok(())
    }

    fn open(&mut self, body: &[u8], ids_bytes: usize, runs: Option<&[StreamRun]>) -> Result<Block, Damage> {
        let mut cursor = Cursor::new(body);
        let count = cursor.length(BLOCK_ROWS_MAX)?;
        let line_bytes = cursor.length(LINE_BYTES_MAX)?;
        let metadata_bytes = cursor.length(LINE_BYTES_MAX)?;
        let streams = cursor.length(count)?;
        let mut lengths = Vec::new();
        let mut left = count;
        for _ in 0..streams {
            let length = cursor.length(left)?;
            left -= length;
            lengths.push(length);
        }
        let as_said =
            runs.is_none_or(|runs| runs.iter().map(|run| run.rows as usize).eq(lengths.iter().copied()));
        if left > 0 || !as_said {
            return Err(cursor.damage(WRONG_ROWS));
        }
        let template_count = cursor.length(count)?;
        let ids8_bytes = cursor.length(ids_bytes / 8)? * 8;
        let pools = Pools::decode(&mut cursor, POOL_BYTES_MAX, &mut self.unpacker)?;
        cursor.end()?;
        let (mut slots, mut texts) = (pools.cursor(Pool::Slots), pools.cursor(Pool::Texts));
        let mut templates = Vec::new();
        for _ in 0..template_count {
            templates.push(Template::decode(&mut slots, &mut texts)?);
        }
        let mut numbers = NumberReader::new(pools.bytes(Pool::Bits));
        let mut counts = vec![0_u32; templates.len()];
        let mut rows = take_sequence(&pools, &lengths, &mut counts)?;
        take_times(&pools, &mut rows, &counts, &mut numbers)?;
        let (mut columns, word_ends) = take_columns(&pools, &templates, &counts, numbers)?;
        let (count8, count16) = take_ids(&pools, &rows, &templates, streams, &mut columns)?;
        if (count8 * 8, count8 * 8 + count16 * 16) != (ids8_bytes, ids_bytes) {
            return Err(cursor.damage("rows name other ids than there are"));
        }
        Ok(Block {
            streams,
            pools,
            templates,
            columns,
            word_ends,
            rows,
            ids8_bytes,
            line_bytes,
            metadata_bytes,
        })
    }
}

fn take_sequence(pools: &Pools, lengths: &[usize], counts: &mut [u32]) -> Result<Vec<Row>, Damage> {
    let mut sequence = pools.cursor(Pool::Sequence);
    let mut follower = vec![u32::MAX; counts.len()];
    let mut last = 0;
    let mut rows = Vec::new();
    for (run, &length) in (0..).zip(lengths) {
        for _ in 0..length {
            let told = sequence.length(counts.len())? as u32;
            let template = match told.checked_sub(1) {
                None => follower.get(last as usize).copied().unwrap_or(u32::MAX),
                Some(template) => {
                    follower[last as usize] = template;
                    template
                }
            };
            let Some(count) = counts.get_mut(template as usize) else {
                return Err(sequence.damage("a row follows one that no row followed"));
            };
            rows.push(Row { template, ordinal: *count, time_ns: 0, run });
            *count += 1;
            last = template;
        }
    }
    sequence.end()?;
    Ok(rows)
}

fn take_times(
    pools: &Pools,
    rows: &mut [Row],
    counts: &[u32],
    numbers: &mut NumberReader<'_>,
) -> Result<(), Damage> {
    let mut symbols = pools.cursor(Pool::Times);
    let first = unzigzag(numbers.take(&mut symbols)?);
    let mut starts = Vec::with_capacity(counts.len());
    let mut steps = Vec::with_capacity(rows.len());
    for &count in counts {
        starts.push(steps.len());
        for _ in 0..count {
            steps.push(numbers.take(&mut symbols)?);
        }
    }
    symbols.end()?;
    let (mut time, mut run) = (first, u32::MAX);
    for row in rows {
        if row.run != run {
            (time, run) = (first, row.run);
        }
        let step = steps[starts[row.template as usize] + row.ordinal as usize];
        time = time.wrapping_add(step as i64);
        row.time_ns = time;
    }
    Ok(())
}

fn take_columns(
    pools: &Pools,
    templates: &[Template],
    counts: &[u32],
    numbers: NumberReader<'_>,
) -> Result<(Vec<Vec<Slots>>, Vec<u32>), Damage> {
    let mut reader = ColumnReader {
        columns: pools.cursor(Pool::Columns),
        narrow: pools.cursor(Pool::Narrow),
        wide: pools.cursor(Pool::Wide),
        symbols: pools.cursor(Pool::Numbers),
        numbers,
    };
    let mut rest_lengths = pools.cursor(Pool::RestLengths);
    let rest_bytes = pools.bytes(Pool::Rests).len();
    let (mut words, mut uuids, mut rest) = (0, 0, 0);
    let mut columns = Vec::with_capacity(templates.len());
    for (template, &count) in templates.iter().zip(counts) {
        let count = count as usize;
        let mut slots = Vec::with_capacity(template.slots.len());
        for slot in &template.slots {
            slots.push(match slot.kind {
                Kind::Word => Slots::Words(reader.take(count, &mut words)?),
                Kind::Uuid => Slots::Uuids(reader.take(count, &mut uuids)?),
                Kind::Stamp(shape) => {
                    let as_values = reader.columns.u8()? == 1;
                    match reader.take(count, &mut 0)? {
                        Column::Numbers(numbers) => Slots::Stamps { shape, as_values, numbers },
                        _ => return Err(reader.columns.damage("times are not written as numbers")),
                    }
                }
                Kind::Rest => {
                    let mut rests = Vec::with_capacity(count);
                    for _ in 0..count {
                        let end = rest + rest_lengths.length(rest_bytes - rest)?;
                        rests.push((rest as u32, end as u32));
                        rest = end;
                    }
                    Slots::Rests(rests)
                }
                Kind::Id8 => Slots::Ids8(vec![0; count]),
                Kind::Id16 => Slots::Ids16(vec![0; count]),
                Kind::Copy(of) => Slots::Copy(usize::from(of)),
            });
        }
        columns.push(slots);
    }
    for end in [&reader.columns, &reader.narrow, &reader.wide, &reader.symbols, &rest_lengths] {
        end.end()?;
    }
    let mut lengths = pools.cursor(Pool::WordLengths);
    let text = pools.bytes(Pool::Words);
    let mut ends = Vec::with_capacity(words as usize);
    let mut at = 0;
    for _ in 0..words {
        at += lengths.length(text.len() - at)?;
        ends.push(at as u32);
    }
    lengths.end()?;
    if pools.bytes(Pool::Uuids).len() != uuids as usize * 16 || at != text.len() {
        return Err(lengths.damage("columns name other texts than there are"));
    }
    Ok((columns, ends))
}

fn take_ids(
    pools: &Pools,
    rows: &[Row],
    templates: &[Template],
    streams: usize,
    columns: &mut [Vec<Slots>],
) -> Result<(usize, usize), Damage> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_by_key(|&place| rows[place as usize].time_ns);
    let (mut lanes8, mut lanes16) = (Lanes::new(streams), Lanes::new(streams));
    let (mut symbols8, mut symbols16) = (pools.cursor(Pool::Lanes8), pools.cursor(Pool::Lanes16));
    let mut far = pools.cursor(Pool::Far);
    for place in order {
        let row = &rows[place as usize];
        let (stream, ordinal) = (row.run as usize, row.ordinal as usize);
        let (mut place8, mut place16) = (0, 0);
        let columns = &mut columns[row.template as usize];
        for (slot, column) in templates[row.template as usize].slots.iter().zip(columns) {
            match (slot.kind, column) {
                (Kind::Id8, Slots::Ids8(ids)) => {
                    ids[ordinal] = lanes8.take(stream, place8, &mut symbols8, &mut far)?;
                    place8 += 1;
                }
                (Kind::Id16, Slots::Ids16(ids)) => {
                    ids[ordinal] = lanes16.take(stream, place16, &mut symbols16, &mut far)?;
                    place16 += 1;
                }
                _ => {}
            }
        }
    }
    for end in [&symbols8, &symbols16, &far] {
        end.end()?;
    }
    Ok((lanes8.count(), lanes16.count()))
}

/// Puts rows together again.
struct RowWriter<'a> {
    words: Words<'a>,
    ids8: &'a [u8],
    ids16: &'a [u8],
    pools: &'a Pools,
    templates: &'a [Template],
    columns: &'a [Vec<Slots>],
    line_bytes: usize,
}

impl RowWriter<'_> {
    /// Appends the line of a row; `None` where it names what is not there, or the lines are longer than they were said to
    /// be.
    fn write_line(&self, row: &Row, out: &mut Vec<u8>) -> Option<()> {
        let template = &self.templates[row.template as usize];
        let columns = &self.columns[row.template as usize];
        let mut from = 0;
        for (slot, column) in template.slots[..template.line_slots].iter().zip(columns) {
            out.extend_from_slice(&template.text[from..slot.at as usize]);
            from = slot.at as usize;
            self.write_value(columns, column, row, out)?;
            if out.len() > self.line_bytes {
                return None;
            }
        }
        out.extend_from_slice(&template.text[from..template.line_bytes]);
        (out.len() <= self.line_bytes).then_some(())
    }

    fn write_metadata(
        &self,
        row: &Row,
        builder: &mut LabelsBuilder,
        value: &mut Vec<u8>,
        left: &mut usize,
    ) -> Option<()> {
        let template = &self.templates[row.template as usize];
        let columns = &self.columns[row.template as usize];
        let mut from = template.line_bytes;
        for (slot, column) in template.slots.iter().zip(columns).skip(template.line_slots) {
            let name = &template.text[from..slot.at as usize];
            from = slot.at as usize;
            value.clear();
            self.write_value(columns, column, row, value)?;
            *left = left.checked_sub(name.len() + value.len())?;
            builder.push(std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        }
        Some(())
    }

    fn write_value(&self, columns: &[Slots], column: &Slots, row: &Row, out: &mut Vec<u8>) -> Option<()> {
        let at = row.ordinal as usize;
        let text = |column: &Column| match column {
            Column::Same(text) => *text,
            Column::Texts(texts) => texts[at],
            Column::Numbers(_) => u32::MAX,
        };
        match column {
            Slots::Words(Column::Numbers(numbers)) => write_number(numbers[at], out),
            Slots::Words(column) => out.extend_from_slice(self.words.get(text(column))?),
            Slots::Uuids(column) => write_uuid(nth::<16>(self.pools.bytes(Pool::Uuids), text(column))?, out),
            Slots::Ids8(ids) => write_hex(nth::<8>(self.ids8, ids[at])?, out),
            Slots::Ids16(ids) => write_hex(nth::<16>(self.ids16, ids[at])?, out),
            Slots::Rests(rests) => {
                let (start, end) = rests[at];
                out.extend_from_slice(&self.pools.bytes(Pool::Rests)[start as usize..end as usize]);
            }
            Slots::Stamps { shape, as_values, numbers } => {
                let value = if *as_values { numbers[at] } else { shape.value(numbers[at], row.time_ns) };
                if !shape.write(value, out) {
                    return None;
                }
            }
            Slots::Copy(of) => match &columns[*of] {
                Slots::Copy(_) => return None,
                column => self.write_value(columns, column, row, out)?,
            },
        }
        Some(())
    }
}

fn nth<const WIDTH: usize>(list: &[u8], number: u32) -> Option<&[u8]> {
    let start = number as usize * WIDTH;
    list.get(start..start + WIDTH)
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
