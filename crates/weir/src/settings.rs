//! What is meant by the global options and the environment.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Instant;

use weir_emit::logging::{Colour, Filter, LogFormat};

use crate::cli::{ColorArg, GlobalArgs, LogFormatArg, Output};
use crate::terminal::Paint;

/// Settings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// How results are written.
    pub(crate) output: Output,
    /// `--workers`.
    pub(crate) workers: Option<u32>,
    /// What is logged.
    pub(crate) log: Filter,
    /// How it is logged.
    pub(crate) log_format: LogFormat,
    /// Whether that was asked for.
    pub(crate) log_format_given: bool,
    /// When the process began.
    pub(crate) started: Instant,
    color: ColorArg,
}

impl Settings {
    pub(crate) fn resolve(args: &GlobalArgs, started: Instant) -> Self {
        let stderr = colour(args.color, &io::stderr());
        Self {
            config: args.config.clone(),
            output: args.output,
            workers: args.workers,
            log: args.log.clone().unwrap_or_default(),
            log_format: match args.log_format {
                LogFormatArg::Text => LogFormat::Text(stderr),
                LogFormatArg::Auto if io::stderr().is_terminal() => LogFormat::Text(stderr),
                LogFormatArg::Json | LogFormatArg::Auto => LogFormat::Json,
            },
            log_format_given: args.log_format != LogFormatArg::Auto,
            started,
            color: args.color,
        }
    }

    /// For results.
    pub(crate) fn stdout(&self) -> Paint {
        Paint(colour(self.color, &io::stdout()))
    }

    /// For errors.
    pub(crate) fn stderr(&self) -> Paint {
        Paint(colour(self.color, &io::stderr()))
    }
}

fn colour(color: ColorArg, stream: &impl IsTerminal) -> Colour {
    match color {
        ColorArg::Auto => Colour::of(stream),
        ColorArg::Always => Colour::On,
        ColorArg::Never => Colour::Off,
    }
}
