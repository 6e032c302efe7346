//! Lines of Prometheus' text and of OpenMetrics.
//!
//! The two differ in little: OpenMetrics wants single spaces, no comments, times in seconds and an end, and has exemplars
//! and units. What stands within braces is only skipped here, quotes respected; [`super::labels`] reads it.

use std::borrow::Cow;

use weir_signal::{Reason, Refusal};

use super::number::{float, seconds_to_ms};
use super::unescape;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// Text that is not of its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The byte where it shows.
    pub(super) offset: usize,
    pub(super) what: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(offset: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self { offset, what: what.into() }
    }

    /// The same with the line in which it shows.
    pub(super) fn refusal(&self, payload: &[u8]) -> Refusal {
        let before = &payload[..self.offset.min(payload.len())];
        let line = before.split(|&byte| byte == b'\n').count();
        Refusal::new(Reason::Malformed, format!("line {line}: {}", self.what))
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry<'a> {
    /// Something about a family.
    Meta { word: Word, family: Cow<'a, str>, text: &'a str },
    /// A sample.
    Sample(SampleText<'a>),
    /// The end of the payload, which OpenMetrics says in words.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Help,
    Type,
    Unit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SampleText<'a> {
    /// The name and what stands in braces.
    pub(super) raw: &'a str,
    pub(super) value: f64,
    pub(super) time: Option<Time>,
    pub(super) exemplar: Option<ExemplarText<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time {
    pub(super) ms: i64,
    /// The same as OpenMetrics wrote it.
    pub(super) seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExemplarText<'a> {
    /// What stands in braces, with them.
    pub(super) labels: &'a str,
    pub(super) value: f64,
    pub(super) time_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    /// The byte where the next entry begins.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next entry; after [`Entry::End`] there is none.
    pub(super) fn next(&mut self) -> Result<Entry<'a>, Fault> {
        match self.dialect {
            Dialect::OpenMetrics => match self.byte() {
                Some(b'#') => self.openmetrics_comment(),
                Some(_) => self.sample(),
                None => Err(self.fault("the payload does not end with `# EOF`; it was cut short")),
            },
            Dialect::Prometheus => loop {
                self.blanks();
                match self.byte() {
                    None => return Ok(Entry::End),
                    Some(b'\n') => self.at += 1,
                    Some(b'#') => {
                        if let Some(entry) = self.prometheus_comment()? {
                            return Ok(entry);
                        }
                    }
                    Some(_) => return self.sample(),
                }
            },
        }
    }

    fn openmetrics_comment(&mut self) -> Result<Entry<'a>, Fault> {
        let rest = &self.text[self.at..];
        if rest == "# EOF" || rest == "# EOF\n" {
            return Ok(Entry::End);
        }
        let words = [("# HELP ", Word::Help), ("# TYPE ", Word::Type), ("# UNIT ", Word::Unit)];
        let Some(&(start, word)) = words.iter().find(|(start, _)| rest.starts_with(start)) else {
            let what = if rest.starts_with("# EOF") {
                "something follows `# EOF`"
            } else {
                "only `# HELP`, `# TYPE`, `# UNIT` and `# EOF` are comments of OpenMetrics"
            };
            return Err(self.fault(what));
        };
        self.at += start.len();
        let family = self.family()?;
        if self.byte() != Some(b' ') {
            return Err(self.fault("a space and a text must follow the family's name"));
        }
        self.at += 1;
        let text = self.line();
        if self.byte() != Some(b'\n') {
            return Err(self.fault("the payload does not end with `# EOF`; it was cut short"));
        }
        self.at += 1;
        Ok(Entry::Meta { word, family, text })
    }

    /// `None` where it is a comment to people.
    fn prometheus_comment(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        self.at += 1;
        let word_at = self.at;
        self.blanks();
        let rest = &self.text[self.at..];
        let word = [("HELP", Word::Help), ("TYPE", Word::Type)].into_iter().find(|(name, _)| {
            self.at > word_at && rest.starts_with(name) && rest[name.len()..].starts_with([' ', '\t'])
        });
        let Some((name, word)) = word else {
            self.line();
            return Ok(None);
        };
        self.at += name.len();
        self.blanks();
        let family = self.family()?;
        let text = self.line();
        if !text.is_empty() && !text.starts_with([' ', '\t']) {
            return Err(self.fault("a space must follow the family's name"));
        }
        let text = match word {
            Word::Type => text.trim_matches([' ', '\t']),
            _ => text.get(1..).unwrap_or_default(),
        };
        Ok(Some(Entry::Meta { word, family, text }))
    }

    /// A family's name, quoted where it needs that.
    fn family(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        if self.byte() == Some(b'"') {
            self.quoted()?;
            return Ok(unescape(&self.text[start + 1..self.at - 1]));
        }
        self.name();
        if self.at == start {
            return Err(self.fault(
                "here a family's name must stand, in quotes where it is not `[a-zA-Z_:][a-zA-Z0-9_:]*`",
            ));
        }
        Ok(Cow::Borrowed(&self.text[start..self.at]))
    }

    fn sample(&mut self) -> Result<Entry<'a>, Fault> {
        let start = self.at;
        self.name();
        let mut end = self.at;
        if self.dialect == Dialect::Prometheus {
            self.blanks();
        }
        if self.byte() == Some(b'{') {
            self.braces()?;
            end = self.at;
        }
        if end == start {
            return Err(self.fault("a line must begin with a metric's name, `{` or `#`"));
        }
        let raw = &self.text[start..end];
        let entry = match self.dialect {
            Dialect::Prometheus => self.prometheus_value(raw),
            Dialect::OpenMetrics => self.openmetrics_value(raw),
        }?;
        match self.byte() {
            Some(b'\n') => self.at += 1,
            None if self.dialect == Dialect::Prometheus => {}
            None => return Err(self.fault("the payload does not end with `# EOF`; it was cut short")),
            Some(_) => return Err(self.fault("the line goes on where it should end")),
        }
        Ok(Entry::Sample(entry))
    }

    fn prometheus_value(&mut self, raw: &'a str) -> Result<SampleText<'a>, Fault> {
        self.blanks();
        let value = self.number()?;
        self.blanks();
        let mut time = None;
        if self.byte().is_some_and(|byte| byte != b'\n') {
            let word = self.word();
            let ms: i64 = word.parse().map_err(|_| self.fault_of("time in milliseconds", word))?;
            time = Some(Time { ms, seconds: ms as f64 / 1000.0 });
            self.blanks();
        }
        Ok(SampleText { raw, value, time, exemplar: None })
    }

    fn openmetrics_value(&mut self, raw: &'a str) -> Result<SampleText<'a>, Fault> {
        self.space()?;
        let value = self.number()?;
        let mut time = None;
        if self.byte() == Some(b' ') && !self.text[self.at..].starts_with(" # ") {
            self.at += 1;
            time = Some(self.seconds()?);
        }
        let mut exemplar = None;
        if self.text[self.at..].starts_with(" # {") {
            self.at += " # ".len();
            let start = self.at;
            self.braces()?;
            let labels = &self.text[start..self.at];
            self.space()?;
            let value = self.number()?;
            let mut time_ms = None;
            if self.byte() == Some(b' ') {
                self.at += 1;
                time_ms = Some(self.seconds()?.ms);
            }
            exemplar = Some(ExemplarText { labels, value, time_ms });
        }
        Ok(SampleText { raw, value, time, exemplar })
    }

    fn number(&mut self) -> Result<f64, Fault> {
        let word = self.word();
        float(word).ok_or_else(|| self.fault_of("number", word))
    }

    fn seconds(&mut self) -> Result<Time, Fault> {
        let word = self.word();
        let seconds = float(word).ok_or_else(|| self.fault_of("time in seconds", word))?;
        let ms = seconds_to_ms(seconds).ok_or_else(|| self.fault_of("time in seconds", word))?;
        Ok(Time { ms, seconds })
    }

    fn space(&mut self) -> Result<(), Fault> {
        if self.byte() != Some(b' ') {
            return Err(self.fault("one space must stand here"));
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self, more: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at += rest.iter().position(|&byte| !more(byte)).unwrap_or(rest.len());
        &self.text[start..self.at]
    }

    fn blanks(&mut self) {
        self.advance(|byte| byte == b' ' || byte == b'\t');
    }

    fn word(&mut self) -> &'a str {
        let tabs = self.dialect == Dialect::Prometheus;
        self.advance(|byte| byte != b' ' && byte != b'\n' && (byte != b'\t' || !tabs))
    }

    fn line(&mut self) -> &'a str {
        self.advance(|byte| byte != b'\n')
    }

    /// A metric's name without quotes, if one stands here.
    fn name(&mut self) {
        if self.byte().is_some_and(|byte| !byte.is_ascii_digit()) {
            self.advance(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
        }
    }

    /// Skips what stands in braces, and the braces.
    fn braces(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.advance(|byte| byte != b'"' && byte != b'}' && byte != b'\n');
            match self.byte() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'"') => self.quoted()?,
                _ => return Err(self.fault("the labels have no closing brace")),
            }
        }
    }

    /// Skips what stands in quotes, and the quotes. Prometheus' text lets a line end within them.
    fn quoted(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let ends = self.dialect == Dialect::OpenMetrics;
        loop {
            self.advance(|byte| byte != b'"' && byte != b'\\' && (byte != b'\n' || !ends));
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                // Whatever follows a backslash closes nothing, but in OpenMetrics a line still ends. Of a character of several
                // bytes none is skipped: the next look must begin at a character.
                Some(b'\\') => match self.text.as_bytes().get(self.at + 1) {
                    Some(b'\n') if ends => return Err(self.fault("the quotes are not closed")),
                    Some(byte) if byte.is_ascii() => self.at += 2,
                    _ => self.at += 1,
                },
                _ => return Err(self.fault("the quotes are not closed")),
            }
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::new(self.at, what)
    }

    fn fault_of(&self, what: &'static str, word: &str) -> Fault {
        Fault::new(self.at, format!("`{}` is no {what}", crate::names::beginning(word).escape_debug()))
    }
}
