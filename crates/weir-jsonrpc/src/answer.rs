//! Answers: results and errors, told apart by id.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::refusal::{Malformed, Wrong};
use crate::request::{Id, Limits, member, once, read_id};
use crate::scan::{Kind, Scanner};

/// What a body answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers<'a> {
    /// Whether they stand in an array.
    pub batch: bool,
    /// In the order in which they stand, which need not be the calls'.
    pub answers: SmallVec<[Answer<'a>; 1]>,
}

/// One answer. All slices are of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Of which call; [`Id::Null`] where the server could not tell.
    pub id: Id<'a>,
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// The whole object.
    pub text: &'a [u8],
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its result, as JSON.
    Result(&'a [u8]),
    /// Why there is none.
    Error {
        /// The error's number; 0 where it has none that fits.
        code: i64,
        /// What the server says; empty where it says nothing.
        message: Cow<'a, str>,
        /// The whole error, as JSON.
        text: &'a [u8],
    },
}

/// Reads what a server answered.
///
/// # Errors
/// Where it is no JSON, no answer, or beyond the limits.
pub fn read_answers<'a>(body: &'a [u8], limits: &Limits) -> Result<Answers<'a>, Malformed> {
    if body.len() > limits.bytes {
        return Err(Malformed { at: limits.bytes, wrong: Wrong::TooLong });
    }
    let text =
        std::str::from_utf8(body).map_err(|e| Malformed { at: e.valid_up_to(), wrong: Wrong::Utf8 })?;
    let mut scanner = Scanner::new(text, limits.depth);
    let mut answers = SmallVec::new();
    let batch = scanner.kind()? == Kind::Array;
    if batch {
        scanner.elements(|scanner| {
            if answers.len() == limits.calls {
                return Err(scanner.wrong(Wrong::TooManyCalls));
            }
            answers.push(answer(scanner)?);
            Ok(())
        })?;
    } else {
        answers.push(answer(&mut scanner)?);
    }
    scanner.end()?;
    Ok(Answers { batch, answers })
}

fn answer<'a>(scanner: &mut Scanner<'a>) -> Result<Answer<'a>, Malformed> {
    let mut whole = scanner.clone();
    let (mut id, mut result, mut error) = (None, None, None);
    scanner.members(|scanner, name| match member(scanner, name, &["id", "result", "error"])? {
        Some("id") => {
            let read = read_id(scanner)?;
            once(scanner, &mut id, read)
        }
        Some("result") => {
            let value = scanner.value()?;
            once(scanner, &mut result, value)
        }
        Some(_) => {
            let kind = scanner.kind()?;
            let value = scanner.value()?;
            once(scanner, &mut error, (kind, value))
        }
        None => scanner.value().map(drop),
    })?;
    // Servers of version 1.0 write the other one as null.
    let outcome = match (result, error.filter(|(kind, _)| *kind != Kind::Null)) {
        (None | Some(b"null"), Some((kind, text))) => {
            let (code, message) = if kind == Kind::Object { describe(text)? } else { (0, Cow::Borrowed("")) };
            Outcome::Error { code, message, text }
        }
        (Some(result), None) => Outcome::Result(result),
        _ => return Err(scanner.wrong(Wrong::NoOutcome)),
    };
    Ok(Answer { id: id.unwrap_or(Id::Null), outcome, text: whole.value()? })
}

fn describe(error: &[u8]) -> Result<(i64, Cow<'_, str>), Malformed> {
    let (mut code, mut message) = (0, Cow::Borrowed(""));
    Scanner::again(error).members(|scanner, name| {
        let kind = scanner.kind()?;
        match (name.raw(), kind) {
            (b"code", Kind::Number) => {
                let digits = std::str::from_utf8(scanner.value()?).ok();
                code = digits.and_then(|d| d.parse().ok()).unwrap_or(0);
            }
            (b"message", Kind::String) => message = scanner.string()?.decode().unwrap_or_default(),
            _ => drop(scanner.value()?),
        }
        Ok(())
    })?;
    Ok((code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors() {
        let body = br#"[{"jsonrpc":"2.0","id":1,"result":{"a":1}},
            {"id":"b","error":{"code":-32000,"message":"nonce too \u006cow","data":[]},"result":null}]"#;
        let read = read_answers(body, &Limits::default()).unwrap();
        assert!(read.batch);
        assert_eq!(read.answers[0].id, Id::Number(b"1"));
        assert_eq!(read.answers[0].outcome, Outcome::Result(br#"{"a":1}"#));
        let Outcome::Error { code, message, .. } = &read.answers[1].outcome else { panic!("an error") };
        assert_eq!((*code, &**message), (-32000, "nonce too low"));
    }

    #[test]
    fn of_old_servers() {
        let body = br#"{"id":1,"result":null,"error":"no"}"#;
        let read = read_answers(body, &Limits::default()).unwrap();
        assert!(matches!(read.answers[0].outcome, Outcome::Error { code: 0, .. }));
        let body = br#"{"id":1,"result":null,"error":null}"#;
        let read = read_answers(body, &Limits::default()).unwrap();
        assert_eq!(read.answers[0].outcome, Outcome::Result(b"null"));
    }

    #[test]
    fn what_is_no_answer() {
        for (body, wrong) in [
            (&b"{}"[..], Wrong::NoOutcome),
            (br#"{"id":1}"#, Wrong::NoOutcome),
            (br#"{"id":1,"result":1,"error":{"code":1}}"#, Wrong::NoOutcome),
            (br#"{"id":1,"result":1,"result":2}"#, Wrong::Twice),
            (b"7", Wrong::Value),
            (b"<html>", Wrong::Value),
        ] {
            assert_eq!(read_answers(body, &Limits::default()).unwrap_err().wrong, wrong);
        }
    }
}
