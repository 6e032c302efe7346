//! The functions of templates: those of Go, those of Loki, and those of `sprig` that Loki lets through.

use std::cmp::Ordering;
use std::fmt::Write as _;

use weir_signal::{base64, unbase64};

use super::execute::{Context, TEXT_MAX};
use super::printf::printf;
use super::time::{self, Time};
use super::value::Value;
use crate::units;

type Result<T = Value> = std::result::Result<T, String>;

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// How many arguments it takes at least.
    pub(super) least: usize,
    /// And at most.
    pub(super) most: usize,
    pub(super) call: fn(&[Value], &Context<'_>) -> Result,
}

impl Function {
    /// How many arguments it wants, for errors.
    pub(super) fn wants(&self) -> String {
        if self.most == MANY { format!("at least {}", self.least) } else { self.least.to_string() }
    }
}

/// As many arguments as there are.
const MANY: usize = usize::MAX;

pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

macro_rules! functions {
    ($($name:literal $least:tt..$most:tt => $call:expr;)*) => {
        static FUNCTIONS: &[Function] = &[
            $(Function { name: $name, least: $least, most: $most, call: $call },)*
        ];
    };
}

functions! {
    // Go's own.
    "and" 1..MANY => |a, _| Ok(a.last().cloned().unwrap_or(Value::Nil));
    "or" 1..MANY => |a, _| Ok(a.last().cloned().unwrap_or(Value::Nil));
    "not" 1..1 => |a, _| Ok(Value::Bool(!a[0].is_true()));
    "eq" 2..MANY => |a, _| any(&a[1..], |b| Ok(compare(&a[0], b)? == Some(Ordering::Equal)));
    "ne" 2..2 => |a, _| Ok(Value::Bool(compare(&a[0], &a[1])? != Some(Ordering::Equal)));
    "lt" 2..2 => |a, _| order(a, Ordering::is_lt);
    "le" 2..2 => |a, _| order(a, Ordering::is_le);
    "gt" 2..2 => |a, _| order(a, Ordering::is_gt);
    "ge" 2..2 => |a, _| order(a, Ordering::is_ge);
    "len" 1..1 => |a, context| len(&a[0], context);
    "index" 1..MANY => |a, context| a[1..].iter().try_fold(a[0].clone(), |value, key| index(value, key, context));
    "slice" 1..3 => |a, _| slice(a);
    "print" 0..MANY => |a, _| Ok(print(a));
    "println" 0..MANY => |a, _| {
        let words: Vec<_> = a.iter().map(ToString::to_string).collect();
        Ok(Value::Text(words.join(" ") + "\n"))
    };
    "printf" 1..MANY => |a, _| printf(text(a, 0)?, &a[1..]).map(Value::Text);
    "html" 1..MANY => |a, _| Ok(Value::Text(escape_html(&joined(a))));
    "urlquery" 1..MANY => |a, _| Ok(Value::Text(escape_url(&joined(a))));

    // The line.
    "__line__" 0..0 => |_, context| Ok(Value::Text(context.line.to_owned()));
    "__timestamp__" 0..0 => |_, context| Ok(Value::Time(Time::from_nanos(context.time_ns)));
    "now" 0..0 => |_, context| Ok(Value::Time(Time::from_nanos(context.now_ns)));

    // Text, in the order of arguments that Loki had first.
    "ToLower" 1..1 => |a, _| said(text(a, 0)?.to_lowercase());
    "ToUpper" 1..1 => |a, _| said(text(a, 0)?.to_uppercase());
    "Replace" 4..4 => |a, _| replace(text(a, 0)?, text(a, 1)?, text(a, 2)?, a[3].to_int());
    "Trim" 2..2 => |a, _| { let set = text(a, 1)?; said(text(a, 0)?.trim_matches(|c| set.contains(c))) };
    "TrimLeft" 2..2 => |a, _| { let set = text(a, 1)?; said(text(a, 0)?.trim_start_matches(|c| set.contains(c))) };
    "TrimRight" 2..2 => |a, _| { let set = text(a, 1)?; said(text(a, 0)?.trim_end_matches(|c| set.contains(c))) };
    "TrimPrefix" 2..2 => |a, _| without_prefix(text(a, 0)?, text(a, 1)?);
    "TrimSuffix" 2..2 => |a, _| without_suffix(text(a, 0)?, text(a, 1)?);
    "TrimSpace" 1..1 => |a, _| said(text(a, 0)?.trim());

    // Text, what is worked on last.
    "lower" 1..1 => |a, _| said(text(a, 0)?.to_lowercase());
    "upper" 1..1 => |a, _| said(text(a, 0)?.to_uppercase());
    "title" 1..1 => |a, _| said(title(text(a, 0)?));
    "trunc" 2..2 => |a, _| said(truncate(a[0].to_int(), text(a, 1)?));
    "substr" 3..3 => |a, _| said(substring(a[0].to_int(), a[1].to_int(), text(a, 2)?));
    "contains" 2..2 => |a, _| Ok(Value::Bool(text(a, 1)?.contains(text(a, 0)?)));
    "hasPrefix" 2..2 => |a, _| Ok(Value::Bool(text(a, 1)?.starts_with(text(a, 0)?)));
    "hasSuffix" 2..2 => |a, _| Ok(Value::Bool(text(a, 1)?.ends_with(text(a, 0)?)));
    "indent" 2..2 => |a, _| indent("", a[0].to_int(), text(a, 1)?);
    "nindent" 2..2 => |a, _| indent("\n", a[0].to_int(), text(a, 1)?);
    "replace" 3..3 => |a, _| replace(text(a, 2)?, text(a, 0)?, text(a, 1)?, -1);
    "repeat" 2..2 => |a, _| repeat(text(a, 1)?, a[0].to_int());
    "trim" 1..1 => |a, _| said(text(a, 0)?.trim());
    "trimAll" 2..2 => |a, _| { let set = text(a, 0)?; said(text(a, 1)?.trim_matches(|c| set.contains(c))) };
    "trimPrefix" 2..2 => |a, _| without_prefix(text(a, 1)?, text(a, 0)?);
    "trimSuffix" 2..2 => |a, _| without_suffix(text(a, 1)?, text(a, 0)?);
    "alignLeft" 2..2 => |a, _| align(a[0].to_int(), text(a, 1)?, false);
    "alignRight" 2..2 => |a, _| align(a[0].to_int(), text(a, 1)?, true);
    "default" 1..2 => |a, _| Ok(match a.get(1) { Some(given) if given.is_true() => given.clone(), _ => a[0].clone() });
    "regexReplaceAll" 3..3 => |a, _| replace_all(text(a, 0)?, text(a, 1)?, text(a, 2)?, text(a, 2)?);
    "regexReplaceAllLiteral" 3..3 => |a, _| {
        replace_all(text(a, 0)?, text(a, 1)?, regex::NoExpand(text(a, 2)?), text(a, 2)?)
    };
    "count" 2..2 => |a, _| Ok(Value::Int(regex(text(a, 0)?)?.find_iter(text(a, 1)?).count() as i64));
    "urldecode" 1..1 => |a, _| unescape_url(text(a, 0)?).map(Value::Text);
    "urlencode" 1..1 => |a, _| Ok(Value::Text(escape_url(text(a, 0)?)));
    "b64enc" 1..1 => |a, _| said(base64(text(a, 0)?.as_bytes()));
    "b64dec" 1..1 => |a, _| said(said_in_base64(text(a, 0)?));
    "fromJson" 1..1 => |a, _| Ok(Value::from_json(text(a, 0)?).unwrap_or(Value::Nil));

    // Numbers.
    "int" 1..1 => |a, _| Ok(Value::Int(a[0].to_int()));
    "float64" 1..1 => |a, _| Ok(Value::Float(a[0].to_float()));
    "add" 0..MANY => |a, _| Ok(Value::Int(a.iter().fold(0, |sum, b| sum.wrapping_add(b.to_int()))));
    "sub" 2..2 => |a, _| Ok(Value::Int(a[0].to_int().wrapping_sub(a[1].to_int())));
    "mul" 1..MANY => |a, _| Ok(Value::Int(a.iter().fold(1, |product, b| product.wrapping_mul(b.to_int()))));
    "div" 2..2 => |a, _| divided(a[0].to_int().checked_div(a[1].to_int()), &a[1]);
    "mod" 2..2 => |a, _| divided(a[0].to_int().checked_rem(a[1].to_int()), &a[1]);
    "max" 1..MANY => |a, _| Ok(Value::Int(a.iter().map(Value::to_int).max().unwrap_or(0)));
    "min" 1..MANY => |a, _| Ok(Value::Int(a.iter().map(Value::to_int).min().unwrap_or(0)));
    "addf" 1..MANY => |a, _| decimal(a, |x, y| x + y);
    "subf" 1..MANY => |a, _| decimal(a, |x, y| x - y);
    "mulf" 1..MANY => |a, _| decimal(a, |x, y| x * y);
    "divf" 1..MANY => |a, _| {
        if a[1..].iter().any(|by| by.to_float() == 0.0) { return Err("decimal division by 0".to_owned()) }
        decimal(a, |x, y| x / y)
    };
    "maxf" 1..MANY => |a, _| Ok(Value::Float(a.iter().map(Value::to_float).fold(f64::NEG_INFINITY, f64::max)));
    "minf" 1..MANY => |a, _| Ok(Value::Float(a.iter().map(Value::to_float).fold(f64::INFINITY, f64::min)));
    "ceil" 1..1 => |a, _| Ok(Value::Float(a[0].to_float().ceil()));
    "floor" 1..1 => |a, _| Ok(Value::Float(a[0].to_float().floor()));
    "round" 2..3 => |a, _| Ok(Value::Float(round(a[0].to_float(), a[1].to_int(), a.get(2).map_or(0.5, Value::to_float))));
    "bytes" 1..1 => |a, _| units::parse_bytes(text(a, 0)?).map(|bytes| Value::Float(bytes as f64));
    "duration" 1..1 => |a, _| units::parse_duration(text(a, 0)?).map(|nanos| Value::Float(nanos as f64 / 1e9));
    "duration_seconds" 1..1 => |a, _| units::parse_duration(text(a, 0)?).map(|nanos| Value::Float(nanos as f64 / 1e9));

    // Times.
    "date" 2..2 => |a, _| bounded(&time_of(a, 1).format(text(a, 0)?));
    "toDate" 2..2 => |a, _| Ok(Value::Time(time::parse(text(a, 0)?, text(a, 1)?, 0).unwrap_or_default()));
    "toDateInZone" 3..3 => |a, _| {
        let zone = time::zone_seconds(text(a, 1)?);
        Ok(Value::Time(time::parse(text(a, 0)?, text(a, 2)?, zone).unwrap_or_default()))
    };
    "unixToTime" 1..1 => |a, _| time::from_epoch(text(a, 0)?).map(Value::Time);
    "unixEpoch" 1..1 => |a, _| said(time_of(a, 0).seconds().to_string());
    "unixEpochMillis" 1..1 => |a, _| said(time_of(a, 0).nanos().div_euclid(1_000_000).to_string());
    "unixEpochNanos" 1..1 => |a, _| said(time_of(a, 0).nanos().to_string());
}

