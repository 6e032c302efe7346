//! The newest sample of each series at each step.

use std::sync::Arc;

use weir_signal::{Histogram, Labels, Points, ResetHint, SeriesHints, SeriesSelect, SeriesStream, is_stale};

use super::annotation::Annotation;
use super::column::{Cell, Column, ColumnStream};
use super::context::{Context, Needs, Vector};
use super::error::EvalError;
use super::grid::Grid;
use super::range::{Samples, between_histograms, interpolate};
use crate::ast::{Extension, Span, VectorSelector};

/// Where in time a selector looks: at a step's time or a fixed one, some way back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    pub at: Option<i64>,
    pub offset_ms: i64,
}

impl Shift {
    pub(super) fn of(context: &Context<'_>, selector: &VectorSelector) -> Self {
        let offset_ms = selector.offset.as_ref().map_or(0, crate::ast::Duration::millis);
        Self { at: context.at(selector.at), offset_ms }
    }

    /// The time that is looked at for the time of a step.
    pub(super) fn apply(self, time_ms: i64) -> i64 {
        self.at.unwrap_or(time_ms).saturating_sub(self.offset_ms)
    }
}

/// What of a sample is the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    Value,
    /// In seconds.
    Time,
    /// As [`Aspect::Time`] for floats; histograms are answered themselves.
    FloatTime,
    /// In seconds; 0 where it is not known.
    StartTime,
}

/// Series that are being read.
pub(super) struct Opened<'c> {
    series: Box<dyn SeriesStream + 'c>,
    /// Whether only counts and sums of histograms are needed.
    wants_statistics: bool,
}

impl<'c> Opened<'c> {
    pub(super) fn new(context: &'c Context<'_>, select: &SeriesSelect) -> Result<Self, EvalError> {
        Ok(Self {
            series: context.source.select(context.scope, select)?,
            wants_statistics: context.needs.get() == Needs::Statistics,
        })
    }

    /// Fills `points` with the next series.
    pub(super) fn next(
        &mut self,
        context: &Context<'_>,
        points: &mut Points,
    ) -> Result<Option<Labels>, EvalError> {
        let labels = self.series.next(points)?;
        // Whoever decodes charges for it; here a query that is over ends.
        context.scope.budget.charge(0, 0)?;
        if self.wants_statistics {
            keep_statistics(points);
        }
        Ok(labels)
    }
}

/// Takes the buckets away, after what they say about resets was noted.
fn keep_statistics(points: &mut Points) {
    let mut previous: Option<Arc<Histogram>> = None;
    for (_, histogram) in &mut points.histograms {
        if is_stale(histogram.sum) {
            continue;
        }
        let mut reset_hint = histogram.reset_hint;
        if let (ResetHint::Unknown, Some(previous)) = (reset_hint, &previous) {
            let is_reset = histogram.detect_reset(previous);
            reset_hint = if is_reset { ResetHint::Reset } else { ResetHint::NotReset };
        }
        let statistics = Histogram {
            schema: histogram.schema,
            count: histogram.count,
            sum: histogram.sum,
            reset_hint,
            ..Histogram::default()
        };
        previous = Some(std::mem::replace(histogram, Arc::new(statistics)));
    }
}

pub(super) fn instant<'c>(
    context: &'c Context<'_>,
    selector: &'c VectorSelector,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    if selector.extension == Some(Extension::Smoothed) {
        return smoothed(context, selector, grid);
    }
    aspect(context, selector, grid, Aspect::Value)
}

/// An aspect of the newest sample of each series.
pub(super) fn aspect<'c>(
    context: &'c Context<'_>,
    selector: &VectorSelector,
    grid: Grid,
    aspect: Aspect,
) -> Result<Vector<'c>, EvalError> {
    let hints = SeriesHints { step_ms: context.step_ms, range_ms: 0, function: None };
    let select = SeriesSelect { matchers: selector.matchers.clone(), hints, ..SeriesSelect::default() };
    series(context, select, Shift::of(context, selector), grid, aspect)
}

/// An aspect of the newest sample of each series that `select` names; the times that are looked at are filled in.
pub(super) fn series<'c>(
    context: &'c Context<'_>,
    mut select: SeriesSelect,
    shift: Shift,
    grid: Grid,
    aspect: Aspect,
) -> Result<Vector<'c>, EvalError> {
    select.from_ms = oldest(context, shift.apply(grid.first()));
    select.to_ms = shift.apply(grid.last());
    let series = Opened::new(context, &select)?;
    let columns = Box::new(InstantStream { context, series, points: Points::default(), grid, shift, aspect });
    Ok(Vector { columns, may_repeat: false })
}

