//! The rules of OpenMetrics 1.0 that go beyond the form of a line.
//!
//! Families stand together and their names do not clash; what is said of a family comes before its samples, once; the
//! samples of a labelled metric stand together, in the order of time; counters do not fall below zero, buckets ascend and
//! agree with the count; exemplars stand where they may. The first rule that is broken refuses the payload.

use std::borrow::Cow;
use std::collections::HashSet;

use weir_signal::{LabelsBuilder, MetricKind};
use xxhash_rust::xxh3::xxh3_128;

use super::labels::{self, LastComma, Part};
use super::lex::{Dialect, Entry, Fault, Lexer, SampleText, Word};
use super::metric_kind;
use super::number::float;
use crate::Limits;

/// A broken rule; the caller knows the line.
type Broken = Cow<'static, str>;

pub(super) fn check(text: &str, limits: &Limits) -> Result<(), Fault> {
    let mut lexer = Lexer::new(text, Dialect::OpenMetrics);
    let mut names = HashSet::new();
    let mut family = Family::default();
    let mut labels = Vec::new();
    loop {
        let offset = lexer.offset();
        let broken = |what: Broken| Fault::new(offset, what);
        match lexer.next()? {
            Entry::End => return family.finish(&mut names).map_err(broken),
            Entry::Meta { word, family: name, text } => {
                if Some(&*name) != family.name.as_deref() {
                    family.finish(&mut names).map_err(broken)?;
                    family = Family { name: Some(name.into_owned()), ..Family::default() };
                }
                family.describe(word, text).map_err(broken)?;
            }
            Entry::Sample(sample) => {
                let name = read_labels(&sample, &mut labels).map_err(broken)?;
                if !family.allows(&name) {
                    family.finish(&mut names).map_err(broken)?;
                    family = Family { name: Some(name.clone()), ..Family::default() };
                }
                family.sample(&name, &mut labels, &sample, limits).map_err(broken)?;
            }
        }
    }
}

/// The metric's name; its labels, sorted, into `labels`.
fn read_labels(sample: &SampleText<'_>, labels: &mut Vec<(String, String)>) -> Result<String, Broken> {
    labels.clear();
    let mut metric = String::new();
    labels::parts(sample.raw, Dialect::OpenMetrics, LastComma::Refused, |part| match part {
        Part::Metric(name) => metric = name.into_owned(),
        Part::Label(name, value) => labels.push((name.into_owned(), value.into_owned())),
    })?;
    labels.sort();
    if let Some([(twice, _), _]) = labels.array_windows().find(|[(a, _), (b, _)]| a == b) {
        return Err(format!("label `{twice}` is given twice").into());
    }
    Ok(metric)
}

#[derive(Default)]
struct Family {
    name: Option<String>,
    kind: Option<MetricKind>,
    unit: Option<String>,
    help: bool,
    samples: bool,
    /// The labelled metrics whose samples came.
    groups: HashSet<u128>,
    group: Option<Group>,
    buckets: Option<Buckets>,
}

/// The labelled metric whose samples come just now.
struct Group {
    id: u128,
    seconds: Option<f64>,
}

impl Family {
    fn describe(&mut self, word: Word, text: &str) -> Result<(), Broken> {
        if self.samples {
            return Err("what is said of a family must come before its samples".into());
        }
        let twice = match word {
            Word::Help => std::mem::replace(&mut self.help, true),
            Word::Unit => self.unit.replace(text.to_owned()).is_some(),
            Word::Type => {
                let kind = metric_kind(text, Dialect::OpenMetrics);
                let kind = kind.ok_or_else(|| format!("`{text}` is no type of OpenMetrics"))?;
                self.kind.replace(kind).is_some()
            }
        };
        if twice { Err("a family has one type, one unit and one help".into()) } else { Ok(()) }
    }

    fn kind(&self) -> MetricKind {
        self.kind.unwrap_or_default()
    }

    /// Whether a sample of this name belongs to the family.
    fn allows(&self, sample: &str) -> bool {
        let Some(name) = &self.name else { return false };
        sample.strip_prefix(name.as_str()).is_some_and(|suffix| suffixes(self.kind()).contains(&suffix))
    }

