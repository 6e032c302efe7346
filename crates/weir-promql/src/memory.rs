//! Series in memory: what a rule's intermediate results or a test's samples are asked from.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::sync::Arc;

use weir_signal::{
    Exemplar, Histogram, Labels, Metadata, Points, ReadError, Scope, SeriesSelect, SeriesSource, SeriesStream,
};

/// What a series has at one time.
#[derive(Debug, Clone)]
struct Sample {
    value: Value,
    /// When counting began, 0 where that is not known.
    start_ms: i64,
}

#[derive(Debug, Clone)]
enum Value {
    Float(f64),
    /// As it was sent.
    Histogram(Arc<Histogram>),
}

impl Value {
    fn histogram(&self) -> Option<&Histogram> {
        match self {
            Self::Float(_) => None,
            Self::Histogram(histogram) => Some(histogram),
        }
    }
}

/// Series, kept whole and uncompressed. Samples may come in any order; of several of one time the last one counts.
///
/// Histograms come back with the hint that [`Histogram::hint_after`] says. It knows no tenants: whoever has it may read all of it that the scope's matchers select.
#[derive(Debug, Clone, Default)]
pub struct MemorySeries {
    samples: BTreeMap<Labels, BTreeMap<i64, Sample>>,
    exemplars: BTreeMap<Labels, Vec<Exemplar>>,
    metadata: BTreeMap<String, Metadata>,
}

impl MemorySeries {
    /// No series.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a float; `start_ms` 0 where it is not known when counting began.
    pub fn push(&mut self, labels: &Labels, time_ms: i64, value: f64, start_ms: i64) {
        self.insert(labels, time_ms, Sample { value: Value::Float(value), start_ms });
    }

    /// Adds a histogram; `start_ms` 0 where it is not known when counting began.
    pub fn push_histogram(
        &mut self,
        labels: &Labels,
        time_ms: i64,
        histogram: Arc<Histogram>,
        start_ms: i64,
    ) {
        self.insert(labels, time_ms, Sample { value: Value::Histogram(histogram), start_ms });
    }

    /// Adds an exemplar.
    pub fn push_exemplar(&mut self, labels: &Labels, exemplar: Exemplar) {
        let all = self.exemplars.entry(labels.clone()).or_default();
        let at = all.partition_point(|other| other.time_ms <= exemplar.time_ms);
        all.insert(at, exemplar);
    }

    /// Says what a metric family is.
    pub fn describe(&mut self, family: &str, metadata: Metadata) {
        self.metadata.insert(family.to_owned(), metadata);
    }

    fn insert(&mut self, labels: &Labels, time_ms: i64, sample: Sample) {
        if let Some(samples) = self.samples.get_mut(labels) {
            samples.insert(time_ms, sample);
        } else {
            self.samples.insert(labels.clone(), BTreeMap::from([(time_ms, sample)]));
        }
    }

    fn matching<'a>(
        &'a self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> impl Iterator<Item = (&'a Labels, Range<'a, i64, Sample>)> {
        let to_ms = select.to_ms.max(select.from_ms);
        let wanted = self
            .samples
            .iter()
            .filter(move |(labels, _)| select.from_ms <= select.to_ms && selects(scope, select, labels));
        wanted.filter_map(move |(labels, samples)| {
            let range = samples.range(select.from_ms..=to_ms);
            range.clone().next().map(|_| (labels, range))
        })
    }
}

fn selects(scope: &Scope, select: &SeriesSelect, labels: &Labels) -> bool {
    select.matchers.iter().chain(&*scope.matchers).all(|matcher| matcher.selects(labels))
}

impl SeriesSource for MemorySeries {
    fn select<'a>(
        &'a self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Box<dyn SeriesStream + 'a>, ReadError> {
        let found: Vec<_> = self.matching(scope, select).collect();
        Ok(Box::new(Stream {
            scope: scope.clone(),
            from_ms: select.from_ms,
            all: &self.samples,
            rest: found.into_iter(),
        }))
    }

    fn series(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        let limit = scope.budget.limits().series_max;
        let found: Vec<_> = self.matching(scope, select).map(|(labels, _)| labels.clone()).collect();
        if found.len() as u64 > limit { Err(ReadError::Series(limit)) } else { Ok(found) }
    }

