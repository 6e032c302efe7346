//! The HTTP/1.1 head parser (RFC 9112, sections 2 to 5), as pure functions over bytes.
//!
//! Stricter than the RFC allows wherever leniency has let two servers disagree: lines end in CRLF and nothing
//! else, no folding, no white space before a colon, no control characters, no request target with bytes that a URI
//! has not.

use crate::fields::{Fields, Span};
use crate::framing::{self, Framing};
use crate::head::{Method, RequestHead, ResponseHead, TargetForm, Version};
use crate::known::Known;

/// Limits on a head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole head.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Number of fields.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 32 * 1024, target_bytes: 8 * 1024, fields: 100 }
    }
}

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed. Parsing again is worth while only when a further LF has come.
    Partial,
    /// A head of so many bytes stood at the start.
    Complete(usize),
}

/// Why bytes are no acceptable head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// 431.
    #[error("the head is larger than allowed")]
    TooLarge,
    /// 431.
    #[error("the head has more fields than allowed")]
    TooManyFields,
    /// 414.
    #[error("the request target is longer than allowed")]
    TargetTooLong,
    /// Not `METHOD SP TARGET SP HTTP/1.x CRLF`.
    #[error("the request line is malformed")]
    RequestLine,
    /// Not `HTTP/1.x SP STATUS SP REASON CRLF`.
    #[error("the status line is malformed")]
    StatusLine,
    /// Another version than 1.x.
    #[error("the HTTP version is not supported")]
    Version,
    /// The request target has a form or a byte that it may not have.
    #[error("the request target is malformed")]
    Target,
    /// A field's name is no token, or white space stands around it (folding included).
    #[error("a field name is malformed")]
    FieldName,
    /// A field's value holds a control character.
    #[error("a field value holds a control character")]
    FieldValue,
    /// A CR without LF, or a LF without CR.
    #[error("a line does not end in CRLF")]
    LineEnd,
    /// `Content-Length` and `Transfer-Encoding` do not give one certain length.
    #[error("the body's length is ambiguous")]
    AmbiguousLength,
    /// A transfer coding other than one `chunked`.
    #[error("the transfer coding is not supported")]
    TransferCoding,
    /// `Host` is missing, repeated, malformed or contradicts the target.
    #[error("the Host field is missing, repeated or malformed")]
    Host,
}

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const AUTHORITY: u8 = 4;

/// Character classes: tokens (RFC 9110, section 5.6.2), bytes of a target, bytes of an authority.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut b = 0x21;
    while b < 0x7f {
        let c = b as u8;
        let alnum = c.is_ascii_alphanumeric();
        let mark = matches!(
            c,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if alnum || mark {
            class[b] |= TOKEN;
        }
        if c != b'#' {
            class[b] |= TARGET;
        }
        if alnum || matches!(c, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']' | b'%') {
            class[b] |= AUTHORITY;
        }
        b += 1;
    }
    class
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Whether these bytes are a token, as methods and field names have to be.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is(b, TOKEN))
}

/// Index of the first byte at or after `at` that a field value may not hold (a control character other than a
/// tab, or DEL), or the length. Eight bytes at a time.
#[inline]
fn value_end(buf: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = buf.get(at..at + 8) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        // Bytes below 0x20 or equal to 0x7f; the borrow can only raise false alarms above a true one, and the loop
        // below looks at each byte again.
        let low = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let del = word ^ (ONES * 0x7f);
        let del = del.wrapping_sub(ONES) & !del & HIGH;
        let stop = low | del;
        if stop != 0 {
            at += (stop.trailing_zeros() / 8) as usize;
            if buf[at] == b'\t' {
                at += 1;
                continue;
            }
            return at;
        }
        at += 8;
    }
    while at < buf.len() {
        let b = buf[at];
        if (b < 0x20 && b != b'\t') || b == 0x7f {
            return at;
        }
        at += 1;
    }
    at
}

enum Fail {
    Partial,
    Error(HeadError),
}

