//! Text to tree.
//!
//! A parser by hand: one function per rule, operators by precedence climbing, one token ahead. The first mistake ends it.
//! Which mistake that is, and what it is called, follows Prometheus, since people and tests know its words.

mod duration;
mod expr;
mod labels;
mod selector;
mod series;

use std::fmt;

use weir_signal::{Labels, Matcher};

use crate::ast::{DEPTH_MAX, Expr, Span};
use crate::check::check;
use crate::lex::{Kind, Lexer, Token};

pub use series::{SequenceValue, VALUES_MAX};

/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// How many parentheses, calls and signs may be open at once. Each costs the parser's stack more than the tree costs those
/// who follow it.
pub const NESTING_MAX: usize = 100;

/// What a query may use beyond what is stable in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Functions and aggregations that are experimental (`info`, `limitk`, `mad_over_time`, …).
    pub experimental_functions: bool,
    /// Durations that are calculated: `[5m + step()]`.
    pub duration_expr: bool,
    /// `anchored` and `smoothed` ranges.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right` for series without a partner.
    pub fill_modifiers: bool,
}

impl Options {
    /// Everything.
    pub const ALL: Self = Self {
        experimental_functions: true,
        duration_expr: true,
        extended_range_selectors: true,
        fill_modifiers: true,
    };
}

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where the mistake is.
    pub span: Span,
    /// Its line, from 1; 0 where the text is empty.
    pub line: u32,
    /// Its column in bytes, from 1.
    pub column: u32,
    /// What it is.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, span: Span, message: String) -> Self {
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + usize::from(!text.is_empty());
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { span, line: line as u32, column: (before.len() - line_start + 1) as u32, message }
    }
}

/// As Prometheus shows it: `1:5: parse error: …`.
impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(out, "unknown position")?;
        } else {
            write!(out, "{}:{}", self.line, self.column)?;
        }
        write!(out, ": parse error: {}", self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a query and checks its types.
///
/// # Errors
/// The first mistake. A text longer than [`TEXT_BYTES_MAX`], more than [`NESTING_MAX`] expressions within each other, and a
/// tree deeper than [`DEPTH_MAX`] are such.
pub fn parse(text: &str, options: &Options) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(Lexer::new(text), *options)?;
    if parser.token.kind == Kind::Eof {
        return parser.error(Span::default(), "no expression found in input");
    }
    let mut expr = parser.expr()?.0;
    parser.end()?;
    check(&mut expr, text)?;
    Ok(expr)
}

/// Reads a selector of series without modifiers, as the APIs' `match[]` parameters are: `up{job="a"}`.
///
/// # Errors
/// The first mistake. That every matcher accepts the empty value is none.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(Lexer::new(text), Options::default())?;
    let selector = parser.plain_selector()?;
    parser.end()?;
    Ok(selector.matchers)
}

/// Reads labels: `up{job="a"}`.
///
/// # Errors
/// The first mistake.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    let mut parser = Parser::new(Lexer::new(text), Options::default())?;
    let labels = parser.labels()?;
    parser.end()?;
    Ok(labels)
}

/// Reads a series and its values as Prometheus' tests write them: `up{job="a"} 1+2x5 _ stale {{schema:0 count:1}}x2`.
///
/// # Errors
/// The first mistake. More than [`VALUES_MAX`] values are one.
pub fn parse_series_description(text: &str) -> Result<(Labels, Vec<SequenceValue>), ParseError> {
    let mut parser = Parser::new(Lexer::of_series(text), Options::default())?;
    let labels = parser.labels()?;
    let values = parser.sequence()?;
    Ok((labels, values))
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

/// What a rule was about and what it expected, for errors.
#[derive(Clone, Copy)]
struct Expected {
    context: &'static str,
    expected: &'static str,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token,
    /// Where the one before it stands.
    taken: Span,
    /// Why the next token is none.
    unreadable: Option<ParseError>,
    options: Options,
    /// How many expressions are being read within each other.
    depth: usize,
    /// How many aggregations are being read within each other.
    aggregations: usize,
}

impl<'a> Parser<'a> {
    fn new(lexer: Lexer<'a>, options: Options) -> Result<Self> {
        let text = lexer.text();
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the query has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
            return Err(ParseError::new(text, Span::default(), message));
        }
        let token = Token { kind: Kind::Eof, span: Span::default() };
        let (taken, unreadable, depth, aggregations) = (token.span, None, 0, 0);
        let mut parser = Self { lexer, token, taken, unreadable, options, depth, aggregations };
        parser.advance();
        Ok(parser)
    }

    /// Takes the next token and reads the one after it. Where that cannot be read, this is an error only once a rule would
    /// take it: what the rules find wrong with the text before comes first.
    fn advance(&mut self) -> Token {
        let taken = self.token;
        self.taken = taken.span;
        match self.lexer.next() {
            Ok(token) => self.token = token,
            Err(error) => {
                self.token = Token { kind: Kind::Unreadable, span: error.span };
                self.unreadable = Some(error);
            }
        }
        taken
    }

    /// Takes the next token where it is of this kind.
    fn accept(&mut self, kind: Kind) -> bool {
        let found = self.token.kind == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Takes the next token, which must be of this kind.
    fn expect(&mut self, kind: Kind) -> Result<Token> {
        if self.token.kind == kind { Ok(self.advance()) } else { self.unexpected_here() }
    }

    fn end(&self) -> Result<()> {
        if self.token.kind == Kind::Eof { Ok(()) } else { self.unexpected_here() }
    }

    /// Refuses a next token that cannot be read, where the rule depends on what it is.
    fn check_readable(&self) -> Result<()> {
        self.unreadable.clone().map_or(Ok(()), Err)
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.lexer.text()[span.start as usize..span.end as usize]
    }

    fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(self.lexer.text(), span, message.into()))
    }

    /// The next token stands where it cannot.
    fn unexpected<T>(&self, context: &str, expected: &str) -> Result<T> {
        self.check_readable()?;
        let mut message = format!("unexpected {}", self.token.describe(self.lexer.text()));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error(self.token.span, message)
    }

    /// As [`Parser::unexpected`], where no rule has a better word.
    fn unexpected_here<T>(&self) -> Result<T> {
        self.unexpected(if self.aggregations > 0 { "aggregation" } else { "" }, "")
    }

    /// Reads something that may contain itself.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == NESTING_MAX {
            let message = format!("expressions are nested more than {NESTING_MAX} deep within each other");
            return self.error(self.token.span, message);
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Refuses a tree that is too deep, which is a chain of operators: who follows it does so on the stack.
    fn check_height(&self, height: usize) -> Result<()> {
        if height <= DEPTH_MAX {
            return Ok(());
        }
        let message =
            format!("more than {DEPTH_MAX} operators in a chain; put parentheses around each half of it");
        self.error(self.token.span, message)
    }
}
