//! Trees as text.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{
    Aggregate, Attribute, AttributeScope, COMPARISON_PRECEDENCE, Compare, Field, FieldOp, First, Hint,
    Measure, Metrics, Pipeline, Query, Root, SUM_PRECEDENCE, Scalar, ScalarFilter, Second, Spans, SpansOp,
    Stage,
};
use crate::lex::{is_name_char, quote};
use crate::value::Value;

/// The query on one line, with parentheses where they are needed and nowhere else. It reads as the same tree again.
pub fn print(query: &Query) -> String {
    query.to_string()
}

/// An attribute as queries write it, and as answers call it: `span.http.url`, `.a`, `duration`.
pub fn print_attribute(attribute: &Attribute) -> String {
    attribute.to_string()
}

impl Display for Query {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Spans(pipeline) => write!(out, "{pipeline}")?,
            Root::Metrics(metrics) => write!(out, "{metrics}")?,
        }
        if self.hints.is_empty() { Ok(()) } else { write!(out, " with ({})", Commas(&self.hints)) }
    }
}

impl Display for Hint {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.name, Literal(&self.value))
    }
}

/// Things with commas between.
struct Commas<'a, T>(&'a [T]);

impl<T: Display> Display for Commas<'_, T> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, each) in self.0.iter().enumerate() {
            out.write_str(if index > 0 { ", " } else { "" })?;
            write!(out, "{each}")?;
        }
        Ok(())
    }
}

impl Display for Pipeline {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, stage) in self.stages.iter().enumerate() {
            out.write_str(if index > 0 { " | " } else { "" })?;
            write!(out, "{stage}")?;
        }
        Ok(())
    }
}

impl Display for Stage {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spans(spans) => spans.write(out, 0),
            Self::Filter(ScalarFilter { op, lhs, rhs }) => {
                lhs.write(out, COMPARISON_PRECEDENCE + 1)?;
                write!(out, " {} ", op.as_str())?;
                rhs.write(out, COMPARISON_PRECEDENCE + 1)
            }
            Self::By(field) => write!(out, "by({field})"),
            Self::Coalesce => out.write_str("coalesce()"),
            Self::Select(attributes) => write!(out, "select({})", Commas(attributes)),
        }
    }
}

/// Writes something that binds with a precedence where one of at least `precedence_min` is needed.
fn in_parens(
    out: &mut Formatter<'_>,
    precedence: u8,
    precedence_min: u8,
    write: impl FnOnce(&mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if precedence >= precedence_min {
        return write(out);
    }
    out.write_char('(')?;
    write(out)?;
    out.write_char(')')
}

/// What both sides of an operator have to bind with at least.
fn sides(op: FieldOp) -> (u8, u8) {
    let precedence = op.precedence();
    let groups_right = op == FieldOp::Pow;
    (precedence + u8::from(groups_right), precedence + u8::from(!groups_right))
}

impl Spans {
    fn write(&self, out: &mut Formatter<'_>, precedence_min: u8) -> fmt::Result {
        match self {
            Self::Filter(None) => out.write_str("{ }"),
            Self::Filter(Some(field)) => write!(out, "{{ {field} }}"),
            Self::Pipeline(pipeline) => write!(out, "({pipeline})"),
            Self::Binary(binary) => {
                let precedence = SpansOp::precedence(binary.op);
                in_parens(out, precedence, precedence_min, |out| {
                    binary.lhs.write(out, precedence)?;
                    write!(out, " {} ", binary.op.as_str())?;
                    binary.rhs.write(out, precedence + 1)
                })
            }
        }
    }
}

impl Scalar {
    fn write(&self, out: &mut Formatter<'_>, precedence_min: u8) -> fmt::Result {
        match self {
            Self::Value(value) => write!(out, "{}", Literal(value)),
            Self::Aggregate(aggregate) => write!(out, "{aggregate}"),
            Self::Binary(op, lhs, rhs) => in_parens(out, op.precedence(), precedence_min, |out| {
                lhs.write(out, sides(*op).0)?;
                write!(out, " {} ", op.as_str())?;
                rhs.write(out, sides(*op).1)
            }),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.field {
            None => write!(out, "{}()", self.op.as_str()),
            Some(field) => write!(out, "{}({field})", self.op.as_str()),
        }
    }
}

impl Display for Field {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.write(out, 0)
    }
}

impl Field {
    fn write(&self, out: &mut Formatter<'_>, precedence_min: u8) -> fmt::Result {
        match self {
            Self::Value(value) => {
                // Its sign takes in what follows.
                let precedence = if Literal(value).has_sign() { SUM_PRECEDENCE } else { u8::MAX };
                in_parens(out, precedence, precedence_min, |out| write!(out, "{}", Literal(value)))
            }
            Self::Attribute(attribute) => write!(out, "{attribute}"),
            Self::Not(field) => in_parens(out, SUM_PRECEDENCE, precedence_min, |out| {
                out.write_char('!')?;
                field.write(out, u8::MAX)
            }),
            Self::Negative(field) => in_parens(out, SUM_PRECEDENCE, precedence_min, |out| {
                out.write_char('-')?;
                field.write(out, u8::MAX)
            }),
            Self::Exists(field) => comparison(out, field, "!= nil", precedence_min),
            Self::Missing(field) => comparison(out, field, "= nil", precedence_min),
            Self::Matches(field, pattern) => {
                comparison(out, field, &format!("=~ {}", quote(pattern.as_str())), precedence_min)
            }
            Self::MatchesNot(field, pattern) => {
                comparison(out, field, &format!("!~ {}", quote(pattern.as_str())), precedence_min)
            }
            Self::Binary(op, lhs, rhs) => in_parens(out, op.precedence(), precedence_min, |out| {
                lhs.write(out, sides(*op).0)?;
                write!(out, " {} ", op.as_str())?;
                rhs.write(out, sides(*op).1)
            }),
        }
    }
}

fn comparison(out: &mut Formatter<'_>, field: &Field, with: &str, precedence_min: u8) -> fmt::Result {
    in_parens(out, COMPARISON_PRECEDENCE, precedence_min, |out| {
        field.write(out, COMPARISON_PRECEDENCE)?;
        write!(out, " {with}")
    })
}

/// A value as a query writes it.
struct Literal<'a>(&'a Value);

