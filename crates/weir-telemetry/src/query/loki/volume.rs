//! How much there is, by statistics rather than by reading.

use std::collections::{BTreeMap, BTreeSet};

use weir_promql::eval::{Answer, Cell, Sample, Series, Value};
use weir_signal::{Labels, LogSelect, LogSource, Points, Scope};

use super::asked::Asked;
use super::error::ApiError;
use super::{Plan, write};

/// Volumes in an answer where nobody says how many.
const LIMIT: usize = 100;

/// `index/stats`: streams, lines and bytes of a selector. What Loki has in chunks is in streams here.
pub(super) fn stats(asked: &Asked) -> Result<Plan, ApiError> {
    let select = asked.streams(Some(asked.query()))?;
    Plan::work(move |source, scope| {
        let volumes = source.volume(scope, &select)?;
        let (streams, entries, bytes) =
            volumes.iter().fold((0_u64, 0, 0), |(streams, rows, bytes), volume| {
                (streams + 1, rows + volume.1, bytes + volume.2)
            });
        Ok(format!(r#"{{"streams":{streams},"chunks":{streams},"entries":{entries},"bytes":{bytes}}}"#)
            .into_bytes())
    })
}

/// `index/volume`: bytes by labels, over the whole range.
pub(super) fn instant(asked: &Asked) -> Result<Plan, ApiError> {
    let (wanted, categorizes) = (Wanted::of(asked)?, asked.categorizes);
    Plan::work(move |source, scope| {
        let to_ns = wanted.to_ns;
        let volumes = wanted.between(wanted.from_ns, to_ns, source, scope)?;
        let samples =
            volumes.into_iter().map(|(labels, bytes)| Sample { labels, value: Cell::Float(bytes as f64) });
        let answer = of_value(Value::Vector(samples.collect()));
        Ok(write::volumes(
            &answer,
            to_ns.div_euclid(1_000_000),
            wanted.by_label,
            categorizes,
            scope.budget.used(),
        ))
    })
}

/// `index/volume_range`: bytes by labels, over each step. A step's bytes stand at its end.
pub(super) fn range(asked: &Asked) -> Result<Plan, ApiError> {
    let (wanted, categorizes) = (Wanted::of(asked)?, asked.categorizes);
    let step_ns = asked.step_ns(wanted.from_ns, wanted.to_ns)?;
    Plan::work(move |source, scope| {
        let mut series: BTreeMap<Labels, Points> = BTreeMap::new();
        let mut start_ns = wanted.from_ns;
        while start_ns < wanted.to_ns {
            scope.budget.charge(1, 0)?;
            // Steps begin at multiples of themselves, so that two requests see the same ones.
            let end_ns = (start_ns - start_ns.rem_euclid(step_ns)).saturating_add(step_ns).min(wanted.to_ns);
            for (labels, bytes) in wanted.between(start_ns, end_ns, source, scope)? {
                series.entry(labels).or_default().push(end_ns.div_euclid(1_000_000), bytes as f64, 0);
            }
            start_ns = end_ns;
        }
        let series = series.into_iter().map(|(labels, points)| Series { labels, points }).collect();
        let answer = of_value(Value::Matrix(series));
        Ok(write::volumes(&answer, 0, wanted.by_label, categorizes, scope.budget.used()))
    })
}

fn of_value(value: Value) -> Answer {
    Answer { value, warnings: Vec::new(), infos: Vec::new() }
}

/// What is asked about volumes.
struct Wanted {
    select: LogSelect,
    from_ns: i64,
    to_ns: i64,
    /// The labels that count; all where there are none.
    labels: BTreeSet<String>,
    /// Whether labels are counted by themselves, rather than streams by their labels.
    by_label: bool,
    limit: usize,
}

impl Wanted {
    fn of(asked: &Asked) -> Result<Self, ApiError> {
        let (from_ns, to_ns) = asked.bounds()?;
        let mut select = asked.streams(Some(asked.query()))?;
        let by_label = match asked.params.get("aggregateBy") {
            None | Some("series") => false,
            Some("labels") => true,
            Some(other) => {
                return Err(ApiError::bad(format!(
                    "invalid aggregation option {other:?}; there are series and labels"
                )));
            }
        };
        let targets = asked.params.get("targetLabels").unwrap_or_default().split(',');
        let mut labels: BTreeSet<String> =
            targets.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // What is counted by its own labels is counted where it has them.
        for name in &labels {
            if !select.matchers.iter().any(|matcher| matcher.name() == name)
                && let Ok(matcher) = weir_signal::Matcher::new(name, weir_signal::MatchOp::Regex, ".+")
            {
                select.matchers.push(matcher);
            }
        }
        if labels.is_empty() && !by_label {
            labels.extend(select.matchers.iter().map(|matcher| matcher.name().to_owned()));
        }
        let limit = match asked.params.get("limit") {
            Some("0") => LIMIT,
            _ => asked.count("limit", LIMIT, usize::MAX)?,
        };
        Ok(Self { select, from_ns, to_ns, labels, by_label, limit })
    }

    /// Bytes by labels, most first; of one size, by labels.
    fn between(
        &self,
        from_ns: i64,
        to_ns: i64,
        source: &dyn LogSource,
        scope: &Scope,
    ) -> Result<Vec<(Labels, u64)>, ApiError> {
        let select = LogSelect { from_ns, to_ns, ..self.select.clone() };
        let counts = |name: &str| self.labels.is_empty() || self.labels.contains(name);
        let mut volumes: BTreeMap<Labels, u64> = BTreeMap::new();
        for (labels, rows, bytes) in source.volume(scope, &select)? {
            if rows == 0 {
                continue;
            }
            if self.by_label {
                for (name, _) in labels.iter().filter(|(name, _)| counts(name)) {
                    // A label without a value is none: its name stands in for it until it is written.
                    let label = Labels::from_pairs([(name, name)]).unwrap_or_default();
                    *volumes.entry(label).or_default() += bytes;
                }
            } else {
                *volumes.entry(labels.keep(counts)).or_default() += bytes;
            }
        }
        let mut volumes: Vec<_> = volumes.into_iter().collect();
        volumes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        volumes.truncate(self.limit);
        Ok(volumes)
    }
}
