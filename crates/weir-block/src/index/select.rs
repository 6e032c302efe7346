//! Which series a few matchers select.

use roaring::RoaringBitmap;
use weir_signal::{MatchOp, Matcher, ReadError};

use super::{Index, IndexBuffers};

/// A matcher is tried on labels rather than on all values of its name where the series left are fewer by this factor.
const VALUES_PER_SERIES: u64 = 8;

pub(super) fn select(index: &Index, matchers: &[Matcher]) -> Result<RoaringBitmap, ReadError> {
    let mut left = RoaringBitmap::new();
    left.insert_range(0..index.series()?);
    let mut ordered: Vec<_> = matchers.iter().collect();
    ordered.sort_by_key(|matcher| cost(matcher));
    let mut buffers = IndexBuffers::default();
    for matcher in ordered {
        if left.is_empty() {
            break;
        }
        let values = index.terms()?.range(matcher.name()).len() as u64;
        if cost(matcher) > 1 && values > left.len().saturating_mul(VALUES_PER_SERIES) {
            let mut kept = RoaringBitmap::new();
            for series in &left {
                if matcher.selects(&index.labels(series, &mut buffers)?) {
                    kept.insert(series);
                }
            }
            left = kept;
        } else if matcher.matches_absent() {
            left -= union(index, matcher, false)?;
        } else {
            left &= union(index, matcher, true)?;
        }
    }
    Ok(left)
}

/// What is cheap and narrow comes first.
fn cost(matcher: &Matcher) -> u8 {
    match matcher.op() {
        MatchOp::Equal if !matcher.value().is_empty() => 0,
        _ if exact_values(matcher).is_some() => 1,
        MatchOp::Regex => 2,
        _ => 3,
    }
}

/// The values that the matcher names one by one: those that it selects, or for a negative one those that it does not.
fn exact_values(matcher: &Matcher) -> Option<Vec<&str>> {
    match matcher.op() {
        MatchOp::Equal | MatchOp::NotEqual => Some(vec![matcher.value()]),
        MatchOp::Regex | MatchOp::NotRegex => matcher.alternatives(),
    }
}

/// The series that have the label, with a value that the matcher selects (or that it does not, by `selected`).
fn union(index: &Index, matcher: &Matcher, selected: bool) -> Result<RoaringBitmap, ReadError> {
    let terms = index.terms()?;
    let named_are_selected = matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex);
    if selected == named_are_selected
        && let Some(values) = exact_values(matcher)
    {
        let mut found = RoaringBitmap::new();
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            found |= terms.exactly(index, matcher.name(), value)?;
        }
        return Ok(found);
    }
    // A value that does not begin as the pattern does is not matched by it.
    let prefix = match matcher.op() {
        MatchOp::Regex | MatchOp::NotRegex if selected == named_are_selected => {
            literal_prefix(matcher.value())
        }
        _ => "",
    };
    let mut found = RoaringBitmap::new();
    terms.visit(index, terms.prefixed(matcher.name(), prefix), |value, postings| {
        if value.starts_with(prefix) && matcher.matches(value) == selected {
            found |= postings.bitmap()?;
        }
        Ok(true)
    })?;
    Ok(found)
}

/// The characters that every text begins with that the pattern matches; perhaps fewer.
fn literal_prefix(pattern: &str) -> &str {
    const META: &str = r"\.+*?()[]{}^$|";
    // An alternative, however deep, may begin otherwise.
    if pattern.contains('|') {
        return "";
    }
    let end = pattern.find(|c| META.contains(c)).unwrap_or(pattern.len());
    let optional = pattern[end..].starts_with(['*', '?', '{']);
    let literal = &pattern[..end];
    match literal.char_indices().next_back() {
        Some((last, _)) if optional => &literal[..last],
        _ => literal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_with_its_literal() {
        let check = |pattern: &str, expect: &str| assert_eq!(literal_prefix(pattern), expect, "{pattern}");
        check("node_.*", "node_");
        check("ab*c", "a");
        check("ab+c", "ab");
        check("ab{0}", "a");
        check("é?", "");
        check("(?i)a", "");
        check("a(b|c)", "");
        check("", "");
    }
}
