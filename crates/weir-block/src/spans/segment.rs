//! Reads a segment.

use std::sync::{Arc, OnceLock};

use weir_signal::{ReadError, Span, SpanCondition, SpanField, SpanKind, SpanTest, Status, TraceId, Value};

use super::block::SpanBlock;
use super::directory::{BlockEntry, Directory, SpanBlockInfo, SpanSummary};
use super::fingerprints::{Blocks, Fingerprints};
use super::keys::{self, Key, KeyKinds, KeyScope, Keys};
use super::operations::{self, Operation, Operations};
use super::test::{int_meets, text_meets};
use super::values::Values;
use super::writer::tags;
use super::{DATA, FILTER, INDEX, tokens};
use crate::frame::{Damage, FileReader};
use crate::read::{ReadAt, Strict, Watch};

/// A segment that can be read. Opening it reads what the index says of blocks, and of fingerprints where their pages are.
pub struct SpanSegment {
    index: FileReader,
    /// Damaged, it can be done without.
    filter: Result<Filter, ReadError>,
    data: FileReader,
    data_file: Arc<dyn ReadAt>,
    directory: Directory,
    summary: SpanSummary,
    traces: Fingerprints,
    operations: OnceLock<Operations>,
    keys: OnceLock<Keys>,
}

/// The file that says which blocks have a value.
struct Filter {
    file: FileReader,
    tokens: Fingerprints,
}

impl Filter {
    fn open(file: Arc<dyn ReadAt>, blocks: usize) -> Result<Self, ReadError> {
        let file = FileReader::open(file, FILTER)?;
        let tokens = Fingerprints::open(&file, tags::TOKENS, blocks)?;
        Ok(Self { file, tokens })
    }
}

impl SpanSegment {
    /// Opens the three files of a segment. It can be read without its filter, only slower: whoever cannot open that gives the
    /// error, which is told when the filter is needed.
    ///
    /// # Errors
    /// Index or data are damaged or cannot be read.
    pub fn open(
        index: Arc<dyn ReadAt>,
        data: Arc<dyn ReadAt>,
        filter: Result<Arc<dyn ReadAt>, ReadError>,
    ) -> Result<Self, ReadError> {
        let index = FileReader::open(index, INDEX)?;
        let (body, place) = index.read_named(tags::BLOCKS)?;
        let directory = Directory::decode(&body).map_err(|damage| index.damaged(place, damage))?;
        let traces = Fingerprints::open(&index, tags::TRACES, directory.blocks.len())?;
        let filter = filter.and_then(|filter| Filter::open(filter, directory.blocks.len()));
        let data_file = Arc::clone(&data);
        // The index knows where the blocks are: what only the end of the data says is not needed to read it.
        let data = FileReader::open_without_table(data, DATA)?;
        let summary = directory.summary();
        Ok(Self {
            index,
            filter,
            data,
            data_file,
            directory,
            summary,
            traces,
            operations: OnceLock::new(),
            keys: OnceLock::new(),
        })
    }

    /// What it has in all.
    pub fn summary(&self) -> SpanSummary {
        self.summary
    }

