//! Bytes on which two servers could disagree where a message ends: refused, or brought into one form; never passed on.

use std::time::Duration;

use weir_tests::origin::ok;
use weir_tests::peers::Server;
use weir_tests::{Client, Fault, Origin, Setup, Weir, free_port};

const HEAD: &str = "POST / HTTP/1.1\r\nhost: h\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";

/// What follows every odd request. An origin that sees it was smuggled a request.
const SECOND: &str = "GET /second HTTP/1.1\r\nhost: h\r\n\r\n";

/// Requests that are answered 400, and after which the connection is closed.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let mut cases: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut raw = |name: &'static str, bytes: &[u8]| cases.push((name, bytes.to_vec()));

    raw("an empty first byte", b"\0GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a bare LF before the request", b"\nGET / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a byte order mark", b"\xef\xbb\xbfGET / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a space before the request", b" GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a TLS record", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    raw("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    raw("no version", b"GET /\r\n\r\n");
    raw("a lower-case version", b"GET / http/1.1\r\nhost: h\r\n\r\n");
    raw("version 2.0", b"GET / HTTP/2.0\r\nhost: h\r\n\r\n");
    raw("version 1.11", b"GET / HTTP/1.11\r\nhost: h\r\n\r\n");
    raw("version 1", b"GET / HTTP/1\r\nhost: h\r\n\r\n");
    raw("two spaces before the target", b"GET  / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("two spaces after the target", b"GET /  HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("tabs in the request line", b"GET\t/\tHTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a space after the version", b"GET / HTTP/1.1 \r\nhost: h\r\n\r\n");
    raw("a target with a space", b"GET /a b HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target with NUL", b"GET /a\0b HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target with a control byte", b"GET /a\x01b HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target with DEL", b"GET /a\x7fb HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target beyond ASCII", b"GET /\xc3\xa9 HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target with a fragment", b"GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a target without a slash", b"GET a HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("an unknown scheme", b"GET ftp://h/ HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("an asterisk with GET", b"GET * HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("no method", b" / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("a method that is no token", b"GE(T / HTTP/1.1\r\nhost: h\r\n\r\n");
    raw("an encoded NUL in the path", b"GET /a%00b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    raw("a broken escape in the path", b"GET /a%zz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    raw("a backslash in the path", b"GET /a\\..\\b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");

    raw("no Host", b"GET / HTTP/1.1\r\nx: y\r\n\r\n");
    raw("two Hosts", b"GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n");
    raw("two Hosts that differ", b"GET / HTTP/1.1\r\nhost: h\r\nHost: evil\r\n\r\n");
    raw("a Host with a space", b"GET / HTTP/1.1\r\nhost: h evil\r\n\r\n");
    raw("a Host with user information", b"GET / HTTP/1.1\r\nhost: user@h\r\n\r\n");
    raw("a Host with a path", b"GET / HTTP/1.1\r\nhost: h/evil\r\n\r\n");
    raw("a Host with a list", b"GET / HTTP/1.1\r\nhost: h,evil\r\n\r\n");
    raw("a Host with a bad port", b"GET / HTTP/1.1\r\nhost: h:8x\r\n\r\n");
    raw("a Host that is not the target's", b"GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n");
    raw("a target with user information", b"GET http://u@h/ HTTP/1.1\r\nhost: u@h\r\n\r\n");

    raw("a bare LF after the request line", b"GET / HTTP/1.1\nhost: h\r\n\r\n");
    raw("a bare LF after a field", b"GET / HTTP/1.1\r\nhost: h\nx: y\r\n\r\n");
    raw("bare LFs only", b"GET / HTTP/1.1\nhost: h\n\n");
    raw("a bare LF as the empty line", b"GET / HTTP/1.1\r\nhost: h\r\n\n");
    raw("a bare CR after the request line", b"GET / HTTP/1.1\rhost: h\r\n\r\n");
    raw("a bare CR in a value", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\rb\r\n\r\n");
    raw(
        "a bare CR that hides a field",
        b"GET / HTTP/1.1\r\nhost: h\r\nx: a\rtransfer-encoding: chunked\r\n\r\n",
    );
    raw("two CRs before a LF", b"GET / HTTP/1.1\r\nhost: h\r\r\n\r\n");
    raw("a CR as the empty line", b"GET / HTTP/1.1\r\nhost: h\r\n\rGET");
    raw("NUL in a value", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n");
    raw("a control byte in a value", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\x01b\r\n\r\n");
    raw("DEL in a value", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\x7fb\r\n\r\n");
    raw("a vertical tab around a value", b"GET / HTTP/1.1\r\nhost: h\r\nx:\x0ba\r\n\r\n");
    raw("NUL in a name", b"GET / HTTP/1.1\r\nhost: h\r\nx\0y: a\r\n\r\n");
    raw("a name beyond ASCII", b"GET / HTTP/1.1\r\nhost: h\r\nx\xffy: a\r\n\r\n");
    raw("an empty name", b"GET / HTTP/1.1\r\nhost: h\r\n: a\r\n\r\n");
    raw("a name with a space", b"GET / HTTP/1.1\r\nhost: h\r\nx y: a\r\n\r\n");
    raw("a line without a colon", b"GET / HTTP/1.1\r\nhost: h\r\nxy\r\n\r\n");
    raw("a space before the first field", b"GET / HTTP/1.1\r\n host: h\r\nhost: h\r\n\r\n");
    raw("a folded value", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n b\r\n\r\n");
    raw("a value folded by a tab", b"GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n\tb\r\n\r\n");
    raw("a space before a colon", b"GET / HTTP/1.1\r\nhost : h\r\n\r\n");
    raw("a tab before a colon", b"GET / HTTP/1.1\r\nhost\t: h\r\n\r\n");

    let mut framed = |name: &'static str, fields: &str, body: &str| {
        cases.push((name, format!("{HEAD}{fields}\r\n\r\n{body}").into_bytes()));
    };
    framed("length with coding", "content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n");
    framed("coding with length", "transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n");
    framed("length 0 with coding", "content-length: 0\r\ntransfer-encoding: chunked", "0\r\n\r\n");
    framed("two lengths that differ", "content-length: 5\r\ncontent-length: 6", "hello!");
    framed("a list of lengths that differ", "content-length: 5, 6", "hello!");
    framed("a length with a plus", "content-length: +5", "hello");
    framed("a negative length", "content-length: -5", "hello");
    framed("a hexadecimal length", "content-length: 0x5", "hello");
    framed("a length with a letter", "content-length: 5a", "hello");
    framed("a length with a space", "content-length: 5 5", "hello");
    framed("an empty length", "content-length:", "hello");
    framed("a length with a fraction", "content-length: 5.0", "hello");
    framed("a length with an exponent", "content-length: 1e1", "hello");
    framed("a quoted length", "content-length: \"5\"", "hello");
    framed("a length beyond 64 bits", "content-length: 18446744073709551621", "hello");
    framed("a length with a comma", "content-length: 5,", "hello");
    framed("a folded length", "content-length:\r\n 5", "hello");
    framed("a space before the length's colon", "content-length : 5", "hello");
    framed("a space before the coding's colon", "transfer-encoding : chunked", "0\r\n\r\n");
    framed("an unknown coding", "transfer-encoding: xchunked", "0\r\n\r\n");
    framed("gzip", "transfer-encoding: gzip", "hello");
    framed("identity", "transfer-encoding: identity", "hello");
    framed("gzip before chunked", "transfer-encoding: gzip, chunked", "0\r\n\r\n");
    framed("gzip after chunked", "transfer-encoding: chunked, gzip", "0\r\n\r\n");
    framed("chunked twice in a field", "transfer-encoding: chunked, chunked", "0\r\n\r\n");
    framed("chunked in two fields", "transfer-encoding: chunked\r\ntransfer-encoding: chunked", "0\r\n\r\n");
    framed("chunked and identity", "transfer-encoding: chunked\r\ntransfer-encoding: identity", "0\r\n\r\n");
    framed("chunked with a parameter", "transfer-encoding: chunked;q=1", "0\r\n\r\n");
    framed("chunked in quotes", "transfer-encoding: \"chunked\"", "0\r\n\r\n");
    framed("an empty coding", "transfer-encoding:", "0\r\n\r\n");
    framed("a folded coding", "transfer-encoding:\r\n chunked", "0\r\n\r\n");
    framed("a coding after a vertical tab", "transfer-encoding:\x0bchunked", "0\r\n\r\n");

    let mut chunks = |name: &'static str, body: &[u8]| {
        cases.push((name, [CHUNKED.as_bytes(), body].concat()));
    };
    chunks("no chunk size", b"\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size with a plus", b"+5\r\nhello\r\n0\r\n\r\n");
    chunks("a negative chunk size", b"-5\r\nhello\r\n0\r\n\r\n");
    chunks("a space before a chunk size", b" 5\r\nhello\r\n0\r\n\r\n");
    chunks("a space after a chunk size", b"5 \r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size that is no number", b"g\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk size that ends in a bare LF", b"5\nhello\r\n0\r\n\r\n");
    chunks("a chunk size that ends in a bare CR", b"5\rhello\r\n0\r\n\r\n");
    chunks("an extension that ends in a bare LF", b"5;a\nhello\r\n0\r\n\r\n");
    chunks("an extension with a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n");
    chunks("an extension with NUL", b"5;a\0b\r\nhello\r\n0\r\n\r\n");
    chunks("an endless extension", &[b"5;", &[b'a'; 3000][..], b"\r\nhello\r\n0\r\n\r\n"].concat());
    chunks("a chunk that is longer than its size", b"4\r\nhello\r\n0\r\n\r\n");
    chunks("a chunk that ends in a bare LF", b"5\r\nhello\n0\r\n\r\n");
    chunks("a chunk without an end", b"5\r\nhello0\r\n\r\n");
    chunks("a last chunk that ends in a bare LF", b"5\r\nhello\r\n0\n\r\n");
    chunks("a trailer that ends in a bare LF", b"5\r\nhello\r\n0\r\nx: y\n\r\n");
    chunks("a trailer without a colon", b"5\r\nhello\r\n0\r\nxy\r\n\r\n");
    chunks("a folded trailer", b"5\r\nhello\r\n0\r\nx: y\r\n z\r\n\r\n");
    chunks("a trailer with NUL", b"5\r\nhello\r\n0\r\nx: \0\r\n\r\n");
    chunks("a space before a trailer's colon", b"5\r\nhello\r\n0\r\nx : y\r\n\r\n");
    cases
}

#[test]
fn odd_requests_are_refused_and_nothing_after_them_is_served() {
    let cases = refused();
    assert!(cases.len() >= 100, "{}", cases.len());
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let mut wrong = Vec::new();
    for (name, bytes) in &cases {
        origin.forget();
        let mut client = Client::connect(weir.port);
        client.patience(Duration::from_secs(3));
        client.send([bytes, SECOND.as_bytes()].concat());
        let answer = client.try_response("POST").map(|answer| answer.status());
        if answer != Ok(400) {
            wrong.push(format!("{name}: answered {answer:?}"));
        }
        if !client.is_closed() {
            wrong.push(format!("{name}: the connection stays open, or a second answer comes"));
        }
        if origin.count() > 0 {
            wrong.push(format!("{name}: the origin was sent {:?}", origin.requests()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Requests that are brought into one form: what arrives at the origin, and the bytes of its body.
fn normalised() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let mut cases = Vec::new();
    let mut add = |name, fields: &str, body: &str, expect| {
        cases.push((name, format!("{HEAD}{fields}\r\n\r\n{body}").into_bytes(), expect));
    };
    add("mixed-case chunked", "Transfer-Encoding: ChUnKeD", "5\r\nhello\r\n0\r\n\r\n", "hello");
    add("white space around chunked", "transfer-encoding:\t chunked \t", "5\r\nhello\r\n0\r\n\r\n", "hello");
    add("an extension", "transfer-encoding: chunked", "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n", "hello");
    add("zeros before a chunk size", "transfer-encoding: chunked", "0005\r\nhello\r\n000\r\n\r\n", "hello");
    add("upper-case digits", "transfer-encoding: chunked", "A\r\nhello hell\r\n0\r\n\r\n", "hello hell");
    add("white space around a length", "content-length: \t5 \t", "hello", "hello");
    add("an upper-case length", "CONTENT-LENGTH: 5", "hello", "hello");
    add("a value beyond ASCII", "x: \u{e9}\r\ncontent-length: 5", "hello", "hello");
    cases
}

#[test]
fn requests_of_many_forms_arrive_in_one() {
    let origin = Origin::answering(|request| ok(&request.body));
    let weir = Weir::to(origin.port);
    for (name, bytes, expect) in normalised() {
        origin.forget();
        let mut client = Client::connect(weir.port);
        client.send([&bytes[..], SECOND.as_bytes()].concat());
        assert_eq!(client.response("POST").text(), expect, "{name}");
        assert_eq!(client.response("GET").text(), "", "{name}");
        assert_eq!(origin.count(), 2, "{name}: {:?}", origin.requests());
        assert!(origin.faults().is_empty(), "{name}: {:?}", origin.faults());
        let request = &origin.requests()[0];
        let codings = (request.all("content-length"), request.all("transfer-encoding"));
        assert!(
            matches!((&codings.0[..], &codings.1[..]), ([_], []) | ([], ["chunked"])),
            "{name}: {codings:?}"
        );
    }
}

#[test]
fn equal_lengths_are_one_length_or_none() {
    // RFC 9110, section 8.6, allows either.
    let origin = Origin::answering(|request| ok(&request.body));
    let weir = Weir::to(origin.port);
    for fields in ["content-length: 5\r\ncontent-length: 5", "content-length: 5, 5", "content-length: 005"] {
        origin.forget();
        let mut client = Client::connect(weir.port);
        client.send(format!("{HEAD}{fields}\r\n\r\nhello{SECOND}"));
        let answer = client.response("POST");
        if answer.status() == 400 {
            assert!(client.is_closed() && origin.count() == 0, "{fields}");
        } else {
            assert_eq!((answer.text().as_str(), client.response("GET").status()), ("hello", 200));
            assert_eq!(
                origin.requests()[0].field("content-length").map(|l| l.trim_start_matches('0')),
                Some("5")
            );
        }
    }
}

#[test]
fn a_refused_request_with_a_body_does_not_become_two() {
    // Refused after its head was understood: the body's bytes must not be read as a request.
    let origin = Origin::saying("ok");
    let weir = Setup::new(format!(
        "routes:\n  - {{ name: ok, matches: [ {{ path: {{ prefix: /second }} }} ], service: origin }}\n  \
         - {{ name: small, matches: [ {{ path: {{ prefix: /small }} }} ], max_body: 8, service: origin }}\n  \
         - {{ name: fixed, matches: [ {{ path: {{ prefix: /fixed }} }} ], respond: {{ status: 202 }} }}\n  \
         - {{ name: limited, matches: [ {{ path: {{ prefix: /limited }} }} ], service: origin, rate_limits: [ {{ algorithm: token_bucket, requests: 1, per: 1d, key: {{ header: x }}, missing: deny }} ] }}\n{}",
        weir_tests::gateway::origin(origin.port)
    ))
    .start();
    let length = SECOND.len();
    for (target, status) in
        [("/none", 404), ("/small", 413), ("/fixed", 202), ("/limited", 429), ("/a%zz", 400), ("/a\\b", 400)]
    {
        for chunked in [false, true] {
            origin.forget();
            let mut client = Client::connect(weir.port);
            let (field, body) = if chunked {
                ("transfer-encoding: chunked".to_owned(), format!("{length:x}\r\n{SECOND}\r\n0\r\n\r\n"))
            } else {
                (format!("content-length: {length}"), SECOND.to_owned())
            };
            client.send(format!("POST {target} HTTP/1.1\r\nhost: h\r\n{field}\r\n\r\n{body}"));
            let answer = client.response("POST");
            assert_eq!(answer.status(), status, "{target}");
            let closed = answer.field("connection") == Some("close");
            client.send("GET /second/really HTTP/1.1\r\nhost: h\r\n\r\n");
            if closed {
                assert!(client.is_closed(), "{target}: more comes after a close");
            } else {
                assert_eq!(client.response("GET").status(), 200, "{target}");
                assert!(client.stays_open(Duration::from_millis(30)), "{target}: a third answer");
            }
            assert!(
                origin.requests().iter().all(|r| r.target() != "/second"),
                "{target}: {:?}",
                origin.requests()
            );
        }
    }
}

/// Answers of an origin that are no answer: the client gets 502, and the connection is not used again.
fn refused_answers() -> Vec<(&'static str, Vec<u8>)> {
    let mut cases: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut raw = |name: &'static str, bytes: &[u8]| cases.push((name, bytes.to_vec()));
    raw("no HTTP", b"hello, world\r\n\r\n");
    raw("HTTP/2.0", b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("a lower-case version", b"http/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("ICY", b"ICY 200 OK\r\n\r\n");
    raw("a status of two digits", b"HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("a status of four digits", b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("a status below 100", b"HTTP/1.1 099 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("a status with a letter", b"HTTP/1.1 2x0 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("two spaces before the status", b"HTTP/1.1  200 OK\r\ncontent-length: 2\r\n\r\nok");
    raw("a bare LF after the status line", b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok");
    raw("a bare LF after a field", b"HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok");
    raw("a bare CR in a value", b"HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 2\r\n\r\nok");
    raw("NUL in a value", b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok");
    raw("NUL in the reason", b"HTTP/1.1 200 O\0K\r\ncontent-length: 2\r\n\r\nok");
    raw("a folded value", b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok");
    raw("a space before a colon", b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok");
    raw(
        "a space before the coding's colon",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    );
    raw("a line without a colon", b"HTTP/1.1 200 OK\r\nxy\r\ncontent-length: 2\r\n\r\nok");
    raw("an empty name", b"HTTP/1.1 200 OK\r\n: x\r\ncontent-length: 2\r\n\r\nok");
    raw(
        "length with coding",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    raw("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!");
    raw("a length with a plus", b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok");
    raw("a negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok");
    raw("an empty length", b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok");
    raw("a length beyond 64 bits", b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551618\r\n\r\nok");
    raw("an unknown coding", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok");
    raw("chunked twice", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n");
    raw(
        "chunked in two fields",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    raw(
        "101 that was not asked for",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    raw("a head without an end", &[&b"HTTP/1.1 200 OK\r\nx: "[..], &vec![b'a'; 100_000]].concat());
    cases
}

/// An origin that answers `/odd` with the given bytes, and everything else well.
fn odd_origin(bytes: &[u8]) -> Origin {
    let bytes = bytes.to_vec();
    Origin::scripted(move |served| {
        while let Some(request) = served.request() {
            let fine = if request.target() == "/odd" { served.send(&bytes) } else { served.send(ok("fine")) };
            if !fine {
                return;
            }
        }
    })
}

#[test]
fn odd_answers_are_refused_and_their_connections_never_used_again() {
    let mut wrong = Vec::new();
    // One Weir for all: an origin each, behind a header.
    let cases = refused_answers();
    let origins: Vec<Origin> = cases.iter().map(|(_, bytes)| odd_origin(bytes)).collect();
    let weir = many(&origins);
    for (i, (name, _)) in cases.iter().enumerate() {
        let mut client = Client::connect(weir.port);
        let mut ask = |path: &str| {
            client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\nx-origin: {i}\r\n\r\n"));
            client.try_response("GET")
        };
        let answer = ask("/odd").map(|answer| answer.status());
        if answer != Ok(502) {
            wrong.push(format!("{name}: answered {answer:?}"));
        }
        let after = ask("/fine").map(|answer| answer.text());
        if after.as_deref() != Ok("fine") || origins[i].accepted() < 2 {
            wrong.push(format!("{name}: then {after:?} on connection {}", origins[i].accepted()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn many(origins: &[Origin]) -> Weir {
    let route = |i: usize| {
        format!("  - {{ name: r{i}, matches: [ {{ headers: {{ x-origin: \"{i}\" }} }} ], service: s{i} }}\n")
    };
    let service =
        |(i, origin): (usize, &Origin)| format!("  s{i}: {{ endpoints: [\"127.0.0.1:{}\"] }}\n", origin.port);
    let routes: String = (0..origins.len()).map(route).collect();
    let services: String = origins.iter().enumerate().map(service).collect();
    Setup::new(format!("routes:\n{routes}services:\n{services}")).start()
}

#[test]
fn bytes_after_an_answer_answer_nothing() {
    #[track_caller]
    fn check(answer: &'static [u8], body: &str) {
        let origin = odd_origin(answer);
        let weir = Weir::to(origin.port);
        let mut client = Client::connect(weir.port);
        assert_eq!(client.get("/odd").text(), body);
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..3 {
            assert_eq!(client.get("/fine").text(), "fine");
        }
        assert_eq!(origin.accepted(), 2);
    }
    check(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "ok",
    );
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n", "ok");
    check(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "ok",
    );
    check(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", "");
    check(b"HTTP/1.1 304 No\r\ncontent-length: 4\r\n\r\nevil", "");
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nevil", "");
}

#[test]
fn an_answer_that_nobody_asked_for_answers_nothing() {
    // The origin speaks first, on a connection that then stands idle in the pool.
    let origin = Origin::scripted(|served| {
        while served.request().is_some() {
            served.send(ok("fine"));
            std::thread::sleep(Duration::from_millis(30));
            served.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for i in 1..=3 {
        assert_eq!(client.get("/").text(), "fine");
        assert_eq!(origin.accepted(), i);
        std::thread::sleep(Duration::from_millis(80));
    }
}

#[test]
fn bodies_of_answers_that_break_their_framing_are_cut_off() {
    #[track_caller]
    fn check(body: &'static str) {
        let origin =
            odd_origin(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").as_bytes());
        let weir = Weir::to(origin.port);
        let mut client = Client::connect(weir.port);
        client.send("GET /odd HTTP/1.1\r\nhost: h\r\n\r\n");
        match client.try_response("GET") {
            Ok(answer) => assert_eq!(answer.status(), 502, "{body:?}: {answer:?}"),
            Err(fault) => assert!(
                matches!(fault, Fault::Truncated | Fault::Reset | Fault::Closed),
                "{body:?}: {fault:?}"
            ),
        }
        let mut client = Client::connect(weir.port);
        assert_eq!(client.get("/fine").text(), "fine");
        assert_eq!(origin.accepted(), 2, "{body:?}");
    }
    check("0x2\r\nok\r\n0\r\n\r\n");
    check("2\nok\r\n0\r\n\r\n");
    check("2\r\nok!\r\n0\r\n\r\n");
    check("2\r\nok\r\n0\r\nx y: z\r\n\r\n");
    check("2\r\nok\r\n0\r\nx: y\n\r\n");
    check("fffffffffffffffff\r\nok\r\n0\r\n\r\n");
    check("2 \r\nok\r\n0\r\n\r\n");
    check("2;\0\r\nok\r\n0\r\n\r\n");
}

/// Two origins that share no code are sent, through Weir, the same odd bytes: they have to count the same requests.
#[test]
fn nginx_and_haproxy_count_the_same_requests() {
    let inner = free_port();
    let buffering = format!(
        "location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{inner}; }} }}\n\
         server {{ listen 127.0.0.1:{inner}; access_log off; location / {{ return 200 ok; }}"
    );
    let (Some(nginx), Some(haproxy)) =
        (Server::nginx("smuggling", "", &buffering), Server::haproxy("smuggling"))
    else {
        return;
    };
    let second = free_port();
    let weir = Setup::new(format!(
        "  - {{ name: other, address: 127.0.0.1:{second} }}\nroutes:\n  \
         - {{ name: n, listeners: [web], service: nginx }}\n  - {{ name: h, listeners: [other], service: haproxy }}\n\
         services:\n  nginx: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  haproxy: {{ endpoints: [\"127.0.0.1:{}\"] }}\n",
        nginx.port, haproxy.port
    ))
    .start();
    let served = |text: String| text.lines().filter(|line| line.contains(" 200")).count();
    let both = || {
        nginx.settled_lines("access.log");
        haproxy.settled_lines("stdout");
        (served(nginx.read("access.log")), served(haproxy.read("stdout")))
    };
    let mut cases = refused();
    cases.extend(normalised().into_iter().map(|(name, bytes, _)| (name, bytes)));
    cases.push((
        "equal lengths",
        format!("{HEAD}content-length: 5\r\ncontent-length: 5\r\n\r\nhello").into_bytes(),
    ));
    cases.push(("a list of equal lengths", format!("{HEAD}content-length: 5, 5\r\n\r\nhello").into_bytes()));
    cases
        .push(("a GET with a body", b"GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello".to_vec()));
    cases.push((
        "a HEAD with a body",
        b"HEAD / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
    ));
    cases.push((
        "a DELETE with chunks",
        b"DELETE / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".to_vec(),
    ));
    cases.push((
        "1.0 with a coding",
        b"POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
    ));
    cases.push((
        "1.0 with a length",
        b"POST / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
    ));
    let mut wrong = Vec::new();
    let mut before = both();
    for (name, bytes) in &cases {
        let last = SECOND.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let answers = [weir.port, second].map(|port| {
            let mut client = Client::connect(port);
            client.send([bytes, last.as_bytes()].concat());
            String::from_utf8_lossy(&client.rest()).matches("HTTP/1.1 200").count()
        });
        let after = both();
        let counted = (after.0 - before.0, after.1 - before.1);
        before = after;
        if counted.0 != counted.1 || counted != (answers[0], answers[1]) || counted.0 > 2 {
            wrong.push(format!(
                "{name}: nginx counted {}, haproxy {}; answers {answers:?}",
                counted.0, counted.1
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
