//! `weir logs`: LogQL, answered in the terminal.

mod fetch;
mod follow;
mod show;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::ask::{AskArgs, Asker, Request, duration_ns, now_ms, time_ms};
use crate::cli::Output;
use crate::commands::query::{Answer, Data, Range, remarks, seconds, write_range};
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal::{self, Paint};
use fetch::{Direction, Line, Page, forward, latest, lines};
use follow::Follow;
use show::Shown;

/// The time from one look for new lines to the next, at least.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looking takes no larger share of the time than one in this many.
const LOOK_SHARE: u32 = 4;
/// How far ahead of this machine's clock those of senders may be.
const AHEAD_NS: i64 = 3_600_000_000_000;

/// Ask for log lines in LogQL
///
/// The last lines are shown, the oldest of them first. A query that counts or measures lines is answered as by
/// `weir query --from`. With --follow a line is shown once whenever it comes in, unless it is more than a minute older than
/// the newest one by then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir logs '{route=\"orders\"} |= \"timeout\"'
  weir logs '{service_name=\"shop\"} | json | status >= 500' --since 15m --limit 1000
  weir logs '{route=\"orders\"}' --follow
  weir logs 'sum by (level) (count_over_time({service_name=\"shop\"}[5m]))' --since 6h
  weir logs '{job=\"x\"}' --output json | jq -r .line")]
pub(crate) struct Logs {
    /// What is asked
    #[arg(value_name = "LOGQL")]
    query: String,
    /// How far back to look
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with = "from")]
    since: String,
    /// The first time, as `weir query` takes it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// The last time [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "follow")]
    to: Option<String>,
    /// How many lines to show at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Go on with what comes in, until interrupted
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Somebody to ask, and what.
pub(crate) struct Ready {
    asker: Asker,
    query: String,
    /// In nanoseconds; the last is not asked about any more.
    times: (i64, i64),
    limit: usize,
    follow: bool,
}

impl Command for Logs {
    const NAME: &'static str = "logs";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let now = now_ms();
        let time = |text: &str| {
            let ns = time_ms(text, now)?.checked_mul(1_000_000);
            ns.ok_or_else(|| format!("`{text}` is before 1677 or after 2262"))
        };
        let to = self.to.as_deref().map(time).transpose().map_err(Usage)?;
        let to = to.unwrap_or(now.saturating_mul(1_000_000));
        let from = match &self.from {
            Some(from) => time(from).map_err(Usage)?,
            None => to.saturating_sub(duration_ns(&self.since).map_err(Usage)?),
        };
        if to < from {
            return Err(Usage("--from is after --to".into()).into());
        }
        let asker = self.ask.asker(run)?;
        // What is asked about ends before the last time, which is meant to be in it.
        Ok(Ready { asker, query: self.query, times: (from, to + 1), limit: self.limit, follow: self.follow })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        if ready.follow {
            return ready.follow(run);
        }
        let (from, to) = ready.times;
        // The kind of the answer is known by the first one.
        let page = Page {
            from_ns: from,
            to_ns: to,
            limit: ready.limit.clamp(1, fetch::PAGE_LINES),
            direction: Direction::Backward,
        };
        let range = Range::new(from / 1_000_000, to / 1_000_000, None).map_err(Usage)?;
        let answer: Answer = ready.asker.json(&ready.request(&page).with("step", seconds(range.step_ms)))?;
        remarks(&answer, run);
        if !matches!(answer.data, Data::Streams(_)) {
            let text = match run.settings.output {
                Output::Text => write_range(&answer.data, range, run.settings.stdout()),
                Output::Json => {
                    let body =
                        ready.asker.body(&ready.request(&page).with("step", seconds(range.step_ms)))?;
                    format!("{}\n", String::from_utf8_lossy(&body).trim_end())
                }
            };
            terminal::print(&text)?;
            return Ok(Outcome::Done);
        }
        let first = lines(answer.data, Direction::Backward);
        let found = if ready.limit == 0 {
            Vec::new()
        } else {
            latest(&mut |page| ready.page(page), from, to, ready.limit, Some(first))?
        };
        if found.is_empty() && ready.limit > 0 {
            terminal::complain("no line is found\n");
        }
        let shown = Shown::new(&found, run.settings.output, run.settings.stdout());
        if let Some(common) = shown.common() {
            terminal::complain(&format!("{}\n", run.settings.stderr().dim(&common)));
        }
        terminal::print(&found.iter().map(|line| shown.line(line)).collect::<String>())?;
        Ok(Outcome::Done)
    }
}

impl Ready {
    fn request(&self, page: &Page) -> Request {
        let direction = match page.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        Request::new("/loki/api/v1/query_range")
            .with("query", self.query.as_str())
            .with("start", page.from_ns)
            .with("end", page.to_ns)
            .with("limit", page.limit.to_string())
            .with("direction", direction)
    }

    fn page(&self, page: &Page) -> anyhow::Result<Vec<Line>> {
        let answer: Answer = self.asker.json(&self.request(page))?;
        match answer.data {
            Data::Streams(_) => Ok(lines(answer.data, page.direction)),
            _ => {
                Err(Usage("only lines can be followed, and this query counts or measures them".into()).into())
            }
        }
    }

    /// Shows the last lines, then each one that comes in.
    fn follow(&mut self, run: &Run) -> anyhow::Result<Outcome> {
        let shown = Shown::all_labels(run.settings.output, run.settings.stdout());
        let end = || now_ms().saturating_mul(1_000_000).saturating_add(AHEAD_NS);
        let from = self.times.0;
        let newest = latest(&mut |page| self.page(page), from, end(), 1, None)?;
        let mut follow = Follow::new(from, newest.last().map(|line| line.time_ns), end() - AHEAD_NS);
        // What is there now is known, shown or not; what is older than that does not change any more.
        let window = forward(&mut |page| self.page(page), follow.begins_ns(), end())?;
        let mut first = follow.fresh(window, end() - AHEAD_NS);
        if first.len() < self.limit && from < follow.first_ns() {
            let left = self.limit - first.len();
            let mut older = latest(&mut |page| self.page(page), from, follow.first_ns(), left, None)?;
            older.append(&mut first);
            first = older;
        }
        let cut = first.len().saturating_sub(self.limit);
        if !write(&shown, &first[cut..])? {
            return Ok(Outcome::Done);
        }
        let mut failing = false;
        let mut pause = LOOK_EVERY;
        loop {
            std::thread::sleep(pause);
            let begun = Instant::now();
            let looked = self
                .asker
                .refresh()
                .and_then(|()| forward(&mut |page| self.page(page), follow.begins_ns(), end()));
            pause = LOOK_EVERY.max(begun.elapsed() * (LOOK_SHARE - 1));
            match looked {
                Ok(window) => {
                    failing = false;
                    let fresh = follow.fresh(window, end() - AHEAD_NS);
                    if !write(&shown, &fresh)? {
                        return Ok(Outcome::Done);
                    }
                }
                Err(error) => {
                    if !failing {
                        let paint: Paint = run.settings.stderr();
                        terminal::complain(&format!(
                            "{}: {error:#}; trying again\n",
                            paint.yellow("warning")
                        ));
                    }
                    failing = true;
                }
            }
        }
    }
}

/// Writes lines at once. False where nobody reads them any more.
fn write(shown: &Shown, lines: &[Line]) -> anyhow::Result<bool> {
    let text: String = lines.iter().map(|line| shown.line(line)).collect();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("standard output"),
    }
}
