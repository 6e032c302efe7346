//! `weir chain submit`.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use weir_chain::ConsensusClient;
use weir_chain::submission::{Outcome as Ended, Progress, Resend, SubmissionId, Submit as Wanted};
use weir_chain::words::{Private, Tx};
use weir_model::Chain;

use super::opened;
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

/// Submit a signed transaction, and say what became of it
///
/// What is submitted is remembered before it is sent: run the same again after a crash, and it goes on where it was. It is
/// sent again only where the chain gives the same bytes an effect at most once. Exit status: 0 confirmed, 1 any other end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir chain submit hub --text 'name=satoshi'
  weir chain submit mainnet --hex 0x02f8…
  weir chain submit hub --file tx.bin --id payment-17")]
pub(crate) struct Submit {
    /// The chain; the only one where left out
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,
    #[command(flatten)]
    bytes: Bytes,
    /// The submission's name: what is submitted under it again joins the first
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// The account that signed it, where the bytes do not say
    #[arg(long, value_name = "ACCOUNT")]
    sender: Option<String>,
    /// Its number among the account's transactions, where the bytes do not say
    #[arg(long, value_name = "N")]
    nonce: Option<u64>,
    /// Send it again where nobody knows what became of it, though it may then have its effect twice
    #[arg(long)]
    may_repeat: bool,
    /// Keys of those who may see it, through the chain's transaction manager; may be repeated
    #[arg(long = "private-for", value_name = "KEY")]
    private_for: Vec<String>,
    /// The sender's key at the transaction manager
    #[arg(long, value_name = "KEY", requires = "private_for")]
    private_from: Option<String>,
}

/// The transaction, in one of these ways.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Bytes {
    /// Its bytes as hexadecimal digits, with or without 0x
    #[arg(long, value_name = "DIGITS")]
    hex: Option<String>,
    /// Its bytes in Base64
    #[arg(long, value_name = "TEXT")]
    base64: Option<String>,
    /// Its bytes as they are
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// A file with its bytes; - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What is submitted where.
pub(crate) struct Ready {
    chain: Arc<Chain>,
    wanted: Option<Wanted>,
}

impl Command for Submit {
    const NAME: &'static str = "chain submit";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let mut tx = Tx::new(self.bytes.read()?);
        tx.sender = self.sender.map(Into::into);
        tx.nonce = self.nonce;
        if !self.private_for.is_empty() {
            tx.private = Some(Private::Manager {
                from: self.private_from.map(Into::into),
                recipients: self.private_for.into_iter().map(Into::into).collect(),
            });
        }
        let id = self.id.map(|id| SubmissionId::new(&id)).transpose();
        let id = id.map_err(|error| Usage(error.to_string()))?;
        let resend = self.may_repeat.then_some(Resend::CallerAllows);
        let chain = opened::find(&opened::model(run)?, self.chain.as_deref())?;
        Ok(Ready { chain, wanted: Some(Wanted { id, resend, ..Wanted::new(tx) }) })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let wanted = ready.wanted.take().context("a submission runs once")?;
        let text = run.settings.output == Output::Text;
        let (id, ended) = opened::runtime()?.block_on(async {
            let client = opened::submit(&ready.chain).await?;
            client.health_check().await;
            let mut submission = client.submit_tx(wanted).await?;
            let mut said = String::new();
            loop {
                let progress = submission.progress();
                if let Progress::Done(ended) = progress {
                    return anyhow::Ok((submission.id().clone(), ended));
                }
                let now = says(&progress);
                if text && now != said {
                    terminal::complain(&now);
                    said = now;
                }
                submission.changed().await?;
            }
        })?;
        terminal::print(&match run.settings.output {
            Output::Text => format!("{id}: {ended}\n"),
            Output::Json => format!("{:#}\n", in_json(&id, &ended)),
        })?;
        Ok(if matches!(ended, Ended::Confirmed(_)) { Outcome::Done } else { Outcome::Refused })
    }
}

impl Bytes {
    fn read(self) -> anyhow::Result<Vec<u8>> {
        if let Some(digits) = self.hex {
            let bytes = unhex(&digits);
            return bytes.ok_or_else(|| Usage("--hex takes pairs of hexadecimal digits".into()).into());
        }
        if let Some(text) = self.base64 {
            let bytes = weir_signal::unbase64(text.trim().as_bytes());
            let says = |at| {
                Usage(format!("--base64 takes Base64 (RFC 4648, section 4): character {at} is none of it"))
            };
            return bytes.map_err(|at| says(at).into());
        }
        if let Some(text) = self.text {
            return Ok(text.into_bytes());
        }
        let file = self.file.unwrap_or_else(|| "-".into());
        if file.as_os_str() != "-" {
            return std::fs::read(&file).with_context(|| file.display().to_string());
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
        Ok(bytes)
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// Where it stands, in a line.
pub(super) fn says(progress: &Progress) -> String {
    match progress {
        Progress::Sending => "sending".into(),
        Progress::Watched { since, until } => {
            format!("sent at height {since}; watched up to height {until}")
        }
        Progress::Included(inclusion) => {
            format!("in block {}, which may still go", inclusion.height)
        }
        Progress::Done(ended) => ended.to_string(),
    }
}

fn in_json(id: &SubmissionId, ended: &Ended) -> serde_json::Value {
    let (word, inclusion) = match ended {
        Ended::Confirmed(inclusion) => ("confirmed", Some(inclusion)),
        Ended::Rejected(_) => ("rejected", None),
        Ended::NotIncluded { .. } => ("not_included", None),
    };
    json!({
        "id": id.as_str(),
        "outcome": word,
        "says": ended.to_string(),
        "height": inclusion.map(|inclusion| inclusion.height.0),
        "block": inclusion.map(|inclusion| inclusion.block.to_string()),
        "index": inclusion.map(|inclusion| inclusion.index),
        "succeeded": inclusion.map(|inclusion| inclusion.execution.succeeded),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(unhex("0x00fF"), Some(vec![0, 255]));
        assert_eq!(unhex(" ab "), Some(vec![0xAB]));
        assert_eq!((unhex("0xa"), unhex("zz")), (None, None));
    }
}
