//! Queries without their secrets.

use crate::escape::{Within, clip, push_escaped};

use super::record::QUERY_BYTES_MAX;

/// Words that make a parameter a secret wherever they stand in its name, and those that do as the whole name.
/// Compared in lower case, percent-decoded, without `-`, `_` and `.`.
const WITHIN: [&str; 10] =
    ["token", "secret", "passw", "apikey", "signature", "credential", "auth", "session", "jwt", "accesskey"];
const WHOLE: [&str; 9] = ["key", "sig", "code", "pwd", "pass", "pin", "otp", "state", "sid"];

/// Longest name that is looked at; a longer one counts as a secret, since nothing sensible is called so.
const NAME_BYTES_MAX: usize = 64;

/// Appends a query, values of secret parameters replaced by `***`.
pub(super) fn push_query(out: &mut Vec<u8>, query: &[u8], within: Within) {
    let (query, cut) = clip(query, QUERY_BYTES_MAX);
    let mut first = true;
    for part in query.split(|byte| matches!(byte, b'&' | b';')) {
        if !first {
            out.push(b'&');
        }
        first = false;
        let name = part.iter().position(|byte| *byte == b'=').map_or(part, |at| &part[..at]);
        if name.len() < part.len() && is_secret(name) {
            push_escaped(out, name, within);
            out.extend_from_slice(b"=***");
        } else {
            push_escaped(out, part, within);
        }
    }
    if cut {
        out.extend_from_slice("…".as_bytes());
    }
}

fn is_secret(name: &[u8]) -> bool {
    let mut plain = [0; NAME_BYTES_MAX];
    let mut len = 0;
    let mut at = 0;
    while let Some(&byte) = name.get(at) {
        let decoded = if byte == b'%' { name.get(at + 1..at + 3).and_then(decode) } else { None };
        at += if decoded.is_some() { 3 } else { 1 };
        let byte = decoded.unwrap_or(byte).to_ascii_lowercase();
        if matches!(byte, b'-' | b'_' | b'.') {
            continue;
        }
        let Some(place) = plain.get_mut(len) else { return true };
        *place = byte;
        len += 1;
    }
    let name = &plain[..len];
    let has = |word: &&str| name.windows(word.len()).any(|part| part == word.as_bytes());
    WITHIN.iter().any(has) || WHOLE.iter().any(|word| word.as_bytes() == name)
}

fn decode(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        #[track_caller]
        fn check(query: &str, expect: &str) {
            let mut out = Vec::new();
            push_query(&mut out, query.as_bytes(), Within::Line);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
        check("", "");
        check("a=1&b=2", "a=1&b=2");
        check("page=2&access_token=s3cret&x", "page=2&access_token=***&x");
        check("API-KEY=s;Sig=s;monkey=1", "API-KEY=***&Sig=***&monkey=1");
        check("%74oken=s&X-Amz-Signature=s", "%74oken=***&X-Amz-Signature=***");
        check("to%6Ben=a=b&client_secret", "to%6Ben=***&client_secret");
        check(&format!("{}=1", "n".repeat(65)), &format!("{}=***", "n".repeat(65)));
        check("q=%7&%=1", "q=%7&%=1");
    }
}
