//! Traces of which a query selects something.

use std::collections::BTreeMap;

use weir_signal::{ReadError, Scope, SpanId, SpanSelect, Status, Trace, TraceId, TraceSource};

use crate::ast::{Attribute, Field, Intrinsic, Pipeline, Query, Root, Scalar, Spans, Stage};
use crate::conditions::Needed;
use crate::eval::{Set, Tree, run};
use crate::value::Value;

/// What a search looks at and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    /// A span of the trace begins at or after this time, in nanoseconds since 1970.
    pub from_ns: i64,
    /// A span of the trace begins before this time.
    pub to_ns: i64,
    /// How many traces to find at most.
    pub limit: usize,
    /// How many spans of each set to tell at most, the earliest.
    pub spans_per_set: usize,
}

/// Why a search gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The query asks for series.
    #[error(
        "this query gives series over time, not traces: leave out what stands behind its last `|`, or ask for metrics"
    )]
    Metrics,
    /// The traces could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A trace of which a query selected something.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its id.
    pub trace: TraceId,
    /// The service of its first span without a parent; `None` where that has not come.
    pub root_service: Option<Box<str>>,
    /// The name of that span.
    pub root_name: Option<Box<str>>,
    /// The start of its first span, in nanoseconds since 1970.
    pub start_ns: i64,
    /// From there to the end of its last span, in nanoseconds.
    pub duration_ns: i64,
    /// How many spans each service has in it, ascending by service.
    pub services: Vec<ServiceCount>,
    /// What was selected, in the order that the pipeline gives.
    pub sets: Vec<SpanSet>,
}

/// A service's part of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCount {
    /// The service.
    pub service: Box<str>,
    /// How many spans.
    pub spans: u32,
    /// How many of them ended badly.
    pub errors: u32,
}

/// Spans that were selected together.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanSet {
    /// The earliest of them.
    pub spans: Vec<FoundSpan>,
    /// How many there are.
    pub matched: usize,
    /// What the set was made by (`by(name)`) and what aggregates gave (`count()`).
    pub attributes: Vec<(String, Value)>,
}

/// A span that was selected.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSpan {
    /// Its id.
    pub id: SpanId,
    /// What is done.
    pub name: Box<str>,
    /// Nanoseconds since 1970.
    pub start_ns: i64,
    /// Nanoseconds.
    pub duration_ns: u64,
    /// What the query asks about, in the order in which it does, as far as the span has it. Names stand without their scope.
    pub attributes: Vec<(String, Value)>,
}

/// Finds the newest traces of which a query selects something, newest first by their start, then by id.
///
/// # Errors
/// A query for series, or traces that cannot be read within the scope's budget.
pub fn search(
    query: &Query,
    source: &dyn TraceSource,
    scope: &Scope,
    options: &SearchOptions,
) -> Result<Vec<Found>, SearchError> {
    let Root::Spans(pipeline) = &query.root else { return Err(SearchError::Metrics) };
    let told = told(pipeline);
    let mut all = Vec::new();
    each_trace(pipeline, source, scope, (options.from_ns, options.to_ns), |tree, sets| {
        if !sets.is_empty() {
            all.push(found(tree, &sets, &told, options.spans_per_set));
        }
        Ok(all.len() < options.limit)
    })?;
    all.sort_by_key(|found| (std::cmp::Reverse(found.start_ns), found.trace));
    Ok(all)
}

