//! Lines of `key=value` pairs: <https://brandur.org/logfmt>, read as Loki reads them.

use std::borrow::Cow;

/// A pair, or why there is none.
pub(crate) type Pair<'a> = Result<(&'a str, Cow<'a, str>), String>;

/// Reads the pairs of a line. Behind an error it goes on with what follows.
pub(crate) struct Pairs<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    fn error(&self, what: &str) -> String {
        format!("logfmt syntax error at pos {} : {what}", self.at + 1)
    }

    fn skip_to_space(&mut self) {
        let rest = &self.line.as_bytes()[self.at..];
        self.at += rest.iter().position(|&byte| byte <= b' ').unwrap_or(rest.len());
    }

    fn unexpected(&mut self, byte: u8) -> String {
        let error = self.error(&format!("unexpected '{}'", char::from(byte)));
        self.skip_to_space();
        error
    }

    /// The value behind an opening quote, which is the next character.
    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let start = self.at + 1;
        let bytes = self.line.as_bytes();
        let (mut at, mut escaped) = (start, false);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at + 1;
                    let inner = &self.line[start..at];
                    if !escaped {
                        return Ok(Cow::Borrowed(inner));
                    }
                    return unescape(inner).map(Cow::Owned).ok_or_else(|| self.error("invalid quoted value"));
                }
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = bytes.len();
        Err(self.error("unterminated quoted value"))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.line.as_bytes();
        self.at += bytes[self.at..].iter().position(|&byte| byte > b' ').unwrap_or(bytes.len() - self.at);
        if self.at == bytes.len() {
            return None;
        }
        let start = self.at;
        let is_end = |&byte: &u8| byte <= b' ' || byte == b'=' || byte == b'"';
        self.at += bytes[start..].iter().position(is_end).unwrap_or(bytes.len() - start);
        let key = &self.line[start..self.at];
        match bytes.get(self.at) {
            Some(b'=') if !key.is_empty() => self.at += 1,
            Some(&byte @ (b'=' | b'"')) => return Some(Err(self.unexpected(byte))),
            _ => return Some(Ok((key, Cow::Borrowed("")))),
        }
        if bytes.get(self.at) == Some(&b'"') {
            return Some(self.quoted().map(|value| (key, value)));
        }
        let start = self.at;
        self.at += bytes[start..].iter().position(is_end).unwrap_or(bytes.len() - start);
        match bytes.get(self.at) {
            Some(&byte @ (b'=' | b'"')) => Some(Err(self.unexpected(byte))),
            _ => Some(Ok((key, Cow::Borrowed(&self.line[start..self.at])))),
        }
    }
}

/// What a text with JSON's escapes, and `\'`, says.
fn unescape(text: &str) -> Option<String> {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.push_str(plain);
        let letter = escaped.chars().next()?;
        rest = &escaped[letter.len_utf8()..];
        said.push(match letter {
            '"' | '\\' | '/' | '\'' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, after) = crate::json::unicode_escape(rest)?;
                rest = after;
                character
            }
            _ => return None,
        });
    }
    said.push_str(rest);
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let check = |line: &str, expect: &str| {
            let shown: Vec<_> = Pairs::new(line)
                .map(|pair| match pair {
                    Ok((key, value)) => format!("{key}={value}"),
                    Err(why) => format!("!{why}"),
                })
                .collect();
            assert_eq!(shown.join(";"), expect, "{line}");
        };
        check("level=info  status=200\n", "level=info;status=200");
        check("a b= c=\"\" d", "a=;b=;c=;d=");
        check(r#"msg="hi \"you\"\u00e9\n" é=1"#, "msg=hi \"you\"é\n;é=1");
        check(
            r#"good=1 bad="unterminated"#,
            "good=1;!logfmt syntax error at pos 25 : unterminated quoted value",
        );
        check("a=b=c d=1", "!logfmt syntax error at pos 4 : unexpected '=';d=1");
        check(
            r#"=x "y" z=1"#,
            "!logfmt syntax error at pos 1 : unexpected '=';!logfmt syntax error at pos 4 : unexpected '\"';z=1",
        );
        check(r#"a="\q" b=1"#, "!logfmt syntax error at pos 7 : invalid quoted value;b=1");
        check("", "");
    }
}
