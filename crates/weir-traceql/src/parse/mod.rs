//! Text to tree.
//!
//! A parser by hand: one function per rule, operators by precedence climbing, one token ahead. The first mistake ends it.
//! Types are checked where a node is made, while its place is known.

mod field;
mod measure;
mod stage;

use std::fmt;

use crate::ast::{Attribute, DEPTH_MAX, Field, Hint, Query};
use crate::lex::{Kind, Lexer, Place, Token};

/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// How many parentheses, braces and signs may be open at once. Each costs the parser's stack more than the tree costs those
/// who follow it.
pub const NESTING_MAX: usize = 100;

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The first byte of the mistake.
    pub start: u32,
    /// The byte after its last one.
    pub end: u32,
    /// Its line, from 1.
    pub line: u32,
    /// Its column in bytes, from 1.
    pub column: u32,
    /// What it is, and where possible what to write instead.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, place: Place, message: String) -> Self {
        let before = text.get(..place.start as usize).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.len() - line_start + 1;
        Self { start: place.start, end: place.end, line: line as u32, column: column as u32, message }
    }
}

/// As Tempo shows it.
impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "parse error at line {}, col {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a query and checks its types.
///
/// # Errors
/// The first mistake. A text longer than [`TEXT_BYTES_MAX`], more than [`NESTING_MAX`] expressions within each other, and a
/// tree deeper than [`DEPTH_MAX`] are such.
pub fn parse(text: &str) -> Result<Query, ParseError> {
    let mut parser = Parser::new(text)?;
    let root = parser.root()?;
    let mut hints = Vec::new();
    while parser.is_word("with") {
        hints = parser.hints()?;
    }
    parser.end()?;
    Ok(Query { root, hints })
}

/// Reads the name of an attribute as queries write it: `span.http.url`, `.a`, `resource."with spaces"`, `status`.
///
/// # Errors
/// The first mistake, as for [`parse`].
pub fn parse_attribute(text: &str) -> Result<Attribute, ParseError> {
    let mut parser = Parser::new(text)?;
    let attribute = parser.attribute()?;
    parser.end()?;
    Ok(attribute)
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

/// Something read, where it stands, and how deep it is.
struct Read<T> {
    tree: T,
    place: Place,
    height: usize,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token<'a>,
    /// Where the one before it stands.
    taken: Place,
    /// How many expressions are being read within each other.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the query has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
            return Err(ParseError::new(text, Place::default(), message));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self { lexer, token, taken: Place::default(), depth: 0 })
    }

    /// Takes the next token and reads the one after it.
    fn advance(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        self.taken = self.token.place;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is(&self, kind: &Kind<'_>) -> bool {
        self.token.kind == *kind
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token.kind, Kind::Word(found) if found == word)
    }

    /// Takes the next token where it is this one.
    fn accept(&mut self, kind: &Kind<'_>) -> Result<bool> {
        let found = self.is(kind);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes the next token, which must be this one.
    fn expect(&mut self, kind: &Kind<'_>, called: &str) -> Result<Place> {
        if self.is(kind) { self.advance().map(|token| token.place) } else { self.unexpected(called) }
    }

    fn end(&self) -> Result<()> {
        if self.is(&Kind::Eof) { Ok(()) } else { self.unexpected("the end of the query") }
    }

    fn error<T>(&self, place: Place, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(self.lexer.text(), place, message.into()))
    }

    /// The next token stands where it cannot.
    fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let found = self.token.describe(self.lexer.text());
        self.error(self.token.place, format!("unexpected {found}, expected {expected}"))
    }

    /// The text of a place, for errors.
    fn text_of(&self, place: Place) -> &'a str {
        &self.lexer.text()[place.start as usize..place.end as usize]
    }

    /// Reads something that may contain itself.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == NESTING_MAX {
            let message = format!("expressions are nested more than {NESTING_MAX} deep within each other");
            return self.error(self.token.place, message);
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// One more than these, where a tree may be so deep: who follows it does so on the stack.
    fn above(&self, place: Place, heights: &[usize]) -> Result<usize> {
        let height = 1 + heights.iter().copied().max().unwrap_or(0);
        if height <= DEPTH_MAX {
            return Ok(height);
        }
        let message =
            format!("more than {DEPTH_MAX} operators in a chain; put parentheses around each half of it");
        self.error(place, message)
    }

    /// `(a, b)` behind a word: one thing or several.
    fn in_parens<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&Kind::LeftParen, "`(`")?;
        let mut all = vec![read(self)?];
        while self.accept(&Kind::Comma)? {
            all.push(read(self)?);
        }
        self.expect(&Kind::RightParen, "`,` or `)`")?;
        Ok(all)
    }

    /// `with (name=value, …)`
    fn hints(&mut self) -> Result<Vec<Hint>> {
        self.advance()?;
        self.in_parens(|parser| {
            let Kind::Word(name) = parser.token.kind else { return parser.unexpected("the name of a hint") };
            parser.advance()?;
            parser.expect(&Kind::Op("="), "`=`")?;
            match parser.field_operand()?.tree {
                Field::Value(value) => Ok(Hint { name: name.into(), value }),
                _ => parser.error(parser.taken, "a hint is set to a value, as in `with (most_recent=true)`"),
            }
        })
    }
}
