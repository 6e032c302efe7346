//! What is measured of spans over time.

use super::{Parser, Result};
use crate::ast::{Attribute, Compare, Measure};
use crate::lex::Kind;

/// The most values of an attribute that `compare` tells.
const TOP_MAX: u32 = 1000;
/// How many it tells where nobody says.
const TOP: u32 = 10;

impl Parser<'_> {
    /// A measure, where one begins here.
    pub(super) fn measure(&mut self) -> Result<Option<Measure>> {
        let Kind::Word(word) = self.token.kind else { return Ok(None) };
        let of: fn(Attribute) -> Measure = match word {
            "rate" | "count_over_time" => {
                self.advance()?;
                self.expect(&Kind::LeftParen, "`(`")?;
                self.expect(&Kind::RightParen, "`)`")?;
                return Ok(Some(if word == "rate" { Measure::Rate } else { Measure::Count }));
            }
            "quantile_over_time" => return self.quantiles().map(Some),
            "compare" => return self.compare().map(Some),
            "min_over_time" => Measure::Min,
            "max_over_time" => Measure::Max,
            "sum_over_time" => Measure::Sum,
            "avg_over_time" => Measure::Avg,
            "histogram_over_time" => Measure::Histogram,
            _ => return Ok(None),
        };
        self.advance()?;
        self.expect(&Kind::LeftParen, "`(`")?;
        let attribute = self.attribute()?;
        self.expect(&Kind::RightParen, "`)`")?;
        Ok(Some(of(attribute)))
    }

    /// `by (a, b)` behind a measure.
    pub(super) fn by(&mut self) -> Result<Vec<Attribute>> {
        if !self.is_word("by") {
            return Ok(Vec::new());
        }
        self.advance()?;
        self.in_parens(Self::attribute)
    }

    /// `quantile_over_time(duration, 0.5, 0.99)`
    fn quantiles(&mut self) -> Result<Measure> {
        self.advance()?;
        self.expect(&Kind::LeftParen, "`(`")?;
        let attribute = self.attribute()?;
        let mut quantiles = Vec::new();
        self.expect(&Kind::Comma, "`,` and a quantile from 0 to 1")?;
        loop {
            let quantile = match self.token.kind {
                Kind::Float(value) => value,
                Kind::Int(value) => value as f64,
                _ => return self.unexpected("a quantile from 0 to 1"),
            };
            if !(0.0..=1.0).contains(&quantile) {
                return self.error(self.token.place, "a quantile is from 0 to 1, as in 0.99");
            }
            quantiles.push(quantile);
            self.advance()?;
            if !self.accept(&Kind::Comma)? {
                break;
            }
        }
        self.expect(&Kind::RightParen, "`,` or `)`")?;
        Ok(Measure::Quantile(attribute, quantiles))
    }

    /// `compare({ status = error }, 10, 1672531200000000000, 1672534800000000000)`
    fn compare(&mut self) -> Result<Measure> {
        self.advance()?;
        self.expect(&Kind::LeftParen, "`(`")?;
        let selection = self.filter()?.tree;
        let start = self.token.place;
        let mut numbers = Vec::new();
        while numbers.len() < 3 && self.accept(&Kind::Comma)? {
            let Kind::Int(number) = self.token.kind else { return self.unexpected("a whole number") };
            self.advance()?;
            numbers.push(number);
        }
        let close = self.expect(&Kind::RightParen, "`,` or `)`")?;
        let (top, within) = match numbers[..] {
            [] => (i64::from(TOP), None),
            [top] | [top, 0, 0] => (top, None),
            [top, from, to] if 0 < from && from < to => (top, Some((from, to))),
            _ => {
                let message = "`compare` takes the first and the last time of the selection together, both in nanoseconds \
                               since 1970, the earlier one first";
                return self.error(start.to(close), message);
            }
        };
        match u32::try_from(top) {
            Ok(top @ 1..=TOP_MAX) => Ok(Measure::Compare(Box::new(Compare { selection, top, within }))),
            _ => self.error(
                start.to(close),
                format!("`compare` tells from 1 to {TOP_MAX} values of each attribute"),
            ),
        }
    }
}
