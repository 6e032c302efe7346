//! Series into memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_promql::memory::MemorySeries;
use weir_signal::{BucketRun, Buckets, CUSTOM_SCHEMA, Histogram, Labels, LabelsBuilder, METRIC_NAME};

use crate::script::{Load, LoadedSeries};

/// Adds what a load command says.
///
/// # Errors
/// A classic histogram that cannot be converted.
pub(crate) fn load(load: &Load, into: &mut MemorySeries) -> Result<(), String> {
    for series in &load.series {
        for (i, value) in series.values.iter().enumerate().filter(|(_, value)| !value.omitted) {
            let time_ms = i as i64 * load.step_ms;
            let start_ms = series.starts.get(i).copied().flatten().map_or(0, |after| time_ms + after);
            match &value.histogram {
                Some(histogram) => {
                    into.push_histogram(&series.labels, time_ms, Arc::clone(histogram), start_ms);
                }
                None => into.push(&series.labels, time_ms, value.value, start_ms),
            }
        }
    }
    if load.with_nhcb {
        for ((labels, time_ms), classic) in classic_histograms(load) {
            let histogram =
                classic.to_native().map_err(|error| format!("{labels} at {time_ms} ms: {error}"))?;
            into.push_histogram(&labels, time_ms, Arc::new(histogram), 0);
        }
    }
    Ok(())
}

/// What the series of a classic histogram say at one time.
#[derive(Default)]
struct Classic {
    /// Bounds and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

fn classic_histograms(load: &Load) -> BTreeMap<(Labels, i64), Classic> {
    let mut found: BTreeMap<(Labels, i64), Classic> = BTreeMap::new();
    for LoadedSeries { labels, values, .. } in &load.series {
        let Some((name, ending)) = labels.name().and_then(|name| name.rsplit_once('_')) else { continue };
        let bound = match ending {
            "bucket" => match labels.get("le").unwrap().parse::<f64>() {
                Ok(bound) if !bound.is_nan() => Some(bound),
                _ => continue,
            },
            "count" | "sum" => None,
            _ => continue,
        };
        let mut base = LabelsBuilder::from(labels);
        base.set(METRIC_NAME, name);
        base.remove("le");
        let base = base.build().unwrap();
        for (i, value) in values.iter().enumerate() {
            if value.omitted || value.histogram.is_some() {
                continue;
            }
            let classic = found.entry((base.clone(), i as i64 * load.step_ms)).or_default();
            match bound {
                Some(bound) => classic.buckets.push((bound, value.value)),
                None if ending == "count" => classic.count = Some(value.value),
                None => classic.sum = value.value,
            }
        }
    }
    found
}

impl Classic {
    /// The same as a native histogram with custom bounds.
    fn to_native(&self) -> Result<Histogram, String> {
        let mut buckets = self.buckets.clone();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.dedup_by_key(|bucket| bucket.0);
        let last = buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).unwrap_or(0.0);
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let mut counts = Vec::new();
        for &(_, cumulative) in &buckets {
            if cumulative < before {
                return Err("buckets are not cumulative".to_owned());
            }
            counts.push(cumulative - before);
            before = cumulative;
        }
        if before != count {
            return Err(format!("{before} observations in buckets, {count} counted"));
        }
        buckets.pop();
        let mut histogram = Histogram {
            schema: CUSTOM_SCHEMA,
            count,
            sum: self.sum,
            positive: Buckets { runs: vec![BucketRun { offset: 0, length: counts.len() as u32 }], counts },
            custom_bounds: buckets.iter().map(|&(bound, _)| bound).collect(),
            ..Histogram::default()
        };
        histogram.compact();
        histogram.validate().map_err(|error| error.to_string())?;
        Ok(histogram)
    }
}
