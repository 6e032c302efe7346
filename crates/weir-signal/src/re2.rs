//! Regular expressions as Prometheus, Loki and Tempo know them: RE2's syntax (Go's `regexp`), by way of the `regex` crate.
//!
//! Both know the same languages and run in linear time; their syntax differs in a few places, which are rewritten here. In
//! RE2 a brace that begins no repetition is itself, `\Q…\E` quotes, `\d`, `\w`, `\s` and `\b` are ASCII, and within `[…]`
//! only `]`, `\`, `^` and `-` mean anything.
//!
//! Source: <https://github.com/google/re2/wiki/Syntax>.

use regex::{Regex, RegexBuilder};

/// What a compiled pattern may take, in bytes: a bound against hostile queries.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Compiles a pattern that is found anywhere in a text.
///
/// # Errors
/// In one line, why it is no regular expression.
pub fn re2(pattern: &str) -> Result<Regex, String> {
    compile(&rewritten(pattern))
}

/// Compiles a pattern that a whole text, line ends included, has to match.
///
/// # Errors
/// In one line, why it is no regular expression.
pub fn re2_whole(pattern: &str) -> Result<Regex, String> {
    let rewritten = rewritten(pattern);
    let whole = compile(&format!("^(?s:{rewritten})$"));
    match whole {
        // What is in parentheses could close them.
        Ok(whole) if rewritten.contains(')') => compile(&rewritten).map(|_| whole),
        Ok(whole) => Ok(whole),
        // Said of the pattern itself.
        Err(error) => Err(compile(&rewritten).err().unwrap_or(error)),
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// The same pattern as the `regex` crate writes it.
fn rewritten(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                rest = escape(after, in_class, &mut out);
                continue;
            }
            '[' if in_class => {
                if let Some(length) = posix(rest) {
                    out.push_str(&rest[..length]);
                    rest = &rest[length..];
                    continue;
                }
                out.push_str("\\[");
            }
            '[' => {
                in_class = true;
                out.push('[');
                let negated = after.strip_prefix('^');
                if negated.is_some() {
                    out.push('^');
                }
                rest = negated.unwrap_or(after);
                // A bracket right after the first one is itself.
                if let Some(more) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = more;
                }
                continue;
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && out.ends_with('-') => out.push_str("\\-"),
            '{' if !in_class && !is_repetition(after) => out.push_str("\\{"),
            other => out.push(other),
        }
        rest = after;
    }
    out
}

/// Writes what stands behind a backslash; gives what follows it.
fn escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[c.len_utf8()..];
    let ascii = match c.to_ascii_lowercase() {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some("\\t\\n\\f\\r "),
        _ => None,
    };
    match (c, ascii) {
        ('Q', _) if !in_class => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        ('d' | 'w' | 's', Some(set)) if in_class => out.push_str(set),
        ('d' | 'w' | 's', Some(set)) => out.extend(["[", set, "]"]),
        ('D' | 'W' | 'S', Some(set)) => out.extend(["[^", set, "]"]),
        ('b', _) if !in_class => out.push_str("(?-u:\\b)"),
        _ => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

/// The length of a class such as `[:alpha:]` that `text` begins with.
fn posix(text: &str) -> Option<usize> {
    let end = text.strip_prefix("[:")?.find(":]")?;
    let name = &text[2..2 + end];
    name.chars().all(|c| c.is_ascii_lowercase() || c == '^').then_some(end + 4)
}

/// Whether a brace whose inside begins here is `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text.split_once('}') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        None => digits(inside),
        Some((low, high)) => digits(low) && (high.is_empty() || digits(high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_re2_matches_is_matched() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(re2_whole(pattern).unwrap().is_match(text), expect, "{pattern} {text:?}");
        };
        check("/api/{id}", "/api/{id}", true);
        check("a{,3}", "a{,3}", true);
        check("a{2,3}", "aaa", true);
        check("a{2}", "aaa", false);
        check(r"\Qa.b\E+", "a.bbb", true);
        check(r"\Qa.b", "axb", false);
        check(r"\d+", "12", true);
        check(r"\d+", "١٢", false);
        check(r"[\d.]+", "1.2", true);
        check(r"[\D]+", "ab", true);
        check(r"\w+", "é", false);
        check("[a[b]+", "a[b", true);
        check("[[:alpha:]-]+", "ab-", true);
        check("[]a]+", "]a", true);
        check("[^]a]+", "bc", true);
        check("[a&&b]+", "a&b", true);
        check("[a-c--]+", "b-", true);
        check("a|b", "ab", false);
        check("a.b", "a\nb", true);
        check("(?i)ab", "AB", true);
    }

    #[test]
    fn what_is_none_is_refused() {
        for pattern in ["(", "a)|(b", "[", "*", "\\", "a{2}{3}{1000}{1000}"] {
            assert!(re2_whole(pattern).is_err(), "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in r"[\\\[\]{}()a-c,^&~0-9.*QE:|?-]{0,24}") {
            let _ = re2_whole(&pattern);
        }
    }
}
