//! Numbers and durations.

use super::{Kind, Lexer, Result};
use crate::duration::parse_duration;

impl<'a> Lexer<'a> {
    /// A number, or a duration where units follow at once.
    pub(super) fn number(&mut self) -> Result<Kind<'a>> {
        self.skip_while(|c| c.is_ascii_digit());
        let mut is_float = false;
        if self.accept(".") {
            is_float = true;
            self.skip_while(|c| c.is_ascii_digit());
        }
        is_float |= self.exponent();
        if let Some(nanos) = self.duration() {
            return Ok(Kind::Duration(nanos));
        }
        let number = &self.text()[self.start..self.at];
        if is_float {
            return match number.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Kind::Float(value)),
                _ => self.error("this number is too large"),
            };
        }
        if number.len() > 1 && number.starts_with('0') && number.contains(['8', '9']) {
            return self.error("a whole number that begins with 0 has no digit 8 or 9");
        }
        match number.parse::<i64>() {
            Ok(value) => Ok(Kind::Int(value)),
            Err(_) => self.error(format!("this number is larger than {}", i64::MAX)),
        }
    }

    /// Passes over `e9`, `E+9` or `e-9`.
    fn exponent(&mut self) -> bool {
        let rest = self.rest();
        let Some(power) = rest.strip_prefix(['e', 'E']) else { return false };
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        let found = power.starts_with(|c: char| c.is_ascii_digit());
        if found {
            self.at += rest.len() - power.len();
            self.skip_while(|c| c.is_ascii_digit());
        }
        found
    }

    /// Passes over the rest of a duration whose first number has been read, where it is one.
    fn duration(&mut self) -> Option<i64> {
        let is_part = |c: char| {
            c.is_numeric() || matches!(c, 'n' | 's' | 'u' | 'm' | 'h' | 'µ' | 'd' | 'w' | 'y' | '.')
        };
        let rest = self.rest();
        let end = self.at + rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == self.at {
            return None;
        }
        let nanos = parse_duration(&self.text()[self.start..end])?;
        self.at = end;
        Some(nanos)
    }
}
