//! Functions over instant vectors and numbers.

mod absent;
mod buckets;
mod date;
mod info;
mod labels;
mod math;
mod native;
mod natural;
mod sort;

use super::annotation::Annotation;
use super::column::{Column, Columns};
use super::context::{Context, Scalar, Vector};
use super::error::EvalError;
use super::grid::Grid;
use super::selector::{self, Aspect};
use super::{number, range};
use crate::ast::{Call, Expr};
use crate::functions::FunctionId;

/// Evaluates a call that answers an instant vector.
pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    use FunctionId as F;
    match call.function.id {
        F::AbsentOverTime => absent::over_time(context, call, grid),
        _ if call.args.iter().any(|arg| range::is_range(arg.without_parens())) => {
            range::vector(context, call, grid)
        }
        F::Absent => absent::absent(context, call, grid),
        F::Vector => constant(context, &call.args[0], grid),
        F::Timestamp | F::StartTimestamp => timestamp(context, call, grid),
        F::LabelReplace => labels::replace(context, call, grid),
        F::LabelJoin => labels::join(context, call, grid),
        F::Sort | F::SortDesc | F::SortByLabel | F::SortByLabelDesc => sort::sort(context, call, grid),
        F::Info => info::info(context, call, grid),
        F::HistogramQuantile | F::HistogramQuantiles | F::HistogramFraction => {
            buckets::vector(context, call, grid)
        }
        F::HistogramAvg | F::HistogramCount | F::HistogramSum | F::HistogramStddev | F::HistogramStdvar => {
            native::vector(context, call, grid)
        }
        F::DayOfMonth
        | F::DayOfWeek
        | F::DayOfYear
        | F::DaysInMonth
        | F::Hour
        | F::Minute
        | F::Month
        | F::Year => date::vector(context, call, grid),
        _ => math::vector(context, call, grid),
    }
}

/// Evaluates a call that answers a scalar.
pub(super) fn scalar(context: &Context<'_>, call: &Call, grid: Grid) -> Result<Scalar, EvalError> {
    use FunctionId as F;
    let seconds = |millis: i64| millis as f64 / 1000.0;
    Ok(match call.function.id {
        F::Time => Scalar::Steps(grid.times().map(seconds).collect()),
        F::Pi => Scalar::Constant(std::f64::consts::PI),
        F::Start => Scalar::Constant(seconds(context.start_ms)),
        F::End => Scalar::Constant(seconds(context.end_ms)),
        F::Range => Scalar::Constant(seconds(context.end_ms.saturating_sub(context.start_ms))),
        F::Step if context.start_ms == context.end_ms => Scalar::Constant(0.0),
        F::Step => Scalar::Constant(seconds(context.step_ms)),
        F::MaxOf | F::MinOf => {
            let (a, b) = (context.scalar(&call.args[0], grid)?, context.scalar(&call.args[1], grid)?);
            a.zip(b, if call.function.id == F::MaxOf { number::max } else { number::min })
        }
        F::Scalar => only_float(context.vector(&call.args[0], grid)?, grid)?,
        _ => unreachable!("no other function answers a scalar"),
    })
}

/// The float of the only series that has one; NaN at steps where there are none or several.
fn only_float(mut vector: Vector<'_>, grid: Grid) -> Result<Scalar, EvalError> {
    let mut values = vec![f64::NAN; grid.len()];
    let mut counts = vec![0_usize; grid.len()];
    let mut column = Column::default();
    while vector.columns.next(&mut column)? {
        column.keep_floats();
        for step in column.present.steps() {
            counts[step] += 1;
            values[step] = if counts[step] == 1 { column.values[step] } else { f64::NAN };
        }
    }
    Ok(Scalar::Steps(values))
}

/// `vector(scalar)`: a series without labels.
fn constant<'c>(context: &Context<'_>, arg: &Expr, grid: Grid) -> Result<Vector<'c>, EvalError> {
    let scalar = context.scalar(arg, grid)?;
    Ok(without_labels(grid, scalar.values(grid.len()).collect()))
}

fn without_labels<'c>(grid: Grid, values: Vec<f64>) -> Vector<'c> {
    let mut column = Column { values, ..Column::default() };
    column.present.set_all(grid.len());
    Vector { columns: Box::new(Columns::new(vec![column])), may_repeat: false }
}

/// The time of each sample, or when counting began for it. Of what was calculated, the time is that of the step, and nobody
/// knows when counting began.
fn timestamp<'c>(context: &'c Context<'c>, call: &'c Call, grid: Grid) -> Result<Vector<'c>, EvalError> {
    let wants_start = call.function.id == FunctionId::StartTimestamp;
    if wants_start && !context.options.start_timestamps {
        return Ok(Vector { columns: Box::new(Columns::new(Vec::new())), may_repeat: false });
    }
    match call.args[0].without_parens() {
        Expr::Vector(selector) => {
            let aspect = if wants_start { Aspect::StartTime } else { Aspect::Time };
            let vector = selector::aspect(context, selector, grid, aspect)?;
            let columns = Box::new(math::Renamed::new(context, vector.columns, |_| {}));
            Ok(context.renamed(&call.args[0], Vector { columns, ..vector }))
        }
        _ if wants_start => Ok(Vector { columns: Box::new(Columns::new(Vec::new())), may_repeat: false }),
        arg => math::renamed(context, arg, grid, move |column| {
            column.histograms.clear();
            let times = column.values.iter_mut().zip(grid.times());
            times.for_each(|(value, time)| *value = time as f64 / 1000.0);
        }),
    }
}

/// The text that an argument is.
fn text(expr: &Expr) -> &str {
    match expr.without_parens() {
        Expr::String(string) => &string.value,
        _ => unreachable!("the parser gives the function a text"),
    }
}
