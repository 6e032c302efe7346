//! What is wrong with a text, and where.

use std::fmt;
use std::ops::Range;

use serde_json::{Value, json};

use crate::Source;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text is accepted, but hardly meant like this.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong: one line, without the place.
    pub message: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// Bytes of the text that it is about; empty where something is missing. May span several lines.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is within the configuration, as in `routes[3].matches[0].path`; empty for the whole.
    pub path: String,
    /// Another place that has to do with it, such as the first of two equal keys.
    pub related: Option<Related>,
}

/// A second place of a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What stands there.
    pub message: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// `line:column: message (help)`, for logs.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

impl Diagnostic {
    /// An error about no place in particular, for operations that have no text.
    pub(crate) fn whole(message: String) -> Self {
        Self {
            severity: Severity::Error,
            message,
            line: 1,
            column: 1,
            span: 0..0,
            help: None,
            path: String::new(),
            related: None,
        }
    }
}

/// Diagnostics for machines: a list of objects with `severity`, `message`, `file`, `line`, `column`, `span`, `path`
/// and, where there is one, `help` and `related`.
pub fn to_json(source: &Source, diagnostics: &[Diagnostic]) -> Value {
    let one = |d: &Diagnostic| {
        let mut value = json!({
            "severity": d.severity.word(),
            "message": d.message,
            "file": source.name,
            "line": d.line,
            "column": d.column,
            "span": [d.span.start, d.span.end],
            "path": d.path,
        });
        if let Some(help) = &d.help {
            value["help"] = json!(help);
        }
        if let Some(r) = &d.related {
            value["related"] = json!({ "message": r.message, "line": r.line, "column": r.column, "span": [r.span.start, r.span.end] });
        }
        value
    };
    diagnostics.iter().map(one).collect()
}
