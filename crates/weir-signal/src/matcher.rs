//! What selects series and streams by their labels.

use std::fmt;

use regex::Regex;

use crate::labels::Labels;
use crate::re2::re2_whole;

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, the whole value
    Regex,
    /// `!~`, the whole value
    NotRegex,
}

impl MatchOp {
    /// As the query languages write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("label `{label}`: `{pattern}` is no regular expression: {reason}")]
pub struct MatcherError {
    /// The label that it was for.
    pub label: String,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it, in one line.
    pub reason: String,
}

/// A test of one label. A label that is not there has the empty value.
#[derive(Clone)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    value: Box<str>,
    regex: Option<Regex>,
}

impl Matcher {
    /// # Errors
    /// A pattern that is no regular expression, or one that compiles to more than 1 MiB.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex =
            match op {
                MatchOp::Equal | MatchOp::NotEqual => None,
                MatchOp::Regex | MatchOp::NotRegex => Some(re2_whole(value).map_err(|reason| {
                    MatcherError { label: name.to_owned(), pattern: value.to_owned(), reason }
                })?),
            };
        Ok(Self { name: name.into(), op, value: value.into(), regex })
    }

    /// `name = value`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or pattern.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label of this value is selected.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => *self.value == *value,
            (MatchOp::NotEqual, _) => *self.value != *value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => unreachable!("`new` compiles every pattern"),
        }
    }

    /// Whether labels are selected.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or_default())
    }

    /// Whether a label that is not there is selected.
    pub fn matches_absent(&self) -> bool {
        self.matches("")
    }

    /// The values that a pattern of plain alternatives (`a|b|c`) stands for; `None` for any other pattern and for
    /// comparisons.
    pub fn alternatives(&self) -> Option<Vec<&str>> {
        let plain = |value: &str| !value.contains(|c| r"\.+*?()[]{}^$".contains(c));
        (self.regex.is_some() && plain(&self.value)).then(|| self.value.split('|').collect())
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_value() {
        let check = |op, pattern: &str, value: &str, expect: bool| {
            assert_eq!(Matcher::new("a", op, pattern).unwrap().matches(value), expect, "{pattern} {value}");
        };
        check(MatchOp::Regex, "a|b", "b", true);
        check(MatchOp::Regex, "a|b", "ab", false);
        check(MatchOp::Regex, "a.b", "a\nb", true);
        check(MatchOp::NotRegex, "a.*", "abc", false);
        check(MatchOp::Regex, "", "", true);
        check(MatchOp::NotEqual, "", "x", true);
        assert!(Matcher::new("a", MatchOp::Regex, "(").is_err());
        assert_eq!(Matcher::new("a", MatchOp::Regex, "x|y").unwrap().alternatives(), Some(vec!["x", "y"]));
        assert_eq!(Matcher::new("a", MatchOp::Regex, "x.*").unwrap().alternatives(), None);
    }
}
