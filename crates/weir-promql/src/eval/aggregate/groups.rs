//! Groups, and what is added to them one series at a time.

use std::collections::HashMap;

use weir_signal::{Labels, METRIC_NAME};

use super::Aggregation;
use crate::eval::column::Column;
use crate::eval::context::Vector;
use crate::eval::error::EvalError;

/// Which labels make a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grouping<'c> {
    pub without: bool,
    pub labels: &'c [Box<str>],
}

impl Grouping<'_> {
    /// The labels of the group that a series belongs to.
    pub(super) fn of(self, labels: &Labels) -> Labels {
        let listed = |name: &str| self.labels.iter().any(|label| **label == *name);
        if self.without {
            labels.without(|name| name == METRIC_NAME || listed(name))
        } else if self.labels.is_empty() {
            Labels::empty()
        } else {
            labels.keep(listed)
        }
    }
}

/// The groups that were met, by labels.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Labels, usize>);

impl Known {
    /// The number of a group; a new one is the number of those before.
    pub(super) fn number(&mut self, labels: Labels) -> usize {
        let next = self.0.len();
        *self.0.entry(labels).or_insert(next)
    }
}

/// What a group has become so far.
pub(super) trait Accumulate: Sized {
    /// Without any series.
    fn new(aggregation: &Aggregation<'_>) -> Self;

    /// Takes in a series.
    fn add(&mut self, aggregation: &Aggregation<'_>, column: &Column);

    /// The result; labels and the fate of the name are the caller's.
    fn finish(self, aggregation: &Aggregation<'_>) -> Column;
}

struct Group<A> {
    labels: Labels,
    drop_name: bool,
    so_far: A,
}

/// Adds each series to its group and lets it go. Groups are in the order in which they were met.
pub(super) fn accumulate<A: Accumulate>(
    aggregation: &Aggregation<'_>,
    mut vector: Vector<'_>,
) -> Result<Vec<Column>, EvalError> {
    let mut known = Known::default();
    let mut groups: Vec<Group<A>> = Vec::new();
    let mut column = Column::default();
    while vector.columns.next(&mut column)? {
        let labels = aggregation.grouping.of(&column.labels);
        let number = known.number(labels.clone());
        if number == groups.len() {
            aggregation.context.check_series(number + 1)?;
            groups.push(Group { labels, drop_name: false, so_far: A::new(aggregation) });
        }
        let group = &mut groups[number];
        group.drop_name |= column.drop_name;
        group.so_far.add(aggregation, &column);
    }
    let finish = |group: Group<A>| {
        let mut column = group.so_far.finish(aggregation);
        column.labels = group.labels;
        column.drop_name = group.drop_name;
        column
    };
    Ok(groups.into_iter().map(finish).filter(|column| !column.is_empty()).collect())
}
