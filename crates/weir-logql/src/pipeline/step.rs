//! What each stage does to a line.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::{CaptureLocations, Regex};
use weir_signal::{Matcher, re2};

use super::filter::Filter;
use super::hints::Hints;
use super::labels::{ERROR, ERROR_DETAILS, LineError, LineLabels, Origin, PRESERVE_ERROR};
use crate::ast::{LabelFormat, LabelPick, LineFilter, LineOp, LineTest, Logfmt, Stage};
use crate::ip::IpTest;
use crate::json::{self, Kind, Path};
use crate::logfmt::Pairs;
use crate::pattern::Pattern;
use crate::template::{Context, Template};

/// The member of a packed line that is the line itself.
const PACKED_ENTRY: &str = "_entry";

/// Colours and other commands to a terminal.
static COLORS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    re2(concat!(
        "[\u{1b}\u{9b}][[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\u{7})",
        "|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))"
    ))
    .ok()
});

/// A stage, ready for lines.
#[derive(Debug)]
pub(super) enum Step {
    Line { tests: Vec<Test>, negative: bool },
    Json,
    JsonPaths(Vec<(Box<str>, Path)>),
    Logfmt { strict: bool, keep_empty: bool },
    LogfmtKeys { strict: bool, keys: Vec<(Box<str>, Box<str>)> },
    Pattern(Pattern),
    Regexp { regex: Regex, groups: Vec<(usize, String)>, found: CaptureLocations },
    Unpack,
    Filter(Filter),
    LineFormat(Template),
    LabelFormat(Vec<Format>),
    Decolorize,
    Drop(Vec<LabelPick>),
    Keep(Vec<LabelPick>),
}

/// A test of the line.
#[derive(Debug)]
pub(super) enum Test {
    Contains(Box<Finder<'static>>),
    Regex(Regex),
    Pattern(Pattern),
    Ip(IpTest),
}

#[derive(Debug)]
pub(super) enum Format {
    Rename { to: Box<str>, from: Box<str> },
    Template { label: Box<str>, template: Template },
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Keep,
    Drop,
    /// There is another text now.
    Change,
}

impl Step {
    /// # Errors
    /// What is wrong with the stage.
    pub(super) fn new(stage: &Stage) -> Result<Self, String> {
        Ok(match stage {
            Stage::LineFilter(filter) => line_filter(filter)?,
            Stage::Json(extractions) if extractions.is_empty() => Self::Json,
            Stage::Json(extractions) => {
                let path = |path: &str| Path::parse(path).map_err(|why| no_expression(path, &why));
                let paths = extractions.iter().map(|one| Ok((one.label.clone(), path(&one.path)?)));
                Self::JsonPaths(paths.collect::<Result<_, String>>()?)
            }
            Stage::Logfmt(Logfmt { strict, keep_empty, extractions }) if extractions.is_empty() => {
                Self::Logfmt { strict: *strict, keep_empty: *keep_empty }
            }
            Stage::Logfmt(Logfmt { strict, extractions, .. }) => {
                let keys = extractions.iter().map(|one| Ok((one.label.clone(), logfmt_key(&one.path)?)));
                Self::LogfmtKeys { strict: *strict, keys: keys.collect::<Result<_, String>>()? }
            }
            Stage::Pattern(pattern) => Self::Pattern(Pattern::of_parser(pattern)?),
            Stage::Regexp(pattern) => regexp(pattern)?,
            Stage::Unpack => Self::Unpack,
            Stage::LabelFilter(filter) => Self::Filter(Filter::new(filter)?),
            Stage::LineFormat(template) => Self::LineFormat(
                Template::parse(template).map_err(|why| format!("invalid line template: {why}"))?,
            ),
            Stage::LabelFormat(formats) => Self::LabelFormat(label_formats(formats)?),
            Stage::Decolorize => Self::Decolorize,
            Stage::Drop(picks) => Self::Drop(picks.clone()),
            Stage::Keep(picks) => Self::Keep(picks.clone()),
        })
    }

