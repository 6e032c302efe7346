//! Text to tokens, one at a time, as the parser asks for them.
//!
//! Words are keywords whatever the size of their letters. The names of functions are such only in front of a parenthesis or
//! a grouping, and labels elsewhere.

mod token;

use weir_promql::ast::{BinaryOp, Span};

use crate::ast::{Conversion, RangeOp, VectorOp};
use crate::parse::ParseError;
use crate::units;

pub(crate) use token::{Flag, Keyword, Kind, Token};

/// Reads a text. A copy reads on from the same place.
#[derive(Clone, Copy)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next character is.
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blank();
        let start = self.at;
        let kind = self.kind(start)?;
        Ok(Token { kind, span: Span::new(start, self.at) })
    }

    fn kind(&mut self, start: usize) -> Result<Kind, ParseError> {
        let Some(first) = self.peek() else { return Ok(Kind::Eof) };
        self.at += first.len_utf8();
        Ok(match first {
            '{' => Kind::LeftBrace,
            '}' => Kind::RightBrace,
            '(' => Kind::LeftParen,
            ')' => Kind::RightParen,
            ',' => Kind::Comma,
            '[' => return self.range(start),
            '"' | '`' => return self.string(start, first),
            '|' if self.accept('=') => Kind::PipeExact,
            '|' if self.accept('~') => Kind::PipeMatch,
            '|' if self.accept('>') => Kind::PipePattern,
            '|' => Kind::Pipe,
            '!' if self.accept('=') => Kind::NotEqual,
            '!' if self.accept('~') => Kind::MatchNotRegex,
            '!' if self.accept('>') => Kind::NotPattern,
            '=' if self.accept('~') => Kind::MatchRegex,
            '=' if self.accept('=') => Kind::Op(BinaryOp::Equal),
            '=' => Kind::Assign,
            '>' if self.accept('=') => Kind::Op(BinaryOp::GreaterOrEqual),
            '>' => Kind::Op(BinaryOp::Greater),
            '<' if self.accept('=') => Kind::Op(BinaryOp::LessOrEqual),
            '<' => Kind::Op(BinaryOp::Less),
            '+' => Kind::Op(BinaryOp::Add),
            '-' => self.minus(start),
            '*' => Kind::Op(BinaryOp::Mul),
            '/' => Kind::Op(BinaryOp::Div),
            '%' => Kind::Op(BinaryOp::Mod),
            '^' => Kind::Op(BinaryOp::Pow),
            '0'..='9' => self.number(start),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => self.number(start),
            _ if is_word(first) => self.word(start),
            other => return self.error(start, format!("syntax error: unexpected character {other:?}")),
        })
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn accept(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        self.at += self.rest().find(|c| !test(c)).unwrap_or(self.rest().len());
    }

    /// Passes over spaces and comments.
    fn skip_blank(&mut self) {
        self.skip_while(is_space);
        while self.peek() == Some('#') {
            self.skip_while(|c| c != '\n');
            self.skip_while(is_space);
        }
    }

    fn error<T>(&self, start: usize, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::new(self.text, Span::new(start, self.at), message.into()))
    }

    fn string(&mut self, start: usize, open: char) -> Result<Kind, ParseError> {
        loop {
            let Some(next) = self.peek().filter(|&next| open == '`' || next != '\n') else {
                return self.error(start, "literal not terminated");
            };
            self.at += next.len_utf8();
            if next == open {
                return Ok(Kind::String);
            }
            if next == '\\' && open == '"' {
                self.at += self.peek().filter(|&next| next != '\n').map_or(0, char::len_utf8);
            }
        }
    }

    /// A duration in brackets.
    fn range(&mut self, start: usize) -> Result<Kind, ParseError> {
        let Some((inside, _)) = self.rest().split_once(']') else {
            return self.error(start, "missing closing ']' in duration");
        };
        self.at += inside.len() + 1;
        match weir_promql::parse_duration(inside) {
            Ok(millis) => Ok(Kind::Range(millis.saturating_mul(1_000_000))),
            Err(why) => self.error(start, why),
        }
    }

    /// A number, or one with units.
    fn number(&mut self, start: usize) -> Kind {
        let rest = &self.text[start..];
        if has_base(rest) {
            self.skip_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            if self.text[..self.at].ends_with(['p', 'P']) {
                let _ = self.accept('-') || self.accept('+');
                self.skip_while(|c| c.is_ascii_digit());
            }
            return Kind::Number;
        }
        self.skip_while(|c| c.is_ascii_digit() || c == '_');
        if rest.starts_with('.') || self.accept('.') {
            self.skip_while(|c| c.is_ascii_digit() || c == '_');
        }
        let mut ahead = *self;
        if ahead.accept('e') || ahead.accept('E') {
            let _ = ahead.accept('-') || ahead.accept('+');
            if ahead.peek().is_some_and(|next| next.is_ascii_digit()) {
                ahead.skip_while(|c| c.is_ascii_digit());
                *self = ahead;
            }
        }
        if let Some(kind) = self.duration(start) {
            return kind;
        }
        let mut ahead = *self;
        ahead.skip_while(|c| c.is_ascii_digit() || "BikKMGTP.".contains(c));
        if ahead.at > self.at
            && let Ok(bytes) = units::parse_bytes(&self.text[start..ahead.at])
        {
            *self = ahead;
            return Kind::Bytes(bytes);
        }
        Kind::Number
    }

    /// The number that begins at `start` with the units behind it, where that is a duration: PromQL's, else Go's.
    fn duration(&mut self, start: usize) -> Option<Kind> {
        let mut ahead = *self;
        ahead.skip_while(|c| c.is_ascii_digit() || "nuµmshdwy.".contains(c));
        let text = (ahead.at > self.at).then(|| &self.text[start..ahead.at])?;
        let millis = weir_promql::parse_duration(text).ok().map(|millis| millis.saturating_mul(1_000_000));
        let nanos = millis.or_else(|| units::parse_duration(text).ok())?;
        *self = ahead;
        Some(Kind::Duration(nanos))
    }

    /// A flag of a parser, a negative duration, or a sign.
    fn minus(&mut self, start: usize) -> Kind {
        if self.peek() == Some('-') {
            let mut ahead = *self;
            ahead.skip_while(|c| c.is_alphabetic() || c == '-');
            if let Some(flag) = Flag::find(&self.text[start..ahead.at]) {
                *self = ahead;
                return Kind::Flag(flag);
            }
        }
        self.duration(start).unwrap_or(Kind::Op(BinaryOp::Sub))
    }

    /// A keyword, a function or a label; its first character has been read.
    fn word(&mut self, start: usize) -> Kind {
        self.skip_while(|c| is_word(c) || c.is_numeric());
        let word = &self.text[start..self.at];
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        let range = || RangeOp::ALL.into_iter().find(|op| is(op.as_str())).map(Kind::RangeOp);
        let vector = || VectorOp::ALL.into_iter().find(|op| is(op.as_str())).map(Kind::VectorOp);
        let conversion = || match () {
            () if is("bytes") => Some(Kind::Conversion(Conversion::Bytes)),
            () if is("duration") => Some(Kind::Conversion(Conversion::Duration)),
            () if is("duration_seconds") => Some(Kind::Conversion(Conversion::DurationSeconds)),
            () if is("vector") => Some(Kind::Vector),
            () if is("label_replace") => Some(Kind::LabelReplace),
            () if is("ip") => Some(Kind::Ip),
            () => None,
        };
        if let Some(function) = range().or_else(vector).or_else(conversion) {
            return if self.is_called() { function } else { Kind::Identifier };
        }
        Keyword::find(word).unwrap_or(Kind::Identifier)
    }

    /// Whether what follows is a parenthesis, or a grouping with one.
    fn is_called(&self) -> bool {
        let rest = self.rest().trim_start_matches(char::is_whitespace);
        let grouped = ["by", "without"].iter().find_map(|word| {
            let after = rest.get(word.len()..)?;
            rest[..word.len()].eq_ignore_ascii_case(word).then_some(after)
        });
        grouped.unwrap_or(rest).trim_start_matches(char::is_whitespace).starts_with('(')
    }
}

/// Whether a number begins with `0x`, `0o` or `0b` and a digit: `0B` is a size.
fn has_base(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] => digit.is_ascii_hexdigit() || *digit == b'.',
        [b'0', b'o' | b'O' | b'b' | b'B', digit, ..] => digit.is_ascii_digit(),
        _ => false,
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}
