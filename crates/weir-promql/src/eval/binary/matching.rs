//! Operators between the series of two vectors that belong together.

use std::collections::{BTreeMap, HashMap};

use weir_signal::{Labels, LabelsBuilder, METRIC_NAME};

use super::Operator;
use super::element::{Outcome, calculate, compare};
use crate::ast::{Cardinality, Matching};
use crate::eval::annotation::Annotation;
use crate::eval::column::{Cell, Column, braced, without_metadata};
use crate::eval::error::EvalError;
use crate::eval::mask::Mask;

/// The labels that decide whether two series belong together.
pub(super) fn signature(matching: &Matching, labels: &Labels) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|label| **label == *name);
    if matching.on { labels.keep(listed) } else { labels.without(|name| name == METRIC_NAME || listed(name)) }
}

/// Series of both sides that are alike in the labels that count, by their places.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// The first mistake by step; of one step, the first by rank.
#[derive(Default)]
struct FirstError(Option<((usize, u8), EvalError)>);

impl FirstError {
    fn note(&mut self, step: Option<usize>, rank: u8, error: impl FnOnce() -> EvalError) {
        let Some(step) = step else { return };
        if self.0.as_ref().is_none_or(|(first, _)| (step, rank) < *first) {
            self.0 = Some(((step, rank), error()));
        }
    }
}

/// Joins what belongs together. Where several results have the same labels, they are one series.
pub(super) fn combine(
    operator: &Operator<'_>,
    matching: &Matching,
    lhs: &[Column],
    rhs: &[Column],
    len: usize,
) -> Result<Vec<Column>, EvalError> {
    let swapped = matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    // These are not swapped: with `group_right`, `fill_left` fills the right side, which is that of many. That is how
    // Prometheus answers, and its tests say so.
    let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
    let pairing = Pairing {
        operator,
        matching,
        swapped,
        many,
        one,
        fill_many,
        fill_one,
        active: active(many, one, matching, len),
        len,
    };
    let mut made = Made::default();
    for group in pairing.groups() {
        pairing.join(&group, &mut made);
    }
    for (_, remark) in made.remarks.into_values() {
        operator.context.annotate(remark);
    }
    match made.error.0 {
        Some((_, error)) => Err(error),
        None => Ok(made.results),
    }
}

/// What came of the groups so far.
#[derive(Default)]
struct Made {
    results: Vec<Column>,
    error: FirstError,
    /// The last remark of each step, and of which pair it is: Prometheus keeps no more.
    remarks: BTreeMap<usize, (Rank, Annotation)>,
}

/// The order in which Prometheus looks at pairs: for all series of the side of many, then for those of the other side that
/// found none.
type Rank = (u8, usize);

/// The steps at which anything can be joined: both sides have something, or what is missing is filled in.
fn active(many: &[Column], one: &[Column], matching: &Matching, len: usize) -> Mask {
    let any = |columns: &[Column]| {
        let mut any = Mask::none(len);
        for column in columns {
            any.or(&column.present);
        }
        any
    };
    let (mut active, other) = (any(many), any(one));
    if matching.fill_left.is_some() || matching.fill_right.is_some() {
        active.or(&other);
    } else {
        active.and(&other);
    }
    active
}

struct Pairing<'p> {
    operator: &'p Operator<'p>,
    matching: &'p Matching,
    /// Whether the side of many is the right one.
    swapped: bool,
    many: &'p [Column],
    one: &'p [Column],
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    active: Mask,
    len: usize,
}

