//! `weir trace`: one trace as a waterfall.

mod read;
mod tree;
mod waterfall;

use anyhow::bail;
use clap::Args;

use crate::ask::{AskArgs, Asker, Request};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

/// Show a trace: who called whom, when, for how long
///
/// Each span stands below the one that caused it, with a bar where it lies in the time of the whole. Exit status: 0 shown,
/// 1 there is no such trace.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir trace 4bf92f3577b34da6a3ce929d0e0e4736
  weir trace 4bf92f3577b34da6a3ce929d0e0e4736 --output json    as Jaeger's interface has it
  weir trace 4bf92f3577b34da6a3ce929d0e0e4736 --store /var/lib/weir/store")]
pub(crate) struct Trace {
    /// The trace's id: up to 32 hexadecimal digits
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Somebody to ask, and which trace.
pub(crate) struct Ready {
    asker: Asker,
    id: String,
}

impl Command for Trace {
    const NAME: &'static str = "trace";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let id = self.id.trim().to_ascii_lowercase();
        if id.is_empty() || id.len() > 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let says = format!(
                "`{}` is no trace id: that has up to 32 hexadecimal digits; `weir traces` finds them",
                self.id
            );
            return Err(Usage(says).into());
        }
        Ok(Ready { asker: self.ask.asker(run)?, id })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let request = Request::new(format!("/jaeger/api/traces/{}", ready.id));
        let reply = ready.asker.reply(&request)?;
        if reply.status == 404 && reply.body.starts_with(b"{") {
            bail!("there is no trace {}; `weir traces` says which there are", ready.id);
        }
        let body = ready.asker.good(reply, &request)?;
        let traces = read::traces(&body)?;
        let Some(trace) = traces.first().filter(|trace| !trace.spans.is_empty()) else {
            bail!("there is no trace {}; `weir traces` says which there are", ready.id);
        };
        terminal::print(&match run.settings.output {
            Output::Json => format!("{}\n", String::from_utf8_lossy(&body).trim_end()),
            Output::Text => waterfall::draw(trace, terminal::width(), run.settings.stdout()),
        })?;
        Ok(Outcome::Done)
    }
}
