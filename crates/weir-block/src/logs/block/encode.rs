//! Makes a block of rows.

use weir_signal::Labels;

use super::columns::{TextColumns, put_numbers};
use super::interner::Interner;
use super::lanes::Lanes;
use super::line::{
    Kind, Parts, SLOTS_FEW, SLOTS_MAX, Slot, UUID_GROUPS, Value, bytes_of_hex, kind_of_value, write_hex,
    write_uuid,
};
use super::numbers::NumberWriter;
use super::pools::{Pool, PoolPackers, Pools};
use super::stamp::StampShape;
use super::templates::{Template, write_key};
use crate::logs::directory::StreamRun;
use crate::logs::tokens::{self, Coverage, Shapes};
use crate::pack::Effort;
use crate::varint::{put_u64, zigzag};

#[derive(Debug, Clone, Copy)]
struct Row {
    time_ns: i64,
    stream: u32,
    template: u32,
    /// Where its values begin.
    values: u32,
    /// Where its metadata is.
    metadata: u32,
    /// Where its line begins and ends.
    start: u32,
    end: u32,
}

/// Gathers rows and makes a block of them. Its memory is used again for the next.
pub(in crate::logs) struct BlockEncoder {
    packers: PoolPackers,
    pools: Pools,
    lines: Vec<u8>,
    metadata_bytes: usize,
    rows: Vec<Row>,
    /// Of each row, in the order in which they were pushed.
    metadata: Vec<Labels>,
    /// Of each row, what stands in its slots, in order: the number of a text, a distance of times, or where a rest is.
    values: Vec<u64>,
    templates: Interner,
    words: Interner,
    uuids: Interner,
    ids8: Interner,
    ids16: Interner,
    keys: Vec<u64>,
    /// Keys of tokens of times.
    stamp_keys: Vec<u64>,
    shapes: Shapes,
    parts: Parts,
    scratch: Vec<u8>,
}

impl BlockEncoder {
    pub(in crate::logs) fn new(effort: Effort) -> Self {
        Self {
            packers: PoolPackers::new(effort),
            pools: Pools::default(),
            lines: Vec::new(),
            metadata_bytes: 0,
            rows: Vec::new(),
            metadata: Vec::new(),
            values: Vec::new(),
            templates: Interner::default(),
            words: Interner::default(),
            uuids: Interner::default(),
            ids8: Interner::default(),
            ids16: Interner::default(),
            keys: Vec::new(),
            stamp_keys: Vec::new(),
            shapes: Shapes::default(),
            parts: Parts::default(),
            scratch: Vec::new(),
        }
    }

    /// Bytes of lines and metadata so far.
    pub(in crate::logs) fn bytes(&self) -> usize {
        self.lines.len() + self.metadata_bytes
    }

    pub(in crate::logs) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The keys of the block that was made last, ascending, each once.
    pub(in crate::logs) fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// The shapes that keys leave out, of all blocks so far.
    pub(in crate::logs) fn shapes(&self) -> u32 {
        self.shapes.0
    }

    pub(in crate::logs) fn push(&mut self, stream: u32, time_ns: i64, line: &[u8], metadata: &Labels) {
        let start = self.lines.len() as u32;
        self.lines.extend_from_slice(line);
        self.metadata_bytes += metadata.as_encoded().len();
        let values = self.values.len() as u32;
        self.parts.split(line, SLOTS_MAX);
        let template = self.push_parts(start, time_ns, line, metadata);
        let end = self.lines.len() as u32;
        let place = self.rows.len() as u32;
        self.metadata.push(metadata.clone());
        self.rows.push(Row { time_ns, stream, template, values, metadata: place, start, end });
    }

