//! Lines as people and programs read them.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::json;
use weir_telemetry::ask::rfc3339;

use super::fetch::Line;
use crate::cli::Output;
use crate::commands::query::{Labels, selector};
use crate::terminal::{Paint, visible};

/// How lines are shown.
pub(super) struct Shown {
    output: Output,
    paint: Paint,
    /// Labels of all lines, which are said once.
    common: Labels,
}

impl Shown {
    /// For these lines: what all of them have in common is said once.
    pub(super) fn new(lines: &[Line], output: Output, paint: Paint) -> Self {
        let mut common = lines.first().map(|line| Labels::clone(&line.labels)).unwrap_or_default();
        for line in lines {
            common.retain(|name, value| line.labels.get(name) == Some(value));
        }
        Self { output, paint, common }
    }

    /// For lines that are not known yet.
    pub(super) fn all_labels(output: Output, paint: Paint) -> Self {
        Self { output, paint, common: Labels::new() }
    }

    /// What all lines have in common, where there is something to say.
    pub(super) fn common(&self) -> Option<String> {
        let is_worth_it = self.output == Output::Text && !self.common.is_empty();
        is_worth_it.then(|| format!("all of {}", selector(&self.common)))
    }

    /// One line; with its end.
    pub(super) fn line(&self, line: &Line) -> String {
        match self.output {
            Output::Json => {
                let labels = &*line.labels;
                let value = json!({ "time": time(line.time_ns), "labels": labels, "line": line.text });
                format!("{value}\n")
            }
            Output::Text => self.text(line),
        }
    }

    fn text(&self, line: &Line) -> String {
        let paint = self.paint;
        let own = |(name, _): &(&String, &String)| !self.common.contains_key(*name);
        let own: Labels =
            line.labels.iter().filter(own).map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut text = paint.dim(&rfc3339(line.time_ns.div_euclid(1_000_000)));
        if !own.is_empty() {
            text.push(' ');
            text += &paint.hue(hue(&line.labels), &selector(&own));
        }
        let level = Level::of(&line.labels);
        for (index, part) in line.text.trim_end_matches('\n').split('\n').enumerate() {
            // A line of several stands below its time.
            text += if index == 0 { " " } else { "\n    " };
            let part = visible(&part.trim_end_matches('\r').replace('\t', "    "));
            text += &match level {
                Level::Error => paint.red(&part),
                Level::Warning => paint.yellow(&part),
                Level::Detail => paint.dim(&part),
                Level::Usual => part,
            };
        }
        text.push('\n');
        text
    }
}

/// A stream keeps its colour.
fn hue(labels: &Labels) -> usize {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish() as usize
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Usual,
    Detail,
}

impl Level {
    /// By the label that says so, under its usual names.
    fn of(labels: &Labels) -> Self {
        let names = ["level", "detected_level", "severity", "severity_text"];
        let Some(level) = names.iter().find_map(|name| labels.get(*name)) else { return Self::Usual };
        let level = level.to_ascii_lowercase();
        let begins = |words: &[&str]| words.iter().any(|word| level.starts_with(word));
        if begins(&["err", "fatal", "crit", "alert", "emerg", "panic"]) {
            Self::Error
        } else if begins(&["warn"]) {
            Self::Warning
        } else if begins(&["debug", "trace"]) {
            Self::Detail
        } else {
            Self::Usual
        }
    }
}

/// RFC 3339 with every nanosecond.
fn time(time_ns: i64) -> String {
    let ms = rfc3339(time_ns.div_euclid(1_000_000));
    format!("{}{:06}Z", ms.trim_end_matches('Z'), time_ns.rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_emit::logging::Colour;

    use super::*;

    fn line(time_ns: i64, labels: &[(&str, &str)], text: &str) -> Line {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Line { time_ns, labels: Arc::new(labels), text: text.into() }
    }

    #[track_caller]
    fn check(lines: &[Line], output: Output, common: Option<&str>, expect: &str) {
        let shown = Shown::new(lines, output, Paint(Colour::Off));
        assert_eq!(shown.common().as_deref(), common);
        assert_eq!(lines.iter().map(|line| shown.line(line)).collect::<String>(), expect);
    }

    #[test]
    fn lines_are_shown() {
        let lines = [
            line(1_500_000_001, &[("app", "shop"), ("level", "info")], "a\tb"),
            line(2_000_000_000, &[("app", "shop"), ("level", "error")], "first\r\n  second\x1b[2J\n"),
        ];
        check(
            &lines,
            Output::Text,
            Some("all of {app=\"shop\"}"),
            "1970-01-01T00:00:01.500Z {level=\"info\"} a    b\n\
             1970-01-01T00:00:02.000Z {level=\"error\"} first\n      second\u{fffd}[2J\n",
        );
        check(
            &lines[..1],
            Output::Json,
            None,
            "{\"labels\":{\"app\":\"shop\",\"level\":\"info\"},\"line\":\"a\\tb\",\"time\":\"1970-01-01T00:00:01.500000001Z\"}\n",
        );
        check(&[line(-1, &[], "x")], Output::Text, None, "1969-12-31T23:59:59.999Z x\n");
        assert_eq!(time(-1), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn levels_have_colours() {
        #[track_caller]
        fn check(labels: &[(&str, &str)], code: &str) {
            let shown = Shown::all_labels(Output::Text, Paint(Colour::On));
            let text = shown.line(&line(0, labels, "text"));
            assert!(text.ends_with(&format!("{code}text\x1b[0m\n")), "{text:?}");
        }
        check(&[("level", "ERROR")], "\x1b[1;31m");
        check(&[("detected_level", "fatal")], "\x1b[1;31m");
        check(&[("severity", "Warning")], "\x1b[33m");
        check(&[("severity_text", "DEBUG")], "\x1b[2m");
        assert!(
            Shown::all_labels(Output::Text, Paint(Colour::On)).line(&line(0, &[], "t")).ends_with(" t\n")
        );
    }
}
