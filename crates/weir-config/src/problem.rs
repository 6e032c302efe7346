//! Problems while a text is read: with places counted in characters, as the YAML parser counts them. They become
//! [`Diagnostic`]s, with places in bytes, in one pass at the end.

use crate::{Diagnostic, Related, Severity};

/// A place in a text, counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First character.
    pub(crate) start: u32,
    /// One past the last.
    pub(crate) end: u32,
    /// 1-based line of the first character.
    pub(crate) line: u32,
    /// 1-based column of the first character.
    pub(crate) column: u32,
}

impl Span {
    /// The text as a whole.
    pub(crate) const START: Self = Self { start: 0, end: 0, line: 0, column: 0 };
}

/// One problem.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) span: Span,
    pub(crate) help: Option<String>,
    pub(crate) related: Option<(Span, String)>,
    pub(crate) path: String,
}

impl Problem {
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, message, span, help: None, related: None, path: String::new() }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(crate) fn related(self, span: Span, says: &str) -> Self {
        Self { related: Some((span, says.into())), ..self }
    }
}

/// Most diagnostics that one text gets; what is beyond is only counted.
const DIAGNOSTICS_MAX: usize = 200;

/// Orders problems by place and counts their places in bytes.
pub(crate) fn finish(text: &str, mut problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.sort_by_key(|p| (p.span.start, p.span.end));
    let beyond = problems.len().saturating_sub(DIAGNOSTICS_MAX);
    if beyond > 0 {
        // Errors first: a warning must not push one out.
        problems.sort_by_key(|p| p.severity == Severity::Warning);
        problems.truncate(DIAGNOSTICS_MAX);
        problems.sort_by_key(|p| (p.severity == Severity::Warning, p.span.start));
    }
    let bytes = byte_places(text, &problems);
    let at = |span: Span| bytes[&span.start]..bytes[&span.end];
    let mut diagnostics: Vec<Diagnostic> = problems
        .iter()
        .map(|p| Diagnostic {
            severity: p.severity,
            message: p.message.clone(),
            line: p.span.line.max(1),
            column: p.span.column.max(1),
            span: at(p.span),
            help: p.help.clone(),
            path: p.path.clone(),
            related: p.related.as_ref().map(|(span, says)| Related {
                message: says.clone(),
                line: span.line.max(1),
                column: span.column.max(1),
                span: at(*span),
            }),
        })
        .collect();
    if let (Some(last), true) = (diagnostics.last().cloned(), beyond > 0) {
        diagnostics.push(Diagnostic {
            message: format!("and {beyond} more that are not shown"),
            help: None,
            related: None,
            ..last
        });
    }
    diagnostics
}

/// Byte offsets of all character offsets that problems name, in one walk over the text.
fn byte_places(text: &str, problems: &[Problem]) -> std::collections::HashMap<u32, usize> {
    let spans = problems.iter().flat_map(|p| [Some(p.span), p.related.as_ref().map(|r| r.0)]).flatten();
    let mut wanted: Vec<u32> = spans.flat_map(|s| [s.start, s.end]).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut places = std::collections::HashMap::with_capacity(wanted.len());
    let mut chars = text.char_indices().map(|(at, _)| at).enumerate().peekable();
    for want in wanted {
        while chars.next_if(|(count, _)| *count < want as usize).is_some() {}
        places.insert(want, chars.peek().map_or(text.len(), |(_, at)| *at));
    }
    places
}