    /// Adds the values of a line, of which the parts are there, and of its metadata; gives the number of its template.
    fn push_parts(&mut self, start: u32, time_ns: i64, line: &[u8], metadata: &Labels) -> u32 {
        let (line_slots, line_bytes) = (self.parts.slots.len(), self.parts.text.len());
        for place in 0..line_slots {
            let value = self.parts.values[place];
            let kind = self.parts.slots[place].kind;
            let told = match (kind, value) {
                (Kind::Stamp(shape), Value::Stamp(value)) => shape.distance(value, time_ns) as u64,
                (Kind::Rest, Value::Text(from, to)) => u64::from(start + from) << 32 | u64::from(start + to),
                (_, Value::Text(from, to)) => self.intern(kind, &line[from as usize..to as usize]),
                (_, Value::Stamp(_)) => unreachable!("only a stamp has a stamp's value"),
            };
            self.values.push(told);
        }
        for (name, value) in metadata.iter() {
            self.push_metadata(line, name, value.as_bytes());
        }
        write_key(&self.parts, line_slots, line_bytes, &mut self.scratch);
        self.templates.intern(&self.scratch)
    }

    fn push_metadata(&mut self, line: &[u8], name: &str, value: &[u8]) {
        self.parts.text.extend_from_slice(name.as_bytes());
        let at = self.parts.text.len() as u32;
        let same = self.parts.values.iter().position(|found| match *found {
            Value::Text(from, to) => line[from as usize..to as usize] == *value,
            Value::Stamp(_) => false,
        });
        let kind = same.map_or_else(|| kind_of_value(value), |slot| Kind::Copy(slot as u8));
        self.parts.slots.push(Slot { at, kind });
        if same.is_none() {
            let told = self.intern(kind, value);
            self.values.push(told);
        }
    }

    fn intern(&mut self, kind: Kind, text: &[u8]) -> u64 {
        let interner = match kind {
            Kind::Id8 => &mut self.ids8,
            Kind::Id16 => &mut self.ids16,
            Kind::Uuid => &mut self.uuids,
            _ => return u64::from(self.words.intern(text)),
        };
        self.scratch.clear();
        if kind == Kind::Uuid {
            for (start, end) in UUID_GROUPS {
                bytes_of_hex(&text[start..end], &mut self.scratch);
            }
        } else {
            bytes_of_hex(text, &mut self.scratch);
        }
        u64::from(interner.intern(&self.scratch))
    }

