//! What may not stand in code: calls that rings 0 and 1 are barred from, `unsafe` outside its files, files that grew.

use super::{File, Findings};

/// Identifiers that rings 0 and 1 may not name, with what to do instead.
const BARRED: &[(&str, &str)] = &[
    ("Instant", "take `now: Mono`"),
    ("SystemTime", "take `now: Wall`"),
    ("TcpStream", "sockets belong to weir-http"),
    ("TcpListener", "sockets belong to weir-http"),
    ("UdpSocket", "sockets belong to weir-http"),
    ("UnixStream", "sockets belong to weir-http"),
    ("UnixListener", "sockets belong to weir-http"),
    ("sleep", "take `now` and return when to come back"),
    ("tokio", "return what is to be done"),
    ("rand", "take a seed or a number"),
    ("RandomState", "take a seed or a number"),
    ("println", "return what is to be said"),
    ("eprintln", "return what is to be said"),
];

/// Modules of the standard library that rings 0 and 1 may not use.
const BARRED_MODULES: &[(&str, &str)] = &[
    ("fs", "take the bytes"),
    ("env", "take the value"),
    ("process", "return what is to be done"),
    ("thread", "the caller decides where code runs"),
];

/// Files that may hold `unsafe`, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/weir/src/allocator.rs", "the allocator's options are reached through its C interface only"),
    ("crates/weir-gateway/tests/allocations.rs", "an allocator that counts has to be one"),
    ("crates/weir-http/src/rlimit.rs", "the limit of open files has no safe call"),
    ("crates/weir-wasm/src/engine/trusted.rs", "compiled code is taken on trust, once its origin is proven"),
    ("xtask/src/sys.rs", "epoll, pinning and signals have no safe call in std"),
];

/// Lines past which a file is asked what second idea lives in it.
const LONG: usize = 700;

pub(super) fn check(files: &[File], findings: &mut Findings) {
    for file in files.iter().filter(|file| file.is("rs")) {
        let lines = file.text.lines().count();
        if lines > LONG {
            findings.warning(format!("{}: {lines} lines; which second idea lives in it?", file.path));
        }
        let code = code_only(&file.text);
        if !UNSAFE.iter().any(|(path, _)| *path == file.path)
            && let Some((at, _)) = words(&code).find(|(_, word)| *word == "unsafe")
        {
            findings.problem(format!(
                "{}:{}: `unsafe` outside the files that may hold it; give it a file of its own and list that with its \
                 reason in xtask/src/tidy/code.rs",
                file.path,
                line(&code, at)
            ));
        }
    }
    for (path, _) in UNSAFE {
        if !files.iter().any(|file| file.path == *path) {
            findings
                .problem(format!("{path} is listed as holding `unsafe` but is gone; take it off the list"));
        }
    }
}

/// Checks the sources under `prefix` for calls that a pure crate may not make. Tests may.
pub(super) fn check_pure(prefix: &str, files: &[File], findings: &mut Findings) {
    let test_file = |path: &str| path.ends_with("tests.rs") || path.contains("/tests/");
    for file in files.iter().filter(|f| f.path.starts_with(prefix) && f.is("rs")) {
        if test_file(&file.path) {
            continue;
        }
        let code = without_tests(&code_only(&file.text));
        for (at, word, instead) in barred(&code) {
            findings.problem(format!(
                "{}:{}: `{word}` in a crate of ring 0 or 1; {instead}",
                file.path,
                line(&code, at)
            ));
        }
    }
}

fn barred(code: &str) -> Vec<(usize, &str, &'static str)> {
    let mut found = Vec::new();
    for (at, word) in words(code) {
        if let Some((_, instead)) = BARRED.iter().find(|(name, _)| *name == word) {
            found.push((at, word, *instead));
        }
        if let Some((_, instead)) = BARRED_MODULES.iter().find(|(name, _)| *name == word)
            && names_std_module(code, at, word)
        {
            found.push((at, word, *instead));
        }
    }
    found
}

