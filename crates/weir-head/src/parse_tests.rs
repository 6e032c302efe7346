use proptest::prelude::*;

use crate::{
    Framing, HeadError, Known, Limits, Method, Parsed, RequestHead, ResponseHead, TargetForm, Version,
    parse_request, parse_response, strip_hop_by_hop, write_request,
};

fn request(text: &str) -> Result<RequestHead, HeadError> {
    let limits = Limits { head_bytes: 600, target_bytes: 64, fields: 6 };
    let mut head = RequestHead::default();
    let whole = parse_request(text.as_bytes(), &limits, &mut head)?;
    // Every proper prefix has to be incomplete or fail with the same error.
    for cut in 0..text.len() {
        let mut partial = RequestHead::default();
        match parse_request(&text.as_bytes()[..cut], &limits, &mut partial) {
            Ok(Parsed::Partial) => {}
            other => panic!("{text:?} cut at {cut}: {other:?}"),
        }
    }
    assert_eq!(whole, Parsed::Complete(text.len()), "{text:?}");
    Ok(head)
}

#[track_caller]
fn refuses(text: &str, error: HeadError) {
    assert_eq!(request(text).map(|_| ()), Err(error), "{text:?}");
}

#[test]
fn a_plain_request() {
    let head =
        request("GET /a/b?c=d HTTP/1.1\r\nHost: API.example.com:8080\r\nX-Tier:  gold \t\r\n\r\n").unwrap();
    assert_eq!(head.method, Method::Get);
    assert_eq!((head.path(), head.query()), (&b"/a/b"[..], Some(&b"c=d"[..])));
    assert_eq!((head.host(), head.authority()), ("api.example.com", &b"API.example.com:8080"[..]));
    assert_eq!(head.fields.get_name("x-tier"), Some(&b"gold"[..]));
    assert_eq!((head.framing, head.keep_alive, head.version), (Framing::None, true, Version::Http11));
}

#[test]
fn targets() {
    #[track_caller]
    fn check(line: &str, form: TargetForm, host: &str, path: &str, query: Option<&str>) {
        let head = request(&format!("{line} HTTP/1.1\r\nHost: a.test:80\r\n\r\n")).unwrap();
        assert_eq!(head.form, form, "{line}");
        assert_eq!((head.host(), head.path()), (host, path.as_bytes()), "{line}");
        assert_eq!(head.query(), query.map(str::as_bytes), "{line}");
    }
    check("GET /", TargetForm::Origin, "a.test", "/", None);
    check("GET /?", TargetForm::Origin, "a.test", "/", Some(""));
    check("GET http://A.test:80/x?y", TargetForm::Absolute, "a.test", "/x", Some("y"));
    check("GET http://a.test:80", TargetForm::Absolute, "a.test", "/", None);
    check("GET http://a.test:80?q", TargetForm::Absolute, "a.test", "/", Some("q"));
    check("OPTIONS *", TargetForm::Asterisk, "a.test", "", None);
    check("CONNECT a.test:80", TargetForm::Authority, "a.test", "", None);
    for target in ["*", "a", "ftp://a.test/", "http:///x", "http:/a", "/a#b", "//\u{e9}", "/a\tb"] {
        assert_eq!(
            request(&format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")).map(|_| ()),
            Err(HeadError::Target),
            "{target}"
        );
    }
}

#[test]
fn hosts() {
    for host in ["a", "a:", "a:80", "1.2.3.4", "[::1]:80", "a.b.", "a_b-c"] {
        assert!(request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), "{host}");
    }
    for host in ["a b", "a,b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[x]", "a:123456", ":80", "a\"", "a?b"] {
        refuses(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), HeadError::Host);
    }
    refuses("GET / HTTP/1.1\r\n\r\n", HeadError::Host);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HeadError::Host);
    refuses("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Host);
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").unwrap().host(), "");
    assert_eq!(request("GET / HTTP/1.1\r\nHost:\r\n\r\n").unwrap().host(), "");
    assert_eq!(request("GET / HTTP/1.1\r\nHost: A.B.\r\n\r\n").unwrap().host(), "a.b");
}

