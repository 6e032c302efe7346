//! Upstreams that are down, slow, or break off: the client gets a right status or a closed connection, never a wrong body;
//! and afterwards everything is as it was before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use weir_tests::gateway::origin;
use weir_tests::origin::{ok, status};
use weir_tests::{Client, Fault, Origin, Setup, Weir, eventually, free_port, get};

const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(5);

/// A request that breaks at each point that it can break at.
#[test]
fn an_upstream_that_breaks_off_gives_a_right_status_or_a_closed_connection() {
    #[derive(Clone, Copy, PartialEq)]
    enum How {
        Close,
        Reset,
        Stall,
    }
    const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n0123456789";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n";
    // What is sent before it breaks, and whether the client may see the answer begin.
    let points = [
        ("nothing", "", false),
        ("half a status line", "HTTP/1.1 20", false),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-le", false),
        ("an interim answer", "HTTP/1.1 103 Hints\r\n\r\n", false),
        ("half a body of known length", LENGTH, true),
        ("half a chunked body", CHUNKS, true),
        ("half a chunk", &CHUNKS[..CHUNKS.len() - 6], true),
        ("half a chunk's size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1", true),
        (
            "all but the last chunk's end",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
            true,
        ),
    ];
    for how in [How::Close, How::Reset, How::Stall] {
        let origin_server = Origin::scripted(move |served| {
            if let Some(request) = served.request() {
                let at: usize = request.target()[1..].parse().expect("a number");
                served.send(points[at].1);
                match how {
                    How::Close => {}
                    How::Reset => {
                        sleep(20 * MS);
                        served.reset();
                    }
                    How::Stall => {
                        served.is_left_within(Duration::from_secs(10));
                    }
                }
            }
        });
        let weir = Setup::new(
            "routes: [ { name: all, service: origin, timeouts: { request: 700ms }, retry: { max: 0 } } ]",
        )
        .and(origin(origin_server.port))
        .start();
        for (at, (name, _, begun)) in points.iter().enumerate() {
            for version in ["1.1", "1.0"] {
                let mut client = Client::connect(weir.port);
                client.send(format!("GET /{at} HTTP/{version}\r\nhost: h\r\n\r\n"));
                let got = client.try_response("GET");
                let expect: &[u16] = if how == How::Stall { &[504] } else { &[502] };
                match &got {
                    Ok(answer) if expect.contains(&answer.status()) => {
                        assert!(answer.text().contains("request id"), "{name}: {answer:?}");
                    }
                    Err(Fault::Truncated | Fault::Closed | Fault::Reset) if *begun => {}
                    other => panic!("after {name}, HTTP/{version}: {other:?}"),
                }
            }
        }
        eventually("no connection to the upstream is left", SOON, || origin_server.open() == 0);
        assert_eq!(origin_server.accepted(), 2 * points.len(), "nothing was sent twice");
    }
}

