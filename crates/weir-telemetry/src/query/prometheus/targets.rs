//! Whose metrics are fetched, and how that goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_signal::{Labels, Tenant, rfc3339_ms};

use crate::caller::Caller;
use crate::engine::Engine;
use crate::query::params::Params;
use crate::scrape::{Last, Pool, duration};

/// The time of a scrape that has not been: Go's zero.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The targets, of one state where `state` asks for it, and of one job where `scrapePool` does.
pub(super) fn targets(engine: &Engine, caller: &Caller, params: &Params) -> Value {
    let state = params.get("state").unwrap_or("any").to_ascii_lowercase();
    let shown = |of: &str| state == of || state != "active" && state != "dropped";
    let pools = pools_of(engine, caller);
    let pools =
        || pools.iter().filter(|(job, _)| params.get("scrapePool").is_none_or(|asked| asked == &***job));
    let active = pools().filter(|_| shown("active")).flat_map(|(job, pool)| {
        pool.active.iter().map(move |target| {
            let (spec, last) = (&target.spec, target.last());
            let url = spec.url.to_string();
            let health = match &last {
                None => "unknown",
                Some(Last { error: None, .. }) => "up",
                Some(_) => "down",
            };
            json!({
                "discoveredLabels": map(&spec.discovered),
                "labels": map(&spec.labels),
                "scrapePool": &**job,
                "scrapeUrl": url,
                "globalUrl": url,
                "lastError": last.as_ref().and_then(|last| last.error.as_deref()).unwrap_or_default(),
                "lastScrape": last.as_ref().map_or_else(|| NEVER.to_owned(), |last| rfc3339_ms(last.at_ms)),
                "lastScrapeDuration": last.as_ref().map_or(0.0, |last| last.duration.as_secs_f64()),
                "health": health,
                "scrapeInterval": duration(spec.interval),
                "scrapeTimeout": duration(spec.timeout),
            })
        })
    });
    let dropped = pools().filter(|_| shown("dropped")).flat_map(|(job, pool)| {
        let one = |labels| json!({ "discoveredLabels": map(labels), "scrapePool": &**job });
        pool.dropped.iter().map(one).collect::<Vec<_>>()
    });
    let counts: Value = pools().map(|(job, pool)| (job.to_string(), json!(pool.dropped_count))).collect();
    json!({
        "activeTargets": active.collect::<Vec<_>>(),
        "droppedTargets": dropped.collect::<Vec<_>>(),
        "droppedTargetCounts": if shown("dropped") { counts } else { json!({}) },
    })
}

/// The names of all jobs.
pub(super) fn pools(engine: &Engine, caller: &Caller) -> Value {
    json!({ "scrapePools": pools_of(engine, caller).keys().map(|job| &**job).collect::<Vec<_>>() })
}

/// What is scraped is the default tenant's, and so are the targets.
fn pools_of(engine: &Engine, caller: &Caller) -> BTreeMap<Arc<str>, Pool> {
    if caller.tenant == Tenant::default() { engine.targets().pools() } else { BTreeMap::new() }
}

fn map(labels: &Labels) -> Value {
    labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}
