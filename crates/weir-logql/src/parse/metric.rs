//! Queries that answer numbers.

use weir_promql::ast::{BinaryOp, Cardinality, Matching};

use super::{Parser, Result};
use crate::ast::{
    Aggregation, Binary, Expr, Grouping, LabelReplace, LogExpr, LogRange, Metric, RangeAggregation, RangeOp,
    Unwrap, VectorOp,
};
use crate::lex::{Keyword, Kind};

/// What stands in the parentheses of a range aggregation, as far as it has been read.
struct Part {
    logs: LogExpr,
    unwrap: Option<Unwrap>,
    /// Range and offset.
    range: Option<(i64, i64)>,
    /// Whether it stood in parentheses.
    enclosed: bool,
}

impl Parser<'_> {
    /// Operands and operators that bind at least so tightly, and how deep the tree is.
    pub(super) fn operators(&mut self, least: u8) -> Result<(Expr, usize)> {
        let (mut left, mut height) = self.operand()?;
        loop {
            let op = match self.token.kind {
                Kind::Op(op) => op,
                Kind::NotEqual => BinaryOp::NotEqual,
                _ => return Ok((left, height)),
            };
            if op.precedence() < least {
                return Ok((left, height));
            }
            let span = self.advance()?.span;
            let (return_bool, matching) = self.modifiers(op)?;
            // `^` groups to the right.
            let tighter = op.precedence() + u8::from(op != BinaryOp::Pow);
            let (right, right_height) = self.nested(|parser| parser.operators(tighter))?;
            height = height.max(right_height) + 1;
            self.check_height(height)?;
            let side = |name: &str, expr: Expr| {
                match expr {
                Expr::Metric(metric) if op.is_set() && metric.is_literal() => self.error(
                    span,
                    format!("unexpected literal for {name} leg of logical/set binary operation ({})", op.as_str()),
                ),
                Expr::Metric(metric) => Ok(metric),
                Expr::Logs(_) => self.error(
                    span,
                    format!(
                        "unexpected type for {name} leg of binary operation ({}): a log query has no numbers; put an aggregation such as count_over_time(…[5m]) around it",
                        op.as_str()
                    ),
                ),
            }
            };
            let (lhs, rhs) = (side("left", left)?, side("right", right)?);
            left = Expr::Metric(Metric::Binary(Box::new(Binary { op, return_bool, matching, lhs, rhs })));
        }
    }

    fn operand(&mut self) -> Result<(Expr, usize)> {
        let metric = match self.token.kind {
            Kind::LeftBrace => return Ok((Expr::Logs(self.logs()?), 1)),
            Kind::LeftParen => {
                self.advance()?;
                let inner = self.nested(|parser| parser.operators(0))?;
                self.expect(Kind::RightParen, ")")?;
                return Ok(inner);
            }
            Kind::Number | Kind::Op(BinaryOp::Add | BinaryOp::Sub) => Metric::Number(self.literal()?),
            Kind::Vector => {
                self.advance()?;
                self.expect(Kind::LeftParen, "(")?;
                let value = self.number("NUMBER")?;
                self.expect(Kind::RightParen, ")")?;
                Metric::Vector(value)
            }
            Kind::RangeOp(op) => Metric::Range(Box::new(self.range_aggregation(op)?)),
            Kind::VectorOp(op) => {
                let (aggregation, height) = self.nested(|parser| parser.aggregation(op))?;
                self.check_height(height + 1)?;
                return Ok((Expr::Metric(Metric::Aggregate(Box::new(aggregation))), height + 1));
            }
            Kind::LabelReplace => {
                let (replace, height) = self.nested(Self::label_replace)?;
                self.check_height(height + 1)?;
                return Ok((Expr::Metric(Metric::LabelReplace(Box::new(replace))), height + 1));
            }
            _ => return self.unexpected(""),
        };
        Ok((Expr::Metric(metric), 1))
    }

    /// A number that may have a sign.
    pub(super) fn literal(&mut self) -> Result<f64> {
        if self.accept(Kind::Op(BinaryOp::Sub))? {
            return Ok(-self.number("NUMBER")?);
        }
        let _ = self.accept(Kind::Op(BinaryOp::Add))?;
        self.number("NUMBER")
    }

    /// `bool on (a) group_left (b)`
    fn modifiers(&mut self, op: BinaryOp) -> Result<(bool, Matching)> {
        let mut matching = Matching::default();
        if op.is_set() {
            matching.cardinality = Cardinality::ManyToMany;
        }
        let return_bool = self.accept(Kind::Keyword(Keyword::Bool))?;
        matching.on = self.token.kind == Kind::Keyword(Keyword::On);
        if !matching.on && self.token.kind != Kind::Keyword(Keyword::Ignoring) {
            return Ok((return_bool, matching));
        }
        self.advance()?;
        matching.labels = self.labels()?;
        let cardinality = match self.token.kind {
            Kind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Kind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok((return_bool, matching)),
        };
        if op.is_set() {
            return self
                .error(self.token.span, format!("no grouping allowed for \"{}\" operation", op.as_str()));
        }
        matching.cardinality = cardinality;
        self.advance()?;
        if self.token.kind == Kind::LeftParen {
            matching.include = self.labels()?;
        }
        Ok((return_bool, matching))
    }

    /// `(a, b)`
    fn labels(&mut self) -> Result<Vec<Box<str>>> {
        self.expect(Kind::LeftParen, "(")?;
        let mut labels = Vec::new();
        if self.accept(Kind::RightParen)? {
            return Ok(labels);
        }
        loop {
            labels.push(self.identifier(if labels.is_empty() { "IDENTIFIER or )" } else { "IDENTIFIER" })?);
            if self.accept(Kind::RightParen)? {
                return Ok(labels);
            }
            self.expect(Kind::Comma, ") or ,")?;
        }
    }

    /// `by (a)`, `without (a)`, or nothing.
    fn grouping(&mut self) -> Result<Option<Grouping>> {
        let without = self.token.kind == Kind::Keyword(Keyword::Without);
        if !without && self.token.kind != Kind::Keyword(Keyword::By) {
            return Ok(None);
        }
        self.advance()?;
        Ok(Some(Grouping { without, labels: self.labels()? }))
    }

    fn aggregation(&mut self, op: VectorOp) -> Result<(Aggregation, usize)> {
        self.advance()?;
        let mut grouping = self.grouping()?;
        self.expect(Kind::LeftParen, "(")?;
        let count = if self.token.kind == Kind::Number && self.ahead() == Kind::Comma {
            let span = self.token.span;
            let text = self.text_of(span);
            self.advance()?;
            self.advance()?;
            if !op.has_count() {
                let message = format!("unsupported parameter for operation {}({text},", op.as_str());
                return self.error(span, message);
            }
            match text.parse::<u64>() {
                Ok(0) => {
                    let message =
                        format!("invalid parameter (must be greater than 0) {}({text}", op.as_str());
                    return self.error(span, message);
                }
                Ok(count) => Some(count),
                Err(_) => return self.error(span, format!("invalid parameter {}({text},", op.as_str())),
            }
        } else {
            None
        };
        let start = self.token.span;
        let (expr, height) = self.metric()?;
        self.expect(Kind::RightParen, ")")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        if op.has_count() && count.is_none() {
            return self.error(start, format!("parameter required for operation {}", op.as_str()));
        }
        Ok((Aggregation { op, count, grouping, expr }, height))
    }

    fn label_replace(&mut self) -> Result<(LabelReplace, usize)> {
        self.advance()?;
        self.expect(Kind::LeftParen, "(")?;
        let (expr, height) = self.metric()?;
        let mut argument = || {
            self.expect(Kind::Comma, ",")?;
            self.string("STRING")
        };
        let (to, replacement, from, regex) = (argument()?, argument()?, argument()?, argument()?);
        self.expect(Kind::RightParen, ")")?;
        Ok((LabelReplace { expr, to, replacement, from, regex }, height))
    }

    fn range_aggregation(&mut self, op: RangeOp) -> Result<RangeAggregation> {
        self.advance()?;
        self.expect(Kind::LeftParen, "(")?;
        let start = self.token.span;
        let mut quantile = None;
        if self.token.kind == Kind::Number {
            let text = self.text_of(start);
            let value = self.number("NUMBER")?;
            self.expect(Kind::Comma, ",")?;
            if op != RangeOp::Quantile {
                let message = format!("parameter {text} not supported for operation {}", op.as_str());
                return self.error(start, message);
            }
            quantile = Some(value);
        }
        let part = self.nested(Self::log_range)?;
        let Some((range_ns, offset_ns)) = part.range else { return self.unexpected("RANGE") };
        self.expect(Kind::RightParen, ")")?;
        if op == RangeOp::Quantile && quantile.is_none() {
            return self.error(start, format!("parameter required for operation {}", op.as_str()));
        }
        let grouping = self.grouping()?;
        let range = LogRange { logs: part.logs, range_ns, offset_ns, unwrap: part.unwrap };
        Ok(RangeAggregation { op, quantile, range, grouping })
    }

    /// A selector with its pipeline, range and offset: the range may stand behind either.
    fn log_range(&mut self) -> Result<Part> {
        let mut part = if self.accept(Kind::LeftParen)? {
            let inner = self.nested(Self::log_range)?;
            if inner.enclosed && inner.range.is_none() {
                return self.unexpected("RANGE");
            }
            self.expect(Kind::RightParen, ")")?;
            Part { enclosed: true, ..inner }
        } else {
            if self.token.kind != Kind::LeftBrace {
                return self.unexpected("NUMBER or { or (");
            }
            let matchers = self.selector()?;
            let mut stages = Vec::new();
            let unwrap = self.pipeline(&mut stages)?.map(|(unwrap, _)| unwrap);
            Part { logs: LogExpr { matchers, stages }, unwrap, range: None, enclosed: false }
        };
        let Kind::Range(range_ns) = self.token.kind else { return Ok(part) };
        if part.range.is_some() {
            return Ok(part);
        }
        self.advance()?;
        let mut offset_ns = 0;
        if self.accept(Kind::Keyword(Keyword::Offset))? {
            let Kind::Duration(nanos) = self.token.kind else { return self.unexpected("DURATION") };
            self.advance()?;
            offset_ns = nanos;
        }
        part.range = Some((range_ns, offset_ns));
        if part.logs.stages.is_empty() && part.unwrap.is_none() {
            let start = self.token.span;
            part.unwrap = self.pipeline(&mut part.logs.stages)?.map(|(unwrap, _)| unwrap);
            if part.enclosed && !part.logs.stages.is_empty() {
                return self.error(
                    start,
                    "syntax error: a pipeline behind a range needs a selector without parentheses",
                );
            }
        }
        Ok(part)
    }
}
