//! Functions over the samples of a range.

mod average;
mod change;
mod extended;
mod extended_histogram;
mod histogram_rate;
mod instant_rate;
mod over_time;
mod rate;
mod regression;
mod samples;
mod start;
mod window;

use std::collections::HashSet;

use weir_signal::{Labels, Points, SeriesHints, SeriesSelect};

use super::annotation::Annotation;
use super::column::{Column, ColumnStream, without_metadata};
use super::context::{Context, Needs, Scalar, Vector};
use super::error::EvalError;
use super::grid::Grid;
use super::selector::{Opened, Shift};
use crate::ast::{Call, Duration, Expr, Extension, MatrixSelector, Span, Subquery, VectorSelector};
use crate::functions::FunctionId;

pub(super) use extended::{extend, interpolate};
pub(super) use extended_histogram::between as between_histograms;
pub(super) use samples::Samples;
pub(super) use window::Windows;

/// A call of a function over ranges.
pub(super) struct RangeCall<'c> {
    pub context: &'c Context<'c>,
    pub function: FunctionId,
    pub windows: Windows,
    /// Where remarks point to: the first argument.
    pub span: Span,
    /// The arguments that are numbers, in their order.
    pub params: Vec<Scalar>,
}

/// What a function makes of the samples of one series: fills the column, which is empty.
type Kernel = fn(&RangeCall<'_>, &Samples, &str, &mut Column);

/// Evaluates a call whose argument is a range vector.
pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let ranges = call.args.iter().map(Expr::without_parens).find(|arg| is_range(arg));
    let Some(ranges) = ranges else { unreachable!("the parser gives the function a range vector") };
    let function = call.function.id;
    let (source, windows) = Source::open(context, ranges, grid, call)?;
    let span = match ranges {
        // What a subquery was is not known any more where the remark is made.
        Expr::Subquery(_) if std::ptr::eq(ranges, call.args[0].without_parens()) => Span::default(),
        _ => call.args[0].without_parens().span(),
    };
    let params = call.args.iter().filter(|arg| !is_range(arg.without_parens()));
    let params = params.map(|arg| context.scalar(arg, grid)).collect::<Result<_, _>>()?;
    check_extension(call, windows.extension)?;
    let call = RangeCall { context, function, windows, span, params };
    let columns =
        Ranges { kernel: kernel(function), call, source, samples: Samples::default(), known: HashSet::new() };
    Ok(Vector { columns: Box::new(columns), may_repeat: false })
}

/// Whether an expression is a range vector.
pub(super) fn is_range(expr: &Expr) -> bool {
    matches!(expr, Expr::Matrix(_) | Expr::Subquery(_))
}

fn kernel(function: FunctionId) -> Kernel {
    use FunctionId as F;
    match function {
        F::Rate | F::Increase | F::Delta => rate::rate,
        F::Irate | F::Idelta => instant_rate::instant_rate,
        F::SumOverTime => average::sum,
        F::AvgOverTime => average::average,
        F::CountOverTime => over_time::count,
        F::PresentOverTime | F::AbsentOverTime => over_time::present,
        F::FirstOverTime => over_time::first,
        F::LastOverTime => over_time::last,
        F::MinOverTime | F::MaxOverTime => over_time::extreme,
        F::TsOfMinOverTime | F::TsOfMaxOverTime => over_time::time_of_extreme,
        F::TsOfFirstOverTime => over_time::time_of_first,
        F::TsOfLastOverTime => over_time::time_of_last,
        F::StddevOverTime | F::StdvarOverTime => over_time::variance,
        F::QuantileOverTime => over_time::quantile,
        F::MadOverTime => over_time::median_deviation,
        F::Deriv | F::PredictLinear => regression::linear,
        F::DoubleExponentialSmoothing => regression::double_exponential,
        F::Changes => change::changes,
        F::Resets => change::resets,
        _ => unreachable!("no other function takes a range vector"),
    }
}

fn check_extension(call: &Call, extension: Option<Extension>) -> Result<(), EvalError> {
    use FunctionId as F;
    let is_rate = matches!(call.function.id, F::Rate | F::Increase | F::Delta);
    let (word, names, good) = match extension {
        None => return Ok(()),
        Some(Extension::Anchored) => (
            "anchored",
            "changes, delta, increase, rate, resets",
            is_rate || matches!(call.function.id, F::Changes | F::Resets),
        ),
        Some(Extension::Smoothed) => ("smoothed", "delta, increase, rate", is_rate),
    };
    if good {
        return Ok(());
    }
    let name = call.function.name;
    Err(EvalError::query(format!("{word} modifier can only be used with: {names} - not with {name}")))
}

