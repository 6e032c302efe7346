//! `weir chain list`.

use clap::Args;
use serde_json::json;
use weir_model::{Finality, Model};

use super::opened;
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run};
use crate::terminal;

/// List the chains of the configuration
#[derive(Debug, Args)]
pub(crate) struct List {}

impl Command for List {
    const NAME: &'static str = "chain list";
    type Ready = Model;

    fn before(self, run: &Run) -> anyhow::Result<Model> {
        opened::model(run)
    }

    fn run(model: &mut Model, run: &Run) -> anyhow::Result<Outcome> {
        let chains = opened::chains(model);
        if run.settings.output == Output::Json {
            let chains: Vec<_> = chains
                .iter()
                .map(|chain| {
                    json!({
                        "name": chain.id.as_str(),
                        "kind": chain.kind.word(),
                        "finality": finality(chain.finality),
                        "nodes": chain.endpoints.iter().map(|node| node.url.shown()).collect::<Vec<_>>(),
                    })
                })
                .collect();
            terminal::print(&format!("{:#}\n", json!(chains)))?;
            return Ok(Outcome::Done);
        }
        let mut rows = vec![["CHAIN", "KIND", "FINALITY", "NODES"].map(String::from)];
        for chain in &chains {
            let nodes: Vec<String> = chain.endpoints.iter().map(|node| node.url.shown()).collect();
            rows.push([
                chain.id.to_string(),
                chain.kind.word().into(),
                finality(chain.finality),
                if nodes.is_empty() { format!("{} in memory", chain.mock.nodes) } else { nodes.join(", ") },
            ]);
        }
        terminal::print(&terminal::headed(&rows, run.settings.stdout(), |_, cell| cell.to_owned()))?;
        Ok(Outcome::Done)
    }
}

fn finality(finality: Finality) -> String {
    match finality {
        Finality::AtOnce => "instant".into(),
        Finality::Depth(blocks) => format!("{blocks} blocks"),
        Finality::Tag => "finalized".into(),
    }
}
