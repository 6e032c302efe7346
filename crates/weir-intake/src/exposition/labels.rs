//! Names and labels from the text of a series.

use std::borrow::Cow;

use weir_signal::{LabelsBuilder, METRIC_NAME, MetricKind};

use super::lex::Dialect;
use super::number::openmetrics_float;
use super::unescape;

/// A part of a series, its escapes resolved.
pub(super) enum Part<'a> {
    Metric(Cow<'a, str>),
    Label(Cow<'a, str>, Cow<'a, str>),
}

/// Whether the last label may be followed by a comma: OpenMetrics says no, everybody reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastComma {
    Allowed,
    Refused,
}

/// Writes the labels of a series into `builder`.
pub(super) fn series(
    raw: &str,
    dialect: Dialect,
    kind: MetricKind,
    builder: &mut LabelsBuilder,
) -> Result<(), &'static str> {
    let bound = match kind {
        MetricKind::Histogram => "le",
        MetricKind::Summary => "quantile",
        _ => "",
    };
    parts(raw, dialect, LastComma::Allowed, |part| match part {
        Part::Metric(name) => builder.push(METRIC_NAME, &name),
        Part::Label(name, value) if name == bound => match value.parse() {
            Ok(float) => builder.push(&name, &openmetrics_float(float)),
            Err(_) => builder.push(&name, &value),
        },
        Part::Label(name, value) => builder.push(&name, &value),
    })
}

/// Writes the labels of an exemplar, with their braces, into `builder`.
pub(super) fn exemplar(raw: &str, builder: &mut LabelsBuilder) -> Result<(), &'static str> {
    let mut named = false;
    braced(raw, Dialect::OpenMetrics, LastComma::Allowed, &mut |part| match part {
        Part::Metric(_) => named = true,
        Part::Label(name, value) => builder.push(&name, &value),
    })?;
    if named { Err("an exemplar has no name of its own") } else { Ok(()) }
}

/// The metric's name.
pub(super) fn metric(raw: &str, dialect: Dialect) -> Cow<'_, str> {
    let plain = raw.find(['{', ' ', '\t']).unwrap_or(raw.len());
    if plain > 0 {
        return Cow::Borrowed(&raw[..plain]);
    }
    let mut metric = Cow::Borrowed("");
    // What is no series has no name either; whoever asks for its labels is told why.
    let _ = parts(raw, dialect, LastComma::Allowed, |part| {
        if let Part::Metric(name) = part {
            metric = Cow::Owned(name.into_owned());
        }
    });
    metric
}

/// Hands the name and the labels of a series to `each`, in their order.
pub(super) fn parts(
    raw: &str,
    dialect: Dialect,
    last_comma: LastComma,
    mut each: impl FnMut(Part<'_>),
) -> Result<(), &'static str> {
    let brace = raw.find('{').unwrap_or(raw.len());
    let (name, braces) = raw.split_at(brace);
    let name = name.trim_end_matches([' ', '\t']);
    let mut metrics = 0;
    if !name.is_empty() {
        metrics += 1;
        each(Part::Metric(Cow::Borrowed(name)));
    }
    if !braces.is_empty() {
        braced(braces, dialect, last_comma, &mut |part| {
            metrics += usize::from(matches!(part, Part::Metric(_)));
            each(part);
        })?;
    }
    match metrics {
        0 => Err("it has no metric name"),
        1 => Ok(()),
        _ => Err("it has two metric names"),
    }
}

fn braced(
    raw: &str,
    dialect: Dialect,
    last_comma: LastComma,
    each: &mut dyn FnMut(Part<'_>),
) -> Result<(), &'static str> {
    let mut rest = Cursor { text: raw, blanks: dialect == Dialect::Prometheus };
    rest.take('{').ok_or("`{` must stand here")?;
    if rest.take('}').is_some() {
        return rest.end();
    }
    loop {
        if let Some(quoted) = rest.quoted()? {
            if rest.take('=').is_some() {
                let value = rest.quoted()?.ok_or("a label's value must stand in quotes")?;
                each(Part::Label(unescape(quoted), unescape(value)));
            } else {
                each(Part::Metric(unescape(quoted)));
            }
        } else {
            let name = rest.name().ok_or(
                "here a label's name must stand, in quotes where it is not `[a-zA-Z_][a-zA-Z0-9_]*`",
            )?;
            rest.take('=').ok_or("`=` must follow a label's name")?;
            let value = rest.quoted()?.ok_or("a label's value must stand in quotes")?;
            each(Part::Label(Cow::Borrowed(name), unescape(value)));
        }
        let comma = rest.take(',').is_some();
        if comma && last_comma == LastComma::Refused && rest.text.starts_with('}') {
            return Err("a comma must not stand before `}`");
        }
        if rest.take('}').is_some() {
            return rest.end();
        }
        if !comma {
            return Err("a comma or `}` must follow a label");
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    /// Whether blanks may stand between what belongs together.
    blanks: bool,
}

impl<'a> Cursor<'a> {
    fn skip_blanks(&mut self) {
        if self.blanks {
            self.text = self.text.trim_start_matches([' ', '\t']);
        }
    }

    fn take(&mut self, character: char) -> Option<()> {
        self.skip_blanks();
        self.text = self.text.strip_prefix(character)?;
        Some(())
    }

    fn name(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let length = self.text.bytes().position(|byte| !plain(byte)).unwrap_or(self.text.len());
        let (name, rest) = self.text.split_at(length);
        if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        self.text = rest;
        Some(name)
    }

    /// What stands in quotes, its escapes as they are; `None` where nothing does.
    fn quoted(&mut self) -> Result<Option<&'a str>, &'static str> {
        self.skip_blanks();
        let Some(rest) = self.text.strip_prefix('"') else { return Ok(None) };
        let mut at = 0;
        loop {
            match rest.as_bytes().get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err("the quotes are not closed"),
            }
        }
        self.text = &rest[at + 1..];
        Ok(Some(&rest[..at]))
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.text.is_empty() { Ok(()) } else { Err("something follows `}`") }
    }
}