    /// What can be said once all of the family's samples are known.
    fn finish(&mut self, names: &mut HashSet<String>) -> Result<(), Broken> {
        let Some(name) = &self.name else { return Ok(()) };
        let suffixes = suffixes(self.kind());
        for suffix in suffixes.iter().chain((!suffixes.contains(&"")).then_some(&"")) {
            let name = format!("{name}{suffix}");
            if names.contains(&name) {
                return Err(format!("the name `{name}` belongs to two families").into());
            }
            names.insert(name);
        }
        if let Some(unit) = self.unit.as_deref().filter(|unit| !unit.is_empty()) {
            if !name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
                return Err(format!("the name of `{name}` must end in its unit, `_{unit}`").into());
            }
            if matches!(self.kind(), MetricKind::Info | MetricKind::StateSet) {
                return Err(format!("`{name}` is of a type that has no unit").into());
            }
        }
        self.buckets.take().map_or(Ok(()), Buckets::finish)
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &mut Vec<(String, String)>,
        sample: &SampleText<'_>,
        limits: &Limits,
    ) -> Result<(), Broken> {
        self.samples = true;
        let family = self.name.as_deref().unwrap_or_default();
        let suffix = name.strip_prefix(family).unwrap_or_default();
        let kind = self.kind();
        check_value(kind, suffix, sample.value)?;
        let bound = check_own_label(family, kind, suffix, labels)?;
        check_exemplar(kind, suffix, sample, limits)?;

        // The labels that are left tell one labelled metric of the family from another.
        let id = if kind == MetricKind::Info { 0 } else { id(labels) };
        let seconds = sample.time.map(|time| time.seconds);
        let same = self.group.as_ref().filter(|group| group.id == id);
        if let Some(group) = same {
            match (group.seconds, seconds) {
                (None, None) => {}
                (Some(before), Some(now)) if now >= before || kind == MetricKind::Info => {}
                (Some(_), Some(_)) => {
                    return Err("time goes backwards among the samples of one metric".into());
                }
                _ => return Err("some samples of one metric have a time and some have none".into()),
            }
        } else if !self.groups.insert(id) {
            return Err("the samples of one labelled metric must stand together".into());
        }
        let goes_on = same.is_some_and(|group| group.seconds == seconds);
        self.group = Some(Group { id, seconds });
        if matches!(kind, MetricKind::Histogram | MetricKind::GaugeHistogram) {
            if !goes_on && let Some(buckets) = self.buckets.take() {
                buckets.finish()?;
            }
            self.buckets.get_or_insert_default().add(suffix, bound, sample.value)?;
        }
        Ok(())
    }
}

/// What the names of a family's samples may end in.
fn suffixes(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Counter => &["_total", "_created"],
        MetricKind::Histogram => &["_bucket", "_count", "_sum", "_created"],
        MetricKind::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricKind::Summary => &["", "_count", "_sum", "_created"],
        MetricKind::Info => &["_info"],
        MetricKind::Unknown | MetricKind::Gauge | MetricKind::StateSet => &[""],
    }
}

#[allow(clippy::float_cmp, reason = "states and infos have exactly these values")]
fn check_value(kind: MetricKind, suffix: &str, value: f64) -> Result<(), Broken> {
    let counts = matches!(suffix, "_total" | "_sum" | "_count" | "_bucket" | "_gcount");
    if (counts || suffix == "_gsum") && value.is_nan() {
        return Err("what is counted cannot be NaN".into());
    }
    if counts && value < 0.0 {
        return Err("what is counted cannot be negative".into());
    }
    if matches!(suffix, "_count" | "_bucket" | "_gcount") && value.fract() != 0.0 {
        return Err("observations are whole".into());
    }
    match kind {
        MetricKind::StateSet if value != 0.0 && value != 1.0 => Err("a state is 0 or 1".into()),
        MetricKind::Info if value != 1.0 => Err("the value of an info is 1".into()),
        MetricKind::Summary if suffix.is_empty() && value < 0.0 => {
            Err("a quantile cannot be negative".into())
        }
        _ => Ok(()),
    }
}

