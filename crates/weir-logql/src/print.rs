//! Tree to text.
//!
//! What is printed reads as the same tree. The broken form puts each stage and each argument on a line of its own, where
//! all of them together are longer than a line.

use std::fmt::Write as _;

use weir_promql::ast::{BinaryOp, Cardinality};
use weir_signal::Matcher;

use crate::ast::{
    Aggregation, Binary, Conversion, Expr, Extraction, Grouping, LabelFilter, LabelFormat, LabelPick,
    LineTest, LogExpr, LogRange, Metric, RangeAggregation, Stage, VectorOp,
};
use crate::quote::quote;
use crate::units::{format_bytes, format_duration};

/// How many characters a line has at most, where it can be broken.
const WIDTH: usize = 100;

/// A query in one line.
pub fn print(expr: &Expr) -> String {
    match expr {
        Expr::Logs(logs) => print_logs(logs),
        Expr::Metric(metric) => print_metric(metric),
    }
}

/// A query in lines of at most 100 characters where that can be.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    match expr {
        Expr::Logs(logs) => pretty_logs(&mut out, logs, 0),
        Expr::Metric(metric) => pretty_metric(&mut out, metric, 0),
    }
    out
}

pub(crate) fn print_logs(logs: &LogExpr) -> String {
    let mut out = selector(&logs.matchers);
    for stage in &logs.stages {
        out.push(' ');
        out.push_str(&print_stage(stage));
    }
    out
}

fn selector(matchers: &[Matcher]) -> String {
    let matchers: Vec<_> = matchers.iter().map(print_matcher).collect();
    format!("{{{}}}", matchers.join(", "))
}

fn print_matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", matcher.name(), matcher.op().as_str(), quote(matcher.value()))
}

/// A stage with the sign that it begins with.
pub(crate) fn print_stage(stage: &Stage) -> String {
    match stage {
        Stage::LineFilter(filter) => {
            let tests: Vec<_> = filter.alternatives.iter().map(print_test).collect();
            format!("{} {}", filter.op.as_str(), tests.join(" or "))
        }
        Stage::Json(extractions) => format!("| json{}", print_extractions(extractions)),
        Stage::Logfmt(logfmt) => {
            let strict = if logfmt.strict { " --strict" } else { "" };
            let keep = if logfmt.keep_empty { " --keep-empty" } else { "" };
            format!("| logfmt{strict}{keep}{}", print_extractions(&logfmt.extractions))
        }
        Stage::Pattern(pattern) => format!("| pattern {}", quote(pattern)),
        Stage::Regexp(regex) => format!("| regexp {}", quote(regex)),
        Stage::Unpack => "| unpack".to_owned(),
        Stage::LabelFilter(filter) => format!("| {}", print_filter(filter, false)),
        Stage::LineFormat(template) => format!("| line_format {}", quote(template)),
        Stage::LabelFormat(formats) => {
            let formats: Vec<_> = formats
                .iter()
                .map(|format| match format {
                    LabelFormat::Rename { to, from } => format!("{to}={from}"),
                    LabelFormat::Template { label, template } => format!("{label}={}", quote(template)),
                })
                .collect();
            format!("| label_format {}", formats.join(", "))
        }
        Stage::Decolorize => "| decolorize".to_owned(),
        Stage::Drop(picks) => format!("| drop {}", print_picks(picks)),
        Stage::Keep(picks) => format!("| keep {}", print_picks(picks)),
    }
}

fn print_test(test: &LineTest) -> String {
    match test {
        LineTest::Text(text) => quote(text),
        LineTest::Ip(pattern) => format!("ip({})", quote(pattern)),
    }
}

fn print_extractions(extractions: &[Extraction]) -> String {
    let all: Vec<_> = extractions.iter().map(|one| format!("{}={}", one.label, quote(&one.path))).collect();
    if all.is_empty() { String::new() } else { format!(" {}", all.join(", ")) }
}

fn print_picks(picks: &[LabelPick]) -> String {
    let picks: Vec<_> = picks
        .iter()
        .map(|pick| match pick {
            LabelPick::Name(name) => name.to_string(),
            LabelPick::Match(matcher) => print_matcher(matcher),
        })
        .collect();
    picks.join(", ")
}

