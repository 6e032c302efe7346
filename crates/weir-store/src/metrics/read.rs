//! Metrics are read: parts, what is being flushed, and the head, merged by labels and time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use weir_block::series::{SegmentReader, SeriesNumber};
use weir_signal::{
    Budget, Exemplar, Labels, Matcher, Metadata, Points, ReadError, Scope, SeriesSelect, SeriesSource,
    SeriesStream,
};

use super::head::MemorySeries;
use super::merge::Joiner;
use crate::manifest::Tombstone;
use crate::part::Part;
use crate::signal::Signal;
use crate::store::Store;
use crate::store::inner::{View, locked, reading};

/// What one read looks at: taken at one moment.
struct Sources {
    view: Arc<View>,
    /// Frozen first, then the head.
    memory: Vec<MemorySeries>,
    exemplars: Vec<(Labels, Vec<Exemplar>)>,
}

/// What a read wants, its scope included.
struct Wanted<'a> {
    scope: &'a Scope,
    matchers: Vec<Matcher>,
    range: (i64, i64),
}

impl Store {
    fn wanted<'a>(&self, scope: &'a Scope, select: &SeriesSelect) -> Wanted<'a> {
        let matchers = scope.matchers.iter().chain(&select.matchers).cloned().collect();
        // What is older than is kept is not answered, removed or not.
        let from = select.from_ms.max(self.inner.kept_from(&scope.tenant, Signal::Metrics));
        Wanted { scope, matchers, range: (from, select.to_ms) }
    }

    fn sources(&self, wanted: &Wanted<'_>, with: Want) -> Sources {
        let inner = &self.inner;
        let matchers: Vec<&Matcher> = wanted.matchers.iter().collect();
        let tenant = &wanted.scope.tenant;
        let mut head = MemorySeries::default();
        let mut exemplars = Vec::new();
        // No flush takes anything from the head to what is frozen while both are looked at.
        let open = reading(&inner.gate);
        let view = inner.view();
        if let Some(state) = inner.known_tenant(tenant) {
            let state = locked(&state.metrics.head);
            match with {
                Want::Samples => state.copy(&matchers, &mut head),
                Want::Exemplars => exemplars = state.exemplars(&matchers),
            }
        }
        drop(open);
        let mut memory = Vec::new();
        if let Some(frozen) =
            view.frozen.as_ref().and_then(|frozen| frozen.tenants.get(tenant)?.metrics.as_ref())
        {
            match with {
                Want::Samples => {
                    let mut series = MemorySeries::default();
                    frozen.copy(&matchers, &mut series);
                    memory.push(series);
                }
                Want::Exemplars => exemplars.extend(frozen.exemplars(&matchers)),
            }
        }
        memory.push(head);
        memory.iter_mut().for_each(MemorySeries::sort);
        Sources { view, memory, exemplars }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Samples,
    Exemplars,
}

impl SeriesSource for Store {
    fn select<'a>(
        &'a self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Box<dyn SeriesStream + 'a>, ReadError> {
        let wanted = self.wanted(scope, select);
        if wanted.range.0 > wanted.range.1 {
            return Ok(Box::new(Merge::default()));
        }
        let Sources { view, memory, .. } = self.sources(&wanted, Want::Samples);
        Ok(Box::new(Merge::new(&wanted, &view, memory)?))
    }

