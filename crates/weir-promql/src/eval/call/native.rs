//! What native histograms say of themselves.

use weir_signal::Histogram;

use super::{Call, Context, EvalError, Grid, Vector, math};
use crate::eval::context::Needs;
use crate::functions::FunctionId;

pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    use FunctionId as F;
    let of: fn(&Histogram) -> f64 = match call.function.id {
        F::HistogramCount => |histogram| histogram.count,
        F::HistogramSum => |histogram| histogram.sum,
        F::HistogramAvg => Histogram::average,
        F::HistogramStddev => Histogram::deviation,
        _ => Histogram::variance,
    };
    let needs = match call.function.id {
        F::HistogramCount | F::HistogramSum | F::HistogramAvg => Needs::Statistics,
        _ => context.needs.get(),
    };
    context.needing(needs, || {
        math::renamed(context, &call.args[0], grid, move |column| {
            column.keep_histograms();
            for (step, histogram) in column.histograms.drain(..) {
                column.values[step as usize] = of(&histogram);
            }
        })
    })
}