#[test]
fn lines_and_characters() {
    refuses("GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HeadError::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", HeadError::FieldValue);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fbcdefghijk\r\n\r\n", HeadError::FieldValue);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: abcdefgh\x01\r\n\r\n", HeadError::FieldValue);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", HeadError::FieldName);
    refuses("GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n", HeadError::FieldName);
    refuses("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HeadError::FieldName);
    refuses("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", HeadError::FieldName);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", HeadError::FieldName);
    refuses("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::Target);
    refuses("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine);
    refuses(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine);
    refuses("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HeadError::FieldValue);
    refuses("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine);
    refuses("GET / HTTP/2.0\r\nHost: a\r\n\r\n", HeadError::Version);
    refuses("GET / http/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine);
    refuses("GET /\r\nHost: a\r\n\r\n", HeadError::Target);
    refuses("G{}ET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine);
    let tabs = "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\tc\u{e9}defgh\ti\r\n\r\n";
    assert_eq!(request(tabs).unwrap().fields.get_name("x"), Some("a\tb\tc\u{e9}defgh\ti".as_bytes()));
    assert!(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    assert_eq!(request("GET / HTTP/1.7\r\nHost: a\r\n\r\n").unwrap().version, Version::Http11);
}

#[test]
fn limits() {
    refuses(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(64)), HeadError::TargetTooLong);
    refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(600)), HeadError::TooLarge);
    refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(6)), HeadError::TooManyFields);
    assert!(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5))).is_ok());
}

#[test]
fn request_framing() {
    #[track_caller]
    fn check(fields: &str, expect: Result<Framing, HeadError>) {
        let got = request(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).map(|h| h.framing);
        assert_eq!(got, expect, "{fields:?}");
    }
    check("", Ok(Framing::None));
    check("Content-Length: 0\r\n", Ok(Framing::None));
    check("Content-Length: 12\r\n", Ok(Framing::Length(12)));
    check("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
    check("Transfer-Encoding: CHUNKED\r\n", Ok(Framing::Chunked));
    for bad in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1234567890123456789\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
    ] {
        check(bad, Err(HeadError::AmbiguousLength));
    }
    for bad in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked;x=y\r\n",
    ] {
        check(bad, Err(HeadError::TransferCoding));
    }
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refuses(old, HeadError::AmbiguousLength);
}

#[test]
fn answers() {
    #[track_caller]
    fn check(text: &str, method: Method, expect: Result<(u16, Framing, bool), HeadError>) {
        let mut head = ResponseHead::default();
        let got = parse_response(text.as_bytes(), &Limits::default(), method, &mut head);
        let got = got.map(|parsed| {
            assert_eq!(parsed, Parsed::Complete(text.len()), "{text:?}");
            (head.status, head.framing, head.keep_alive)
        });
        assert_eq!(got, expect, "{text:?}");
    }
    let get = Method::Get;
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", get, Ok((200, Framing::Length(3), true)));
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Head, Ok((200, Framing::None, true)));
    check("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", get, Ok((200, Framing::Length(0), true)));
    check("HTTP/1.1 204 \r\n\r\n", get, Ok((204, Framing::None, true)));
    check("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", get, Ok((304, Framing::None, true)));
    check("HTTP/1.1 200 OK\r\n\r\n", get, Ok((200, Framing::UntilClose, false)));
    check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", get, Ok((200, Framing::Length(1), false)));
    check(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
        get,
        Ok((200, Framing::Length(1), true)),
    );
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", get, Ok((200, Framing::Chunked, true)));
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        get,
        Err(HeadError::AmbiguousLength),
    );
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n", get, Err(HeadError::TransferCoding));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        Method::Head,
        Err(HeadError::AmbiguousLength),
    );
    check("HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", get, Err(HeadError::LineEnd));
    check("HTTP/1.1 20 OK\r\n\r\n", get, Err(HeadError::StatusLine));
    check("HTTP/1.1 099 OK\r\n\r\n", get, Err(HeadError::StatusLine));
    check("HTTP/1.1  200 OK\r\n\r\n", get, Err(HeadError::StatusLine));
    check("\r\nHTTP/1.1 200 OK\r\n\r\n", get, Err(HeadError::StatusLine));
    check("HTTP/3.0 200 OK\r\n\r\n", get, Err(HeadError::Version));
}