/// The earliest time of a sample that counts as the newest one at `time_ms`.
fn oldest(context: &Context<'_>, time_ms: i64) -> i64 {
    time_ms.saturating_sub(context.lookback_ms.saturating_sub(1))
}

struct InstantStream<'c> {
    context: &'c Context<'c>,
    series: Opened<'c>,
    points: Points,
    grid: Grid,
    shift: Shift,
    aspect: Aspect,
}

impl ColumnStream for InstantStream<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        while let Some(labels) = self.series.next(self.context, &mut self.points)? {
            self.fill(column);
            if !column.is_empty() {
                column.labels = labels;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl InstantStream<'_> {
    fn fill(&self, column: &mut Column) {
        let points = &self.points;
        column.reset(self.grid.len());
        // One past the newest sample.
        let mut next = 0;
        let mut histograms = points.histograms.iter().peekable();
        for (step, time_ms) in self.grid.times().enumerate() {
            let reference = self.shift.apply(time_ms);
            while points.times.get(next).is_some_and(|&time| time <= reference) {
                next += 1;
            }
            let Some(newest) = next.checked_sub(1) else { continue };
            let value = points.values[newest];
            if points.times[newest] < oldest(self.context, reference) || is_stale(value) {
                continue;
            }
            match self.aspect {
                Aspect::Time => column.set(step, points.times[newest] as f64 / 1000.0),
                Aspect::StartTime => column.set(step, points.start(newest) as f64 / 1000.0),
                Aspect::Value | Aspect::FloatTime => {
                    while histograms.next_if(|&&(at, _)| (at as usize) < newest).is_some() {}
                    match histograms.peek() {
                        Some((at, histogram)) if *at as usize == newest => {
                            column.set_histogram(step, histogram.clone());
                        }
                        _ if self.aspect == Aspect::Value => column.set(step, value),
                        _ => column.set(step, points.times[newest] as f64 / 1000.0),
                    }
                }
            }
        }
    }
}

/// Values on the line between the samples before and after each step; the sample before where there is none after.
fn smoothed<'c>(
    context: &'c Context<'_>,
    selector: &'c VectorSelector,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let shift = Shift::of(context, selector);
    let from_ms = oldest(context, shift.apply(grid.first()));
    let to_ms = shift.apply(grid.last()).saturating_add(context.lookback_ms);
    let hints = SeriesHints { step_ms: context.step_ms, range_ms: 0, function: None };
    let select = SeriesSelect { matchers: selector.matchers.clone(), from_ms, to_ms, hints };
    let series = Opened::new(context, &select)?;
    let columns = Smoothed {
        context,
        series,
        points: Points::default(),
        samples: Samples::default(),
        grid,
        shift,
        span: selector.span,
    };
    Ok(Vector { columns: Box::new(columns), may_repeat: false })
}

struct Smoothed<'c> {
    context: &'c Context<'c>,
    series: Opened<'c>,
    points: Points,
    samples: Samples,
    grid: Grid,
    shift: Shift,
    span: Span,
}

impl ColumnStream for Smoothed<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        while let Some(labels) = self.series.next(self.context, &mut self.points)? {
            self.samples.take(&mut self.points);
            column.reset(self.grid.len());
            column.labels = labels;
            for (step, time_ms) in self.grid.times().enumerate() {
                if let Some(cell) = self.at(column.name(), self.shift.apply(time_ms)) {
                    column.set_cell(step, cell);
                }
            }
            if !column.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Smoothed<'_> {
    fn at(&self, metric: &str, time_ms: i64) -> Option<Cell> {
        let lookback_ms = self.context.lookback_ms;
        let (after, until) = (time_ms.saturating_sub(lookback_ms), time_ms.saturating_add(lookback_ms));
        let (floats, histograms) =
            (self.samples.floats.within(after, until), self.samples.histograms.within(after, until));
        if !floats.is_empty() && !histograms.is_empty() {
            self.context.annotate(Annotation::mixed_floats_histograms(self.span, metric));
            return None;
        }
        let next = floats.times.partition_point(|&time| time < time_ms);
        if floats.times.get(next) == Some(&time_ms) {
            return Some(Cell::Float(floats.values[next]));
        }
        if next > 0 {
            let before = (floats.times[next - 1], floats.values[next - 1]);
            let value = match floats.times.get(next) {
                Some(&time) => interpolate(before, (time, floats.values[next]), time_ms, false),
                None => before.1,
            };
            return Some(Cell::Float(value));
        }
        let next = histograms.times.partition_point(|&time| time < time_ms);
        if histograms.times.get(next) == Some(&time_ms) {
            return Some(Cell::Histogram(histograms.values[next].clone()));
        }
        if next == 0 {
            return None;
        }
        between_histograms(self.context, self.span, metric, histograms, next, time_ms)
    }
}
