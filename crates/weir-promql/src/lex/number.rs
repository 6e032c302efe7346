//! Where numbers and durations end.

use super::{Kind, Lexer, is_alphanumeric};
use crate::lex::quote;
use crate::parse::ParseError;

impl Lexer<'_> {
    /// A number or a duration; its first character has been read.
    pub(super) fn number_or_duration(&mut self) -> Result<Kind, ParseError> {
        self.at = self.start;
        if self.scan_number() {
            return Ok(Kind::Number);
        }
        if self.scan_duration() {
            return Ok(Kind::Duration);
        }
        self.error(format!("bad number or duration syntax: {}", quote(&self.text[self.start..self.at])))
    }

    /// A number from here on.
    pub(super) fn number(&mut self) -> Result<Kind, ParseError> {
        if self.scan_number() {
            return Ok(Kind::Number);
        }
        self.error(format!("bad number syntax: {}", quote(&self.text[self.start..self.at])))
    }

    /// Takes what may be a number; whether it is one shows when it is read. Where it cannot be, what was taken stays
    /// taken: it may be the beginning of a duration, and errors show it.
    fn scan_number(&mut self) -> bool {
        let begin = self.at;
        let mut digits = "0123456789";
        // Among the values of a series `0x5` is five zeros.
        if !self.is_series && self.accept("0") && self.accept("xX") {
            self.accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        let is_hex = digits.len() > 10;
        self.accept(".");
        self.accept(digits);
        let (mut had_dot, mut had_exponent) = (false, false);
        loop {
            if self.is_next(".") {
                self.bump();
                if had_dot || is_hex || self.accept("_.") {
                    return false;
                }
                had_dot = true;
            } else if self.is_next("eE") {
                self.bump();
                if had_exponent {
                    return false;
                }
                had_exponent = true;
                self.accept("+-");
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else if self.accept("_") {
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else if self.is_next(digits) {
                self.skip_while(|c| digits.contains(c));
            } else {
                break;
            }
        }
        self.at > begin
            && self.peek().is_none_or(|next| (self.is_series && next == 'x') || !is_alphanumeric(next))
    }

    /// Takes the rest of a duration, from the first unit on.
    fn scan_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        self.accept("s");
        while self.is_next("0123456789") {
            self.skip_while(|c| c.is_ascii_digit());
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        let next = self.peek();
        if next.is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}
