//! How the nodes of chains are: as JSON for programs, as a table for people.

use serde_json::{Value, json};
use weir_chain::health::{EndpointHealth, Verdict};
use weir_model::Mono;

use super::table::table as draw;
use crate::chain::ChainLive;
use crate::snapshot::Snapshot;

/// For programs.
pub(super) fn json(snapshot: &Snapshot, now: Mono) -> Value {
    let chains: Vec<Value> = snapshot.chains().iter().map(|live| chain(live, now)).collect();
    json!({ "version": snapshot.version, "chains": chains })
}

fn chain(live: &ChainLive, now: Mono) -> Value {
    let health = live.health();
    json!({
        "name": live.model.id.as_str(),
        "from": live.model.origin.to_string(),
        "kind": live.model.kind.word(),
        "chain_id": health.chain_id.as_deref(),
        "head": health.head.map(|head| head.0),
        "final": live.final_height(),
        "split_at": health.split.map(|height| height.0),
        "kept_bytes": live.kept_bytes(),
        "nodes": health.endpoints.iter().map(|node| node_json(node, now)).collect::<Vec<_>>(),
    })
}

fn node_json(node: &EndpointHealth, now: Mono) -> Value {
    let status = node.status.as_ref();
    json!({
        "name": &*node.name,
        "verdict": node.verdict.word(),
        "why": why(node.verdict, now),
        "height": status.map(|status| status.height.0),
        "finalized": status.and_then(|status| status.finalized).map(|height| height.0),
        "peers": status.and_then(|status| status.peers),
        "syncing": status.map(|status| status.syncing),
        "latency_us": node.latency.as_micros() as u64,
        "error": node.error,
    })
}

/// For people.
pub(super) fn table(snapshot: &Snapshot, now: Mono) -> String {
    let mut rows = Vec::new();
    for live in snapshot.chains() {
        let health = live.health();
        for (at, node) in health.endpoints.iter().enumerate() {
            let status = node.status.as_ref();
            let number = |value: Option<u64>| value.map_or("–".into(), |value| value.to_string());
            let verdict = match why(node.verdict, now) {
                Some(why) => format!("{}: {why}", node.verdict.word()),
                None => node.verdict.word().into(),
            };
            rows.push(vec![
                if at == 0 { live.model.id.to_string() } else { String::new() },
                node.name.to_string(),
                verdict,
                number(status.map(|status| status.height.0)),
                number(status.and_then(|status| status.peers).map(u64::from)),
                format!("{:.1} ms", node.latency.as_secs_f64() * 1e3),
                node.error.clone().unwrap_or_default(),
            ]);
        }
    }
    draw(&["CHAIN", "NODE", "VERDICT", "HEIGHT", "PEERS", "LATENCY", "ERROR"], &rows)
}

fn why(verdict: Verdict, now: Mono) -> Option<String> {
    match verdict {
        Verdict::Lagging { by } => Some(format!("{by} blocks behind")),
        Verdict::Disagrees { height } => Some(format!("another block at height {}", height.0)),
        Verdict::Unreachable { since } => Some(format!("for {} s", now.since(since).as_secs())),
        _ => None,
    }
}
