//! What one client may take from the others: bytes, time, connections, requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use weir_tests::gateway::origin;
use weir_tests::origin::ok;
use weir_tests::peers::{peer, run};
use weir_tests::{Client, Fault, Origin, Setup, Weir, eventually, get};

const MS: Duration = Duration::from_millis(1);

#[test]
fn heads_have_limits() {
    let upstream = Origin::saying("ok");
    let weir = Setup::to(upstream.port).listener("limits: { head: 4KiB, target: 256, fields: 10 }").start();
    let check = |name: &str, request: String, expect: u16| {
        let mut client = Client::connect(weir.port);
        client.send(&request);
        assert_eq!(client.response("GET").status(), expect, "{name}");
        assert_eq!(expect == 200, !client.is_closed_soon(), "{name}: closed exactly when refused");
    };
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(len - 1));
    check("a target at the limit", target(256), 200);
    check("a target beyond it", target(257), 414);
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    check("as many fields as allowed", fields(10), 200);
    check("one more", fields(11), 431);
    let head = |len: usize| {
        let frame = "GET / HTTP/1.1\r\nhost: h\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "a".repeat(len - frame))
    };
    check("a head at the limit", head(4096), 200);
    check("a head beyond it", head(4097), 431);
    check("a head that never ends", format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}", "a".repeat(100_000)), 431);
}

trait ClosedSoon {
    fn is_closed_soon(&mut self) -> bool;
}

impl ClosedSoon for Client {
    fn is_closed_soon(&mut self) -> bool {
        !self.stays_open(100 * MS)
    }
}

#[test]
fn bodies_have_limits() {
    let upstream = Origin::answering(|request| ok(request.body.len().to_string()));
    let weir = Setup::new(
        "routes:\n  - { name: all, service: origin }\n  \
         - { name: more, matches: [ { path: { prefix: /more } } ], max_body: 4KiB, service: origin }",
    )
    .and(origin(upstream.port))
    .listener("limits: { body: 1KiB }")
    .start();
    let check = |path: &str, len: usize, chunked: bool, expect: u16| {
        upstream.forget();
        let mut client = Client::connect(weir.port);
        let body = "b".repeat(len);
        if chunked {
            client.send(format!(
                "POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n"
            ));
        } else {
            client.send(format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {len}\r\n\r\n{body}"));
        }
        let answer = client.response("POST");
        assert_eq!(answer.status(), expect, "{path} {len} chunked {chunked}");
        assert_eq!(
            upstream.count(),
            usize::from(expect == 200),
            "the origin never has a whole request that is too large"
        );
    };
    for chunked in [false, true] {
        check("/", 1024, chunked, 200);
        check("/", 1025, chunked, 413);
        check("/more", 4096, chunked, 200);
        check("/more", 4097, chunked, 413);
    }
    // A length alone is enough to be refused.
    let mut client = Client::connect(weir.port);
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1025\r\n\r\n");
    assert_eq!(client.response("POST").status(), 413);
}

#[test]
fn slow_heads_are_answered_408_however_they_drip() {
    let upstream = Origin::saying("ok");
    let weir =
        Setup::to(upstream.port).listener("timeouts: { head: 400ms, idle: 600ms, body: 400ms }").start();
    let took = |begun: Instant| begun.elapsed().as_millis();

    let begun = Instant::now();
    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.1\r\nhost:");
    assert_eq!(client.response("GET").status(), 408);
    assert!(client.is_closed() && (350..1500).contains(&took(begun)), "{}", took(begun));

    // A byte now and then buys no more time.
    let begun = Instant::now();
    let mut client = Client::connect(weir.port);
    let mut dripping = client.socket().try_clone().expect("an open socket");
    spawn(move || {
        use std::io::Write;
        for byte in b"GET / HTTP/1.1\r\nx: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            let _ = dripping.write_all(&[*byte]);
            sleep(40 * MS);
        }
    });
    assert_eq!(client.response("GET").status(), 408);
    assert!(took(begun) < 1500, "{}", took(begun));

    // One that says nothing, and one that has nothing more to say, are closed without a word.
    let begun = Instant::now();
    let mut silent = Client::connect(weir.port);
    let mut kept = Client::connect(weir.port);
    assert_eq!(kept.get("/").status(), 200);
    assert_eq!(silent.try_response("GET"), Err(Fault::Closed));
    assert_eq!(kept.try_response("GET"), Err(Fault::Closed));
    assert!((350..2500).contains(&took(begun)), "{}", took(begun));
}

#[test]
fn slow_bodies_are_answered_408_and_free_the_upstream() {
    let upstream = Origin::saying("ok");
    let weir = Setup::to(upstream.port).listener("timeouts: { body: 300ms }").start();
    let mut client = Client::connect(weir.port);
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc");
    assert_eq!(client.response("POST").status(), 408);
    assert!(client.is_closed());
    eventually("the upstream's connection is closed", Duration::from_secs(3), || upstream.open() == 0);
    assert_eq!(upstream.count(), 0);

    // Slow, but within bounds at every step.
    let mut client = Client::connect(weir.port);
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\n");
    for _ in 0..8 {
        sleep(100 * MS);
        client.send("x");
    }
    assert_eq!(client.response("POST").status(), 200);
}

