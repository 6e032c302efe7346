//! Who may ask, and who may change.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{StatusCode, Uri};

use super::reply::Refusal;
use super::token::{self, Token};

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    /// With the address that the client connected to.
    Tcp(SocketAddr),
    Unix,
}

/// Refuses what a page of another site made a browser send: its `Host` is a name that the page's owner let resolve to
/// this machine (DNS rebinding), or it carries that site's `Origin`.
pub(super) fn admit(door: Door, hosts: &[String], uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = only(headers, &header::HOST)?.ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "the request has no Host header; send one, as in `Host: localhost`",
        )
    })?;
    for host in std::iter::once(host).chain(uri.authority().map(hyper::http::uri::Authority::as_str)) {
        if !is_own(door, hosts, host) {
            let message = format!(
                "the host {host:?} is not served here; use localhost, or add the name to admin.hosts in the configuration"
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
    }
    let Some(origin) = only(headers, &header::ORIGIN)? else { return Ok(()) };
    let of_host = ["http://", "https://"].iter().any(|scheme| {
        origin.get(..scheme.len()).is_some_and(|start| {
            start.eq_ignore_ascii_case(scheme) && origin[scheme.len()..].eq_ignore_ascii_case(host)
        })
    });
    if of_host {
        return Ok(());
    }
    let message =
        format!("requests of other sites' pages (here {origin:?}) are refused; leave the Origin header out");
    Err(Refusal::new(StatusCode::FORBIDDEN, message))
}

/// A field that may stand once.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, format!("send the header {name} once")));
    }
    let text = first.map(HeaderValue::to_str).transpose();
    text.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, format!("the header {name} is not visible ASCII")))
}

fn is_own(door: Door, hosts: &[String], authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => authority,
    };
    let name = name.to_ascii_lowercase();
    let bare = name.strip_suffix('.').unwrap_or(&name);
    if bare == "localhost" || hosts.iter().any(|host| host.eq_ignore_ascii_case(bare)) {
        return true;
    }
    let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let address = address.to_canonical();
    let own = match door {
        Door::Tcp(own) => own.ip().to_canonical() == address,
        Door::Unix => false,
    };
    own || address.is_loopback()
}

/// Refuses a write that shows no token, unless it came over the Unix socket.
pub(super) fn authorize(door: Door, token: &Token, headers: &HeaderMap) -> Result<(), Refusal> {
    if matches!(door, Door::Unix) {
        return Ok(());
    }
    let path = match token {
        Token::File(path) => path,
        Token::Absent { why } => {
            return Err(Refusal::new(StatusCode::FORBIDDEN, format!("there is no token for writes: {why}")));
        }
    };
    let refused = |message: String| {
        let challenge = HeaderValue::from_static("Bearer realm=\"weir admin\"");
        Err(Refusal::new(StatusCode::UNAUTHORIZED, message).with(header::WWW_AUTHENTICATE, challenge))
    };
    let presented = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
    let Some(presented) = presented else {
        return refused(format!(
            "writes need the header `Authorization: Bearer TOKEN`, with the token from {}",
            path.display()
        ));
    };
    match token::holds(path, presented) {
        Ok(true) => Ok(()),
        Ok(false) => refused(format!("this is not the token; it is in {}", path.display())),
        // Whatever happened to the file since the start: without it nobody writes.
        Err(error) => Err(Refusal::new(StatusCode::FORBIDDEN, format!("no token can be checked: {error}"))),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &[&str], origin: Option<&str>, target: &str, expected: Option<u16>) {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let hosts = ["weir.internal".to_owned(), "[2001:db8::7]".to_owned()];
        let door = Door::Tcp(([192, 0, 2, 9], 9901).into());
        let refused = admit(door, &hosts, &target.parse().unwrap(), &headers).err();
        assert_eq!(refused.map(|r| r.status().as_u16()), expected, "{host:?} {origin:?} {target}");
    }

    #[test]
    fn hosts() {
        for own in [
            "localhost",
            "LocalHost:9901",
            "localhost.",
            "127.0.0.1:9901",
            "127.8.8.8",
            "[::1]:9901",
            "[::1]",
            "192.0.2.9:9901",
            "[::ffff:192.0.2.9]:9901",
            "weir.internal:80",
            "WEIR.internal",
            "[2001:db8::7]:9901",
        ] {
            check(&[own], None, "/", None);
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9901",
            "192.0.2.10",
            "",
            "[::2]",
            ":80",
        ] {
            check(&[foreign], None, "/", Some(403));
        }
        check(&[], None, "/", Some(400));
        check(&["localhost", "localhost"], None, "/", Some(400));
        check(&["localhost"], None, "http://evil.example/", Some(403));
        check(&["localhost"], None, "http://localhost/", None);
    }

    #[test]
    fn origins() {
        check(&["localhost:9901"], Some("http://localhost:9901"), "/", None);
        check(&["weir.internal"], Some("https://WEIR.internal"), "/", None);
        check(&["localhost:9901"], Some("http://localhost:3000"), "/", Some(403));
        check(&["localhost:9901"], Some("http://evil.example"), "/", Some(403));
        check(&["localhost:9901"], Some("null"), "/", Some(403));
    }
}