    /// Does the stage to a line; what a stage makes of it goes to `next`.
    pub(super) fn apply(
        &mut self,
        line: &str,
        time_ns: i64,
        now_ns: i64,
        labels: &mut LineLabels,
        hints: &Hints,
        next: &mut String,
    ) -> Outcome {
        match self {
            Self::Line { tests, negative } => {
                if tests.iter().any(|test| test.holds(line)) == *negative {
                    return Outcome::Drop;
                }
            }
            Self::Filter(filter) => {
                if !filter.passes(labels) {
                    return Outcome::Drop;
                }
            }
            Self::Json => parse_json(line, labels, hints),
            Self::JsonPaths(paths) => parse_json_paths(line, paths, labels, hints),
            Self::Logfmt { strict, keep_empty } => parse_logfmt(line, *strict, *keep_empty, labels, hints),
            Self::LogfmtKeys { strict, keys } => parse_logfmt_keys(line, *strict, keys, labels, hints),
            Self::Pattern(pattern) => {
                if !hints.satisfied(labels) {
                    pattern
                        .captures(line, |name, value| labels.extract(name, value, |name| hints.wants(name)));
                }
            }
            Self::Regexp { regex, groups, found } => {
                if regex.captures_read(found, line).is_some() {
                    for (group, name) in groups {
                        let value = found.get(*group).map_or("", |(from, to)| &line[from..to]);
                        labels.extract(name, value, |name| hints.wants(name));
                    }
                }
            }
            Self::Unpack => return unpack(line, labels, hints, next),
            Self::LineFormat(template) => {
                next.clear();
                let context = Context { labels, line, time_ns, now_ns };
                match template.execute(&context, next) {
                    Ok(()) => return Outcome::Change,
                    Err(why) => labels.fail(LineError::Template, &why),
                }
            }
            Self::LabelFormat(formats) => format_labels(formats, line, time_ns, now_ns, labels),
            Self::Decolorize => {
                if line.contains(['\u{1b}', '\u{9b}'])
                    && let Some(colors) = &*COLORS
                {
                    next.clear();
                    next.push_str(&colors.replace_all(line, ""));
                    return Outcome::Change;
                }
            }
            Self::Drop(picks) => picks.iter().for_each(|pick| drop_label(pick, labels)),
            Self::Keep(picks) => keep_labels(picks, labels),
        }
        Outcome::Keep
    }
}

impl Test {
    fn new(op: LineOp, test: &LineTest) -> Result<Self, String> {
        Ok(match (test, op) {
            (LineTest::Text(text), LineOp::Contains | LineOp::NotContains) => {
                Self::Contains(Box::new(Finder::new(text.as_bytes()).into_owned()))
            }
            (LineTest::Text(text), LineOp::Regex | LineOp::NotRegex) => Self::Regex(regex(text)?),
            (LineTest::Text(text), LineOp::Pattern | LineOp::NotPattern) => {
                Self::Pattern(Pattern::of_filter(text)?)
            }
            (LineTest::Ip(pattern), LineOp::Contains | LineOp::NotContains) => {
                Self::Ip(IpTest::parse(pattern)?)
            }
            (LineTest::Ip(_), _) => return Err("ip: invalid operation".to_owned()),
        })
    }

    fn holds(&self, line: &str) -> bool {
        match self {
            Self::Contains(finder) => finder.find(line.as_bytes()).is_some(),
            Self::Regex(regex) => regex.is_match(line),
            Self::Pattern(pattern) => pattern.is_match(line),
            Self::Ip(test) => test.is_in(line),
        }
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    re2(pattern).map_err(|why| format!("error parsing regexp: {why}: `{pattern}`"))
}

fn line_filter(filter: &LineFilter) -> Result<Step, String> {
    let tests = filter.alternatives.iter().map(|test| Test::new(filter.op, test));
    Ok(Step::Line { tests: tests.collect::<Result<_, _>>()?, negative: filter.op.is_negative() })
}

fn no_expression(text: &str, why: &str) -> String {
    format!("cannot parse expression [{text}]: {why}")
}

/// The key that an expression of logfmt names, with or without quotes.
fn logfmt_key(text: &str) -> Result<Box<str>, String> {
    let text = text.trim();
    if let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return Ok(quoted.into());
    }
    match text.chars().find(|&c| !(c.is_ascii_alphanumeric() || c == '_')) {
        Some(other) => Err(no_expression(text, &format!("unexpected char {other}"))),
        None if text.starts_with(|c: char| !c.is_ascii_digit()) => Ok(text.into()),
        None => Err(no_expression(text, "syntax error: unexpected $end, expecting STRING or KEY")),
    }
}

fn regexp(pattern: &str) -> Result<Step, String> {
    let regex = regex(pattern)?;
    let mut groups: Vec<(usize, String)> = Vec::new();
    for (group, name) in regex.capture_names().enumerate() {
        let Some(name) = name else { continue };
        let name = sanitize(name);
        if groups.iter().any(|known| known.1 == name) {
            return Err(format!("duplicate extracted label name '{name}'"));
        }
        groups.push((group, name));
    }
    if groups.is_empty() {
        return Err("at least one named capture must be supplied".to_owned());
    }
    let found = regex.capture_locations();
    Ok(Step::Regexp { regex, groups, found })
}

fn label_formats(formats: &[LabelFormat]) -> Result<Vec<Format>, String> {
    let mut ready: Vec<Format> = Vec::with_capacity(formats.len());
    let mut names: Vec<&str> = Vec::new();
    for format in formats {
        let (name, format) = match format {
            LabelFormat::Rename { to, from } => (to, Format::Rename { to: to.clone(), from: from.clone() }),
            LabelFormat::Template { label, template } => {
                let template = Template::parse(template)
                    .map_err(|why| format!("invalid template for label '{label}': {why}"))?;
                (label, Format::Template { label: label.clone(), template })
            }
        };
        if &**name == ERROR {
            return Err(format!("{ERROR} cannot be formatted"));
        }
        if names.contains(&&**name) {
            return Err(format!("multiple label name '{name}' not allowed in a single format operation"));
        }
        names.push(name);
        ready.push(format);
    }
    Ok(ready)
}

/// A key as a label can be called: other characters than letters and digits are underscores, and a digit has one in front.
fn sanitize(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 1);
    append_sanitized(&mut name, key);
    name
}

