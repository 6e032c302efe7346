//! Expressions: operators, calls, aggregations.

use super::{Parser, Result};
use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Matching, Number, Paren, Span,
    StringLiteral, Unary, UnaryOp,
};
use crate::duration::parse_duration;
use crate::functions::{Stability, function};
use crate::lex::{Keyword, Kind, Token, quote, quote_bytes, unquote};
use crate::number::parse_number;

/// An expression and how deep it is.
pub(super) type Tree = (Expr, usize);

impl Parser<'_> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> Result<Tree> {
        self.operation(0)
    }

    /// An expression whose operators bind at least this tightly.
    fn operation(&mut self, precedence_min: u8) -> Result<Tree> {
        self.nested(|parser| {
            let mut tree = match parser.token.kind {
                Kind::Op(BinaryOp::Add) => parser.signed(UnaryOp::Plus)?,
                Kind::Op(BinaryOp::Sub) => parser.signed(UnaryOp::Minus)?,
                _ => parser.operand()?,
            };
            while let Kind::Op(op) = parser.token.kind
                && op.precedence() >= precedence_min
            {
                tree = parser.binary(tree, op)?;
            }
            Ok(tree)
        })
    }

    /// A sign binds like a multiplication: `-a^2` is `-(a^2)`, `-a*b` is `(-a)*b`. That of a number is part of it.
    fn signed(&mut self, op: UnaryOp) -> Result<Tree> {
        let sign = self.advance().span;
        let (expr, height) = self.operation(BinaryOp::Pow.precedence())?;
        let span = sign.to(expr.span());
        if let Expr::Number(number) = expr {
            let value = if op == UnaryOp::Minus { -number.value } else { number.value };
            return Ok((Expr::Number(Number { value, span, ..number }), height));
        }
        self.check_height(height + 1)?;
        Ok((Expr::Unary(Unary { op, expr: Box::new(expr), span }), height + 1))
    }

    fn binary(&mut self, (lhs, left_height): Tree, op: BinaryOp) -> Result<Tree> {
        self.advance();
        let return_bool = self.accept(Kind::Keyword(Keyword::Bool));
        let matching = self.matching()?;
        let is_filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        let groups_right = op == BinaryOp::Pow;
        let (rhs, right_height) = self.operation(op.precedence() + u8::from(!groups_right))?;
        let height = left_height.max(right_height) + 1;
        self.check_height(height)?;
        let binary = Binary { op, lhs, rhs, return_bool, matching: Some(matching) };
        let expr = Expr::Binary(Box::new(binary));
        if is_filled && !self.options.fill_modifiers {
            self.check_readable()?;
            return self.error(expr.span(), "binop fill modifiers are experimental and not enabled");
        }
        Ok((expr, height))
    }

    /// What may stand between an operator and its right side.
    fn matching(&mut self) -> Result<Matching> {
        let mut matching = Matching::default();
        if let Kind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.token.kind {
            self.advance();
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping()?;
            if let Kind::Keyword(keyword @ (Keyword::GroupLeft | Keyword::GroupRight)) = self.token.kind {
                self.advance();
                matching.cardinality = match keyword {
                    Keyword::GroupLeft => Cardinality::ManyToOne,
                    _ => Cardinality::OneToMany,
                };
                let may_follow = match self.token.kind {
                    Kind::LeftParen => false,
                    Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight) => true,
                    kind => begins_expr(kind),
                };
                if !may_follow {
                    matching.include = self.grouping()?;
                }
            }
        }
        match self.token.kind {
            Kind::Keyword(Keyword::Fill) => {
                let value = self.fill()?;
                (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
            }
            Kind::Keyword(Keyword::FillLeft) => {
                matching.fill_left = Some(self.fill()?);
                if self.token.kind == Kind::Keyword(Keyword::FillRight) {
                    matching.fill_right = Some(self.fill()?);
                }
            }
            Kind::Keyword(Keyword::FillRight) => {
                matching.fill_right = Some(self.fill()?);
                if self.token.kind == Kind::Keyword(Keyword::FillLeft) {
                    matching.fill_left = Some(self.fill()?);
                }
            }
            _ => {}
        }
        Ok(matching)
    }

    /// `fill (-1)`
    fn fill(&mut self) -> Result<f64> {
        self.advance();
        self.expect(Kind::LeftParen)?;
        let sign = self.sign();
        let number = match self.token.kind {
            Kind::Number | Kind::Duration => self.number()?,
            _ => return self.unexpected_here(),
        };
        self.expect(Kind::RightParen)?;
        Ok(if matches!(sign, Some((UnaryOp::Minus, _))) { -number.value } else { number.value })
    }

    /// Takes a sign, where there is one.
    pub(super) fn sign(&mut self) -> Option<(UnaryOp, Span)> {
        let op = match self.token.kind {
            Kind::Op(BinaryOp::Add) => UnaryOp::Plus,
            Kind::Op(BinaryOp::Sub) => UnaryOp::Minus,
            _ => return None,
        };
        Some((op, self.advance().span))
    }

    /// The next token, which is a number or a duration.
    pub(super) fn number(&mut self) -> Result<Number> {
        let Token { kind, span } = self.token;
        let text = self.text_of(span);
        let is_duration = kind == Kind::Duration;
        let value = if is_duration {
            parse_duration(text).map(|millis| millis as f64 / 1000.0)
        } else {
            parse_number(text).map_err(|why| format!("error parsing number: {why}"))
        };
        match value {
            Ok(value) => {
                self.advance();
                Ok(Number { value, is_duration, span })
            }
            Err(why) => self.error(span, why),
        }
    }

    /// What stands between operators.
    fn operand(&mut self) -> Result<Tree> {
        let Token { kind, span } = self.token;
        let tree = match kind {
            Kind::Number | Kind::Duration => (Expr::Number(self.number()?), 1),
            Kind::String => {
                self.advance();
                (Expr::String(string(self.text_of(span), span)), 1)
            }
            Kind::LeftParen => {
                self.advance();
                let (expr, height) = self.expr()?;
                let close = self.expect(Kind::RightParen)?;
                self.check_height(height + 1)?;
                (Expr::Paren(Paren { expr: Box::new(expr), span: span.to(close.span) }), height + 1)
            }
            Kind::LeftBrace => (Expr::Vector(self.selector(None)?), 1),
            _ if kind.is_metric_name() => {
                self.advance();
                match (kind, self.token.kind) {
                    (
                        Kind::Aggregate(op),
                        Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without),
                    ) => {
                        self.aggregations += 1;
                        let aggregate = self.aggregate(op, span)?;
                        self.aggregations -= 1;
                        aggregate
                    }
                    (Kind::Identifier | Kind::Function(_), Kind::LeftParen) => self.call(span)?,
                    _ => (Expr::Vector(self.selector(Some(span))?), 1),
                }
            }
            _ => return self.unexpected_here(),
        };
        self.modified(tree)
    }

    /// A call; the function's name has been read.
    fn call(&mut self, name: Span) -> Result<Tree> {
        let (args, height) = self.args()?;
        let text = self.text_of(name);
        let Some(function) = function(text) else {
            return self.error(name, format!("unknown function with name {}", quote(text)));
        };
        if function.stability == Stability::Experimental && !self.options.experimental_functions {
            return self.error(name, format!("function {} is not enabled", quote(text)));
        }
        let close = self.advance();
        Ok((Expr::Call(Call { function, args, span: name.to(close.span) }), height + 1))
    }

    /// What stands in the parentheses of a call, up to the closing one, and how deep it is.
    fn args(&mut self) -> Result<(Vec<Expr>, usize)> {
        let mut args = Vec::new();
        let mut tallest = 0;
        self.expect(Kind::LeftParen)?;
        while self.token.kind != Kind::RightParen {
            let (arg, height) = self.expr()?;
            args.push(arg);
            tallest = tallest.max(height);
            match self.token.kind {
                Kind::Comma => {
                    let comma = self.advance();
                    self.check_readable()?;
                    if !begins_expr(self.token.kind) {
                        return self.error(comma.span, "trailing commas not allowed in function call args");
                    }
                }
                Kind::RightParen => {}
                _ => return self.unexpected_here(),
            }
        }
        self.check_height(tallest + 1)?;
        Ok((args, tallest))
    }

    /// An aggregation; its name has been read.
    fn aggregate(&mut self, op: AggregateOp, name: Span) -> Result<Tree> {
        let mut modifier = self.aggregate_modifier()?;
        let (mut args, height) = self.args()?;
        self.advance();
        if modifier.is_none() {
            modifier = self.aggregate_modifier()?;
        }
        if modifier.is_none() {
            self.check_readable()?;
        }
        let span = name.to(self.taken);
        if args.is_empty() {
            return self.error(span, "no arguments for aggregate expression provided");
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let name = op.as_str();
            let message = format!(
                "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
            );
            return self.error(span, message);
        }
        let found = args.len();
        let expected = 1 + usize::from(op.has_param());
        let (Some(expr), true) = (args.pop(), found == expected) else {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {expected}, got {found}"
            );
            return self.error(span, message);
        };
        let param = args.pop();
        let (without, grouping) = modifier.unwrap_or_default();
        Ok((Expr::Aggregate(Box::new(Aggregate { op, expr, param, without, grouping, span })), height + 1))
    }

    /// Whether it is `without`, and the labels.
    fn aggregate_modifier(&mut self) -> Result<Option<(bool, Vec<Box<str>>)>> {
        let Kind::Keyword(keyword @ (Keyword::By | Keyword::Without)) = self.token.kind else {
            return Ok(None);
        };
        self.advance();
        Ok(Some((keyword == Keyword::Without, self.grouping()?)))
    }

    /// Labels in parentheses.
    fn grouping(&mut self) -> Result<Vec<Box<str>>> {
        let mut labels = Vec::new();
        if self.token.kind != Kind::LeftParen {
            return self.unexpected("grouping opts", "\"(\"");
        }
        self.advance();
        while !self.accept(Kind::RightParen) {
            labels.push(self.grouping_label()?);
            match self.token.kind {
                Kind::RightParen => {}
                Kind::Comma => {
                    self.advance();
                }
                _ => return self.unexpected("grouping opts", "\",\" or \")\""),
            }
        }
        Ok(labels)
    }

    fn grouping_label(&mut self) -> Result<Box<str>> {
        let Token { kind, span } = self.token;
        let text = self.text_of(span);
        let name = match kind {
            Kind::String => unquote(text),
            _ if kind.is_label_name() => text.as_bytes().to_vec(),
            _ => return self.unexpected("grouping opts", "label"),
        };
        match String::from_utf8(name) {
            Ok(name) if !name.is_empty() => {
                self.advance();
                Ok(name.into())
            }
            Ok(name) => self.error(span, format!("invalid label name for grouping: {}", quote(&name))),
            Err(error) => {
                let name = quote_bytes(error.as_bytes());
                self.error(span, format!("invalid label name for grouping: {name}"))
            }
        }
    }
}

/// What a string says.
fn string(quoted: &str, span: Span) -> StringLiteral {
    match String::from_utf8(unquote(quoted)) {
        Ok(value) => StringLiteral { value: value.into(), bytes: None, span },
        Err(error) => StringLiteral {
            value: String::from_utf8_lossy(error.as_bytes()).into(),
            bytes: Some(error.into_bytes().into()),
            span,
        },
    }
}

/// Whether an expression can begin with such a token.
fn begins_expr(kind: Kind) -> bool {
    kind.is_metric_name()
        || matches!(
            kind,
            Kind::Number
                | Kind::Duration
                | Kind::String
                | Kind::LeftParen
                | Kind::LeftBrace
                | Kind::Op(BinaryOp::Add | BinaryOp::Sub)
        )
}
