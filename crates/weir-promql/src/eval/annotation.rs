//! What there is to say about an answer beside its value.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use weir_signal::go_g;

use super::number::rounded;
use crate::ast::Span;

/// A remark, in Prometheus' words. Two of the same text are one.
#[derive(Debug, Clone)]
pub(super) struct Annotation {
    text: String,
    is_warning: bool,
    span: Span,
    detail: Detail,
}

/// What adds up where the same remark is made more than once.
#[derive(Debug, Clone)]
enum Detail {
    None,
    /// Classic buckets that had to be made to grow.
    Monotonicity(Monotonicity),
    /// How often start timestamps overlap.
    Overlap {
        count: usize,
    },
}

/// Where and how far counts of classic buckets shrank with growing bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Monotonicity {
    pub from_ms: i64,
    pub to_ms: i64,
    pub bucket_min: f64,
    pub bucket_max: f64,
    pub difference_max: f64,
    pub samples: usize,
}

/// What is done to histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HistogramOperation {
    Add,
    Sub,
    Aggregate,
}

impl HistogramOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "addition",
            Self::Sub => "subtraction",
            Self::Aggregate => "aggregation",
        }
    }
}

impl Annotation {
    fn warning(span: Span, text: impl AsRef<str>) -> Self {
        let text = format!("PromQL warning: {}", text.as_ref());
        Self { text, is_warning: true, span, detail: Detail::None }
    }

    fn info(span: Span, text: impl AsRef<str>) -> Self {
        let text = format!("PromQL info: {}", text.as_ref());
        Self { text, is_warning: false, span, detail: Detail::None }
    }

    pub(super) fn invalid_quantile(span: Span, quantile: f64) -> Self {
        Self::warning(span, format!("quantile value should be between 0 and 1, got {}", go_g(quantile)))
    }

    pub(super) fn invalid_ratio(span: Span, ratio: f64, capped: f64) -> Self {
        let (ratio, capped) = (go_g(ratio), go_g(capped));
        Self::warning(
            span,
            format!("ratio value should be between -1 and 1, got {ratio}, capping to {capped}"),
        )
    }

    pub(super) fn bad_bucket_label(span: Span, metric: &str, label: &str) -> Self {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {label:?}");
        Self::warning(span, with_metric(text, metric))
    }

    pub(super) fn mixed_floats_histograms(span: Span, metric: &str) -> Self {
        Self::warning(span, format!("encountered a mix of histograms and floats for metric name {metric:?}"))
    }

    pub(super) fn mixed_floats_histograms_in_aggregation(span: Span) -> Self {
        Self::warning(span, "encountered a mix of histograms and floats for aggregation")
    }

    pub(super) fn mixed_classic_native_histograms(span: Span, metric: &str) -> Self {
        let text = "vector contains a mix of classic and native histograms".to_owned();
        Self::warning(span, with_metric(text, metric))
    }

    pub(super) fn not_a_counter(span: Span, metric: &str) -> Self {
        Self::warning(span, format!("this native histogram metric is not a counter: {metric:?}"))
    }

    pub(super) fn not_a_gauge(span: Span, metric: &str) -> Self {
        Self::warning(span, format!("this native histogram metric is not a gauge: {metric:?}"))
    }

