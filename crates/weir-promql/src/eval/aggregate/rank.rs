//! `topk`, `bottomk`, `limitk`, `limit_ratio`: some of the series of each group.

use weir_signal::Labels;
use xxhash_rust::xxh64::xxh64;

use super::Aggregation;
use super::groups::Known;
use crate::ast::{AggregateOp, Expr};
use crate::eval::annotation::Annotation;
use crate::eval::column::Column;
use crate::eval::context::Scalar;
use crate::eval::error::EvalError;

pub(super) fn of(
    aggregation: &Aggregation<'_>,
    params: &Scalar,
    expr: &Expr,
) -> Result<Vec<Column>, EvalError> {
    let Aggregation { context, grid, .. } = *aggregation;
    let held = context.collect(context.vector(expr, grid)?)?;
    if !check(aggregation, params)? {
        return Ok(Vec::new());
    }
    let mut known = Known::default();
    let columns = &held.columns;
    let group_of: Vec<usize> =
        columns.iter().map(|column| known.number(aggregation.grouping.of(&column.labels))).collect();
    let groups = group_of.iter().max().map_or(0, |last| last + 1);
    let mut chosen: Vec<Column> = columns.iter().map(empty_like).collect();
    let offsets: Vec<f64> = if aggregation.op == AggregateOp::LimitRatio {
        columns.iter().map(|column| sampling_offset(&column.labels)).collect()
    } else {
        Vec::new()
    };
    let mut order = Vec::new();
    let mut kept: Vec<Vec<usize>> = vec![Vec::new(); groups];
    for step in 0..grid.len() {
        kept.iter_mut().for_each(Vec::clear);
        let param = params.at(step);
        // NaN was refused; the cast cuts off what is not between.
        let size = (param as usize).min(columns.len());
        for (at, column) in columns.iter().enumerate() {
            if !column.present.get(step) {
                continue;
            }
            let heap = &mut kept[group_of[at]];
            let value = |at: usize| columns[at].values[step];
            match aggregation.op {
                AggregateOp::LimitK => {
                    if heap.len() < size {
                        heap.push(at);
                    }
                }
                AggregateOp::LimitRatio => {
                    if is_sampled(param.clamp(-1.0, 1.0), offsets[at]) {
                        heap.push(at);
                    }
                }
                _ if size == 0 => {}
                _ if column.histogram(step).is_some() => {
                    let remark = Annotation::histogram_ignored(aggregation.span, aggregation.op.as_str());
                    context.annotate(remark);
                }
                AggregateOp::TopK => offer(heap, at, size, |a, b| worse(value(a), value(b))),
                _ => offer(heap, at, size, |a, b| worse(-value(a), -value(b))),
            }
        }
        order.clear();
        for heap in &mut kept {
            match aggregation.op {
                AggregateOp::TopK => sort_best_first(heap, |at| columns[at].values[step]),
                AggregateOp::BottomK => sort_best_first(heap, |at| -columns[at].values[step]),
                _ => {}
            }
            order.extend_from_slice(heap);
        }
        for &at in &order {
            if let Some(cell) = columns[at].cell(step) {
                chosen[at].set_cell(step, cell);
            }
        }
    }
    if grid.is_instant() {
        // Best first.
        return Ok(order.iter().map(|&at| std::mem::take(&mut chosen[at])).collect());
    }
    chosen.retain(|column| !column.is_empty());
    Ok(chosen)
}

fn empty_like(column: &Column) -> Column {
    let mut empty = Column::default();
    empty.reset(column.len());
    empty.labels = column.labels.clone();
    empty.drop_name = column.drop_name;
    empty
}

/// Whether the parameter lets any series through.
fn check(aggregation: &Aggregation<'_>, params: &Scalar) -> Result<bool, EvalError> {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut has_nan = false;
    for param in params.values(aggregation.grid.len()) {
        has_nan |= param.is_nan();
        min = min.min(param);
        max = max.max(param);
    }
    let number = |value: f64| weir_signal::go_g(value).to_string();
    if aggregation.op == AggregateOp::LimitRatio {
        if max == 0.0 && min == 0.0 {
            return Ok(false);
        }
        if has_nan {
            return Err(EvalError::query("Ratio value is NaN"));
        }
        let note = |ratio, capped| {
            aggregation.context.annotate(Annotation::invalid_ratio(aggregation.param_span, ratio, capped));
        };
        if max > 1.0 {
            note(max, 1.0);
        }
        if min < -1.0 {
            note(min, -1.0);
        }
        return Ok(true);
    }
    if has_nan {
        return Err(EvalError::query("Parameter value is NaN"));
    }
    if max < 1.0 {
        return Ok(false);
    }
    if min <= i64::MIN as f64 {
        return Err(EvalError::query(format!("Scalar value {} underflows int64", number(min))));
    }
    // The largest float below 2^63.
    if max >= 9_223_372_036_854_774_784.0 {
        return Err(EvalError::query(format!("Scalar value {} overflows int64", number(max))));
    }
    Ok(true)
}

/// Whether `a` goes before `b` where one has to: NaN first.
fn worse(a: f64, b: f64) -> bool {
    a.is_nan() || a < b
}

/// Puts `at` into a heap of at most `size`, whose worst stands at its top, where there is room or the worst is worse.
///
/// Of equal values, those are kept that Prometheus keeps: the heap is one of the same shape.
fn offer(heap: &mut Vec<usize>, at: usize, size: usize, worse: impl Fn(usize, usize) -> bool) {
    if heap.len() < size {
        heap.push(at);
        let mut child = heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !worse(heap[child], heap[parent]) {
                break;
            }
            heap.swap(child, parent);
            child = parent;
        }
        return;
    }
    // NaN is worse than anything, also than NaN; that one stays.
    if !worse(heap[0], at) || worse(at, heap[0]) {
        return;
    }
    heap[0] = at;
    let mut parent = 0;
    loop {
        let mut child = 2 * parent + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && worse(heap[child + 1], heap[child]) {
            child += 1;
        }
        if !worse(heap[child], heap[parent]) {
            return;
        }
        heap.swap(child, parent);
        parent = child;
    }
}

/// Sorts by falling value, NaN last; of equal values, the first series first.
fn sort_best_first(places: &mut [usize], value: impl Fn(usize) -> f64) {
    places.sort_by(|&a, &b| {
        let (x, y) = (value(a), value(b));
        match (x.is_nan(), y.is_nan()) {
            (false, false) => y.partial_cmp(&x).unwrap_or(std::cmp::Ordering::Equal),
            (x, y) => x.cmp(&y),
        }
        .then(a.cmp(&b))
    });
}

/// Where in [0, 1) a series lies for `limit_ratio`: the same place as in Prometheus, whose hash is that of names and values
/// with a byte of length in front of each, or 255 and three bytes.
fn sampling_offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(length @ 0..=254) => bytes.push(length),
            _ => {
                bytes.push(255);
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

/// Whether a share of the series includes one at `offset`; a negative share is what the positive one leaves.
fn is_sampled(ratio: f64, offset: f64) -> bool {
    if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
}
