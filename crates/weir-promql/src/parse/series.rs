//! Values of a series, as Prometheus' tests write them.

use std::sync::Arc;

use weir_signal::{BucketRun, Buckets, Histogram, stale_nan};

use super::{Expected, Parser, Result};
use crate::ast::{BinaryOp, UnaryOp};
use crate::lex::{Descriptor, Kind, Token, quote};
use crate::number::parse_number;

/// The most values that one description may say.
pub const VALUES_MAX: usize = 1 << 20;

/// What a series has at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequenceValue {
    /// `_`: nothing, and the rest does not count.
    pub omitted: bool,
    /// `1.5`; `stale` is the staleness marker. It does not count where there is a histogram.
    pub value: f64,
    /// `{{schema:0 count:1}}`
    pub histogram: Option<Arc<Histogram>>,
    /// Whether the histogram says `counter_reset_hint`: then the hint counts where values are compared.
    pub reset_hint_set: bool,
}

impl SequenceValue {
    fn float(value: f64) -> Self {
        Self { value, ..Self::default() }
    }

    fn histogram(histogram: Histogram, reset_hint_set: bool) -> Self {
        Self { histogram: Some(Arc::new(histogram)), reset_hint_set, ..Self::default() }
    }
}

/// A value, or the first thing told of a histogram.
const VALUE: Expected = Expected { context: "series values", expected: "" };
/// Anything after it.
const FURTHER: Expected = Expected {
    context: "histogram description",
    expected: "histogram description key, e.g. buckets:[5 10 7]",
};

/// A histogram, and whether its hint was given.
type Described = (Histogram, bool);

