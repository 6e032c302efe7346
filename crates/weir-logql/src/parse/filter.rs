//! Tests of labels.
//!
//! `and` binds tighter than `or`. A comma, or nothing at all, between two tests is an `and` that takes in everything that
//! follows it: so Loki's grammar has it.

use weir_promql::ast::BinaryOp;
use weir_signal::MatchOp;

use super::{Parser, Result};
use crate::ast::{Compare, LabelFilter};
use crate::lex::Kind;

impl Parser<'_> {
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter> {
        let filter = self.filter_operators(0)?;
        self.check_height(height(&filter))?;
        Ok(filter)
    }

    fn filter_operators(&mut self, least: u8) -> Result<LabelFilter> {
        let mut left = self.one_filter()?;
        loop {
            left = match self.token.kind {
                Kind::Op(BinaryOp::Or) if least == 0 => {
                    self.advance()?;
                    let right = self.nested(|parser| parser.filter_operators(1))?;
                    any(left, right)
                }
                Kind::Op(BinaryOp::And) => {
                    self.advance()?;
                    let right = self.one_and_rest()?;
                    all(left, right)
                }
                Kind::Comma => {
                    self.advance()?;
                    let right = self.nested(|parser| parser.filter_operators(0))?;
                    all(left, right)
                }
                Kind::Identifier | Kind::LeftParen => {
                    let right = self.nested(|parser| parser.filter_operators(0))?;
                    all(left, right)
                }
                _ => return Ok(left),
            };
        }
    }

    /// The right side of an `and`: one test, with what a comma adds to it.
    fn one_and_rest(&mut self) -> Result<LabelFilter> {
        let one = self.one_filter()?;
        let comma = self.token.kind == Kind::Comma;
        if !comma && !matches!(self.token.kind, Kind::Identifier | Kind::LeftParen) {
            return Ok(one);
        }
        if comma {
            self.advance()?;
        }
        let rest = self.nested(|parser| parser.filter_operators(0))?;
        Ok(all(one, rest))
    }

    fn one_filter(&mut self) -> Result<LabelFilter> {
        if self.accept(Kind::LeftParen)? {
            let filter = self.nested(|parser| parser.filter_operators(0))?;
            self.expect(Kind::RightParen, ")")?;
            return Ok(filter);
        }
        let label = self.identifier("")?;
        let (compare, op) = match self.token.kind {
            Kind::Assign => (Compare::Equal, Some(MatchOp::Equal)),
            Kind::NotEqual => (Compare::NotEqual, Some(MatchOp::NotEqual)),
            Kind::MatchRegex => (Compare::Equal, Some(MatchOp::Regex)),
            Kind::MatchNotRegex => (Compare::NotEqual, Some(MatchOp::NotRegex)),
            Kind::Op(BinaryOp::Equal) => (Compare::Equal, None),
            Kind::Op(BinaryOp::Greater) => (Compare::Greater, None),
            Kind::Op(BinaryOp::GreaterOrEqual) => (Compare::GreaterOrEqual, None),
            Kind::Op(BinaryOp::Less) => (Compare::Less, None),
            Kind::Op(BinaryOp::LessOrEqual) => (Compare::LessOrEqual, None),
            _ => return self.unexpected(""),
        };
        self.advance()?;
        let regex = matches!(op, Some(MatchOp::Regex | MatchOp::NotRegex));
        Ok(match (self.token.kind, op) {
            (Kind::String, Some(op)) => LabelFilter::Match(self.matcher_value(&label, op)?),
            (Kind::Ip, Some(op)) if !regex => {
                self.advance()?;
                self.expect(Kind::LeftParen, "(")?;
                let pattern = self.string("STRING")?;
                self.expect(Kind::RightParen, ")")?;
                LabelFilter::Ip { label, negated: op == MatchOp::NotEqual, pattern }
            }
            _ if regex => return self.unexpected("STRING"),
            (Kind::Duration(nanos), _) => {
                self.advance()?;
                LabelFilter::Duration(label, compare, nanos)
            }
            (Kind::Bytes(bytes), _) => {
                self.advance()?;
                LabelFilter::Bytes(label, compare, bytes)
            }
            (Kind::Number | Kind::Op(BinaryOp::Add | BinaryOp::Sub), _) => {
                LabelFilter::Number(label, compare, self.literal()?)
            }
            _ => return self.unexpected(""),
        })
    }
}

/// Both. Chains are kept flat: they are as long as people write them.
fn all(left: LabelFilter, right: LabelFilter) -> LabelFilter {
    let mut all = match left {
        LabelFilter::And(all) => all,
        other => vec![other],
    };
    match right {
        LabelFilter::And(more) => all.extend(more),
        other => all.push(other),
    }
    LabelFilter::And(all)
}

/// Either.
fn any(left: LabelFilter, right: LabelFilter) -> LabelFilter {
    let mut any = match left {
        LabelFilter::Or(any) => any,
        other => vec![other],
    };
    match right {
        LabelFilter::Or(more) => any.extend(more),
        other => any.push(other),
    }
    LabelFilter::Or(any)
}

fn height(filter: &LabelFilter) -> usize {
    match filter {
        LabelFilter::And(all) | LabelFilter::Or(all) => 1 + all.iter().map(height).max().unwrap_or(0),
        _ => 1,
    }
}
