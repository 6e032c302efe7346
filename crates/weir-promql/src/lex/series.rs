//! Tokens of the values of a series, where spaces count: `1+2x5 _ stale {{schema:0 buckets:[1 2]}}x3`.

use super::token::reset_hint;
use super::{Descriptor, Keyword, Kind, Lexer, Mode, is_alpha, is_digit, is_space, quote, quote_char};
use crate::ast::BinaryOp;
use crate::parse::ParseError;

impl Lexer<'_> {
    pub(super) fn values(&mut self) -> Result<Kind, ParseError> {
        self.start = self.at;
        let Some(first) = self.bump() else { return Ok(Kind::Eof) };
        Ok(match first {
            _ if is_space(first) => {
                self.skip_while(is_space);
                Kind::Space
            }
            '{' if self.accept("{") => {
                self.mode = Mode::Histogram;
                Kind::OpenHistogram
            }
            '+' => Kind::Op(BinaryOp::Add),
            '-' => Kind::Op(BinaryOp::Sub),
            'x' => Kind::Times,
            '_' => Kind::Blank,
            _ if is_digit(first) || (first == '.' && self.peek().is_some_and(is_digit)) => {
                self.at = self.start;
                return self.number();
            }
            _ if is_alpha(first) => self.word(),
            other => {
                let other = quote_char(Some(other));
                return self.error(format!("unexpected character in series sequence: {other}"));
            }
        })
    }

    pub(super) fn histogram(&mut self) -> Result<Kind, ParseError> {
        self.start = self.at;
        let first = self.bump();
        Ok(match first {
            Some(first) if is_space(first) => {
                self.skip_while(is_space);
                Kind::Space
            }
            Some(first) if is_alpha(first) => return self.descriptor(),
            Some(':') => Kind::Colon,
            Some('-') => Kind::Op(BinaryOp::Sub),
            Some(first) if is_digit(first) => {
                self.at = self.start;
                return self.number();
            }
            Some('[') => {
                self.mode = Mode::Buckets;
                Kind::LeftBracket
            }
            Some('}') if self.accept("}") => {
                self.mode = if self.is_next("x+-") { Mode::AfterHistogram } else { Mode::Values };
                Kind::CloseHistogram
            }
            other => {
                let other = quote_char(other);
                return self.error(format!("histogram description incomplete unexpected: {other}"));
            }
        })
    }

    pub(super) fn after_histogram(&mut self) -> Kind {
        self.start = self.at;
        self.mode = Mode::Values;
        match self.bump() {
            Some('+') => Kind::Op(BinaryOp::Add),
            Some('-') => Kind::Op(BinaryOp::Sub),
            _ => Kind::Times,
        }
    }

    pub(super) fn buckets(&mut self) -> Result<Kind, ParseError> {
        self.start = self.at;
        let first = self.bump();
        Ok(match first {
            Some(first) if is_space(first) => {
                self.skip_while(is_space);
                Kind::Space
            }
            Some('-') => Kind::Op(BinaryOp::Sub),
            Some(first) if is_digit(first) => {
                self.at = self.start;
                return self.number();
            }
            Some(']') => {
                self.mode = Mode::Histogram;
                Kind::RightBracket
            }
            Some(first) if is_alpha(first) => {
                self.skip_while(is_alpha);
                let word = &self.text[self.start..self.at];
                match Keyword::find(word) {
                    Some(Kind::Number) => Kind::Number,
                    _ => return self.error(format!("invalid word in buckets description: {}", quote(word))),
                }
            }
            other => {
                let other = quote_char(other);
                return self.error(format!("invalid character in buckets description: {other}"));
            }
        })
    }

    /// What is told of a histogram; the first character has been read.
    fn descriptor(&mut self) -> Result<Kind, ParseError> {
        self.skip_while(is_alpha);
        let word = &self.text[self.start..self.at];
        if let Some(descriptor) = Descriptor::find(word) {
            if self.is_next(":") {
                return Ok(Kind::Descriptor(descriptor));
            }
            return self.error("missing `:` for histogram descriptor");
        }
        if Keyword::find(word) == Some(Kind::Number) {
            return Ok(Kind::Number);
        }
        match reset_hint(word) {
            Some(hint) => Ok(Kind::ResetHint(hint)),
            None => self.error(format!("bad histogram descriptor found: {}", quote(word))),
        }
    }
}
