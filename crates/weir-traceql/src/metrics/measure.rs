//! Spans made into series.

use std::collections::BTreeMap;

use super::compare::Comparing;
use super::exemplars::Largest;
use super::quantile::{bucket_of, quantile};
use super::{Label, NAME, Row, Steps};
use crate::ast::{Attribute, First, Measure};
use crate::eval::{Ordered, Seen, Tree};
use crate::value::Value;

/// What is measured so far.
pub(super) enum Measuring<'a> {
    Series(Grouped<'a>),
    Compare(Comparing<'a>),
}

impl<'a> Measuring<'a> {
    pub(super) fn new(first: &'a First, steps: &'a Steps) -> Self {
        match &first.function {
            Measure::Compare(compare) => Self::Compare(Comparing::new(compare, steps)),
            _ => Self::Series(Grouped { first, steps, series: BTreeMap::new() }),
        }
    }

    pub(super) fn add(&mut self, tree: &Tree<'_>, span: usize, slot: usize) {
        match self {
            Self::Series(grouped) => grouped.add(tree, span, slot),
            Self::Compare(comparing) => comparing.add(tree, span, slot),
        }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Series(grouped) => grouped.series.len(),
            Self::Compare(comparing) => comparing.len(),
        }
    }

    pub(super) fn rows(self) -> Vec<Row> {
        match self {
            Self::Series(grouped) => grouped.rows(),
            Self::Compare(comparing) => comparing.rows(),
        }
    }
}

/// Series by what their spans have.
pub(super) struct Grouped<'a> {
    first: &'a First,
    steps: &'a Steps,
    series: BTreeMap<Vec<Ordered>, One>,
}

/// One series.
struct One {
    slots: Slots,
    exemplars: Largest,
}

/// What each step has of a series.
enum Slots {
    /// One number, or NaN.
    Numbers(Vec<f64>),
    /// Sums and counts.
    Means(Vec<(f64, f64)>),
    /// Spans by the upper bounds of their buckets.
    Buckets(Vec<BTreeMap<u64, f64>>),
}

impl One {
    fn new(function: &Measure, count: usize) -> Self {
        Self { slots: Slots::new(function, count), exemplars: Largest::default() }
    }
}

impl Slots {
    fn new(function: &Measure, count: usize) -> Self {
        match function {
            Measure::Rate | Measure::Count => Self::Numbers(vec![0.0; count]),
            Measure::Avg(_) => Self::Means(vec![(0.0, 0.0); count]),
            Measure::Quantile(..) | Measure::Histogram(_) => Self::Buckets(vec![BTreeMap::new(); count]),
            _ => Self::Numbers(vec![f64::NAN; count]),
        }
    }

    /// Takes one span's number.
    fn add(&mut self, function: &Measure, slot: usize, number: f64) {
        match self {
            Self::Numbers(numbers) => {
                let so_far = &mut numbers[slot];
                *so_far = match function {
                    Measure::Rate | Measure::Count => *so_far + 1.0,
                    _ if so_far.is_nan() => number,
                    Measure::Min(_) => so_far.min(number),
                    Measure::Max(_) => so_far.max(number),
                    _ => *so_far + number,
                };
            }
            Self::Means(means) => {
                means[slot].0 += number;
                means[slot].1 += 1.0;
            }
            // Positive floats are ordered as their bits are.
            Self::Buckets(buckets) => *buckets[slot].entry(number.to_bits()).or_default() += 1.0,
        }
    }
}

impl Measure {
    /// As it is written, without what is in its parentheses.
    fn name(&self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Count => "count_over_time",
            Self::Min(_) => "min_over_time",
            Self::Max(_) => "max_over_time",
            Self::Sum(_) => "sum_over_time",
            Self::Avg(_) => "avg_over_time",
            Self::Quantile(..) => "quantile_over_time",
            Self::Histogram(_) => "histogram_over_time",
            Self::Compare(_) => "compare",
        }
    }

    /// The numbers of a span; none where it has no such number. Durations are in seconds. With each stands what the span has
    /// itself, which is another number where it falls into a bucket, and NaN where spans are counted.
    fn numbers(&self, tree: &Tree<'_>, span: usize) -> Vec<(f64, f64)> {
        let seconds = |seen: &Seen<'_>| match seen {
            Seen::Duration(nanos) => Some(*nanos as f64 / 1e9),
            other => other.number().filter(|number| !number.is_nan()),
        };
        let own = |seen: &Seen<'_>| seconds(seen).map(|number| (number, number));
        let bucket = |seen: &Seen<'_>| bucket_of(seen).zip(seconds(seen));
        let of = |attribute: &Attribute| attribute.of(tree, span).each();
        match self {
            Self::Min(attribute) | Self::Max(attribute) | Self::Sum(attribute) | Self::Avg(attribute) => {
                of(attribute).iter().filter_map(own).collect()
            }
            Self::Quantile(attribute, _) | Self::Histogram(attribute) => {
                of(attribute).iter().filter_map(bucket).collect()
            }
            Self::Rate | Self::Count | Self::Compare(_) => vec![(1.0, f64::NAN)],
        }
    }
}

