//! What a scraped target exposes: Prometheus' text (0.0.4 and 1.0.0), OpenMetrics text (1.0, and names in UTF-8), and
//! Prometheus' protobuf.
//!
//! [`read`] walks a payload and hands each sample to a [`Visitor`], with the bytes that name its series and nothing
//! decoded: a scraper that saw the same bytes a moment ago knows what became of them, labels, relabelling and all, and
//! asks for the labels only where it does not. [`collect`] is a visitor that puts all of it into a sink.

mod collect;
mod conform;
mod created;
mod labels;
mod lex;
mod number;
mod protobuf;
mod text;

use std::borrow::Cow;
use std::fmt::Write as _;

use weir_signal::{Exemplar, HistogramSample, Labels, LabelsBuilder, MetricKind, Reason, Refusal};

use crate::Limits;
pub use collect::{Collected, collect};
pub use number::openmetrics_float;

/// How a target writes its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain`: Prometheus' text.
    Text,
    /// `application/openmetrics-text`.
    OpenMetrics,
    /// `application/vnd.google.protobuf`: messages `io.prometheus.client.MetricFamily`, each behind its length.
    Protobuf,
}

/// What a scrape asks for, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// Protobuf, the one with native histograms.
    PrometheusProto,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0,
    /// Prometheus' text 1.0.0: 0.0.4 and names in UTF-8.
    PrometheusText1,
    /// Prometheus' text 0.0.4.
    PrometheusText0,
}

impl ScrapeProtocol {
    /// What Prometheus 3 asks for.
    pub const DEFAULT: [Self; 4] =
        [Self::OpenMetricsText1, Self::OpenMetricsText0, Self::PrometheusText1, Self::PrometheusText0];
    /// What it asks for where native histograms are wanted.
    pub const NATIVE_HISTOGRAMS: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText1,
        Self::OpenMetricsText0,
        Self::PrometheusText1,
        Self::PrometheusText0,
    ];

    fn media_range(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetricsText1 => "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            Self::OpenMetricsText0 => "application/openmetrics-text;version=0.0.1",
            Self::PrometheusText1 => "text/plain;version=1.0.0;escaping=allow-utf-8",
            Self::PrometheusText0 => "text/plain;version=0.0.4",
        }
    }
}

/// The `Accept` header of a scrape that prefers `protocols` in this order, and takes anything else last.
pub fn accept_header(protocols: &[ScrapeProtocol]) -> String {
    let mut header = String::new();
    let mut weight = protocols.len() + 1;
    for protocol in protocols {
        let _ = write!(header, "{};q=0.{weight},", protocol.media_range());
        weight -= 1;
    }
    let _ = write!(header, "*/*;q=0.{weight}");
    header
}

impl Format {
    /// The format that a `Content-Type` names; `fallback` where there is none or one that is not known.
    ///
    /// # Errors
    /// [`Reason::Unsupported`] where there is no fallback either.
    pub fn negotiate(content_type: Option<&str>, fallback: Option<Self>) -> Result<Self, Refusal> {
        let content_type = content_type.unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let table = [
            ("text/plain", Self::Text),
            ("application/openmetrics-text", Self::OpenMetrics),
            ("application/vnd.google.protobuf", Self::Protobuf),
        ];
        let found =
            table.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|&(_, format)| format);
        found.or(fallback).ok_or_else(|| {
            Refusal::new(
                Reason::Unsupported,
                format!(
                    "the target sends `Content-Type: {content_type}`, which is no exposition format; send one, or set \
                     `fallback_protocol` for this job"
                ),
            )
        })
    }
}

/// How strictly OpenMetrics is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Conformance {
    /// As OpenMetrics 1.0 says: a payload that breaks a rule of it (clashing names, buckets out of order, a negative
    /// counter, …) is refused as a whole.
    #[default]
    OpenMetrics,
    /// As Prometheus 3 reads it: what has the right form is taken.
    Prometheus,
}

