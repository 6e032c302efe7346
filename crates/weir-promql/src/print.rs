//! Trees as text.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use weir_signal::{METRIC_NAME, MatchOp, Matcher, go_g};

use crate::ast::{
    Aggregate, At, Binary, Cardinality, Duration, DurationExpr, Expr, Extension, MatrixSelector, Number,
    StringLiteral, Subquery, VectorSelector,
};
use crate::duration::format_duration;
use crate::lex::{quote, quote_bytes};
use crate::number::format_number;

/// The tree on one line, in Prometheus' normal form: matchers sorted, `by` in front of the parentheses, durations in
/// their largest units. It reads as the same tree again.
///
/// Prometheus writes some calculated offsets so that they would take in what follows; here they come before `@`.
pub fn print(expr: &Expr) -> String {
    expr.to_string()
}

/// Longer expressions are split into lines.
const LINE_BYTES_MAX: usize = 100;

/// The tree on as many lines as make it readable, as Prometheus formats queries.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    Pretty { out: &mut out, line_bytes_max: LINE_BYTES_MAX }.expr(expr, 0);
    out
}

struct Pretty<'a> {
    out: &'a mut String,
    line_bytes_max: usize,
}

impl Pretty<'_> {
    fn expr(&mut self, expr: &Expr, level: usize) {
        let fits = !is_longer(expr, self.line_bytes_max);
        match expr {
            // A subquery that fits brings no indent of its own.
            Expr::Subquery(_) if fits => self.put(expr),
            Expr::Subquery(subquery) => {
                self.expr(&subquery.expr, level);
                self.put(Times(subquery));
            }
            Expr::Unary(unary) => {
                self.indent(level);
                self.put(unary.op.as_str());
                let mut child = String::new();
                Pretty { out: &mut child, ..*self }.expr(&unary.expr, level);
                self.put(child.trim());
            }
            Expr::Binary(binary) if !fits => {
                self.expr(&binary.lhs, level + 1);
                self.put('\n');
                self.indent(level);
                self.put(Operator(binary));
                self.put('\n');
                self.expr(&binary.rhs, level + 1);
            }
            Expr::Aggregate(aggregate) if !fits => {
                self.indent(level);
                self.put(Grouping(aggregate));
                let args = aggregate.param.iter().chain([&aggregate.expr]);
                self.in_parens(args, level);
            }
            Expr::Call(call) if !fits => {
                self.indent(level);
                self.put(call.function.name);
                self.in_parens(call.args.iter(), level);
            }
            Expr::Paren(paren) if !fits => {
                self.indent(level);
                self.in_parens([&*paren.expr].into_iter(), level);
            }
            _ => {
                self.indent(level);
                self.put(expr);
            }
        }
    }

    fn in_parens<'a>(&mut self, exprs: impl Iterator<Item = &'a Expr>, level: usize) {
        for (at, expr) in exprs.enumerate() {
            self.put(if at == 0 { "(\n" } else { ",\n" });
            self.expr(expr, level + 1);
        }
        self.put('\n');
        self.indent(level);
        self.put(')');
    }

    fn indent(&mut self, level: usize) {
        self.put(format_args!("{:1$}", "", 2 * level));
    }

    fn put(&mut self, what: impl fmt::Display) {
        // A string takes everything.
        let _ = write!(self.out, "{what}");
    }
}

/// Whether a tree on one line has more than so many bytes. No more of it is written than that.
fn is_longer(expr: &Expr, bytes: usize) -> bool {
    struct Room(usize);
    impl Write for Room {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    write!(Room(bytes), "{expr}").is_err()
}

impl fmt::Display for Expr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::String(string) => string.fmt(out),
            Self::Vector(selector) => selector.fmt(out),
            Self::Matrix(matrix) => matrix.fmt(out),
            Self::Subquery(subquery) => write!(out, "{}{}", subquery.expr, Times(subquery)),
            Self::Unary(unary) => write!(out, "{}{}", unary.op.as_str(), unary.expr),
            Self::Binary(binary) => write!(out, "{} {} {}", binary.lhs, Operator(binary), binary.rhs),
            Self::Aggregate(aggregate) => {
                write!(out, "{}(", Grouping(aggregate))?;
                if let Some(param) = &aggregate.param {
                    write!(out, "{param}, ")?;
                }
                write!(out, "{})", aggregate.expr)
            }
            Self::Call(call) => {
                write!(out, "{}(", call.function.name)?;
                list(out, call.args.iter())?;
                out.write_str(")")
            }
            Self::Paren(paren) => write!(out, "({})", paren.expr),
            Self::External(number) => write!(out, "<external {number}>"),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_duration {
            out.write_str(&format_duration((self.value * 1000.0).round() as i64))
        } else {
            out.write_str(&format_number(self.value))
        }
    }
}

