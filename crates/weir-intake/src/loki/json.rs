//! `{"streams": [{"stream": {labels}, "values": [["nanoseconds", "line", {metadata}]]}]}`.
//!
//! Read as it comes, without a tree: strings are lent from the payload unless they hold escapes.

use std::borrow::Cow;

use weir_signal::{LabelsBuilder, LogSink, Reason, Refusal};

use super::{Intake, Outcome};
use crate::Limits;

/// Values within values that are not understood, and so skipped.
const DEPTH_MAX: usize = 64;

pub(super) fn read<S: LogSink + ?Sized>(
    payload: &[u8],
    mut intake: Intake<'_, S>,
) -> Result<Outcome, Refusal> {
    let text = String::from_utf8_lossy(payload);
    let mut json = Json { text: &text, at: 0 };
    json.object(|json, key| match &*key {
        "streams" => json.array(|json| stream(json, &mut intake)),
        _ => json.skip(),
    })?;
    json.blanks();
    if json.at < text.len() {
        return Err(json.fault("something follows the request"));
    }
    Ok(intake.outcome)
}

fn stream<S: LogSink + ?Sized>(json: &mut Json<'_>, intake: &mut Intake<'_, S>) -> Result<(), Refusal> {
    let mut begun = false;
    // Lines that came before the labels that they are for.
    let mut early = None;
    json.object(|json, key| match &*key {
        "stream" if !begun => {
            begun = true;
            pairs(json, intake.limits, intake.builder)?;
            intake.begin(None)
        }
        "values" if begun => json.array(|json| line(json, intake)),
        "values" => {
            early = Some(json.clone());
            json.skip()
        }
        _ => json.skip(),
    })?;
    if !begun {
        intake.builder.clear();
        intake.begin(None)?;
    }
    match early {
        Some(mut early) => early.array(|json| line(json, intake)),
        None => Ok(()),
    }
}

fn line<S: LogSink + ?Sized>(json: &mut Json<'_>, intake: &mut Intake<'_, S>) -> Result<(), Refusal> {
    json.expect(b'[', "a line must be `[\"nanoseconds\", \"line\"]`")?;
    let time_ns = json.nanoseconds()?;
    json.expect(b',', "a line must follow its time")?;
    let line = json.string()?;
    intake.builder.clear();
    if json.take(b',') {
        pairs(json, intake.limits, intake.builder)?;
    }
    json.expect(b']', "the line's array must end after time, line and metadata")?;
    intake.line(time_ns, &line)
}

/// An object of strings, into the builder; of its pairs one more than allowed, which shows that there were too many.
fn pairs(json: &mut Json<'_>, limits: &Limits, builder: &mut LabelsBuilder) -> Result<(), Refusal> {
    builder.clear();
    let mut count = 0;
    json.object(|json, name| {
        let value = json.string()?;
        count += 1;
        if count <= limits.labels + 1 {
            builder.push(&name, &value);
        }
        Ok(())
    })
}

#[derive(Debug, Clone)]
struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self, more: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at += rest.iter().position(|&byte| !more(byte)).unwrap_or(rest.len());
        &self.text[start..self.at]
    }

    fn blanks(&mut self) {
        self.advance(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Refusal> {
        if self.take(byte) { Ok(()) } else { Err(self.fault(what)) }
    }

    fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.expect(b'{', "an object must stand here")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "`:` must follow a key")?;
            each(self, key)?;
            if !self.take(b',') {
                return self.expect(b'}', "a comma or `}` must stand here");
            }
        }
    }

    fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.expect(b'[', "an array must stand here")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.take(b',') {
                return self.expect(b']', "a comma or `]` must stand here");
            }
        }
    }

    /// A string; halves of characters (lone surrogates) become U+FFFD.
    fn string(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.expect(b'"', "a string must stand here")?;
        let plain = self.advance(|byte| byte != b'"' && byte != b'\\');
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut out = plain.to_owned();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => out.push_str(self.advance(|byte| byte != b'"' && byte != b'\\')),
                None => return Err(self.fault("the string is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let kind = self.text.as_bytes().get(self.at + 1).copied();
        let simple = match kind {
            Some(b'"' | b'\\' | b'/') => kind.map(char::from),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => None,
            _ => return Err(self.fault("an unknown escape")),
        };
        if let Some(character) = simple {
            self.at += 2;
            return Ok(character);
        }
        let unit = self.unit(self.at).ok_or_else(|| self.fault("`\\u` must be followed by four digits"))?;
        self.at += 6;
        if (0xd800..0xdc00).contains(&unit)
            && let Some(low) = self.unit(self.at).filter(|low| (0xdc00..0xe000).contains(low))
        {
            self.at += 6;
            let both = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
            return Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The number after `\u` at `at`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }

    /// Nanoseconds since 1970, in a string or as a number; `None` inside where they have more than 64 bits.
    fn nanoseconds(&mut self) -> Result<Option<i64>, Refusal> {
        self.blanks();
        let number = match self.byte() {
            Some(b'"') => self.string()?,
            _ => Cow::Borrowed(self.advance(|byte| byte.is_ascii_digit() || byte == b'-')),
        };
        let digits = number.strip_prefix('-').unwrap_or(&number);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(self.fault("the time of a line must be its nanoseconds since 1970"));
        }
        Ok(number.parse().ok())
    }

    /// Skips one value, whatever it is.
    fn skip(&mut self) -> Result<(), Refusal> {
        let mut open = Vec::new();
        loop {
            self.blanks();
            match self.byte() {
                Some(b'"') => drop(self.string()?),
                Some(byte @ (b'{' | b'[')) => {
                    if open.len() == DEPTH_MAX {
                        return Err(self.fault("values are nested too deeply"));
                    }
                    self.at += 1;
                    open.push(byte + 2);
                    continue;
                }
                Some(byte @ (b'}' | b']')) if open.last() == Some(&byte) => {
                    self.at += 1;
                    open.pop();
                }
                // What stands between the parts of a skipped value is not looked at more closely.
                Some(b',' | b':') if !open.is_empty() => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let scalar =
                        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                    if self.advance(scalar).is_empty() {
                        return Err(self.fault("a value must stand here"));
                    }
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    #[cold]
    fn fault(&self, what: &str) -> Refusal {
        Refusal::new(Reason::Malformed, format!("byte {}: {what}", self.at))
    }
}
