//! The normal form of a path: what is routed on is what is forwarded.
//!
//! RFC 3986, section 6.2.2: percent-encodings of unreserved characters are decoded, hex digits of the others are
//! in upper case, dot segments are resolved. `%2F` stays as it is: it is no segment border. What different servers
//! read differently (backslash, `%5C`, `%00`) is refused.

use crate::head::RequestHead;

/// Which steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathForm {
    /// Resolve `.` and `..`.
    pub resolve_dots: bool,
    /// Make one slash of several.
    pub merge_slashes: bool,
    /// Refuse `\`, `%5C` and `%00`.
    pub refuse_odd: bool,
}

impl Default for PathForm {
    fn default() -> Self {
        Self { resolve_dots: true, merge_slashes: true, refuse_odd: true }
    }
}

/// Why a path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hex digits.
    #[error("the path holds a '%' without two hex digits")]
    Encoding,
    /// A backslash, `%5C` or `%00`.
    #[error("the path holds a backslash or an encoded NUL")]
    Odd,
}

/// Brings a request's path into its normal form. Costs one look at each byte where it already is.
pub fn normalise(head: &mut RequestHead, form: PathForm) -> Result<(), PathError> {
    if !is_suspicious(head.path()) {
        return Ok(());
    }
    let mut out = Vec::with_capacity(head.path().len());
    normalise_into(head.path(), form, &mut out)?;
    if out != head.path() {
        head.set_path(&out);
    }
    Ok(())
}

/// Whether a path might change: an escape, a backslash, or a slash followed by a slash or a dot.
#[inline]
fn is_suspicious(path: &[u8]) -> bool {
    let mut after_slash = false;
    for &b in path {
        if b == b'%' || b == b'\\' || (after_slash && (b == b'.' || b == b'/')) {
            return true;
        }
        after_slash = b == b'/';
    }
    false
}

/// The same on bytes alone, into `out`. Idempotent.
pub fn normalise_into(path: &[u8], form: PathForm, out: &mut Vec<u8>) -> Result<(), PathError> {
    decode(path, form, out)?;
    if form.merge_slashes {
        out.dedup_by(|b, a| *b == b'/' && *a == b'/');
    }
    if form.resolve_dots {
        resolve_dots(out);
    }
    Ok(())
}

fn decode(path: &[u8], form: PathForm, out: &mut Vec<u8>) -> Result<(), PathError> {
    let mut at = 0;
    while at < path.len() {
        let b = path[at];
        at += 1;
        match b {
            b'\\' if form.refuse_odd => return Err(PathError::Odd),
            b'%' => {
                let (Some(high), Some(low)) = (hex(path.get(at)), hex(path.get(at + 1))) else {
                    return Err(PathError::Encoding);
                };
                at += 2;
                let decoded = high << 4 | low;
                match decoded {
                    0 | b'\\' if form.refuse_odd => return Err(PathError::Odd),
                    b'-' | b'.' | b'_' | b'~' => out.push(decoded),
                    _ if decoded.is_ascii_alphanumeric() => out.push(decoded),
                    _ => {
                        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                        out.extend([b'%', DIGITS[high as usize], DIGITS[low as usize]]);
                    }
                }
            }
            _ => out.push(b),
        }
    }
    Ok(())
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    (*digit? as char).to_digit(16).map(|d| d as u8)
}

/// RFC 3986, section 5.2.4, in place: the write position never overtakes the read position.
fn resolve_dots(path: &mut Vec<u8>) {
    let (mut read, mut write) = (0, 0);
    while read < path.len() {
        // Each round takes one segment with the slash before it.
        let end = path[read + 1..].iter().position(|&b| b == b'/').map_or(path.len(), |n| read + 1 + n);
        let last = end == path.len();
        match &path[read + 1..end] {
            b"." if last => {
                path[write] = b'/';
                write += 1;
            }
            b"." => {}
            b".." => {
                write = path[..write].iter().rposition(|&b| b == b'/').unwrap_or(0);
                if last {
                    path[write] = b'/';
                    write += 1;
                }
            }
            _ => {
                path.copy_within(read..end, write);
                write += end - read;
            }
        }
        read = end;
    }
    path.truncate(write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normal_forms() {
        #[track_caller]
        fn check(path: &str, expect: Result<&str, PathError>) {
            let mut out = Vec::new();
            let got = normalise_into(path.as_bytes(), PathForm::default(), &mut out);
            let got = got.map(|()| String::from_utf8(out).unwrap());
            assert_eq!(got.as_deref().map_err(|e| *e), expect, "{path}");
        }
        check("/", Ok("/"));
        check("/a/b", Ok("/a/b"));
        check("/a/./b/../c", Ok("/a/c"));
        check("/a/..", Ok("/"));
        check("/a/.", Ok("/a/"));
        check("/../../a", Ok("/a"));
        check("//a///b/", Ok("/a/b/"));
        check("/a/%2e%2E/b", Ok("/b"));
        check("/%61%2f%2Fb", Ok("/a%2F%2Fb"));
        check("/a/..b/...", Ok("/a/..b/..."));
        check("/%c3%a9", Ok("/%C3%A9"));
        check("/a%5cb", Err(PathError::Odd));
        check("/a\\b", Err(PathError::Odd));
        check("/a%00", Err(PathError::Odd));
        check("/a%2", Err(PathError::Encoding));
        check("/%zz", Err(PathError::Encoding));
        check("/a//../b", Ok("/b"));
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(path in "/[a-c./%25E\\\\]{0,24}") {
            let mut once = Vec::new();
            if normalise_into(path.as_bytes(), PathForm::default(), &mut once).is_ok() {
                prop_assert_eq!(once.first(), Some(&b'/'));
                let mut twice = Vec::new();
                normalise_into(&once, PathForm::default(), &mut twice).unwrap();
                prop_assert_eq!(&once, &twice);
                let text = String::from_utf8(once).unwrap();
                let has_dots = text.split('/').any(|s| s == "." || s == "..");
                prop_assert!(!has_dots && !text.contains("//"), "{}", text);
            }
        }
    }
}
