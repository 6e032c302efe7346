//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction`: over native histograms, and over classic ones, whose
//! buckets are series of their own with the upper bound in the label `le`.

use std::collections::HashMap;

use weir_signal::{Labels, QuantileNote};

use super::{Annotation, Call, Column, Context, EvalError, Expr, Grid, Scalar, Vector};
use crate::ast::Span;
use crate::eval::annotation::Monotonicity;
use crate::eval::column::without_metadata;
use crate::eval::context::Needs;
use crate::eval::mask::Mask;
use crate::eval::quantile::{Bucket, Falls, fraction_of_buckets, of_buckets};
use crate::functions::FunctionId;

const BUCKET_LABEL: &str = "le";

/// What is asked of each histogram.
enum Question {
    /// A quantile, and the label to write it into, where there are several.
    Quantile(Scalar, Option<String>),
    Fraction(Scalar, Scalar),
}

pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let scalar = |at: usize| context.scalar(&call.args[at], grid);
    let (arg, questions) = match call.function.id {
        FunctionId::HistogramQuantile => {
            let quantile = scalar(0)?;
            note_invalid(context, &quantile, call.args[0].without_parens().span(), grid);
            (&call.args[1], vec![Question::Quantile(quantile, None)])
        }
        FunctionId::HistogramFraction => (&call.args[2], vec![Question::Fraction(scalar(0)?, scalar(1)?)]),
        _ => {
            let Expr::String(label) = call.args[1].without_parens() else {
                unreachable!("the parser gives the function a text")
            };
            let mut questions = Vec::new();
            for at in 2..call.args.len() {
                let quantile = scalar(at)?;
                note_invalid(context, &quantile, call.args[at].without_parens().span(), grid);
                questions.push(Question::Quantile(quantile, Some(label.value.to_string())));
            }
            (&call.args[0], questions)
        }
    };
    let held = context.collect(context.needing(Needs::Buckets, || context.vector(arg, grid))?)?;
    let span = arg.without_parens().span();
    let histograms = Histograms::of(context, &held.columns, span, grid);
    let mut results = Vec::new();
    for question in &questions {
        histograms.answer(question, &mut results)?;
    }
    let columns = context.held(results)?.stream();
    Ok(Vector { columns, may_repeat: false })
}

fn note_invalid(context: &Context<'_>, quantiles: &Scalar, span: Span, grid: Grid) {
    let note = |quantile: f64| {
        if !(0.0..=1.0).contains(&quantile) {
            context.annotate(Annotation::invalid_quantile(span, quantile));
        }
    };
    match quantiles {
        Scalar::Constant(quantile) => note(*quantile),
        Scalar::Steps(_) => quantiles.values(grid.len()).for_each(note),
    }
}

/// A classic histogram.
struct Classic<'c> {
    /// Without the bound of a bucket.
    labels: Labels,
    /// Ascending by bound.
    buckets: Vec<(f64, &'c Column)>,
    /// Where a native histogram of the same labels stands beside it.
    conflicts: Mask,
}

struct Histograms<'c> {
    context: &'c Context<'c>,
    span: Span,
    grid: Grid,
    natives: Vec<(&'c Column, Mask)>,
    classics: Vec<Classic<'c>>,
}

impl<'c> Histograms<'c> {
    fn of(context: &'c Context<'c>, columns: &'c [Column], span: Span, grid: Grid) -> Self {
        let mut this = Self { context, span, grid, natives: Vec::new(), classics: Vec::new() };
        let mut known: HashMap<Labels, usize> = HashMap::new();
        for column in columns {
            let mut of_floats = column.present.clone();
            column.histograms.iter().for_each(|&(step, _)| of_floats.unset(step as usize));
            if of_floats.is_empty() {
                continue;
            }
            let label = column.labels.get(BUCKET_LABEL).unwrap_or_default();
            let Ok(bound) = label.parse::<f64>() else {
                context.annotate(Annotation::bad_bucket_label(span, this.name(&column.labels), label));
                continue;
            };
            let labels = column.labels.without(|name| name == BUCKET_LABEL);
            let number = *known.entry(labels.clone()).or_insert_with(|| {
                let conflicts = Mask::none(grid.len());
                this.classics.push(Classic { labels, buckets: Vec::new(), conflicts });
                this.classics.len() - 1
            });
            this.classics[number].buckets.push((bound, column));
        }
        for column in columns.iter().filter(|column| !column.histograms.is_empty()) {
            let mut present = Mask::none(grid.len());
            column.histograms.iter().for_each(|&(step, _)| present.set(step as usize));
            if let Some(&number) = known.get(&column.labels) {
                let classic = &mut this.classics[number];
                let mut conflicts = Mask::none(grid.len());
                classic.buckets.iter().for_each(|(_, bucket)| conflicts.or(&bucket.present));
                conflicts.and(&present);
                if !conflicts.is_empty() {
                    let name = if context.options.delayed_name_removal { column.name() } else { "" };
                    context.annotate(Annotation::mixed_classic_native_histograms(span, name));
                    present.and_not(&conflicts);
                    classic.conflicts.or(&conflicts);
                }
            }
            this.natives.push((column, present));
        }
        for classic in &mut this.classics {
            classic.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        }
        this
    }

