//! HTTP/1.1 and HTTP/1.0 on both sides, as RFC 9110 and 9112 have it, byte by byte.

use std::thread::sleep;
use std::time::{Duration, Instant};

use weir_tests::origin::ok;
use weir_tests::peers::Server;
use weir_tests::{Client, Fault, Origin, Setup, Weir, eventually, get};

/// Bytes that no shift or repetition leaves the same.
fn pattern(len: usize) -> Vec<u8> {
    let mut x = 0x2545_f491_u32;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

#[test]
fn connections_are_kept_on_both_sides() {
    let origin = Origin::saying("hello");
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for i in 0..20 {
        let answer = client.get(&format!("/{i}"));
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.field("connection"), None);
    }
    assert_eq!((origin.count(), origin.accepted()), (20, 1));
    assert!(client.stays_open(Duration::from_millis(50)));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::answering(|request| ok(request.target()));
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let mut all = String::new();
    for i in 0..50 {
        let body = if i % 3 == 0 { "content-length: 3\r\n\r\nabc" } else { "\r\n" };
        let method = if i % 3 == 0 { "POST" } else { "GET" };
        all.extend([method, " /", &i.to_string(), " HTTP/1.1\r\nhost: h\r\n", body]);
    }
    client.send(all);
    for i in 0..50 {
        assert_eq!(client.response("GET").text(), format!("/{i}"));
    }
    assert!(client.stays_open(Duration::from_millis(50)));
    assert!(origin.faults().is_empty());
}

#[test]
fn pipelined_requests_behind_a_refused_one_are_answered_in_order_too() {
    let origin = Origin::answering(|request| ok(request.target()));
    let weir = Setup::new("routes: [ { name: a, matches: [ { path: { prefix: /a } } ], service: origin } ]")
        .and(weir_tests::gateway::origin(origin.port))
        .start();
    let mut client = Client::connect(weir.port);
    client.send(
        "POST /none HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nGET GET /a HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!(client.response("POST").status(), 404);
    assert_eq!(client.response("GET").text(), "/a");
}

#[test]
fn chunked_requests_arrive_whole_with_their_trailers() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let answer = client.ask(
        "POST /up HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         5\r\nhello\r\n00A;name=\"v\"\r\n, trailers\r\n0\r\nx-sum: 42\r\nx-more: y\r\n\r\n",
    );
    assert_eq!(answer.status(), 200);
    let request = origin.only();
    assert_eq!(request.text(), "hello, trailers");
    assert_eq!(request.trailers, [("x-sum".to_owned(), "42".to_owned()), ("x-more".into(), "y".into())]);
    assert_eq!(client.get("/again").status(), 200);
}

#[test]
fn trailers_may_not_smuggle_framing_or_credentials() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    Client::connect(weir.port).ask(
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\
         Content-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\nx-fine: 1\r\n\r\n",
    );
    let request = origin.only();
    assert_eq!(request.trailers, [("x-fine".to_owned(), "1".to_owned())]);
}

#[test]
fn chunked_answers_arrive_whole_with_their_trailers() {
    let origin = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n4;e\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n"
            .to_vec()
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "abcdefg");
        assert_eq!(answer.trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    }
    assert_eq!(origin.accepted(), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_delimited_for_the_client() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\n\r\nto the ");
            sleep(Duration::from_millis(20));
            served.send("end");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.text().as_str(), answer.until_close), ("to the end", false));
    }
}