impl Parser<'_> {
    /// All values up to the end.
    pub(super) fn sequence(&mut self) -> Result<Vec<SequenceValue>> {
        let mut values = Vec::new();
        if !matches!(self.token.kind, Kind::Space | Kind::Eof) {
            return self.unexpected(VALUE.context, VALUE.expected);
        }
        while self.accept(Kind::Space) {
            if !matches!(self.token.kind, Kind::Space | Kind::Eof) {
                self.sequence_item(&mut values)?;
            }
        }
        self.end()?;
        Ok(values)
    }

    fn sequence_item(&mut self, values: &mut Vec<SequenceValue>) -> Result<()> {
        match self.token.kind {
            Kind::Blank => {
                self.advance();
                let times = self.times()?.unwrap_or(1);
                self.repeat(values, times, SequenceValue { omitted: true, ..SequenceValue::default() })
            }
            Kind::OpenHistogram => self.sequence_histograms(values),
            Kind::Identifier | Kind::Number | Kind::Op(BinaryOp::Add | BinaryOp::Sub) => {
                self.sequence_floats(values)
            }
            _ => self.unexpected_here(),
        }
    }

    /// `1`, `1x3`, `1+2x3`: what is repeated stands once more, at the beginning.
    fn sequence_floats(&mut self, values: &mut Vec<SequenceValue>) -> Result<()> {
        let token = self.token;
        let mut value = if token.kind == Kind::Identifier {
            if self.text_of(token.span) != "stale" {
                return self.unexpected("series values", "number or \"stale\"");
            }
            self.advance();
            stale_nan()
        } else {
            self.signed_number(VALUE)?
        };
        if matches!(self.token.kind, Kind::Op(BinaryOp::Add | BinaryOp::Sub)) {
            let step = self.signed_number(VALUE)?;
            let Some(times) = self.times()? else { return self.unexpected(VALUE.context, VALUE.expected) };
            self.check_room(values, times.saturating_add(1))?;
            for _ in 0..=times {
                values.push(SequenceValue::float(value));
                value += step;
            }
            return Ok(());
        }
        let times = self.times()?.map_or(1, |times| times.saturating_add(1));
        self.repeat(values, times, SequenceValue::float(value))
    }

    /// `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`
    fn sequence_histograms(&mut self, values: &mut Vec<SequenceValue>) -> Result<()> {
        let (mut histogram, has_reset_hint) = self.histogram()?;
        let Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) = self.token.kind else {
            let times = self.times()?.map_or(1, |times| times.saturating_add(1));
            return self.repeat(values, times, SequenceValue::histogram(histogram, has_reset_hint));
        };
        self.advance();
        if self.token.kind != Kind::OpenHistogram {
            return self.unexpected(VALUE.context, VALUE.expected);
        }
        // The hint of the second one says for all whether there is one.
        let (step, has_reset_hint) = self.histogram()?;
        let Some(times) = self.times()? else { return self.unexpected(VALUE.context, VALUE.expected) };
        self.check_room(values, times.saturating_add(1))?;
        values.push(SequenceValue::histogram(histogram.clone(), has_reset_hint));
        for _ in 0..times {
            if histogram.schema > step.schema {
                let (from, to) = (step.schema, histogram.schema);
                let message = format!("error combining histograms: cannot merge from schema {from} to {to}");
                return self.error(self.token.span, message);
            }
            let joined = match op {
                BinaryOp::Add => histogram.add(&step),
                _ => histogram.sub(&step),
            };
            if let Err(error) = joined {
                return self.error(self.token.span, error.to_string());
            }
            values.push(SequenceValue::histogram(histogram.clone(), has_reset_hint));
        }
        Ok(())
    }

    fn repeat(&self, values: &mut Vec<SequenceValue>, times: usize, value: SequenceValue) -> Result<()> {
        self.check_room(values, times)?;
        values.resize(values.len() + times, value);
        Ok(())
    }

    fn check_room(&self, values: &[SequenceValue], times: usize) -> Result<()> {
        if values.len().saturating_add(times) <= VALUES_MAX {
            return Ok(());
        }
        self.error(self.taken, format!("a series has more than {VALUES_MAX} values"))
    }

    /// `x3`, where it stands here.
    fn times(&mut self) -> Result<Option<usize>> {
        if !self.accept(Kind::Times) {
            return Ok(None);
        }
        if self.token.kind != Kind::Number {
            return self.unexpected(VALUE.context, VALUE.expected);
        }
        Ok(Some(self.whole()? as usize))
    }

    /// The next token, which is a number, as a whole one.
    fn whole(&mut self) -> Result<u64> {
        let Token { span, .. } = self.token;
        let text = self.text_of(span);
        // Go's parser takes no sign either, and the token has none.
        let Ok(whole) = text.parse() else {
            let quoted = quote(text);
            let why = if text.bytes().all(|byte| byte.is_ascii_digit()) {
                "value out of range"
            } else {
                "invalid syntax"
            };
            let message =
                format!("invalid repetition in series values: strconv.ParseUint: parsing {quoted}: {why}");
            return self.error(span, message);
        };
        self.advance();
        Ok(whole)
    }

    fn signed_number(&mut self, expected: Expected) -> Result<f64> {
        let sign = self.sign();
        let Token { kind, span } = self.token;
        if kind != Kind::Number {
            return self.unexpected(expected.context, expected.expected);
        }
        match parse_number(self.text_of(span)) {
            Ok(value) => {
                self.advance();
                Ok(if matches!(sign, Some((UnaryOp::Minus, _))) { -value } else { value })
            }
            Err(why) => self.error(span, format!("error parsing number: {why}")),
        }
    }

    fn histogram(&mut self) -> Result<Described> {
        let mut histogram = Histogram::default();
        let mut given: Vec<Descriptor> = Vec::new();
        let (mut offset, mut negative_offset) = (0, 0);
        self.advance();
        while let Kind::Descriptor(descriptor) = self.token.kind {
            if given.contains(&descriptor) {
                let message = format!("duplicate key \"{}\" in histogram", descriptor.as_str());
                return self.error(self.token.span, message);
            }
            let expected = if given.is_empty() { VALUE } else { FURTHER };
            given.push(descriptor);
            self.advance();
            self.expect_described(Kind::Colon, expected)?;
            match descriptor {
                Descriptor::Schema => histogram.schema = self.described_int(expected)?,
                Descriptor::Offset => offset = self.described_int(expected)?,
                Descriptor::NegativeOffset => negative_offset = self.described_int(expected)?,
                Descriptor::Sum => histogram.sum = self.signed_number(expected)?,
                Descriptor::Count => histogram.count = self.signed_number(expected)?,
                Descriptor::ZeroBucket => histogram.zero_count = self.signed_number(expected)?,
                Descriptor::ZeroBucketWidth => histogram.zero_threshold = self.signed_number(expected)?,
                Descriptor::CustomValues => {
                    histogram.custom_bounds = self.described_buckets(expected)?.into();
                }
                Descriptor::Buckets => histogram.positive.counts = self.described_buckets(expected)?,
                Descriptor::NegativeBuckets => {
                    histogram.negative.counts = self.described_buckets(expected)?;
                }
                Descriptor::CounterResetHint => {
                    let Kind::ResetHint(hint) = self.token.kind else {
                        return self.unexpected(expected.context, expected.expected);
                    };
                    histogram.reset_hint = hint;
                    self.advance();
                }
            }
            if !self.accept(Kind::Space) {
                break;
            }
        }
        if given.is_empty() {
            self.accept(Kind::Space);
        }
        self.expect_described(Kind::CloseHistogram, if given.is_empty() { VALUE } else { FURTHER })?;
        place(&mut histogram.positive, offset);
        place(&mut histogram.negative, negative_offset);
        Ok((histogram, given.contains(&Descriptor::CounterResetHint)))
    }

    fn described_int(&mut self, expected: Expected) -> Result<i32> {
        let negative = self.accept(Kind::Op(BinaryOp::Sub));
        if self.token.kind != Kind::Number {
            return self.unexpected(expected.context, expected.expected);
        }
        let Token { span, .. } = self.token;
        let whole = self.whole()?;
        match i32::try_from(whole) {
            Ok(whole) => Ok(if negative { -whole } else { whole }),
            Err(_) => self.error(span, format!("{whole} is no 32-bit number")),
        }
    }

    /// `[1 2 3]`
    fn described_buckets(&mut self, expected: Expected) -> Result<Vec<f64>> {
        self.expect_described(Kind::LeftBracket, expected)?;
        let mut counts = vec![self.signed_number(expected)?];
        while self.accept(Kind::Space) {
            if self.token.kind == Kind::RightBracket {
                break;
            }
            counts.push(self.signed_number(expected)?);
        }
        self.expect_described(Kind::RightBracket, expected)?;
        Ok(counts)
    }

    fn expect_described(&mut self, kind: Kind, expected: Expected) -> Result<()> {
        if self.token.kind != kind {
            return self.unexpected(expected.context, expected.expected);
        }
        self.advance();
        Ok(())
    }
}

/// All buckets of a sign follow each other.
fn place(buckets: &mut Buckets, offset: i32) {
    if !buckets.counts.is_empty() {
        buckets.runs = vec![BucketRun { offset, length: buckets.counts.len() as u32 }];
    }
}