impl From<HeadError> for Fail {
    fn from(error: HeadError) -> Self {
        Self::Error(error)
    }
}

fn settle(result: &Result<usize, Fail>, buf: &[u8], limits: &Limits) -> Result<Parsed, HeadError> {
    match *result {
        Ok(len) if len > limits.head_bytes => Err(HeadError::TooLarge),
        Ok(len) => Ok(Parsed::Complete(len)),
        Err(Fail::Partial) if buf.len() >= limits.head_bytes => Err(HeadError::TooLarge),
        Err(Fail::Partial) => Ok(Parsed::Partial),
        Err(Fail::Error(error)) => Err(error),
    }
}

/// Reads a request's head from the start of `buf`. One empty line before it is skipped (RFC 9112, section 2.2).
///
/// On [`Parsed::Complete`] all of `head` is set and owns its bytes; otherwise its content is of no meaning.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, HeadError> {
    settle(&request(buf, limits, head), buf, limits)
}

fn request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<usize, Fail> {
    let start = match buf {
        [b'\r', b'\n', ..] => 2,
        [b'\r'] | [] => return Err(Fail::Partial),
        _ => 0,
    };
    let mut at = start;
    while at < buf.len() && is(buf[at], TOKEN) {
        at += 1;
    }
    let method = Span::new(start, at);
    match buf.get(at) {
        Some(b' ') if at > start => at += 1,
        Some(_) => return Err(HeadError::RequestLine.into()),
        None => return Err(Fail::Partial),
    }
    let target = at;
    while at < buf.len() && is(buf[at], TARGET) {
        at += 1;
    }
    if at - target > limits.target_bytes {
        return Err(HeadError::TargetTooLong.into());
    }
    match buf.get(at) {
        Some(b' ') if at > target => {}
        Some(_) => return Err(HeadError::Target.into()),
        None => return Err(Fail::Partial),
    }
    let target = Span::new(target, at);
    head.version = version(buf, at + 1, HeadError::RequestLine)?;
    at = line_end(buf, at + 9)?;

    head.fields.begin();
    let end = fields(buf, at, limits, &mut head.fields)?;
    head.fields.load(&buf[..end]);
    head.method = Method::of(&buf[method.start as usize..method.end as usize], method);
    split_target(head, target)?;
    authority(head)?;
    head.framing = framing::of_request(&head.fields, head.version)?;
    if head.fields.has(Known::ContentLength) {
        head.fields.settle_space(Known::ContentLength);
    }
    head.keep_alive = keep_alive(&head.fields, head.version);
    Ok(end)
}

/// Reads an answer's head from the start of `buf`; `method` is that of the request it answers.
///
/// On [`Parsed::Complete`] all of `head` is set and owns its bytes; otherwise its content is of no meaning.
pub fn parse_response(
    buf: &[u8],
    limits: &Limits,
    method: Method,
    head: &mut ResponseHead,
) -> Result<Parsed, HeadError> {
    settle(&response(buf, limits, method, head), buf, limits)
}

fn response(buf: &[u8], limits: &Limits, method: Method, head: &mut ResponseHead) -> Result<usize, Fail> {
    head.version = version(buf, 0, HeadError::StatusLine)?;
    let Some(code) = buf.get(8..13) else {
        return Err(Fail::Partial);
    };
    let digits = &code[1..4];
    if code[0] != b' ' || !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
        return Err(HeadError::StatusLine.into());
    }
    head.status = digits.iter().fold(0, |sum, d| sum * 10 + u16::from(d - b'0'));
    // The space before an empty reason is left out by some servers; nothing else depends on it.
    let reason = match code[4] {
        b' ' => 13,
        b'\r' => 12,
        _ => return Err(HeadError::StatusLine.into()),
    };
    let end = value_end(buf, reason);
    let at = line_end(buf, end)?;
    head.reason = Span::new(reason, end);

    head.fields.begin();
    let end = fields(buf, at, limits, &mut head.fields)?;
    head.fields.load(&buf[..end]);
    head.framing = framing::of_response(&head.fields, head.version, head.status, method)?;
    if head.fields.has(Known::ContentLength) {
        head.fields.settle_space(Known::ContentLength);
    }
    head.keep_alive = keep_alive(&head.fields, head.version) && head.framing != Framing::UntilClose;
    Ok(end)
}

