//! Text to tokens, one at a time, as the parser asks for them.
//!
//! Words are Go's, numbers and texts are nearly so, and comments are passed over, since Tempo reads queries with Go's scanner.
//! The name of an attribute begins behind the dot and goes on until a character that cannot be part of one: `.a+b` is one
//! attribute.

mod attribute;
mod number;
mod quote;

use std::fmt;

use crate::ast::{Attribute, AttributeScope, SpansOp};
use crate::parse::ParseError;

pub(crate) use attribute::{is_name_char, scope_of};
pub(crate) use quote::quote;

/// Where something stands in the text of a query, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Place {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// From the beginning of this one to the end of another.
    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "@{}..{}", self.start, self.end)
    }
}

/// A word or sign and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) place: Place,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    Eof,
    Comma,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    Pipe,
    /// `!`
    Not,
    /// `=~`
    Matches,
    /// `=`, `+`, `&>`, …: what stands between two operands.
    Op(&'a str),
    Int(i64),
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    Text(Box<str>),
    /// `span.http.url`
    Attribute(Attribute),
    /// `trace:`, `span:`, …
    Scope(&'a str),
    Word(&'a str),
}

/// Every sign between two operands, longer ones before those that they begin with.
const OPS: [&str; 26] = [
    "!>>", "!<<", "&>>", "&<<", "&&", "||", "!=", "!~", "!>", "!<", "&>", "&<", "&~", ">>", "<<", ">=", "<=",
    "=", ">", "<", "~", "+", "-", "*", "/", "%",
];

impl SpansOp {
    /// The operator between selections that is written so.
    pub(crate) fn find(text: &str) -> Option<Self> {
        use crate::ast::{Outcome, Relation};
        if let "&&" | "||" = text {
            return Some(if text == "&&" { Self::And } else { Self::Or });
        }
        let (outcome, relation) = match text.as_bytes().first()? {
            b'!' => (Outcome::Without, &text[1..]),
            b'&' => (Outcome::Both, &text[1..]),
            _ => (Outcome::Right, text),
        };
        let relation = match relation {
            ">" => Relation::Child,
            "<" => Relation::Parent,
            ">>" => Relation::Descendant,
            "<<" => Relation::Ancestor,
            "~" => Relation::Sibling,
            _ => return None,
        };
        Some(Self::Structural(relation, outcome))
    }
}

/// Reads a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next character is.
    at: usize,
    /// Where the token begins.
    start: usize,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, start: 0 }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let found = self.peek()?;
        self.at += found.len_utf8();
        Some(found)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn skip_while(&mut self, skip: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&skip) {
            self.bump();
        }
    }

    /// An error about what has been read of this token.
    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(self.text, Place::new(self.start, self.at), message.into()))
    }

    /// Passes over spaces and comments.
    fn begin(&mut self) -> Result<()> {
        loop {
            self.skip_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            self.start = self.at;
            if self.accept("//") {
                self.skip_while(|c| c != '\n');
            } else if self.accept("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.error("this comment has no end: `*/` is missing"),
                }
            } else {
                return Ok(());
            }
        }
    }

    /// The next token; [`Kind::Eof`] at the end, however often it is asked for.
    pub(crate) fn next(&mut self) -> Result<Token<'a>> {
        self.begin()?;
        let kind = self.kind()?;
        Ok(Token { kind, place: Place::new(self.start, self.at) })
    }

    fn kind(&mut self) -> Result<Kind<'a>> {
        let rest = self.rest();
        let Some(first) = self.peek() else { return Ok(Kind::Eof) };
        if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number();
        }
        if first == '_' || first.is_alphabetic() {
            return self.word();
        }
        if self.accept("=~") {
            return Ok(Kind::Matches);
        }
        if let Some(op) = OPS.iter().find(|op| rest.starts_with(**op)) {
            self.at += op.len();
            return Ok(Kind::Op(op));
        }
        self.bump();
        Ok(match first {
            '^' => Kind::Op("^"),
            ',' => Kind::Comma,
            '(' => Kind::LeftParen,
            ')' => Kind::RightParen,
            '{' => Kind::LeftBrace,
            '}' => Kind::RightBrace,
            '|' => Kind::Pipe,
            '!' => Kind::Not,
            '"' => Kind::Text(self.quoted()?),
            '`' => Kind::Text(self.raw()?),
            '.' => Kind::Attribute(self.attribute(false, AttributeScope::Either)?),
            '\'' => return self.error("texts stand in double quotes or backticks: \"…\""),
            other => return self.error(format!("no query has {other:?} here")),
        })
    }

    /// A word; with a dot right behind it the scope of an attribute, with a colon that of an intrinsic.
    fn word(&mut self) -> Result<Kind<'a>> {
        self.skip_while(|c| c == '_' || c.is_alphanumeric());
        let word = &self.text[self.start..self.at];
        if self.rest().starts_with(':')
            && matches!(word, "trace" | "span" | "event" | "link" | "instrumentation")
        {
            self.bump();
            return Ok(Kind::Scope(word));
        }
        if self.rest().starts_with('.') {
            if word == "parent" {
                self.bump();
                let scope = ["span.", "resource."].into_iter().find(|scope| self.accept(scope));
                let scope =
                    scope.map_or(AttributeScope::Either, |scope| scope_of(scope.trim_end_matches('.')));
                return self.attribute(true, scope).map(Kind::Attribute);
            }
            let scope = scope_of(word);
            if scope != AttributeScope::Either {
                self.bump();
                return self.attribute(false, scope).map(Kind::Attribute);
            }
        }
        Ok(Kind::Word(word))
    }
}

impl Token<'_> {
    /// The token as errors call it.
    pub(crate) fn describe(&self, text: &str) -> String {
        if self.kind == Kind::Eof {
            return "the end of the query".to_owned();
        }
        let text = &text[self.place.start as usize..self.place.end as usize];
        let short: String = text.chars().take(40).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        format!("`{short}{dots}`")
    }
}
