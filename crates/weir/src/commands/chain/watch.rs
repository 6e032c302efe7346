//! `weir chain watch`.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use weir_chain::ConsensusClient;
use weir_chain::submission::{Outcome as Ended, Progress, SubmissionId};
use weir_chain::words::Head;
use weir_model::Chain;

use super::{opened, submit};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

/// Follow new blocks, from whichever node is healthy
///
/// One line a block; with `--output json` one object a line. Ends after `--blocks`, or when it is interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir chain watch hub
  weir chain watch hub --submission payment-17
  weir chain watch mainnet --blocks 3 --output json")]
pub(crate) struct Watch {
    /// The chain; the only one where left out
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
    /// Tell of a submission that is under way instead, until it ends; `weir chain submit` says its name
    #[arg(long, value_name = "NAME", conflicts_with = "blocks")]
    submission: Option<String>,
    /// End after so many blocks
    #[arg(long, value_name = "N")]
    blocks: Option<u64>,
}

/// Which chain, and for how long.
pub(crate) struct Ready {
    chain: Arc<Chain>,
    blocks: Option<u64>,
    submission: Option<SubmissionId>,
}

impl Command for Watch {
    const NAME: &'static str = "chain watch";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let submission = self.submission.map(|id| SubmissionId::new(&id)).transpose();
        let submission = submission.map_err(|error| Usage(error.to_string()))?;
        let chain = opened::find(&opened::model(run)?, self.chain.as_deref())?;
        Ok(Ready { chain, blocks: self.blocks, submission })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        if let Some(id) = ready.submission.clone() {
            return opened::runtime()?.block_on(submission(&ready.chain, id, run));
        }
        opened::runtime()?.block_on(async {
            let client = opened::ask(&ready.chain).await?;
            client.health_check().await;
            let mut heads = client.follow().await?;
            let mut before: Option<Head> = None;
            let mut left = ready.blocks.unwrap_or(u64::MAX);
            while left > 0
                && let Some(head) = heads.next().await
            {
                let head = match head {
                    Ok(head) => head,
                    Err(error) => {
                        terminal::complain(&format!("a node failed: {error}"));
                        continue;
                    }
                };
                terminal::print(&line(&head, before.as_ref(), run.settings.output))?;
                before = Some(head);
                left -= 1;
            }
            Ok(Outcome::Done)
        })
    }
}

/// Takes a submission up again, and tells how it goes.
async fn submission(chain: &Chain, id: SubmissionId, run: &Run) -> anyhow::Result<Outcome> {
    let client = opened::submit(chain).await?;
    client.health_check().await;
    let Some(mut submission) = client.submission(&id).await else {
        bail!("no submission {id} is remembered for chain {}", chain.id);
    };
    loop {
        let progress = submission.progress();
        let says = submit::says(&progress);
        terminal::print(&match run.settings.output {
            Output::Json => format!("{}\n", json!({ "id": id.as_str(), "says": says })),
            Output::Text => format!("{id}: {says}\n"),
        })?;
        if let Progress::Done(ended) = progress {
            return Ok(if matches!(ended, Ended::Confirmed(_)) { Outcome::Done } else { Outcome::Refused });
        }
        submission.changed().await?;
    }
}

fn line(head: &Head, before: Option<&Head>, output: Output) -> String {
    let time = weir_signal::rfc3339_ms((head.time.0 / 1_000_000) as i64);
    let went_back = before.is_some_and(|before| {
        head.height <= before.height || (head.height.0 == before.height.0 + 1 && head.parent != before.hash)
    });
    match output {
        Output::Json => {
            let (height, hash, parent) = (head.height.0, head.hash.to_string(), head.parent.to_string());
            format!(
                "{}\n",
                json!({ "height": height, "hash": hash, "parent": parent, "time": time, "reorganised": went_back })
            )
        }
        Output::Text => {
            let note = if went_back { "  the chain re-organised itself" } else { "" };
            format!("{:>10}  {}  {time}{note}\n", head.height, head.hash)
        }
    }
}
