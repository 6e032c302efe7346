//! Names of attributes: `http.url`, `"with spaces"`, `a."b c".d`.

use super::{Lexer, Result};
use crate::ast::{Attribute, AttributeScope};

/// What has attributes by the word in front of the dot.
pub(crate) fn scope_of(word: &str) -> AttributeScope {
    match word {
        "span" => AttributeScope::Span,
        "resource" => AttributeScope::Resource,
        "event" => AttributeScope::Event,
        "link" => AttributeScope::Link,
        "instrumentation" => AttributeScope::Instrumentation,
        _ => AttributeScope::Either,
    }
}

/// Whether a character can be part of a name without quotes.
pub(crate) fn is_name_char(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '{' | '}' | '(' | ')' | '=' | '~' | '!' | '<' | '>' | '&' | '|' | '^' | ',')
}

impl Lexer<'_> {
    /// What comes after a dot.
    pub(super) fn attribute(&mut self, of_parent: bool, scope: AttributeScope) -> Result<Attribute> {
        if !self.peek().is_some_and(is_name_char) {
            return self.error("the name of an attribute is missing behind the dot");
        }
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|&c| is_name_char(c)) {
            self.bump();
            if c == '"' {
                self.quoted_part(&mut name)?;
            } else {
                name.push(c);
            }
        }
        Ok(Attribute::Named { of_parent, scope, name: name.into() })
    }

    /// The inside of quotes, in which only quotes and backslashes are escaped; the first quote has been read.
    fn quoted_part(&mut self, name: &mut String) -> Result<()> {
        loop {
            match self.bump() {
                Some('"') => return Ok(()),
                Some('\\') => match self.bump() {
                    Some(c @ ('"' | '\\')) => name.push(c),
                    _ => return self.error("in the name of an attribute only `\\\"` and `\\\\` are escaped"),
                },
                Some(c) => name.push(c),
                None => return self.error("this name has no end: `\"` is missing"),
            }
        }
    }
}
