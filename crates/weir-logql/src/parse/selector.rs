//! Selectors of streams, and tests of labels by text.

use weir_signal::{MatchOp, Matcher};

use super::{Parser, Result};
use crate::lex::Kind;

impl Parser<'_> {
    /// `{app="a", env=~"b|c"}`
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>> {
        self.expect(Kind::LeftBrace, "{")?;
        let mut matchers = Vec::new();
        if self.accept(Kind::RightBrace)? {
            return Ok(matchers);
        }
        loop {
            matchers.push(self.matcher(if matchers.is_empty() {
                "IDENTIFIER or }"
            } else {
                "IDENTIFIER"
            })?);
            if self.accept(Kind::RightBrace)? {
                return Ok(matchers);
            }
            self.expect(Kind::Comma, "} or ,")?;
        }
    }

    /// `app="a"`
    pub(super) fn matcher(&mut self, expected: &str) -> Result<Matcher> {
        let label = self.identifier(expected)?;
        let op = match self.token.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::NotEqual => MatchOp::NotEqual,
            Kind::MatchRegex => MatchOp::Regex,
            Kind::MatchNotRegex => MatchOp::NotRegex,
            _ => return self.unexpected("= or != or =~ or !~"),
        };
        self.advance()?;
        self.matcher_value(&label, op)
    }

    /// What stands behind a matcher's operator.
    pub(super) fn matcher_value(&mut self, label: &str, op: MatchOp) -> Result<Matcher> {
        let span = self.token.span;
        let value = self.string("STRING")?;
        match Matcher::new(label, op, &value) {
            Ok(matcher) => Ok(matcher),
            Err(error) => self.error(span, format!("error parsing regexp: {}: `{value}`", error.reason)),
        }
    }
}