impl fmt::Display for StringLiteral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&quote_bytes(self.bytes.as_deref().unwrap_or(self.value.as_bytes())))
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Series(self).fmt(out)?;
        modifiers(out, &[&at(self.at), extension(self.extension)], self.offset.as_ref())
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]", Series(&self.selector), self.range)?;
        let selector = &self.selector;
        modifiers(out, &[extension(selector.extension), &at(selector.at)], selector.offset.as_ref())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millis(millis) => out.write_str(&format_duration(*millis)),
            Self::Expr(expr) => expr.fmt(out),
        }
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Step(_) => out.write_str("step()"),
            Self::Range(_) => out.write_str("range()"),
            Self::Negative(expr, _) => write!(out, "-{expr}"),
            Self::Binary(op, lhs, rhs) => write!(out, "{lhs} {} {rhs}", op.as_str()),
            Self::MinOf(first, second, _) => write!(out, "min_of({first}, {second})"),
            Self::MaxOf(first, second, _) => write!(out, "max_of({first}, {second})"),
            Self::Paren(expr, _) => write!(out, "({expr})"),
        }
    }
}

/// A selector without its modifiers.
struct Series<'a>(&'a VectorSelector);

impl fmt::Display for Series<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name.as_deref().unwrap_or_default();
        // What the name says already. An empty name says nothing, and its matcher is shown.
        let is_name = |matcher: &Matcher| {
            matcher.name() == METRIC_NAME
                && matcher.op() == MatchOp::Equal
                && matcher.value() == name
                && !name.is_empty()
        };
        let mut matchers: Vec<String> = self
            .0
            .matchers
            .iter()
            .filter(|matcher| !is_name(matcher))
            .map(|matcher| {
                format!("{}{}{}", label(matcher.name()), matcher.op().as_str(), quote(matcher.value()))
            })
            .collect();
        matchers.sort();
        out.write_str(name)?;
        if !matchers.is_empty() {
            write!(out, "{{{}}}", matchers.join(","))?;
        }
        Ok(())
    }
}

/// What follows the expression of a subquery.
struct Times<'a>(&'a Subquery);

impl fmt::Display for Times<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{}:", self.0.range)?;
        if let Some(step) = &self.0.step {
            write!(out, "{step}")?;
        }
        out.write_str("]")?;
        modifiers(out, &[&at(self.0.at)], self.0.offset.as_ref())
    }
}

/// An operator and its modifiers.
struct Operator<'a>(&'a Binary);

impl fmt::Display for Operator<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.op.as_str())?;
        if self.0.return_bool {
            out.write_str(" bool")?;
        }
        let Some(matching) = &self.0.matching else { return Ok(()) };
        let group = match matching.cardinality {
            Cardinality::ManyToOne => Some("left"),
            Cardinality::OneToMany => Some("right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if !matching.labels.is_empty() || matching.on || group.is_some() {
            write!(out, " {} (", if matching.on { "on" } else { "ignoring" })?;
            list(out, matching.labels.iter().map(|name| label(name)))?;
            out.write_str(")")?;
        }
        if let Some(side) = group {
            write!(out, " group_{side} (")?;
            list(out, matching.include.iter().map(|name| label(name)))?;
            out.write_str(")")?;
        }
        // Two that are no numbers are not the same.
        let both = matching.fill_left.filter(|left| {
            matching.fill_right.is_some_and(|right| left.partial_cmp(&right) == Some(Ordering::Equal))
        });
        if let Some(both) = both {
            return write!(out, " fill ({})", go_g(both));
        }
        if let Some(left) = matching.fill_left {
            write!(out, " fill_left ({})", go_g(left))?;
        }
        matching.fill_right.map_or(Ok(()), |right| write!(out, " fill_right ({})", go_g(right)))
    }
}

/// An aggregation in front of its parentheses.
struct Grouping<'a>(&'a Aggregate);

impl fmt::Display for Grouping<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.op.as_str())?;
        if !self.0.without && self.0.grouping.is_empty() {
            return Ok(());
        }
        write!(out, " {} (", if self.0.without { "without" } else { "by" })?;
        list(out, self.0.grouping.iter().map(|name| label(name)))?;
        out.write_str(") ")
    }
}

/// What follows a selector. The offset comes last, but for one that an operator behind it would continue.
fn modifiers(out: &mut fmt::Formatter<'_>, others: &[&str], offset: Option<&Duration>) -> fmt::Result {
    let others = others.concat();
    match offset {
        None => out.write_str(&others),
        Some(offset @ Duration::Expr(expr))
            if matches!(**expr, DurationExpr::Paren(..) | DurationExpr::Binary(..)) =>
        {
            write!(out, " offset {offset}{others}")
        }
        Some(offset) => write!(out, "{others} offset {offset}"),
    }
}

fn at(at: Option<At>) -> String {
    match at {
        None => String::new(),
        Some(At::Time(millis)) => format!(" @ {:.3}", millis as f64 / 1000.0),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
    }
}

fn extension(extension: Option<Extension>) -> &'static str {
    match extension {
        None => "",
        Some(Extension::Anchored) => " anchored",
        Some(Extension::Smoothed) => " smoothed",
    }
}

fn list(out: &mut fmt::Formatter<'_>, items: impl Iterator<Item = impl fmt::Display>) -> fmt::Result {
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_str(", ")?;
        }
        write!(out, "{item}")?;
    }
    Ok(())
}

/// A label's name, in quotes where it needs them.
fn label(name: &str) -> String {
    let mut bytes = name.bytes();
    let is_plain = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { name.to_owned() } else { quote(name) }
}