#[test]
fn answers_to_head_and_those_without_a_body_keep_the_connection() {
    let origin = Origin::answering(|request| match (request.method(), request.target()) {
        ("HEAD", "/chunked") => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        ("HEAD", _) => b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_vec(),
        (_, "/204") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        (_, "/304") => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"x\"\r\n\r\n".to_vec(),
        _ => ok("body"),
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let head = client.ask("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!((head.field("content-length"), head.body.len()), (Some("1234"), 0));
    assert_eq!(client.ask("HEAD /chunked HTTP/1.1\r\nhost: h\r\n\r\n").status(), 200);
    assert_eq!(client.get("/204").status(), 204);
    let unchanged = client.get("/304");
    assert_eq!((unchanged.status(), unchanged.field("etag")), (304, Some("\"x\"")));
    assert_eq!(client.get("/last").text(), "body");
    assert_eq!(origin.accepted(), 1, "the upstream connection was kept, too");
}

#[test]
fn interim_answers_are_relayed() {
    let origin = Origin::scripted(|served| {
        while served.request().is_some() {
            served.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
            sleep(Duration::from_millis(30));
            served.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..2 {
        let answer = client.get("/");
        let interim: Vec<u16> = answer.interim.iter().map(weir_tests::Message::status).collect();
        assert_eq!((interim.as_slice(), answer.text().as_str()), (&[103, 102][..], "ok"));
        assert_eq!(answer.interim[0].field("link"), Some("</a.css>; rel=preload"));
    }
    // RFC 9110, section 15.2: a 1.0 client knows none of them.
    client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n");
    assert!(client.response("GET").interim.is_empty());
}

#[test]
fn a_client_that_expects_to_be_asked_is_asked_by_the_origin() {
    let origin = Origin::scripted(|served| {
        while let Some(head) = served.head() {
            assert_eq!(head.field("expect"), Some("100-continue"));
            sleep(Duration::from_millis(50));
            served.send("HTTP/1.1 100 Continue\r\n\r\n");
            let Some(request) = served.body(head) else { return };
            served.send(ok(request.body));
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..2 {
        client.send("PUT /up HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(client.head().status(), 100);
        client.send("hello");
        assert_eq!(client.response("PUT").text(), "hello");
    }
}

#[test]
fn an_origin_that_does_not_want_the_body_is_heard_before_it_is_sent() {
    let origin = Origin::scripted(|served| {
        if served.head().is_some() {
            served.send("HTTP/1.1 417 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    client.send("PUT /up HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    let answer = client.response("PUT");
    assert_eq!((answer.status(), answer.field("connection")), (417, Some("close")));
    assert!(client.is_closed());
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let origin = Origin::scripted(|served| {
        if served.head().is_some() {
            served.send("HTTP/1.1 413 Too Much\r\ncontent-length: 4\r\n\r\nmuch");
            // Reads on, so that the answer is not lost to a reset.
            served.reader.rest();
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    client.send("PUT /up HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n").send(pattern(30_000));
    let answer = client.response("PUT");
    assert_eq!((answer.status(), answer.text().as_str()), (413, "much"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn absolute_and_asterisk_targets() {
    let origin = Origin::answering(|request| ok(request.target()));
    let weir = Setup::new("routes: [ { name: all, hosts: [api.example.com], service: origin } ]")
        .and(weir_tests::gateway::origin(origin.port))
        .start();
    let mut client = Client::connect(weir.port);
    let answer =
        client.ask("GET http://API.example.com/orders?a=1 HTTP/1.1\r\nhost: api.example.com\r\n\r\n");
    assert_eq!(answer.text(), "/orders?a=1", "the origin gets the origin form");
    assert_eq!(client.ask("OPTIONS * HTTP/1.1\r\nhost: api.example.com\r\n\r\n").text(), "*");
    let contradiction = client.ask("GET http://api.example.com/ HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    assert_eq!(contradiction.status(), 400);
    assert!(client.is_closed());
    for request in origin.requests() {
        assert!(request.field("host").is_some_and(|host| host.eq_ignore_ascii_case("api.example.com")));
    }
}

#[test]
fn clients_of_version_1_0() {
    let origin = Origin::answering(|request| match request.target() {
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n".to_vec()
        }
        _ => ok("length"),
    });
    let weir = Weir::to(origin.port);

    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n");
    assert_eq!(client.response("GET").text(), "length");
    assert!(client.is_closed(), "1.0 closes unless it is asked not to");

    let mut client = Client::connect(weir.port);
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("length", Some("keep-alive")));
    }
    client.send("GET /chunked HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!((answer.text().as_str(), answer.field("transfer-encoding")), ("abc", None));
    assert!(answer.until_close && answer.field("connection").is_none(), "{answer:?}");

    // Without Host, which 1.0 does not ask for.
    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response("GET").status(), 200);
    for request in origin.requests() {
        assert!(request.start.ends_with("HTTP/1.1"), "{}", request.start);
        assert!(request.field("host").is_some(), "{request:?}");
        assert!(request.field("via").is_some_and(|via| via.starts_with("1.0 ")), "{request:?}");
    }
}

#[test]
fn origins_of_version_1_0() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for count in 1..=3 {
        let answer = client.get("/");
        assert_eq!((answer.start.as_str(), answer.text().as_str()), ("HTTP/1.1 200 OK", "old"));
        assert_eq!(origin.accepted(), count, "a connection that 1.0 closes is not used again");
    }
}

#[test]
fn what_is_meant_for_one_hop_stays_on_it() {
    let origin = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: x-answer-hop, Keep-Alive\r\nX-Answer-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
          Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Stays: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
          Content-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let weir = Weir::to(origin.port);
    let answer = Client::connect(weir.port).ask(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Hop, keep-alive\r\nConnection: x-hop-too\r\nX-Hop: 1\r\n\
         X-Hop-Too: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\n\
         Proxy-Authorization: basic x\r\nX-Stays: 1\r\nAccept: a\r\nAccept: b\r\n\r\n",
    );
    let request = origin.only();
    for gone in ["x-hop", "x-hop-too", "keep-alive", "proxy-connection", "te", "upgrade", "connection"] {
        assert!(request.all(gone).is_empty(), "{gone} was passed on: {request:?}");
    }
    assert_eq!(request.field("x-stays"), Some("1"));
    assert_eq!(request.all("accept"), ["a", "b"]);
    for gone in ["x-answer-hop", "keep-alive", "proxy-connection", "upgrade", "connection"] {
        assert!(answer.all(gone).is_empty(), "{gone} was passed on: {answer:?}");
    }
    assert_eq!(answer.field("x-stays"), Some("1"));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn a_connection_field_cannot_take_off_what_others_depend_on() {
    // A client that lists `host`, `content-length` or a forwarding field must not make the origin see a request without.
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let answer = Client::connect(weir.port).ask(
        "POST / HTTP/1.1\r\nhost: h\r\nconnection: host, content-length, x-forwarded-for, via\r\ncontent-length: 3\r\n\r\nabc",
    );
    if answer.status() == 200 {
        let request = origin.only();
        assert_eq!((request.field("host"), request.text().as_str()), (Some("h"), "abc"));
        assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    } else {
        assert_eq!((answer.status(), origin.count()), (400, 0));
    }
}

#[test]
fn forwarding_fields_are_our_own_unless_the_peer_is_trusted() {
    let origin = Origin::saying("ok");
    let request = "GET / HTTP/1.1\r\nhost: shop.example:81\r\nx-forwarded-for: 192.0.2.7\r\n\
                   x-forwarded-proto: https\r\nx-forwarded-host: other.example\r\nforwarded: for=192.0.2.7\r\n\
                   x-request-id: theirs\r\nvia: 1.1 other\r\n\r\n";

    let weir = Weir::to(origin.port);
    Client::connect(weir.port).ask(request);
    let seen = origin.only();
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some("shop.example:81"));
    assert_eq!(seen.field("forwarded"), None);
    assert_ne!(seen.field("x-request-id"), Some("theirs"));
    assert_eq!(seen.field("host"), Some("shop.example:81"));
    assert_eq!(seen.all("via").join(", "), "1.1 other, 1.1 weir");
    drop(weir);

    origin.forget();
    let weir = Setup::to(origin.port).listener("trusted_proxies: [127.0.0.0/8]").start();
    Client::connect(weir.port).ask(request);
    let seen = origin.only();
    assert_eq!(seen.all("x-forwarded-for").join(", "), "192.0.2.7, 127.0.0.1");
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-forwarded-host"), Some("other.example"));
    assert_eq!(seen.field("x-request-id"), Some("theirs"));
}

#[test]
fn a_trace_is_passed_on_or_begun() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    client.ask(format!("GET / HTTP/1.1\r\nhost: h\r\ntraceparent: {parent}\r\ntracestate: a=b\r\n\r\n"));
    client.ask("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.ask("GET / HTTP/1.1\r\nhost: h\r\ntraceparent: 00-zz\r\ntracestate: a=b\r\n\r\n");
    let seen = origin.requests();
    let trace = |i: usize| seen[i].field("traceparent").expect("each request has one").to_owned();
    assert!(trace(0).starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{}", trace(0));
    assert!(trace(0).ends_with("-01") && trace(0) != parent, "a span of our own: {}", trace(0));
    assert_eq!(seen[0].field("tracestate"), Some("a=b"));
    for i in [1, 2] {
        assert_eq!(trace(i).len(), parent.len(), "{}", trace(i));
        assert_eq!(seen[i].field("tracestate"), None, "a state without a parent belongs to nothing");
    }
    assert_ne!(trace(1)[..35], trace(2)[..35]);
}

#[test]
fn ten_mebibytes_each_way() {
    let body = pattern(10 << 20);
    let expect = body.clone();
    let origin = Origin::echoing();
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    client.send(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len()));
    let mut half = client.socket().try_clone().expect("an open socket");
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        half.write_all(&body).expect("all is taken");
        // In chunks the second time, of all sizes.
        half.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
            .expect("all is taken");
        let (mut at, mut size) = (0, 1);
        while at < body.len() {
            let piece = &body[at..body.len().min(at + size)];
            half.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).expect("all is taken");
            half.write_all(piece).expect("all is taken");
            half.write_all(b"\r\n").expect("all is taken");
            (at, size) = (at + piece.len(), size * 3 % 70_001 + 1);
        }
        half.write_all(b"0\r\n\r\n").expect("all is taken");
    });
    for _ in 0..2 {
        let answer = client.response("POST");
        assert!(answer.body == expect, "{} bytes came back changed", answer.body.len());
    }
    sending.join().expect("the sender ends");
    assert!(origin.faults().is_empty(), "{:?}", origin.faults());
}

#[test]
fn ten_mebibytes_from_real_nginx() {
    let Some(nginx) = Server::nginx("http1", "", "location / { root @DIR@; }") else { return };
    let body = pattern(10 << 20);
    std::fs::write(nginx.dir.path().join("large"), &body).expect("a folder of our own");
    let weir = Weir::to(nginx.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..3 {
        let answer = client.get("/large");
        assert!(answer.body == body, "{}: {} bytes", answer.start, answer.body.len());
    }
    let part = client.ask("GET /large HTTP/1.1\r\nhost: h\r\nrange: bytes=100-199\r\n\r\n");
    assert!(part.status() == 206 && part.body == body[100..200]);
}

#[test]
fn a_client_that_asks_to_close_is_obeyed() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    for field in ["close", "Close", "foo, CLOSE"] {
        let mut client = Client::connect(weir.port);
        let answer = client.ask(format!("GET / HTTP/1.1\r\nhost: h\r\nconnection: {field}\r\n\r\n"));
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(client.is_closed());
    }
    assert_eq!(origin.accepted(), 1, "the upstream connection is not the client's");
}

#[test]
fn an_origin_that_closes_does_not_close_the_client() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("ok", None));
    }
    assert_eq!(origin.accepted(), 5);
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answer_or_a_clean_end() {
    // Half-closing after the request is how `nc` asks. Weir may take it as a client that went away, but then it must not
    // leave a request running.
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").finish();
    match client.try_response("GET") {
        Ok(answer) => assert_eq!(answer.text(), "ok"),
        Err(fault) => assert_eq!(fault, Fault::Closed),
    }
    assert!(client.is_closed());
}

#[test]
fn messages_may_come_in_two_pieces_cut_anywhere() {
    let request = b"POST /a?b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\n\r\n";
    let origin = Origin::echoing();
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for at in 1..request.len() {
        client.send_pieces(&[&request[..at], &request[at..]], Duration::from_millis(2));
        assert_eq!(client.response("POST").text(), "hello!", "cut at {at}");
    }
    assert_eq!(origin.count(), request.len() - 1);
    assert!(origin.faults().is_empty(), "{:?}", origin.faults());

    let answer =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\n\r\n";
    let origin = Origin::scripted(move |served| {
        let mut at = 1;
        while served.request().is_some() {
            served.send(&answer[..at]);
            sleep(Duration::from_millis(2));
            served.send(&answer[at..]);
            at = at % (answer.len() - 1) + 1;
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    for at in 1..answer.len() {
        assert_eq!(client.get("/").text(), "hello!", "cut at {at}");
    }
    assert_eq!(origin.accepted(), 1);
}

#[test]
fn requests_may_drip_in_byte_by_byte() {
    let origin = Origin::echoing();
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let request = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
    let pieces: Vec<&[u8]> = request.chunks(1).collect();
    client.send_pieces(&pieces, Duration::from_millis(1));
    assert_eq!(client.response("POST").text(), "hello");
}

#[test]
fn answers_stream_as_they_come() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            sleep(Duration::from_millis(800));
            served.send("0\r\n\r\n");
        }
    });
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.head();
    assert_eq!(client.take(10).as_deref(), Ok(&b"5\r\nfirst\r\n"[..]));
    assert!(begun.elapsed() < Duration::from_millis(600), "the first piece waited for the last");
    assert_eq!(client.take(5).as_deref(), Ok(&b"0\r\n\r\n"[..]));
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let mut client = Client::connect(weir.port);
    client.send("\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(client.response("GET").status(), 200);
    client.send(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!(client.response("POST").status(), 200);
    assert_eq!(client.response("GET").status(), 200);
}

#[test]
fn connect_is_not_served() {
    let origin = Origin::saying("ok");
    let weir = Weir::to(origin.port);
    let answer =
        Client::connect(weir.port).ask("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
    assert_eq!((answer.status(), origin.count()), (403, 0));
}

#[test]
fn a_refusal_says_what_refused_and_gives_its_request_id() {
    let weir =
        Setup::new("routes: [ { name: orders, matches: [ { path: { prefix: /orders } } ], respond: {} } ]")
            .start();
    let answer = get(weir.port, "/order");
    assert_eq!(answer.status(), 404);
    let id = answer.field("x-request-id").expect("an id").to_owned();
    assert!(answer.text().contains(&id) && answer.text().contains("no route matches"), "{}", answer.text());
    assert!(answer.text().contains("nearest: ") && answer.text().contains("orders"), "{}", answer.text());
    eventually("the access log has the id", Duration::from_secs(5), || weir.log().contains(&id));
}