    fn label_names(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        let mut names: Vec<_> = self
            .matching(scope, select)
            .flat_map(|(labels, _)| labels.iter().map(|(name, _)| name))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        name: &str,
    ) -> Result<Vec<String>, ReadError> {
        let mut values: Vec<_> =
            self.matching(scope, select).filter_map(|(labels, _)| labels.get(name)).collect();
        values.sort_unstable();
        values.dedup();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    fn exemplars(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        let within = |exemplar: &&Exemplar| (select.from_ms..=select.to_ms).contains(&exemplar.time_ms);
        let found = self.exemplars.iter().filter(|(labels, _)| selects(scope, select, labels));
        let found = found.map(|(labels, all)| (labels.clone(), all.iter().filter(within).cloned().collect()));
        Ok(found.filter(|(_, all): &(_, Vec<_>)| !all.is_empty()).collect())
    }

    fn metadata(&self, _scope: &Scope, name: Option<&str>) -> Result<Vec<(String, Metadata)>, ReadError> {
        let wanted = |family: &str| name.is_none_or(|name| name == family);
        let found = self.metadata.iter().filter(|(family, _)| wanted(family));
        Ok(found.map(|(family, metadata)| (family.clone(), metadata.clone())).collect())
    }
}

struct Stream<'a> {
    scope: Scope,
    from_ms: i64,
    all: &'a BTreeMap<Labels, BTreeMap<i64, Sample>>,
    rest: std::vec::IntoIter<(&'a Labels, Range<'a, i64, Sample>)>,
}

impl SeriesStream for Stream<'_> {
    fn next(&mut self, points: &mut Points) -> Result<Option<Labels>, ReadError> {
        points.clear();
        let Some((labels, samples)) = self.rest.next() else { return Ok(None) };
        let before = self.all.get(labels).and_then(|all| all.range(..self.from_ms).next_back());
        let mut previous = before.and_then(|(_, sample)| sample.value.histogram());
        for (&time_ms, Sample { value, start_ms }) in samples {
            match value {
                Value::Float(value) => points.push(time_ms, *value, *start_ms),
                Value::Histogram(histogram) => {
                    let mut hinted = Arc::clone(histogram);
                    let hint = histogram.hint_after(previous);
                    if hint != histogram.reset_hint {
                        Arc::make_mut(&mut hinted).reset_hint = hint;
                    }
                    points.push_histogram(time_ms, hinted, *start_ms);
                }
            }
            previous = value.histogram();
        }
        let rows = points.len() as u64;
        self.scope.budget.charge(rows, rows * size_of::<(i64, f64)>() as u64)?;
        Ok(Some(labels.clone()))
    }
}

#[cfg(test)]
mod tests {
    use weir_signal::{Limits, Matcher, Tenant};

    use super::*;

    #[test]
    fn answers_what_matches_in_order_of_labels_and_time() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
        let (a, b) = (labels(&[("__name__", "m"), ("i", "a")]), labels(&[("__name__", "m"), ("i", "b")]));
        let mut series = MemorySeries::new();
        series.push(&b, 2, 5.0, 0);
        series.push(&a, 3, 3.0, 1);
        series.push(&a, 1, 1.0, 0);
        series.push(&a, 3, 4.0, 1);
        series.push_histogram(&a, 2, Arc::new(Histogram { sum: 2.0, ..Histogram::default() }), 0);
        let mut scope = Scope::new(Tenant::default(), Limits::default());
        let select = SeriesSelect {
            matchers: vec![Matcher::equal("__name__", "m")],
            from_ms: 2,
            to_ms: 9,
            ..SeriesSelect::default()
        };
        let mut stream = series.select(&scope, &select).unwrap();
        let mut points = Points::default();
        assert_eq!(stream.next(&mut points).unwrap().as_ref(), Some(&a));
        assert_eq!(
            (points.times.as_slice(), points.values.as_slice()),
            ([2, 3].as_slice(), [2.0, 4.0].as_slice())
        );
        assert_eq!(
            (points.histogram(0).is_some(), points.histogram(1).is_some(), points.start(1)),
            (true, false, 1)
        );
        assert_eq!(stream.next(&mut points).unwrap().as_ref(), Some(&b));
        assert_eq!(stream.next(&mut points).unwrap(), None);
        assert_eq!(scope.budget.used().0, 3);
        assert_eq!(series.series(&scope, &select).unwrap(), [a.clone(), b]);
        assert_eq!(series.label_names(&scope, &select).unwrap(), ["__name__", "i"]);
        assert_eq!(series.label_values(&scope, &select, "i").unwrap(), ["a", "b"]);
        scope.matchers = Arc::from([Matcher::equal("i", "a")]);
        assert_eq!(series.series(&scope, &SeriesSelect { to_ms: 1, ..select.clone() }).unwrap(), []);
        assert_eq!(series.series(&scope, &select).unwrap(), [a]);
    }
}