fn version(buf: &[u8], at: usize, otherwise: HeadError) -> Result<Version, Fail> {
    let Some(text) = buf.get(at..at + 8) else {
        let have = &buf[at.min(buf.len())..];
        let fits = b"HTTP/1."[..].starts_with(&have[..have.len().min(7)]);
        return Err(if fits { Fail::Partial } else { otherwise.into() });
    };
    match text {
        b"HTTP/1.0" => Ok(Version::Http10),
        b"HTTP/1.1" => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            // RFC 9110, section 2.5: a higher minor version is spoken as the highest one known.
            if *major == b'1' { Ok(Version::Http11) } else { Err(HeadError::Version.into()) }
        }
        _ => Err(otherwise.into()),
    }
}

#[inline]
fn line_end(buf: &[u8], at: usize) -> Result<usize, Fail> {
    match buf.get(at..) {
        Some([b'\r', b'\n', ..]) => Ok(at + 2),
        Some([b'\r'] | []) | None => Err(Fail::Partial),
        Some([b'\r' | b'\n', ..]) => Err(HeadError::LineEnd.into()),
        Some(_) => Err(HeadError::FieldValue.into()),
    }
}

/// Reads field lines up to and including the empty line; gives back where it ends.
#[inline]
fn fields(buf: &[u8], mut at: usize, limits: &Limits, out: &mut Fields) -> Result<usize, Fail> {
    loop {
        match buf.get(at) {
            None => return Err(Fail::Partial),
            Some(b'\r') => return line_end(buf, at),
            Some(_) => {}
        }
        let name = at;
        while at < buf.len() && is(buf[at], TOKEN) {
            at += 1;
        }
        match buf.get(at) {
            Some(b':') if at > name => {}
            Some(b'\n') => return Err(HeadError::LineEnd.into()),
            Some(_) => return Err(HeadError::FieldName.into()),
            None => return Err(Fail::Partial),
        }
        let name = Span::new(name, at);
        at += 1;
        while matches!(buf.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let value = at;
        at = value_end(buf, at);
        let mut end = at;
        while end > value && matches!(buf[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        at = line_end(buf, at)?;
        if out.lines() == limits.fields {
            return Err(HeadError::TooManyFields.into());
        }
        let id = Known::of(&buf[name.start as usize..name.end as usize]);
        out.push_line(name, Span::new(value, end), at as u32, id);
    }
}

/// Reads a trailer section (RFC 9112, section 7.1.2) from the start of `buf`, up to and including its empty line.
pub fn parse_trailers(buf: &[u8], limits: &Limits, out: &mut Fields) -> Result<Parsed, HeadError> {
    out.begin();
    let result = fields(buf, 0, limits, out);
    if let Ok(end) = &result {
        out.load(&buf[..*end]);
    }
    settle(&result, buf, limits)
}

fn split_target(head: &mut RequestHead, target: Span) -> Result<(), HeadError> {
    let (start, end) = (target.start as usize, target.end as usize);
    head.authority = Span::default();
    let bytes = head.fields.bytes(target);
    let (form, path_at) = match bytes {
        _ if head.method == Method::Connect => {
            head.form = TargetForm::Authority;
            head.authority = target;
            (head.path, head.query, head.has_query) = (Span::default(), Span::default(), false);
            return Ok(());
        }
        [b'/', ..] => (TargetForm::Origin, 0),
        b"*" if head.method == Method::Options => {
            head.form = TargetForm::Asterisk;
            (head.path, head.query, head.has_query) = (Span::default(), Span::default(), false);
            return Ok(());
        }
        _ => {
            let scheme = bytes.iter().position(|&b| b == b':').ok_or(HeadError::Target)?;
            let known = bytes[..scheme].eq_ignore_ascii_case(b"http")
                || bytes[..scheme].eq_ignore_ascii_case(b"https");
            if !known || !bytes[scheme..].starts_with(b"://") {
                return Err(HeadError::Target);
            }
            let from = scheme + 3;
            let len =
                bytes[from..].iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(bytes.len() - from);
            if len == 0 {
                return Err(HeadError::Target);
            }
            head.authority = Span::new(start + from, start + from + len);
            (TargetForm::Absolute, from + len)
        }
    };
    head.form = form;
    let rest = &bytes[path_at..];
    let question = rest.iter().position(|&b| b == b'?');
    head.has_query = question.is_some();
    let path_end = start + path_at + question.unwrap_or(rest.len());
    head.path = Span::new(start + path_at, path_end);
    head.query = if head.has_query { Span::new(path_end + 1, end) } else { Span::default() };
    if head.path.is_empty() {
        head.path = head.fields.stash(b"/");
    }
    Ok(())
}

/// Settles host and port from target and `Host` (RFC 9112, section 3.2): exactly one `Host` in HTTP/1.1, and where the
/// target names an authority too, both must be the same, since others may look at either.
fn authority(head: &mut RequestHead) -> Result<(), HeadError> {
    let mut hosts = head.fields.spans(Known::Host);
    let (first, second) = (hosts.next(), hosts.next());
    drop(hosts);
    if second.is_some() || (first.is_none() && head.version == Version::Http11) {
        return Err(HeadError::Host);
    }
    let written = match (head.authority.is_empty(), first) {
        (true, host) => host.unwrap_or_default(),
        (false, None) => head.authority,
        (false, Some(host)) => {
            if !head.fields.bytes(head.authority).eq_ignore_ascii_case(head.fields.bytes(host)) {
                return Err(HeadError::Host);
            }
            head.authority
        }
    };
    head.authority = written;
    let host = host_of(head.fields.bytes(written))?;
    let mixed = host.iter().any(u8::is_ascii_uppercase);
    let start = written.start as usize;
    head.host = Span::new(start, start + host.len());
    if mixed {
        head.host = head.fields.stash_lower(head.host);
    }
    Ok(())
}

/// The host of an authority, without port and without one final dot.
fn host_of(authority: &[u8]) -> Result<&[u8], HeadError> {
    if !authority.iter().all(|&b| is(b, AUTHORITY)) {
        return Err(HeadError::Host);
    }
    let (host, port) = if authority.first() == Some(&b'[') {
        let close = authority.iter().position(|&b| b == b']').ok_or(HeadError::Host)?;
        let literal = &authority[1..close];
        if literal.is_empty() || !literal.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
            return Err(HeadError::Host);
        }
        (&authority[..=close], &authority[close + 1..])
    } else {
        let colon = authority.iter().position(|&b| b == b':').unwrap_or(authority.len());
        (&authority[..colon], &authority[colon..])
    };
    match port {
        [] => {}
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {}
        _ => return Err(HeadError::Host),
    }
    if host.first() != Some(&b'[') && host.iter().any(|b| matches!(b, b'[' | b']' | b':')) {
        return Err(HeadError::Host);
    }
    if host.is_empty() && !port.is_empty() {
        return Err(HeadError::Host);
    }
    Ok(host.strip_suffix(b".").unwrap_or(host))
}

/// Whether a `Connection` field lists an option (without case).
pub fn connection_lists(fields: &Fields, option: &str) -> bool {
    fields.has(Known::Connection)
        && fields
            .all(Known::Connection)
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

fn keep_alive(fields: &Fields, version: Version) -> bool {
    match version {
        Version::Http11 => !connection_lists(fields, "close"),
        Version::Http10 => connection_lists(fields, "keep-alive") && !connection_lists(fields, "close"),
    }
}