impl Pairing<'_> {
    /// The groups, in the order in which the side of many names them, then that of one.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<Labels, usize> = HashMap::new();
        let mut group_of = |groups: &mut Vec<Group>, column: &Column| {
            *known.entry(signature(self.matching, &column.labels)).or_insert_with(|| {
                groups.push(Group::default());
                groups.len() - 1
            })
        };
        for (at, column) in self.many.iter().enumerate() {
            let group = group_of(&mut groups, column);
            groups[group].many.push(at);
        }
        for (at, column) in self.one.iter().enumerate() {
            let group = group_of(&mut groups, column);
            groups[group].one.push(at);
        }
        groups
    }

    fn join(&self, group: &Group, made: &mut Made) {
        let mut one_present = Mask::none(self.len);
        for (at, &place) in group.one.iter().enumerate() {
            let column = &self.one[place];
            if let Some(step) = first_of_three(&one_present, &column.present, &self.active) {
                let twin = group.one[..at].iter().find(|&&other| self.one[other].present.get(step));
                let twin = twin.map_or(place, |&twin| twin);
                made.error.note(Some(step), 0, || self.duplicate(&self.one[twin].labels, &column.labels));
            }
            one_present.or(&column.present);
        }
        let mut matched = Matched::new(self.matching.cardinality, self.len);
        for &place in &group.many {
            let many = &self.many[place];
            for &other in &group.one {
                let one = &self.one[other];
                let mut steps = many.present.clone();
                steps.and(&one.present);
                let result = self.pair((0, place), &Side::Series(many), &Side::Series(one), &steps, made);
                self.add(result, &mut matched, made);
            }
            if let Some(fill) = self.fill_one {
                let mut steps = many.present.clone();
                steps.and_not(&one_present);
                let labels = signature(self.matching, &many.labels);
                let one = Side::Fill(labels, fill);
                let result = self.pair((0, place), &Side::Series(many), &one, &steps, made);
                self.add(result, &mut matched, made);
            }
        }
        let Some(fill) = self.fill_many else { return };
        let any_matched = matched.any.clone();
        for &place in &group.one {
            let one = &self.one[place];
            let mut steps = one.present.clone();
            steps.and_not(&any_matched);
            let labels = signature(self.matching, &one.labels);
            let many = Side::Fill(labels, fill);
            let result = self.pair((1, place), &many, &Side::Series(one), &steps, made);
            self.add(result, &mut matched, made);
        }
    }

    fn add(&self, result: Option<(Column, Mask)>, matched: &mut Matched, made: &mut Made) {
        let Some((column, joined)) = result else { return };
        let before = matched.before(&column.labels);
        made.error.note(before.first_common(&joined), 1, || {
            EvalError::query(if self.matching.cardinality == Cardinality::OneToOne {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            } else {
                "multiple matches for labels: grouping labels must ensure unique matches"
            })
        });
        before.or(&joined);
        matched.any.or(&joined);
        if !column.is_empty() {
            made.results.push(column);
        }
    }

    /// The samples of two sides at `steps`, and the steps at which they could be joined. `None` where there is no step.
    fn pair(
        &self,
        rank: Rank,
        many: &Side<'_>,
        one: &Side<'_>,
        steps: &Mask,
        made: &mut Made,
    ) -> Option<(Column, Mask)> {
        if steps.is_empty() {
            return None;
        }
        let mut column = Column::default();
        column.reset(self.len);
        column.labels = self.result_labels(many.labels(), one.labels());
        column.drop_name = self.operator.returns_bool;
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        let mut joined = steps.clone();
        if let (Some(left), Some(right)) = (left.floats(), right.floats())
            && self.floats(left, right, steps, &mut column)
        {
            return Some((column, joined));
        }
        for step in steps.steps() {
            let (Some(a), Some(b)) = (left.cell(step), right.cell(step)) else { continue };
            let remark = match self.operator.join(a, b) {
                Outcome::Incompatible(remark) => {
                    joined.unset(step);
                    Some(remark)
                }
                Outcome::Keep(_, remark) if self.operator.returns_bool => {
                    column.set(step, 1.0);
                    remark
                }
                Outcome::Keep(cell, remark) => {
                    column.set_cell(step, cell);
                    remark
                }
                Outcome::Drop => {
                    if self.operator.returns_bool {
                        column.set(step, 0.0);
                    }
                    None
                }
            };
            if let Some(remark) = remark
                && made.remarks.get(&step).is_none_or(|(last, _)| *last <= rank)
            {
                made.remarks.insert(step, (rank, remark));
            }
        }
        Some((column, joined))
    }

    /// Floats on both sides; `false` where the operator has no use for them.
    fn floats(&self, left: Floats<'_>, right: Floats<'_>, steps: &Mask, column: &mut Column) -> bool {
        let (calculate, compare) = (calculate(self.operator.op), compare(self.operator.op));
        if calculate.is_none() && compare.is_none() {
            return false;
        }
        let Column { values, present, .. } = column;
        present.copy_from(steps);
        if let Some(calculate) = calculate {
            for (step, value) in values.iter_mut().enumerate() {
                *value = calculate(left.at(step), right.at(step));
            }
            return true;
        }
        let Some(compare) = compare else { return false };
        if self.operator.returns_bool {
            for (step, value) in values.iter_mut().enumerate() {
                *value = f64::from(u8::from(compare(left.at(step), right.at(step))));
            }
        } else {
            present.retain(|step| compare(left.at(step), right.at(step)));
            for (step, value) in values.iter_mut().enumerate() {
                *value = left.at(step);
            }
        }
        true
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let delayed = self.operator.context.options.delayed_name_removal;
        let drops_name = self.operator.changes_meaning() || (self.operator.returns_bool && !delayed);
        let mut labels = if drops_name { without_metadata(many) } else { many.clone() };
        let listed = |name: &str| self.matching.labels.iter().any(|label| **label == *name);
        if self.matching.cardinality == Cardinality::OneToOne {
            labels = if self.matching.on { labels.keep(listed) } else { labels.without(listed) };
        }
        if self.matching.include.is_empty() {
            return labels;
        }
        let mut builder = LabelsBuilder::from(&labels);
        for name in &self.matching.include {
            builder.set(name, one.get(name).unwrap_or_default());
        }
        // All names and values come from labels, so they are good.
        builder.build().unwrap_or(labels)
    }

    fn duplicate(&self, first: &Labels, second: &Labels) -> EvalError {
        let side = if self.swapped { "left" } else { "right" };
        let group = braced(&signature(self.matching, second));
        let mut twins = [braced(first), braced(second)];
        twins.sort();
        let [first, second] = twins;
        EvalError::query(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }
}