impl Grouped<'_> {
    fn add(&mut self, tree: &Tree<'_>, span: usize, slot: usize) {
        let numbers = self.first.function.numbers(tree, span);
        if numbers.is_empty() {
            return;
        }
        let key =
            self.first.by.iter().map(|attribute| Ordered(attribute.of(tree, span).into_value())).collect();
        let function = &self.first.function;
        let one = self.series.entry(key).or_insert_with(|| One::new(function, self.steps.count()));
        let is_histogram = matches!(function, Measure::Histogram(_));
        for (number, own) in numbers {
            one.slots.add(function, slot, number);
            if self.steps.exemplars {
                let bucket = if is_histogram { number.to_bits() } else { 0 };
                one.exemplars.add(tree, span, slot, bucket, own);
            }
        }
    }

    fn rows(mut self) -> Vec<Row> {
        let function = &self.first.function;
        let is_count = matches!(function, Measure::Rate | Measure::Count);
        if self.first.by.is_empty() && self.series.is_empty() && is_count {
            // There is always a number of all spans.
            self.series.insert(Vec::new(), One::new(function, self.steps.count()));
        }
        let mut rows = Vec::new();
        for (key, one) in std::mem::take(&mut self.series) {
            self.rows_of(self.labels(key), one, &mut rows);
        }
        rows
    }

    /// What a series is of: values that are nil are left out, but for the first where all are.
    fn labels(&self, key: Vec<Ordered>) -> Vec<Label> {
        let all = || self.first.by.iter().map(|attribute| attribute.to_string().into());
        let pairs = all().zip(key).map(|(name, value)| Label { name, value: value.0 });
        let labels: Vec<Label> = pairs.filter(|label| label.value != Value::Nil).collect();
        if labels.is_empty() {
            all().take(1).map(|name| Label { name, value: Value::Nil }).collect()
        } else {
            labels
        }
    }

    fn rows_of(&self, mut labels: Vec<Label>, one: One, rows: &mut Vec<Row>) {
        let One { slots, exemplars } = one;
        let function = &self.first.function;
        let (is_all, count) = (self.first.by.is_empty(), self.steps.count());
        let values = match slots {
            Slots::Numbers(mut numbers) => {
                if *function == Measure::Rate {
                    numbers.iter_mut().for_each(|number| *number /= self.steps.seconds());
                }
                numbers
            }
            Slots::Means(means) => means.iter().map(|(sum, count)| sum / count).collect(),
            Slots::Buckets(slots) => {
                let with = |name: &str, value: f64| {
                    let mut labels = labels.clone();
                    labels.push(Label { name: name.into(), value: Value::Float(value) });
                    labels
                };
                if let Measure::Quantile(_, quantiles) = function {
                    // The largest numbers stand nearest to the largest quantile.
                    let largest = quantiles.iter().copied().fold(0.0, f64::max);
                    for wanted in quantiles {
                        let values = slots.iter().map(|buckets| quantile(*wanted, buckets)).collect();
                        let exemplars = if *wanted == largest { exemplars.of(None) } else { Vec::new() };
                        rows.push(Row { labels: with("p", *wanted), values, exemplars });
                    }
                    return;
                }
                let mut by_bucket: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
                for (slot, buckets) in slots.iter().enumerate() {
                    for (bound, spans) in buckets {
                        by_bucket.entry(*bound).or_insert_with(|| vec![0.0; count])[slot] = *spans;
                    }
                }
                for (bound, values) in by_bucket {
                    let exemplars = exemplars.of(Some(bound));
                    rows.push(Row { labels: with("__bucket", f64::from_bits(bound)), values, exemplars });
                }
                return;
            }
        };
        if is_all {
            labels.push(Label::text(NAME, function.name()));
        }
        rows.push(Row { labels, values, exemplars: exemplars.of(None) });
    }
}
