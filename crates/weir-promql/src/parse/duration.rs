//! Durations and what calculates them.

use super::{Expected, Parser, Result};
use crate::ast::{BinaryOp, DurationExpr, Number, Span, UnaryOp};
use crate::duration::is_out_of_range;
use crate::lex::{Function, Kind};

const OFFSET: Expected = Expected { context: "offset", expected: "number, duration, step(), or range()" };

/// A duration and how deep it is.
type Tree = (DurationExpr, usize);

impl Parser<'_> {
    /// The duration of a range or of a step.
    pub(super) fn duration(&mut self, expected: Expected) -> Result<DurationExpr> {
        Ok(self.duration_operation(0, expected)?.0)
    }

    /// The duration of an offset. It ends where it can: `foo offset 5m + 3` adds to `foo`. Where it begins with a parenthesis
    /// or with two signs, it goes on.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr> {
        let sign = self.sign();
        let (expr, height) = match (self.token.kind, sign) {
            (Kind::Number | Kind::Duration | Kind::Function(_), _) => {
                let begin = sign.map_or(self.token.span, |sign| sign.1);
                self.duration_operand(begin, OFFSET)?
            }
            (Kind::LeftParen, Some(_)) => {
                // Unlike any other in parentheses it needs no permission.
                let (open, (inner, height), close) = self.duration_in_parens(OFFSET)?;
                (in_parens(inner, open.to(close)), height + 1)
            }
            (Kind::LeftParen, None) => {
                let parens = self.duration_operand(self.token.span, OFFSET)?;
                return Ok(self.duration_chain(parens, 0, OFFSET)?.0);
            }
            (Kind::Op(BinaryOp::Add | BinaryOp::Sub), Some(sign)) => {
                let inner = self.duration_operation(BinaryOp::Pow.precedence(), OFFSET)?;
                let signed = self.apply_sign(sign, inner)?;
                // In parentheses it reads the same once it is written with fewer signs.
                return Ok(match self.duration_chain(signed, 0, OFFSET)?.0 {
                    DurationExpr::Number(number) => DurationExpr::Number(number),
                    expr => in_parens(expr, sign.1.to(self.taken)),
                });
            }
            _ => return self.unexpected(OFFSET.context, OFFSET.expected),
        };
        match sign {
            Some(sign) => Ok(self.apply_sign(sign, (expr, height))?.0),
            None => Ok(expr),
        }
    }

    /// A duration whose operators bind at least this tightly.
    fn duration_operation(&mut self, precedence_min: u8, expected: Expected) -> Result<Tree> {
        self.nested(|parser| {
            let first = match parser.sign() {
                Some(sign) => {
                    let inner = parser.duration_operation(BinaryOp::Pow.precedence(), expected)?;
                    parser.apply_sign(sign, inner)?
                }
                None => parser.duration_operand(parser.token.span, expected)?,
            };
            parser.duration_chain(first, precedence_min, expected)
        })
    }

    /// Operators and right sides behind a first operand.
    fn duration_chain(&mut self, first: Tree, precedence_min: u8, expected: Expected) -> Result<Tree> {
        let (mut lhs, mut height) = first;
        while let Kind::Op(op) = self.token.kind
            && is_calculation(op)
            && op.precedence() >= precedence_min
        {
            let sign = self.advance().span;
            let groups_right = op == BinaryOp::Pow;
            let (rhs, right_height) =
                self.duration_operation(op.precedence() + u8::from(!groups_right), expected)?;
            self.check_readable()?;
            self.check_calculation(lhs.span())?;
            if matches!(rhs, DurationExpr::Number(number) if number.value == 0.0) {
                match op {
                    BinaryOp::Div => return self.error(sign, "division by zero"),
                    BinaryOp::Mod => return self.error(sign, "modulo by zero"),
                    _ => {}
                }
            }
            height = height.max(right_height) + 1;
            self.check_height(height)?;
            lhs = DurationExpr::Binary(op, Box::new(lhs), Box::new(rhs));
        }
        Ok((lhs, height))
    }

    /// What stands between operators; what is wrong with the whole is shown at `begin`.
    fn duration_operand(&mut self, begin: Span, expected: Expected) -> Result<Tree> {
        let name = self.token.span;
        match self.token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.number()?;
                if is_out_of_range(number.value) {
                    return self.error(begin, "duration out of range");
                }
                Ok((DurationExpr::Number(number), 1))
            }
            Kind::Function(function @ (Function::Step | Function::Range)) => {
                self.advance();
                self.expect_in(Kind::LeftParen, expected)?;
                self.expect_in(Kind::RightParen, expected)?;
                let span = name.to(self.taken);
                self.check_calculation(begin)?;
                match function {
                    Function::Step => Ok((DurationExpr::Step(span), 1)),
                    _ => Ok((DurationExpr::Range(span), 1)),
                }
            }
            Kind::Function(function @ (Function::MinOf | Function::MaxOf)) => {
                self.advance();
                self.expect_in(Kind::LeftParen, expected)?;
                let (first, first_height) = self.duration_operation(0, expected)?;
                self.expect_in(Kind::Comma, expected)?;
                let (second, second_height) = self.duration_operation(0, expected)?;
                self.expect_in(Kind::RightParen, expected)?;
                let span = name.to(self.taken);
                self.check_calculation(begin)?;
                let (first, second) = (Box::new(first), Box::new(second));
                let expr = match function {
                    Function::MinOf => DurationExpr::MinOf(first, second, span),
                    _ => DurationExpr::MaxOf(first, second, span),
                };
                Ok((expr, first_height.max(second_height) + 1))
            }
            Kind::LeftParen => {
                let (open, (inner, height), close) = self.duration_in_parens(expected)?;
                self.check_calculation(inner.span())?;
                Ok((in_parens(inner, open.to(close)), height + 1))
            }
            _ => self.unexpected(expected.context, expected.expected),
        }
    }

    /// Both parentheses and what stands between them.
    fn duration_in_parens(&mut self, expected: Expected) -> Result<(Span, Tree, Span)> {
        let open = self.advance().span;
        let inner = self.duration_operation(0, expected)?;
        let close = self.expect_in(Kind::RightParen, expected)?;
        Ok((open, inner, close))
    }

    fn expect_in(&mut self, kind: Kind, expected: Expected) -> Result<Span> {
        if self.token.kind != kind {
            return self.unexpected(expected.context, expected.expected);
        }
        Ok(self.advance().span)
    }

    /// A sign is part of a number, a plus has no effect elsewhere.
    fn apply_sign(&self, (op, sign): (UnaryOp, Span), (expr, height): Tree) -> Result<Tree> {
        match (expr, op) {
            (DurationExpr::Number(number), _) => {
                let value = if op == UnaryOp::Minus { -number.value } else { number.value };
                let number = Number { value, span: sign.to(number.span), ..number };
                Ok((DurationExpr::Number(number), height))
            }
            (expr, UnaryOp::Plus) => Ok((expr, height)),
            (expr, UnaryOp::Minus) => {
                self.check_height(height + 1)?;
                let span = sign.to(expr.span());
                Ok((DurationExpr::Negative(Box::new(expr), span), height + 1))
            }
        }
    }

    fn check_calculation(&self, span: Span) -> Result<()> {
        if self.options.duration_expr {
            return Ok(());
        }
        self.error(span, "experimental duration expression is not enabled")
    }
}

/// Parentheses; a second pair around the first says nothing.
fn in_parens(expr: DurationExpr, span: Span) -> DurationExpr {
    match expr {
        DurationExpr::Paren(inner, _) => DurationExpr::Paren(inner, span),
        expr => DurationExpr::Paren(Box::new(expr), span),
    }
}

fn is_calculation(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Pow
    )
}
