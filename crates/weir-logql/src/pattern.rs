//! Patterns: text with places that are captured, `<ip> - <_> "<method>"`.

use memchr::memmem::find;

/// A part of a pattern. No two captures stand next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// `None` for `<_>`.
    Capture(Option<Box<str>>),
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

impl Pattern {
    /// One that gives its captures names; it has one at least.
    pub(crate) fn of_parser(text: &str) -> Result<Self, String> {
        let parts = split(text)?;
        let mut names: Vec<_> = parts.iter().filter_map(name).collect();
        if names.is_empty() {
            return Err("at least one capture is required".to_owned());
        }
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(format!("duplicate capture name ({twice}): invalid expression"));
        }
        Ok(Self(parts))
    }

    /// One that tests whole lines; its captures have no names.
    pub(crate) fn of_filter(text: &str) -> Result<Self, String> {
        let parts = if text.is_empty() { Vec::new() } else { split(text)? };
        match parts.iter().find_map(name) {
            Some(name) => Err(format!("named captures are not allowed: found '<{name}>'")),
            None => Ok(Self(parts)),
        }
    }

    /// What a line has in the places of the captures that have names, in their order. Those behind the first text that is
    /// missing are left out, and the one before it takes the rest of the line.
    pub(crate) fn captures<'l>(&self, line: &'l str, mut found: impl FnMut(&str, &'l str)) {
        let mut parts = self.0.as_slice();
        let mut rest = line;
        if line.is_empty() {
            return;
        }
        if let Some((Part::Text(text), after)) = parts.split_first() {
            let Some(stripped) = line.strip_prefix(&**text) else { return };
            (rest, parts) = (stripped, after);
        }
        while let Some((Part::Capture(name), after)) = parts.split_first() {
            let text = match after.split_first() {
                Some((Part::Text(text), after)) => {
                    parts = after;
                    text
                }
                _ => "",
            };
            let end = if text.is_empty() { None } else { find(rest.as_bytes(), text.as_bytes()) };
            if let Some(name) = name {
                found(name, &rest[..end.unwrap_or(rest.len())]);
            }
            let Some(end) = end else { return };
            rest = &rest[end + text.len()..];
        }
    }

    /// Whether a whole line is so, with something in the place of every capture.
    pub(crate) fn is_match(&self, line: &str) -> bool {
        if line.is_empty() || self.0.is_empty() {
            return line.is_empty() && self.0.is_empty();
        }
        let mut rest = line;
        for (at, part) in self.0.iter().enumerate() {
            let Part::Text(text) = part else { continue };
            match find(rest.as_bytes(), text.as_bytes()) {
                Some(0) if at > 0 => return false,
                Some(start) => rest = &rest[start + text.len()..],
                None => return false,
            }
        }
        matches!(self.0.last(), Some(Part::Capture(_))) != rest.is_empty()
    }
}

fn name(part: &Part) -> Option<&str> {
    match part {
        Part::Capture(name) => name.as_deref(),
        Part::Text(_) => None,
    }
}

fn split(text: &str) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(length) =
            rest[start + 1..].find('>').filter(|&end| is_name(&rest[start + 1..start + 1 + end]))
        else {
            plain.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        plain.push_str(&rest[..start]);
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        let name = &rest[start + 1..start + 1 + length];
        if let Some(Part::Capture(before)) = parts.last() {
            let before = before.as_deref().unwrap_or("_");
            return Err(format!("found consecutive capture '<{before}><{name}>': invalid expression"));
        }
        parts.push(Part::Capture((name != "_").then(|| name.into())));
        rest = &rest[start + length + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    if parts.is_empty() {
        return Err("syntax error: unexpected $end, expecting IDENTIFIER or LITERAL".to_owned());
    }
    Ok(parts)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures() {
        let check = |pattern: &str, line: &str, expect: &str| {
            let mut found = Vec::new();
            Pattern::of_parser(pattern)
                .unwrap()
                .captures(line, |name, value| found.push(format!("{name}={value}")));
            assert_eq!(found.join(";"), expect, "{pattern} {line}");
        };
        check("<method> <path> <status>", "GET /home 200", "method=GET;path=/home;status=200");
        check("<method> <_> <status>", "GET /home 200", "method=GET;status=200");
        check("<method> <path>", "POST", "method=POST");
        check("[<a>] <b>", "x [1] 2", "");
        check("[<a>] <b>", "[1] 2 3", "a=1;b=2 3");
        check("<a>;", "1;2", "a=1");
        check("<a <b>", "<a x", "b=x");
    }

    #[test]
    fn whole_lines() {
        let check = |pattern: &str, line: &str, expect: bool| {
            assert_eq!(Pattern::of_filter(pattern).unwrap().is_match(line), expect, "{pattern} {line}");
        };
        check("foo <_>", "foo bar baz", true);
        check("<_> baz", "foo bar baz", true);
        check("<_> bar", "foo bar baz", false);
        check("<_> bar <_>", " bar ", false);
        check("<_>bar<_>", " bar ", true);
        check("GET /api", "GET /api 200", false);
        check("GET /api", "GET /api", true);
        check("", "", true);
        check("", "x", false);
        check("<_>", "x", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["", "none", "<_>", "<a><b>", "<a> <a>"] {
            assert!(Pattern::of_parser(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::of_filter("<a> b").is_err());
        assert!(Pattern::of_filter("<_><_>").is_err());
    }
}
