//! What is wrong with a text, and the errors that a caller gets.

use std::fmt::{self, Write};

use crate::request::Id;

/// Where a body cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wrong} (at byte {at})")]
pub struct Malformed {
    /// Byte of the body.
    pub at: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What can be wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// Bytes that are no UTF-8.
    Utf8,
    /// No JSON value where one has to be.
    Value,
    /// No comma, colon or closing bracket where one has to be.
    Separator,
    /// An escape that JSON does not have.
    Escape,
    /// A string that does not end, or holds a control character.
    Unclosed,
    /// Nested deeper than allowed.
    Depth,
    /// Something behind the value.
    Trailing,
    /// Longer than allowed.
    TooLong,
    /// Neither an object nor an array of objects.
    NoCall,
    /// A batch of nothing.
    EmptyBatch,
    /// More calls than allowed.
    TooManyCalls,
    /// No method, or one that is no string.
    NoMethod,
    /// A longer name than allowed.
    MethodTooLong,
    /// An id that is neither a string, a number nor null.
    Id,
    /// Parameters that are neither an array nor an object.
    Params,
    /// A member that stands twice.
    Twice,
    /// A member that some servers take for another one.
    LookAlike,
    /// An answer with neither a result nor an error, or with both.
    NoOutcome,
    /// A percent-encoding or parameter that cannot be read.
    Query,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

impl Wrong {
    /// In words.
    pub fn says(self) -> &'static str {
        match self {
            Self::Utf8 => "the body is not UTF-8",
            Self::Value => "a JSON value was expected",
            Self::Separator => "a comma, a colon or a closing bracket was expected",
            Self::Escape => "there is no such escape in JSON",
            Self::Unclosed => "a string is not closed, or holds a control character",
            Self::Depth => "nested deeper than allowed",
            Self::Trailing => "something follows the value",
            Self::TooLong => "the body is longer than allowed",
            Self::NoCall => "a call is an object, and a batch an array of them",
            Self::EmptyBatch => "a batch holds at least one call",
            Self::TooManyCalls => "the batch holds more calls than allowed",
            Self::NoMethod => "a call needs a `method`, a string",
            Self::MethodTooLong => "the method's name is longer than allowed",
            Self::Id => "an `id` is a string, a number or null",
            Self::Params => "`params` are an array or an object",
            Self::Twice => "a member stands twice, which servers read in different ways",
            Self::LookAlike => "a member differs only in the case of its letters from one that has a meaning",
            Self::NoOutcome => "an answer holds either a `result` or an `error`",
            Self::Query => "the query string cannot be read",
        }
    }

    /// The code that JSON-RPC has for it.
    pub fn code(self) -> Code {
        match self {
            Self::Utf8
            | Self::Value
            | Self::Separator
            | Self::Escape
            | Self::Unclosed
            | Self::Depth
            | Self::Trailing => Code::PARSE_ERROR,
            Self::TooLong | Self::TooManyCalls => Code::LIMIT_EXCEEDED,
            _ => Code::INVALID_REQUEST,
        }
    }
}

/// An error's number: JSON-RPC 2.0 (section 5.1), EIP-1474 for those from -32000 to -32099.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    /// The body is no JSON.
    pub const PARSE_ERROR: Self = Self(-32700);
    /// The JSON is no call.
    pub const INVALID_REQUEST: Self = Self(-32600);
    /// There is no such method, or not here.
    pub const METHOD_NOT_FOUND: Self = Self(-32601);
    /// The parameters do not fit.
    pub const INVALID_PARAMS: Self = Self(-32602);
    /// The server failed.
    pub const INTERNAL: Self = Self(-32603);
    /// What was asked for is not available now (EIP-1474).
    pub const UNAVAILABLE: Self = Self(-32002);
    /// More than is allowed (EIP-1474).
    pub const LIMIT_EXCEEDED: Self = Self(-32005);
}

/// Writes an answer that says what went wrong.
pub fn write_error(out: &mut Vec<u8>, id: Id<'_>, code: Code, message: &str) {
    open(out, id);
    out.extend_from_slice(b"\"error\":{\"code\":");
    out.extend_from_slice(code.0.to_string().as_bytes());
    out.extend_from_slice(b",\"message\":");
    write_string(out, message);
    out.extend_from_slice(b"}}");
}

/// Writes an answer with a result, a JSON text.
pub fn write_result(out: &mut Vec<u8>, id: Id<'_>, result: &[u8]) {
    open(out, id);
    out.extend_from_slice(b"\"result\":");
    out.extend_from_slice(result);
    out.push(b'}');
}

fn open(out: &mut Vec<u8>, id: Id<'_>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.text());
    out.push(b',');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            c if c < ' ' => write!(written, "\\u{:04x}", c as u32).expect("a String takes what is written"),
            c => written.push(c),
        }
    }
    written.push('"');
    out.extend_from_slice(written.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_json() {
        let mut out = Vec::new();
        write_error(&mut out, Id::Number(b"7"), Code::LIMIT_EXCEEDED, "say \"please\"\n\u{1}");
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            read,
            serde_json::json!({"jsonrpc": "2.0", "id": 7,
                "error": {"code": -32005, "message": "say \"please\"\n\u{1}"}})
        );
    }

    #[test]
    fn results_are_passed_as_they_are() {
        let mut out = Vec::new();
        write_result(&mut out, Id::Missing, b"{\"a\": [1]}");
        assert_eq!(out, b"{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{\"a\": [1]}}");
    }
}