/// Whether `word` is the module: after `std::`, before `::`, or in the braces of a `use std::{…}`.
fn names_std_module(code: &str, at: usize, word: &str) -> bool {
    let before = code[..at].trim_end();
    let statement = &before[before.rfind(';').map_or(0, |end| end + 1)..];
    let grouped = statement.split_whitespace().collect::<String>();
    let grouped = grouped.strip_prefix("pub").unwrap_or(&grouped).starts_with("usestd::{");
    before.ends_with("std::")
        || grouped
        || code[at + word.len()..].trim_start().starts_with("::") && !before.ends_with("::")
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c| !part(c)).filter(|word| !word.is_empty()).map(move |word| {
        let at = word.as_ptr() as usize - code.as_ptr() as usize;
        (at, word)
    })
}

/// The text with comments and the insides of strings and characters blanked; lines stay where they are.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at..] {
            [b'/', b'/', ..] => at + bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at),
            [b'/', b'*', ..] => block_comment(bytes, at),
            [b'r' | b'b' | b'c', ..] if !joins(bytes, at) && raw_string(bytes, at).is_some() => {
                raw_string(bytes, at).unwrap_or(at + 1)
            }
            [b'"', ..] => string(bytes, at),
            [b'\'', ..] => match character(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Only whole literals and comments were blanked, so what is left is still UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Whether the byte before belongs to the same word.
fn joins(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The end of `r"…"`, `r#"…"#`, `br"…"` and the like.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut open = at;
    if matches!(bytes[open], b'b' | b'c') {
        open += 1;
    }
    if bytes.get(open) != Some(&b'r') {
        return None;
    }
    open += 1;
    let hashes = bytes[open..].iter().take_while(|&&b| b == b'#').count();
    open += hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let length = bytes[open + 1..].windows(close.len()).position(|w| w == close)?;
    Some(open + 1 + length + close.len())
}

fn string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// The end of a character; `None` where the quote begins a lifetime.
fn character(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at + 1..];
    if rest.first() == Some(&b'\\') {
        let close = rest.iter().skip(2).position(|&b| b == b'\'')?;
        return Some(at + 1 + 2 + close + 1);
    }
    // A character is up to four bytes; a lifetime has no quote after one.
    let first = *rest.first()?;
    let width = match first {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (rest.get(width) == Some(&b'\'')).then_some(at + 1 + width + 1)
}

/// The code with items under `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let semicolon = rest.find(';').unwrap_or(rest.len());
        let end = match rest.find('{') {
            Some(open) if open < semicolon => {
                let mut depth = 0;
                let close = rest[open..].char_indices().find(|&(_, c)| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth == 0
                });
                close.map_or(rest.len(), |(at, _)| open + at + 1)
            }
            _ => (semicolon + 1).min(rest.len()),
        };
        let blank: String = rest[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..start + end, &blank);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barred_calls_are_found_and_nothing_else() {
        #[track_caller]
        fn check(source: &str, expect: &[&str]) {
            let code = without_tests(&code_only(source));
            let found: Vec<_> = barred(&code).into_iter().map(|(_, word, _)| word).collect();
            assert_eq!(found, expect, "{source}");
        }
        check("use std::time::{Duration, Instant};", &["Instant"]);
        check("// Instant\n/* Instant /* tokio */ */ let a = \"Instant\";", &[]);
        check("let a = r#\"std::fs \" \"#; let b = b\"tokio\"; let c = '\"'; Instant::now()", &["Instant"]);
        check("fn f<'a>(x: &'a str) { let q = '\\''; } // tokio", &[]);
        check("use std::{fmt, fs};", &["fs"]);
        check("std::env::var(name)", &["env"]);
        check("env!(\"X\"); let env = 1; a.fs; model::process::x()", &[]);
        check("fs::read(path)", &["fs"]);
        check("#[cfg(test)]\nmod tests { use std::fs; fn f() { if a { Instant::now() } } }\nfn g() {}", &[]);
        check("#[cfg(test)]\nmod tests;\nfn g() { tokio::spawn() }", &["tokio"]);
        check("let instant = Randomness; let operand = 1;", &[]);
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a\n/* b\nc */ \"d\ne\"\nunsafe";
        let code = code_only(source);
        let (at, _) = words(&code).find(|(_, word)| *word == "unsafe").unwrap();
        assert_eq!(line(&code, at), 5);
    }
}
