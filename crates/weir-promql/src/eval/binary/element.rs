//! What an operator makes of two samples.

use std::sync::Arc;

use weir_signal::{Histogram, Joined, MixedSchemas};

use super::Operator;
use crate::ast::BinaryOp;
use crate::eval::annotation::{Annotation, HistogramOperation};
use crate::eval::column::Cell;

/// The result between two numbers; comparisons answer 0 and 1.
pub(in crate::eval) fn scalars(op: BinaryOp, a: f64, b: f64) -> f64 {
    match calculate(op) {
        Some(calculate) => calculate(a, b),
        None => f64::from(u8::from(compare(op).is_some_and(|compare| compare(a, b)))),
    }
}

/// The calculation of an operator that has one.
pub(super) fn calculate(op: BinaryOp) -> Option<fn(f64, f64) -> f64> {
    Some(match op {
        BinaryOp::Add => |a, b| a + b,
        BinaryOp::Sub => |a, b| a - b,
        BinaryOp::Mul => |a, b| a * b,
        BinaryOp::Div => |a, b| a / b,
        BinaryOp::Mod => |a, b| a % b,
        BinaryOp::Pow => power,
        BinaryOp::Atan2 => f64::atan2,
        _ => return None,
    })
}

/// IEEE 754 has `pow(±1, ±Inf) = 1` as Go has.
fn power(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// The comparison of an operator that is one.
pub(super) fn compare(op: BinaryOp) -> Option<fn(f64, f64) -> bool> {
    Some(match op {
        BinaryOp::Equal => |a, b| a == b,
        BinaryOp::NotEqual => |a, b| a != b,
        BinaryOp::Less => |a, b| a < b,
        BinaryOp::LessOrEqual => |a, b| a <= b,
        BinaryOp::Greater => |a, b| a > b,
        BinaryOp::GreaterOrEqual => |a, b| a >= b,
        _ => return None,
    })
}

/// What came of two samples.
pub(super) enum Outcome {
    /// A sample, and what there is to remark about it.
    Keep(Cell, Option<Annotation>),
    /// A comparison that does not hold.
    Drop,
    /// These samples cannot be joined, and why.
    Incompatible(Annotation),
}

impl Operator<'_> {
    /// Joins two samples. A comparison answers the left one.
    pub(super) fn join(&self, lhs: Cell, rhs: Cell) -> Outcome {
        match (lhs, rhs) {
            (Cell::Float(a), Cell::Float(b)) => self.floats(a, b),
            (Cell::Float(a), Cell::Histogram(b)) => match self.op {
                BinaryOp::Mul => changed(b, |b| b.mul(a)),
                _ => self.incompatible("float", "histogram"),
            },
            (Cell::Histogram(a), Cell::Float(b)) => self.histogram_and_float(a, b),
            (Cell::Histogram(a), Cell::Histogram(b)) => self.histograms(a, &b),
        }
    }

    fn floats(&self, a: f64, b: f64) -> Outcome {
        if let Some(calculate) = calculate(self.op) {
            return Outcome::Keep(Cell::Float(calculate(a, b)), None);
        }
        match compare(self.op) {
            Some(compare) if compare(a, b) => Outcome::Keep(Cell::Float(a), None),
            Some(_) => Outcome::Drop,
            None => self.incompatible("float", "float"),
        }
    }

    fn histogram_and_float(&self, a: Arc<Histogram>, b: f64) -> Outcome {
        let mut a = a;
        match self.op {
            BinaryOp::Mul => changed(a, |a| a.mul(b)),
            BinaryOp::Div => changed(a, |a| a.div(b)),
            BinaryOp::TrimUpper => {
                Arc::make_mut(&mut a).trim_upper(b);
                Outcome::Keep(Cell::Histogram(a), None)
            }
            BinaryOp::TrimLower => {
                Arc::make_mut(&mut a).trim_lower(b);
                Outcome::Keep(Cell::Histogram(a), None)
            }
            _ => self.incompatible("histogram", "float"),
        }
    }

    fn histograms(&self, mut a: Arc<Histogram>, b: &Histogram) -> Outcome {
        let operation = match self.op {
            BinaryOp::Add => HistogramOperation::Add,
            BinaryOp::Sub => HistogramOperation::Sub,
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let holds = a.same_as(b) == (self.op == BinaryOp::Equal);
                return if holds { Outcome::Keep(Cell::Histogram(a), None) } else { Outcome::Drop };
            }
            _ => return self.incompatible("histogram", "histogram"),
        };
        let own = Arc::make_mut(&mut a);
        let joined = match operation {
            HistogramOperation::Sub => own.sub(b),
            _ => own.add(b),
        };
        if operation == HistogramOperation::Sub {
            own.reset_hint = weir_signal::ResetHint::Gauge;
        }
        own.compact();
        match joined {
            // Prometheus drops these for their warning.
            Ok(Joined { hints_collide: true, .. }) => {
                Outcome::Incompatible(Annotation::reset_collision(self.span, operation))
            }
            Ok(Joined { bounds_reconciled, .. }) => {
                let remark = bounds_reconciled.then(|| Annotation::mismatched_bounds(self.span, operation));
                Outcome::Keep(Cell::Histogram(a), remark)
            }
            Err(MixedSchemas) => {
                Outcome::Incompatible(Annotation::incompatible_buckets(self.span, self.op.as_str()))
            }
        }
    }

    fn incompatible(&self, left: &str, right: &str) -> Outcome {
        Outcome::Incompatible(Annotation::incompatible_types(self.span, left, self.op.as_str(), right))
    }
}

fn changed(mut histogram: Arc<Histogram>, change: impl FnOnce(&mut Histogram)) -> Outcome {
    let own = Arc::make_mut(&mut histogram);
    change(own);
    own.compact();
    Outcome::Keep(Cell::Histogram(histogram), None)
}
