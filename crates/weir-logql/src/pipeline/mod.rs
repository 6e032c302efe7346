//! Lines through the stages of a query, one at a time.

mod filter;
mod hints;
mod labels;
mod step;

use weir_signal::{Labels, LogRow};

use crate::ast::Stage;
use crate::print::print_stage;
use labels::Origin;
use step::Step;

pub(crate) use filter::Filter;
pub(crate) use hints::Hints;
pub(crate) use labels::{LineError, LineLabels, build};

/// Why a stage cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage '{stage}' : {reason}")]
pub struct StageError {
    /// The stage.
    pub stage: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The stages of a query, ready for lines. Its memory is used again from line to line.
#[derive(Debug)]
pub struct Pipeline {
    steps: Vec<Step>,
    hints: Hints,
    /// What `now` is in templates.
    now_ns: i64,
    labels: LineLabels,
    /// The line, where a stage changed it.
    line: String,
    /// What a stage makes of the line while it reads it.
    next: String,
}

impl Pipeline {
    /// Of these stages. `now_ns` is what `now` says in templates, in nanoseconds since 1970.
    ///
    /// # Errors
    /// The first stage that cannot be done: a regular expression, pattern, address, path or template that is none.
    pub fn new(stages: &[Stage], now_ns: i64) -> Result<Self, StageError> {
        Self::with_hints(stages, now_ns, Hints::default())
    }

    /// As [`Pipeline::new`], where only some labels are needed.
    pub(crate) fn with_hints(stages: &[Stage], now_ns: i64, hints: Hints) -> Result<Self, StageError> {
        let compile = |stage: &Stage| {
            Step::new(stage).map_err(|reason| StageError { stage: print_stage(stage), reason })
        };
        let steps = stages.iter().map(compile).collect::<Result<_, _>>()?;
        let (labels, line, next) = (LineLabels::default(), String::new(), String::new());
        Ok(Self { steps, hints, now_ns, labels, line, next })
    }

    /// Takes a line through all stages; `None` where one of them drops it.
    pub fn process<'p>(&'p mut self, row: LogRow<'p>) -> Option<Line<'p>> {
        let Self { steps, hints, now_ns, labels, line, next } = self;
        labels.begin(row.stream, row.metadata);
        let mut changed = false;
        for step in steps {
            let text = if changed { line.as_str() } else { row.line };
            match step.apply(text, row.time_ns, *now_ns, labels, hints, next) {
                step::Outcome::Keep => {}
                step::Outcome::Drop => return None,
                step::Outcome::Change => {
                    std::mem::swap(line, next);
                    changed = true;
                }
            }
        }
        let text = if changed { line.as_str() } else { row.line };
        Some(Line { text, time_ns: row.time_ns, labels })
    }
}

/// A line at the end of a pipeline, lent until the next one.
#[derive(Debug)]
pub struct Line<'p> {
    text: &'p str,
    time_ns: i64,
    labels: &'p mut LineLabels,
}

impl Line<'_> {
    /// The line.
    pub fn text(&self) -> &str {
        self.text
    }

    /// Nanoseconds since 1970.
    pub fn time_ns(&self) -> i64 {
        self.time_ns
    }

    /// All its labels: those of its stream, its metadata, and what was parsed.
    pub fn labels(&self) -> Labels {
        self.labels.labels()
    }

    /// The labels of its stream that are left.
    pub fn stream(&self) -> Labels {
        if self.labels.is_plain() { self.labels.stream().clone() } else { build(self.labels.of_stream()) }
    }

    /// The labels that are its metadata.
    pub fn metadata(&self) -> Labels {
        self.labels.labels_of(Origin::Metadata)
    }

    /// The labels that were parsed or formatted, and what went wrong.
    pub fn parsed(&self) -> Labels {
        self.labels.labels_of(Origin::Parsed)
    }

    pub(crate) fn parts(&mut self) -> (&str, &mut LineLabels) {
        (self.text, self.labels)
    }
}