/// A method of a time.
pub(super) fn method(time: &Time, name: &str, arguments: &[Value]) -> Result {
    if name == "Format" && arguments.len() == 1 {
        return bounded(&time.format(text(arguments, 0)?));
    }
    if !arguments.is_empty() {
        return Err(format!("wrong number of args for {name}: want 0; got {}", arguments.len()));
    }
    let layout = match name {
        "Unix" => return Ok(Value::Int(time.seconds())),
        "UnixMilli" => return Ok(Value::Int(time.nanos().div_euclid(1_000_000) as i64)),
        "UnixMicro" => return Ok(Value::Int(time.nanos().div_euclid(1_000) as i64)),
        "UnixNano" => return Ok(Value::Int(time.nanos() as i64)),
        "UTC" => return Ok(Value::Time(time.in_utc())),
        "String" => return Ok(Value::Text(time.to_string())),
        "Month" => return Ok(Value::Text(time.format("January"))),
        "Weekday" => return Ok(Value::Text(time.format("Monday"))),
        "Year" => "2006",
        "Day" => "2",
        "Hour" => "15",
        "Minute" => "4",
        "Second" => "5",
        "YearDay" => "002",
        _ => return Err(format!("can't evaluate field {name} in type time.Time")),
    };
    Ok(Value::Int(time.format(layout).parse().unwrap_or(0)))
}

