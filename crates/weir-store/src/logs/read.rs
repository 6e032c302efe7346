//! Logs are read: parts, what is being flushed, and the head, merged by time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_block::index::IndexBuffers;
use weir_block::or_left_out;
use weir_signal::{Direction, Labels, LogRow, LogSelect, LogSource, LogStream, Matcher, ReadError, Scope};

use super::head::MemoryRows;
use super::runs::{LogRuns, Run};
use crate::damage::Lenient;
use crate::part::{Part, deleted};
use crate::signal::Signal;
use crate::store::Store;
use crate::store::inner::{View, locked, reading};

/// What one read looks at: taken at one moment.
struct Sources {
    view: Arc<View>,
    /// Frozen first, then the head.
    memory: Vec<MemoryRows>,
    select: LogSelect,
    watch: Lenient,
}

impl Sources {
    fn parts<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Arc<Part>> {
        self.view.parts_of(&scope.tenant, Signal::Logs, self.range())
    }

    /// Both ends included.
    fn range(&self) -> (i64, i64) {
        (self.select.from_ns, self.select.to_ns.saturating_sub(1))
    }

    fn runs(&self, scope: &Scope, memory: Vec<MemoryRows>) -> Result<Vec<Run>, ReadError> {
        let direction = self.select.direction;
        let mut runs = Vec::new();
        for part in self.parts(scope) {
            let read = part.logs().and_then(|segment| {
                let candidates = segment.candidates(&self.select, &mut &self.watch)?;
                Ok((segment, candidates))
            });
            let Some((segment, candidates)) = or_left_out(read, &mut &self.watch)? else { continue };
            if !candidates.blocks.is_empty() {
                let tombstones = self.view.tombstones_of(part);
                runs.push(Run::part(segment, part.path(0), Some(candidates), tombstones, direction));
            }
        }
        let memory = memory.into_iter().filter(|rows| rows.len() > 0);
        runs.extend(memory.map(|rows| Run::memory(rows, direction)));
        Ok(runs)
    }
}

impl Store {
    fn log_sources(&self, scope: &Scope, select: &LogSelect) -> Sources {
        let inner = &self.inner;
        let mut select = select.clone();
        select.matchers.extend(scope.matchers.iter().cloned());
        // What is older than is kept is not answered, removed or not.
        select.from_ns = select.from_ns.max(inner.kept_from(&scope.tenant, Signal::Logs));
        let range = (select.from_ns, select.to_ns.saturating_sub(1));
        let matchers: Vec<&Matcher> = select.matchers.iter().collect();
        // No flush takes anything from the head to what is frozen while both are looked at.
        let open = reading(&inner.gate);
        let view = inner.view();
        let state = inner.known_tenant(&scope.tenant);
        let head = state.map(|state| locked(&state.logs.head).copy(&matchers, range));
        drop(open);
        let frozen = view.frozen.as_ref().and_then(|frozen| frozen.tenants.get(&scope.tenant)?.logs.as_ref());
        let frozen = frozen.map(|frozen| frozen.copy(&matchers, range));
        let memory = frozen.into_iter().chain(head).collect();
        Sources { view, memory, select, watch: inner.lenient(scope) }
    }
}

impl LogSource for Store {
    fn select<'a>(&'a self, scope: &Scope, select: &LogSelect) -> Result<Box<dyn LogStream + 'a>, ReadError> {
        let mut sources = self.log_sources(scope, select);
        let memory = std::mem::take(&mut sources.memory);
        for rows in &memory {
            scope.budget.charge(rows.len() as u64, 0)?;
        }
        let runs = sources.runs(scope, memory)?;
        let watch = sources.watch;
        let rows = LogRuns::new(runs, select.direction, &mut &watch)?;
        Ok(Box::new(Stream { rows, watch }))
    }

    fn streams(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<Labels>, ReadError> {
        let sources = self.log_sources(scope, select);
        let watch = &mut &sources.watch;
        let mut found = BTreeSet::new();
        for part in sources.parts(scope) {
            let read = part.logs().and_then(|segment| {
                let streams = segment.streams(&sources.select)?;
                Ok((segment, streams))
            });
            let Some((segment, streams)) = or_left_out(read, watch)? else { continue };
            let mut buffers = IndexBuffers::default();
            let tombstones = sources.view.tombstones_of(part);
            for stream in streams {
                let labels = segment.index().labels(stream, &mut buffers);
                let Some(labels) = or_left_out(labels, watch)? else { continue };
                let gone = deleted(&tombstones, &labels);
                if !gone.iter().any(|&(from, to)| from <= part.meta.from && to >= part.meta.to) {
                    found.insert(labels);
                }
            }
        }
        for rows in &sources.memory {
            found.extend((0..rows.len()).filter_map(|at| rows.key(at)).map(|(labels, _)| labels.clone()));
        }
        Ok(found.into_iter().collect())
    }

    fn volume(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<(Labels, u64, u64)>, ReadError> {
        let sources = self.log_sources(scope, select);
        let watch = &mut &sources.watch;
        let mut found: BTreeMap<Labels, (u64, u64)> = BTreeMap::new();
        let mut add = |labels: &Labels, rows: u64, bytes: u64| {
            let volume = match found.get_mut(labels) {
                Some(volume) => volume,
                None => found.entry(labels.clone()).or_default(),
            };
            *volume = (volume.0 + rows, volume.1 + bytes);
        };
        for part in sources.parts(scope) {
            let Some(segment) = or_left_out(part.logs(), watch)? else { continue };
            let mut buffers = IndexBuffers::default();
            let tombstones = sources.view.tombstones_of(part);
            if tombstones.is_empty() {
                let volumes = segment.volume(&sources.select, watch);
                for volume in or_left_out(volumes, watch)?.unwrap_or_default() {
                    let labels = segment.index().labels(volume.stream, &mut buffers);
                    let Some(labels) = or_left_out(labels, watch)? else { continue };
                    add(&labels, volume.rows, volume.line_bytes);
                }
                continue;
            }
            // What was deleted has to be told from what was not, line by line.
            let candidates = segment.candidates(&sources.select, watch);
            let Some(candidates) = or_left_out(candidates, watch)? else { continue };
            let run = Run::part(segment, part.path(0), Some(candidates), tombstones, Direction::Forward);
            let mut rows = LogRuns::new(vec![run], Direction::Forward, watch)?;
            while let Some(row) = rows.next(watch)? {
                add(row.stream, 1, row.line.len() as u64);
            }
        }
        for rows in &sources.memory {
            for at in 0..rows.len() {
                if let Some((labels, _)) = rows.key(at) {
                    add(labels, 1, rows.text(at).1.len() as u64);
                }
            }
        }
        Ok(found.into_iter().map(|(labels, (rows, bytes))| (labels, rows, bytes)).collect())
    }
}

/// What a select answers.
struct Stream {
    rows: LogRuns,
    watch: Lenient,
}

impl LogStream for Stream {
    fn next(&mut self) -> Result<Option<LogRow<'_>>, ReadError> {
        self.rows.next(&mut &self.watch)
    }
}