/// Where the samples of ranges come from.
pub(super) enum Source<'c> {
    Series { series: Opened<'c>, points: Points },
    Subquery { columns: Box<dyn ColumnStream + 'c>, column: Column, grid: Grid },
}

/// A series of a range vector.
pub(super) struct Named {
    pub labels: Labels,
    pub drop_name: bool,
}

impl<'c> Source<'c> {
    fn open(
        context: &'c Context<'c>,
        ranges: &'c Expr,
        grid: Grid,
        call: &Call,
    ) -> Result<(Self, Windows), EvalError> {
        match ranges {
            Expr::Matrix(matrix) => Self::series(context, matrix, grid, Some(call.function.name)),
            Expr::Subquery(subquery) => Self::subquery(context, subquery, grid),
            _ => unreachable!("a range vector is a selector or a subquery"),
        }
    }

    pub(super) fn series(
        context: &'c Context<'c>,
        matrix: &'c MatrixSelector,
        grid: Grid,
        function: Option<&'static str>,
    ) -> Result<(Self, Windows), EvalError> {
        let selector: &VectorSelector = &matrix.selector;
        let windows = Windows {
            grid,
            shift: Shift::of(context, selector),
            range_ms: matrix.range.millis(),
            extension: selector.extension,
            lookback_ms: context.lookback_ms,
        };
        let (after_ms, until_ms) = windows.whole();
        let select = SeriesSelect {
            matchers: selector.matchers.clone(),
            from_ms: after_ms.saturating_add(1),
            to_ms: until_ms,
            hints: SeriesHints { step_ms: context.step_ms, range_ms: windows.range_ms, function },
        };
        let series = Opened::new(context, &select)?;
        Ok((Self::Series { series, points: Points::default() }, windows))
    }

    pub(super) fn subquery(
        context: &'c Context<'c>,
        subquery: &'c Subquery,
        grid: Grid,
    ) -> Result<(Self, Windows), EvalError> {
        let offset_ms = subquery.offset.as_ref().map_or(0, Duration::millis);
        let windows = Windows {
            grid,
            shift: Shift { at: context.at(subquery.at), offset_ms },
            range_ms: subquery.range.millis(),
            extension: None,
            lookback_ms: context.lookback_ms,
        };
        let step_ms = match &subquery.step {
            Some(step) => step.millis(),
            None => context.options.subquery_step_ms,
        }
        .max(1);
        let (after_ms, until_ms) = windows.whole();
        // The first multiple of the step within the range.
        let mut first_ms = after_ms / step_ms * step_ms;
        if first_ms <= after_ms {
            first_ms = first_ms.saturating_add(step_ms);
        }
        let inner = Grid::range(first_ms, until_ms, step_ms);
        // Between the steps of a subquery resets show in buckets only.
        let vector = context.needing(Needs::Buckets, || context.vector(&subquery.expr, inner))?;
        let columns = if vector.may_repeat { context.collect(vector)?.stream() } else { vector.columns };
        Ok((Self::Subquery { columns, column: Column::default(), grid: inner }, windows))
    }

    /// Fills `samples` with the next series.
    pub(super) fn next(
        &mut self,
        context: &Context<'_>,
        samples: &mut Samples,
    ) -> Result<Option<Named>, EvalError> {
        match self {
            Self::Series { series, points } => {
                let Some(labels) = series.next(context, points)? else { return Ok(None) };
                samples.take(points);
                Ok(Some(Named { labels, drop_name: false }))
            }
            Self::Subquery { columns, column, grid } => {
                if !columns.next(column)? {
                    return Ok(None);
                }
                // Nobody read these, but they were made.
                context.scope.budget.charge(column.len() as u64, 0)?;
                forget_resets(column);
                samples.take_column(column, *grid);
                Ok(Some(Named { labels: column.labels.clone(), drop_name: column.drop_name }))
            }
        }
    }
}

/// Between the steps of a subquery resets may be missed, or met twice: what histograms say about resets does not hold for
/// them.
fn forget_resets(column: &mut Column) {
    use weir_signal::ResetHint;
    for (_, histogram) in &mut column.histograms {
        if matches!(histogram.reset_hint, ResetHint::Reset | ResetHint::NotReset) {
            std::sync::Arc::make_mut(histogram).reset_hint = ResetHint::Unknown;
        }
    }
}

struct Ranges<'c> {
    call: RangeCall<'c>,
    kernel: Kernel,
    source: Source<'c>,
    samples: Samples,
    /// Labels that were answered, where names are dropped at once and may thereby become the same.
    known: HashSet<Labels>,
}

impl ColumnStream for Ranges<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        let call = &self.call;
        let delayed = call.context.options.delayed_name_removal;
        // Nobody sees what `absent_over_time` calls the series that are there, so they need not be told apart.
        let keeps_name = matches!(
            call.function,
            FunctionId::LastOverTime | FunctionId::FirstOverTime | FunctionId::AbsentOverTime
        );
        while let Some(Named { labels, drop_name }) = self.source.next(call.context, &mut self.samples)? {
            column.reset(call.windows.grid.len());
            if call.function == FunctionId::DoubleExponentialSmoothing {
                regression::check_factors(call)?;
            }
            (self.kernel)(call, &self.samples, labels.name().unwrap_or_default(), column);
            if column.is_empty() {
                continue;
            }
            note_non_counter(call, &labels, column);
            column.drop_name = drop_name || !keeps_name;
            column.labels = if column.drop_name && !delayed { without_metadata(&labels) } else { labels };
            if !delayed && !self.known.insert(column.labels.clone()) {
                return Err(EvalError::SameLabels);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// Counters end in what says so; others have no rate.
fn note_non_counter(call: &RangeCall<'_>, labels: &Labels, column: &Column) {
    if !matches!(call.function, FunctionId::Rate | FunctionId::Increase) {
        return;
    }
    let Some(name) = labels.name() else { return };
    let has_floats = column.histograms.is_empty() || column.present.count() > column.histograms.len();
    if !has_floats {
        return;
    }
    if call.context.options.type_and_unit_labels {
        let kind = labels.get("__type__").unwrap_or_default();
        if !matches!(kind, "counter" | "histogram") {
            call.context.annotate(Annotation::possible_non_counter_label(call.span, name, kind));
        }
    } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|ending| name.ends_with(ending)) {
        call.context.annotate(Annotation::possible_non_counter(call.span, name));
    }
}