fn first_of_three(a: &Mask, b: &Mask, c: &Mask) -> Option<usize> {
    let mut common = a.clone();
    common.and(b);
    common.first_common(c)
}

/// At which steps results were made already: for one to one any, else those of the same labels.
struct Matched {
    any: Mask,
    /// `None` where one belongs to one.
    by_labels: Option<HashMap<Labels, Mask>>,
    all: Mask,
}

impl Matched {
    fn new(cardinality: Cardinality, len: usize) -> Self {
        let by_labels = (cardinality != Cardinality::OneToOne).then(HashMap::new);
        Self { any: Mask::none(len), by_labels, all: Mask::none(len) }
    }

    fn before(&mut self, labels: &Labels) -> &mut Mask {
        let len = self.any.len();
        match &mut self.by_labels {
            None => &mut self.all,
            Some(by_labels) => by_labels.entry(labels.clone()).or_insert_with(|| Mask::none(len)),
        }
    }
}

/// One side of a pair.
enum Side<'p> {
    Series(&'p Column),
    /// What stands in for a series that is not there.
    Fill(Labels, f64),
}

#[derive(Clone, Copy)]
enum Floats<'p> {
    Values(&'p [f64]),
    Constant(f64),
}

impl Floats<'_> {
    #[inline]
    fn at(self, step: usize) -> f64 {
        match self {
            Self::Values(values) => values[step],
            Self::Constant(value) => value,
        }
    }
}

impl Side<'_> {
    fn labels(&self) -> &Labels {
        match self {
            Self::Series(column) => &column.labels,
            Self::Fill(labels, _) => labels,
        }
    }

    fn cell(&self, step: usize) -> Option<Cell> {
        match self {
            Self::Series(column) => column.cell(step),
            Self::Fill(_, value) => Some(Cell::Float(*value)),
        }
    }

    /// The values, where none of the samples is a histogram.
    fn floats(&self) -> Option<Floats<'_>> {
        match self {
            Self::Series(column) => column.histograms.is_empty().then_some(Floats::Values(&column.values)),
            Self::Fill(_, value) => Some(Floats::Constant(*value)),
        }
    }
}