/// How a payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// How strictly OpenMetrics is read.
    pub conformance: Conformance,
    /// Whether `_created` samples of OpenMetrics become the start timestamps of the samples that they go with, rather than
    /// series of their own.
    pub created: Created,
    /// What becomes of a histogram of protobuf that is there both as buckets by `le` and natively.
    pub histograms: Histograms,
}

impl Default for Options {
    /// Strictly, start timestamps from `_created`, native histograms where there are any.
    fn default() -> Self {
        Self {
            conformance: Conformance::default(),
            created: Created::StartTimestamps,
            histograms: Histograms::Native,
        }
    }
}

/// What `_created` samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Created {
    /// Start timestamps.
    StartTimestamps,
    /// Series like others.
    Series,
}

/// Which side of a histogram is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Histograms {
    /// The native one where there is one, else buckets.
    Native,
    /// Buckets only.
    Classic,
    /// Both.
    Both,
}

/// What is known of a family, lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description<'a> {
    /// Its kind.
    pub kind: MetricKind,
    /// Its unit; empty where nobody said.
    pub unit: &'a str,
    /// What it measures; empty where nobody said.
    pub help: &'a str,
}

/// Takes what a payload says, in its order.
///
/// What a visitor refuses of single samples is its own affair: an error ends the walk, and the payload with it.
pub trait Visitor {
    /// What is known of the family `name`: before its samples, and again where more is said of it later.
    fn metadata(&mut self, name: &str, description: Description<'_>) -> Result<(), Refusal>;

    /// A float.
    fn sample(&mut self, sample: &Sample<'_>, value: f64) -> Result<(), Refusal>;

    /// A native histogram.
    fn histogram(&mut self, sample: &Sample<'_>, value: HistogramSample) -> Result<(), Refusal>;
}

/// A sample, but for its value.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Milliseconds since 1970, where the target gave a time of its own.
    pub time_ms: Option<i64>,
    /// When counting began, milliseconds since 1970; 0 where it is not known.
    pub start_ms: i64,
    raw: &'a [u8],
    series: Series<'a>,
    exemplars: Exemplars<'a>,
    /// The line of a text, the byte of a protobuf payload.
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Series<'a> {
    Text { raw: &'a str, dialect: lex::Dialect, kind: MetricKind },
    Protobuf(protobuf::Series<'a>),
}

#[derive(Debug, Clone, Copy)]
enum Exemplars<'a> {
    None,
    Text(lex::ExemplarText<'a>),
    Protobuf(protobuf::Exemplars<'a>),
}

/// Where in a payload something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: usize,
}

impl Sample<'_> {
    /// The bytes that name the series: the same for the same target and series from scrape to scrape, different for
    /// different series. What a cache of series is keyed by.
    pub fn raw(&self) -> &[u8] {
        self.raw
    }

    /// Writes the series' labels into `builder`, which is cleared first: with the metric's name, in the payload's order,
    /// not checked for repeated names. Bounds of buckets and quantiles are written as OpenMetrics writes floats (`le="1.0"`).
    ///
    /// # Errors
    /// The text is not that of a series. The payload is malformed then.
    pub fn labels(&self, builder: &mut LabelsBuilder) -> Result<(), Refusal> {
        builder.clear();
        match self.series {
            Series::Text { raw, dialect, kind } => {
                labels::series(raw, dialect, kind, builder).map_err(|what| {
                    Refusal::new(
                        Reason::Malformed,
                        format!("series `{}`: {what}", crate::names::beginning(raw)),
                    )
                })
            }
            Series::Protobuf(series) => series.labels(builder),
        }
    }

    /// Hands the sample's exemplars to `each`. Those without a time get `default_ms`, but for those of native histograms,
    /// which are passed over then (as Prometheus does it).
    ///
    /// # Errors
    /// What an exemplar should be is none: its labels repeat, or are longer than OpenMetrics allows; and what `each` says.
    pub fn exemplars(
        &self,
        default_ms: i64,
        limits: &Limits,
        builder: &mut LabelsBuilder,
        mut each: impl FnMut(Exemplar) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        match self.exemplars {
            Exemplars::None => Ok(()),
            Exemplars::Text(text) => {
                builder.clear();
                labels::exemplar(text.labels, builder)
                    .map_err(|what| Refusal::new(Reason::Malformed, what))?;
                let time_ms = text.time_ms.unwrap_or(default_ms);
                each(Exemplar { labels: exemplar_labels(builder, limits)?, value: text.value, time_ms })
            }
            Exemplars::Protobuf(exemplars) => exemplars.each(default_ms, limits, builder, each),
        }
    }

    /// Whether there are any.
    pub fn has_exemplars(&self) -> bool {
        !matches!(self.exemplars, Exemplars::None)
    }

    /// Where in the payload the sample begins, in bytes.
    pub fn offset(&self) -> usize {
        self.place.offset
    }
}

fn exemplar_labels(builder: &mut LabelsBuilder, limits: &Limits) -> Result<Labels, Refusal> {
    let chars: usize = builder.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if chars > limits.exemplar_chars {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!("the labels of an exemplar have {chars} characters, more than {}", limits.exemplar_chars),
        ));
    }
    crate::names::labels(builder, limits)
}

/// Walks `payload` and hands what it says to `visitor`.
///
/// # Errors
/// The payload is not of its format, with the line (of text) or byte (of protobuf) where that shows; or the visitor ended
/// the walk. What the visitor was given before is to be dropped.
pub fn read(
    format: Format,
    payload: &[u8],
    options: Options,
    limits: &Limits,
    visitor: &mut (impl Visitor + ?Sized),
) -> Result<(), Refusal> {
    let dialect = match format {
        Format::Protobuf => return protobuf::read(payload, options, limits, visitor),
        Format::Text => lex::Dialect::Prometheus,
        Format::OpenMetrics => lex::Dialect::OpenMetrics,
    };
    let text = std::str::from_utf8(payload).map_err(|error| {
        let at = error.valid_up_to();
        lex::Fault::new(at, "text that is not UTF-8").refusal(payload)
    })?;
    let faulty = |fault: lex::Fault| fault.refusal(payload);
    if dialect == lex::Dialect::OpenMetrics && options.conformance == Conformance::OpenMetrics {
        conform::check(text, limits).map_err(faulty)?;
    }
    text::read(text, dialect, options, visitor).map_err(|stop| match stop {
        text::Stop::Fault(fault) => faulty(fault),
        text::Stop::Visitor(refusal) => refusal,
    })
}

/// The word after `# TYPE`.
fn metric_kind(word: &str, dialect: lex::Dialect) -> Option<MetricKind> {
    use lex::Dialect::{OpenMetrics, Prometheus};
    Some(match (word, dialect) {
        ("counter", _) => MetricKind::Counter,
        ("gauge", _) => MetricKind::Gauge,
        ("histogram", _) => MetricKind::Histogram,
        ("summary", _) => MetricKind::Summary,
        ("untyped", Prometheus) | ("unknown", OpenMetrics) => MetricKind::Unknown,
        ("gaugehistogram", OpenMetrics) => MetricKind::GaugeHistogram,
        ("info", OpenMetrics) => MetricKind::Info,
        ("stateset", OpenMetrics) => MetricKind::StateSet,
        _ => return None,
    })
}

/// What stands in quotes or in help, its escapes resolved: `\\`, `\n` and `\"`; another backslash stands for itself.
fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('\\') else { return Cow::Borrowed(text) };
    let (plain, mut rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len());
    out.push_str(plain);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (skip, character) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => (2, '\n'),
            Some(b'"') => (2, '"'),
            Some(b'\\') => (2, '\\'),
            _ => (1, '\\'),
        };
        out.push(character);
        rest = &rest[at + skip..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
