//! `drilldown-limits`: what Grafana's log explorer asks first, to know what it may ask later.

use std::time::Duration;

use serde_json::json;
use weir_model::Telemetry;
use weir_signal::Limits;

use super::SPOKEN;
use super::asked::LIMIT_MAX;

/// Loki's names for what bounds a query here. A length of nothing is no bound; nobody looks for levels, services or patterns
/// in lines that come in.
pub(super) fn drilldown(settings: &Telemetry) -> Vec<u8> {
    let seconds = |span: Duration| format!("{}s", span.as_secs());
    json!({
        "limits": {
            "discover_log_levels": false,
            "discover_service_name": [],
            "log_level_fields": [],
            "max_entries_limit_per_query": LIMIT_MAX,
            "max_query_bytes_read": format!("{}B", settings.queries.bytes),
            "max_query_length": "0s",
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": Limits::default().series_max,
            "metric_aggregation_enabled": false,
            "pattern_persistence_enabled": false,
            "query_timeout": seconds(settings.queries.timeout),
            "retention_period": seconds(settings.logs.time),
            "volume_enabled": true,
        },
        "pattern_ingester_enabled": false,
        "version": SPOKEN,
    })
    .to_string()
    .into_bytes()
}