/// A test of labels, in parentheses where it is within another and several.
fn print_filter(filter: &LabelFilter, within: bool) -> String {
    let join = |all: &[LabelFilter], word: &str| {
        let all: Vec<_> = all.iter().map(|one| print_filter(one, true)).collect();
        let all = all.join(word);
        if within { format!("({all})") } else { all }
    };
    match filter {
        LabelFilter::Match(matcher) => print_matcher(matcher),
        LabelFilter::Number(label, compare, value) => format!("{label}{}{value}", compare.as_str()),
        LabelFilter::Duration(label, compare, nanos) => {
            format!("{label}{}{}", compare.as_str(), format_duration(*nanos))
        }
        LabelFilter::Bytes(label, compare, bytes) => {
            format!("{label}{}{}", compare.as_str(), format_bytes(*bytes))
        }
        LabelFilter::Ip { label, negated, pattern } => {
            format!("{label}{}ip({})", if *negated { "!=" } else { "=" }, quote(pattern))
        }
        LabelFilter::And(all) => join(all, " and "),
        LabelFilter::Or(any) => join(any, " or "),
    }
}

fn print_metric(metric: &Metric) -> String {
    match metric {
        Metric::Number(value) => format!("{value}"),
        Metric::Vector(value) => format!("vector({value})"),
        Metric::Range(range) => {
            let quantile = range.quantile.map(|value| format!("{value}, ")).unwrap_or_default();
            let grouping = range.grouping.as_ref().map(print_grouping).unwrap_or_default();
            format!("{}({quantile}{}){grouping}", range.op.as_str(), print_range(&range.range))
        }
        Metric::Aggregate(aggregation) => {
            let count = aggregation.count.map(|count| format!("{count}, ")).unwrap_or_default();
            format!("{}({count}{})", aggregation_head(aggregation), print_metric(&aggregation.expr))
        }
        Metric::LabelReplace(replace) => {
            let texts = [&replace.to, &replace.replacement, &replace.from, &replace.regex];
            let texts: Vec<_> = texts.iter().map(|text| quote(text)).collect();
            format!("label_replace({}, {})", print_metric(&replace.expr), texts.join(", "))
        }
        Metric::Binary(binary) => {
            let (left, right) = sides(binary);
            let lhs = enclose(print_metric(&binary.lhs), left);
            format!("{lhs} {} {}", print_operator(binary), enclose(print_metric(&binary.rhs), right))
        }
    }
}

/// `sum by (a)`
fn aggregation_head(aggregation: &Aggregation) -> String {
    let grouping = aggregation.grouping.as_ref().map(print_grouping).unwrap_or_default();
    // A parenthesis right behind an order is its argument's.
    let space = if grouping.is_empty() || matches!(aggregation.op, VectorOp::Sort | VectorOp::SortDesc) {
        ""
    } else {
        " "
    };
    format!("{}{grouping}{space}", aggregation.op.as_str())
}

fn print_grouping(grouping: &Grouping) -> String {
    format!(" {} ({})", if grouping.without { "without" } else { "by" }, grouping.labels.join(", "))
}

fn print_range(range: &LogRange) -> String {
    let mut out = print_logs(&range.logs);
    for stage in unwrap_stages(range) {
        let _ = write!(out, " {stage}");
    }
    let space = if out.ends_with('}') { "" } else { " " };
    out.push_str(space);
    out + &print_bounds(range)
}

/// `[5m] offset 1h`
fn print_bounds(range: &LogRange) -> String {
    let offset = match range.offset_ns {
        0 => String::new(),
        nanos => format!(" offset {}", format_duration(nanos)),
    };
    format!("[{}]{offset}", format_duration(range.range_ns))
}

/// `| unwrap a`, and each test behind it.
fn unwrap_stages(range: &LogRange) -> Vec<String> {
    let Some(unwrap) = &range.unwrap else { return Vec::new() };
    let label = &unwrap.label;
    let mut stages = vec![match unwrap.conversion {
        Conversion::Number => format!("| unwrap {label}"),
        Conversion::Bytes => format!("| unwrap bytes({label})"),
        Conversion::Duration => format!("| unwrap duration({label})"),
        Conversion::DurationSeconds => format!("| unwrap duration_seconds({label})"),
    }];
    stages.extend(unwrap.filters.iter().map(|filter| format!("| {}", print_filter(filter, false))));
    stages
}

fn print_operator(binary: &Binary) -> String {
    let mut out = binary.op.as_str().to_owned();
    if binary.return_bool {
        out.push_str(" bool");
    }
    let matching = &binary.matching;
    let group = match matching.cardinality {
        Cardinality::ManyToOne => " group_left",
        Cardinality::OneToMany => " group_right",
        _ => "",
    };
    if matching.on || !matching.labels.is_empty() || !group.is_empty() {
        let word = if matching.on { "on" } else { "ignoring" };
        let _ = write!(out, " {word} ({}){group}", matching.labels.join(", "));
        if !group.is_empty() {
            // What follows may begin with a parenthesis, which would be taken for these.
            let _ = write!(out, " ({})", matching.include.join(", "));
        }
    }
    out
}

