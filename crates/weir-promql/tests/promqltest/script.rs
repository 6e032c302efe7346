//! The language that the test files are written in, as `promql/promqltest/README.md` describes it.

use regex::Regex;
use weir_promql::{SequenceValue, parse_duration, parse_series_description};
use weir_signal::Labels;

/// All that a file says.
pub(crate) struct Script {
    pub(crate) commands: Vec<Command>,
}

pub(crate) enum Command {
    /// Forgets all series.
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

/// Series to add.
pub(crate) struct Load {
    /// Milliseconds from one sample to the next; the first is at 0.
    pub(crate) step_ms: i64,
    /// Whether classic histograms are added as native ones with custom bounds as well.
    pub(crate) with_nhcb: bool,
    pub(crate) series: Vec<LoadedSeries>,
}

pub(crate) struct LoadedSeries {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<SequenceValue>,
    /// For each value, when counting began, in milliseconds after the sample.
    pub(crate) starts: Vec<Option<i64>>,
}

/// A query, and what is expected of it.
pub(crate) struct Eval {
    /// In the file, from 1.
    pub(crate) line: usize,
    pub(crate) expr: String,
    /// The first time of a range; for an instant query that answers a range vector, of its first sample.
    pub(crate) start_ms: i64,
    /// The last time of a range, or the time.
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) is_range: bool,
    /// Whether the answer is one that a query over a range cannot give.
    pub(crate) instant_only: bool,
    pub(crate) ordered: bool,
    /// How the query fails, where it has to.
    pub(crate) fail: Option<Text>,
    pub(crate) warnings: Remarks,
    pub(crate) infos: Remarks,
    pub(crate) expected: Expected,
}

/// Which remarks of a kind are expected.
#[derive(Default)]
pub(crate) struct Remarks {
    /// Each is there, and nothing else is, unless empty.
    pub(crate) all: Vec<Text>,
    /// None is there.
    pub(crate) none: bool,
    /// One is there.
    pub(crate) some: bool,
}

/// A text that is expected.
pub(crate) enum Text {
    Is(String),
    Matches(Regex),
    Any,
}

impl Text {
    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(expected) => expected == text,
            Self::Matches(regex) => regex.is_match(text),
            Self::Any => true,
        }
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is(text) => write!(out, "{text:?}"),
            Self::Matches(regex) => write!(out, "/{regex}/"),
            Self::Any => out.write_str("any text"),
        }
    }
}

/// Which value is expected.
pub(crate) enum Expected {
    Scalar(f64),
    String(String),
    /// In the order in which they stand in the file.
    Series(Vec<(Labels, Vec<SequenceValue>)>),
}

impl Script {
    /// # Errors
    /// The line, and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line }).collect();
        let mut reader = Reader { lines: &lines, at: 0 };
        let mut commands = Vec::new();
        while let Some(line) = reader.next() {
            let word = line.split_whitespace().next().unwrap_or_default().to_lowercase();
            let command = match word.as_str() {
                "" => continue,
                "clear" => Ok(Command::Clear),
                _ if word.starts_with("load") => reader.load(line).map(Command::Load),
                _ if word.starts_with("eval") => reader.eval(line).map(Box::new).map(Command::Eval),
                _ => Err(format!("unknown command {line:?}")),
            };
            commands.push(command.map_err(|error| format!("{}: {error}", reader.at))?);
        }
        Ok(Self { commands })
    }

    /// How many evaluations there are.
    pub(crate) fn evaluations(&self) -> usize {
        self.commands.iter().filter(|command| matches!(command, Command::Eval(_))).count()
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    /// How many lines are read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at)?;
        self.at += 1;
        Some(line)
    }

    /// The next line of a command, which an empty one ends.
    fn next_of_command(&mut self) -> Option<&'a str> {
        self.lines.get(self.at).filter(|line| !line.is_empty())?;
        self.next()
    }

    fn load(&mut self, line: &str) -> Result<Load, String> {
        let (word, step) = line.split_once(char::is_whitespace).ok_or("a load needs a step")?;
        let with_nhcb = match word {
            "load" => false,
            "load_with_nhcb" => true,
            _ => return Err(format!("unknown command {word:?}")),
        };
        let mut load = Load { step_ms: parse_duration(step.trim())?, with_nhcb, series: Vec::new() };
        while let Some(line) = self.next_of_command() {
            let Some((name, starts)) = line.split_once("@st").filter(|(name, _)| !name.contains(' ')) else {
                let (labels, values) = series(line)?;
                load.series.push(LoadedSeries { labels, values, starts: Vec::new() });
                continue;
            };
            let starts =
                starts.split_whitespace().map(start_timestamps).collect::<Result<Vec<_>, _>>()?.concat();
            let (labels, values) = series(self.next_of_command().ok_or("@st without samples")?)?;
            if series(&format!("{name} _"))?.0 != labels || starts.len() != values.len() {
                return Err("@st does not fit the line after it".to_owned());
            }
            load.series.push(LoadedSeries { labels, values, starts });
        }
        Ok(load)
    }

    fn eval(&mut self, line: &str) -> Result<Eval, String> {
        let mut words = Words(line);
        let command = words.next();
        let kind = words.next();
        let (start, end, step) = match kind {
            "instant" => {
                words.expect("at")?;
                let time = words.next();
                (time, time, "0")
            }
            "range" => {
                words.expect("from")?;
                let start = words.next();
                words.expect("to")?;
                let end = words.next();
                words.expect("step")?;
                (start, end, words.next())
            }
            _ => return Err(format!("unknown kind of evaluation {kind:?}")),
        };
        let mut eval = Eval {
            line: self.at,
            expr: words.0.to_owned(),
            start_ms: parse_duration(start)?,
            end_ms: parse_duration(end)?,
            step_ms: parse_duration(step)?,
            is_range: kind == "range",
            instant_only: false,
            ordered: false,
            fail: None,
            warnings: Remarks::default(),
            infos: Remarks::default(),
            expected: Expected::Series(Vec::new()),
        };
        match command {
            "eval" => {}
            "eval_ordered" => eval.ordered = true,
            "eval_fail" => eval.fail = Some(Text::Any),
            "eval_warn" => eval.warnings.some = true,
            "eval_info" => eval.infos.some = true,
            _ => return Err(format!("unknown command {command:?}")),
        }
        while let Some(line) = self.next_of_command() {
            if let Some(text) = line.strip_prefix("expected_fail_message") {
                eval.fail = Some(Text::Is(text.trim().to_owned()));
                break;
            }
            if let Some(text) = line.strip_prefix("expected_fail_regexp") {
                eval.fail = Some(regex(text)?);
                break;
            }
            if line.split(' ').next() == Some("expect") {
                eval.expect(line)?;
                continue;
            }
            if let Some(number) = number(line) {
                eval.expected = Expected::Scalar(number);
                break;
            }
            let (labels, values) = series(line)?;
            if values.len() > 1 && !eval.is_range && !eval.instant_only {
                return Err("an instant has one value".to_owned());
            }
            match &mut eval.expected {
                Expected::Series(all) => {
                    all.retain(|(other, _)| *other != labels);
                    all.push((labels, values));
                }
                _ => return Err("series beside a scalar or a string".to_owned()),
            }
        }
        Ok(eval)
    }
}

