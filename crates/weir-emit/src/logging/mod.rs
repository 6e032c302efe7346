//! Weir's log of its own events, through `tracing`.
//!
//! Lines go to standard error: JSON where a program reads them, short and coloured where a person does. They pass a
//! bounded queue, so that a slow terminal delays nobody; what does not fit is dropped and counted. A part of the queue
//! is kept free for errors, and once the log is closed lines are written directly, so that what is said last is not lost.
//!
//! Spans are not printed: Weir's events carry what a reader needs, and requests have the access log.

mod filter;
mod layer;
mod line;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry as Spans, reload};

use crate::metrics::{Family, Kind, Registry};

pub use filter::{Filter, FilterError};

use layer::{Lines, Shared};

/// Lines that may wait, and how many of these places only errors may take.
const QUEUE_LINES: usize = 4_096;
const ERROR_LINES: usize = 256;

/// How long dropping the log waits for the last lines.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Whether a line is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    On,
    /// None.
    Off,
}

impl Colour {
    /// On for a terminal, unless the environment's `NO_COLOR` says no or `TERM` is `dumb`.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !refused { Self::On } else { Self::Off }
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text(Colour),
}

impl LogFormat {
    /// For people on a terminal, JSON elsewhere.
    pub fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() { Self::Text(Colour::of(stream)) } else { Self::Json }
    }
}

/// Why logging could not start.
#[derive(Debug)]
pub enum StartError {
    /// Something in this process has set up `tracing` before.
    Twice,
    /// The writer's thread or its descriptor could not be had.
    Io(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Twice => f.write_str("logging is set up already in this process"),
            Self::Io(_) => f.write_str("the log's writer could not be started"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Twice => None,
            Self::Io(error) => Some(error),
        }
    }
}

/// The running log. Dropping it writes what waits (for at most two seconds); later lines are written directly.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    reload: reload::Handle<Targets, Spans>,
    filter: Mutex<Filter>,
}

impl Log {
    /// Sets up logging to standard error for the whole process.
    pub fn start(filter: Filter, format: LogFormat) -> Result<Self, StartError> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned().map_err(StartError::Io)?);
        let (log, subscriber) = Self::build(filter, format, Box::new(stderr)).map_err(StartError::Io)?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| StartError::Twice)?;
        Ok(log)
    }

    /// The log and its subscriber, for whoever sets it for a thread only.
    pub fn build(
        filter: Filter,
        format: LogFormat,
        out: Box<dyn Write + Send>,
    ) -> io::Result<(Self, impl Subscriber + Send + Sync)> {
        let shared = Arc::new(Shared::new(out, QUEUE_LINES));
        let writer = shared.clone();
        thread::Builder::new().name("weir-log".into()).spawn(move || writer.write())?;
        let (targets, reload) = reload::Layer::new(filter.targets());
        let lines = Lines { format, shared: shared.clone(), spare: ERROR_LINES };
        let subscriber = Spans::default().with(lines.with_filter(targets));
        Ok((Self { shared, reload, filter: Mutex::new(filter) }, subscriber))
    }

    /// What is logged from now on.
    pub fn set_filter(&self, filter: Filter) {
        let mut current = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only where the subscriber is gone, and then nothing is logged anyway.
        drop(self.reload.reload(filter.targets()));
        *current = filter;
    }

    /// What is logged now.
    pub fn filter(&self) -> Filter {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every line logged before this call is written, but no longer than `bound`; says whether it is.
    pub fn flush(&self, bound: Duration) -> bool {
        self.shared.queue.flush(bound)
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// `weir_log_lines_dropped_total` and `weir_log_queue_lines`.
    pub fn register(&self, registry: &Registry) {
        let shared = self.shared.clone();
        let dropped = Family::new("weir_log_lines_dropped_total", "Log lines that found the queue full.");
        registry.collect(Kind::Counter, dropped, move |out| out.push(&[], shared.dropped() as f64)).forever();
        let shared = self.shared.clone();
        let depth = Family::new("weir_log_queue_lines", "Log lines that wait for the writer.");
        registry.collect(Kind::Gauge, depth, move |out| out.push(&[], shared.queue.len() as f64)).forever();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.queue.flush(CLOSE_WITHIN);
    }
}
