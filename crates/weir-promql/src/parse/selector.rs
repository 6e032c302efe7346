//! Selectors of series, and what follows an expression: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`.

use weir_signal::{METRIC_NAME, MatchOp, Matcher};

use super::expr::Tree;
use super::{Expected, Parser, Result};
use crate::ast::{
    At, BinaryOp, Duration, DurationExpr, Expr, Extension, MatrixSelector, Span, Subquery, UnaryOp,
    VectorSelector,
};
use crate::duration::seconds_to_millis;
use crate::lex::{Function, Keyword, Kind, Token, quote_bytes, unquote};

/// The latest time, in seconds, that is one in milliseconds.
const TIME_SECONDS_MAX: f64 = i64::MAX as f64;

impl Parser<'_> {
    /// A selector without modifiers.
    pub(super) fn plain_selector(&mut self) -> Result<VectorSelector> {
        if self.token.kind == Kind::LeftBrace {
            return self.selector(None);
        }
        if !self.token.kind.is_metric_name() {
            return self.unexpected_here();
        }
        let name = self.advance();
        self.selector(Some(name.span))
    }

    /// A selector whose name, where it has one in front of the braces, has been read.
    pub(super) fn selector(&mut self, name: Option<Span>) -> Result<VectorSelector> {
        let begin = name.unwrap_or(self.token.span);
        let mut matchers = Vec::new();
        if self.token.kind == Kind::LeftBrace {
            self.advance();
            while !self.accept(Kind::RightBrace) {
                matchers.push(self.matcher()?);
                match self.token.kind {
                    Kind::RightBrace => {}
                    Kind::Comma => {
                        self.advance();
                    }
                    _ => return self.unexpected("label matching", "\",\" or \"}\""),
                }
            }
        }
        let name = name.map(|span| Box::from(self.text_of(span)));
        if let Some(name) = &name {
            matchers.push(Matcher::equal(METRIC_NAME, name));
        }
        Ok(VectorSelector {
            name,
            matchers,
            offset: None,
            at: None,
            extension: None,
            selects_info: false,
            span: begin.to(self.taken),
        })
    }

    fn matcher(&mut self) -> Result<Matcher> {
        let label = self.token;
        let name = match label.kind {
            Kind::Identifier => self.text_of(label.span).to_owned(),
            Kind::String => self.utf8(label)?,
            _ => return self.unexpected("label matching", "identifier or \"}\""),
        };
        self.advance();
        let op = match self.token.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Op(BinaryOp::NotEqual) => MatchOp::NotEqual,
            Kind::MatchRegex => MatchOp::Regex,
            Kind::MatchNotRegex => MatchOp::NotRegex,
            // A string alone is the metric's name.
            _ if label.kind == Kind::String => return Ok(Matcher::equal(METRIC_NAME, &name)),
            _ => return self.unexpected("label matching", "label matching operator"),
        };
        self.advance();
        let value = self.token;
        if value.kind != Kind::String {
            return self.unexpected("label matching", "string");
        }
        let text = self.utf8(value)?;
        match Matcher::new(&name, op, &text) {
            Ok(matcher) => {
                self.advance();
                Ok(matcher)
            }
            Err(error) => self.error(label.span.to(value.span), error.to_string()),
        }
    }

    /// What a string says, which must be text: so are all names and values of labels.
    pub(super) fn utf8(&self, token: Token) -> Result<String> {
        match String::from_utf8(unquote(self.text_of(token.span))) {
            Ok(text) => Ok(text),
            Err(error) => {
                let bytes = quote_bytes(error.as_bytes());
                self.error(token.span, format!("names and values of labels are UTF-8, {bytes} is not"))
            }
        }
    }

    /// An expression with all that follows it and changes it.
    pub(super) fn modified(&mut self, tree: Tree) -> Result<Tree> {
        let (mut expr, mut height) = tree;
        loop {
            match self.token.kind {
                Kind::LeftBracket => (expr, height) = self.range((expr, height))?,
                Kind::Keyword(Keyword::Offset) => self.offset(&mut expr)?,
                Kind::At => self.at(&mut expr)?,
                Kind::Keyword(Keyword::Anchored) => self.extension(&mut expr, Extension::Anchored)?,
                Kind::Keyword(Keyword::Smoothed) => self.extension(&mut expr, Extension::Smoothed)?,
                _ => return Ok((expr, height)),
            }
        }
    }

    /// `[5m]` or `[1h:1m]`
    fn range(&mut self, (expr, height): Tree) -> Result<Tree> {
        const RANGE: Expected = Expected {
            context: "subquery or range selector",
            expected: "number, duration, step(), or range()",
        };
        const STEP: Expected = Expected {
            context: "subquery selector",
            expected: "number, duration, step(), range(), or \"]\"",
        };
        let open = self.advance().span;
        let range = self.positive_duration(RANGE)?;
        match self.token.kind {
            Kind::RightBracket => {
                let close = self.token.span;
                let span = expr.span().to(close);
                let selector = match expr {
                    Expr::Vector(selector) if selector.offset.is_some() => {
                        return self.error(open.to(close), "no offset modifiers allowed before range");
                    }
                    Expr::Vector(selector) if selector.at.is_some() => {
                        return self.error(open.to(close), "no @ modifiers allowed before range");
                    }
                    Expr::Vector(selector) => selector,
                    _ => return self.error(open.to(close), "ranges only allowed for vector selectors"),
                };
                self.advance();
                Ok((Expr::Matrix(MatrixSelector { selector, range, span }), height))
            }
            Kind::Colon => {
                self.advance();
                let mut step = None;
                if self.token.kind != Kind::RightBracket {
                    step = Some(self.positive_duration(STEP)?);
                    if self.token.kind != Kind::RightBracket {
                        return self.unexpected("subquery selector", "\"]\"");
                    }
                }
                let close = self.advance().span;
                let span = expr.span().to(close);
                self.check_height(height + 1)?;
                let subquery = Subquery { expr, range, step, offset: None, at: None, span };
                Ok((Expr::Subquery(Box::new(subquery)), height + 1))
            }
            _ => self.unexpected("subquery or range", "\":\" or \"]\""),
        }
    }

    /// A duration that must be above zero, as far as that is known without the query's step and range.
    fn positive_duration(&mut self, expected: Expected) -> Result<Duration> {
        let duration = self.duration(expected)?;
        self.check_readable()?;
        match duration {
            DurationExpr::Number(number) if number.value <= 0.0 => {
                self.error(number.span, "duration must be greater than 0")
            }
            DurationExpr::Number(number) => Ok(Duration::Millis(seconds_to_millis(number.value))),
            expr => Ok(Duration::Expr(Box::new(expr))),
        }
    }

    /// `offset 5m`
    fn offset(&mut self, expr: &mut Expr) -> Result<()> {
        self.advance();
        let offset = match self.offset_duration()? {
            DurationExpr::Number(number) => match seconds_to_millis(number.value) {
                0 => None,
                millis => Some(Duration::Millis(millis)),
            },
            expr => Some(Duration::Expr(Box::new(expr))),
        };
        let span = expr.span();
        let Some((target, _, end)) = modifiable(expr) else {
            return self.error(
                span,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
        };
        if target.is_some() {
            return self.error(span, "offset may not be set multiple times");
        }
        *target = offset;
        end.end = self.taken.end;
        Ok(())
    }

    /// `@ 1609746000`, `@ start()`
    fn at(&mut self, expr: &mut Expr) -> Result<()> {
        self.advance();
        let sign = self.sign();
        let span = expr.span();
        let time = match self.token.kind {
            Kind::Number | Kind::Duration => {
                let value = self.number()?.value;
                let seconds = if matches!(sign, Some((UnaryOp::Minus, _))) { -value } else { value };
                // Both bounds are excluded, and so is what is no number.
                if !(seconds < TIME_SECONDS_MAX && seconds > -TIME_SECONDS_MAX) {
                    let seconds = match seconds {
                        _ if seconds.is_nan() => "NaN".to_owned(),
                        f64::INFINITY => "+Inf".to_owned(),
                        f64::NEG_INFINITY => "-Inf".to_owned(),
                        _ => format!("{seconds:.6}"),
                    };
                    return self.error(span, format!("timestamp out of bounds for @ modifier: {seconds}"));
                }
                At::Time((seconds * 1000.0).round() as i64)
            }
            Kind::Function(function @ (Function::Start | Function::End)) if sign.is_none() => {
                self.advance();
                for paren in [Kind::LeftParen, Kind::RightParen] {
                    if self.token.kind != paren {
                        return self.unexpected("@", "timestamp");
                    }
                    self.advance();
                }
                if function == Function::Start { At::Start } else { At::End }
            }
            _ => return self.unexpected("@", "timestamp"),
        };
        let Some((_, target, end)) = modifiable(expr) else {
            return self.error(
                span,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
        };
        if target.is_some() {
            return self.error(span, "@ <timestamp> may not be set multiple times");
        }
        *target = Some(time);
        end.end = self.taken.end;
        Ok(())
    }

    /// `anchored` or `smoothed`
    fn extension(&mut self, expr: &mut Expr, extension: Extension) -> Result<()> {
        let word = match extension {
            Extension::Anchored => "anchored",
            Extension::Smoothed => "smoothed",
        };
        let span = expr.span();
        if !self.options.extended_range_selectors {
            return self.error(span, format!("{word} modifier is experimental and not enabled"));
        }
        let target = match expr {
            Expr::Vector(selector) => &mut selector.extension,
            Expr::Matrix(matrix) => &mut matrix.selector.extension,
            Expr::Subquery(_) => {
                return self.error(span, format!("{word} modifier is not supported for subqueries"));
            }
            _ => return self.error(span, format!("{word} modifier not implemented")),
        };
        if target.is_some_and(|other| other != extension) {
            return self.error(span, "anchored and smoothed modifiers cannot be used together");
        }
        *target = Some(extension);
        self.advance();
        Ok(())
    }
}

/// The offset, the time and the span of what can be looked at elsewhere in time.
fn modifiable(expr: &mut Expr) -> Option<(&mut Option<Duration>, &mut Option<At>, &mut Span)> {
    match expr {
        Expr::Vector(selector) => Some((&mut selector.offset, &mut selector.at, &mut selector.span)),
        Expr::Matrix(matrix) => {
            Some((&mut matrix.selector.offset, &mut matrix.selector.at, &mut matrix.span))
        }
        Expr::Subquery(subquery) => Some((&mut subquery.offset, &mut subquery.at, &mut subquery.span)),
        _ => None,
    }
}
