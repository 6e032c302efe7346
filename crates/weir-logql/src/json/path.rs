//! Places in JSON: `a.b[0]["c d"]`.

use super::{Kind, Raw, elements, members, value};

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Path {
    /// # Errors
    /// Where and why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text.trim_matches(is_space);
        while !rest.is_empty() {
            let behind_dot = rest.strip_prefix('.').filter(|_| !steps.is_empty());
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => subscript(inner.trim_start_matches(is_space))?,
                None if behind_dot.is_some() || steps.is_empty() => {
                    field(behind_dot.unwrap_or(rest).trim_start_matches(is_space))?
                }
                None => return Err(unexpected(rest)),
            };
            steps.push(step);
            rest = after.trim_start_matches(is_space);
        }
        if steps.is_empty() {
            return Err("syntax error: unexpected $end, expecting LSB or FIELD".to_owned());
        }
        Ok(Self(steps))
    }

    /// The value at this place of a text that begins with JSON. Of several, the first.
    pub(crate) fn find<'a>(&self, text: &'a str) -> Option<Raw<'a>> {
        let mut found = value(text, 0).ok()?.0;
        for step in &self.0 {
            let mut inner = None;
            // What is wrong behind the place does not matter.
            let _ = match step {
                Step::Key(key) if found.kind == Kind::Object => members(found.text, |name, value| {
                    inner = (name == &**key).then_some(value);
                    Ok(inner.is_none())
                }),
                Step::Index(index) if found.kind == Kind::Array => {
                    let mut left = *index;
                    elements(found.text, |value| {
                        inner = (left == 0).then_some(value);
                        left = left.wrapping_sub(1);
                        Ok(inner.is_none())
                    })
                }
                _ => return None,
            };
            found = inner?;
        }
        Some(found)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

fn unexpected(rest: &str) -> String {
    match rest.chars().next() {
        Some(c) => format!("unexpected char {c}"),
        None => "syntax error: unexpected $end".to_owned(),
    }
}

fn field(text: &str) -> Result<(Step, &str), String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    if end == 0 || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unexpected(text));
    }
    Ok((Step::Key(text[..end].into()), &text[end..]))
}

/// What stands behind `[`.
fn subscript(text: &str) -> Result<(Step, &str), String> {
    let (step, after) = if let Some(inner) = text.strip_prefix('"') {
        let (key, after) = inner.split_once('"').ok_or("syntax error: unexpected $end, expecting RSB")?;
        (Step::Key(key.into()), after)
    } else {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        if text[end..].starts_with('.') && end > 0 {
            return Err("cannot use float as array index".to_owned());
        }
        let index = text[..end].parse().map_err(|_| match text.chars().next() {
            Some(c) => format!("unexpected char {c}"),
            None => "syntax error: unexpected $end, expecting STRING or INDEX".to_owned(),
        })?;
        (Step::Index(index), &text[end..])
    };
    let after = after.trim_start_matches(is_space);
    after.strip_prefix(']').map(|after| (step, after)).ok_or_else(|| unexpected(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found() {
        let line = r#"{"user":{"id":"u1","a b":{"c":null}},"tags":["x",[1,2]],"user":2} rest"#;
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(Path::parse(path).unwrap().find(line).map(|raw| raw.text), expect, "{path}");
        };
        check("user.id", Some("u1"));
        check(r#"user["id"]"#, Some("u1"));
        check(r#"["user"]["a b"].c"#, Some("null"));
        check("tags[0]", Some("x"));
        check(" tags [ 1 ] [ 1 ] ", Some("2"));
        check("tags[2]", None);
        check("tags.x", None);
        check("user[0]", None);
        check("none", None);
        assert_eq!(Path::parse("[1]").unwrap().find("[1,{\"a\":2}]").map(|raw| raw.text), Some("{\"a\":2}"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", ".a", "a.", "a..b", "user[", "a[x]", "a[1.5]", "a[\"b\"", "a b", "1a", "a[]", "é"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
