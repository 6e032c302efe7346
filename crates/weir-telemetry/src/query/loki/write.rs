//! Answers as Loki writes them.

use std::io::Write as _;

use weir_logql::{Entry, StreamResult};
use weir_promql::eval::{Answer, Cell, Value};
use weir_signal::Labels;

use super::asked::CATEGORIZE_LABELS;
use crate::query::json;

/// `{"status":"success","data":…}` around what `data` writes.
pub(super) fn envelope(data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = br#"{"status":"success","data":"#.to_vec();
    data(&mut out);
    out.push(b'}');
    out
}

/// An answer with its kind, what the client understands, and what it cost: lines that were looked at, and bytes.
fn result(kind: &str, categorizes: bool, used: (u64, u64), data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    envelope(|out| {
        // Writing to a vector cannot fail.
        let _ = write!(out, r#"{{"resultType":"{kind}""#);
        if categorizes {
            let _ = write!(out, r#","encodingFlags":["{CATEGORIZE_LABELS}"]"#);
        }
        out.extend_from_slice(br#","result":"#);
        data(out);
        let (lines, bytes) = used;
        let _ = write!(
            out,
            r#","stats":{{"summary":{{"totalLinesProcessed":{lines},"totalBytesProcessed":{bytes}}}}}}}"#
        );
    })
}

/// Lines.
pub(super) fn streams(streams: &[StreamResult], categorizes: bool, used: (u64, u64)) -> Vec<u8> {
    result("streams", categorizes, used, |out| {
        json::list(out, streams, |out, one| stream(out, &one.labels, &one.entries, categorizes));
    })
}

/// Lines of a tail.
pub(super) fn tailed(streams: &[StreamResult], categorizes: bool) -> Vec<u8> {
    let mut out = br#"{"streams":"#.to_vec();
    json::list(&mut out, streams, |out, one| stream(out, &one.labels, &one.entries, categorizes));
    if categorizes {
        let _ = write!(out, r#","encodingFlags":["{CATEGORIZE_LABELS}"]"#);
    }
    out.push(b'}');
    out
}

fn stream(out: &mut Vec<u8>, labels: &Labels, entries: &[Entry], categorizes: bool) {
    out.extend_from_slice(br#"{"stream":"#);
    json::map(out, labels.iter());
    out.extend_from_slice(br#","values":"#);
    json::list(out, entries, |out, entry| {
        let _ = write!(out, r#"["{}","#, entry.time_ns);
        json::string(out, &entry.line);
        if categorizes {
            out.extend_from_slice(b",{");
            let kinds = [("structuredMetadata", &entry.metadata), ("parsed", &entry.parsed)];
            for (at, (kind, labels)) in kinds.into_iter().filter(|(_, labels)| !labels.is_empty()).enumerate()
            {
                let _ = write!(out, r#"{}"{kind}":"#, if at > 0 { "," } else { "" });
                json::map(out, labels.iter());
            }
            out.push(b'}');
        }
        out.push(b']');
    });
    out.push(b'}');
}

/// Numbers; those of one time are of `time_ms`.
pub(super) fn numbers(answer: &Answer, time_ms: i64, categorizes: bool, used: (u64, u64)) -> Vec<u8> {
    volumes(answer, time_ms, false, categorizes, used)
}

/// Numbers; where only the names of labels count, without their values.
pub(super) fn volumes(
    answer: &Answer,
    time_ms: i64,
    names_only: bool,
    categorizes: bool,
    used: (u64, u64),
) -> Vec<u8> {
    let metric = |out: &mut Vec<u8>, labels: &Labels| {
        out.extend_from_slice(br#"{"metric":"#);
        json::map(out, labels.iter().map(|(name, value)| (name, if names_only { "" } else { value })));
    };
    match &answer.value {
        Value::Scalar(value) => result("scalar", categorizes, used, |out| sample(out, time_ms, *value)),
        // No query of LogQL answers a text.
        Value::String(text) => result("string", categorizes, used, |out| json::string(out, text)),
        Value::Vector(samples) => result("vector", categorizes, used, |out| {
            json::list(out, samples, |out, one| {
                metric(out, &one.labels);
                out.extend_from_slice(br#","value":"#);
                let value = match &one.value {
                    Cell::Float(value) => *value,
                    Cell::Histogram(histogram) => histogram.count,
                };
                sample(out, time_ms, value);
                out.push(b'}');
            });
        }),
        Value::Matrix(series) => result("matrix", categorizes, used, |out| {
            json::list(out, series, |out, one| {
                metric(out, &one.labels);
                out.extend_from_slice(br#","values":"#);
                let points = one.points.times.iter().zip(&one.points.values);
                json::list(out, points, |out, (time_ms, value)| sample(out, *time_ms, *value));
                out.push(b'}');
            });
        }),
    }
}

fn sample(out: &mut Vec<u8>, time_ms: i64, value: f64) {
    out.push(b'[');
    json::seconds(out, time_ms);
    out.extend_from_slice(b",\"");
    json::float(out, value);
    out.extend_from_slice(b"\"]");
}
