//! What selects series and streams by their labels.

use std::fmt;
use std::sync::Arc;

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
    pattern: Option<Pattern>,
}

/// A compiled pattern. Most that people write are names, or what a name begins with; those need no automaton, and compiling
/// one takes longer than many a query.
#[derive(Debug, Clone)]
enum Pattern {
    /// Any of these.
    Plain(Arc<[Plain]>),
    Regex(Regex),
}

/// A literal, and what may follow it.
#[derive(Debug)]
struct Plain {
    literal: Box<str>,
    tail: Tail,
}

#[derive(Debug, Clone, Copy)]
enum Tail {
    Nothing,
    Anything,
    Something,
}

impl Plain {
    /// Of an alternative without parentheses; `None` where it is more than a literal and `.*` or `.+`.
    fn of(pattern: &str) -> Option<Self> {
        let (literal, tail) = match (pattern.strip_suffix(".*"), pattern.strip_suffix(".+")) {
            (Some(literal), _) => (literal, Tail::Anything),
            (None, Some(literal)) => (literal, Tail::Something),
            (None, None) => (pattern, Tail::Nothing),
        };
        is_literal(literal).then(|| Self { literal: literal.into(), tail })
    }

    fn matches(&self, value: &str) -> bool {
        value.strip_prefix(&*self.literal).is_some_and(|rest| match self.tail {
            Tail::Nothing => rest.is_empty(),
            Tail::Anything => true,
            Tail::Something => !rest.is_empty(),
        })
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(|c| r"\.+*?()[]{}^$".contains(c))
}

impl Matcher {
    /// # Errors
    /// A pattern that is no regular expression, or one that compiles to more than 1 MiB.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let plain: Option<Arc<[_]>> = value.split('|').map(Plain::of).collect();
                Some(match plain {
                    Some(plain) => Pattern::Plain(plain),
                    None => Pattern::Regex(re2_whole(value).map_err(|reason| MatcherError {
                        label: name.to_owned(),
                        pattern: value.to_owned(),
                        reason,
                    })?),
                })
            }
        };
        Ok(Self { name: name.into(), op, value: value.into(), pattern })
    }

    /// `name = value`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
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
        let equal = match &self.pattern {
            None => *self.value == *value,
            Some(Pattern::Plain(plain)) => plain.iter().any(|plain| plain.matches(value)),
            Some(Pattern::Regex(regex)) => regex.is_match(value),
        };
        equal == matches!(self.op, MatchOp::Equal | MatchOp::Regex)
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
        (self.pattern.is_some() && is_literal(&self.value)).then(|| self.value.split('|').collect())
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

    proptest::proptest! {
        #[test]
        fn plain_patterns_match_what_their_automaton_does(
            parts in proptest::collection::vec(("[ab\n\u{e9}-]{0,2}", proptest::sample::select(vec!["", ".*", ".+"])), 0..4),
            value in "[ab\n\u{e9}-]{0,4}",
        ) {
            let parts: Vec<_> = parts.into_iter().map(|(literal, tail)| literal + tail).collect();
            let pattern = parts.join("|");
            let matcher = Matcher::new("a", MatchOp::Regex, &pattern).unwrap();
            proptest::prop_assert!(matches!(matcher.pattern, Some(Pattern::Plain(_))));
            proptest::prop_assert_eq!(matcher.matches(&value), re2_whole(&pattern).unwrap().is_match(&value));
        }
    }

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
