//! `weir chain block`.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use weir_chain::ConsensusClient;
use weir_chain::words::{Block as Found, BlockAt, Height};
use weir_model::Chain;

use super::opened;
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

/// Show a block
///
/// Exit status: 0 shown, 1 there is none.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir chain block hub
  weir chain block hub 1200
  weir chain block mainnet finalized --output json")]
pub(crate) struct Block {
    /// The chain; the only one where left out
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
    /// A height, `latest` or `finalized`
    #[arg(value_name = "BLOCK", default_value = "latest")]
    at: String,
}

/// Which block of which chain.
pub(crate) struct Ready {
    chain: Arc<Chain>,
    at: BlockAt,
}

impl Command for Block {
    const NAME: &'static str = "chain block";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let at = match self.at.as_str() {
            "latest" => BlockAt::Latest,
            "finalized" => BlockAt::Finalized,
            text => match text.parse() {
                Ok(height) => BlockAt::Height(Height(height)),
                Err(_) => {
                    let says = format!("`{text}` is no block: write a height, `latest` or `finalized`");
                    return Err(Usage(says).into());
                }
            },
        };
        Ok(Ready { chain: opened::find(&opened::model(run)?, self.chain.as_deref())?, at })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let found = opened::runtime()?.block_on(async {
            let client = opened::ask(&ready.chain).await?;
            client.health_check().await;
            anyhow::Ok(client.query_block(ready.at).await?)
        })?;
        let Some(block) = found else {
            bail!("there is no such block at the nodes that answered: not yet, or no longer")
        };
        terminal::print(&match run.settings.output {
            Output::Json => format!("{:#}\n", in_json(&block)),
            Output::Text => in_text(&block),
        })?;
        Ok(Outcome::Done)
    }
}

fn in_json(block: &Found) -> serde_json::Value {
    json!({
        "height": block.height.0,
        "hash": block.hash.to_string(),
        "parent": block.parent.to_string(),
        "time": weir_signal::rfc3339_ms((block.time.0 / 1_000_000) as i64),
        "app_hash": block.app_hash.as_ref().map(ToString::to_string),
        "transactions": block.txs.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn in_text(block: &Found) -> String {
    let mut rows = vec![
        ["height".into(), block.height.to_string()],
        ["hash".into(), block.hash.to_string()],
        ["parent".into(), block.parent.to_string()],
        ["time".into(), weir_signal::rfc3339_ms((block.time.0 / 1_000_000) as i64)],
    ];
    if let Some(hash) = &block.app_hash {
        rows.push(["app hash".into(), hash.to_string()]);
    }
    rows.push(["transactions".into(), block.txs.len().to_string()]);
    rows.extend(block.txs.iter().map(|id| [String::new(), id.to_string()]));
    terminal::table(&rows, "", |_, cell| cell.to_owned())
}
