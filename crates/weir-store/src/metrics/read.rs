//! Metrics are read: parts, what is being flushed, and the head, merged by labels and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_block::or_left_out;
use weir_block::series::SegmentReader;
use weir_signal::{
    Exemplar, Labels, Matcher, Metadata, Points, ReadError, Scope, SeriesSelect, SeriesSource, SeriesStream,
};

use super::head::MemorySeries;
use super::runs::{Run, SeriesRuns};
use crate::damage::Lenient;
use crate::manifest::Tombstone;
use crate::part::{Part, deleted};
use crate::signal::Signal;
use crate::store::Store;
use crate::store::inner::{View, locked, reading};

/// What one read looks at: taken at one moment.
struct Sources {
    view: Arc<View>,
    /// Frozen first, then the head.
    memory: Vec<MemorySeries>,
    labels: Vec<Labels>,
    exemplars: Vec<(Labels, Vec<Exemplar>)>,
}

/// What a read wants, its scope included.
struct Wanted<'a> {
    scope: &'a Scope,
    matchers: Vec<Matcher>,
    range: (i64, i64),
    watch: Lenient,
}

impl Store {
    fn wanted<'a>(&self, scope: &'a Scope, select: &SeriesSelect) -> Wanted<'a> {
        let matchers = scope.matchers.iter().chain(&select.matchers).cloned().collect();
        // What is older than is kept is not answered, removed or not.
        let from = select.from_ms.max(self.inner.kept_from(&scope.tenant, Signal::Metrics));
        Wanted { scope, matchers, range: (from, select.to_ms), watch: self.inner.lenient(scope) }
    }

    fn sources(&self, wanted: &Wanted<'_>, with: Want) -> Sources {
        let inner = &self.inner;
        let matchers: Vec<&Matcher> = wanted.matchers.iter().collect();
        let tenant = &wanted.scope.tenant;
        let range = wanted.range;
        let mut head = MemorySeries::default();
        let (mut labels, mut exemplars) = (Vec::new(), Vec::new());
        // No flush takes anything from the head to what is frozen while both are looked at.
        let open = reading(&inner.gate);
        let view = inner.view();
        if let Some(state) = inner.known_tenant(tenant) {
            let state = locked(&state.metrics.head);
            match with {
                Want::Samples => state.copy(&matchers, range, &mut head),
                Want::Labels => labels = state.labels(&matchers, range),
                Want::Exemplars => exemplars = state.exemplars(&matchers),
            }
        }
        drop(open);
        let mut memory = Vec::new();
        let frozen = view.frozen.as_ref().and_then(|frozen| frozen.tenants.get(tenant)?.metrics.as_ref());
        if let Some(frozen) = frozen {
            match with {
                Want::Samples => {
                    let mut series = MemorySeries::default();
                    frozen.copy(&matchers, range, &mut series);
                    memory.push(series);
                }
                Want::Labels => labels.extend(frozen.labels(&matchers, range)),
                Want::Exemplars => exemplars.extend(frozen.exemplars(&matchers)),
            }
        }
        memory.push(head);
        memory.iter_mut().for_each(MemorySeries::sort);
        Sources { view, memory, labels, exemplars }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Samples,
    Labels,
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
            return Ok(Box::new(Stream::default()));
        }
        let Sources { view, memory, .. } = self.sources(&wanted, Want::Samples);
        Ok(Box::new(Stream::new(&wanted, &view, memory)?))
    }

    fn series(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        let mut found = BTreeSet::new();
        let memory = self.each_part(scope, select, &mut |part, tombstones, wanted| {
            each_labels(part, tombstones, wanted, &mut |labels| {
                found.insert(labels.clone());
            })
        })?;
        found.extend(memory);
        Ok(found.into_iter().collect())
    }

    fn label_names(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        let mut names = BTreeSet::new();
        let add = |names: &mut BTreeSet<String>, labels: &Labels| {
            for (name, _) in labels.iter() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        };
        let memory = self.each_part(scope, select, &mut |part, tombstones, wanted| {
            if !tombstones.is_empty() {
                return each_labels(part, tombstones, wanted, &mut |labels| add(&mut names, labels));
            }
            let (from, to) = wanted.range;
            names.extend(part.metrics()?.label_names(&wanted.matchers, from, to, &mut &wanted.watch)?);
            Ok(())
        })?;
        for labels in &memory {
            add(&mut names, labels);
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        name: &str,
    ) -> Result<Vec<String>, ReadError> {
        let mut values = BTreeSet::new();
        let add = |values: &mut BTreeSet<String>, labels: &Labels| {
            if let Some(value) = labels.get(name)
                && !values.contains(value)
            {
                values.insert(value.to_owned());
            }
        };
        let memory = self.each_part(scope, select, &mut |part, tombstones, wanted| {
            if !tombstones.is_empty() {
                return each_labels(part, tombstones, wanted, &mut |labels| add(&mut values, labels));
            }
            let (from, to) = wanted.range;
            let watch = &mut &wanted.watch;
            values.extend(part.metrics()?.label_values(&wanted.matchers, name, from, to, watch)?);
            Ok(())
        })?;
        for labels in &memory {
            add(&mut values, labels);
        }
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
            let watch = &mut &wanted.watch;
            let Some(segment) = or_left_out(part.metrics(), watch)? else { continue };
            if segment.summary().exemplars == 0 {
                continue;
            }
            let numbers = segment.select(&wanted.matchers, from, to, watch);
            let read = numbers.and_then(|numbers| segment.exemplars(Some(&numbers), from, to, watch));
            let tombstones = view.tombstones_of(part);
            let mut reader = SegmentReader::new(Arc::clone(&segment));
            for (number, exemplars) in or_left_out(read, watch)?.unwrap_or_default() {
                scope.budget.charge(exemplars.len() as u64, exemplars.len() as u64 * 64)?;
                if let Some(labels) = or_left_out(reader.labels(number), watch)? {
                    add(labels, exemplars, &tombstones);
                }
            }
        }
        for (labels, exemplars) in exemplars {
            add(labels, exemplars, &[]);
        }
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
        let own = |name: &str, metadata: &Metadata| (name.to_owned(), metadata.clone());
        Ok(match name {
            Some(name) => families.get(name).map(|metadata| own(name, metadata)).into_iter().collect(),
            None => families.iter().map(|(name, metadata)| own(name, metadata)).collect(),
        })
    }
}