/// Which sides need parentheses.
fn sides(binary: &Binary) -> (bool, bool) {
    let op = binary.op;
    let binds = |side: &Metric| match side {
        Metric::Binary(side) => Some(side.op.precedence()),
        _ => None,
    };
    let to_the_right = op == BinaryOp::Pow;
    let left = binds(&binary.lhs).is_some_and(|side| side < op.precedence() + u8::from(to_the_right));
    let right = binds(&binary.rhs).is_some_and(|side| side < op.precedence() + u8::from(!to_the_right));
    (left, right)
}

fn enclose(text: String, needed: bool) -> String {
    if needed { format!("({text})") } else { text }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn fits(text: &str, depth: usize) -> bool {
    text.chars().count() + 2 * depth <= WIDTH
}

fn pretty_logs(out: &mut String, logs: &LogExpr, depth: usize) {
    let line = print_logs(logs);
    if fits(&line, depth) {
        indent(out, depth);
        out.push_str(&line);
    } else {
        broken_logs(out, logs, depth);
    }
}

fn broken_logs(out: &mut String, logs: &LogExpr, depth: usize) {
    indent(out, depth);
    out.push_str(&selector(&logs.matchers));
    for stage in &logs.stages {
        out.push('\n');
        indent(out, depth + 1);
        out.push_str(&print_stage(stage));
    }
}

fn pretty_metric(out: &mut String, metric: &Metric, depth: usize) {
    let line = print_metric(metric);
    if fits(&line, depth) {
        indent(out, depth);
        out.push_str(&line);
        return;
    }
    match metric {
        Metric::Number(_) | Metric::Vector(_) => {
            indent(out, depth);
            out.push_str(&line);
        }
        Metric::Range(range) => pretty_range(out, range, depth),
        Metric::Aggregate(aggregation) => {
            indent(out, depth);
            let _ = writeln!(out, "{}(", aggregation_head(aggregation));
            if let Some(count) = aggregation.count {
                indent(out, depth + 1);
                let _ = writeln!(out, "{count},");
            }
            pretty_metric(out, &aggregation.expr, depth + 1);
            close(out, depth);
        }
        Metric::LabelReplace(replace) => {
            indent(out, depth);
            out.push_str("label_replace(\n");
            pretty_metric(out, &replace.expr, depth + 1);
            for text in [&replace.to, &replace.replacement, &replace.from, &replace.regex] {
                out.push_str(",\n");
                indent(out, depth + 1);
                out.push_str(&quote(text));
            }
            close(out, depth);
        }
        Metric::Binary(binary) => {
            let (left, right) = sides(binary);
            pretty_side(out, &binary.lhs, left, depth + 1);
            out.push('\n');
            indent(out, depth);
            let _ = writeln!(out, "{}", print_operator(binary));
            pretty_side(out, &binary.rhs, right, depth + 1);
        }
    }
}

fn pretty_side(out: &mut String, side: &Metric, enclosed: bool, depth: usize) {
    if !enclosed {
        return pretty_metric(out, side, depth);
    }
    indent(out, depth);
    out.push_str("(\n");
    pretty_metric(out, side, depth + 1);
    close(out, depth);
}

fn pretty_range(out: &mut String, range: &RangeAggregation, depth: usize) {
    indent(out, depth);
    let _ = writeln!(out, "{}(", range.op.as_str());
    if let Some(quantile) = range.quantile {
        indent(out, depth + 1);
        let _ = writeln!(out, "{quantile},");
    }
    let line = print_range(&range.range);
    if fits(&line, depth + 1) {
        indent(out, depth + 1);
        out.push_str(&line);
    } else {
        broken_logs(out, &range.range.logs, depth + 1);
        for stage in unwrap_stages(&range.range) {
            out.push('\n');
            indent(out, depth + 2);
            out.push_str(&stage);
        }
        out.push('\n');
        indent(out, depth + 2);
        out.push_str(&print_bounds(&range.range));
    }
    close(out, depth);
    if let Some(grouping) = &range.grouping {
        out.push_str(&print_grouping(grouping));
    }
}

fn close(out: &mut String, depth: usize) {
    out.push('\n');
    indent(out, depth);
    out.push(')');
}
