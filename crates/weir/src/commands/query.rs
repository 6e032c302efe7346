//! `weir query`: PromQL, answered in the terminal.

mod answer;
mod csv;
mod range;
mod spark;
mod table;

use clap::Args;

use crate::ask::{AskArgs, Asker, Request, duration_ns, now_ms, time_ms};
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

pub(crate) use answer::{Answer, Data, Entry, Labels, selector};
pub(crate) use range::{Range, write as write_range};

/// Ask for metrics in PromQL
///
/// At one time, shown as a table; with --from at several, shown as a line that rises and falls per series.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir query up
  weir query 'sum by (route) (rate(weir_requests_total[5m]))' --from -1h
  weir query 'up' --from 2026-11-25T08:00:00Z --to now --step 15s --csv > up.csv
  weir query 'up offset 1d' --output json | jq '.data.result[].metric'
  weir query 'count({__name__=~\".+\"}) by (__name__)' --store /var/lib/weir/store")]
pub(crate) struct Query {
    /// What is asked
    #[arg(value_name = "PROMQL")]
    promql: String,
    /// The time that is asked about: now, -1h, a date, RFC 3339 or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with_all = ["from", "to", "step"])]
    time: Option<String>,
    /// The first of several times
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// The last of them [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, requires = "from")]
    to: Option<String>,
    /// What lies between two of them, as in 15s [default: what makes about a hundred]
    #[arg(long, value_name = "DURATION", requires = "from")]
    step: Option<String>,
    /// Write comma-separated values, one line per sample
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Somebody to ask, and what.
pub(crate) struct Ready {
    asker: Asker,
    request: Request,
    times: Times,
    format: Format,
}

/// The times that are asked about.
enum Times {
    One(i64),
    Several(Range),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Csv,
}

impl Command for Query {
    const NAME: &'static str = "query";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let format = match (self.csv, run.settings.output) {
            (true, Output::Json) => {
                return Err(Usage("--csv and --output json exclude each other: leave one out".into()).into());
            }
            (true, Output::Text) => Format::Csv,
            (false, Output::Json) => Format::Json,
            (false, Output::Text) => Format::Text,
        };
        let now = now_ms();
        let time = |text: &str| time_ms(text, now).map_err(Usage);
        let (request, times) = match &self.from {
            None => {
                let at = self.time.as_deref().map_or(Ok(now), time)?;
                (Request::new("/api/v1/query").with("time", seconds(at)), Times::One(at))
            }
            Some(from) => {
                let to = self.to.as_deref().map_or(Ok(now), time)?;
                let step = self.step.as_deref().map(duration_ns).transpose().map_err(Usage)?;
                let range = Range::new(time(from)?, to, step.map(|ns| ns / 1_000_000)).map_err(Usage)?;
                let request = Request::new("/api/v1/query_range")
                    .with("start", seconds(range.from_ms))
                    .with("end", seconds(range.to_ms))
                    .with("step", seconds(range.step_ms));
                (request, Times::Several(range))
            }
        };
        let request = request.with("query", self.promql);
        Ok(Ready { asker: self.ask.asker(run)?, request, times, format })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { asker, request, times, format } = ready;
        if *format == Format::Json {
            let body = asker.body(request)?;
            terminal::print(&format!("{}\n", String::from_utf8_lossy(&body).trim_end()))?;
            return Ok(Outcome::Done);
        }
        let answer: Answer = asker.json(request)?;
        remarks(&answer, run);
        if answer.data.is_empty() {
            terminal::complain(&match times {
                Times::One(at) => format!("nothing is found at {}\n", weir_telemetry::ask::rfc3339(*at)),
                Times::Several(range) => format!("nothing is found, {range}\n"),
            });
        }
        let paint = run.settings.stdout();
        terminal::print(&match (*format, &*times) {
            (Format::Csv, _) => csv::write(&answer.data),
            (_, Times::One(_)) => table::write(&answer.data, paint),
            (_, Times::Several(range)) => write_range(&answer.data, *range, paint),
        })?;
        Ok(Outcome::Done)
    }
}

/// What an answer warns of.
pub(crate) fn remarks(answer: &Answer, run: &Run) {
    let paint = run.settings.stderr();
    for (word, texts) in [("warning", &answer.warnings), ("note", &answer.infos)] {
        for text in texts {
            terminal::complain(&format!("{}: {}\n", paint.yellow(word), terminal::visible(text)));
        }
    }
}

/// Milliseconds as seconds with as much of a fraction as needed.
pub(crate) fn seconds(ms: i64) -> String {
    let text = format!(
        "{}{}.{:03}",
        if ms < 0 { "-" } else { "" },
        ms.unsigned_abs() / 1000,
        ms.unsigned_abs() % 1000
    );
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn milliseconds_are_seconds_with_a_fraction() {
        let check = |ms: i64, expect: &str| assert_eq!(super::seconds(ms), expect);
        check(0, "0");
        check(1500, "1.5");
        check(-1, "-0.001");
        check(100_000, "100");
        check(1_795_521_667_123, "1795521667.123");
    }
}
