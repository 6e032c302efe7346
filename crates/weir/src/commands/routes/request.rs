//! The request that is asked about, from the command line's words to a head as a listener reads it.

use std::fmt::Write as _;

use weir_head::{Limits, Parsed, PathForm, RequestHead, normalise, parse_request};
use weir_model::Listener;

/// A request in words.
#[derive(Debug)]
pub(super) struct Asked {
    /// The method.
    pub(super) method: String,
    /// The URL or path.
    pub(super) url: String,
    /// Whether the URL says `https`; `None` for a path alone.
    pub(super) tls: Option<bool>,
    /// The port that the URL names.
    pub(super) port: Option<u16>,
    target: String,
    /// Lines of header fields, `Host` first.
    fields: Vec<(String, String)>,
}

/// Why a request has no head.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadRefused {
    #[error(transparent)]
    Head(#[from] weir_head::HeadError),
    #[error(transparent)]
    Path(#[from] weir_head::PathError),
    #[error("the head ends early")]
    Short,
}

impl Asked {
    /// Reads `GET https://host:port/path?query`; the method may be left out, and so may all before the path.
    pub(super) fn read(request: &str, headers: &[String]) -> Result<Self, String> {
        const FORM: &str = "write it like 'GET https://api.example.com/orders/7'";
        let mut words = request.split_whitespace();
        let (method, url) = match (words.next(), words.next(), words.next()) {
            (Some(method), Some(url), None) => (method, url),
            (Some(url), None, None) => ("GET", url),
            (None, ..) => return Err(format!("the request is empty: {FORM}")),
            _ => return Err(format!("the request {request:?} has too many words: {FORM}")),
        };
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
            Some((scheme, _)) => {
                return Err(format!("the scheme {scheme:?} is neither http nor https: {FORM}"));
            }
            None if url.starts_with('/') || url == "*" => (None, url),
            None => return Err(format!("{url:?} is no URL and no path: {FORM}")),
        };
        // What stands behind # never leaves a client.
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, target) = match tls {
            None => ("", rest.to_owned()),
            Some(_) => match rest.find(['/', '?']) {
                Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
                Some(at) => (&rest[..at], rest[at..].to_owned()),
                None => (rest, "/".to_owned()),
            },
        };
        let after_bracket = authority.rsplit(']').next().unwrap_or(authority);
        let port = match after_bracket.rsplit_once(':') {
            Some((_, port)) => {
                Some(port.parse().map_err(|_| format!("{port:?} is no port in {authority:?}: {FORM}"))?)
            }
            None => None,
        };
        let mut fields = vec![("Host".to_owned(), authority.to_owned())];
        for line in headers {
            let form = "write it like -H 'x-tier: gold'";
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("{line:?} has no colon: {form}"))?;
            if line.contains(['\r', '\n']) {
                return Err(format!("{line:?} has more than one line: {form}"));
            }
            // One that is given takes the place of the URL's.
            if name.eq_ignore_ascii_case("host") {
                value.trim().clone_into(&mut fields[0].1);
            } else {
                fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Ok(Self { method: method.to_owned(), url: url.to_owned(), tls, port, target, fields })
    }

    /// The head as this listener reads it, the path in its normal form.
    pub(super) fn head(&self, listener: &Listener) -> Result<RequestHead, HeadRefused> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
        bytes += "\r\n";
        let limits = Limits {
            head_bytes: listener.limits.head_bytes as usize,
            target_bytes: listener.limits.target_bytes as usize,
            fields: listener.limits.fields as usize,
        };
        let mut head = RequestHead::default();
        match parse_request(bytes.as_bytes(), &limits, &mut head)? {
            Parsed::Complete(_) => {}
            Parsed::Partial => return Err(HeadRefused::Short),
        }
        let form = PathForm {
            resolve_dots: listener.path.resolve_dots,
            merge_slashes: listener.path.merge_slashes,
            refuse_odd: listener.path.refuse_odd,
        };
        normalise(&mut head, form)?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        #[track_caller]
        fn check(request: &str, headers: &[&str], expect: Result<&str, &str>) {
            let headers: Vec<String> = headers.iter().map(|&h| h.to_owned()).collect();
            match (Asked::read(request, &headers), expect) {
                (Ok(asked), Ok(expect)) => {
                    let Asked { method, tls, port, target, fields, .. } = asked;
                    let fields: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    assert_eq!(format!("{method} {target} {} {tls:?} {port:?}", fields.join(",")), expect);
                }
                (Err(says), Err(expect)) => assert!(says.contains(expect), "{says}"),
                (read, _) => panic!("{request}: {read:?}"),
            }
        }
        check("GET https://a.example/x?y#z", &[], Ok("GET /x?y Host=a.example Some(true) None"));
        check("http://[::1]:8080", &[], Ok("GET / Host=[::1]:8080 Some(false) Some(8080)"));
        check("PUT http://a?b=c", &["X: y", "host: b"], Ok("PUT /?b=c Host=b,X=y Some(false) None"));
        check("/x", &[], Ok("GET /x Host= None None"));
        check("OPTIONS *", &[], Ok("OPTIONS * Host= None None"));
        check("", &[], Err("is empty"));
        check("GET a b", &[], Err("too many words"));
        check("ftp://a/", &[], Err("neither http nor https"));
        check("a.example/x", &[], Err("no URL and no path"));
        check("http://a:b/", &[], Err("no port"));
        check("/x", &["y"], Err("no colon"));
        check("/x", &["y: a\r\nb: c"], Err("more than one line"));
    }
}