    fn series(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        let mut found = BTreeSet::new();
        let mut points = Points::default();
        self.each_place(scope, select, &mut |place, wanted| {
            match place {
                Place::Part(part, tombstones) => {
                    let segment = part.metrics()?;
                    let numbers = segment.select(&wanted.matchers, wanted.range.0, wanted.range.1)?;
                    wanted.scope.budget.charge(0, numbers.len() as u64 * 64)?;
                    let mut reader = SegmentReader::new(segment);
                    for number in numbers {
                        let labels = reader.labels(number)?;
                        if !whole_gone(tombstones, &labels, part) {
                            found.insert(labels);
                        }
                    }
                }
                Place::Memory(memory) => {
                    for at in 0..memory.len() {
                        points.clear();
                        let (rows, bytes) = memory.points(at, wanted.range, &mut points);
                        wanted.scope.budget.charge(rows, bytes)?;
                        if !points.is_empty()
                            && let Some(labels) = memory.labels(at)
                        {
                            found.insert(labels.clone());
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(found.into_iter().collect())
    }

    fn label_names(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        let mut names = BTreeSet::new();
        self.each_place(scope, select, &mut |place, wanted| {
            match place {
                Place::Part(part, []) => {
                    let segment = part.metrics()?;
                    names.extend(segment.label_names(&wanted.matchers, wanted.range.0, wanted.range.1)?);
                }
                place => each_labels(&place, wanted, &mut |labels| {
                    names.extend(labels.iter().map(|(name, _)| name.to_owned()));
                })?,
            }
            Ok(())
        })?;
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        name: &str,
    ) -> Result<Vec<String>, ReadError> {
        let mut values = BTreeSet::new();
        self.each_place(scope, select, &mut |place, wanted| {
            match place {
                Place::Part(part, []) => {
                    let segment = part.metrics()?;
                    values.extend(segment.label_values(
                        &wanted.matchers,
                        name,
                        wanted.range.0,
                        wanted.range.1,
                    )?);
                }
                place => each_labels(&place, wanted, &mut |labels| {
                    if let Some(value) = labels.get(name)
                        && !values.contains(value)
                    {
                        values.insert(value.to_owned());
                    }
                })?,
            }
            Ok(())
        })?;
        Ok(values.into_iter().collect())
    }

    fn exemplars(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        let wanted = self.wanted(scope, select);
        let (from, to) = wanted.range;
        let Sources { view, exemplars, .. } = self.sources(&wanted, Want::Exemplars);
        let mut found: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        let mut add = |labels: Labels, exemplars: Vec<Exemplar>, tombstones: &[Arc<Tombstone>]| {
            let gone = deleted(tombstones, &labels);
            let within = |exemplar: &Exemplar| {
                let time = exemplar.time_ms;
                (from..=to).contains(&time) && !gone.iter().any(|&(from, to)| (from..=to).contains(&time))
            };
            found.entry(labels).or_default().extend(exemplars.into_iter().filter(within));
        };
        for part in view.parts_of(&scope.tenant, Signal::Metrics, wanted.range) {
            let segment = part.metrics()?;
            if segment.summary().exemplars == 0 {
                continue;
            }
            let numbers = segment.select(&wanted.matchers, from, to)?;
            let tombstones = view.tombstones_of(part);
            let mut reader = SegmentReader::new(Arc::clone(&segment));
            for (number, exemplars) in segment.exemplars(Some(&numbers), from, to)? {
                scope.budget.charge(exemplars.len() as u64, exemplars.len() as u64 * 64)?;
                add(reader.labels(number)?, exemplars, &tombstones);
            }
        }
        exemplars.into_iter().for_each(|(labels, exemplars)| add(labels, exemplars, &[]));
        let mut found: Vec<_> = found.into_iter().collect();
        for (_, exemplars) in &mut found {
            // A scrape shows the same one until there is another.
            exemplars.sort_by(|a, b| {
                (a.time_ms, &a.labels).cmp(&(b.time_ms, &b.labels)).then(a.value.total_cmp(&b.value))
            });
            exemplars.dedup();
        }
        found.retain(|(_, exemplars)| !exemplars.is_empty());
        Ok(found)
    }

    fn metadata(&self, scope: &Scope, name: Option<&str>) -> Result<Vec<(String, Metadata)>, ReadError> {
        let Some(state) = self.inner.known_tenant(&scope.tenant) else { return Ok(Vec::new()) };
        let head = locked(&state.metrics.head);
        let families = head.families();
        let own = |(name, metadata): (&Box<str>, &Metadata)| (name.to_string(), metadata.clone());
        Ok(match name {
            Some(name) => families.get_key_value(name).map(own).into_iter().collect(),
            None => families.iter().map(own).collect(),
        })
    }
}

/// Where series are found.
enum Place<'a> {
    Part(&'a Part, &'a [Arc<Tombstone>]),
    Memory(&'a MemorySeries),
}

impl Store {
    fn each_place(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(Place<'_>, &Wanted<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let wanted = self.wanted(scope, select);
        if wanted.range.0 > wanted.range.1 {
            return Ok(());
        }
        let Sources { view, memory, .. } = self.sources(&wanted, Want::Samples);
        for part in view.parts_of(&scope.tenant, Signal::Metrics, wanted.range) {
            visit(Place::Part(part, &view.tombstones_of(part)), &wanted)?;
        }
        memory.iter().try_for_each(|memory| visit(Place::Memory(memory), &wanted))
    }
}

/// Gives the labels of every series of a place.
fn each_labels(
    place: &Place<'_>,
    wanted: &Wanted<'_>,
    visit: &mut dyn FnMut(&Labels),
) -> Result<(), ReadError> {
    match place {
        Place::Part(part, tombstones) => {
            let segment = part.metrics()?;
            let numbers = segment.select(&wanted.matchers, wanted.range.0, wanted.range.1)?;
            wanted.scope.budget.charge(0, numbers.len() as u64 * 64)?;
            let mut reader = SegmentReader::new(segment);
            for number in numbers {
                let labels = reader.labels(number)?;
                if !whole_gone(tombstones, &labels, part) {
                    visit(&labels);
                }
            }
        }
        Place::Memory(memory) => (0..memory.len()).filter_map(|at| memory.labels(at)).for_each(visit),
    }
    Ok(())
}

/// The times of a series that were deleted.
pub(super) fn deleted(tombstones: &[Arc<Tombstone>], labels: &Labels) -> Vec<(i64, i64)> {
    let selects =
        |tombstone: &&Arc<Tombstone>| tombstone.matchers.iter().all(|matcher| matcher.selects(labels));
    tombstones.iter().filter(selects).map(|tombstone| (tombstone.from, tombstone.to)).collect()
}

/// Whether all that a part has of a series was deleted.
fn whole_gone(tombstones: &[Arc<Tombstone>], labels: &Labels, part: &Part) -> bool {
    let gone = deleted(tombstones, labels);
    gone.iter().any(|&(from, to)| from <= part.meta.from && to >= part.meta.to)
}

/// Series of a part that are wanted.
struct PartRun {
    reader: SegmentReader,
    numbers: std::vec::IntoIter<SeriesNumber>,
    /// The one that its labels are in the heap for.
    current: SeriesNumber,
    tombstones: Vec<Arc<Tombstone>>,
}

struct MemoryRun {
    series: MemorySeries,
    current: usize,
}

enum Run {
    Part(Box<PartRun>),
    Memory(MemoryRun),
}

impl Run {
    /// The labels of the next series.
    fn advance(&mut self) -> Result<Option<Labels>, ReadError> {
        match self {
            Self::Part(part) => {
                let Some(number) = part.numbers.next() else { return Ok(None) };
                part.current = number;
                part.reader.labels(number).map(Some)
            }
            Self::Memory(memory) => {
                memory.current = memory.current.wrapping_add(1);
                Ok(memory.series.labels(memory.current).cloned())
            }
        }
    }

    /// Appends the samples of the current series.
    fn points(
        &mut self,
        labels: &Labels,
        range: (i64, i64),
        joiner: &mut Joiner<Points>,
        budget: &Budget,
        out: &mut Points,
    ) -> Result<(), ReadError> {
        match self {
            Self::Part(part) => {
                let bytes = part.reader.points(part.current, range.0, range.1, out)?;
                budget.charge(out.len() as u64, bytes)?;
                if !part.tombstones.is_empty() {
                    let gone = deleted(&part.tombstones, labels);
                    joiner.remove(out, |time| gone.iter().any(|&(from, to)| (from..=to).contains(&time)));
                }
            }
            Self::Memory(memory) => {
                let (rows, bytes) = memory.series.points(memory.current, range, out);
                budget.charge(rows, bytes)?;
            }
        }
        Ok(())
    }
}

/// Merges runs of series by labels.
#[derive(Default)]
struct Merge {
    /// The earliest commits first.
    runs: Vec<Run>,
    /// The next series of each run; of the same labels, the earliest commits first.
    heap: BinaryHeap<Reverse<(Labels, usize)>>,
    range: (i64, i64),
    budget: Option<Arc<Budget>>,
    series: u64,
    joiner: Joiner<Points>,
    spare: Points,
}

impl Merge {
    fn new(wanted: &Wanted<'_>, view: &View, memory: Vec<MemorySeries>) -> Result<Self, ReadError> {
        let (from, to) = wanted.range;
        let mut runs = Vec::new();
        for part in view.parts_of(&wanted.scope.tenant, Signal::Metrics, wanted.range) {
            let segment = part.metrics()?;
            let numbers = segment.select(&wanted.matchers, from, to)?;
            if !numbers.is_empty() {
                runs.push(Run::Part(Box::new(PartRun {
                    reader: SegmentReader::new(segment),
                    numbers: numbers.into_iter(),
                    current: SeriesNumber(0),
                    tombstones: view.tombstones_of(part),
                })));
            }
        }
        let memory = memory.into_iter().filter(|series| series.len() > 0);
        runs.extend(memory.map(|series| Run::Memory(MemoryRun { series, current: usize::MAX })));
        let mut merge = Self {
            runs,
            range: wanted.range,
            budget: Some(Arc::clone(&wanted.scope.budget)),
            ..Self::default()
        };
        for run in 0..merge.runs.len() {
            merge.advance(run)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, run: usize) -> Result<(), ReadError> {
        if let Some(labels) = self.runs[run].advance()? {
            self.heap.push(Reverse((labels, run)));
        }
        Ok(())
    }
}

impl SeriesStream for Merge {
    fn next(&mut self, points: &mut Points) -> Result<Option<Labels>, ReadError> {
        let Some(budget) = self.budget.clone() else { return Ok(None) };
        while let Some(Reverse((labels, run))) = self.heap.pop() {
            points.clear();
            self.runs[run].points(&labels, self.range, &mut self.joiner, &budget, points)?;
            self.advance(run)?;
            while self.heap.peek().is_some_and(|Reverse((next, _))| *next == labels) {
                let Some(Reverse((_, run))) = self.heap.pop() else { break };
                self.spare.clear();
                self.runs[run].points(&labels, self.range, &mut self.joiner, &budget, &mut self.spare)?;
                self.joiner.join(points, &self.spare);
                self.advance(run)?;
            }
            if points.is_empty() {
                continue;
            }
            self.series += 1;
            let series_max = budget.limits().series_max;
            if self.series > series_max {
                return Err(ReadError::Series(series_max));
            }
            return Ok(Some(labels));
        }
        Ok(None)
    }
}
