//! Functions of one float after the other.

use super::{Call, Column, Context, EvalError, Expr, Grid, Vector, number};
use crate::eval::column::{ColumnStream, without_metadata};
use crate::functions::FunctionId;

pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    use FunctionId as F;
    let function: fn(f64) -> f64 = match call.function.id {
        F::Clamp | F::ClampMin | F::ClampMax => return clamp(context, call, grid),
        F::Round => return round(context, call, grid),
        F::Abs => f64::abs,
        F::Ceil => f64::ceil,
        F::Floor => f64::floor,
        F::Exp => f64::exp,
        F::Sqrt => f64::sqrt,
        F::Ln => f64::ln,
        F::Log2 => f64::log2,
        F::Log10 => f64::log10,
        F::Sin => f64::sin,
        F::Cos => f64::cos,
        F::Tan => f64::tan,
        F::Asin => f64::asin,
        F::Acos => f64::acos,
        F::Atan => f64::atan,
        F::Sinh => f64::sinh,
        F::Cosh => f64::cosh,
        F::Tanh => f64::tanh,
        F::Asinh => f64::asinh,
        F::Acosh => f64::acosh,
        F::Atanh => f64::atanh,
        F::Rad => |value| value * std::f64::consts::PI / 180.0,
        F::Deg => |value| value * 180.0 / std::f64::consts::PI,
        F::Sgn => |value| match value {
            value if value < 0.0 => -1.0,
            value if value > 0.0 => 1.0,
            value => value,
        },
        _ => unreachable!("no other function takes an instant vector alone"),
    };
    floats(context, &call.args[0], grid, move |_, value| function(value))
}

fn clamp<'c>(context: &'c Context<'c>, call: &'c Call, grid: Grid) -> Result<Vector<'c>, EvalError> {
    let bound = |at: usize| context.scalar(&call.args[at], grid);
    let infinite = super::Scalar::Constant(f64::INFINITY);
    let (min, max) = match call.function.id {
        FunctionId::Clamp => (bound(1)?, bound(2)?),
        FunctionId::ClampMin => (bound(1)?, infinite),
        _ => (infinite.map(|bound| -bound), bound(1)?),
    };
    renamed(context, &call.args[0], grid, move |column| {
        column.keep_floats();
        let Column { values, present, .. } = column;
        present.retain(|step| {
            let (min, max) = (min.at(step), max.at(step));
            values[step] = number::max(min, number::min(max, values[step]));
            // Between bounds that cross lies nothing; NaN crosses nothing.
            max >= min || max.is_nan() || min.is_nan()
        });
    })
}

fn round<'c>(context: &'c Context<'c>, call: &'c Call, grid: Grid) -> Result<Vector<'c>, EvalError> {
    let nearest = match call.args.get(1) {
        Some(arg) => context.scalar(arg, grid)?,
        None => super::Scalar::Constant(1.0),
    };
    floats(context, &call.args[0], grid, move |step, value| {
        // Halves go up. Multiplying with the inverse is what Prometheus does, so it rounds alike.
        let inverse = 1.0 / nearest.at(step);
        (value * inverse + 0.5).floor() / inverse
    })
}

/// Each float made into another; histograms are passed over.
pub(super) fn floats<'c>(
    context: &'c Context<'_>,
    arg: &'c Expr,
    grid: Grid,
    with: impl Fn(usize, f64) -> f64 + 'c,
) -> Result<Vector<'c>, EvalError> {
    renamed(context, arg, grid, move |column| {
        column.keep_floats();
        for (step, value) in column.values.iter_mut().enumerate() {
            *value = with(step, *value);
        }
    })
}

/// Each column made into something else, which loses its name.
pub(super) fn renamed<'c>(
    context: &'c Context<'_>,
    arg: &'c Expr,
    grid: Grid,
    with: impl FnMut(&mut Column) + 'c,
) -> Result<Vector<'c>, EvalError> {
    let vector = context.vector(arg, grid)?;
    let columns = Box::new(Renamed::new(context, vector.columns, with));
    Ok(context.renamed(arg, Vector { columns, ..vector }))
}

pub(super) struct Renamed<'c, F> {
    vector: Box<dyn ColumnStream + 'c>,
    with: F,
    delayed: bool,
}

impl<'c, F: FnMut(&mut Column)> Renamed<'c, F> {
    pub(super) fn new(context: &Context<'_>, vector: Box<dyn ColumnStream + 'c>, with: F) -> Self {
        Self { vector, with, delayed: context.options.delayed_name_removal }
    }
}

impl<F: FnMut(&mut Column)> ColumnStream for Renamed<'_, F> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        while self.vector.next(column)? {
            (self.with)(column);
            if column.is_empty() {
                continue;
            }
            if !self.delayed {
                column.labels = without_metadata(&column.labels);
            }
            column.drop_name = true;
            return Ok(true);
        }
        Ok(false)
    }
}
