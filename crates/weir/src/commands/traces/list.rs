//! Traces as Tempo's search answers them, as a table.

use anyhow::Context;
use serde::Deserialize;
use weir_telemetry::ask::rfc3339;

use crate::ask::say_ns;
use crate::terminal::{Paint, align_right, headed, shortened, visible, widest};

/// A trace that was found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(default)]
    root_service_name: String,
    #[serde(default)]
    root_trace_name: String,
    #[serde(default)]
    start_time_unix_nano: String,
    #[serde(default)]
    duration_ms: u64,
    #[serde(default)]
    span_sets: Option<Vec<SpanSet>>,
}

#[derive(Debug, Deserialize)]
struct SpanSet {
    #[serde(default)]
    matched: u64,
}

#[derive(Deserialize)]
struct Answer {
    traces: Option<Vec<Found>>,
}

/// Reads an answer.
pub(super) fn read(body: &[u8]) -> anyhow::Result<Vec<Found>> {
    let answer: Answer =
        serde_json::from_slice(body).context("the answer is not one of Tempo's interface")?;
    Ok(answer.traces.unwrap_or_default())
}

/// A row per trace, in the order of the answer. Names that would not fit are cut.
pub(super) fn table(all: &[Found], width: usize, paint: Paint) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut rows = vec![["began", "took", "spans", "service", "name", "trace"].map(str::to_owned)];
    rows.extend(all.iter().map(|found| {
        let start_ns: i64 = found.start_time_unix_nano.parse().unwrap_or_default();
        let matched: u64 = found.span_sets.iter().flatten().map(|set| set.matched).sum();
        let duration = i64::try_from(found.duration_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        [
            rfc3339(start_ns.div_euclid(1_000_000)),
            if found.duration_ms == 0 { "< 1 ms".to_owned() } else { say_ns(duration) },
            matched.to_string(),
            visible(&found.root_service_name),
            visible(&found.root_trace_name),
            visible(&found.trace_id),
        ]
    }));
    let taken: usize = [0, 1, 2, 5].map(|column| widest(&rows, column) + 2).iter().sum();
    let room = width.saturating_sub(taken).max(30);
    let service_max = (room / 3).max(10);
    for row in &mut rows {
        row[3] = shortened(&row[3], service_max);
    }
    let name_max = room.saturating_sub(widest(&rows, 3) + 2).max(10);
    for row in &mut rows {
        row[4] = shortened(&row[4], name_max);
    }
    align_right(&mut rows, 1..3);
    headed(&rows, paint, |column, cell| match column {
        0 => paint.dim(cell),
        3 => paint.cyan(cell),
        5 => paint.bold(cell),
        _ => cell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;

    use super::*;

    #[test]
    fn a_row_per_trace() {
        let body = br#"{"traces":[
            {"traceID":"2f3e0cee77ae5dc9c17ade3689eb2e54","rootServiceName":"shop-backend","rootTraceName":"update-billing",
             "startTimeUnixNano":"1684778327699392724","durationMs":557,
             "spanSets":[{"spans":[{"spanID":"563d623c76514f8e"}],"matched":3}]},
            {"traceID":"1f","rootServiceName":"<root span not yet received>","startTimeUnixNano":"1684778327699392724"}],
            "metrics":{"inspectedBytes":"1"}}"#;
        let found = read(body).unwrap();
        assert_eq!(
            table(&found, 120, Paint(Colour::Off)),
            "began                       took  spans  service          name            trace\n\
             2023-05-22T17:58:47.699Z  557 ms      3  shop-backend     update-billing  2f3e0cee77ae5dc9c17ade3689eb2e54\n\
             2023-05-22T17:58:47.699Z  < 1 ms      0  <root span not…                  1f\n"
        );
        assert!(read(br#"{"metrics":{}}"#).unwrap().is_empty());
        assert!(read(b"no").is_err());
    }
}
