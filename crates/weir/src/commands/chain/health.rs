//! `weir chain health`.

use std::sync::Arc;

use clap::Args;
use serde_json::json;
use weir_chain::ConsensusClient;
use weir_chain::health::{EndpointHealth, Verdict};
use weir_model::{Chain, Model};

use super::opened;
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run};
use crate::terminal::{self, Paint};

/// Say how the nodes of chains are: heights, lag, peers, and who is not used and why
///
/// Each node is asked now. Exit status: 0 every node is healthy, 1 one is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir chain health
  weir chain health hub --output json")]
pub(crate) struct Health {
    /// The chain; all of them where left out
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
}

/// Whom to ask.
pub(crate) struct Ready {
    chains: Vec<Arc<Chain>>,
}

impl Command for Health {
    const NAME: &'static str = "chain health";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let model: Model = opened::model(run)?;
        let chains = match self.chain {
            Some(name) => vec![opened::find(&model, Some(&name))?],
            None if model.chains.is_empty() => vec![opened::find(&model, None)?],
            None => opened::chains(&model),
        };
        Ok(Ready { chains })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let runtime = opened::runtime()?;
        let mut found = Vec::new();
        for chain in &ready.chains {
            let health = runtime.block_on(async {
                let client = opened::ask(chain).await?;
                // Twice: a node is compared with the others once they have answered.
                client.health_check().await;
                anyhow::Ok(client.health_check().await)
            })?;
            found.push((chain.clone(), health));
        }
        let well =
            found.iter().flat_map(|(_, health)| &health.endpoints).all(|node| node.verdict.is_usable());
        if run.settings.output == Output::Json {
            let chains: Vec<_> = found
                .iter()
                .map(|(chain, health)| {
                    json!({
                        "name": chain.id.as_str(),
                        "chain_id": health.chain_id.as_deref(),
                        "head": health.head.map(|head| head.0),
                        "split_at": health.split.map(|height| height.0),
                        "nodes": health.endpoints.iter().map(node_json).collect::<Vec<_>>(),
                    })
                })
                .collect();
            terminal::print(&format!("{:#}\n", json!(chains)))?;
        } else {
            let paint = run.settings.stdout();
            let mut rows =
                vec![["CHAIN", "NODE", "VERDICT", "HEIGHT", "PEERS", "LATENCY", "ERROR"].map(String::from)];
            for (chain, health) in &found {
                for node in &health.endpoints {
                    rows.push(row(chain, node));
                }
            }
            terminal::print(&terminal::headed(&rows, paint, |column, cell| painted(paint, column, cell)))?;
        }
        Ok(if well { Outcome::Done } else { Outcome::Refused })
    }
}

fn painted(paint: Paint, column: usize, cell: &str) -> String {
    match (column, cell.trim_end()) {
        (2, "healthy") => paint.green(cell),
        (2, _) => paint.red(cell),
        _ => cell.to_owned(),
    }
}

fn row(chain: &Chain, node: &EndpointHealth) -> [String; 7] {
    let status = node.status.as_ref();
    let number = |value: Option<u64>| value.map_or("–".into(), |value| value.to_string());
    [
        chain.id.to_string(),
        node.name.to_string(),
        verdict(node.verdict),
        number(status.map(|status| status.height.0)),
        number(status.and_then(|status| status.peers).map(u64::from)),
        format!("{:.1} ms", node.latency.as_secs_f64() * 1e3),
        terminal::visible(node.error.as_deref().unwrap_or_default()),
    ]
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Lagging { by } => format!("{by} blocks behind"),
        Verdict::Disagrees { height } => format!("disagrees at height {}", height.0),
        Verdict::WrongChain => "another chain".into(),
        Verdict::NoPeers => "no peers".into(),
        other => other.word().into(),
    }
}

fn node_json(node: &EndpointHealth) -> serde_json::Value {
    let status = node.status.as_ref();
    json!({
        "name": &*node.name,
        "verdict": node.verdict.word(),
        "height": status.map(|status| status.height.0),
        "finalized": status.and_then(|status| status.finalized).map(|height| height.0),
        "peers": status.and_then(|status| status.peers),
        "latency_us": node.latency.as_micros() as u64,
        "error": node.error,
    })
}
