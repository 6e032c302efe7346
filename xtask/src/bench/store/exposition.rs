//! Prometheus' text format 0.0.4, read as fast as a bench needs and no more strictly than exporters write it.

use anyhow::{Context, Result, bail};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    /// `# TYPE name kind`
    Type(&'a str, &'a str),
    /// `# HELP name text`
    Help(&'a str, &'a str),
    /// A sample: the series as it is written, name and labels, and its value and, where stated, time in milliseconds.
    Sample { series: &'a str, value: f64, time_ms: Option<i64> },
}

/// The lines of an exposition but for comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>>> {
    text.lines().filter(|line| !line.trim().is_empty()).filter_map(|line| {
        if let Some(comment) = line.strip_prefix('#') {
            let (word, rest) = comment.trim_start().split_once(' ')?;
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            return match word {
                "TYPE" => Some(Ok(Line::Type(name, rest))),
                "HELP" => Some(Ok(Line::Help(name, rest))),
                _ => None,
            };
        }
        Some(sample(line).with_context(|| format!("not a sample: {line}")))
    })
}

fn sample(line: &str) -> Result<Line<'_>> {
    // A value of a label may hold braces, so the last one counts; what follows it holds none.
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find([' ', '\t']).context("no value")?,
    };
    let mut words = line[end..].split_ascii_whitespace();
    let value = words.next().context("no value")?;
    let value = match value {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().with_context(|| format!("{number} is not a number"))?,
    };
    let time_ms = words.next().map(str::parse).transpose()?;
    Ok(Line::Sample { series: line[..end].trim_end(), value, time_ms })
}

/// Name and labels of a series as it is written, sorted by name, with `__name__` among them.
pub(crate) fn labels(series: &str) -> Result<Vec<(String, String)>> {
    let (name, mut rest) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').context("no closing brace")?),
        None => (series, ""),
    };
    let mut labels = vec![("__name__".to_owned(), name.trim().to_owned())];
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.is_empty() {
            break;
        }
        let (name, value) =
            rest.split_once("=\"").with_context(|| format!("no value of a label in {rest}"))?;
        let mut text = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.push(other),
                    None => bail!("a value ends in a backslash"),
                },
                Some((_, other)) => text.push(other),
                None => bail!("a value without an end"),
            }
        };
        // A label without a value is no label.
        if !text.is_empty() {
            labels.push((name.trim().to_owned(), text));
        }
        rest = &value[end + 1..];
    }
    labels.sort();
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Line<'_>]) {
        assert_eq!(lines(text).collect::<Result<Vec<_>>>().unwrap(), expected);
    }

    #[test]
    fn reads_what_exporters_write() {
        check(
            "# HELP a What it is\n# TYPE a counter\na 1\na{b=\"}\",c=\"x y\"} +Inf 17\n# EOF\n\n",
            &[
                Line::Help("a", "What it is"),
                Line::Type("a", "counter"),
                Line::Sample { series: "a", value: 1.0, time_ms: None },
                Line::Sample { series: "a{b=\"}\",c=\"x y\"}", value: f64::INFINITY, time_ms: Some(17) },
            ],
        );
        assert!(lines("a b").next().unwrap().is_err());
    }

    #[test]
    fn labels_are_sorted_and_unescaped() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            labels("a{z=\"1\",b=\"q\\\"\\\\\\n,}\",e=\"\",}").unwrap(),
            [pair("__name__", "a"), pair("b", "q\"\\\n,}"), pair("z", "1")]
        );
        assert!(labels("a{b=\"").is_err());
    }
}