#[test]
fn an_upstream_that_is_down_is_a_503_at_once() {
    let weir = Weir::to(free_port());
    let begun = Instant::now();
    let answer = get(weir.port, "/");
    assert_eq!(answer.status(), 503);
    assert!(
        answer.text().contains("connection_refused") && answer.text().contains("origin"),
        "{}",
        answer.text()
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_connection_that_is_not_made_in_time_is_a_504() {
    // A socket whose queue is full answers no further connection.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().expect("an address").into()).expect("a port");
    full.listen(0).expect("a queue");
    let port = full.local_addr().ok().and_then(|a| a.as_socket()).expect("an address").port();
    let address: std::net::SocketAddr = ([127, 0, 0, 1], port).into();
    let _queued: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect_timeout(&address, 200 * MS)).collect();
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s, retry: {{ max: 0 }} }} ]\nservices: {{ s: {{ endpoints: [\"{address}\"], timeouts: {{ connect: 300ms }} }} }}"
    ))
    .start();
    let begun = Instant::now();
    let answer = get(weir.port, "/");
    assert_eq!(answer.status(), 504, "{}", answer.text());
    assert!((250..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn deadlines_of_request_and_try() {
    let slow = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            if request.target() == "/drip" {
                served.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
                for _ in 0..100 {
                    if !served.send("x") {
                        return;
                    }
                    sleep(30 * MS);
                }
            } else if served.is_left_within(Duration::from_secs(3)) {
                return;
            }
        }
    });
    let fast = Origin::saying("fast");
    let weir = Setup::new(format!(
        "routes:\n  \
         - {{ name: request, matches: [ {{ path: {{ prefix: /request }} }}, {{ path: {{ prefix: /drip }} }} ], service: slow, timeouts: {{ request: 500ms }} }}\n  \
         - {{ name: try, matches: [ {{ path: {{ prefix: /try }} }} ], service: slow, timeouts: {{ per_try: 300ms }}, retry: {{ max: 0 }} }}\n  \
         - {{ name: again, matches: [ {{ path: {{ prefix: /again }} }} ], service: both, timeouts: {{ per_try: 300ms }}, retry: {{ max: 1, when: [timeout] }} }}\n  \
         - {{ name: pause, matches: [ {{ path: {{ exact: /pause }} }} ], service: slow, timeouts: {{ body: 300ms }}, rewrite: {{ path: {{ full: /drip }} }} }}\n\
         services:\n  slow: {{ endpoints: [\"127.0.0.1:{0}\"] }}\n  both: {{ endpoints: [\"127.0.0.1:{0}\", \"127.0.0.1:{1}\"] }}\n",
        slow.port, fast.port
    ))
    .start();
    let timed = |path: &str| {
        let begun = Instant::now();
        (get(weir.port, path), begun.elapsed().as_millis())
    };
    let (answer, took) = timed("/request");
    assert_eq!(answer.status(), 504);
    assert!((450..1500).contains(&took), "{took}");
    let (answer, took) = timed("/try");
    assert_eq!(answer.status(), 504);
    assert!((250..1200).contains(&took), "{took}");
    for _ in 0..4 {
        let (answer, took) = timed("/again");
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "fast"),
            "a try that took too long is repeated elsewhere"
        );
        assert!(took < 1500, "{took}");
    }
    // An answer that has begun is cut off, not finished with something else.
    let begun = Instant::now();
    let mut client = Client::connect(weir.port);
    client.send("GET /drip HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(matches!(client.try_response("GET"), Err(Fault::Truncated | Fault::Closed)));
    assert!((450..1500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn only_what_is_safe_is_sent_again() {
    // The first connection breaks after it has the request; a second would answer.
    let breaking = || {
        Origin::scripted(|served| {
            while served.request().is_some() {
                if served.index == 0 {
                    return;
                }
                served.send(ok("second"));
            }
        })
    };
    let check = |request: &str, expect: u16, sent: usize| {
        let upstream = breaking();
        let weir =
            Setup::new("routes: [ { name: all, service: origin, retry: { max: 2, max_replay: 64KiB } } ]")
                .and(origin(upstream.port))
                .start();
        let answer = Client::connect(weir.port).ask(request);
        assert_eq!((answer.status(), upstream.count()), (expect, sent), "{request}: {}", answer.text());
        if expect == 200 {
            let requests = upstream.requests();
            assert_eq!(requests[0].body, requests[1].body, "the same body each time");
        }
    };
    check("GET / HTTP/1.1\r\nhost: h\r\n\r\n", 200, 2);
    check("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody", 200, 2);
    check("DELETE / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 200, 2);
    check("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody", 502, 1);
    check("PATCH / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody", 502, 1);

    // Nothing was sent where no connection was made, so that even a POST goes to the next endpoint.
    let upstream = Origin::saying("ok");
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s }} ]\nservices: {{ s: {{ endpoints: [\"127.0.0.1:{}\", \"127.0.0.1:{}\"] }} }}",
        free_port(),
        upstream.port
    ))
    .start();
    for _ in 0..4 {
        let answer =
            Client::connect(weir.port).ask("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(upstream.count(), 4);
}

#[test]
fn a_status_is_retried_where_that_is_said() {
    let failing = Origin::answering(|_| status(503, "no"));
    let fine = Origin::saying("yes");
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s, retry: {{ max: 1, when: [gateway_status] }} }} ]\n\
         services: {{ s: {{ endpoints: [\"127.0.0.1:{}\", \"127.0.0.1:{}\"] }} }}",
        failing.port, fine.port
    ))
    .start();
    let mut client = Client::connect(weir.port);
    for _ in 0..6 {
        assert_eq!(client.get("/").text(), "yes");
    }
    // A POST was acted on, for all that is known.
    let posted: Vec<u16> = (0..6)
        .map(|_| client.ask("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx").status())
        .collect();
    assert_eq!((posted.iter().filter(|s| **s == 503).count(), posted.len()), (3, 6), "{posted:?}");
}

#[test]
fn retries_keep_to_their_budget() {
    let upstream = Origin::answering(|_| status(503, "no"));
    let weir = Setup::new(
        "routes: [ { name: all, service: origin, retry: { max: 3, when: [5xx], budget: 0%, budget_min: 0, backoff: 1ms } } ]",
    )
    .and(origin(upstream.port))
    .start();
    for _ in 0..10 {
        assert_eq!(get(weir.port, "/").status(), 503);
    }
    assert_eq!(upstream.count(), 10, "no budget, no retry");
}

#[test]
fn a_kept_connection_that_was_closed_costs_nobody_a_request() {
    // Each connection is closed after its second request, or while it stands idle.
    let upstream = Origin::scripted(|served| {
        for _ in 0..2 {
            if served.request().is_none() || !served.send(ok("ok")) {
                return;
            }
        }
    });
    let weir = Setup::new("routes: [ { name: all, service: origin, retry: { max: 0 } } ]")
        .and(origin(upstream.port))
        .start();
    let mut client = Client::connect(weir.port);
    for i in 0..200 {
        // Idempotent or not: nothing of an answer came, and the request was never read.
        let answer = if i % 2 == 0 {
            client.get("/")
        } else {
            client.ask("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx")
        };
        assert!(answer.status() == 200 || (i % 2 == 1 && answer.status() == 502), "{i}: {}", answer.text());
        if i % 10 == 0 {
            upstream.close_connections();
            sleep(5 * MS);
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

fn breaker_setup(sick: &Origin, more: &str) -> Setup {
    Setup::new(format!(
        "routes: [ {{ name: all, service: sick, retry: {{ max: 0 }} }} ]\nservices:\n  sick:\n    endpoints: [\"127.0.0.1:{}\"]\n    \
         breaker: {{ consecutive_failures: 4, open_for: 1s, half_open_requests: 2{} }}\n",
        sick.port, more
    ))
}

/// An origin that answers 500 for as long as it is told to.
fn sick_origin() -> (Origin, Arc<AtomicBool>) {
    let sick = Arc::new(AtomicBool::new(true));
    let origin = Origin::answering({
        let sick = sick.clone();
        move |_| if sick.load(Ordering::SeqCst) { status(500, "sick") } else { ok("well") }
    });
    (origin, sick)
}

#[test]
fn a_breaker_opens_probes_and_closes() {
    let (upstream, sick) = sick_origin();
    let weir = breaker_setup(&upstream, "").workers(2).start();
    let ask = || get(weir.port, "/");
    for _ in 0..4 {
        assert_eq!(ask().status(), 500);
    }
    let refused = ask();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.field("retry-after"), Some("1"), "{refused:?}");
    assert!(refused.text().contains("breaker") && refused.text().contains("sick"), "{}", refused.text());
    for _ in 0..10 {
        assert_eq!(ask().status(), 503);
    }
    assert_eq!(upstream.count(), 4, "nothing is sent while it is open");

    // Half-open, and still sick: one probe opens it again.
    sleep(1100 * MS);
    assert_eq!(ask().status(), 500);
    assert_eq!(ask().status(), 503);
    assert_eq!(upstream.count(), 5);

    // Half-open, and well: after its probes it is closed.
    sick.store(false, Ordering::SeqCst);
    sleep(1100 * MS);
    for _ in 0..10 {
        assert_eq!(ask().text(), "well");
    }
}

#[test]
fn a_half_open_breaker_lets_only_its_probes_through() {
    let slow = Arc::new(AtomicBool::new(false));
    let upstream = Origin::answering({
        let slow = slow.clone();
        move |_| {
            if slow.load(Ordering::SeqCst) {
                sleep(500 * MS);
                return ok("well");
            }
            status(500, "sick")
        }
    });
    let weir = breaker_setup(&upstream, "").workers(2).start();
    for _ in 0..4 {
        get(weir.port, "/");
    }
    slow.store(true, Ordering::SeqCst);
    sleep(1100 * MS);
    let asked: Vec<_> = (0..10)
        .map(|_| {
            spawn({
                let port = weir.port;
                move || get(port, "/").status()
            })
        })
        .collect();
    let answers: Vec<u16> = asked.into_iter().map(|a| a.join().expect("an answer")).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 2, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 503).count(), 8, "{answers:?}");
    assert_eq!(get(weir.port, "/").status(), 200);
}

#[test]
fn probes_that_are_given_up_are_given_back() {
    // Clients that leave while half-open, in whatever way, must not use the probes up for ever.
    let (upstream, sick) = sick_origin();
    let copies = Origin::saying("copy");
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: sick, retry: {{ max: 0 }}, mirror: copies }} ]\nservices:\n  copies: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  sick:\n    endpoints: [\"127.0.0.1:{}\"]\n    \
         breaker: {{ consecutive_failures: 4, open_for: 1s, half_open_requests: 2 }}\n",
        copies.port, upstream.port
    ))
    .start();
    for _ in 0..4 {
        get(weir.port, "/");
    }
    sleep(1100 * MS);
    for _ in 0..5 {
        let mut client = Client::connect(weir.port);
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nhalf of it");
        sleep(20 * MS);
    }
    sick.store(false, Ordering::SeqCst);
    eventually("the breaker closes", SOON, || get(weir.port, "/").status() == 200);
}

#[test]
fn an_open_breaker_hands_over_to_its_fallback() {
    let (upstream, _sick) = sick_origin();
    let spare = Origin::saying("spare");
    let weir = breaker_setup(&upstream, ", fallback: spare")
        .and(format!("  spare: {{ endpoints: [\"127.0.0.1:{}\"] }}", spare.port))
        .start();
    for _ in 0..4 {
        assert_eq!(get(weir.port, "/").status(), 500);
    }
    for _ in 0..5 {
        assert_eq!(get(weir.port, "/").text(), "spare");
    }
    assert_eq!(upstream.count(), 4);
}

#[test]
fn a_breaker_opens_on_a_share_of_failures_once_there_is_enough_to_tell() {
    let count = Arc::new(AtomicUsize::new(0));
    let upstream = Origin::answering({
        let count = count.clone();
        move |_| if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { ok("") } else { status(500, "") }
    });
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s, retry: {{ max: 0 }} }} ]\nservices:\n  s:\n    endpoints: [\"127.0.0.1:{}\"]\n    \
         breaker: {{ consecutive_failures: 0, failure_share: {{ share: 50%, window: 10s, minimum: 20 }}, open_for: 30s }}\n",
        upstream.port
    ))
    .start();
    for i in 0..20 {
        assert_ne!(get(weir.port, "/").status(), 503, "request {i}");
    }
    assert_eq!(get(weir.port, "/").status(), 503);
    assert_eq!(upstream.count(), 20);
}

