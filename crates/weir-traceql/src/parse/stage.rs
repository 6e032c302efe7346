//! Pipelines: selections, steps, numbers of sets, and what is measured at the end.
//!
//! Everything outside of braces shares its operators: `>` is a relation between selections, a comparison of numbers, and a
//! limit for series. So parts are read by one rule, whatever they are, and joined by what both sides turn out to be.

use super::{Parser, Read, Result};
use crate::ast::{
    Aggregate, AggregateOp, FieldOp, First, Measure, Metrics, Pipeline, Root, Scalar, ScalarFilter, Second,
    Spans, SpansBinary, SpansOp, Stage,
};
use crate::check;
use crate::eval::calculate;
use crate::lex::{Kind, Place};
use crate::value::Value;

/// What stands between operators.
enum Part {
    Spans(Spans),
    /// A step other than a selection, or several steps.
    Pipeline(Pipeline),
    /// What has an aggregate.
    Scalar(Scalar),
    /// A number without one.
    Number(Value),
    Metrics(Metrics),
}

impl Part {
    fn called(&self) -> &'static str {
        match self {
            Self::Spans(_) => "a selection of spans",
            Self::Pipeline(_) => "a step of a pipeline (which stands behind `|`, or in parentheses)",
            Self::Scalar(_) => "a number of a set of spans",
            Self::Number(_) => "a number",
            Self::Metrics(_) => "a series",
        }
    }
}

/// An operator between two parts: what it would be between each.
#[derive(Clone, Copy)]
struct Between<'a> {
    text: &'a str,
    spans: Option<SpansOp>,
    field: Option<FieldOp>,
}

impl<'a> Between<'a> {
    fn find(text: &'a str) -> Option<Self> {
        let (spans, field) = (SpansOp::find(text), FieldOp::find(text));
        (spans.is_some() || field.is_some()).then_some(Self { text, spans, field })
    }

    fn precedence(self) -> u8 {
        self.spans.map(SpansOp::precedence).or(self.field.map(FieldOp::precedence)).unwrap_or(0)
    }
}