#[expect(clippy::unnecessary_wraps, reason = "it is what functions answer")]
fn said(text: impl Into<String>) -> Result {
    Ok(Value::Text(text.into()))
}

fn bounded(text: &str) -> Result {
    if text.len() > TEXT_MAX { Err(format!("longer than {TEXT_MAX} bytes")) } else { said(text) }
}

fn text(arguments: &[Value], at: usize) -> Result<&str> {
    match &arguments[at] {
        Value::Text(text) => Ok(text),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    }
}

fn joined(arguments: &[Value]) -> String {
    match print(arguments) {
        Value::Text(text) => text,
        other => other.to_string(),
    }
}

/// As Go prints operands: with a space between two where neither is text.
fn print(arguments: &[Value]) -> Value {
    let mut out = String::new();
    for (at, value) in arguments.iter().enumerate() {
        let apart =
            at > 0 && ![value, &arguments[at - 1]].into_iter().any(|one| matches!(one, Value::Text(_)));
        if apart {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    Value::Text(out)
}

fn any(values: &[Value], mut test: impl FnMut(&Value) -> Result<bool>) -> Result {
    for value in values {
        if test(value)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// How two values stand to each other; `None` where one is no number.
fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>> {
    Ok(match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            a.to_float().partial_cmp(&b.to_float())
        }
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.nanos().cmp(&b.nanos())),
        (Value::Nil, Value::Nil) => Some(Ordering::Equal),
        (Value::Nil, _) | (_, Value::Nil) => None,
        _ => return Err("incompatible types for comparison".to_owned()),
    })
}

fn order(arguments: &[Value], test: fn(Ordering) -> bool) -> Result {
    let good = |value: &Value| matches!(value, Value::Text(_) | Value::Int(_) | Value::Float(_));
    if !arguments.iter().all(good) {
        return Err("invalid type for comparison".to_owned());
    }
    Ok(Value::Bool(compare(&arguments[0], &arguments[1])?.is_some_and(test)))
}

fn len(value: &Value, context: &Context<'_>) -> Result {
    Ok(Value::Int(match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Labels => context.labels.iter().count(),
        other => return Err(format!("len of type {}", other.type_name())),
    } as i64))
}