    /// The name that remarks may tell: none where names are dropped at once.
    fn name<'a>(&self, labels: &'a Labels) -> &'a str {
        if self.context.options.delayed_name_removal { labels.name().unwrap_or_default() } else { "" }
    }

    fn answer(&self, question: &Question, results: &mut Vec<Column>) -> Result<(), EvalError> {
        for (column, present) in &self.natives {
            let labels = self.stripped(&column.labels);
            let mut result = self.empty();
            for (step, histogram) in &column.histograms {
                let step = *step as usize;
                if !present.get(step) {
                    continue;
                }
                let value = self.of_native(question, step, histogram, labels.name().unwrap_or_default());
                result.set(step, value);
            }
            self.push(question, result, &labels, results)?;
        }
        let mut buckets = Vec::new();
        for classic in &self.classics {
            let mut result = self.empty();
            for step in 0..self.grid.len() {
                if classic.conflicts.get(step) {
                    continue;
                }
                buckets.clear();
                for &(bound, column) in &classic.buckets {
                    if column.present.get(step) && column.histogram(step).is_none() {
                        buckets.push(Bucket { bound, count: column.values[step] });
                    }
                }
                if !buckets.is_empty() {
                    result.set(step, self.of_classic(question, step, &mut buckets, &classic.labels));
                }
            }
            self.push(question, result, &self.stripped(&classic.labels), results)?;
        }
        Ok(())
    }

    fn of_native(
        &self,
        question: &Question,
        step: usize,
        histogram: &weir_signal::Histogram,
        name: &str,
    ) -> f64 {
        match question {
            Question::Quantile(quantile, _) => {
                let (value, note) = histogram.quantile(quantile.at(step));
                match note {
                    QuantileNote::None => {}
                    QuantileNote::NanResult => {
                        self.context.annotate(Annotation::quantile_nan_result(self.span, name));
                    }
                    QuantileNote::NanSkew => {
                        self.context.annotate(Annotation::quantile_nan_skew(self.span, name));
                    }
                }
                value
            }
            Question::Fraction(lower, upper) => {
                let (value, has_nans) = histogram.fraction(lower.at(step), upper.at(step));
                if has_nans {
                    self.context.annotate(Annotation::fraction_nans(self.span, name));
                }
                value
            }
        }
    }

    fn of_classic(
        &self,
        question: &Question,
        step: usize,
        buckets: &mut Vec<Bucket>,
        labels: &Labels,
    ) -> f64 {
        match question {
            Question::Quantile(quantile, _) => {
                let (value, falls) = of_buckets(quantile.at(step), buckets);
                if let Some(Falls { bucket_min, bucket_max, difference_max }) = falls {
                    let time = self.grid.time(step);
                    let what = Monotonicity {
                        from_ms: time,
                        to_ms: time,
                        bucket_min,
                        bucket_max,
                        difference_max,
                        samples: 1,
                    };
                    let remark = Annotation::forced_monotonicity(self.span, self.name(labels), what);
                    self.context.annotate(remark);
                }
                value
            }
            Question::Fraction(lower, upper) => fraction_of_buckets(lower.at(step), upper.at(step), buckets),
        }
    }

    fn empty(&self) -> Column {
        let mut column = Column::default();
        column.reset(self.grid.len());
        column
    }

    fn stripped(&self, labels: &Labels) -> Labels {
        if self.context.options.delayed_name_removal { labels.clone() } else { without_metadata(labels) }
    }

    /// Adds a result, one series for each value of the quantile where that is written into a label.
    fn push(
        &self,
        question: &Question,
        result: Column,
        labels: &Labels,
        results: &mut Vec<Column>,
    ) -> Result<(), EvalError> {
        if result.is_empty() {
            return Ok(());
        }
        let Question::Quantile(quantiles, Some(label)) = question else {
            results.push(Column { labels: labels.clone(), drop_name: true, ..result });
            return Ok(());
        };
        let mut parts: Vec<(String, Column)> = Vec::new();
        for step in result.present.steps() {
            let text = open_metrics(quantiles.at(step));
            let at = match parts.iter().position(|(known, _)| *known == text) {
                Some(at) => at,
                None => {
                    parts.push((text, self.empty()));
                    parts.len() - 1
                }
            };
            parts[at].1.set(step, result.values[step]);
        }
        for (text, part) in parts {
            let labels = labels.with(label, &text).map_err(|error| EvalError::query(error.to_string()))?;
            results.push(Column { labels, drop_name: true, ..part });
        }
        Ok(())
    }
}

/// A float as OpenMetrics writes it: with a point or an exponent.
fn open_metrics(value: f64) -> String {
    let text = weir_signal::go_g(value).to_string();
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}