    /// Its blocks, in the order in which they were written.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = SpanBlockInfo> {
        self.directory.blocks.iter().map(|block| block.info)
    }

    /// The blocks that may have spans of a trace, ascending by number: mostly one, and rarely one that has none of it. All of
    /// them where what would tell is damaged.
    ///
    /// # Errors
    /// `watch` does not go on without what is damaged.
    pub fn blocks_of(&self, trace: TraceId, watch: &mut dyn Watch) -> Result<Vec<SpanBlockInfo>, ReadError> {
        let found = match self.traces.find(&self.index, tokens::trace(trace)) {
            Ok(found) => found,
            Err(error) => {
                watch.leave_out(error)?;
                Blocks::All
            }
        };
        Ok(self.blocks().filter(|info| found.contains(info.number)).collect())
    }

    /// All spans of a trace that the segment has, ascending by start, then by id; none where it has none.
    ///
    /// # Errors
    /// The segment is damaged or cannot be read.
    pub fn trace(&self, id: TraceId) -> Result<Vec<Span>, ReadError> {
        let mut spans = Vec::new();
        for info in self.blocks_of(id, &mut Strict)? {
            spans.append(&mut self.read(info.number)?.trace(id)?);
        }
        spans.sort_by_key(|span| (span.start_ns, span.id));
        Ok(spans)
    }

    /// The blocks that may have a span which begins in the range and one that meets the condition, newest first: by their
    /// latest start, then by number. What would tell more and is damaged is done without.
    ///
    /// # Errors
    /// `watch` does not go on without what is damaged.
    pub fn candidates(
        &self,
        from_ns: i64,
        to_ns: i64,
        condition: Option<&SpanCondition>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<SpanBlockInfo>, ReadError> {
        let within = |info: &SpanBlockInfo| info.from_ns < to_ns && info.to_ns >= from_ns;
        let mut found: Vec<_> = self.blocks().filter(within).collect();
        if let Some(condition) = condition
            && !found.is_empty()
        {
            match self.may_meet(condition) {
                Ok(may_have) => found.retain(|info| may_have.has(info)),
                Err(error) => watch.leave_out(error)?,
            }
        }
        found.sort_by_key(|info| std::cmp::Reverse((info.to_ns, info.number)));
        Ok(found)
    }

    /// Reads a block.
    ///
    /// # Errors
    /// It is damaged, cannot be read, or is none of the segment's.
    pub fn read(&self, block: u32) -> Result<SpanBlock, ReadError> {
        match self.directory.blocks.get(block as usize) {
            Some(entry) => SpanBlock::open(self.data.clone(), entry.place),
            None => Err(ReadError::Damaged {
                file: self.data.file().name().to_owned(),
                offset: 0,
                what: format!("it has no block {block}"),
            }),
        }
    }

    /// Services and what they do, ascending by service, name and kind.
    ///
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn operations(&self) -> Result<&[Operation], ReadError> {
        self.read_operations().map(|operations| operations.list.as_slice())
    }

    /// The names of attributes of spans and of resources, each ascending. A segment with tens of thousands leaves some out.
    ///
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn attribute_names(&self) -> Result<(Vec<&str>, Vec<&str>), ReadError> {
        let keys = self.keys()?;
        let of =
            |scope| keys.list.iter().filter(move |key| key.scope == scope).map(|key| &*key.name).collect();
        Ok((of(KeyScope::Span), of(KeyScope::Resource)))
    }

    /// Adds the values that a field has in blocks with a span that begins in the range. Where all blocks are in the range and
    /// the index knows the values, no block is read. Blocks that are damaged add none.
    ///
    /// # Errors
    /// `watch` ends it.
    pub fn values(
        &self,
        from_ns: i64,
        to_ns: i64,
        field: &SpanField,
        values: &mut Values,
        watch: &mut dyn Watch,
    ) -> Result<(), ReadError> {
        let exists = SpanCondition { field: field.clone(), test: SpanTest::Exists };
        let blocks = self.candidates(from_ns, to_ns, Some(&exists), watch)?;
        let all = self.summary.times_ns.is_some_and(|(from, to)| from_ns <= from && to < to_ns);
        if all {
            match self.known_values(field, values) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => watch.leave_out(error)?,
            }
        }
        for info in blocks {
            watch.charge(u64::from(info.spans), info.data_bytes)?;
            if let Err(error) = self.read(info.number).and_then(|block| block.values(field, values)) {
                watch.leave_out(error)?;
            }
        }
        Ok(())
    }

    /// Adds the values of a field where the index knows all of them; whether it does.
    fn known_values(&self, field: &SpanField, values: &mut Values) -> Result<bool, ReadError> {
        let (key, scopes): (_, &[KeyScope]) = match field {
            SpanField::Name | SpanField::Service => {
                let operations = self.read_operations()?;
                if *field == SpanField::Service {
                    operations.list.iter().for_each(|operation| values.add_text(&operation.service));
                } else if !operations.many {
                    operations.list.iter().for_each(|operation| values.add_text(&operation.name));
                }
                return Ok(*field == SpanField::Service || !operations.many);
            }
            SpanField::Duration => return Ok(true),
            SpanField::Status | SpanField::Kind => return Ok(false),
            SpanField::Span(key) => (key, &[KeyScope::Span]),
            SpanField::Resource(key) => (key, &[KeyScope::Resource]),
            SpanField::Either(key) => (key, &[KeyScope::Span, KeyScope::Resource]),
        };
        let mut lists = Vec::new();
        for &scope in scopes {
            match self.key(scope, key)? {
                Some(Key { values: Some(list), .. }) => lists.push(list),
                None if !self.keys()?.many => {}
                _ => return Ok(false),
            }
        }
        lists.into_iter().flatten().for_each(|value| values.add(value.clone()));
        Ok(true)
    }

    /// Reads everything, and says what of it is damaged: a block, the index, a page of fingerprints or of the filter each.
    pub fn verify(&self) -> Vec<ReadError> {
        let mut found = Vec::new();
        found.extend(self.read_operations().err());
        found.extend(self.keys().err());
        found.extend(self.traces.verify(&self.index));
        found.extend(FileReader::open(Arc::clone(&self.data_file), DATA).err());
        for BlockEntry { place, info } in &self.directory.blocks {
            let checked = self.read(info.number).and_then(|block| {
                block.verify()?;
                let has = (block.spans(), block.traces()?.len());
                if has == (info.spans as usize, info.fragments as usize) {
                    return Ok(());
                }
                let what = "the block has other spans than the index says";
                Err(self.data.damaged(*place, Damage { at: 0, what }))
            });
            found.extend(checked.err());
        }
        match &self.filter {
            Ok(filter) => found.extend(filter.tokens.verify(&filter.file)),
            Err(error) => found.push(error.clone()),
        }
        found
    }

    fn read_operations(&self) -> Result<&Operations, ReadError> {
        if let Some(read) = self.operations.get() {
            return Ok(read);
        }
        let (body, place) = self.index.read_named(tags::OPERATIONS)?;
        let read = operations::decode(&body).map_err(|damage| self.index.damaged(place, damage))?;
        Ok(self.operations.get_or_init(|| read))
    }

    fn keys(&self) -> Result<&Keys, ReadError> {
        if let Some(read) = self.keys.get() {
            return Ok(read);
        }
        let (body, place) = self.index.read_named(tags::KEYS)?;
        let read =
            keys::decode(&body, self.summary.blocks).map_err(|damage| self.index.damaged(place, damage))?;
        Ok(self.keys.get_or_init(|| read))
    }

    fn key(&self, scope: KeyScope, name: &str) -> Result<Option<&Key>, ReadError> {
        let keys = &self.keys()?.list;
        let found = keys.binary_search_by(|key| (key.scope, &*key.name).cmp(&(scope, name)));
        Ok(found.ok().map(|place| &keys[place]))
    }

    fn may_meet<'a>(&self, condition: &'a SpanCondition) -> Result<MayMeet<'a>, ReadError> {
        let (field, test) = (&condition.field, &condition.test);
        if matches!(test, SpanTest::Equal(Value::Empty)) {
            return Ok(MayMeet::Any);
        }
        let text = |token: fn(&str) -> u64| match test {
            SpanTest::Exists => Ok(MayMeet::Any),
            SpanTest::Equal(wanted) => {
                let written = wanted.to_string();
                self.blocks_with(token(&written)).map(MayMeet::In)
            }
            SpanTest::AtLeast(_) | SpanTest::AtMost(_) => Ok(MayMeet::In(Blocks::None)),
        };
        match field {
            SpanField::Name => text(tokens::name),
            SpanField::Service => text(tokens::service),
            SpanField::Duration | SpanField::Status | SpanField::Kind => Ok(MayMeet::Info(field, test)),
            SpanField::Span(key) => self.may_have(key, &[KeyScope::Span], test),
            SpanField::Resource(key) => self.may_have(key, &[KeyScope::Resource], test),
            SpanField::Either(key) => self.may_have(key, &[KeyScope::Span, KeyScope::Resource], test),
        }
    }

    /// The blocks that have a value, by the filter.
    fn blocks_with(&self, token: u64) -> Result<Blocks, ReadError> {
        let filter = self.filter.as_ref().map_err(Clone::clone)?;
        filter.tokens.find(&filter.file, token)
    }

    /// The blocks that may have an attribute whose value meets a test.
    fn may_have<'a>(
        &self,
        name: &str,
        scopes: &[KeyScope],
        test: &SpanTest,
    ) -> Result<MayMeet<'a>, ReadError> {
        let mut keys = Vec::new();
        for &scope in scopes {
            match self.key(scope, name)? {
                None if self.keys()?.many => return Ok(MayMeet::Any),
                key => keys.extend(key),
            }
        }
        let numbers = |key: &&Key| key.kinds.has(KeyKinds::INT) || key.kinds.has(KeyKinds::OTHERS);
        match test {
            SpanTest::AtLeast(_) | SpanTest::AtMost(_) => keys.retain(numbers),
            SpanTest::Equal(wanted) => {
                let token = tokens::wanted(tokens::key(name), wanted);
                let known = keys.iter().all(|key| !key.kinds.has(KeyKinds::OTHERS));
                if let Some(token) = token.filter(|_| known && !keys.is_empty()) {
                    return self.blocks_with(token).map(MayMeet::In);
                }
            }
            SpanTest::Exists => {}
        }
        Ok(MayMeet::InAny(keys.into_iter().map(|key| key.blocks.clone()).collect()))
    }
}