/// Takes the label that a sample of this kind must have out of `labels`. Returns the bound of a bucket.
fn check_own_label(
    family: &str,
    kind: MetricKind,
    suffix: &str,
    labels: &mut Vec<(String, String)>,
) -> Result<f64, Broken> {
    let name = match (kind, suffix) {
        (MetricKind::StateSet, "") => family,
        (MetricKind::Summary, "") => "quantile",
        (MetricKind::Histogram | MetricKind::GaugeHistogram, "_bucket") => "le",
        _ => return Ok(0.0),
    };
    let at = labels.iter().position(|(label, _)| label == name);
    let (_, value) = labels.remove(at.ok_or_else(|| format!("the label `{name}` is missing"))?);
    if kind == MetricKind::StateSet {
        return Ok(0.0);
    }
    let number = float(&value).filter(|number| match kind {
        MetricKind::Summary => (0.0..=1.0).contains(number),
        // Of all numbers only this one has to be written in one way.
        _ => !number.is_nan() && (*number != f64::INFINITY || value == "+Inf"),
    });
    number.ok_or_else(|| format!("`{name}` cannot be `{value}`").into())
}

fn check_exemplar(
    kind: MetricKind,
    suffix: &str,
    sample: &SampleText<'_>,
    limits: &Limits,
) -> Result<(), Broken> {
    let Some(exemplar) = sample.exemplar else { return Ok(()) };
    if !matches!(
        (kind, suffix),
        (MetricKind::Histogram | MetricKind::GaugeHistogram, "_bucket") | (MetricKind::Counter, "_total")
    ) {
        return Err("only buckets and counters have exemplars".into());
    }
    let mut builder = LabelsBuilder::new();
    labels::exemplar(exemplar.labels, &mut builder)?;
    super::exemplar_labels(&mut builder, limits).map_err(|refusal| refusal.message)?;
    Ok(())
}

fn id(labels: &[(String, String)]) -> u128 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&text.len().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    xxh3_128(&bytes)
}

/// The samples of one histogram at one time.
#[derive(Default)]
struct Buckets {
    /// Bound and value of the last one.
    last: Option<(f64, f64)>,
    negative_bound: bool,
    count: Option<f64>,
    sum: bool,
    gauge_sum: Option<f64>,
}

impl Buckets {
    fn add(&mut self, suffix: &str, bound: f64, value: f64) -> Result<(), Broken> {
        match suffix {
            "_bucket" => {
                if self.last.is_some_and(|(before, _)| bound <= before) {
                    return Err("the bounds of buckets must ascend".into());
                }
                if self.last.is_some_and(|(_, before)| value < before) {
                    return Err(
                        "a bucket holds fewer observations than the one below, which it includes".into()
                    );
                }
                self.negative_bound |= bound < 0.0;
                self.last = Some((bound, value));
            }
            "_count" | "_gcount" => self.count = Some(value),
            "_sum" => self.sum = true,
            "_gsum" => self.gauge_sum = Some(value),
            _ => {}
        }
        Ok(())
    }

    #[allow(clippy::float_cmp, reason = "counts are whole, and the same number twice")]
    fn finish(self) -> Result<(), Broken> {
        let Some((_, all)) = self.last.filter(|&(bound, _)| bound == f64::INFINITY) else {
            return Err("the histogram before has no bucket `le=\"+Inf\"`".into());
        };
        let summed = self.sum || self.gauge_sum.is_some();
        if self.count.is_some_and(|count| count != all) {
            return Err("the histogram before counts other than its bucket `le=\"+Inf\"`".into());
        }
        if summed != self.count.is_some() {
            return Err("the histogram before has a count without a sum, or a sum without a count".into());
        }
        if self.negative_bound && self.sum {
            return Err("the histogram before has buckets below zero, and so it must have no sum".into());
        }
        if !self.negative_bound && self.gauge_sum.is_some_and(|sum| sum < 0.0) {
            return Err("the histogram before has a negative sum, but no buckets below zero".into());
        }
        Ok(())
    }
}
