//! Writing heads in HTTP/1.1.

use crate::fields::Fields;
use crate::framing::Framing;
use crate::head::{RequestHead, ResponseHead};
use crate::known::Known;

/// Fields that belong to one connection, whatever `Connection` says (RFC 9110, section 7.6.1), and those that
/// carry framing, which is written afresh.
pub const HOP_BY_HOP: u64 = Known::Connection.bit()
    | Known::KeepAlive.bit()
    | Known::ProxyConnection.bit()
    | Known::Te.bit()
    | Known::Trailer.bit()
    | Known::TransferEncoding.bit()
    | Known::Upgrade.bit()
    | Known::Http2Settings.bit();

/// Names that a `Connection` field may not have removed: what Weir itself relies on or vouches for, and credentials.
const END_TO_END: u64 = Known::Host.bit()
    | Known::ContentLength.bit()
    | Known::XForwardedFor.bit()
    | Known::XForwardedProto.bit()
    | Known::XForwardedHost.bit()
    | Known::Forwarded.bit()
    | Known::XRequestId.bit()
    | Known::Traceparent.bit()
    | Known::Authorization.bit()
    | Known::Cookie.bit();

/// Removes what belongs to one connection: the fields of [`HOP_BY_HOP`] and those that `Connection` names.
#[inline]
pub fn strip_hop_by_hop(fields: &mut Fields) {
    if !fields.has_any(HOP_BY_HOP) {
        return;
    }
    if fields.has(Known::Connection) {
        let listed: Vec<String> = fields
            .all(Known::Connection)
            .flat_map(|value| value.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            // The options that nearly every client sends name no field of their own.
            .filter(|name| !name.eq_ignore_ascii_case(b"keep-alive") && !name.eq_ignore_ascii_case(b"close"))
            .filter(|name| Known::of(name).bit() & END_TO_END == 0)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        for name in listed {
            fields.remove(&name);
        }
    }
    fields.remove_any(HOP_BY_HOP);
}

/// Writes the request line, the live fields and the framing; not yet the empty line, so that a caller may add fields
/// that are not worth an edit.
///
/// `Host` and what is hop-by-hop must have been settled before. `path` and `query` come from the head.
pub fn write_request(head: &RequestHead, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_name());
    out.push(b' ');
    match head.path() {
        b"" => out.push(b'*'),
        path => out.extend_from_slice(path),
    }
    if let Some(query) = head.query() {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    write_behind_target(head, out);
}

/// The same with another target, of which no byte may be white space or a control character.
pub fn write_request_to(head: &RequestHead, target: &[u8], out: &mut Vec<u8>) {
    debug_assert!(target.iter().all(u8::is_ascii_graphic));
    out.extend_from_slice(head.method_name());
    out.push(b' ');
    out.extend_from_slice(target);
    write_behind_target(head, out);
}

fn write_behind_target(head: &RequestHead, out: &mut Vec<u8>) {
    out.extend_from_slice(b" HTTP/1.1\r\n");
    head.fields.write(out);
    if head.framing == Framing::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
}

/// Writes the status line and the live fields; not yet framing nor the empty line.
pub fn write_response(head: &ResponseHead, out: &mut Vec<u8>) {
    write_status(head.status, head.reason(), out);
    head.fields.write(out);
}

/// Writes a status line with the reason that came, or the usual one.
#[inline]
pub fn write_status(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    if status == 200 && reason == b"OK" {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend([
        b'0' + (status / 100 % 10) as u8,
        b'0' + (status / 10 % 10) as u8,
        b'0' + (status % 10) as u8,
        b' ',
    ]);
    out.extend_from_slice(if reason.is_empty() { usual_reason(status).as_bytes() } else { reason });
    out.extend_from_slice(b"\r\n");
}

/// Writes a decimal number.
#[inline]
pub fn write_decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The usual reason phrase of a status (IANA's registry); empty where there is none.
pub fn usual_reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