/// Is shown a part, its tombstones, and what is wanted.
type VisitPart<'a> = &'a mut dyn FnMut(&Part, &[Arc<Tombstone>], &Wanted<'_>) -> Result<(), ReadError>;

impl Store {
    /// Visits the parts that may have what is wanted. Gives the labels that memory has of it.
    fn each_part(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        visit: VisitPart<'_>,
    ) -> Result<Vec<Labels>, ReadError> {
        let wanted = self.wanted(scope, select);
        if wanted.range.0 > wanted.range.1 {
            return Ok(Vec::new());
        }
        let Sources { view, labels, .. } = self.sources(&wanted, Want::Labels);
        scope.budget.charge(0, labels.len() as u64 * 64)?;
        for part in view.parts_of(&scope.tenant, Signal::Metrics, wanted.range) {
            // What was found in a part before the damage stays.
            or_left_out(visit(part, &view.tombstones_of(part), &wanted), &mut &wanted.watch)?;
        }
        Ok(labels)
    }
}

/// Gives the labels of every series of a part that is wanted and was not deleted.
fn each_labels(
    part: &Part,
    tombstones: &[Arc<Tombstone>],
    wanted: &Wanted<'_>,
    visit: &mut dyn FnMut(&Labels),
) -> Result<(), ReadError> {
    let segment = part.metrics()?;
    let watch = &mut &wanted.watch;
    let numbers = segment.select(&wanted.matchers, wanted.range.0, wanted.range.1, watch)?;
    wanted.scope.budget.charge(0, numbers.len() as u64 * 64)?;
    let mut reader = SegmentReader::new(segment);
    for number in numbers {
        let Some(labels) = or_left_out(reader.labels(number), watch)? else { continue };
        if !whole_gone(tombstones, &labels, part) {
            visit(&labels);
        }
    }
    Ok(())
}

/// Whether all that a part has of a series was deleted.
fn whole_gone(tombstones: &[Arc<Tombstone>], labels: &Labels, part: &Part) -> bool {
    let gone = deleted(tombstones, labels);
    gone.iter().any(|&(from, to)| from <= part.meta.from && to >= part.meta.to)
}

/// What a select answers.
#[derive(Default)]
struct Stream {
    series: SeriesRuns<Points>,
    watch: Option<Lenient>,
    count: u64,
}

impl Stream {
    fn new(wanted: &Wanted<'_>, view: &View, memory: Vec<MemorySeries>) -> Result<Self, ReadError> {
        let (from, to) = wanted.range;
        let mut runs = Vec::new();
        for part in view.parts_of(&wanted.scope.tenant, Signal::Metrics, wanted.range) {
            let read = part.metrics().and_then(|segment| {
                let numbers = segment.select(&wanted.matchers, from, to, &mut &wanted.watch)?;
                Ok((segment, numbers))
            });
            let Some((segment, numbers)) = or_left_out(read, &mut &wanted.watch)? else { continue };
            if !numbers.is_empty() {
                runs.push(Run::part(segment, numbers, view.tombstones_of(part)));
            }
        }
        runs.extend(memory.into_iter().filter(|series| series.len() > 0).map(Run::memory));
        let series = SeriesRuns::new(runs, wanted.range, &mut &wanted.watch)?;
        Ok(Self { series, watch: Some(wanted.watch.clone()), count: 0 })
    }
}

impl SeriesStream for Stream {
    fn next(&mut self, points: &mut Points) -> Result<Option<Labels>, ReadError> {
        let Some(mut watch) = self.watch.as_ref() else { return Ok(None) };
        while let Some(labels) = self.series.next(points, &mut watch)? {
            if points.is_empty() {
                continue;
            }
            self.count += 1;
            let series_max = watch.budget().limits().series_max;
            if self.count > series_max {
                return Err(ReadError::Series(series_max));
            }
            return Ok(Some(labels));
        }
        Ok(None)
    }
}
