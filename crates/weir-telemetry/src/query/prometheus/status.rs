//! What the server says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_signal::{METRIC_NAME, ReadError, SeriesSelect, SeriesSource, rfc3339_ms};

use super::envelope_text;
use super::error::ApiError;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::query::params::Params;

/// The version of Prometheus whose interface this is: data sources choose their requests by it.
const SPOKEN: &str = "3.9.0";

pub(super) fn build() -> Value {
    json!({
        "version": SPOKEN,
        "revision": concat!("weir-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
}

pub(super) fn runtime(engine: &Engine) -> Value {
    let retention = engine.settings().metrics.time.as_secs();
    // What belongs to Go is said to be unset: readers want each of these to be there.
    json!({
        "startTime": rfc3339_ms(engine.started_ms()),
        "serverTime": rfc3339_ms(crate::engine::now_ms()),
        "hostname": hostname(),
        "CWD": "",
        "reloadConfigSuccess": true,
        "lastConfigTime": rfc3339_ms(engine.started_ms()),
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, usize::from),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": format!("{}d", retention / 86_400),
    })
}

/// What this machine is called; nothing where it does not say.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim_end().to_owned()
}

/// How many series there are, by name, by label, by pair: from the labels of the series of the last hour.
pub(super) async fn tsdb(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let limit = params.number::<usize>("limit").map_err(ApiError::bad_data)?.unwrap_or(10).min(10_000);
    let to_ms = crate::engine::now_ms();
    let select = SeriesSelect { from_ms: to_ms - 3_600_000, to_ms, ..SeriesSelect::default() };
    let scope = engine.scope(caller);
    let series = engine
        .query(scope, None, move |engine, scope| engine.store().series(scope, &select))
        .await
        .map_err(|end: crate::engine::QueryEnd<ReadError>| ApiError::from(end))?;
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut values: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for labels in &series {
        for (name, value) in labels.iter() {
            if name == METRIC_NAME {
                *names.entry(value).or_default() += 1;
            }
            values.entry(name).or_default().insert(value);
            *pairs.entry((name, value)).or_default() += 1;
        }
    }
    let bytes = values.iter().map(|(name, values)| (name.to_string(), values.iter().map(|v| v.len()).sum()));
    let data = json!({
        "headStats": { "numSeries": series.len(), "numLabelPairs": pairs.len(), "chunkCount": 0, "minTime": 0, "maxTime": to_ms },
        "seriesCountByMetricName": most(names.iter().map(|(name, count)| (name.to_string(), *count)), limit),
        "labelValueCountByLabelName": most(values.iter().map(|(name, values)| (name.to_string(), values.len())), limit),
        "memoryInBytesByLabelName": most(bytes, limit),
        "seriesCountByLabelValuePair": most(pairs.iter().map(|((n, v), count)| (format!("{n}={v}"), *count)), limit),
    });
    Ok(envelope_text(&data))
}

/// The largest first; of one size, by name.
fn most(counts: impl Iterator<Item = (String, usize)>, limit: usize) -> Vec<Value> {
    let mut all: Vec<(String, usize)> = counts.collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter().take(limit).map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