/// Evaluates a pipeline for each trace that may have something for it, until `visit` says that it is enough.
pub(crate) fn each_trace(
    pipeline: &Pipeline,
    source: &dyn TraceSource,
    scope: &Scope,
    (from_ns, to_ns): (i64, i64),
    mut visit: impl FnMut(&Tree<'_>, Vec<Set>) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let needed = Needed::of(pipeline);
    let mut look = |trace: &Trace| {
        let tree = Tree::new(trace);
        let sets = run(pipeline, &tree);
        // Evaluating takes time that reading does not charge for: here a query ends that nobody waits for.
        scope.budget.charge(0, 0)?;
        visit(&tree, sets)
    };
    if let Some(id) = needed.trace {
        let is_within =
            |trace: &Trace| trace.spans.iter().any(|span| (from_ns..to_ns).contains(&span.start_ns));
        if let Some(trace) = source.trace(scope, id, None)?.filter(is_within) {
            look(&trace)?;
        }
        return Ok(());
    }
    let select = SpanSelect { from_ns, to_ns, conditions: needed.conditions };
    let mut traces = source.search(scope, &select)?;
    while let Some(trace) = traces.next()? {
        if !look(&trace)? {
            break;
        }
    }
    Ok(())
}

fn found(tree: &Tree<'_>, sets: &[Set], told: &[(String, Attribute)], spans_per_set: usize) -> Found {
    let span = |&index: &usize| {
        let span = &tree.spans()[index];
        let told =
            told.iter().map(|(name, attribute)| (name.clone(), attribute.of(tree, index).into_value()));
        FoundSpan {
            id: span.id,
            name: span.name.clone(),
            start_ns: span.start_ns,
            duration_ns: span.duration_ns(),
            attributes: told.filter(|(_, value)| *value != Value::Nil).collect(),
        }
    };
    let set = |set: &Set| SpanSet {
        spans: set.spans.iter().take(spans_per_set).map(span).collect(),
        matched: set.spans.len(),
        attributes: set.attributes.clone(),
    };
    let mut services: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for span in tree.spans() {
        let count = services.entry(span.resource.service()).or_default();
        count.0 += 1;
        count.1 += u32::from(span.status == Status::Error);
    }
    let service = |(service, (spans, errors)): (&str, (u32, u32))| ServiceCount {
        service: service.into(),
        spans,
        errors,
    };
    Found {
        trace: tree.trace().id,
        root_service: tree.root().map(|root| root.resource.service().into()),
        root_name: tree.root().map(|root| root.name.clone()),
        start_ns: tree.ends().0,
        duration_ns: tree.duration_ns(),
        services: services.into_iter().map(service).collect(),
        sets: sets.iter().map(set).collect(),
    }
}

/// What to tell of each span: everything that the query asks about, but for what is told anyway.
fn told(pipeline: &Pipeline) -> Vec<(String, Attribute)> {
    let mut all: Vec<(String, Attribute)> = Vec::new();
    of_pipeline(pipeline, &mut |attribute| {
        let name = match attribute {
            Attribute::Intrinsic(
                Intrinsic::Name
                | Intrinsic::Duration
                | Intrinsic::SpanId
                | Intrinsic::TraceId
                | Intrinsic::TraceDuration
                | Intrinsic::RootName
                | Intrinsic::RootService,
            ) => return,
            Attribute::Named { of_parent: false, name, .. } => name.to_string(),
            other => other.to_string(),
        };
        if all.iter().all(|known| known.1 != *attribute) {
            all.push((name, attribute.clone()));
        }
    });
    all
}

fn of_pipeline(pipeline: &Pipeline, visit: &mut dyn FnMut(&Attribute)) {
    for stage in &pipeline.stages {
        match stage {
            Stage::Spans(spans) => of_spans(spans, visit),
            Stage::Filter(filter) => {
                of_scalar(&filter.lhs, visit);
                of_scalar(&filter.rhs, visit);
            }
            Stage::By(field) => of_field(field, visit),
            Stage::Coalesce => {}
            Stage::Select(attributes) => attributes.iter().for_each(&mut *visit),
        }
    }
}

fn of_spans(spans: &Spans, visit: &mut dyn FnMut(&Attribute)) {
    match spans {
        Spans::Filter(field) => field.iter().for_each(|field| of_field(field, visit)),
        Spans::Pipeline(pipeline) => of_pipeline(pipeline, visit),
        Spans::Binary(binary) => {
            of_spans(&binary.lhs, visit);
            of_spans(&binary.rhs, visit);
        }
    }
}

fn of_scalar(scalar: &Scalar, visit: &mut dyn FnMut(&Attribute)) {
    match scalar {
        Scalar::Value(_) => {}
        Scalar::Aggregate(aggregate) => aggregate.field.iter().for_each(|field| of_field(field, visit)),
        Scalar::Binary(_, lhs, rhs) => {
            of_scalar(lhs, visit);
            of_scalar(rhs, visit);
        }
    }
}

fn of_field(field: &Field, visit: &mut dyn FnMut(&Attribute)) {
    match field {
        Field::Value(_) => {}
        Field::Attribute(attribute) => visit(attribute),
        Field::Not(field)
        | Field::Negative(field)
        | Field::Exists(field)
        | Field::Missing(field)
        | Field::Matches(field, _)
        | Field::MatchesNot(field, _) => of_field(field, visit),
        Field::Binary(_, lhs, rhs) => {
            of_field(lhs, visit);
            of_field(rhs, visit);
        }
    }
}