impl Literal<'_> {
    fn has_sign(&self) -> bool {
        match self.0 {
            // That one has a name.
            Value::Int(i64::MIN) => false,
            Value::Int(value) | Value::Duration(value) => *value < 0,
            Value::Float(value) => value.is_sign_negative(),
            _ => false,
        }
    }
}

impl Display for Literal<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Int(i64::MIN) => out.write_str("minInt"),
            // With a point or an exponent, which tells it from a whole number.
            Value::Float(value) => write!(out, "{value:?}"),
            Value::Text(text) => out.write_str(&quote(text)),
            other => write!(out, "{other}"),
        }
    }
}

impl Display for Attribute {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (of_parent, scope, name) = match self {
            Self::Intrinsic(intrinsic) => return out.write_str(intrinsic.as_str()),
            Self::Named { of_parent, scope, name } => (*of_parent, *scope, name),
        };
        if of_parent {
            out.write_str("parent")?;
            if scope != AttributeScope::Either {
                out.write_char('.')?;
            }
        }
        write!(out, "{}.", scope.as_str())?;
        // What would be read as a number, or as a scope.
        let is_odd = match scope {
            AttributeScope::Either if of_parent => name.starts_with("span.") || name.starts_with("resource."),
            AttributeScope::Either => name.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        };
        if !is_odd && !name.is_empty() && name.chars().all(|c| is_name_char(c) && c != '"') {
            return out.write_str(name);
        }
        out.write_char('"')?;
        for c in name.chars() {
            if matches!(c, '"' | '\\') {
                out.write_char('\\')?;
            }
            out.write_char(c)?;
        }
        out.write_char('"')
    }
}

impl Display for Metrics {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(first) => write!(out, "{first}"),
            Self::Second(metrics, Second::TopK(limit)) => write!(out, "{metrics} | topk({limit})"),
            Self::Second(metrics, Second::BottomK(limit)) => write!(out, "{metrics} | bottomk({limit})"),
            Self::Second(metrics, Second::Filter(op, number)) => {
                write!(out, "{metrics} {} {}", op.as_str(), Number(*number))
            }
            Self::Second(metrics, Second::WithNumber(op, number)) => {
                metrics.operand(out, sides(*op).0)?;
                write!(out, " {} {}", op.as_str(), Number(*number))
            }
            Self::Second(metrics, Second::NumberWith(number, op)) => {
                write!(out, "{} {} ", Number(*number), op.as_str())?;
                metrics.operand(out, sides(*op).1)
            }
            Self::Binary(op, lhs, rhs) => {
                lhs.operand(out, sides(*op).0)?;
                write!(out, " {} ", op.as_str())?;
                rhs.operand(out, sides(*op).1)
            }
        }
    }
}

impl Metrics {
    fn operand(&self, out: &mut Formatter<'_>, precedence_min: u8) -> fmt::Result {
        let precedence = match self {
            Self::Binary(op, ..) | Self::Second(_, Second::WithNumber(op, _) | Second::NumberWith(_, op)) => {
                op.precedence()
            }
            Self::First(_) | Self::Second(..) => 0,
        };
        in_parens(out, precedence, precedence_min, |out| write!(out, "{self}"))
    }
}

/// A number beside series, whole where it is whole.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let is_whole = self.0.fract() == 0.0 && self.0.abs() < 1e15;
        if is_whole { write!(out, "{}", self.0) } else { write!(out, "{:?}", self.0) }
    }
}

impl Display for First {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} | {}", self.pipeline, self.function)?;
        if self.by.is_empty() { Ok(()) } else { write!(out, " by ({})", Commas(&self.by)) }
    }
}

impl Display for Measure {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => out.write_str("rate()"),
            Self::Count => out.write_str("count_over_time()"),
            Self::Min(attribute) => write!(out, "min_over_time({attribute})"),
            Self::Max(attribute) => write!(out, "max_over_time({attribute})"),
            Self::Sum(attribute) => write!(out, "sum_over_time({attribute})"),
            Self::Avg(attribute) => write!(out, "avg_over_time({attribute})"),
            Self::Histogram(attribute) => write!(out, "histogram_over_time({attribute})"),
            Self::Quantile(attribute, quantiles) => {
                write!(out, "quantile_over_time({attribute}, {})", Commas(quantiles))
            }
            Self::Compare(compare) => {
                let Compare { selection, top, within } = &**compare;
                out.write_str("compare(")?;
                Spans::Filter(selection.clone()).write(out, 0)?;
                match within {
                    Some((from, to)) => write!(out, ", {top}, {from}, {to})"),
                    None => write!(out, ", {top})"),
                }
            }
        }
    }
}
