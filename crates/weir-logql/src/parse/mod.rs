//! Text to tree.
//!
//! A parser by hand: one function per rule, operators by precedence climbing, one token ahead. The first mistake ends it,
//! and is called what Loki calls it, since people know its words.

mod filter;
mod metric;
mod selector;
mod stage;

use std::fmt;

use weir_promql::ast::Span;
use weir_signal::Matcher;

use crate::ast::{DEPTH_MAX, Expr, LogExpr, Metric};
use crate::check;
use crate::lex::{Kind, Lexer, Token};
use crate::quote::unquote;
use crate::units::parse_float;

/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 128 << 10;

/// How many parentheses and calls may be open at once. Each costs the parser's stack more than the tree costs those who
/// follow it.
pub const NESTING_MAX: usize = 100;

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where the mistake is, in bytes; empty at the start where it is the query as a whole.
    pub span: Span,
    /// Its line, from 1; 0 where it is the query as a whole.
    pub line: u32,
    /// Its column in characters, from 1; 0 where it is the query as a whole.
    pub column: u32,
    /// What it is.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, span: Span, message: String) -> Self {
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { span, line: line as u32, column: column as u32, message }
    }

    /// One that has no place.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { span: Span::default(), line: 0, column: 0, message: message.into() }
    }
}

/// As Loki shows it: `parse error at line 1, col 5: …`.
impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, .. } = self;
        if *line == 0 {
            write!(out, "parse error : {message}")
        } else {
            write!(out, "parse error at line {line}, col {column}: {message}")
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads a query and checks that it can be answered.
///
/// # Errors
/// The first mistake. A text longer than [`TEXT_BYTES_MAX`], more than [`NESTING_MAX`] expressions within each other, and a
/// tree deeper than [`DEPTH_MAX`] are such.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let expr = parse_unchecked(text)?;
    check::check(&expr)?;
    Ok(expr)
}

/// Reads a query as the grammar has it, whether or not it can be answered: its selectors may be empty, its aggregations
/// may be used where they are not defined, its templates and patterns may be none. For editors.
///
/// # Errors
/// The first mistake of grammar.
pub fn parse_unchecked(text: &str) -> Result<Expr, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::whole(format!("input size too long ({} > {TEXT_BYTES_MAX})", text.len())));
    }
    let mut parser = Parser::new(text)?;
    let expr = parser.expr()?;
    parser.end()?;
    Ok(expr)
}

/// Reads a query that answers lines.
///
/// # Errors
/// The first mistake; that it answers numbers is one.
pub fn parse_logs(text: &str) -> Result<LogExpr, ParseError> {
    match parse(text)? {
        Expr::Logs(logs) => Ok(logs),
        Expr::Metric(_) => Err(ParseError::whole("only log selector is supported")),
    }
}

/// Reads a selector of streams without a pipeline, as the APIs' `match[]` and `query` parameters are. It may select all
/// streams: `{}`.
///
/// # Errors
/// The first mistake; that more than a selector is there is one.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    match parse_unchecked(text)? {
        Expr::Logs(logs) if logs.stages.is_empty() => Ok(logs.matchers),
        _ => Err(ParseError::whole("only label matchers are supported")),
    }
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token,
    /// How many expressions are being read within each other.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self { lexer, token, depth: 0 })
    }

    /// Takes the next token and reads the one after it.
    fn advance(&mut self) -> Result<Token> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// The token after the next one.
    fn ahead(&self) -> Kind {
        let mut lexer = self.lexer;
        lexer.next().map_or(Kind::Eof, |token| token.kind)
    }

    /// Takes the next token where it is of this kind.
    fn accept(&mut self, kind: Kind) -> Result<bool> {
        let found = self.token.kind == kind;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes the next token, which must be of this kind.
    fn expect(&mut self, kind: Kind, expected: &str) -> Result<Token> {
        if self.token.kind == kind { self.advance() } else { self.unexpected(expected) }
    }

    fn end(&self) -> Result<()> {
        if self.token.kind == Kind::Eof { Ok(()) } else { self.unexpected("") }
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.lexer.text()[span.start as usize..span.end as usize]
    }

    fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(self.lexer.text(), span, message.into()))
    }

    /// The next token stands where it cannot.
    fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let mut message = format!("syntax error: unexpected {}", self.token.describe(self.lexer.text()));
        if !expected.is_empty() {
            message.push_str(", expecting ");
            message.push_str(expected);
        }
        self.error(self.token.span, message)
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

    fn identifier(&mut self, expected: &str) -> Result<Box<str>> {
        let token = self.expect(Kind::Identifier, expected)?;
        Ok(self.text_of(token.span).into())
    }

    fn string(&mut self, expected: &str) -> Result<Box<str>> {
        let token = self.expect(Kind::String, expected)?;
        match unquote(self.text_of(token.span)) {
            Ok(said) => Ok(said.into()),
            Err(why) => self.error(token.span, why),
        }
    }

    /// A number without a sign.
    fn number(&mut self, expected: &str) -> Result<f64> {
        let token = self.expect(Kind::Number, expected)?;
        match parse_float(self.text_of(token.span)) {
            Ok(value) => Ok(value),
            Err(why) => self.error(token.span, format!("unable to parse literal as a float: {why}")),
        }
    }

    /// A whole query.
    fn expr(&mut self) -> Result<Expr> {
        Ok(self.operators(0)?.0)
    }

    /// A part of a query that must answer numbers.
    fn metric(&mut self) -> Result<(Metric, usize)> {
        match self.operators(0)? {
            (Expr::Metric(metric), height) => Ok((metric, height)),
            (Expr::Logs(_), _) if self.token.kind == Kind::Eof => self.unexpected(""),
            (Expr::Logs(_), _) => {
                let found = self.token.describe(self.lexer.text());
                self.error(
                    self.token.span,
                    format!(
                        "syntax error: unexpected {found}; a log query has no numbers: put an aggregation such as count_over_time(…[5m]) around it"
                    ),
                )
            }
        }
    }
}
