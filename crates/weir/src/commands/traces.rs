//! `weir traces`: which traces there are.

mod filter;
mod list;

use clap::Args;

use crate::ask::{AskArgs, Asker, Request, duration_ns, now_ms};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;
use filter::Filter;

/// Find traces, by what their spans are or in TraceQL
///
/// What the options say has to hold for one and the same span of a trace. The latest traces are listed, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir traces
  weir traces --service orders --min-duration 100ms
  weir traces --tag http.response.status_code=500 --since 6h --limit 5
  weir traces '{ resource.service.name = \"orders\" } >> { status = error }'
  weir traces --service orders --output json | jq -r '.traces[].traceID'")]
pub(crate) struct Traces {
    /// What traces have to hold, besides what the options say
    #[arg(value_name = "TRACEQL")]
    query: Option<String>,
    /// The service that a span is of
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The name of a span
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long a span takes at least
    #[arg(long, value_name = "DURATION")]
    min_duration: Option<String>,
    /// How long a span takes at most
    #[arg(long, value_name = "DURATION")]
    max_duration: Option<String>,
    /// An attribute of a span or of what sent it; `error=true` for one that failed; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// How far back to look
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    since: String,
    /// How many traces to list at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    ask: AskArgs,
}

/// Somebody to ask, and what.
pub(crate) struct Ready {
    asker: Asker,
    request: Request,
    since: String,
}

impl Command for Traces {
    const NAME: &'static str = "traces";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let duration = |text: &Option<String>| text.as_deref().map(duration_ns).transpose().map_err(Usage);
        let filter = Filter {
            service: self.service,
            name: self.name,
            min_ns: duration(&self.min_duration)?,
            max_ns: duration(&self.max_duration)?,
            tags: self.tags.iter().map(|tag| filter::tag(tag)).collect::<Result<_, _>>().map_err(Usage)?,
        };
        // Whole seconds, and the one that has begun with them.
        let end = now_ms().div_euclid(1000) + 1;
        let start =
            end.saturating_sub(duration_ns(&self.since).map_err(Usage)?.div_euclid(1_000_000_000) + 1);
        let request = Request::new("/tempo/api/search")
            .with("q", filter.with(self.query.as_deref()))
            .with("start", start.max(0))
            .with("end", end)
            .with("limit", i64::from(self.limit));
        Ok(Ready { asker: self.ask.asker(run)?, request, since: self.since })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { asker, request, since } = ready;
        let body = asker.body(request)?;
        if run.settings.output == Output::Json {
            terminal::print(&format!("{}\n", String::from_utf8_lossy(&body).trim_end()))?;
            return Ok(Outcome::Done);
        }
        let found = list::read(&body)?;
        if found.is_empty() {
            terminal::complain(&format!(
                "no trace is found in the last {since}; --since looks further back\n"
            ));
        }
        terminal::print(&list::table(&found, terminal::width(), run.settings.stdout()))?;
        Ok(Outcome::Done)
    }
}