#[test]
fn hop_by_hop_fields_stay_here() {
    let mut head = request(concat!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop, host\r\n",
        "X-Hop: 1\r\nKeep-Alive: 3\r\nX: y\r\n\r\n"
    ))
    .unwrap();
    strip_hop_by_hop(&mut head.fields);
    let mut out = Vec::new();
    write_request(&head, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n");
}

/// nginx refuses a length behind a tab that HAProxy takes: what is passed on has one reading.
#[test]
fn a_length_is_passed_on_in_plain_white_space() {
    #[track_caller]
    fn check(line: &str, expect: &str) {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\nX: \ty\r\n\r\n");
        let mut head = RequestHead::default();
        parse_request(text.as_bytes(), &Limits::default(), &mut head).unwrap();
        assert_eq!(head.framing, Framing::Length(5));
        let mut out = Vec::new();
        write_request(&head, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.lines().any(|l| l.eq_ignore_ascii_case(expect)), "{out}");
    }
    check("Content-Length: 5", "content-length: 5");
    check("Content-Length:5", "content-length:5");
    check("Content-Length: \t5 \t", "content-length: 5");
    check("Content-Length:\t5", "content-length: 5");
    check("Content-Length: 5 ", "content-length: 5");
    check("Content-Length:  5", "content-length: 5");
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        path in "/[a-z/]{0,12}",
        query in proptest::option::of("[a-z=&]{0,8}"),
        values in proptest::collection::vec(("[A-Za-z-]{1,12}", "[ -~]{0,20}"), 0..5),
    ) {
        let mut text = format!("GET {path}{} HTTP/1.1\r\nHost: a\r\n", query.map(|q| format!("?{q}")).unwrap_or_default());
        for (name, value) in &values {
            text.extend(["X-", name, ": ", value, "\r\n"]);
        }
        text += "\r\n";
        let (mut first, mut second) = (RequestHead::default(), RequestHead::default());
        parse_request(text.as_bytes(), &Limits::default(), &mut first).unwrap();
        let mut out = Vec::new();
        write_request(&first, &mut out);
        out.extend_from_slice(b"\r\n");
        parse_request(&out, &Limits::default(), &mut second).unwrap();
        prop_assert_eq!(first.path(), second.path());
        prop_assert_eq!(first.query(), second.query());
        let (a, b): (Vec<_>, Vec<_>) = (first.fields.iter().collect(), second.fields.iter().collect());
        prop_assert_eq!(a, b);
    }

    /// The parser either refuses bytes, or what it accepts holds no second reading: written again it parses to the
    /// same framing, and no line of it holds a stray CR, LF or NUL.
    #[test]
    fn odd_bytes_are_refused_or_harmless(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("GET / HTTP/1.1\r\n"), Just("Host: a\r\n"), Just("Content-Length: 3\r\n"), Just("\r\n"), Just("\n"),
                Just("Transfer-Encoding: chunked\r\n"), Just(" "), Just("\r"), Just("\0"), Just("X: y\r\n"), Just(":"),
            ],
            0..10,
        ),
    ) {
        let text = parts.concat();
        let mut head = RequestHead::default();
        if let Ok(Parsed::Complete(len)) = parse_request(text.as_bytes(), &Limits::default(), &mut head) {
            prop_assert!(text[..len].ends_with("\r\n\r\n"));
            prop_assert!(!text[..len].replace("\r\n", "").contains(['\r', '\n', '\0']));
            let lengths = head.fields.all(Known::ContentLength).count();
            prop_assert!(lengths <= 1 && !(lengths == 1 && head.fields.has(Known::TransferEncoding)));
        }
    }
}
