//! Calls: one, or a batch.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::refusal::{Malformed, Wrong};
use crate::scan::{Kind, Scanner, Text};

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes.
    pub bytes: usize,
    /// Most calls in a batch.
    pub calls: usize,
    /// Longest name of a method, in bytes.
    pub method_bytes: usize,
    /// Deepest nesting; at most 128.
    pub depth: u32,
}

impl Default for Limits {
    /// A mebibyte, 100 calls (nodes allow 1,000 and 10), names of 128 bytes, 64 levels.
    fn default() -> Self {
        Self { bytes: 1 << 20, calls: 100, method_bytes: 128, depth: 64 }
    }
}

/// What a body asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Whether the calls stand in an array, so that their answers have to as well.
    pub batch: bool,
    /// At least one.
    pub calls: SmallVec<[Call<'a>; 1]>,
}

/// One call. All slices are of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The method's name.
    pub method: Cow<'a, str>,
    /// What its answer is told apart by.
    pub id: Id<'a>,
    /// Its parameters, an array or object; `None` where it has none.
    pub params: Option<&'a [u8]>,
    /// The whole object.
    pub text: &'a [u8],
}

/// What an answer is told apart by, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id<'a> {
    /// A notification: nobody waits for an answer.
    Missing,
    /// `null`.
    Null,
    /// A number's digits.
    Number(&'a [u8]),
    /// A string, quotes included.
    String(&'a [u8]),
}

impl<'a> Id<'a> {
    /// As JSON; `null` where there is none.
    pub fn text(self) -> &'a [u8] {
        match self {
            Self::Missing | Self::Null => b"null",
            Self::Number(text) | Self::String(text) => text,
        }
    }
}

/// Reads a body.
///
/// # Errors
/// Where it is no JSON, no call, beyond the limits, or written so that two servers could read it in two ways.
pub fn read<'a>(body: &'a [u8], limits: &Limits) -> Result<Request<'a>, Malformed> {
    if body.len() > limits.bytes {
        return Err(Malformed { at: limits.bytes, wrong: Wrong::TooLong });
    }
    let text =
        std::str::from_utf8(body).map_err(|e| Malformed { at: e.valid_up_to(), wrong: Wrong::Utf8 })?;
    let mut scanner = Scanner::new(text, limits.depth);
    let mut calls = SmallVec::new();
    let batch = match scanner.kind()? {
        Kind::Object => {
            calls.push(call(&mut scanner, limits)?);
            false
        }
        Kind::Array => {
            scanner.elements(|scanner| {
                if calls.len() == limits.calls {
                    return Err(scanner.wrong(Wrong::TooManyCalls));
                }
                calls.push(call(scanner, limits)?);
                Ok(())
            })?;
            if calls.is_empty() {
                return Err(scanner.wrong(Wrong::EmptyBatch));
            }
            true
        }
        _ => return Err(scanner.wrong(Wrong::NoCall)),
    };
    scanner.end()?;
    Ok(Request { batch, calls })
}

fn call<'a>(scanner: &mut Scanner<'a>, limits: &Limits) -> Result<Call<'a>, Malformed> {
    if scanner.kind()? != Kind::Object {
        return Err(scanner.wrong(Wrong::NoCall));
    }
    let mut whole = scanner.clone();
    let (mut method, mut id, mut params, mut version) = (None, None, None, None);
    scanner.members(|scanner, name| {
        match member(scanner, name, &["method", "id", "params", "jsonrpc"])? {
            Some("method") => {
                if scanner.kind()? != Kind::String {
                    return Err(scanner.wrong(Wrong::NoMethod));
                }
                let text = scanner.string()?;
                if text.raw().len() > limits.method_bytes {
                    return Err(scanner.wrong(Wrong::MethodTooLong));
                }
                once(scanner, &mut method, text.decode().ok_or_else(|| scanner.wrong(Wrong::Escape))?)
            }
            Some("id") => {
                let read = read_id(scanner)?;
                once(scanner, &mut id, read)
            }
            Some("params") => {
                let kind = scanner.kind()?;
                let value = scanner.value()?;
                let value = match kind {
                    Kind::Array | Kind::Object => Some(value),
                    Kind::Null => None,
                    _ => return Err(scanner.wrong(Wrong::Params)),
                };
                once(scanner, &mut params, value)
            }
            Some(_) => {
                let value = scanner.value()?;
                once(scanner, &mut version, value)
            }
            None => scanner.value().map(drop),
        }
    })?;
    let Some(method) = method else { return Err(scanner.wrong(Wrong::NoMethod)) };
    Ok(Call { method, id: id.unwrap_or(Id::Missing), params: params.flatten(), text: whole.value()? })
}

pub(crate) fn read_id<'a>(scanner: &mut Scanner<'a>) -> Result<Id<'a>, Malformed> {
    let kind = scanner.kind()?;
    let value = scanner.value()?;
    match kind {
        Kind::String => Ok(Id::String(value)),
        Kind::Number => Ok(Id::Number(value)),
        Kind::Null => Ok(Id::Null),
        _ => Err(scanner.wrong(Wrong::Id)),
    }
}

pub(crate) fn once<T>(scanner: &Scanner<'_>, slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(scanner.wrong(Wrong::Twice)),
    }
}