#[test]
fn a_breaker_per_endpoint_takes_the_sick_one_out() {
    let sick = Origin::answering(|_| status(500, "sick"));
    let well = Origin::saying("well");
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s, retry: {{ max: 0 }} }} ]\nservices:\n  s:\n    endpoints: [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\n    \
         endpoint_breaker: {{ consecutive_failures: 3, open_for: 30s }}\n",
        sick.port, well.port
    ))
    .start();
    let answers: Vec<String> = (0..40).map(|_| get(weir.port, "/").text()).collect();
    assert_eq!(sick.count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|text| *text == "well").count(), 37);
}

#[test]
fn a_client_that_goes_away_cancels_its_request() {
    let left = Arc::new(AtomicUsize::new(0));
    let upstream = Origin::scripted({
        let left = left.clone();
        move |served| {
            let Some(request) = served.request() else { return };
            if request.target() == "/body" {
                served.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegun");
            }
            if served.is_left_within(SOON) {
                left.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let weir = Weir::to(upstream.port);
    for (n, path) in ["/head", "/body"].into_iter().enumerate() {
        let mut client = Client::connect(weir.port);
        client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"));
        if path == "/body" {
            client.head();
        }
        eventually("the request arrives", SOON, || upstream.count() == n + 1);
        drop(client);
        eventually("the upstream sees it end", Duration::from_secs(3), || {
            left.load(Ordering::SeqCst) == n + 1
        });
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_no_whole_request() {
    let upstream = Origin::saying("ok");
    let weir = Weir::to(upstream.port);
    for request in [
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let mut client = Client::connect(weir.port);
        client.send(request);
        sleep(50 * MS);
        drop(client);
    }
    eventually("both are cut off", SOON, || upstream.faults().len() == 2 && upstream.open() == 0);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_client_that_does_not_read_slows_its_upstream_and_fills_no_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let upstream = Origin::scripted({
        let sent = sent.clone();
        move |served| {
            if served.request().is_none() {
                return;
            }
            served.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
            let piece = vec![0; 64 * 1024];
            while served.send(&piece) {
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    });
    let weir = Setup::to(upstream.port).listener("timeouts: { send: 1s }").start();
    let before = weir.resident_kib();
    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.head();
    sleep(500 * MS);
    let first = sent.load(Ordering::SeqCst);
    sleep(200 * MS);
    assert_eq!(sent.load(Ordering::SeqCst), first, "the upstream is held back");
    assert!(weir.resident_kib() < before + 8 * 1024, "{} KiB, then {}", before, weir.resident_kib());
    eventually("both are let go", SOON, || upstream.open() == 0);
}

#[test]
fn after_trouble_everything_is_as_before() {
    let upstream = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            match request.target() {
                "/reset" => {
                    served.send("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf");
                    served.reset();
                    return;
                }
                "/close" => return,
                "/stall" => {
                    served.is_left_within(SOON);
                    return;
                }
                "/garbage" => {
                    served.send("garbage\r\n\r\n");
                    return;
                }
                _ => {
                    served.send(ok(vec![b'x'; 20_000]));
                }
            }
        }
    });
    let weir = Setup::new("routes: [ { name: all, service: origin, timeouts: { request: 200ms } } ]")
        .and(origin(upstream.port))
        .start();
    let round = |port: u16| {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                spawn(move || {
                    for path in ["/reset", "/close", "/stall", "/garbage", "/fine", "/fine"] {
                        let mut client = Client::connect(port);
                        client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"));
                        if i % 4 != 0 {
                            let answer = client.try_response("GET");
                            if path == "/fine" {
                                assert_eq!(answer.expect("an answer").body.len(), 20_000);
                            }
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
    };
    // Warm: allocator and pools have their size.
    for _ in 0..5 {
        round(weir.port);
    }
    upstream.close_connections();
    let settled = || {
        eventually("the upstream's connections end", SOON, || upstream.open() <= 8);
        weir.descriptors()
    };
    sleep(300 * MS);
    let (descriptors, memory) = (settled(), weir.resident_kib());
    for _ in 0..20 {
        round(weir.port);
    }
    upstream.close_connections();
    eventually("descriptors return to their level", SOON, || weir.descriptors() <= descriptors + 2);
    assert!(weir.resident_kib() <= memory + 6 * 1024, "{memory} KiB, then {} KiB", weir.resident_kib());
    assert_eq!(get(weir.port, "/fine").status(), 200);
}

#[test]
fn an_upload_that_the_upstream_breaks_off_is_a_502_or_a_closed_connection() {
    let upstream = Origin::scripted(|served| {
        if served.head().is_some() {
            let _ = served.reader.take(10_000);
            served.reset();
        }
    });
    let weir = Weir::to(upstream.port);
    for _ in 0..5 {
        let mut client = Client::connect(weir.port);
        client.send("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 5000000\r\n\r\n");
        let mut sending = client.socket().try_clone().expect("an open socket");
        let sender = spawn(move || {
            use std::io::Write;
            let _ = sending.write_all(&vec![b'x'; 5_000_000]);
        });
        match client.try_response("PUT") {
            Ok(answer) => assert_eq!(answer.status(), 502),
            Err(fault) => {
                assert!(matches!(fault, Fault::Closed | Fault::Reset | Fault::Truncated), "{fault:?}");
            }
        }
        drop(client);
        sender.join().expect("the sender ends");
    }
}