impl Eval {
    fn expect(&mut self, line: &str) -> Result<(), String> {
        if let Some(text) = line.strip_prefix("expect string ") {
            let quote = text.chars().next().filter(|quote| ['"', '`'].contains(quote));
            let inner = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
            let inner =
                inner.filter(|inner| !inner.contains('\\')).ok_or("a string needs quotes, and no escapes")?;
            self.expected = Expected::String(inner.to_owned());
            self.instant_only = true;
            return Ok(());
        }
        if let Some(text) = line.strip_prefix("expect range vector ") {
            let mut words = Words(text);
            words.expect("from")?;
            self.start_ms = parse_duration(words.next())?;
            words.expect("to")?;
            self.end_ms = parse_duration(words.next())?;
            words.expect("step")?;
            self.step_ms = parse_duration(words.next())?;
            self.instant_only = true;
            return Ok(());
        }
        let mut words = Words(line);
        words.expect("expect")?;
        let kind = words.next();
        let text = match words.0.split_once(':') {
            None if words.0.is_empty() => Text::Any,
            Some(("msg", text)) => Text::Is(text.trim().to_owned()),
            Some(("regex", text)) => regex(text)?,
            _ => return Err(format!("cannot expect {:?}", words.0)),
        };
        match kind {
            "ordered" => self.ordered = true,
            "fail" => self.fail = Some(text),
            "warn" => self.warnings.all.push(text),
            "info" => self.infos.all.push(text),
            "no_warn" => self.warnings.none = true,
            "no_info" => self.infos.none = true,
            _ => return Err(format!("cannot expect {kind:?}")),
        }
        Ok(())
    }
}

/// Words one after the other; what is left of the line is the last one.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        let (word, rest) = self.0.split_once(char::is_whitespace).unwrap_or((self.0, ""));
        self.0 = rest.trim_start();
        word
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        let found = self.next();
        if found == word { Ok(()) } else { Err(format!("expected {word:?}, found {found:?}")) }
    }
}

fn series(line: &str) -> Result<(Labels, Vec<SequenceValue>), String> {
    parse_series_description(line).map_err(|error| format!("{error} in {line:?}"))
}

fn regex(text: &str) -> Result<Text, String> {
    Regex::new(text.trim()).map(Text::Matches).map_err(|error| error.to_string())
}

/// A number as Go reads it: whole ones in any of its notations, else a float.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
    digits.map(|whole| whole as f64).or_else(|| text.parse().ok())
}

/// Start timestamps: `_` and `_x3` for none, `-1m`, `-1mx3` for four of them, `-1m-30sx3` for four with a step.
fn start_timestamps(text: &str) -> Result<Vec<Option<i64>>, String> {
    let wrong = || format!("{text:?} is no start timestamp");
    let (values, repeats) = match text.split_once('x') {
        Some((values, repeats)) => (values, repeats.parse::<usize>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    if values == "_" {
        return Ok(vec![None; repeats.max(1)]);
    }
    let (sign, rest) = signed(values);
    let (first, step) = match rest.find(['+', '-']) {
        Some(at) => (&rest[..at], Some(signed(&rest[at..]))),
        None => (rest, None),
    };
    let first = sign * parse_duration(first)?;
    let step = step.map_or(Ok(0), |(sign, step)| parse_duration(step).map(|step| sign * step))?;
    Ok((0..=repeats as i64).map(|i| Some(first + i * step)).collect())
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}
