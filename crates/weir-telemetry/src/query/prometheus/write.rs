//! Answers as Prometheus writes them.

use weir_promql::eval::{Answer, Cell, Value};
use weir_signal::{Histogram, Labels, Points};

use crate::query::json;

/// `{"status":"success","data":…}` around what `data` writes.
pub(super) fn envelope(data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = br#"{"status":"success","data":"#.to_vec();
    data(&mut out);
    out.push(b'}');
    out
}

/// The same around a value.
pub(super) fn envelope_text(data: &serde_json::Value) -> Vec<u8> {
    envelope(|out| out.extend_from_slice(data.to_string().as_bytes()))
}

/// The answer of a query. At most `limit` series where that is not 0, with a warning where there are more.
pub(super) fn query(answer: &Answer, time_ms: i64, limit: usize) -> Vec<u8> {
    let mut out = br#"{"status":"success","data":{"resultType":""#.to_vec();
    let shown = |len: usize| if limit == 0 { len } else { len.min(limit) };
    let mut cut = false;
    match &answer.value {
        Value::Scalar(value) => {
            out.extend_from_slice(br#"scalar","result":"#);
            sample(&mut out, time_ms, *value);
        }
        Value::String(text) => {
            out.extend_from_slice(br#"string","result":["#);
            json::seconds(&mut out, time_ms);
            out.push(b',');
            json::string(&mut out, text);
            out.push(b']');
        }
        Value::Vector(samples) => {
            out.extend_from_slice(br#"vector","result":"#);
            cut = shown(samples.len()) < samples.len();
            json::list(&mut out, &samples[..shown(samples.len())], |out, one| {
                out.extend_from_slice(br#"{"metric":"#);
                json::map(out, one.labels.iter());
                match &one.value {
                    Cell::Float(value) => {
                        out.extend_from_slice(br#","value":"#);
                        sample(out, time_ms, *value);
                    }
                    Cell::Histogram(value) => {
                        out.extend_from_slice(br#","histogram":"#);
                        histogram_sample(out, time_ms, value);
                    }
                }
                out.push(b'}');
            });
        }
        Value::Matrix(all) => {
            out.extend_from_slice(br#"matrix","result":"#);
            cut = shown(all.len()) < all.len();
            json::list(&mut out, &all[..shown(all.len())], |out, one| series(out, &one.labels, &one.points));
        }
    }
    out.push(b'}');
    let more = cut.then(|| "results truncated due to limit".to_owned());
    let warnings: Vec<&String> = answer.warnings.iter().chain(&more).collect();
    remarks(&mut out, "warnings", &warnings);
    remarks(&mut out, "infos", &answer.infos.iter().collect::<Vec<_>>());
    out.push(b'}');
    out
}

fn remarks(out: &mut Vec<u8>, name: &str, texts: &[&String]) {
    if !texts.is_empty() {
        out.push(b',');
        json::string(out, name);
        out.push(b':');
        json::list(out, texts, |out, text| json::string(out, text));
    }
}

fn series(out: &mut Vec<u8>, labels: &Labels, points: &Points) {
    out.extend_from_slice(br#"{"metric":"#);
    json::map(out, labels.iter());
    let mut histograms = points.histograms.iter().peekable();
    if points.histograms.len() < points.len() {
        out.extend_from_slice(br#","values":"#);
        let floats = (0..points.len()).filter(|&index| {
            let is_histogram = histograms.next_if(|(at, _)| *at as usize == index).is_some();
            !is_histogram
        });
        json::list(out, floats, |out, index| sample(out, points.times[index], points.values[index]));
    }
    if !points.histograms.is_empty() {
        out.extend_from_slice(br#","histograms":"#);
        json::list(out, &points.histograms, |out, (at, value)| {
            histogram_sample(out, points.times[*at as usize], value);
        });
    }
    out.push(b'}');
}

fn sample(out: &mut Vec<u8>, time_ms: i64, value: f64) {
    out.push(b'[');
    json::seconds(out, time_ms);
    out.extend_from_slice(b",\"");
    json::float(out, value);
    out.extend_from_slice(b"\"]");
}

fn histogram_sample(out: &mut Vec<u8>, time_ms: i64, value: &Histogram) {
    let quoted = |out: &mut Vec<u8>, value: f64| {
        out.push(b'"');
        json::float(out, value);
        out.push(b'"');
    };
    out.push(b'[');
    json::seconds(out, time_ms);
    out.extend_from_slice(br#",{"count":"#);
    quoted(out, value.count);
    out.extend_from_slice(br#","sum":"#);
    quoted(out, value.sum);
    let mut buckets = value.buckets().filter(|bucket| bucket.count != 0.0).peekable();
    if buckets.peek().is_some() {
        out.extend_from_slice(br#","buckets":"#);
        json::list(out, buckets, |out, bucket| {
            out.push(b'[');
            out.push(b'0' + bucket.boundaries());
            for value in [bucket.lower, bucket.upper, bucket.count] {
                out.push(b',');
                quoted(out, value);
            }
            out.push(b']');
        });
    }
    out.extend_from_slice(b"}]");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_promql::eval::{Sample, Series};

    use super::*;

    fn check(value: Value, limit: usize, expect: &str) {
        let answer = Answer { value, warnings: vec![], infos: vec!["note".into()] };
        let text = String::from_utf8(query(&answer, 1500, limit)).unwrap();
        assert_eq!(text, expect);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn answers_are_written_as_prometheus_does() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]).unwrap();
        check(
            Value::Scalar(f64::INFINITY),
            0,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1.500,"+Inf"]},"infos":["note"]}"#,
        );
        let one = Sample { labels: labels.clone(), value: Cell::Float(1.0) };
        check(
            Value::Vector(vec![one.clone(), one]),
            1,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[1.500,"1"]}]},"warnings":["results truncated due to limit"],"infos":["note"]}"#,
        );
        let mut points = Points::default();
        points.push(1000, 1.0, 0);
        let histogram =
            Histogram { count: 2.0, sum: 3.0, zero_count: 2.0, zero_threshold: 0.5, ..Histogram::default() };
        points.push_histogram(2000, Arc::new(histogram), 0);
        check(
            Value::Matrix(vec![Series { labels: Labels::empty(), points }]),
            0,
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]],"histograms":[[2,{"count":"2","sum":"3","buckets":[[3,"-0.5","0.5","2"]]}]]}]},"infos":["note"]}"#,
        );
    }
}