/// Which of the known members a name is. Go's decoder, which stands in most nodes, takes `Method` and `paramſ` for the
/// names that they resemble, and the last of several; such texts would mean one thing here and another there.
pub(crate) fn member(
    scanner: &Scanner<'_>,
    name: Text<'_>,
    known: &[&'static str],
) -> Result<Option<&'static str>, Malformed> {
    // A name with half a surrogate pair resembles nothing.
    let Some(name) = name.decode() else { return Ok(None) };
    if let Some(exact) = known.iter().find(|k| **k == name) {
        return Ok(Some(exact));
    }
    let resembles = |known: &str| {
        let folded = name.chars().map(|c| match c {
            'ſ' => 's',
            '\u{212A}' => 'k',
            c => c.to_ascii_lowercase(),
        });
        folded.eq(known.chars())
    };
    if known.iter().any(|k| resembles(k)) {
        return Err(scanner.wrong(Wrong::LookAlike));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &str, methods: &[&str]) {
        let request = read(body.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(request.calls.iter().map(|c| &*c.method).collect::<Vec<_>>(), methods, "{body}");
    }

    fn refuses(body: &str, wrong: Wrong) {
        assert_eq!(read(body.as_bytes(), &Limits::default()).map_err(|e| e.wrong), Err(wrong), "{body}");
    }

    #[test]
    fn calls() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#, &["eth_chainId"]);
        check(" {\"method\" : \"status\" } \n", &["status"]);
        check(r#"[{"method":"a","id":null},{"method":"b","id":"x","params":{}}]"#, &["a", "b"]);
        check(r#"{"meth\u006fd":"eth\u005fcall","params":null}"#, &["eth_call"]);
        check(r#"{"method":"a","extra":{"method":"b"}}"#, &["a"]);
    }

    #[test]
    fn slices_are_the_bodys() {
        let body = br#"[ {"method":"a","id": "1", "params" : [ {"b": 2} ]} , {"id":-1e3,"method":"c"}]"#;
        let request = read(body, &Limits::default()).unwrap();
        assert!(request.batch);
        assert_eq!(request.calls[0].id, Id::String(b"\"1\""));
        assert_eq!(request.calls[0].params, Some(&br#"[ {"b": 2} ]"#[..]));
        assert_eq!(request.calls[0].text, br#"{"method":"a","id": "1", "params" : [ {"b": 2} ]}"#);
        assert_eq!(request.calls[1].id, Id::Number(b"-1e3"));
        assert_eq!(request.calls[1].params, None);
        assert!(matches!(request.calls[0].method, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_refused() {
        refuses("[]", Wrong::EmptyBatch);
        refuses("7", Wrong::NoCall);
        refuses("[7]", Wrong::NoCall);
        refuses("{}", Wrong::NoMethod);
        refuses(r#"{"method":7}"#, Wrong::NoMethod);
        refuses(r#"{"method":"a","id":{}}"#, Wrong::Id);
        refuses(r#"{"method":"a","id":true}"#, Wrong::Id);
        refuses(r#"{"method":"a","params":"b"}"#, Wrong::Params);
        refuses(r#"{"method":"a"} {"method":"b"}"#, Wrong::Trailing);
        refuses(r#"{"method":"a"#, Wrong::Unclosed);
        refuses(r#"{"method":"\ud800"}"#, Wrong::Escape);
        refuses(&format!(r#"{{"method":"{}"}}"#, "m".repeat(129)), Wrong::MethodTooLong);
        refuses(&format!("[{}]", vec![r#"{"method":"a"}"#; 101].join(",")), Wrong::TooManyCalls);
        refuses(&format!(r#"{{"method":"a","params":{}}}"#, "[".repeat(1000)), Wrong::Depth);
        assert_eq!(read(b"\"\xFF\"", &Limits::default()).unwrap_err().wrong, Wrong::Utf8);
        let small = Limits { bytes: 4, ..Limits::default() };
        assert_eq!(read(b"{    }", &small).unwrap_err().wrong, Wrong::TooLong);
    }

    #[test]
    fn nobody_shows_two_methods() {
        refuses(r#"{"method":"eth_call","method":"eth_sendRawTransaction"}"#, Wrong::Twice);
        refuses(r#"{"method":"eth_call","m\u0065thod":"eth_sendRawTransaction"}"#, Wrong::Twice);
        refuses(r#"{"method":"eth_call","Method":"eth_sendRawTransaction"}"#, Wrong::LookAlike);
        refuses(r#"{"method":"eth_call","METH\u004fD":"eth_sendRawTransaction"}"#, Wrong::LookAlike);
        refuses("{\"method\":\"a\",\"params\":[],\"param\u{17F}\":[1]}", Wrong::LookAlike);
        refuses(r#"{"method":"a","params":null,"params":[]}"#, Wrong::Twice);
        refuses(r#"{"method":"a","id":1,"ID":2}"#, Wrong::LookAlike);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in any::<Vec<u8>>()) {
            let _ = read(&body, &Limits::default());
        }

        #[test]
        fn near_misses_are_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut body = br#"[{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x00","latest"]}]"#.to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            // Whatever is accepted is what another parser reads.
            if let Ok(request) = read(&body, &Limits::default())
                && let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(&body)
            {
                let theirs = theirs.get(0).unwrap_or(&theirs).clone();
                prop_assert_eq!(theirs["method"].as_str(), Some(&*request.calls[0].method));
            }
        }
    }
}
