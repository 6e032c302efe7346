//! Changes while it runs: no request and no WebSocket is lost, no verdict is reset, and what is wrong changes nothing.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use weir_tests::gateway::origin;
use weir_tests::load::Load;
use weir_tests::origin::{ok, status};
use weir_tests::peers::{peer, run};
use weir_tests::{Client, Message, Origin, Setup, Weir, eventually, free_port, get};

const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(10);

fn says(text: &str) -> String {
    format!("routes: [ {{ name: all, respond: {{ body: \"{text}\" }} }} ]")
}

fn is_ok(answer: &Message) -> bool {
    answer.status() == 200
}

/// A thousand changes of every kind, under load on two workers.
#[test]
fn a_thousand_changes_lose_no_request_and_no_websocket() {
    let (a, b) = (Origin::saying("from an origin"), Origin::saying("from an origin"));
    let socket = Origin::scripted(|served| {
        if served.request().is_none() {
            return;
        }
        served.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        while let Ok(bytes) = served.reader.take(1) {
            served.send(bytes);
        }
    });
    let weir = Setup::new(format!(
        "routes:\n  - {{ name: all, service: origin }}\n  - {{ name: socket, matches: [ {{ path: {{ prefix: /socket }} }} ], service: socket }}\n\
         services:\n  origin: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  socket: {{ endpoints: [\"127.0.0.1:{}\"] }}\n",
        a.port, socket.port
    ))
    .workers(2)
    .start();
    let mut tunnels: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = Client::connect(weir.port);
            client
                .send("GET /socket HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
            assert_eq!(client.head().status(), 101);
            client
        })
        .collect();
    let load =
        Load::start(weir.port, 6, "/load", |answer| is_ok(answer) && answer.text() == "from an origin");
    let other = free_port();
    let mut took: Vec<f64> = Vec::new();
    for i in 0..1000 {
        let answer = match i % 5 {
            0 => weir.put(
                "routes/extra",
                &format!("{{ matches: [ {{ path: {{ exact: /extra/{i} }} }} ], respond: {{}} }}"),
            ),
            1 => {
                let port = if i % 2 == 0 { a.port } else { b.port };
                weir.put("services/origin", &format!("{{ endpoints: [\"127.0.0.1:{port}\"] }}"))
            }
            2 => weir.put(
                "routes/all",
                &format!("{{ service: origin, timeouts: {{ request: {}s }} }}", 30 + i % 7),
            ),
            3 => weir.put("listeners/other", &format!("{{ address: \"127.0.0.1:{other}\" }}")),
            _ => {
                assert_eq!(
                    get(other, &format!("/extra/{}", i - 4)).status(),
                    200,
                    "what was acknowledged is live"
                );
                weir.operate("DELETE", "/config/listeners/other", "", "")
            }
        };
        let text = answer.text();
        let ms: Option<f64> = text
            .split("live in ")
            .nth(1)
            .and_then(|rest| rest.split(" ms").next())
            .and_then(|ms| ms.parse().ok());
        took.extend(ms);
        if i % 100 == 0 {
            for tunnel in &mut tunnels {
                tunnel.send("x");
                assert_eq!(tunnel.take(1).as_deref(), Ok(&b"x"[..]), "after {i} changes");
            }
        }
    }
    let (done, failures) = load.finish();
    assert!(
        failures.is_empty(),
        "{} of {done} failed: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    assert!(done > 1000, "{done} requests are no load");
    for tunnel in &mut tunnels {
        tunnel.send("y");
        assert_eq!(tunnel.take(1).as_deref(), Ok(&b"y"[..]));
    }
    assert!(took.len() > 900, "answers say how long it took: {}", took.len());
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    assert!(median <= 50.0, "the median change took {median} ms, the longest {:?}", took.last());
    eprintln!("1,000 changes: median {median} ms, longest {:?} ms; {done} requests", took.last());
}