    pub(super) fn mixed_exponential_custom(span: Span, metric: &str) -> Self {
        Self::warning(
            span,
            format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {metric:?}"
            ),
        )
    }

    pub(super) fn incompatible_buckets(span: Span, operator: &str) -> Self {
        Self::warning(span, format!("incompatible bucket layout encountered for binary operator {operator}"))
    }

    pub(super) fn sort_in_range_query(span: Span) -> Self {
        Self::warning(
            span,
            "sort is ineffective for range queries since results are always ordered by labels",
        )
    }

    pub(super) fn possible_non_counter(span: Span, metric: &str) -> Self {
        Self::info(
            span,
            format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric:?}"
            ),
        )
    }

    pub(super) fn possible_non_counter_label(span: Span, metric: &str, kind: &str) -> Self {
        Self::info(
            span,
            format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {kind:?}: {metric:?}"
            ),
        )
    }

    pub(super) fn forced_monotonicity(span: Span, metric: &str, what: Monotonicity) -> Self {
        let text = "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        Self { detail: Detail::Monotonicity(what), ..Self::info(span, with_metric(text.to_owned(), metric)) }
    }

    pub(super) fn incompatible_types(span: Span, left: &str, operator: &str, right: &str) -> Self {
        Self::info(
            span,
            format!(
                "incompatible sample types encountered for binary operator {operator:?}: {left} {operator} {right}"
            ),
        )
    }

    pub(super) fn histogram_ignored(span: Span, aggregation: &str) -> Self {
        Self::info(span, format!("ignored histogram in {aggregation} aggregation"))
    }

    pub(super) fn histogram_ignored_in_mixed_range(span: Span, metric: &str) -> Self {
        Self::info(
            span,
            format!(
                "ignored histograms in a range containing both floats and histograms for metric name {metric:?}"
            ),
        )
    }

    pub(super) fn quantile_nan_result(span: Span, metric: &str) -> Self {
        let text = "input to histogram_quantile has NaN observations, result is NaN".to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn quantile_nan_skew(span: Span, metric: &str) -> Self {
        let text = "input to histogram_quantile has NaN observations, result is skewed higher".to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn fraction_nans(span: Span, metric: &str) -> Self {
        let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions"
            .to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn reset_collision(span: Span, operation: HistogramOperation) -> Self {
        Self::warning(span, format!("conflicting counter resets during histogram {}", operation.as_str()))
    }

    pub(super) fn mismatched_bounds(span: Span, operation: HistogramOperation) -> Self {
        Self::info(span, format!("mismatched custom buckets were reconciled during {}", operation.as_str()))
    }

    pub(super) fn start_overlap(span: Span, metric: &str) -> Self {
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric {metric:?}"
        );
        Self { detail: Detail::Overlap { count: 1 }, ..Self::warning(span, text) }
    }

    /// Takes in an earlier remark of the same text.
    fn add(&mut self, earlier: &Annotation) {
        match (&mut self.detail, &earlier.detail) {
            (Detail::Monotonicity(this), Detail::Monotonicity(other)) => {
                this.from_ms = this.from_ms.min(other.from_ms);
                this.to_ms = this.to_ms.max(other.to_ms);
                this.bucket_min = this.bucket_min.min(other.bucket_min);
                this.bucket_max = this.bucket_max.max(other.bucket_max);
                this.difference_max = this.difference_max.max(other.difference_max);
                this.samples += other.samples;
            }
            (Detail::Overlap { count }, Detail::Overlap { count: other }) => *count += other,
            _ => return,
        }
        self.span = earlier.span;
    }

    /// The whole text; without a place and what adds up where the query's text is not known.
    fn write(&self, query: &str) -> String {
        if query.is_empty() {
            return self.text.clone();
        }
        let (text, place) = (&self.text, place(query, self.span));
        match &self.detail {
            Detail::None | Detail::Overlap { count: 1 } => format!("{text} ({place})"),
            Detail::Overlap { count } => format!("{text} ({count} occurrences) ({place})"),
            Detail::Monotonicity(what) => format!(
                "{text}, from buckets {} to {}, with a max diff of {}, over {} samples from {} to {} ({place})",
                go_g(what.bucket_min),
                go_g(what.bucket_max),
                rounded(what.difference_max, 2),
                what.samples,
                rfc3339(what.from_ms),
                rfc3339(what.to_ms),
            ),
        }
    }
}

fn with_metric(text: String, metric: &str) -> String {
    if metric.is_empty() { text } else { format!("{text} for metric name {metric:?}") }
}

/// Line and column of the first byte of `span`, both from 1 on.
fn place(query: &str, span: Span) -> String {
    let Some(before) = query.as_bytes().get(..span.start as usize) else {
        return "invalid position".to_owned();
    };
    let lines = before.split(|&byte| byte == b'\n');
    let (line, last) = lines.enumerate().last().unwrap_or_default();
    let (line, column) = (line + 1, last.len() + 1);
    format!("{line}:{column}")
}

fn rfc3339(time_ms: i64) -> String {
    let seconds = time_ms.div_euclid(1000);
    let date = weir_signal::Date::of_seconds(seconds);
    let of_day = seconds.rem_euclid(86_400);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year,
        date.month,
        date.day,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// All remarks of an evaluation, by text.
#[derive(Debug, Default)]
pub(super) struct Annotations(BTreeMap<String, Annotation>);

impl Annotations {
    pub(super) fn add(&mut self, mut annotation: Annotation) {
        match self.0.entry(annotation.text.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(annotation);
            }
            Entry::Occupied(mut entry) => {
                annotation.add(entry.get());
                entry.insert(annotation);
            }
        }
    }

    /// Warnings and infos, each sorted, with their places in the text of the query where it is known.
    pub(super) fn write(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let of = |is_warning: bool| {
            let chosen = self.0.values().filter(|annotation| annotation.is_warning == is_warning);
            let mut texts: Vec<_> = chosen.map(|annotation| annotation.write(query)).collect();
            texts.sort();
            texts
        };
        (of(true), of(false))
    }
}
