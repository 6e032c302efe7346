//! The stages that every command goes through.
//!
//! ```text
//! settings and logging ─► before ─► run ─► after ─► closing record ─► flushed
//!                            └────────┴─ an error ───────┘
//! ```
//!
//! `after` and all that follows take place whatever became of `run`. A panic is logged, and the log flushed, before the
//! process aborts.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_emit::logging::{Log, LogFormat};

use crate::cli::GlobalArgs;
use crate::settings::Settings;
use crate::terminal::{complain, visible};

/// How long the last lines of the log may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// One command.
pub(crate) trait Command: Sized {
    /// Its word on the command line.
    const NAME: &'static str;
    /// How long it runs, which decides how loud its closing record is.
    const LASTS: Lasts = Lasts::Moment;
    /// What `before` made ready.
    type Ready;

    /// Reads, checks and opens all that is needed: what can be refused is refused here.
    fn before(self, run: &Run) -> anyhow::Result<Self::Ready>;

    /// The work itself.
    fn run(ready: &mut Self::Ready, run: &Run) -> anyhow::Result<Outcome>;

    /// Ends in good order what `before` opened. Its outcome counts where `run` had nothing worse to say.
    fn after(_ready: Self::Ready, _run: &Run) -> anyhow::Result<Outcome> {
        Ok(Outcome::Done)
    }
}

/// How long a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// It answers a question. Nobody wants to read a record of that unless the log was asked for.
    Moment,
    /// It serves until it is told to stop.
    UntilStopped,
}

/// What commands are given.
#[derive(Debug)]
pub(crate) struct Run {
    /// What is meant by the options.
    pub(crate) settings: Settings,
    /// The log.
    pub(crate) log: Arc<Log>,
}

/// What became of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// It did its work, and the answer is no: a file is not valid, no route matches.
    Refused,
    /// It could not be done as it was asked for, and has said so already.
    Misused,
    /// A second signal of this number ended it at once.
    Cut(i32),
}

impl Outcome {
    /// 0 done, 1 refused or failed, 2 wrong usage, 128 + N cut off by signal N.
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Misused => 2,
            Self::Cut(signal) => u8::try_from(128 + signal).unwrap_or(255),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Misused => "misused",
            Self::Cut(_) => "cut",
        }
    }
}

/// An error of whoever typed the command: exit status 2. It stands in an error's chain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Something that was said in full already, and only ends the command. Exit status 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(pub(crate) String);

/// Runs a command through its stages.
pub(crate) fn run<C: Command>(command: C, args: &GlobalArgs, started: Instant) -> ExitCode {
    let settings = Settings::resolve(args, started);
    let log = match Log::start(settings.log.clone(), settings.log_format) {
        Ok(log) => Arc::new(log),
        Err(error) => {
            complain(&block(&anyhow::Error::new(error), &settings));
            return ExitCode::FAILURE;
        }
    };
    flush_on_panic(log.clone());
    let run = Run { settings, log };
    let mut begun = false;
    let result = through(command, &run, &mut begun);
    let (outcome, code) = match &result {
        Ok(outcome) => (outcome.word(), outcome.code()),
        Err(error) if error.is::<Usage>() => ("misused", 2),
        Err(_) => ("failed", 1),
    };
    if let Err(error) = &result {
        say::<C>(error, &run);
    }
    // What never came to serve has been answered by its error.
    close::<C>(outcome, code, begun && C::LASTS == Lasts::UntilStopped, &run);
    run.log.flush(FLUSH_WITHIN);
    ExitCode::from(code)
}

fn through<C: Command>(command: C, run: &Run, begun: &mut bool) -> anyhow::Result<Outcome> {
    let mut ready = command.before(run)?;
    *begun = true;
    let ran = C::run(&mut ready, run);
    let after = C::after(ready, run);
    match ran? {
        Outcome::Done => after,
        worse => after.map(|_| worse),
    }
}

/// The one record of the command: for everybody where it served, else for those who read the log by program or ask for
/// details.
fn close<C: Command>(outcome: &str, code: u8, served: bool, run: &Run) {
    let duration_ms = run.settings.started.elapsed().as_micros() as f64 / 1_000.0;
    let by_program = run.settings.log_format == LogFormat::Json
        && (run.settings.log_format_given || C::LASTS == Lasts::UntilStopped);
    if served || by_program {
        tracing::info!(command = C::NAME, outcome, code, duration_ms, "weir {} ended", C::NAME);
    } else {
        tracing::debug!(command = C::NAME, outcome, code, duration_ms, "weir {} ended", C::NAME);
    }
}

/// Errors of what a supervisor runs belong into its log when programs read that; all others are for whoever typed.
fn say<C: Command>(error: &anyhow::Error, run: &Run) {
    if error.is::<Said>() {
        return;
    }
    if C::LASTS == Lasts::UntilStopped && run.settings.log_format == LogFormat::Json {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        return tracing::error!("{}", causes.join(": "));
    }
    // What was logged before stands before it.
    run.log.flush(FLUSH_WITHIN);
    complain(&block(error, &run.settings));
}

/// An error and its causes, one a line.
fn block(error: &anyhow::Error, settings: &Settings) -> String {
    let paint = settings.stderr();
    let mut text = format!("{}: {}\n", paint.red("error"), lines(&error.to_string()));
    for cause in error.chain().skip(1) {
        let _ = writeln!(text, "  {} {}", paint.dim("because:"), lines(&cause.to_string()));
    }
    text
}

/// Messages may have several lines; none may move the cursor.
fn lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

fn flush_on_panic(log: Arc<Log>) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(
            thread = thread.name().unwrap_or("unnamed"),
            "this is a bug in Weir, please report it: {panic}"
        );
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!("{backtrace}");
        }
        log.flush(FLUSH_WITHIN);
    }));
}