fn append_sanitized(name: &mut String, key: &str) {
    let key = key.trim();
    if name.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
        name.push('_');
    }
    name.extend(key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
}

/// What a key is called, without a copy where it can be called so.
fn with_name<T>(key: &str, call: impl FnOnce(&str) -> T) -> T {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !key.starts_with(|c: char| c.is_ascii_digit()) { call(key) } else { call(&sanitize(key)) }
}

fn fail(error: LineError, details: &str, labels: &mut LineLabels, hints: &Hints) {
    labels.fail(error, details);
    if hints.keeps_errors() {
        labels.set(Origin::Parsed, PRESERVE_ERROR, "true");
    }
}

fn parse_json(line: &str, labels: &mut LineLabels, hints: &Hints) {
    if hints.satisfied(labels) {
        return;
    }
    let wants = |name: &str| hints.wants(name);
    let mut name = String::new();
    let mut join = |keys: &[String], key: &str, call: &mut dyn FnMut(&str)| {
        name.clear();
        for part in keys.iter().map(String::as_str).chain([key]).filter(|part| !part.trim().is_empty()) {
            if !name.is_empty() {
                name.push('_');
            }
            append_sanitized(&mut name, part);
        }
        call(&name);
    };
    let mut prefix = String::new();
    let mut into = |keys: &[String]| {
        prefix.clear();
        for key in keys.iter().filter(|key| !key.trim().is_empty()) {
            if !prefix.is_empty() {
                prefix.push('_');
            }
            append_sanitized(&mut prefix, key);
        }
        hints.wants_prefix(&prefix)
    };
    let mut leaf = |keys: &mut Vec<String>, key: &str, value: json::Raw<'_>| {
        if matches!(value.kind, Kind::String | Kind::Number | Kind::Bool) {
            join(keys, key, &mut |name| {
                if !name.is_empty() {
                    labels.extract(name, &value.say(), wants);
                }
            });
        }
        !hints.satisfied(labels)
    };
    if let Err(why) = json::leaves(line, &mut Vec::new(), &mut into, &mut leaf) {
        fail(LineError::Json, why, labels, hints);
    }
}

fn parse_json_paths(line: &str, paths: &[(Box<str>, Path)], labels: &mut LineLabels, hints: &Hints) {
    if line.is_empty() || hints.satisfied(labels) {
        return;
    }
    if !line.starts_with(['"', '{', '[']) {
        return fail(LineError::Json, "", labels, hints);
    }
    for (label, path) in paths {
        match path.find(line) {
            Some(value) => labels.extract_anew(label, &value.say()),
            // A label for every place, whether or not it is there.
            None if labels.get(label).is_none() => labels.set(Origin::Parsed, label, ""),
            None => {}
        }
    }
}

fn parse_logfmt(line: &str, strict: bool, keep_empty: bool, labels: &mut LineLabels, hints: &Hints) {
    if hints.satisfied(labels) {
        return;
    }
    for pair in Pairs::new(line) {
        let (key, value) = match pair {
            Ok(pair) => pair,
            Err(why) if strict => return fail(LineError::Logfmt, &why, labels, hints),
            Err(_) => continue,
        };
        if value.is_empty() && !keep_empty {
            continue;
        }
        let replaced = value.contains(char::REPLACEMENT_CHARACTER);
        let value = if replaced { value.replace(char::REPLACEMENT_CHARACTER, " ").into() } else { value };
        with_name(key, |name| {
            if !name.is_empty() {
                labels.extract(name, &value, |name| hints.wants(name));
            }
        });
        if hints.satisfied(labels) {
            return;
        }
    }
}

