//! Pipelines.

use super::{Parser, Result};
use crate::ast::{
    Conversion, Extraction, LabelFormat, LabelPick, LineFilter, LineOp, LineTest, LogExpr, Logfmt, Stage,
    Unwrap,
};
use crate::lex::{Flag, Keyword, Kind};

impl Parser<'_> {
    /// `{app="a"} |= "b" | json`
    pub(super) fn logs(&mut self) -> Result<LogExpr> {
        let matchers = self.selector()?;
        let mut stages = Vec::new();
        if let Some(unwrap) = self.pipeline(&mut stages)? {
            return self.error(unwrap.1, "syntax error: unexpected unwrap");
        }
        Ok(LogExpr { matchers, stages })
    }

    /// Stages as far as they go, and an `unwrap` that ends them, with its place.
    pub(super) fn pipeline(
        &mut self,
        stages: &mut Vec<Stage>,
    ) -> Result<Option<(Unwrap, weir_promql::ast::Span)>> {
        loop {
            let op = match self.token.kind {
                Kind::Pipe => {
                    self.advance()?;
                    let span = self.token.span;
                    if self.accept(Kind::Keyword(Keyword::Unwrap))? {
                        return Ok(Some((self.unwrap()?, span)));
                    }
                    let stage = self.stage()?;
                    stages.push(stage);
                    continue;
                }
                Kind::PipeExact => LineOp::Contains,
                Kind::NotEqual => LineOp::NotContains,
                Kind::PipeMatch => LineOp::Regex,
                Kind::MatchNotRegex => LineOp::NotRegex,
                Kind::PipePattern => LineOp::Pattern,
                Kind::NotPattern => LineOp::NotPattern,
                _ => return Ok(None),
            };
            self.advance()?;
            let mut alternatives = vec![self.line_test()?];
            while self.accept(Kind::Op(weir_promql::ast::BinaryOp::Or))? {
                alternatives.push(self.line_test()?);
            }
            stages.push(Stage::LineFilter(LineFilter { op, alternatives }));
        }
    }

    fn line_test(&mut self) -> Result<LineTest> {
        if !self.accept(Kind::Ip)? {
            return Ok(LineTest::Text(self.string("STRING or ip")?));
        }
        self.expect(Kind::LeftParen, "(")?;
        let pattern = self.string("STRING")?;
        self.expect(Kind::RightParen, ")")?;
        Ok(LineTest::Ip(pattern))
    }

    /// What stands behind a `|` that begins no line filter.
    fn stage(&mut self) -> Result<Stage> {
        let Kind::Keyword(keyword) = self.token.kind else {
            return Ok(Stage::LabelFilter(self.label_filter()?));
        };
        let known = !matches!(
            keyword,
            Keyword::Bool
                | Keyword::By
                | Keyword::GroupLeft
                | Keyword::GroupRight
                | Keyword::Ignoring
                | Keyword::Offset
                | Keyword::On
                | Keyword::Without
        );
        if !known {
            return self.unexpected("");
        }
        self.advance()?;
        Ok(match keyword {
            Keyword::Json => Stage::Json(self.extractions()?),
            Keyword::Logfmt => {
                let mut logfmt = Logfmt::default();
                while let Kind::Flag(flag) = self.token.kind {
                    match flag {
                        Flag::Strict => logfmt.strict = true,
                        Flag::KeepEmpty => logfmt.keep_empty = true,
                    }
                    self.advance()?;
                }
                logfmt.extractions = self.extractions()?;
                Stage::Logfmt(logfmt)
            }
            Keyword::Pattern => Stage::Pattern(self.string("STRING")?),
            Keyword::Regexp => Stage::Regexp(self.string("STRING")?),
            Keyword::LineFormat => Stage::LineFormat(self.string("STRING")?),
            Keyword::Unpack => Stage::Unpack,
            Keyword::Decolorize => Stage::Decolorize,
            Keyword::Drop => Stage::Drop(self.picks()?),
            Keyword::Keep => Stage::Keep(self.picks()?),
            _ => Stage::LabelFormat(self.label_formats()?),
        })
    }

    /// `a="b.c", d`, or nothing.
    fn extractions(&mut self) -> Result<Vec<Extraction>> {
        let mut extractions = Vec::new();
        if self.token.kind != Kind::Identifier {
            return Ok(extractions);
        }
        loop {
            let label = self.identifier("IDENTIFIER")?;
            let path = if self.accept(Kind::Assign)? { self.string("STRING")? } else { label.clone() };
            extractions.push(Extraction { label, path });
            if !self.accept(Kind::Comma)? {
                return Ok(extractions);
            }
        }
    }

    /// `a=b, c="{{.d}}"`
    fn label_formats(&mut self) -> Result<Vec<LabelFormat>> {
        let mut formats = Vec::new();
        loop {
            let label = self.identifier("IDENTIFIER")?;
            self.expect(Kind::Assign, "=")?;
            formats.push(match self.token.kind {
                Kind::Identifier => LabelFormat::Rename { to: label, from: self.identifier("IDENTIFIER")? },
                _ => LabelFormat::Template { label, template: self.string("IDENTIFIER or STRING")? },
            });
            if !self.accept(Kind::Comma)? {
                return Ok(formats);
            }
        }
    }

    /// `a, b="c"`
    fn picks(&mut self) -> Result<Vec<LabelPick>> {
        let mut picks = Vec::new();
        loop {
            let tests = matches!(
                self.ahead(),
                Kind::Assign | Kind::NotEqual | Kind::MatchRegex | Kind::MatchNotRegex
            );
            // A filter of lines may follow: `| drop a != "b"` is a test of `a`, as in Loki.
            picks.push(if tests {
                LabelPick::Match(self.matcher("IDENTIFIER")?)
            } else {
                LabelPick::Name(self.identifier("IDENTIFIER")?)
            });
            if !self.accept(Kind::Comma)? {
                return Ok(picks);
            }
        }
    }

    /// What stands behind `unwrap`, and the tests that follow it.
    fn unwrap(&mut self) -> Result<Unwrap> {
        let (label, conversion) = if let Kind::Conversion(conversion) = self.token.kind {
            self.advance()?;
            self.expect(Kind::LeftParen, "(")?;
            let label = self.identifier("IDENTIFIER")?;
            self.expect(Kind::RightParen, ")")?;
            (label, conversion)
        } else {
            (self.identifier("IDENTIFIER or bytes or duration or duration_seconds")?, Conversion::Number)
        };
        let mut filters = Vec::new();
        while self.accept(Kind::Pipe)? {
            filters.push(self.label_filter()?);
        }
        Ok(Unwrap { label, conversion, filters })
    }
}
