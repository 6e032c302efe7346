//! Whether spans in memory are what a read asks for.

use std::cmp::Ordering;
use std::sync::Arc;

use weir_signal::{Attribute, Matcher, Span, SpanCondition, SpanField, SpanTest, Value};

use crate::manifest::Tombstone;

/// Which spans a reader may see: those of its scope that were not deleted. To a matcher, the labels of a span are the
/// attributes of its resource, as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Visible {
    pub(super) matchers: Arc<[Matcher]>,
    pub(super) tombstones: Vec<Arc<Tombstone>>,
    /// What is older is not kept.
    pub(super) from_ns: i64,
}

impl Visible {
    /// Whether it lets everything be seen that begins late enough.
    pub(super) fn is_all(&self) -> bool {
        self.matchers.is_empty() && self.tombstones.is_empty()
    }

    pub(super) fn shows(&self, span: &Span) -> bool {
        let deleted = |tombstone: &Arc<Tombstone>| {
            (tombstone.from..=tombstone.to).contains(&span.start_ns) && selects(&tombstone.matchers, span)
        };
        span.start_ns >= self.from_ns && selects(&self.matchers, span) && !self.tombstones.iter().any(deleted)
    }
}

fn selects(matchers: &[Matcher], span: &Span) -> bool {
    let matches = |matcher: &Matcher| {
        let attributes = &span.resource.attributes;
        match attributes.iter().find(|attribute| *attribute.key == *matcher.name()).map(|found| &found.value)
        {
            None => matcher.matches_absent(),
            Some(Value::String(text)) => matcher.matches(text),
            Some(other) => matcher.matches(&other.to_string()),
        }
    };
    matchers.iter().all(matches)
}

/// Whether a span meets a condition, as segments see it.
pub(super) fn meets(span: &Span, condition: &SpanCondition) -> bool {
    let test = &condition.test;
    if *test == SpanTest::Equal(Value::Empty) {
        return true;
    }
    let any = |attributes: &[Attribute], key: &str| {
        attributes.iter().any(|attribute| *attribute.key == *key && value_meets(&attribute.value, test))
    };
    match &condition.field {
        SpanField::Name => text_meets(&span.name, test),
        SpanField::Service => text_meets(span.resource.service(), test),
        SpanField::Status => text_meets(span.status.as_str(), test),
        SpanField::Kind => text_meets(span.kind.as_str(), test),
        SpanField::Duration => {
            let duration = i64::try_from(span.duration_ns()).unwrap_or(i64::MAX);
            value_meets(&Value::Int(duration), test)
        }
        SpanField::Span(key) => any(&span.attributes, key),
        SpanField::Resource(key) => any(&span.resource.attributes, key),
        SpanField::Either(key) => any(&span.attributes, key) || any(&span.resource.attributes, key),
    }
}

fn text_meets(text: &str, test: &SpanTest) -> bool {
    match test {
        SpanTest::Exists => true,
        SpanTest::Equal(Value::String(wanted)) => *text == **wanted,
        SpanTest::Equal(wanted) => wanted.to_string() == text,
        SpanTest::AtLeast(_) | SpanTest::AtMost(_) => false,
    }
}

fn value_meets(value: &Value, test: &SpanTest) -> bool {
    if let Value::Array(values) = value
        && values.iter().any(|value| value_meets(value, test))
    {
        return true;
    }
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    };
    match test {
        SpanTest::Exists => true,
        SpanTest::AtLeast(least) => number(value).is_some_and(|number| number >= *least),
        SpanTest::AtMost(most) => number(value).is_some_and(|number| number <= *most),
        SpanTest::Equal(wanted) => match (value, wanted) {
            (Value::String(text), Value::String(wanted)) => text == wanted,
            (Value::Int(number), Value::Int(wanted)) => number == wanted,
            _ => match (number(value), number(wanted)) {
                (Some(number), Some(wanted)) => number.partial_cmp(&wanted).is_some_and(Ordering::is_eq),
                _ => value.to_string() == wanted.to_string(),
            },
        },
    }
}

/// Adds the values that a field of a span has.
pub(super) fn each_value(span: &Span, field: &SpanField, visit: &mut dyn FnMut(Value)) {
    let mut attributes = |attributes: &[Attribute], key: &str| {
        attributes
            .iter()
            .filter(|attribute| *attribute.key == *key)
            .for_each(|found| visit(found.value.clone()));
    };
    let text = |text: &str| Value::String(text.into());
    match field {
        SpanField::Name => visit(text(&span.name)),
        SpanField::Service => visit(text(span.resource.service())),
        SpanField::Status => visit(text(span.status.as_str())),
        SpanField::Kind => visit(text(span.kind.as_str())),
        SpanField::Duration => {}
        SpanField::Span(key) => attributes(&span.attributes, key),
        SpanField::Resource(key) => attributes(&span.resource.attributes, key),
        SpanField::Either(key) => {
            attributes(&span.attributes, key);
            attributes(&span.resource.attributes, key);
        }
    }
}