fn parse_logfmt_keys(
    line: &str,
    strict: bool,
    keys: &[(Box<str>, Box<str>)],
    labels: &mut LineLabels,
    hints: &Hints,
) {
    if hints.satisfied(labels) {
        return;
    }
    for (label, _) in keys {
        if labels.get(label).is_none() {
            labels.set(Origin::Parsed, label, "");
        }
    }
    for pair in Pairs::new(line) {
        let (key, value) = match pair {
            Ok(pair) => pair,
            Err(why) if strict => return fail(LineError::Logfmt, &why, labels, hints),
            Err(_) => continue,
        };
        with_name(key, |name| {
            for (label, _) in keys.iter().filter(|wanted| *wanted.1 == *name) {
                let readable = !value.contains(char::REPLACEMENT_CHARACTER);
                labels.extract_anew(label, if readable { &value } else { "" });
            }
        });
    }
}

fn unpack(line: &str, labels: &mut LineLabels, hints: &Hints, next: &mut String) -> Outcome {
    if line.is_empty() || hints.satisfied(labels) {
        return Outcome::Keep;
    }
    if !line.starts_with('{') {
        fail(LineError::Json, "expecting json object(6), but it is not", labels, hints);
        return Outcome::Keep;
    }
    let mut found: Vec<(String, String)> = Vec::new();
    let mut packed = false;
    let read = json::members(line, |key, value| {
        if value.kind == Kind::String {
            if key == PACKED_ENTRY {
                next.clear();
                next.push_str(
                    &json::unescape(value.text)
                        .ok_or("Encountered an invalid escape sequence in a string")?,
                );
                packed = true;
            } else {
                found.push((sanitize(key), value.say().into_owned()));
            }
        }
        Ok(true)
    });
    if let Err(why) = read {
        fail(LineError::Json, why, labels, hints);
        return Outcome::Keep;
    }
    if !packed {
        return Outcome::Keep;
    }
    for (name, value) in found.iter().filter(|(name, _)| !name.is_empty()) {
        labels.extract(name, value, |name| hints.wants(name));
    }
    Outcome::Change
}

/// All templates of a stage see the labels as they are when the first of them is met.
fn format_labels(formats: &[Format], line: &str, time_ns: i64, now_ns: i64, labels: &mut LineLabels) {
    let mut made: Option<Vec<Result<String, String>>> = None;
    let mut at = 0;
    for (place, format) in formats.iter().enumerate() {
        match format {
            Format::Rename { to, from } if to == from => {}
            Format::Rename { to, from } => {
                if let Some(value) = labels.get(from).map(str::to_owned) {
                    labels.set(Origin::Parsed, to, &value);
                    labels.remove(from);
                }
            }
            Format::Template { label, .. } => {
                let made = made.get_or_insert_with(|| {
                    let context = Context { labels, line, time_ns, now_ns };
                    let templates = formats[place..].iter().filter_map(|format| match format {
                        Format::Template { template, .. } => Some(template),
                        Format::Rename { .. } => None,
                    });
                    let make = |template: &Template| {
                        let mut out = String::new();
                        template.execute(&context, &mut out).map(|()| out)
                    };
                    templates.map(make).collect()
                });
                match &made[at] {
                    Ok(value) => labels.set(Origin::Parsed, label, value),
                    Err(why) => labels.fail(LineError::Template, why),
                }
                at += 1;
            }
        }
    }
}

fn drop_label(pick: &LabelPick, labels: &mut LineLabels) {
    let name = match pick {
        LabelPick::Name(name) => name,
        LabelPick::Match(matcher) if matcher.matches(labels.text_of(matcher.name())) => matcher.name(),
        LabelPick::Match(_) => return,
    };
    match name {
        ERROR => labels.forget_error(),
        ERROR_DETAILS => labels.forget_details(),
        name if labels.get(name).is_some() => labels.remove(name),
        _ => {}
    }
}

fn keep_labels(picks: &[LabelPick], labels: &mut LineLabels) {
    let kept = |name: &str, value: &str| {
        let is_special = matches!(name, ERROR | ERROR_DETAILS | PRESERVE_ERROR);
        is_special
            || picks.iter().any(|pick| match pick {
                LabelPick::Name(picked) => **picked == *name,
                LabelPick::Match(matcher) => selects(matcher, name, value),
            })
    };
    let gone: Vec<String> =
        labels.iter().filter(|&(name, value)| !kept(name, value)).map(|(name, _)| name.to_owned()).collect();
    for name in &gone {
        labels.remove(name);
    }
}

fn selects(matcher: &Matcher, name: &str, value: &str) -> bool {
    matcher.name() == name && matcher.matches(value)
}
