//! What Prometheus' and Loki's interfaces answer a query with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::terminal::visible;

/// A good answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// What was found.
    pub(crate) data: Data,
    /// What may make it wrong.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// What may make it other than meant.
    #[serde(default)]
    pub(crate) infos: Vec<String>,
}

/// What was found.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(crate) enum Data {
    /// A number.
    Scalar(Point),
    /// A text.
    String(Point),
    /// Series at one time.
    Vector(Vec<Series>),
    /// Series at several times.
    Matrix(Vec<Series>),
    /// Lines of logs.
    Streams(Vec<Stream>),
}

impl Data {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(_) | Self::String(_) => false,
            Self::Vector(all) | Self::Matrix(all) => all.is_empty(),
            Self::Streams(all) => all.is_empty(),
        }
    }
}

/// Names and values, ascending.
pub(crate) type Labels = BTreeMap<String, String>;

/// A time in seconds, and a value as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Point(f64, pub(crate) String);

impl Point {
    /// Milliseconds since 1970.
    pub(crate) fn time_ms(&self) -> i64 {
        (self.0 * 1000.0).round() as i64
    }
}

/// A native histogram.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Histogram {
    count: String,
    sum: String,
    #[serde(default)]
    buckets: Vec<(u8, String, String, String)>,
}

impl Histogram {
    /// As PromQL's users write it down: `{count:3, sum:1.5, (0.5,1]:2, …}`.
    fn shown(&self) -> String {
        let mut text = format!("{{count:{}, sum:{}", self.count, self.sum);
        for (kind, lower, upper, count) in &self.buckets {
            // 0: (], 1: [), 2: (), 3: [].
            let (left, right) = (b"([(["[usize::from(*kind & 3)], b"]))]"[usize::from(*kind & 3)]);
            let _ = write!(text, ", {}{lower},{upper}{}:{count}", char::from(left), char::from(right));
        }
        text + "}"
    }
}

/// A series.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Series {
    /// Its labels.
    pub(crate) metric: Labels,
    value: Option<Point>,
    values: Vec<Point>,
    histogram: Option<(f64, Histogram)>,
    histograms: Vec<(f64, Histogram)>,
}

impl Series {
    /// Its samples in the order of their times: milliseconds, and the value as it is written.
    pub(crate) fn samples(&self) -> Vec<(i64, String)> {
        let floats = self.value.iter().chain(&self.values).map(|point| (point.time_ms(), point.1.clone()));
        let histograms = self.histogram.iter().chain(&self.histograms);
        let histograms = histograms.map(|(time, one)| (Point(*time, String::new()).time_ms(), one.shown()));
        let mut all: Vec<_> = floats.chain(histograms).collect();
        all.sort_by_key(|(time_ms, _)| *time_ms);
        all
    }

    /// Its samples as numbers; of a histogram, how much it counted.
    pub(crate) fn numbers(&self) -> Vec<(i64, f64)> {
        let floats = self.value.iter().chain(&self.values).map(|point| (point.0, &point.1));
        let histograms = self.histogram.iter().chain(&self.histograms);
        let counts = histograms.map(|(time, one)| (*time, &one.count));
        let number =
            |(time, text): (f64, &String)| ((time * 1000.0).round() as i64, text.parse().unwrap_or(f64::NAN));
        let mut all: Vec<(i64, f64)> = floats.chain(counts).map(number).collect();
        all.sort_by_key(|(time_ms, _)| *time_ms);
        all
    }
}

/// A stream of a log.
#[derive(Debug, Deserialize)]
pub(crate) struct Stream {
    /// Its labels.
    pub(crate) stream: Labels,
    /// Its lines.
    pub(crate) values: Vec<Entry>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Written")]
pub(crate) struct Entry {
    /// Nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// The line.
    pub(crate) line: String,
}

/// As Loki writes a line: with structured metadata behind it where that was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Bare(String, String),
    WithMetadata(String, String, serde::de::IgnoredAny),
}

impl From<Written> for Entry {
    fn from(written: Written) -> Self {
        let (Written::Bare(time, line) | Written::WithMetadata(time, line, _)) = written;
        Self { time_ns: time.parse().unwrap_or_default(), line }
    }
}

/// Labels as a selector that finds the series: `up{job="a"}`, for people to read.
pub(crate) fn selector(labels: &Labels) -> String {
    let name = labels.get("__name__").filter(|name| is_bare(name, true));
    let rest = labels.iter().filter(|(label, _)| name.is_none() || *label != "__name__");
    let pairs: Vec<String> = rest
        .map(|(label, value)| {
            let value = visible(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
            if is_bare(label, false) {
                format!("{label}=\"{value}\"")
            } else {
                format!("\"{}\"=\"{value}\"", visible(label))
            }
        })
        .collect();
    match (name, pairs.is_empty()) {
        (Some(name), true) => name.clone(),
        (name, _) => format!("{}{{{}}}", name.map_or("", String::as_str), pairs.join(", ")),
    }
}

/// Whether a name needs no quotes.
fn is_bare(name: &str, metric: bool) -> bool {
    let good = |(index, byte): (usize, u8)| {
        byte == b'_'
            || byte.is_ascii_alphabetic()
            || (metric && byte == b':')
            || (index > 0 && byte.is_ascii_digit())
    };
    !name.is_empty() && name.bytes().enumerate().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_a_selector() {
        let check = |pairs: &[(&str, &str)], expect: &str| {
            let labels =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(selector(&labels), expect);
        };
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(&[("__name__", "up"), ("job", "a\"\\\n")], r#"up{job="a\"\\\n"}"#);
        check(&[("route", "orders"), ("a.b", "\x1b[2J")], "{\"a.b\"=\"\u{fffd}[2J\", route=\"orders\"}");
        check(&[("__name__", "http.server")], "{__name__=\"http.server\"}");
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        let read = |text: &str| serde_json::from_str::<Answer>(text).unwrap();
        let answer = read(
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[3,"NaN"]],
            "histograms":[[2.5,{"count":"2","sum":"3","buckets":[[3,"-0.5","0.5","2"]]}]]}]},"infos":["note"]}"#,
        );
        let Data::Matrix(all) = answer.data else { panic!("no matrix") };
        let expect = [(1000, "1"), (2500, "{count:2, sum:3, [-0.5,0.5]:2}"), (3000, "NaN")];
        assert_eq!(all[0].samples(), expect.map(|(time, text)| (time, text.to_owned())));
        assert_eq!(all[0].numbers()[..2], [(1000, 1.0), (2500, 2.0)]);
        assert_eq!(answer.infos, ["note"]);
        let answer = read(
            r#"{"status":"success","data":{"stats":{},"result":[{"stream":{"a":"b"},"values":[["17","x"],["18","y",{"t":"u"}]]}],
            "resultType":"streams"}}"#,
        );
        let Data::Streams(all) = answer.data else { panic!("no streams") };
        assert_eq!(all[0].values[1], Entry { time_ns: 18, line: "y".into() });
        let answer = read(r#"{"data":{"resultType":"scalar","result":[1.5,"+Inf"]}}"#);
        assert!(matches!(answer.data, Data::Scalar(point) if point == Point(1.5, "+Inf".into())));
    }
}