    /// Replaces what is in `out` and `ids` by the block of all rows, forgets them, and says which streams it has, in its
    /// order.
    pub(in crate::logs) fn encode(&mut self, out: &mut Vec<u8>, ids: &mut Vec<u8>) -> Vec<StreamRun> {
        out.clear();
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| (row.stream, row.time_ns));
        self.stamp_keys.clear();
        self.merge_single_templates(&mut rows);
        let templates = self.number_templates(&mut rows);
        self.pools.clear();
        let runs = runs(&rows);
        put_u64(out, rows.len() as u64);
        put_u64(out, self.lines.len() as u64);
        put_u64(out, self.metadata_bytes as u64);
        put_u64(out, runs.len() as u64);
        for run in &runs {
            put_u64(out, u64::from(run.rows));
        }
        put_u64(out, templates.len() as u64);
        for template in &templates {
            template.encode(&mut self.pools);
        }
        let mut numbers = NumberWriter::new();
        put_sequence(&rows, templates.len(), &mut self.pools);
        put_times(&rows, templates.len(), &mut self.pools, &mut numbers);
        self.put_columns(&rows, &templates, &mut numbers);
        let count8 = self.put_ids(&rows, &templates, ids);
        put_u64(out, count8 as u64);
        numbers.finish(&mut self.pools);
        self.pools.encode(&mut self.packers, out);
        self.gather_keys(&templates);
        rows.clear();
        self.rows = rows;
        self.forget();
        runs
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.metadata_bytes = 0;
        self.metadata.clear();
        self.values.clear();
        for interner in
            [&mut self.templates, &mut self.words, &mut self.uuids, &mut self.ids8, &mut self.ids16]
        {
            interner.clear();
        }
    }

    /// The text of a template that only one row has is worth nothing: more of its line becomes one value, and all of it where
    /// that does not help.
    fn merge_single_templates(&mut self, rows: &mut [Row]) {
        let lines = std::mem::take(&mut self.lines);
        let metadata = std::mem::take(&mut self.metadata);
        for slots in [SLOTS_FEW, 0] {
            let mut counts = vec![0_u32; self.templates.len()];
            for row in rows.iter() {
                counts[row.template as usize] += 1;
            }
            for row in rows.iter_mut().filter(|row| counts[row.template as usize] == 1) {
                let line = &lines[row.start as usize..row.end as usize];
                row.values = self.values.len() as u32;
                if slots > 0 {
                    self.parts.split(line, slots);
                } else {
                    self.parts.keep_whole(line);
                }
                row.template =
                    self.push_parts(row.start, row.time_ns, line, &metadata[row.metadata as usize]);
            }
        }
        (self.lines, self.metadata) = (lines, metadata);
    }

    /// Gives the rows the numbers of their templates in the block, in order of their first rows.
    fn number_templates(&mut self, rows: &mut [Row]) -> Vec<Template> {
        let mut numbers = vec![u32::MAX; self.templates.len()];
        let mut templates: Vec<Template> = Vec::new();
        for row in rows {
            let number = &mut numbers[row.template as usize];
            if *number == u32::MAX {
                *number = templates.len() as u32;
                templates.push(Template::from_key(self.templates.get(row.template)));
            }
            row.template = *number;
        }
        templates
    }

    fn put_columns(&mut self, rows: &[Row], templates: &[Template], numbers: &mut NumberWriter) {
        let mut by_template: Vec<Vec<u32>> = vec![Vec::new(); templates.len()];
        for (place, row) in (0..).zip(rows) {
            by_template[row.template as usize].push(place);
        }
        let mut words = TextColumns::new(self.words.len());
        let mut uuids = TextColumns::new(self.uuids.len());
        let (mut column, mut distinct): (Vec<u64>, Vec<u32>) = (Vec::new(), Vec::new());
        for (template, places) in templates.iter().zip(&by_template) {
            let mut value = 0;
            for slot in &template.slots {
                if let Kind::Copy(_) = slot.kind {
                    continue;
                }
                column.clear();
                column.extend(
                    places.iter().map(|&place| self.values[rows[place as usize].values as usize + value]),
                );
                value += 1;
                match slot.kind {
                    Kind::Word => {
                        words.distinct(&column, &mut distinct);
                        if !self.put_as_numbers(&column, &distinct, numbers) {
                            words.put(&column, &distinct, &mut self.pools);
                        }
                    }
                    Kind::Uuid => {
                        uuids.distinct(&column, &mut distinct);
                        uuids.put(&column, &distinct, &mut self.pools);
                    }
                    Kind::Stamp(shape) => {
                        let times = places.iter().map(|&place| rows[place as usize].time_ns);
                        self.put_stamps(shape, &column, times, numbers);
                    }
                    Kind::Rest => self.put_rests(&column),
                    Kind::Id8 | Kind::Id16 | Kind::Copy(_) => {}
                }
            }
        }
        for &word in words.order() {
            let text = self.words.get(word);
            self.pools.get(Pool::Words).extend_from_slice(text);
            put_u64(self.pools.get(Pool::WordLengths), text.len() as u64);
        }
        for &uuid in uuids.order() {
            self.pools.get(Pool::Uuids).extend_from_slice(self.uuids.get(uuid));
        }
    }

    /// Writes texts as numbers where they are such and differ from row to row; says whether it did.
    fn put_as_numbers(&mut self, column: &[u64], distinct: &[u32], numbers: &mut NumberWriter) -> bool {
        if distinct.len() < 4 || distinct.len() * 4 < column.len() {
            return false;
        }
        let parsed: Option<Vec<i64>> =
            column.iter().map(|&word| number(self.words.get(word as u32))).collect();
        let Some(parsed) = parsed else { return false };
        put_numbers(&parsed, &mut self.pools, numbers);
        true
    }

    fn put_stamps(
        &mut self,
        shape: StampShape,
        distances: &[u64],
        times: impl Iterator<Item = i64>,
        numbers: &mut NumberWriter,
    ) {
        let distances: Vec<i64> = distances.iter().map(|&distance| distance as i64).collect();
        let values: Vec<i64> =
            distances.iter().zip(times).map(|(&distance, time)| shape.value(distance, time)).collect();
        let different = |list: &[i64]| {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            sorted.len()
        };
        let as_values = different(&values) < different(&distances);
        self.pools.get(Pool::Columns).push(u8::from(as_values));
        self.note_stamps(shape, &values);
        put_numbers(if as_values { &values } else { &distances }, &mut self.pools, numbers);
    }

    /// Keys of the tokens of stamps but for the digits at their end, which are left out of the filter.
    fn note_stamps(&mut self, shape: StampShape, values: &[i64]) {
        let (digits, zulu) = shape.end();
        self.shapes.add(digits, zulu);
        if !shape.has_date() {
            return;
        }
        let mut last = None;
        for &value in values {
            let hour = shape.hours(value);
            if last != Some(hour) {
                last = Some(hour);
                self.scratch.clear();
                if shape.write(value, &mut self.scratch) {
                    // The token at the end is left out.
                    let end = self.scratch.len() - digits as usize - usize::from(zulu);
                    tokens::for_each(&self.scratch[..end], |_, token| {
                        tokens::keys_of_token(token, Coverage::Full, &mut self.stamp_keys);
                    });
                }
            }
        }
    }

    fn put_rests(&mut self, column: &[u64]) {
        for &range in column {
            let text = &self.lines[(range >> 32) as usize..(range & 0xffff_ffff) as usize];
            self.pools.get(Pool::Rests).extend_from_slice(text);
            put_u64(self.pools.get(Pool::RestLengths), text.len() as u64);
            let words = &mut self.words;
            tokens::for_each(text, |_, token| _ = words.intern(token));
        }
    }

    /// Writes the ids and which comes when; says how many there are of 8 bytes.
    fn put_ids(&mut self, rows: &[Row], templates: &[Template], ids: &mut Vec<u8>) -> usize {
        let streams = stream_places(rows);
        let runs = streams.last().map_or(0, |last| last + 1);
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&place| rows[place as usize].time_ns);
        let mut ids8 = IdWriter::new(runs, self.ids8.len(), Pool::Lanes8);
        let mut ids16 = IdWriter::new(runs, self.ids16.len(), Pool::Lanes16);
        for place in order {
            let row = &rows[place as usize];
            let stream = streams[place as usize];
            let (mut value, mut place8, mut place16) = (row.values as usize, 0, 0);
            for slot in &templates[row.template as usize].slots {
                match slot.kind {
                    Kind::Copy(_) => continue,
                    Kind::Id8 => {
                        let id = self.values[value] as u32;
                        ids8.put(stream, place8, id, &mut self.pools);
                        place8 += 1;
                    }
                    Kind::Id16 => {
                        let id = self.values[value] as u32;
                        ids16.put(stream, place16, id, &mut self.pools);
                        place16 += 1;
                    }
                    _ => {}
                }
                value += 1;
            }
        }
        ids.clear();
        for (writer, interner) in [(&ids8, &self.ids8), (&ids16, &self.ids16)] {
            for &id in &writer.order {
                ids.extend_from_slice(interner.get(id));
            }
        }
        ids8.order.len()
    }

    /// The keys of all tokens but those of stamps, whose keys are there already. Rests and templates, too, make their
    /// tokens known as words, so that each is looked at once.
    fn gather_keys(&mut self, templates: &[Template]) {
        let words = &mut self.words;
        for template in templates {
            let mut from = 0;
            let ends = template.slots[..template.line_slots].iter().map(|slot| slot.at as usize);
            for end in ends.chain([template.line_bytes]) {
                // Values part tokens: where one stands, no token goes on.
                tokens::for_each(&template.text[from..end], |_, token| _ = words.intern(token));
                from = end;
            }
        }
        let keys_max = (self.bytes() / tokens::BYTES_PER_KEY).max(KEYS_ALWAYS);
        let few = self.gather_keys_of(Coverage::Full, keys_max);
        if !few {
            self.gather_keys_of(Coverage::Sparse, usize::MAX);
        }
    }

    /// The keys of what is known; says whether there are no more than `keys_max`.
    fn gather_keys_of(&mut self, coverage: Coverage, keys_max: usize) -> bool {
        let keys = &mut self.keys;
        keys.clear();
        keys.extend(&self.stamp_keys);
        keys.extend((coverage == Coverage::Sparse).then_some(tokens::SPARSE_KEY));
        for word in 0..self.words.len() as u32 {
            tokens::keys_of_value(self.words.get(word), coverage, keys);
            // Most of them are different.
            if keys.len() / 2 > keys_max {
                return false;
            }
        }
        let mut text = Vec::new();
        for uuid in 0..self.uuids.len() as u32 {
            text.clear();
            write_uuid(self.uuids.get(uuid), &mut text);
            tokens::keys_of_value(&text, coverage, keys);
        }
        for ids in [&self.ids8, &self.ids16] {
            for id in 0..ids.len() as u32 {
                text.clear();
                write_hex(ids.get(id), &mut text);
                keys.push(tokens::key_of_id(&text));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys.len() <= keys_max
    }
}

/// So many keys a block may have, however small it is.
const KEYS_ALWAYS: usize = 1 << 12;

/// Writes the ids of one kind.
struct IdWriter {
    lanes: Lanes,
    /// By an id's number as it was pushed: its number as it is written.
    written: Vec<u32>,
    /// The numbers as they were pushed, in the order in which they are written.
    order: Vec<u32>,
    symbols: Pool,
}

impl IdWriter {
    fn new(streams: usize, ids: usize, symbols: Pool) -> Self {
        Self { lanes: Lanes::new(streams), written: vec![u32::MAX; ids], order: Vec::new(), symbols }
    }

    fn put(&mut self, stream: usize, place: usize, id: u32, pools: &mut Pools) {
        let written = self.written[id as usize];
        let known = (written != u32::MAX).then_some(written);
        let mut far = std::mem::take(pools.get(Pool::Far));
        let number = self.lanes.put(stream, place, known, pools.get(self.symbols), &mut far);
        *pools.get(Pool::Far) = far;
        if known.is_none() {
            self.written[id as usize] = number;
            self.order.push(id);
        }
    }
}

/// A number that prints back as it was.
fn number(text: &[u8]) -> Option<i64> {
    let plain = text.len() <= 18
        && text.iter().all(u8::is_ascii_digit)
        && (text.len() == 1 || text.first().is_some_and(|&first| first != b'0'));
    plain.then(|| text.iter().fold(0, |number, &digit| number * 10 + i64::from(digit - b'0')))
}

/// For each row, which of the block's streams it is of.
fn stream_places(rows: &[Row]) -> Vec<usize> {
    let mut place = 0;
    let mut places = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        if at > 0 && rows[at - 1].stream != row.stream {
            place += 1;
        }
        places.push(place);
    }
    places
}