/// Which blocks may meet a condition.
enum MayMeet<'a> {
    Any,
    In(Blocks),
    InAny(Vec<Blocks>),
    Info(&'a SpanField, &'a SpanTest),
}

impl MayMeet<'_> {
    fn has(&self, info: &SpanBlockInfo) -> bool {
        match self {
            Self::Any => true,
            Self::In(blocks) => blocks.contains(info.number),
            Self::InAny(lists) => lists.iter().any(|blocks| blocks.contains(info.number)),
            Self::Info(SpanField::Status, test) => [Status::Unset, Status::Ok, Status::Error]
                .into_iter()
                .any(|status| info.has_status(status) && text_meets(status.as_str(), test)),
            Self::Info(SpanField::Kind, test) => (0..6)
                .map(SpanKind::from_number)
                .any(|kind| info.has_kind(kind) && text_meets(kind.as_str(), test)),
            Self::Info(_, test) => {
                let (least, most) = (info.duration_min_ns, info.duration_max_ns);
                let whole = |duration: u64| duration.min(i64::MAX as u64) as i64;
                match test {
                    SpanTest::AtLeast(_) => int_meets(whole(most), test),
                    SpanTest::AtMost(_) => int_meets(whole(least), test),
                    SpanTest::Equal(_) => {
                        let wanted = |number: f64| (least as f64..=most as f64).contains(&number);
                        match test {
                            SpanTest::Equal(Value::Int(number)) => wanted(*number as f64),
                            SpanTest::Equal(Value::Double(number)) => wanted(*number),
                            _ => true,
                        }
                    }
                    SpanTest::Exists => true,
                }
            }
        }
    }
}