#[test]
fn real_load_sees_nothing_of_changes() {
    let Some(wrk) = peer("live", "wrk") else { return };
    let upstream = Origin::saying("ok");
    let mut weir = Setup::to(upstream.port).workers(2).start();
    let url = format!("http://127.0.0.1:{}/", weir.port);
    let load = spawn(move || run(&wrk, &["-t1", "-c16", "-d3s", "--timeout", "2s", &url]));
    let services = origin(upstream.port);
    for i in 0..25 {
        weir.rewrite(format!(
            "routes:\n  - {{ name: all, service: origin, timeouts: {{ request: {}s }} }}\n  \
             - {{ name: r{i}, matches: [ {{ path: {{ prefix: /r{i} }} }} ], respond: {{}} }}\n{services}",
            10 + i
        ));
        sleep(110 * MS);
    }
    let (_, said) = load.join().expect("wrk ends");
    assert!(said.contains("Requests/sec"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
}

#[test]
fn a_file_that_changes_is_taken_over_and_the_log_says_so_in_words() {
    let upstream = Origin::saying("ok");
    let services = origin(upstream.port);
    let text = |timeout: &str| {
        format!(
            "routes: [ {{ name: orders, service: origin, timeouts: {{ request: {timeout} }} }} ]\n{services}"
        )
    };
    let mut weir = Setup::new(text("30s")).start();
    let load = Load::start(weir.port, 4, "/", is_ok);
    weir.rewrite(text("5s"));
    eventually("the log says what changed", SOON, || {
        let log = weir.log();
        log.contains("route orders:") && log.contains("30s → 5s") && log.contains("live in")
    });
    for i in 0..10 {
        weir.rewrite(says(&format!("{i}")));
        eventually("the change is live", SOON, || get(weir.port, "/").text() == format!("{i}"));
    }
    let (_, failures) = load.finish();
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn files_may_be_written_in_place_renamed_or_linked() {
    let weir = Setup::new(says("start")).start();
    let text = |what: &str| Setup::new(says(what)).render_for(&weir);
    let live = |what: &str| eventually(what, SOON, || get(weir.port, "/").text() == what);
    fs::write(weir.config(), text("in place")).expect("a folder of our own");
    live("in place");
    weir.replace("weir.yaml", text("renamed").as_bytes());
    live("renamed");

    // What Kubernetes does with a ConfigMap: the file is a link through `..data`, which is swapped.
    let dir = weir.dir.path();
    let version = |name: &str, what: &str| {
        fs::create_dir(dir.join(name)).expect("a folder of our own");
        fs::write(dir.join(name).join("weir.yaml"), text(what)).expect("a folder of our own");
        symlink(name, dir.join("..next")).expect("a folder of our own");
        fs::rename(dir.join("..next"), dir.join("..data")).expect("a folder of our own");
    };
    version("..one", "linked");
    symlink("..data/weir.yaml", dir.join("link")).expect("a folder of our own");
    fs::rename(dir.join("link"), weir.config()).expect("a folder of our own");
    live("linked");
    version("..two", "swapped");
    live("swapped");
    version("..three", "swapped again");
    live("swapped again");
}

#[test]
fn a_change_that_is_wrong_is_refused_and_the_old_one_serves_on() {
    let mut weir = Setup::new(says("old")).start();
    let load = Load::start(weir.port, 2, "/", |answer| {
        is_ok(answer) && matches!(answer.text().as_str(), "old" | "new")
    });
    weir.rewrite("routes: [ { name: all, respnd: { body: new } } ]");
    eventually("the log says what is wrong", SOON, || {
        let log = weir.log();
        log.contains("respnd") && log.contains("respond")
    });
    for text in [
        "routes: [",
        "routes: [ { name: all, service: nowhere } ]",
        "routes: [ { name: all, respond: { body: new }, timeouts: { request: 5 } } ]",
    ] {
        weir.rewrite(text);
        sleep(300 * MS);
        assert_eq!(get(weir.port, "/").text(), "old");
    }
    let answer = weir.operate("PUT", "/config/routes/all", "", "{ service: nowhere }");
    assert_eq!(answer.status(), 422, "{}", answer.text());
    assert!(answer.text().contains("nowhere"), "{}", answer.text());
    // A listener whose port somebody else has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("a bound socket").port();
    let answer =
        weir.operate("PUT", "/config/listeners/other", "", &format!("{{ address: \"127.0.0.1:{port}\" }}"));
    assert_eq!(answer.status(), 409, "{}", answer.text());
    assert_eq!(get(weir.port, "/").text(), "old");
    weir.rewrite(says("new"));
    eventually("a right one is taken", SOON, || get(weir.port, "/").text() == "new");
    let (_, failures) = load.finish();
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn edits_that_meet_are_told_apart_by_their_tags() {
    let weir = Setup::new(says("first")).start();
    let read = weir.operate("GET", "/config/routes/all", "", "");
    let tag = read.field("etag").expect("a tag").to_owned();
    let write = |text: &str| {
        weir.operate(
            "PUT",
            "/config/routes/all",
            &format!("if-match: {tag}\r\n"),
            &format!("{{ respond: {{ body: {text} }} }}"),
        )
    };
    assert_eq!(write("second").status(), 200);
    assert_eq!(write("third").status(), 412);
    assert_eq!(get(weir.port, "/").text(), "second");
    let unsigned = Client::connect(weir.admin)
        .ask("PUT /config/routes/all HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}");
    assert_eq!(unsigned.status(), 401);
    let foreign = Client::connect(weir.admin).ask("GET /config HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    assert_eq!(foreign.status(), 403);
}

#[test]
fn a_websocket_outlives_its_route_its_service_and_its_listener_s_settings() {
    let upstream = Origin::scripted(|served| {
        if served.request().is_none() {
            return;
        }
        served.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        while let Ok(bytes) = served.reader.take(4) {
            served.send(bytes);
        }
    });
    let mut weir = Weir::to(upstream.port);
    let mut client = Client::connect(weir.port);
    client.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    for text in [says("one"), says("two")] {
        weir.rewrite(text);
        sleep(300 * MS);
        client.send("ping");
        assert_eq!(client.take(4).as_deref(), Ok(&b"ping"[..]));
    }
    assert_eq!(get(weir.port, "/").text(), "two");
}

#[test]
fn reloading_ten_times_a_second_changes_no_verdict() {
    let sick = Origin::answering(|_| status(500, "sick"));
    let text = |i: usize| {
        format!(
            "routes:\n  - {{ name: limited, matches: [ {{ path: {{ prefix: /limited }} }} ], respond: {{ body: \"{i}\" }}, rate_limits: [ {{ algorithm: token_bucket, key: {{ header: x-user }}, requests: 5, per: 1h, burst: 5 }} ] }}\n  \
             - {{ name: windowed, matches: [ {{ path: {{ prefix: /windowed }} }} ], service: windowed }}\n  \
             - {{ name: sick, matches: [ {{ path: {{ prefix: /sick }} }} ], service: sick, retry: {{ max: 0 }}, timeouts: {{ request: {}s }} }}\n\
             services:\n  sick: {{ endpoints: [\"127.0.0.1:{port}\"], breaker: {{ consecutive_failures: 3, open_for: 1h }} }}\n  \
             windowed: {{ endpoints: [\"127.0.0.1:{port}\"], rate_limits: [ {{ algorithm: sliding_window, requests: 5, per: 1h }} ] }}\n",
            10 + i,
            port = sick.port
        )
    };
    let mut weir = Setup::new(text(0)).workers(2).start();
    let ask = |weir: &Weir, path: &str| {
        Client::connect(weir.port)
            .ask(format!("GET {path} HTTP/1.1\r\nhost: h\r\nx-user: a\r\n\r\n"))
            .status()
    };
    let (mut limited, mut windowed, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for i in 1..=20 {
        limited.push(ask(&weir, "/limited"));
        windowed.push(ask(&weir, "/windowed"));
        failed.push(ask(&weir, "/sick"));
        weir.rewrite(text(i));
        sleep(110 * MS);
    }
    eventually("changes were taken over meanwhile", SOON, || weir.log().matches("live in").count() >= 5);
    let expect = |first: &[u16], then: u16| [first, &vec![then; 20 - first.len()]].concat();
    assert_eq!(limited, expect(&[200; 5], 429));
    assert_eq!(windowed, expect(&[500; 5], 429));
    assert_eq!(failed, expect(&[500; 3], 503));
}

/// An origin that answers when it is told to.
fn held() -> (Origin, Arc<AtomicBool>) {
    let release = Arc::new(AtomicBool::new(false));
    let origin = Origin::answering({
        let release = release.clone();
        move |_| {
            while !release.load(Ordering::SeqCst) {
                sleep(5 * MS);
            }
            ok("late")
        }
    });
    (origin, release)
}

#[test]
fn sigterm_drains() {
    let (upstream, release) = held();
    let mut weir = Setup::to(upstream.port).workers(2).start();
    let mut idle = Client::connect(weir.port);
    idle.send("GET /none HTTP/1.1\r\n");
    let mut kept = Client::connect(weir.port);
    let mut asking = Client::connect(weir.port);
    asking.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    eventually("the request is on its way", SOON, || upstream.accepted() == 1);
    weir.signal("TERM");
    eventually("nobody is let in any more", SOON, || TcpStream::connect(("127.0.0.1", weir.port)).is_err());
    assert!(kept.is_closed(), "an idle connection is closed");
    release.store(true, Ordering::SeqCst);
    let answer = asking.response("GET");
    assert_eq!((answer.text().as_str(), answer.field("connection")), ("late", Some("close")));
    drop(idle);
    assert!(weir.wait(SOON).success(), "{}", weir.log());
    assert!(weir.log().contains("weir gateway ended"), "{}", weir.log());
    eventually("the record of the request was flushed", SOON, || weir.log().contains("\"status\":200"));
}

#[test]
fn a_drain_ends_in_time() {
    let (upstream, _release) = held();
    let mut weir = Setup::to(upstream.port).listener("timeouts: { drain: 500ms }").start();
    let mut asking = Client::connect(weir.port);
    asking.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    eventually("the request is on its way", SOON, || upstream.accepted() == 1);
    let begun = Instant::now();
    weir.signal("TERM");
    weir.wait(SOON);
    assert!((400..4000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(asking.is_closed());
}

#[test]
fn a_listener_that_is_taken_away_lets_its_requests_end() {
    let (upstream, release) = held();
    let weir = Weir::to(upstream.port);
    let other = free_port();
    weir.put("listeners/other", &format!("{{ address: \"127.0.0.1:{other}\" }}"));
    let mut asking = Client::connect(other);
    asking.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let mut idle = Client::connect(other);
    eventually("the request is on its way", SOON, || upstream.accepted() == 1);
    assert_eq!(weir.operate("DELETE", "/config/listeners/other", "", "").status(), 200);
    assert!(TcpStream::connect(("127.0.0.1", other)).is_err());
    assert!(idle.is_closed());
    release.store(true, Ordering::SeqCst);
    assert_eq!(asking.response("GET").text(), "late");
    assert!(asking.is_closed());
    weir.put("listeners/other", &format!("{{ address: \"127.0.0.1:{other}\" }}"));
    assert_eq!(get(other, "/").text(), "late");
}

#[test]
fn an_endpoint_that_is_taken_away_lets_its_requests_end() {
    let (old, release) = held();
    let new = Origin::saying("new");
    let weir = Weir::to(old.port);
    let mut asking = Client::connect(weir.port);
    asking.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    eventually("the request is on its way", SOON, || old.accepted() == 1);
    weir.put("services/origin", &format!("{{ endpoints: [\"127.0.0.1:{}\"] }}", new.port));
    assert_eq!(get(weir.port, "/").text(), "new");
    release.store(true, Ordering::SeqCst);
    assert_eq!(asking.response("GET").text(), "late");
    assert_eq!(asking.get("/").text(), "new", "the client's connection goes on");
    eventually("its connections end", SOON, || old.open() == 0);
}

#[test]
fn what_weir_says_of_itself() {
    let upstream = Origin::saying("ok");
    let weir = Weir::to(upstream.port);
    for _ in 0..3 {
        get(weir.port, "/");
    }
    get(weir.port, "/");
    assert_eq!(get(weir.admin, "/healthz").status(), 200);
    assert_eq!(get(weir.admin, "/readyz").status(), 200);
    for (path, expect) in
        [("/routes", "all"), ("/services", "origin"), ("/listeners", "web"), ("/config", "endpoints")]
    {
        let answer = get(weir.admin, path);
        assert!(is_ok(&answer) && answer.text().contains(expect), "{path}: {}", answer.text());
    }
    eventually("requests are counted", SOON, || {
        let metrics = get(weir.admin, "/metrics").text();
        metrics.lines().any(|l| {
            l.starts_with("weir_requests_total{") && l.contains("route=\"all\"") && l.ends_with(" 4")
        })
    });
    eventually("requests are logged", SOON, || {
        weir.log()
            .lines()
            .filter(|l| l.contains("\"route\":\"all\"") && l.contains("\"service\":\"origin\""))
            .count()
            == 4
    });
}

#[test]
fn sighup_reads_everything_again_and_opens_the_log_again() {
    let weir = Setup::new(says("ok")).access_log("{ format: json, file: access.log }").start();
    let lines =
        |name: &str| fs::read_to_string(weir.dir.path().join(name)).unwrap_or_default().lines().count();
    get(weir.port, "/");
    eventually("a record is written", SOON, || lines("access.log") == 1);
    fs::rename(weir.dir.path().join("access.log"), weir.dir.path().join("old.log"))
        .expect("a folder of our own");
    weir.signal("HUP");
    eventually("the log is opened again", SOON, || weir.dir.path().join("access.log").exists());
    get(weir.port, "/");
    eventually("a record is written to it", SOON, || lines("access.log") == 1);
    assert_eq!(lines("old.log"), 1);
}
