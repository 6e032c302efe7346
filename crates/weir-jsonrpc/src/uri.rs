//! The URI style of CometBFT: `/status`, `/broadcast_tx_sync?tx="name=satoshi"`.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::refusal::{Malformed, Wrong};
use crate::request::Limits;

/// A name and its value.
pub type Param<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A call written as a path and a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriCall<'a> {
    /// The method; empty for `/`, which nodes answer with a list of their methods.
    pub method: &'a str,
    /// Names and values, percent-decoded. A text stands in quotes, bytes as `0x…`, a number bare.
    pub params: SmallVec<[Param<'a>; 4]>,
}

impl UriCall<'_> {
    /// The value of a parameter, without quotes; `None` where it is missing or stands twice.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.params.iter().filter(|(n, _)| **n == *name.as_bytes()).map(|(_, v)| &**v);
        let value = values.next().filter(|_| values.next().is_none())?;
        Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    }
}

/// Reads a path of one segment and its query string.
///
/// # Errors
/// Where the path has more segments or letters that no method has, or where the query string cannot be decoded.
pub fn read_uri<'a>(path: &'a str, query: &'a str, limits: &Limits) -> Result<UriCall<'a>, Malformed> {
    let method = path.strip_prefix('/').unwrap_or(path);
    if method.len() > limits.method_bytes {
        return Err(Malformed { at: limits.method_bytes, wrong: Wrong::MethodTooLong });
    }
    if let Some(at) = method.find(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        return Err(Malformed { at, wrong: Wrong::NoMethod });
    }
    let mut params = SmallVec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        params.push((decode(name)?, decode(value)?));
    }
    Ok(UriCall { method, params })
}

/// Undoes percent-encoding, and `+` for a space, as Go's servers do.
fn decode(text: &str) -> Result<Cow<'_, [u8]>, Malformed> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = rest.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
                let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
                let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
                out.push(byte.ok_or(Malformed { at: text.len() - rest.len(), wrong: Wrong::Query })?);
                rest = &rest[2..];
            }
            other => out.push(*other),
        }
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls() {
        let limits = Limits::default();
        let call = read_uri("/broadcast_tx_sync", "tx=%22a%3db+c%22&x", &limits).unwrap();
        assert_eq!(call.method, "broadcast_tx_sync");
        assert_eq!(call.param("tx"), Some(&b"a=b c"[..]));
        assert_eq!(call.param("x"), Some(&b""[..]));
        assert_eq!(call.param("y"), None);
        assert_eq!(read_uri("/", "", &limits).unwrap().method, "");
        let twice = read_uri("/block", "height=1&height=2", &limits).unwrap();
        assert_eq!(twice.param("height"), None);
    }

    #[test]
    fn what_is_refused() {
        let limits = Limits::default();
        for (path, query, wrong) in [
            ("/a/b", "", Wrong::NoMethod),
            ("/a%62", "", Wrong::NoMethod),
            ("/tx", "hash=%4", Wrong::Query),
            ("/tx", "hash=%+1", Wrong::Query),
        ] {
            assert_eq!(read_uri(path, query, &limits).unwrap_err().wrong, wrong, "{path}?{query}");
        }
    }
}