impl Parser<'_> {
    /// All of a query but its hints.
    pub(super) fn root(&mut self) -> Result<Root> {
        let Read { tree, place, .. } = self.pipeline()?;
        match tree {
            Part::Metrics(metrics) => Ok(Root::Metrics(metrics)),
            Part::Spans(spans) => Ok(Root::Spans(Pipeline { stages: vec![Stage::Spans(spans)] })),
            Part::Pipeline(pipeline) => Ok(Root::Spans(pipeline)),
            Part::Number(_) => {
                self.error(place, "a number is no query; spans are selected as in `{ duration > 1s }`")
            }
            Part::Scalar(_) => self.compare_it(place),
        }
    }

    fn compare_it<T>(&self, place: Place) -> Result<T> {
        let text = self.text_of(place);
        self.error(place, format!("`{text}` selects nothing by itself: compare it, as in `count() > 2`"))
    }

    /// Steps one after the other.
    fn pipeline(&mut self) -> Result<Read<Part>> {
        let mut read = self.stage(true)?;
        while self.accept(&Kind::Pipe)? {
            self.refuse_compared(&read)?;
            let stages = match read.tree {
                Part::Metrics(metrics) => {
                    (read.tree, read.height) = self.second(metrics, read.height)?;
                    read.place = read.place.to(self.taken);
                    continue;
                }
                Part::Spans(spans) => vec![Stage::Spans(spans)],
                Part::Pipeline(pipeline) => pipeline.stages,
                Part::Scalar(_) => return self.compare_it(read.place),
                Part::Number(_) => return self.error(read.place, "a number is no step of a pipeline"),
            };
            let mut pipeline = Pipeline { stages };
            if let Some(function) = self.measure()? {
                let by = if let Measure::Compare(_) = function { Vec::new() } else { self.by()? };
                let first = First { pipeline, function, by };
                let metrics = Part::Metrics(Metrics::First(Box::new(first)));
                read = Read {
                    tree: metrics,
                    place: read.place.to(self.taken),
                    height: self.above(read.place, &[read.height])?,
                };
                read = self.limits(read)?;
                continue;
            }
            let next = self.stage(false)?;
            match next.tree {
                Part::Spans(spans) => pipeline.stages.push(Stage::Spans(spans)),
                Part::Pipeline(more) => pipeline.stages.extend(more.stages),
                Part::Scalar(_) => return self.compare_it(next.place),
                other => {
                    let message = format!("{} is no step of a pipeline", other.called());
                    return self.error(next.place, message);
                }
            }
            read = Read {
                tree: Part::Pipeline(pipeline),
                place: read.place.to(next.place),
                height: read.height.max(next.height),
            };
        }
        Ok(read)
    }

    /// One step.
    fn stage(&mut self, is_first: bool) -> Result<Read<Part>> {
        let start = self.token.place;
        let stage = match self.token.kind {
            Kind::Word("by") => {
                self.advance()?;
                self.expect(&Kind::LeftParen, "`(`")?;
                let field = self.field_of_span("sets are made by")?;
                self.expect(&Kind::RightParen, "an operator or `)`")?;
                (Stage::By(field.tree), field.height)
            }
            Kind::Word("coalesce") if is_first => {
                return self.error(
                    start,
                    "`coalesce()` joins sets: select spans first, as in `{ } | by(name) | coalesce()`",
                );
            }
            Kind::Word("coalesce") => {
                self.advance()?;
                self.expect(&Kind::LeftParen, "`(`")?;
                self.expect(&Kind::RightParen, "`)`")?;
                (Stage::Coalesce, 1)
            }
            Kind::Word("select") => {
                self.advance()?;
                (Stage::Select(self.in_parens(Self::attribute)?), 1)
            }
            _ => return self.parts(0),
        };
        let height = self.above(start, &[stage.1])?;
        Ok(Read {
            tree: Part::Pipeline(Pipeline { stages: vec![stage.0] }),
            place: start.to(self.taken),
            height,
        })
    }

    /// Parts whose operators bind at least this tightly.
    fn parts(&mut self, precedence_min: u8) -> Result<Read<Part>> {
        self.nested(|parser| {
            let mut lhs = parser.part()?;
            while let Kind::Op(op) = parser.token.kind
                && let Some(between) = Between::find(op)
                && between.precedence() >= precedence_min
            {
                parser.advance()?;
                let groups_right = between.field == Some(FieldOp::Pow);
                let rhs = parser.parts(between.precedence() + u8::from(!groups_right))?;
                lhs = parser.join_parts(between, lhs, rhs)?;
            }
            Ok(lhs)
        })
    }

    /// What stands between operators.
    fn part(&mut self) -> Result<Read<Part>> {
        let start = self.token.place;
        let number = match self.token.kind {
            Kind::LeftBrace => {
                let filter = self.filter()?;
                return Ok(Read {
                    tree: Part::Spans(Spans::Filter(filter.tree)),
                    place: filter.place,
                    height: filter.height,
                });
            }
            Kind::LeftParen => return self.parenthesised(),
            Kind::Op("-") => {
                self.advance()?;
                let part = self.nested(Self::part)?;
                let negative = match part.tree {
                    Part::Number(Value::Int(value)) => Value::Int(value.wrapping_neg()),
                    Part::Number(Value::Duration(value)) => Value::Duration(value.wrapping_neg()),
                    Part::Number(Value::Float(value)) => Value::Float(-value),
                    _ => return self.error(start.to(part.place), "only a number can have a sign here"),
                };
                return Ok(Read { tree: Part::Number(negative), place: start.to(part.place), height: 1 });
            }
            Kind::Word(word) => {
                if let Some(op) = aggregate_op(word) {
                    return self.aggregate(op);
                }
                return self.unexpected("`{`, `(`, a number, or an aggregate such as `count()`");
            }
            Kind::Int(value) => Value::Int(value),
            Kind::Float(value) => Value::Float(value),
            Kind::Duration(nanos) => Value::Duration(nanos),
            _ => return self.unexpected("`{`, `(`, a number, or an aggregate such as `count()`"),
        };
        self.advance()?;
        Ok(Read { tree: Part::Number(number), place: start, height: 1 })
    }

    fn parenthesised(&mut self) -> Result<Read<Part>> {
        let start = self.advance()?.place;
        let mut read = self.pipeline()?;
        read.place = start.to(self.expect(&Kind::RightParen, "an operator, `|` or `)`")?);
        if let Part::Pipeline(pipeline) = read.tree {
            read.height = self.above(read.place, &[read.height])?;
            read.tree = Part::Spans(Spans::Pipeline(pipeline));
        }
        Ok(read)
    }

    /// `max(duration)`
    fn aggregate(&mut self, op: AggregateOp) -> Result<Read<Part>> {
        let start = self.advance()?.place;
        self.expect(&Kind::LeftParen, "`(`")?;
        let (field, height) = if op == AggregateOp::Count {
            (None, 1)
        } else {
            let field = self.field_of_span("aggregate")?;
            if !check::may_be_number(&field.tree) {
                let text = self.text_of(field.place);
                return self
                    .error(field.place, format!("`{text}` is no number: only `count()` is for all spans"));
            }
            (Some(field.tree), self.above(field.place, &[field.height])?)
        };
        let place = start.to(self.expect(&Kind::RightParen, "`)`")?);
        Ok(Read { tree: Part::Scalar(Scalar::Aggregate(Aggregate { op, field })), place, height })
    }

    /// Two parts made one.
    fn join_parts(&mut self, between: Between<'_>, lhs: Read<Part>, rhs: Read<Part>) -> Result<Read<Part>> {
        let place = lhs.place.to(rhs.place);
        let height = self.above(place, &[lhs.height, rhs.height])?;
        self.refuse_compared(&lhs)?;
        self.refuse_compared(&rhs)?;
        let Between { text, spans, field } = between;
        let comparison = field.filter(|op| op.is_comparison());
        let arithmetic = field.filter(|op| op.is_arithmetic());
        let four = arithmetic.filter(|op| !matches!(op, FieldOp::Mod | FieldOp::Pow));
        let tree = match (lhs.tree, rhs.tree, spans, comparison, arithmetic) {
            (Part::Spans(lhs), Part::Spans(rhs), Some(op), ..) => {
                Part::Spans(Spans::Binary(Box::new(SpansBinary { op, lhs, rhs })))
            }
            (Part::Number(lhs), Part::Number(rhs), _, None, Some(op)) if four.is_some() => {
                Part::Number(self.constant(op, &lhs, &rhs, place)?)
            }
            (Part::Number(lhs), Part::Scalar(rhs), _, None, Some(op)) => scalar(op, Scalar::Value(lhs), rhs),
            (Part::Scalar(lhs), Part::Number(rhs), _, None, Some(op)) => scalar(op, lhs, Scalar::Value(rhs)),
            (Part::Scalar(lhs), Part::Scalar(rhs), _, None, Some(op)) => scalar(op, lhs, rhs),
            (Part::Number(lhs), Part::Scalar(rhs), _, Some(op), _) => filter(op, Scalar::Value(lhs), rhs),
            (Part::Scalar(lhs), Part::Number(rhs), _, Some(op), _) => filter(op, lhs, Scalar::Value(rhs)),
            (Part::Scalar(lhs), Part::Scalar(rhs), _, Some(op), _) => filter(op, lhs, rhs),
            (Part::Metrics(metrics), Part::Number(number), _, Some(op), _) => {
                let number = match number {
                    Value::Duration(nanos) => nanos as f64 / 1e9,
                    other => other.number().unwrap_or(f64::NAN),
                };
                second(metrics, Second::Filter(op, number))
            }
            (Part::Metrics(metrics), Part::Number(number), _, None, Some(op)) if four.is_some() => {
                second(metrics, Second::WithNumber(op, self.plain(&number, place)?))
            }
            (Part::Number(number), Part::Metrics(metrics), _, None, Some(op)) if four.is_some() => {
                second(metrics, Second::NumberWith(self.plain(&number, place)?, op))
            }
            (Part::Metrics(lhs), Part::Metrics(rhs), _, None, Some(op)) if four.is_some() => {
                Part::Metrics(Metrics::Binary(op, Box::new(lhs), Box::new(rhs)))
            }
            (lhs, rhs, ..) => {
                let (lhs, rhs) = (lhs.called(), rhs.called());
                return self.error(place, format!("`{text}` cannot stand between {lhs} and {rhs}"));
            }
        };
        Ok(Read { tree, place, height })
    }

    /// A number calculated from two, while the query is read.
    fn constant(&self, op: FieldOp, lhs: &Value, rhs: &Value, place: Place) -> Result<Value> {
        if matches!(lhs, Value::Duration(_)) || matches!(rhs, Value::Duration(_)) {
            return self.error(place, "durations are not calculated with here; write the result");
        }
        let value = calculate(op, lhs, rhs);
        if value.number().is_some_and(f64::is_finite) {
            return Ok(value);
        }
        self.error(place, "this is no number: a division by zero, or too large")
    }

    /// A number to calculate with series.
    fn plain(&self, number: &Value, place: Place) -> Result<f64> {
        match number {
            Value::Int(_) | Value::Float(_) => Ok(number.number().unwrap_or(f64::NAN)),
            _ => self.error(place, "series are not calculated with a duration; write a number of seconds"),
        }
    }

    /// The series of `compare` are of several kinds: nothing can be done with them.
    fn refuse_compared(&self, read: &Read<Part>) -> Result<()> {
        match &read.tree {
            Part::Metrics(Metrics::First(first)) if matches!(first.function, Measure::Compare(_)) => {
                self.error(read.place, "`compare()` cannot be used with operators, `topk` or `bottomk`")
            }
            _ => Ok(()),
        }
    }

    /// `> 5` behind a series that has no parentheses.
    fn limits(&mut self, mut lhs: Read<Part>) -> Result<Read<Part>> {
        while let Kind::Op(op) = self.token.kind
            && let Some(between) = Between::find(op)
        {
            if !between.field.is_some_and(FieldOp::is_comparison) {
                let message = format!("put parentheses around the series on both sides of `{op}`");
                return self.error(self.token.place, message);
            }
            self.advance()?;
            let rhs = self.parts(between.precedence() + 1)?;
            lhs = self.join_parts(between, lhs, rhs)?;
        }
        Ok(lhs)
    }

    /// `topk(5)`
    fn second(&mut self, metrics: Metrics, height: usize) -> Result<(Part, usize)> {
        let start = self.token.place;
        let Kind::Word(word @ ("topk" | "bottomk")) = self.token.kind else {
            return self.unexpected("`topk` or `bottomk`");
        };
        self.advance()?;
        self.expect(&Kind::LeftParen, "`(`")?;
        let Kind::Int(limit) = self.token.kind else { return self.unexpected("a whole number") };
        let Some(limit) = u32::try_from(limit).ok().filter(|limit| *limit > 0) else {
            return self
                .error(self.token.place, format!("`{word}` keeps at least 1 series and less than 2^32"));
        };
        self.advance()?;
        self.expect(&Kind::RightParen, "`)`")?;
        let height = self.above(start, &[height])?;
        let stage = if word == "topk" { Second::TopK(limit) } else { Second::BottomK(limit) };
        let read = Read { tree: second(metrics, stage), place: start.to(self.taken), height };
        let read = self.limits(read)?;
        Ok((read.tree, read.height))
    }
}

fn scalar(op: FieldOp, lhs: Scalar, rhs: Scalar) -> Part {
    Part::Scalar(Scalar::Binary(op, Box::new(lhs), Box::new(rhs)))
}

fn filter(op: FieldOp, lhs: Scalar, rhs: Scalar) -> Part {
    Part::Pipeline(Pipeline { stages: vec![Stage::Filter(ScalarFilter { op, lhs, rhs })] })
}

fn second(metrics: Metrics, second: Second) -> Part {
    Part::Metrics(Metrics::Second(Box::new(metrics), second))
}

fn aggregate_op(word: &str) -> Option<AggregateOp> {
    Some(match word {
        "count" => AggregateOp::Count,
        "max" => AggregateOp::Max,
        "min" => AggregateOp::Min,
        "avg" => AggregateOp::Avg,
        "sum" => AggregateOp::Sum,
        _ => return None,
    })
}
