//! Labels of a series, as tests and exposition write them.

use weir_signal::{Labels, LabelsBuilder, METRIC_NAME};

use super::{Parser, Result};
use crate::lex::Kind;

impl Parser<'_> {
    /// `up{job="a"}`, `{"my.metric", "a.b"="c"}`, or nothing.
    pub(super) fn labels(&mut self) -> Result<Labels> {
        let mut labels = LabelsBuilder::new();
        let mut name = None;
        if self.token.kind.is_metric_name() {
            name = Some(self.advance().span);
        }
        let begin = self.token.span;
        if self.token.kind == Kind::LeftBrace {
            self.advance();
            while self.token.kind != Kind::RightBrace {
                self.label(&mut labels)?;
                match self.token.kind {
                    Kind::RightBrace => {}
                    Kind::Comma => {
                        self.advance();
                    }
                    _ => return self.unexpected("label set", "\",\" or \"}\""),
                }
            }
            self.advance();
        }
        if let Some(name) = name {
            labels.set(METRIC_NAME, self.text_of(name));
        }
        match labels.build() {
            Ok(labels) => Ok(labels),
            Err(error) => self.error(begin.to(self.taken), error.to_string()),
        }
    }

    fn label(&mut self, labels: &mut LabelsBuilder) -> Result<()> {
        let label = self.token;
        let name = match label.kind {
            Kind::Identifier => self.text_of(label.span).to_owned(),
            Kind::String => self.utf8(label)?,
            _ => return self.unexpected("label set", "identifier or \"}\""),
        };
        self.advance();
        if self.token.kind == Kind::Assign {
            self.advance();
            if self.token.kind != Kind::String {
                return self.unexpected("label set", "string");
            }
            let value = self.utf8(self.token)?;
            self.advance();
            labels.push(&name, &value);
            return Ok(());
        }
        if label.kind != Kind::String {
            return self.unexpected("label set", "\"=\"");
        }
        // A string alone is the metric's name.
        labels.push(METRIC_NAME, &name);
        Ok(())
    }
}
