//! A query to a tree of PromQL and its leaves.

use weir_promql::ast::{self as promql, AggregateOp, BinaryOp, Expr, Span};
use weir_promql::eval::EvalError;
use weir_promql::functions::function;

use crate::ast::{Aggregation, Binary, Grouping, LabelReplace, Metric, RangeAggregation, RangeOp, VectorOp};

/// What a query does.
pub(super) struct Plan<'q> {
    pub(super) expr: Expr,
    pub(super) leaves: Vec<Leaf<'q>>,
}

/// What PromQL does not know.
pub(super) enum Leaf<'q> {
    Range(Range<'q>),
    /// Series of another tree, with NaN in the place of 0: where Loki divides by 0, nothing comes of it, and not infinity.
    NoZeros(Expr),
}

/// A range aggregation, and which labels of its lines count.
pub(super) struct Range<'q> {
    pub(super) aggregation: &'q RangeAggregation,
    pub(super) grouping: Option<&'q Grouping>,
    /// Whether no label counts.
    pub(super) no_labels: bool,
}

pub(super) fn plan(metric: &Metric, is_range: bool) -> Result<Plan<'_>, EvalError> {
    let mut planner = Planner { leaves: Vec::new(), is_range };
    let expr = planner.metric(metric)?;
    Ok(Plan { expr, leaves: planner.leaves })
}

struct Planner<'q> {
    leaves: Vec<Leaf<'q>>,
    is_range: bool,
}

impl<'q> Planner<'q> {
    fn metric(&mut self, metric: &'q Metric) -> Result<Expr, EvalError> {
        if let Some(value) = literal(metric) {
            return Ok(number(value));
        }
        match metric {
            Metric::Number(value) => Ok(number(*value)),
            Metric::Vector(value) => call("vector", vec![number(*value)]),
            Metric::Range(aggregation) => Ok(self.range(aggregation)),
            Metric::Aggregate(aggregation) => self.aggregate(aggregation),
            Metric::Binary(binary) => self.binary(binary),
            Metric::LabelReplace(replace) => self.label_replace(replace),
        }
    }

    fn leaf(&mut self, leaf: Leaf<'q>) -> Expr {
        self.leaves.push(leaf);
        Expr::External(self.leaves.len() - 1)
    }

    fn range(&mut self, aggregation: &'q RangeAggregation) -> Expr {
        let grouping = aggregation.grouping.as_ref();
        let no_labels = aggregation.op == RangeOp::Absent || grouping.is_some_and(is_of_nothing);
        self.leaf(Leaf::Range(Range { aggregation, grouping, no_labels }))
    }

    /// A range aggregation of which only the sum by some labels is wanted: its lines are counted by those at once.
    fn sum(&mut self, aggregation: &'q RangeAggregation, grouping: Option<&'q Grouping>) -> Expr {
        if aggregation.grouping.is_some() || !is_additive(aggregation.op) {
            return self.range(aggregation);
        }
        let no_labels = grouping.is_none_or(is_of_nothing);
        self.leaf(Leaf::Range(Range { aggregation, grouping, no_labels }))
    }

    fn aggregate(&mut self, aggregation: &'q Aggregation) -> Result<Expr, EvalError> {
        let op = match aggregation.op {
            VectorOp::Sum => AggregateOp::Sum,
            VectorOp::Avg => AggregateOp::Avg,
            VectorOp::Min => AggregateOp::Min,
            VectorOp::Max => AggregateOp::Max,
            VectorOp::Count => AggregateOp::Count,
            VectorOp::Stddev => AggregateOp::Stddev,
            VectorOp::Stdvar => AggregateOp::Stdvar,
            VectorOp::ApproxTopK if self.is_range => {
                return Err(EvalError::Query("approx_topk is only supported on instant queries".to_owned()));
            }
            VectorOp::TopK | VectorOp::ApproxTopK => AggregateOp::TopK,
            VectorOp::BottomK => AggregateOp::BottomK,
            order @ (VectorOp::Sort | VectorOp::SortDesc) => {
                let expr = self.metric(&aggregation.expr)?;
                return call(order.as_str(), vec![expr]);
            }
        };
        let grouping = aggregation.grouping.as_ref();
        let expr = match &aggregation.expr {
            Metric::Range(range) if op == AggregateOp::Sum => self.sum(range, grouping),
            other => self.metric(other)?,
        };
        Ok(Expr::Aggregate(Box::new(promql::Aggregate {
            op,
            expr,
            param: aggregation.count.map(|count| number(count as f64)),
            without: grouping.is_some_and(|grouping| grouping.without),
            grouping: grouping.map(|grouping| grouping.labels.clone()).unwrap_or_default(),
            span: Span::default(),
        })))
    }

    fn binary(&mut self, binary: &'q Binary) -> Result<Expr, EvalError> {
        let vectors = !binary.lhs.is_literal() && !binary.rhs.is_literal();
        let lhs = self.metric(&binary.lhs)?;
        let mut rhs = self.metric(&binary.rhs)?;
        if binary.op == BinaryOp::Div {
            rhs = match literal(&binary.rhs) {
                Some(value) => number(if value == 0.0 { f64::NAN } else { value }),
                None => self.leaf(Leaf::NoZeros(rhs)),
            };
        }
        Ok(Expr::Binary(Box::new(promql::Binary {
            op: binary.op,
            lhs,
            rhs,
            return_bool: binary.return_bool && binary.op.is_comparison(),
            matching: vectors.then(|| binary.matching.clone()),
        })))
    }

    fn label_replace(&mut self, replace: &'q LabelReplace) -> Result<Expr, EvalError> {
        let mut args = vec![self.metric(&replace.expr)?];
        let texts = [&replace.to, &replace.replacement, &replace.from, &replace.regex];
        args.extend(texts.map(|text| {
            Expr::String(promql::StringLiteral { value: text.clone(), bytes: None, span: Span::default() })
        }));
        call("label_replace", args)
    }
}

/// Whether no label counts.
fn is_of_nothing(grouping: &Grouping) -> bool {
    !grouping.without && grouping.labels.is_empty()
}

/// Whether the sum over groups is that over lines.
fn is_additive(op: RangeOp) -> bool {
    matches!(op, RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum)
}

fn number(value: f64) -> Expr {
    Expr::Number(promql::Number { value, is_duration: false, span: Span::default() })
}

fn call(name: &str, args: Vec<Expr>) -> Result<Expr, EvalError> {
    let function = function(name).ok_or_else(|| EvalError::Query(format!("unknown function {name}")))?;
    Ok(Expr::Call(promql::Call { function, args, span: Span::default() }))
}

/// The value of a number, written or calculated of such. Comparisons of numbers answer 1 and 0.
#[expect(clippy::float_cmp, reason = "numbers are compared as the language says, to the last bit")]
fn literal(metric: &Metric) -> Option<f64> {
    let binary = match metric {
        Metric::Number(value) => return Some(*value),
        Metric::Binary(binary) => binary,
        _ => return None,
    };
    let (a, b) = (literal(&binary.lhs)?, literal(&binary.rhs)?);
    let truth = |holds: bool| f64::from(u8::from(holds));
    Some(match binary.op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div | BinaryOp::Mod if b == 0.0 => f64::NAN,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Equal => truth(a == b),
        BinaryOp::NotEqual => truth(a != b),
        BinaryOp::Less => truth(a < b),
        BinaryOp::LessOrEqual => truth(a <= b),
        BinaryOp::Greater => truth(a > b),
        BinaryOp::GreaterOrEqual => truth(a >= b),
        _ => return None,
    })
}