/// Others are served while `slowhttptest` does its worst with 100 connections.
fn slow_attack(mode: &[&str]) {
    let Some(program) = peer("limits", "slowhttptest") else { return };
    let _busy = MACHINE.read();
    let upstream = Origin::answering(|_| ok(vec![b'x'; 200_000]));
    let weir = Setup::to(upstream.port).listener("timeouts: { head: 2s, body: 2s, send: 2s }").start();
    let url = format!("http://127.0.0.1:{}/", weir.port);
    let attack = spawn({
        let args: Vec<String> = [mode, &["-c", "100", "-r", "100", "-i", "1", "-l", "5", "-u", &url]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        move || run(&program, &args.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        assert_eq!(get(weir.port, "/").status(), 200);
        slowest = slowest.max(asked.elapsed());
        sleep(50 * MS);
    }
    let (_, said) = attack.join().expect("the attack ends");
    assert!(slowest < Duration::from_secs(1), "others waited {slowest:?}");
    assert!(said.contains("YES"), "{said}");
    eventually("all are let go", Duration::from_secs(5), || weir.descriptors() < 60);
}

#[test]
fn slow_heads_hold_nothing_up() {
    slow_attack(&["-H"]);
}

#[test]
fn slow_bodies_hold_nothing_up() {
    slow_attack(&["-B"]);
}

#[test]
fn slow_readers_hold_nothing_up() {
    slow_attack(&["-X", "-k", "3", "-n", "1", "-w", "10", "-y", "20", "-z", "5"]);
}

#[test]
fn connections_have_a_limit_per_listener() {
    let upstream = Origin::saying("ok");
    let weir = Setup::to(upstream.port).listener("max_connections: 4").start();
    // The one that looked whether it listens has to be gone.
    let full = |weir: &Weir| {
        let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(weir.port)).collect();
        clients
            .iter_mut()
            .all(|client| client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").try_response("GET").is_ok())
            .then_some(clients)
    };
    let mut clients = None;
    eventually("four are let in", Duration::from_secs(5), || {
        clients = full(&weir);
        clients.is_some()
    });
    let mut clients = clients.expect("four");
    assert!(Client::connect(weir.port).is_closed(), "the fifth is closed at once");
    for client in &mut clients {
        assert_eq!(client.get("/").status(), 200);
    }
    clients.pop();
    eventually("there is room again", Duration::from_secs(5), || {
        Client::connect(weir.port).send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").try_response("GET").is_ok()
    });
}

#[test]
fn requests_in_flight_have_a_limit_per_service() {
    let upstream = Origin::scripted(|served| {
        while served.request().is_some() {
            sleep(400 * MS);
            served.send(ok("slow"));
        }
    });
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s }} ]\nservices: {{ s: {{ endpoints: [\"127.0.0.1:{}\"], limits: {{ max_requests: 2 }} }} }}",
        upstream.port
    ))
    .workers(2)
    .start();
    let asked: Vec<_> = (0..6)
        .map(|_| {
            spawn({
                let port = weir.port;
                move || get(port, "/")
            })
        })
        .collect();
    let answers: Vec<_> = asked.into_iter().map(|a| a.join().expect("an answer")).collect();
    let count = |status| answers.iter().filter(|answer| answer.status() == status).count();
    assert_eq!((count(200), count(503)), (2, 4), "{answers:?}");
    assert!(answers.iter().any(|a| a.text().contains("limit of concurrent requests")), "{answers:?}");
    assert_eq!(get(weir.port, "/").status(), 200, "the place is free again");
}

/// Attacks share the machine with each other, but not with a measurement.
static MACHINE: RwLock<()> = RwLock::new(());

/// Asks on many connections for a while, and gives back how many were let through and the time from the first request to
/// the last that was.
fn pound(port: u16, span: Duration, header: &'static str) -> (usize, Duration) {
    let _alone = MACHINE.write();
    let passed = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(Mutex::new(Duration::ZERO));
    let begun = Instant::now();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (passed, last) = (passed.clone(), last.clone());
            spawn(move || {
                let mut client = Client::connect(port);
                while begun.elapsed() < span {
                    let answer = client.ask(format!("GET / HTTP/1.1\r\nhost: h\r\n{header}\r\n"));
                    match answer.status() {
                        200 => {
                            passed.fetch_add(1, Ordering::Relaxed);
                            let mut last = last.lock().expect("no panic under load");
                            *last = begun.elapsed().max(*last);
                        }
                        429 => {}
                        other => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic under load");
    }
    let last = *last.lock().expect("no panic under load");
    (passed.load(Ordering::Relaxed), last)
}

#[test]
fn a_token_bucket_gives_the_same_verdict_with_one_worker_and_with_two() {
    for workers in [1, 2] {
        let weir = Setup::new(
            "routes:\n  - name: all\n    respond: {}\n    rate_limits: [ { algorithm: token_bucket, key: { header: x-user }, requests: 400, per: 1s, burst: 200 } ]",
        )
        .workers(workers)
        .start();
        let (passed, took) = pound(weir.port, Duration::from_secs(3), "x-user: a\r\n");
        let expect = 200.0 + 400.0 * took.as_secs_f64();
        let error = (passed as f64 - expect).abs() / expect;
        assert!(error <= 0.01, "{workers} workers: {passed} passed, {expect:.0} expected");
        // Another caller has a bucket of its own.
        let other = Client::connect(weir.port).ask("GET / HTTP/1.1\r\nhost: h\r\nx-user: b\r\n\r\n");
        assert_eq!(other.status(), 200);
    }
}

#[test]
fn a_sliding_window_gives_the_same_verdict_with_one_worker_and_with_two() {
    for workers in [1, 2] {
        let upstream = Origin::saying("ok");
        let weir = Setup::new(format!(
            "routes: [ {{ name: all, service: s }} ]\nservices:\n  s:\n    endpoints: [\"127.0.0.1:{}\"]\n    rate_limits: [ {{ algorithm: sliding_window, requests: 300, per: 1s }} ]",
            upstream.port
        ))
        .workers(workers)
        .start();
        let (passed, took) = pound(weir.port, Duration::from_millis(3500), "");
        // At most 300 in any second; the first 300 come at once.
        let most = 300.0 * (took.as_secs_f64().floor() + 1.0) * 1.01;
        let least = 300.0 * took.as_secs_f64() * 0.99;
        assert!(
            (least..=most).contains(&(passed as f64)),
            "{workers} workers: {passed} passed, {least:.0} to {most:.0} expected"
        );
        assert_eq!(upstream.count(), passed, "no refused request was sent on");
    }
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let weir = Setup::new(
        "routes:\n  - name: orders\n    respond: {}\n    rate_limits: [ { algorithm: token_bucket, key: { header: x-user }, requests: 2, per: 10s, burst: 2 } ]",
    )
    .start();
    let mut client = Client::connect(weir.port);
    let mut ask = || client.ask("GET / HTTP/1.1\r\nhost: h\r\nx-user: a\r\n\r\n");
    for left in [1, 0] {
        let answer = ask();
        assert_eq!(answer.status(), 200);
        let state = answer.field("ratelimit").expect("where the client stands").to_owned();
        assert!(state.contains("orders") && state.contains(&format!("r={left}")), "{state}");
        assert!(answer.field("ratelimit-policy").is_some_and(|policy| policy.contains("q=2")), "{answer:?}");
    }
    let refused = ask();
    assert_eq!((refused.status(), refused.field("connection")), (429, None));
    let wait: u64 = refused.field("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    assert!(refused.field("ratelimit").is_some_and(|state| state.contains("r=0")), "{refused:?}");
    assert!(refused.text().contains("rate limit") && refused.text().contains("orders"), "{}", refused.text());
}

#[test]
fn a_request_without_a_key_shares_passes_or_is_refused() {
    let limit = |missing: &str| {
        format!(
            "rate_limits: [ {{ algorithm: token_bucket, key: {{ header: x-user }}, requests: 1, per: 1h, burst: 1, missing: {missing} }} ]"
        )
    };
    let route = |name: &str| {
        format!(
            "  - {{ name: {name}, matches: [ {{ path: {{ prefix: /{name} }} }} ], respond: {{}}, {} }}\n",
            limit(name)
        )
    };
    let weir = Setup::new(format!("routes:\n{}{}{}", route("shared"), route("skip"), route("deny"))).start();
    let statuses = |path: &str| [0, 1, 2].map(|_| get(weir.port, path).status());
    assert_eq!(statuses("/shared"), [200, 429, 429]);
    assert_eq!(statuses("/skip"), [200, 200, 200]);
    assert_eq!(statuses("/deny"), [429, 429, 429]);
}

#[test]
fn keys_may_be_addresses_cookies_and_query_parameters() {
    let route = |name: &str, key: &str| {
        format!(
            "  - {{ name: {name}, matches: [ {{ path: {{ prefix: /{name} }} }} ], respond: {{}}, rate_limits: [ {{ algorithm: token_bucket, key: {key}, requests: 1, per: 1h, burst: 1 }} ] }}\n"
        )
    };
    let weir = Setup::new(format!(
        "routes:\n{}{}{}",
        route("address", "address"),
        route("cookie", "{ cookie: id }"),
        route("query", "{ query: key }")
    ))
    .listener("trusted_proxies: [127.0.0.1/32]")
    .start();
    let ask = |target: &str, field: &str| {
        Client::connect(weir.port)
            .ask(format!("GET {target} HTTP/1.1\r\nhost: h\r\n{field}\r\n\r\n"))
            .status()
    };
    for (target, one, other) in [
        ("/address", "x-forwarded-for: 192.0.2.1", "x-forwarded-for: 192.0.2.2"),
        ("/cookie", "cookie: a=b; id=1", "cookie: id=2"),
    ] {
        assert_eq!([ask(target, one), ask(target, one), ask(target, other)], [200, 429, 200], "{target}");
    }
    assert_eq!(
        [ask("/query?key=1", "a: b"), ask("/query?x&key=1", "a: b"), ask("/query?key=2", "a: b")],
        [200, 429, 200]
    );
}
