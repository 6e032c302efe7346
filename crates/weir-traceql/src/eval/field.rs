//! What an expression gives for one span.

use std::borrow::Cow;

use weir_signal::{Attribute as Attached, Span};

use super::operate::{any_matches, compare, none_matches, operate};
use super::{Seen, Tree};
use crate::ast::{Attribute, AttributeScope, Field, FieldOp, Intrinsic};

/// Whether an expression is true for a span.
pub(crate) fn holds(field: &Field, tree: &Tree<'_>, span: usize) -> bool {
    is_true(&field.of(tree, span))
}

fn is_true(seen: &Seen<'_>) -> bool {
    match seen {
        Seen::Bool(value) => *value,
        Seen::Many(values) => values.contains(&Seen::Bool(true)),
        _ => false,
    }
}

impl Field {
    /// Its value for a span. What cannot be calculated is nil.
    pub(crate) fn of<'a>(&'a self, tree: &Tree<'a>, span: usize) -> Seen<'a> {
        match self {
            Self::Value(value) => Seen::of_value(value),
            Self::Attribute(attribute) => attribute.of(tree, span),
            Self::Not(field) => match field.of(tree, span) {
                Seen::Bool(value) => Seen::Bool(!value),
                _ => Seen::Nil,
            },
            Self::Negative(field) => operate(FieldOp::Sub, &Seen::Int(0), &field.of(tree, span)),
            Self::Exists(field) => Seen::Bool(!field.of(tree, span).is_nil()),
            Self::Missing(field) => Seen::Bool(field.of(tree, span).is_nil()),
            Self::Matches(field, pattern) => Seen::Bool(any_matches(&field.of(tree, span), pattern)),
            Self::MatchesNot(field, pattern) => Seen::Bool(none_matches(&field.of(tree, span), pattern)),
            Self::Binary(FieldOp::And, lhs, rhs) => {
                Seen::Bool(holds(lhs, tree, span) && holds(rhs, tree, span))
            }
            Self::Binary(FieldOp::Or, lhs, rhs) => {
                Seen::Bool(holds(lhs, tree, span) || holds(rhs, tree, span))
            }
            Self::Binary(op, lhs, rhs) => {
                let (lhs, rhs) = (lhs.of(tree, span), rhs.of(tree, span));
                if op.is_comparison() {
                    Seen::Bool(compare(*op, &lhs, &rhs))
                } else {
                    operate(*op, &lhs, &rhs)
                }
            }
        }
    }
}

impl Attribute {
    /// Its value for a span.
    pub(crate) fn of<'a>(&self, tree: &Tree<'a>, span: usize) -> Seen<'a> {
        match self {
            Self::Intrinsic(intrinsic) => intrinsic.of(tree, span),
            Self::Named { of_parent: false, scope, name } => named(*scope, name, &tree.spans()[span]),
            Self::Named { of_parent: true, scope, name } => match tree.family().parents[span] {
                Some(parent) => named(*scope, name, &tree.spans()[parent]),
                None => Seen::Nil,
            },
        }
    }
}

fn find<'a>(attributes: &'a [Attached], name: &str) -> Seen<'a> {
    let found = attributes.iter().find(|attribute| &*attribute.key == name);
    found.map_or(Seen::Nil, |attribute| Seen::of_attached(&attribute.value))
}

/// One value of each that has one.
fn many<'a, T>(all: &'a [T], value: impl Fn(&'a T) -> Seen<'a>) -> Seen<'a> {
    Seen::Many(all.iter().map(value).filter(|value| !value.is_nil()).collect())
}

fn named<'a>(scope: AttributeScope, name: &str, span: &'a Span) -> Seen<'a> {
    match scope {
        AttributeScope::Span => find(&span.attributes, name),
        // Every span has a service, named or not.
        AttributeScope::Resource if name == "service.name" => {
            Seen::Text(Cow::Borrowed(span.resource.service()))
        }
        AttributeScope::Resource => find(&span.resource.attributes, name),
        AttributeScope::Either => match find(&span.attributes, name) {
            Seen::Nil => named(AttributeScope::Resource, name, span),
            found => found,
        },
        AttributeScope::Event => many(&span.events, |event| find(&event.attributes, name)),
        AttributeScope::Link => many(&span.links, |link| find(&link.attributes, name)),
        AttributeScope::Instrumentation => find(&span.scope.attributes, name),
    }
}

impl Intrinsic {
    fn of<'a>(self, tree: &Tree<'a>, index: usize) -> Seen<'a> {
        let span = &tree.spans()[index];
        let text = |text: &'a str| Seen::Text(Cow::Borrowed(text));
        match self {
            Self::Duration => Seen::Duration(i64::try_from(span.duration_ns()).unwrap_or(i64::MAX)),
            Self::Name => text(&span.name),
            Self::Status => Seen::Status(span.status),
            Self::StatusMessage => text(&span.status_message),
            Self::Kind => Seen::Kind(span.kind),
            Self::ChildCount => Seen::Int(i64::from(tree.family().children[index])),
            Self::SpanId => Seen::Span(span.id),
            Self::ParentId if span.parent.is_zero() => text(""),
            Self::ParentId => Seen::Span(span.parent),
            Self::RootName => text(tree.root().map_or("", |root| &root.name)),
            Self::RootService => text(tree.root().map_or("", |root| root.resource.service())),
            Self::TraceDuration => Seen::Duration(tree.duration_ns()),
            Self::TraceId => Seen::Trace(tree.trace().id),
            Self::NestedSetLeft => Seen::Int(i64::from(tree.family().bounds[index].0)),
            Self::NestedSetRight => Seen::Int(i64::from(tree.family().bounds[index].1)),
            Self::NestedSetParent => Seen::Int(tree.nested_set_parent(index)),
            Self::EventName => many(&span.events, |event| text(&event.name)),
            Self::EventTimeSinceStart => {
                many(&span.events, |event| Seen::Duration(event.time_ns.saturating_sub(span.start_ns)))
            }
            Self::LinkTraceId => many(&span.links, |link| Seen::Trace(link.trace)),
            Self::LinkSpanId => many(&span.links, |link| Seen::Span(link.span)),
            Self::InstrumentationName => text(&span.scope.name),
            Self::InstrumentationVersion => text(&span.scope.version),
        }
    }
}
