//! Whether the types of a tree fit each other, as Prometheus asks for it.

use weir_signal::METRIC_NAME;

use crate::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, Span, Unary, ValueType, VectorSelector,
};
use crate::functions::{Arity, FunctionId};
use crate::lex::quote;
use crate::parse::ParseError;

type Result<T> = std::result::Result<T, ParseError>;

/// What the tree evaluates to. Settles what only types can tell: that operands have no matching unless both are vectors, and
/// that sets match many to many.
pub(crate) fn check(expr: &mut Expr, text: &str) -> Result<ValueType> {
    Checker { text }.expr(expr)
}

struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(self.text, span, message.into()))
    }

    fn expr(&self, expr: &mut Expr) -> Result<ValueType> {
        let span = expr.span();
        Ok(match expr {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::External(_) => ValueType::Vector,
            Expr::Vector(selector) => {
                self.selector(selector)?;
                ValueType::Vector
            }
            Expr::Matrix(matrix) => {
                self.selector(&matrix.selector)?;
                ValueType::Matrix
            }
            Expr::Subquery(subquery) => {
                let found = self.expr(&mut subquery.expr)?;
                if found != ValueType::Vector {
                    let found = found.as_str();
                    let message = format!("subquery is only allowed on instant vector, got {found} instead");
                    return self.error(span, message);
                }
                ValueType::Matrix
            }
            Expr::Paren(paren) => self.expr(&mut paren.expr)?,
            Expr::Unary(unary) => self.unary(unary)?,
            Expr::Binary(binary) => self.binary(binary, span)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Call(call) => self.call(call)?,
        })
    }

    fn selector(&self, selector: &VectorSelector) -> Result<()> {
        if let Some(name) = &selector.name {
            let inside = &selector.matchers[..selector.matchers.len().saturating_sub(1)];
            let Some(other) = inside.iter().find(|matcher| matcher.name() == METRIC_NAME) else {
                return Ok(());
            };
            let (name, other) = (quote(name), quote(other.value()));
            return self
                .error(selector.span, format!("metric name must not be set twice: {name} or {other}"));
        }
        if !selector.selects_info && selector.matchers.iter().all(weir_signal::Matcher::matches_absent) {
            let message = "vector selector must contain at least one non-empty matcher";
            return self.error(selector.span, message);
        }
        Ok(())
    }

    fn unary(&self, unary: &mut Unary) -> Result<ValueType> {
        let found = self.expr(&mut unary.expr)?;
        if matches!(found, ValueType::Scalar | ValueType::Vector) {
            return Ok(found);
        }
        let message = format!(
            "unary expression only allowed on expressions of type scalar or instant vector, got \"{found}\""
        );
        self.error(unary.span, message)
    }

    fn binary(&self, binary: &mut Binary, span: Span) -> Result<ValueType> {
        let left = self.expr(&mut binary.lhs)?;
        let right = self.expr(&mut binary.rhs)?;
        let op = binary.op;
        // The operator and its modifiers.
        let between = Span::new(binary.lhs.span().end as usize, binary.rhs.span().start as usize);
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        let operator = || {
            let text = &self.text[between.start as usize..between.end as usize];
            let start = between.start as usize + text.len() - text.trim_start_matches(blank).len();
            Span::new(start, start + text.trim_matches(blank).len())
        };
        let both_scalars = (left, right) == (ValueType::Scalar, ValueType::Scalar);
        if binary.return_bool && !op.is_comparison() {
            return self.error(operator(), "bool modifier can only be used on comparison operators");
        }
        if op.is_comparison() && !binary.return_bool && both_scalars {
            return self.error(operator(), "comparisons between scalars must use BOOL modifier");
        }
        if let Some(matching) = &binary.matching
            && matching.on
            && let Some(twice) = matching.labels.iter().find(|label| matching.include.contains(label))
        {
            let message = format!("label {} must not occur in ON and GROUP clause at once", quote(twice));
            return self.error(operator(), message);
        }
        for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return self.error(side.span(), message);
            }
        }
        let both_vectors = (left, right) == (ValueType::Vector, ValueType::Vector);
        let Some(matching) = &mut binary.matching else {
            return Ok(if both_scalars { ValueType::Scalar } else { ValueType::Vector });
        };
        let is_filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        if both_vectors && op.is_set() {
            if matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany) {
                let message = format!("no grouping allowed for \"{}\" operation", op.as_str());
                return self.error(span, message);
            }
            matching.cardinality = Cardinality::ManyToMany;
            if is_filled {
                return self.error(span, "filling in missing series not allowed for set operators");
            }
        }
        if !both_vectors {
            if !matching.labels.is_empty() {
                return self.error(span, "vector matching only allowed between instant vectors");
            }
            if is_filled {
                return self.error(span, "filling in missing series only allowed between instant vectors");
            }
            if op.is_set() {
                let op = op.as_str();
                return self
                    .error(span, format!("set operator \"{op}\" not allowed in binary scalar expression"));
            }
            binary.matching = None;
        }
        Ok(if both_scalars { ValueType::Scalar } else { ValueType::Vector })
    }

    fn aggregate(&self, aggregate: &mut Aggregate) -> Result<ValueType> {
        self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
        if let Some(param) = &mut aggregate.param {
            let expected = match aggregate.op {
                AggregateOp::CountValues => ValueType::String,
                _ => ValueType::Scalar,
            };
            self.expect(param, expected, "aggregation parameter")?;
        }
        Ok(ValueType::Vector)
    }

    fn expect(&self, expr: &mut Expr, expected: ValueType, context: &str) -> Result<()> {
        let found = self.expr(expr)?;
        if found == expected {
            return Ok(());
        }
        self.error(expr.span(), format!("expected type {expected} in {context}, got {found}"))
    }

    fn call(&self, call: &mut Call) -> Result<ValueType> {
        let function = call.function;
        let (types, name, found) = (function.args, function.name, call.args.len());
        let least = types.len().saturating_sub(1);
        let wrong = match function.arity {
            Arity::Exact if found != types.len() => Some(("", types.len())),
            Arity::UpTo(_) | Arity::Any if found < least => Some(("at least ", least)),
            Arity::UpTo(most) if found > most => Some(("at most ", most)),
            _ => None,
        };
        if let Some((bound, expected)) = wrong {
            let message =
                format!("expected {bound}{expected} argument(s) in call to \"{name}\", got {found}");
            return self.error(call.span, message);
        }
        if function.id == FunctionId::Info
            && let Some(labels) = call.args.get_mut(1)
        {
            self.info_labels(labels, call.span)?;
        }
        for (at, arg) in call.args.iter_mut().enumerate() {
            let Some(&expected) = types.get(at).or(types.last()) else { break };
            let found = self.expr(arg)?;
            if found != expected {
                let message = format!("expected type {expected} in call to function \"{name}\", got {found}");
                return self.error(arg.span(), message);
            }
        }
        Ok(function.returns)
    }

    /// The second argument of `info` says which labels to add, not which series to read.
    fn info_labels(&self, labels: &mut Expr, call: Span) -> Result<()> {
        let (found, span) = (labels.value_type(), labels.span());
        if found != ValueType::Vector {
            let message = format!("expected type instant vector in call to function \"info\", got {found}");
            return self.error(call, message);
        }
        match labels {
            Expr::Vector(selector) if selector.name.is_some() => {
                self.error(span, "expected label selectors only, got vector selector instead")
            }
            Expr::Vector(selector) => {
                selector.selects_info = true;
                Ok(())
            }
            _ => self.error(span, "expected label selectors only"),
        }
    }
}