fn index(value: Value, key: &Value, context: &Context<'_>) -> Result {
    match (value, key) {
        (Value::List(mut list), key @ (Value::Int(_) | Value::Float(_))) => {
            let at = usize::try_from(key.to_int()).ok().filter(|&at| at < list.len());
            at.map(|at| list.swap_remove(at)).ok_or_else(|| format!("index out of range: {key}"))
        }
        (Value::Map(mut map), Value::Text(key)) => Ok(map.remove(key).unwrap_or(Value::Nil)),
        (Value::Labels, Value::Text(key)) => said(context.labels.get(key).unwrap_or_default()),
        (Value::Text(text), Value::Int(at)) => {
            let byte = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
            byte.map(|&byte| Value::Int(byte.into())).ok_or_else(|| format!("index out of range: {at}"))
        }
        (value, _) => Err(format!("can't index item of type {}", value.type_name())),
    }
}

fn slice(arguments: &[Value]) -> Result {
    let length = match &arguments[0] {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let from = arguments.get(1).map_or(0, Value::to_int);
    let to = arguments.get(2).map_or(length as i64, Value::to_int);
    let bounds = || Some((usize::try_from(from).ok()?, usize::try_from(to).ok()?));
    let (from, to) = bounds()
        .filter(|&(from, to)| from <= to && to <= length)
        .ok_or_else(|| format!("index out of range: {from}:{to}"))?;
    Ok(match &arguments[0] {
        Value::Text(text) => Value::Text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        Value::List(list) => Value::List(list[from..to].to_vec()),
        other => other.clone(),
    })
}

fn replace(text: &str, from: &str, to: &str, count: i64) -> Result {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(text.len() + 1);
    if count.saturating_mul(to.len()) > TEXT_MAX {
        // As many as there are, which is known only by looking.
        let found = text.matches(from).count().min(count);
        if found.saturating_mul(to.len()) > TEXT_MAX {
            return Err(format!("longer than {TEXT_MAX} bytes"));
        }
    }
    said(text.replacen(from, to, count))
}

fn repeat(text: &str, count: i64) -> Result {
    let count = usize::try_from(count).map_err(|_| "negative Repeat count".to_owned())?;
    if text.len().saturating_mul(count) > TEXT_MAX {
        return Err(format!("longer than {TEXT_MAX} bytes"));
    }
    said(text.repeat(count))
}

fn without_prefix(text: &str, prefix: &str) -> Result {
    said(text.strip_prefix(prefix).unwrap_or(text))
}

fn without_suffix(text: &str, suffix: &str) -> Result {
    said(text.strip_suffix(suffix).unwrap_or(text))
}

fn indent(before: &str, spaces: i64, text: &str) -> Result {
    let spaces = usize::try_from(spaces).map_err(|_| "negative Repeat count".to_owned())?;
    let lines = text.matches('\n').count() + 1;
    if lines.saturating_mul(spaces) > TEXT_MAX {
        return Err(format!("longer than {TEXT_MAX} bytes"));
    }
    let pad = " ".repeat(spaces);
    said(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// Every word with a capital letter.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        let within = before.is_alphanumeric() || before == '_' || before == '\'';
        if within {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        before = c;
    }
    out
}

fn take(text: &str, from: usize, to: usize) -> String {
    text.chars().skip(from).take(to.saturating_sub(from)).collect()
}

/// The first so many characters; the last, where it is negative.
fn truncate(count: i64, text: &str) -> String {
    let length = text.chars().count();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match count {
        ..0 if wanted < length => take(text, length - wanted, length),
        0.. if wanted < length => take(text, 0, wanted),
        _ => text.to_owned(),
    }
}

fn substring(start: i64, end: i64, text: &str) -> String {
    let length = text.chars().count();
    let bound = |at: i64| usize::try_from(at).unwrap_or(usize::MAX).min(length);
    match (start, end) {
        (..0, ..0) => String::new(),
        (..0, _) => take(text, 0, bound(end)),
        (_, ..0) => take(text, bound(start), length),
        _ => take(text, bound(start), bound(end)),
    }
}

fn align(count: i64, text: &str, right: bool) -> Result {
    let length = text.chars().count();
    let Ok(wanted) = usize::try_from(count) else { return said(text) };
    if wanted > TEXT_MAX {
        return Err(format!("longer than {TEXT_MAX} bytes"));
    }
    said(match (wanted < length, right) {
        (true, false) => take(text, 0, wanted),
        (true, true) => take(text, length - wanted, length),
        (false, false) => format!("{text}{}", " ".repeat(wanted - length)),
        (false, true) => format!("{}{text}", " ".repeat(wanted - length)),
    })
}

fn divided(value: Option<i64>, by: &Value) -> Result {
    match value {
        Some(value) => Ok(Value::Int(value)),
        None if by.to_int() == 0 => Err("runtime error: integer divide by zero".to_owned()),
        None => Ok(Value::Int(i64::MIN)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what functions answer")]
/// Calculates as if in decimal: to 15 digits, so that 0.1 and 0.2 make 0.3.
fn decimal(arguments: &[Value], operate: fn(f64, f64) -> f64) -> Result {
    let mut values = arguments.iter().map(Value::to_float);
    let first = values.next().unwrap_or(0.0);
    let value = values.fold(first, operate);
    Ok(Value::Float(format!("{value:.14e}").parse().unwrap_or(value)))
}

/// Rounded to so many digits behind the point; up from `on` of the last.
fn round(value: f64, digits: i64, on: f64) -> f64 {
    let power = 10_f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
    let scaled = power * value;
    let rounded = if scaled.fract() >= on { scaled.ceil() } else { scaled.floor() };
    let result = rounded / power;
    if result.is_finite() { result } else { value }
}

fn time_of(arguments: &[Value], at: usize) -> Time {
    match &arguments[at] {
        Value::Time(time) => *time,
        other => Time::from_nanos(other.to_int().saturating_mul(1_000_000_000)),
    }
}

fn regex(pattern: &str) -> Result<regex::Regex> {
    weir_signal::re2(pattern).map_err(|why| format!("error parsing regexp: {why}: `{pattern}`"))
}

/// Replaces all matches, unless that could make far more of a text than is allowed.
fn replace_all(pattern: &str, text: &str, to: impl regex::Replacer, written: &str) -> Result {
    let groups = written.matches('$').count();
    let copies = groups.saturating_mul(text.len());
    let plain = written.len().saturating_mul(text.len() + 1);
    let regex = regex(pattern)?;
    if copies.saturating_add(plain) > 16 * TEXT_MAX
        && copies.saturating_add(written.len().saturating_mul(regex.find_iter(text).count())) > 16 * TEXT_MAX
    {
        return Err(format!("longer than {TEXT_MAX} bytes"));
    }
    bounded(&regex.replace_all(text, to))
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn escape_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            other => drop(write!(out, "%{other:02X}")),
        }
    }
    out
}

fn unescape_url(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let code = digits
                    .filter(|digits| !digits.starts_with('+'))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(code.ok_or_else(|| format!("invalid URL escape in {text:?}"))?);
                rest = &after[2..];
            }
            other => bytes.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is said in Base64, with or without its padding; else why it is none.
fn said_in_base64(text: &str) -> String {
    match unbase64(text.as_bytes()) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(at) => format!("illegal base64 data at input byte {at}"),
    }
}