fn runs(rows: &[Row]) -> Vec<StreamRun> {
    let run = |rows: &[Row]| StreamRun {
        stream: rows[0].stream,
        rows: rows.len() as u32,
        line_bytes: rows.iter().map(|row| u64::from(row.end - row.start)).sum(),
        from_ns: rows[0].time_ns,
        to_ns: rows[rows.len() - 1].time_ns,
    };
    rows.chunk_by(|a, b| a.stream == b.stream).map(run).collect()
}

/// The template of each row: 0 where it follows the one before it as a row of that did last, else its number from 1 on.
fn put_sequence(rows: &[Row], templates: usize, pools: &mut Pools) {
    let mut follower = vec![u32::MAX; templates];
    let mut last = 0;
    let out = pools.get(Pool::Sequence);
    for row in rows {
        let next = row.template;
        if follower[last as usize] == next {
            out.push(0);
        } else {
            put_u64(out, u64::from(next) + 1);
            follower[last as usize] = next;
        }
        last = next;
    }
}

/// The times of the rows, template by template: how long after the row before it in its stream; of the first of a stream
/// how long after the block's first.
fn put_times(rows: &[Row], templates: usize, pools: &mut Pools, numbers: &mut NumberWriter) {
    let first = rows.iter().map(|row| row.time_ns).min().unwrap_or_default();
    let mut steps: Vec<Vec<u64>> = vec![Vec::new(); templates];
    let mut last: Option<&Row> = None;
    for row in rows {
        let before = last.filter(|last| last.stream == row.stream).map_or(first, |last| last.time_ns);
        steps[row.template as usize].push(row.time_ns.wrapping_sub(before) as u64);
        last = Some(row);
    }
    let out = pools.get(Pool::Times);
    numbers.put(zigzag(first), out);
    for step in steps.into_iter().flatten() {
        numbers.put(step, out);
    }
}
