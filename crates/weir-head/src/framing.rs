//! How long a body is: the one decision that request smuggling lives on (RFC 9112, section 6).

use crate::fields::Fields;
use crate::head::{Method, Version};
use crate::known::Known;
use crate::parse::HeadError;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// After so many bytes.
    Length(u64),
    /// By the last chunk and its trailers.
    Chunked,
    /// With the connection (answers only).
    UntilClose,
}

/// A request's framing. Anything that two parsers might read differently is an error: both fields at once,
/// repeated or listed lengths, any coding but one `chunked`, and `Transfer-Encoding` in HTTP/1.0.
pub(crate) fn of_request(fields: &Fields, version: Version) -> Result<Framing, HeadError> {
    if fields.has(Known::TransferEncoding) {
        if fields.has(Known::ContentLength) || version == Version::Http10 {
            return Err(HeadError::AmbiguousLength);
        }
        return chunked(fields);
    }
    Ok(match length(fields)? {
        None | Some(0) => Framing::None,
        Some(bytes) => Framing::Length(bytes),
    })
}

/// An answer's framing, given the request's method.
pub(crate) fn of_response(
    fields: &Fields,
    version: Version,
    status: u16,
    method: Method,
) -> Result<Framing, HeadError> {
    // Checked before it is ignored: an answer to HEAD or a 304 with a doubtful length is doubtful all the same.
    let coded = fields.has(Known::TransferEncoding);
    let length = length(fields)?;
    if coded && (length.is_some() || version == Version::Http10) {
        return Err(HeadError::AmbiguousLength);
    }
    let framing = match length {
        _ if coded => chunked(fields)?,
        Some(bytes) => Framing::Length(bytes),
        None => Framing::UntilClose,
    };
    let bodiless = status < 200 || status == 204 || status == 304 || method == Method::Head;
    if coded && (status < 200 || status == 204) {
        return Err(HeadError::AmbiguousLength);
    }
    Ok(if bodiless { Framing::None } else { framing })
}

fn chunked(fields: &Fields) -> Result<Framing, HeadError> {
    let mut values = fields.all(Known::TransferEncoding);
    match (values.next(), values.next()) {
        (Some(value), None) if value.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err(HeadError::TransferCoding),
    }
}

fn length(fields: &Fields) -> Result<Option<u64>, HeadError> {
    if !fields.has(Known::ContentLength) {
        return Ok(None);
    }
    let mut values = fields.all(Known::ContentLength);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(HeadError::AmbiguousLength);
    };
    // At most 18 digits, so that no sum of lengths overflows.
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::AmbiguousLength);
    }
    Ok(Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))))
}
