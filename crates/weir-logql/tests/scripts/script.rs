//! Texts to scripts.

use weir_logql::ast::{Expr, Metric};
use weir_promql::parse_labels;
use weir_signal::Labels;

pub(crate) struct Script {
    pub(crate) commands: Vec<Command>,
}

pub(crate) enum Command {
    Clear,
    /// Lines of TrainTicket.
    LoadTrainTicket,
    Load {
        stream: Labels,
        time_ns: i64,
        line: String,
        metadata: Labels,
    },
    Eval(Eval),
}

pub(crate) struct Eval {
    /// The line in the script.
    pub(crate) number: usize,
    pub(crate) times: Times,
    pub(crate) query: String,
    pub(crate) expect: Vec<String>,
}

pub(crate) enum Times {
    Instant(i64),
    Range { from_ns: i64, to_ns: i64, step_ns: i64 },
    Logs { from_ns: i64, to_ns: i64 },
}

impl Script {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut commands = Vec::new();
        let mut loading = false;
        for (number, whole) in text.lines().enumerate() {
            let line = without_comment(whole);
            let words = line.trim();
            let read = |commands: &mut Vec<Command>| -> Result<(), String> {
                if words.is_empty() {
                    return Ok(());
                }
                if whole.starts_with(' ') {
                    if loading {
                        return load(words, commands);
                    }
                    if let Some(Command::Eval(eval)) = commands.last_mut() {
                        eval.expect.push(words.to_owned());
                        return Ok(());
                    }
                    return Err("what is that for?".to_owned());
                }
                match words.split_once(' ').unwrap_or((words, "")) {
                    ("clear", _) => commands.push(Command::Clear),
                    ("load", "trainticket") => commands.push(Command::LoadTrainTicket),
                    ("load", _) => {}
                    ("eval", rest) => commands.push(Command::Eval(eval(rest, number + 1)?)),
                    _ => return Err(format!("unknown command {words}")),
                }
                Ok(())
            };
            read(&mut commands).map_err(|error| format!("{}: {error}: {whole}", number + 1))?;
            if !words.is_empty() && !whole.starts_with(' ') {
                loading = words == "load";
            }
        }
        Ok(Self { commands })
    }
}

/// A line up to a `#` that stands in no quotes.
fn without_comment(line: &str) -> &str {
    let mut open = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (open, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(quote), c) if c == quote => open = None,
            (None, '"' | '`') => open = Some(c),
            (None, '#') => return &line[..at],
            _ => {}
        }
    }
    line
}

/// The nanoseconds of a duration, which may be `0`.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    // The parser of queries knows durations, and no other way in is public.
    let query = format!("rate({{a=\"b\"}}[1s] offset {text})");
    if text == "0" {
        return Ok(0);
    }
    match weir_logql::parse(&query).map_err(|error| error.to_string())? {
        Expr::Metric(Metric::Range(range)) => Ok(range.range.offset_ns),
        _ => Err(format!("{text} is no duration")),
    }
}

fn eval(rest: &str, number: usize) -> Result<Eval, String> {
    let mut rest = rest;
    let mut word = |expected: &str| {
        let (word, after) = rest.trim_start().split_once(' ').ok_or("too short")?;
        rest = after;
        if expected.is_empty() || word == expected {
            Ok(word.to_owned())
        } else {
            Err(format!("no `{expected}`"))
        }
    };
    let times = match &*word("")? {
        "instant" => {
            word("at")?;
            Times::Instant(duration(&word("")?)?)
        }
        kind => {
            word("from")?;
            let from_ns = duration(&word("")?)?;
            word("to")?;
            let to_ns = duration(&word("")?)?;
            if kind == "logs" {
                Times::Logs { from_ns, to_ns }
            } else {
                word("step")?;
                Times::Range { from_ns, to_ns, step_ns: duration(&word("")?)? }
            }
        }
    };
    Ok(Eval { number, times, query: rest.trim().to_owned(), expect: Vec::new() })
}

/// What stands between quotes at the beginning of a text, and what follows.
pub(crate) fn quoted(text: &str) -> Result<(String, &str), String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`')).ok_or("no quotes")?;
    let mut said = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Ok((said, &text[at + 1..])),
            '\\' if quote == '"' => match characters.next().ok_or("unterminated")?.1 {
                'n' => said.push('\n'),
                't' => said.push('\t'),
                'e' => said.push('\u{1b}'),
                other => said.push(other),
            },
            other => said.push(other),
        }
    }
    Err("unterminated quotes".to_owned())
}

fn load(text: &str, commands: &mut Vec<Command>) -> Result<(), String> {
    let end = text.find('}').ok_or("no stream")? + 1;
    let stream = parse_labels(&text[..end]).map_err(|error| error.to_string())?;
    let (line, rest) = quoted(text[end..].trim_start())?;
    let rest = rest.trim_start().strip_prefix('@').ok_or("no time")?.trim();
    let (start, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let start = duration(start)?;
    let (mut step, mut count, mut metadata) = (0, 1, Labels::empty());
    while let Some(inner) = rest.trim_start().strip_prefix('[') {
        let end = inner.rfind(']').ok_or("no end")?;
        let end = inner.find("] [").unwrap_or(end);
        let inside = &inner[..end];
        rest = &inner[end + 1..];
        if let Some(repeat) = inside.strip_prefix("repeat every ") {
            let (every, times) = repeat.split_once(" for ").ok_or("no count")?;
            step = duration(every)?;
            count = times.trim().parse().map_err(|_| "no count")?;
        } else if let Some(mut pairs) = inside.strip_prefix("metadata ") {
            let mut all = Vec::new();
            while !pairs.trim().is_empty() {
                pairs = pairs.trim_start();
                let (name, after) = if pairs.starts_with('"') {
                    quoted(pairs)?
                } else {
                    let at = pairs.find('=').ok_or("no value")?;
                    (pairs[..at].to_owned(), &pairs[at..])
                };
                let (value, after) = quoted(after.trim_start().strip_prefix('=').ok_or("no value")?)?;
                all.push((name, value));
                pairs = after;
            }
            metadata = Labels::from_pairs(all).map_err(|error| error.to_string())?;
        } else {
            return Err(format!("unknown [{inside}]"));
        }
    }
    for i in 0..count {
        let line = line.replace("{{.i}}", &i.to_string());
        commands.push(Command::Load {
            stream: stream.clone(),
            time_ns: start + i * step,
            line,
            metadata: metadata.clone(),
        });
    }
    Ok(())
}
