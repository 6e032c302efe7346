//! Tests of labels.

use weir_signal::Matcher;

use super::labels::{LineError, LineLabels};
use crate::ast::{Compare, LabelFilter};
use crate::ip::IpTest;
use crate::units::{parse_bytes, parse_duration, parse_float};

/// A test of labels, ready for lines.
#[derive(Debug)]
pub(crate) enum Filter {
    Match(Matcher),
    Number(Box<str>, Compare, f64),
    Duration(Box<str>, Compare, i64),
    Bytes(Box<str>, Compare, u64),
    Ip { label: Box<str>, negated: bool, test: IpTest },
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

impl Filter {
    pub(crate) fn new(filter: &LabelFilter) -> Result<Self, String> {
        Ok(match filter {
            LabelFilter::Match(matcher) => Self::Match(matcher.clone()),
            LabelFilter::Number(label, compare, value) => Self::Number(label.clone(), *compare, *value),
            LabelFilter::Duration(label, compare, nanos) => Self::Duration(label.clone(), *compare, *nanos),
            LabelFilter::Bytes(label, compare, bytes) => Self::Bytes(label.clone(), *compare, *bytes),
            LabelFilter::Ip { label, negated, pattern } => {
                Self::Ip { label: label.clone(), negated: *negated, test: IpTest::parse(pattern)? }
            }
            LabelFilter::And(all) => Self::And(all.iter().map(Self::new).collect::<Result<_, _>>()?),
            LabelFilter::Or(any) => Self::Or(any.iter().map(Self::new).collect::<Result<_, _>>()?),
        })
    }

    /// Whether a line passes. One whose label cannot be read does, with an error.
    pub(crate) fn passes(&self, labels: &mut LineLabels) -> bool {
        match self {
            Self::Match(matcher) => matcher.matches(labels.text_of(matcher.name())),
            Self::Number(label, compare, wanted) => {
                compared(labels, label, parse_float, |found| compare.holds(found, *wanted))
            }
            Self::Duration(label, compare, wanted) => {
                compared(labels, label, parse_duration, |found| compare.holds(found, *wanted))
            }
            Self::Bytes(label, compare, wanted) => {
                compared(labels, label, parse_bytes, |found| compare.holds(found, *wanted))
            }
            Self::Ip { label, negated, test } => {
                labels.has_error() || labels.get(label).is_some_and(|value| test.is_in(value) != *negated)
            }
            Self::And(all) => all.iter().all(|filter| filter.passes(labels)),
            Self::Or(any) => any.iter().any(|filter| filter.passes(labels)),
        }
    }
}

/// Whether a label is there and its value passes, or cannot be read.
fn compared<T>(
    labels: &mut LineLabels,
    label: &str,
    parse: fn(&str) -> Result<T, String>,
    test: impl Fn(T) -> bool,
) -> bool {
    let Some(value) = labels.get(label) else { return false };
    match parse(value) {
        Ok(found) => test(found),
        Err(why) => {
            labels.fail_first(LineError::LabelFilter, &why);
            true
        }
    }
}
