//! What a trace needs to have so that a query can select something of it.

use weir_signal::{SpanCondition, SpanField, SpanTest, TraceId, Value as Attached};

use crate::ast::{
    Attribute, AttributeScope, Field, FieldOp, Intrinsic, Metrics, Outcome, Pipeline, Query, Root, Spans,
    SpansOp, Stage,
};
use crate::value::Value;

/// The service of a resource that does not say which it is: there an attribute is missing that has a value all the same.
const NO_SERVICE: &str = "unknown_service";

/// Conditions each of which holds for at least one span of every trace that the query selects something of. They are
/// necessary and not sufficient. For series that are calculated of several selections there are none.
pub fn conditions(query: &Query) -> Vec<SpanCondition> {
    pipeline(query).map(|pipeline| Needed::of(pipeline).conditions).unwrap_or_default()
}

pub(crate) fn pipeline(query: &Query) -> Option<&Pipeline> {
    let mut metrics = match &query.root {
        Root::Spans(pipeline) => return Some(pipeline),
        Root::Metrics(metrics) => metrics,
    };
    loop {
        match metrics {
            Metrics::First(first) => return Some(&first.pipeline),
            Metrics::Second(inner, _) => metrics = inner,
            Metrics::Binary(..) => return None,
        }
    }
}

/// What traces need to have.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// Each once.
    pub(crate) conditions: Vec<SpanCondition>,
    /// The only trace that can be selected.
    pub(crate) trace: Option<TraceId>,
}

impl Needed {
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        let mut needed = Self::default();
        needed.pipeline(pipeline);
        needed
    }

    /// Every selection has to leave something.
    fn pipeline(&mut self, pipeline: &Pipeline) {
        for stage in &pipeline.stages {
            if let Stage::Spans(spans) = stage {
                self.spans(spans);
            }
        }
    }

    fn spans(&mut self, spans: &Spans) {
        match spans {
            Spans::Filter(None) => {}
            Spans::Filter(Some(field)) => self.field(field),
            Spans::Pipeline(pipeline) => self.pipeline(pipeline),
            Spans::Binary(binary) => match binary.op {
                SpansOp::Or => {}
                // The left side may be empty.
                SpansOp::Structural(_, Outcome::Without) => self.spans(&binary.rhs),
                SpansOp::And | SpansOp::Structural(..) => {
                    self.spans(&binary.lhs);
                    self.spans(&binary.rhs);
                }
            },
        }
    }

    /// What has to be true of a span.
    fn field(&mut self, field: &Field) {
        match field {
            Field::Attribute(attribute) => self.need(attribute, SpanTest::Equal(Attached::Bool(true))),
            Field::Exists(field) | Field::Matches(field, _) | Field::MatchesNot(field, _) => {
                if let Field::Attribute(attribute) = &**field {
                    self.exists(attribute);
                }
            }
            Field::Binary(FieldOp::And, lhs, rhs) => {
                self.field(lhs);
                self.field(rhs);
            }
            Field::Binary(op, lhs, rhs) if op.is_comparison() => match (&**lhs, &**rhs) {
                (Field::Attribute(attribute), Field::Value(value)) => self.compared(attribute, *op, value),
                (Field::Value(value), Field::Attribute(attribute)) => {
                    self.compared(attribute, turned(*op), value);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn compared(&mut self, attribute: &Attribute, op: FieldOp, value: &Value) {
        let test = match (op, value.number()) {
            (FieldOp::Equal, _) => match attached(value) {
                Some(value) => SpanTest::Equal(value),
                None => return,
            },
            (FieldOp::Less | FieldOp::LessOrEqual, Some(number)) => SpanTest::AtMost(number),
            (FieldOp::Greater | FieldOp::GreaterOrEqual, Some(number)) => SpanTest::AtLeast(number),
            _ => return self.exists(attribute),
        };
        if let (Attribute::Intrinsic(Intrinsic::TraceId), Value::Text(text), FieldOp::Equal) =
            (attribute, value, op)
        {
            self.trace = self.trace.or(TraceId::parse(text));
        }
        self.need(attribute, test);
    }

    fn exists(&mut self, attribute: &Attribute) {
        if matches!(attribute, Attribute::Named { .. }) {
            self.need(attribute, SpanTest::Exists);
        }
    }

    fn need(&mut self, attribute: &Attribute, test: SpanTest) {
        let Some(field) = field_of(attribute, &test) else { return };
        let condition = SpanCondition { field, test };
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }
}

/// Where the store looks for an attribute; `None` where it has no such place.
fn field_of(attribute: &Attribute, test: &SpanTest) -> Option<SpanField> {
    let is_service = |name: &str| name == "service.name";
    match attribute {
        Attribute::Named { scope: AttributeScope::Span, name, .. } => Some(SpanField::Span(name.clone())),
        Attribute::Named { scope: AttributeScope::Resource, name, .. } if is_service(name) => {
            Some(SpanField::Service)
        }
        Attribute::Named { scope: AttributeScope::Resource, name, .. } => {
            Some(SpanField::Resource(name.clone()))
        }
        Attribute::Named { scope: AttributeScope::Either, name, .. } => {
            let may_be_missing = is_service(name)
                && match test {
                    SpanTest::Exists => true,
                    SpanTest::Equal(value) => value.as_str() == Some(NO_SERVICE),
                    SpanTest::AtLeast(_) | SpanTest::AtMost(_) => false,
                };
            (!may_be_missing).then(|| SpanField::Either(name.clone()))
        }
        Attribute::Intrinsic(intrinsic) => {
            // A trace whose root has not come has an empty one.
            let is_empty = matches!(test, SpanTest::Equal(Attached::String(text)) if text.is_empty());
            match intrinsic {
                Intrinsic::Name => Some(SpanField::Name),
                Intrinsic::RootName if !is_empty => Some(SpanField::Name),
                Intrinsic::RootService if !is_empty => Some(SpanField::Service),
                Intrinsic::Duration => Some(SpanField::Duration),
                Intrinsic::Status => Some(SpanField::Status),
                Intrinsic::Kind => Some(SpanField::Kind),
                _ => None,
            }
        }
        Attribute::Named { .. } => None,
    }
}

/// A value as the store compares it.
fn attached(value: &Value) -> Option<Attached> {
    Some(match value {
        Value::Int(value) | Value::Duration(value) => Attached::Int(*value),
        Value::Float(value) => Attached::Double(*value),
        Value::Text(text) => Attached::String(text.clone()),
        Value::Bool(value) => Attached::Bool(*value),
        Value::Status(status) => Attached::String(status.as_str().into()),
        Value::Kind(kind) => Attached::String(kind.as_str().into()),
        Value::Nil | Value::Array(_) => return None,
    })
}

/// The comparison with its sides exchanged.
fn turned(op: FieldOp) -> FieldOp {
    match op {
        FieldOp::Less => FieldOp::Greater,
        FieldOp::LessOrEqual => FieldOp::GreaterOrEqual,
        FieldOp::Greater => FieldOp::Less,
        FieldOp::GreaterOrEqual => FieldOp::LessOrEqual,
        other => other,
    }
}
