//! Which request goes where, and what is done to it on the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use weir_tests::origin::ok;
use weir_tests::{Client, Message, Origin, Setup, eventually, get};

const API: &str = "Host: api.example.com\r\n";
const OLD: &str = "Host: old.example.com\r\n";

/// Requests that shares are taken of.
const ALL: usize = 4000;

#[track_caller]
fn ask(port: u16, method: &str, target: &str, fields: &str) -> Message {
    let host = if fields.to_lowercase().contains("host:") { "" } else { "host: localhost\r\n" };
    Client::connect(port).ask(format!("{method} {target} HTTP/1.1\r\n{host}{fields}\r\n"))
}

#[test]
fn requests_take_the_route_that_says_the_most_about_them() {
    let route =
        |name: &str, keys: &str| format!("  - {{ name: {name}, {keys}, respond: {{ body: {name} }} }}\n");
    let weir = Setup::new(format!(
        "routes:\n{}{}{}{}{}{}{}{}{}{}{}",
        route("any", "hosts: []"),
        route("wild", "hosts: [\"*.example.org\"]"),
        route("wilder", "hosts: [\"*.api.example.org\"]"),
        route("host", "hosts: [api.example.com]"),
        route("prefix", "hosts: [api.example.com], matches: [ { path: { prefix: /orders } } ]"),
        route("longer", "hosts: [api.example.com], matches: [ { path: { prefix: /orders/old } } ]"),
        route("exact", "hosts: [api.example.com], matches: [ { path: { exact: /orders/7 } } ]"),
        route("regex", "hosts: [old.example.com], matches: [ { path: { regex: '/v\\d+/orders(/.*)?' } } ]"),
        route("method", "hosts: [api.example.com], matches: [ { path: { prefix: /orders }, methods: [DELETE] } ]"),
        route("header", "hosts: [api.example.com], matches: [ { path: { prefix: /orders }, headers: { x-tier: gold } } ]"),
        route("query", "hosts: [api.example.com], matches: [ { path: { prefix: /find }, query: { kind: { regex: 'a+' } } } ]"),
    ))
    .start();
    let check = |request: &str, fields: &str, expect: &str| {
        let (method, target) = request.split_once(' ').expect("method and target");
        assert_eq!(ask(weir.port, method, target, fields).text(), expect, "{request} {fields}");
    };
    check("GET /", "host: localhost\r\n", "any");
    check("GET /", "host: a.example.org\r\n", "wild");
    check("GET /", "host: a.b.example.org:8080\r\n", "wild");
    check("GET /", "host: example.org\r\n", "any");
    check("GET /", "host: evilexample.org\r\n", "any");
    check("GET /", "host: x.api.example.org\r\n", "wilder");
    check("GET /x", "host: API.Example.COM:99\r\n", "host");
    check("GET /x", "host: api.example.com.\r\n", "host");
    check("GET /orders", API, "prefix");
    check("GET /orders/1?a", API, "prefix");
    check("GET /ordersx", API, "host");
    check("GET /orders/old/1", API, "longer");
    check("GET /orders/7", API, "exact");
    check("GET /orders/7/x", API, "prefix");
    check("GET /v12/orders/1", OLD, "regex");
    check("GET /v12/orders", OLD, "regex");
    check("GET /v/orders", OLD, "any");
    check("GET /a/v1/orders", OLD, "any");
    check("GET /v1/ordersx", OLD, "any");
    check("DELETE /orders/1", API, "method");
    check("GET /orders/1", "Host: api.example.com\r\nX-Tier: gold\r\n", "header");
    check("GET /orders/1", "Host: api.example.com\r\nX-Tier: golden\r\n", "prefix");
    check("GET /find?kind=aaa", API, "query");
    check("GET /find?kind=%61&x", API, "query");
    check("GET /find?kind=ab", API, "host");
    // The normal form of a path is what is looked at.
    check("GET /x/../orders/./7", API, "exact");
    check("GET //orders//7", API, "exact");
    check("GET /%6frders/7", API, "exact");
    check("GET /orders%2F7", API, "host");
}

#[test]
fn only_the_order_counts_where_that_is_asked_for() {
    let weir = Setup::new(
        "route_order: listed\nroutes:\n  - { name: first, respond: { body: first } }\n  \
         - { name: exact, matches: [ { path: { exact: /a } } ], respond: { body: exact } }",
    )
    .start();
    assert_eq!(get(weir.port, "/a").text(), "first");
}

#[test]
fn routes_may_belong_to_one_listener() {
    let port = weir_tests::free_port();
    let weir = Setup::new(format!(
        "  - {{ name: other, address: 127.0.0.1:{port} }}\nroutes:\n  - {{ name: one, listeners: [web], respond: {{ body: one }} }}\n  \
         - {{ name: two, listeners: [other], respond: {{ body: two }} }}"
    ))
    .start();
    assert_eq!((get(weir.port, "/").text().as_str(), get(port, "/").text().as_str()), ("one", "two"));
}

#[test]
fn paths_arrive_in_their_normal_form() {
    let upstream = Origin::answering(|request| ok(request.target()));
    let weir = weir_tests::Weir::to(upstream.port);
    for (sent, arrives) in [
        ("/a/./b/../c", "/a/c"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("//a///b", "/a/b"),
        ("/%61%2fb%2Fc", "/a%2Fb%2Fc"),
        ("/a?x=/../y", "/a?x=/../y"),
        ("/a/%2e%2e/b", "/b"),
        ("/?", "/?"),
    ] {
        assert_eq!(get(weir.port, sent).text(), arrives, "{sent}");
    }
}

#[test]
fn backends_get_their_shares() {
    let origins: Vec<Origin> = ["a", "b", "c"].map(Origin::saying).into();
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, backends: [ {{ service: a, weight: 6 }}, {{ service: b, weight: 3 }}, {{ service: c, weight: 1 }} ] }} ]\n\
         services:\n  a: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  b: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  c: {{ endpoints: [\"127.0.0.1:{}\"] }}\n",
        origins[0].port, origins[1].port, origins[2].port
    ))
    .start();
    let mut client = Client::connect(weir.port);
    for _ in 0..ALL {
        assert_eq!(client.get("/").status(), 200);
    }
    for (origin, share) in origins.iter().zip([0.6_f64, 0.3, 0.1]) {
        // Six standard deviations: once in a thousand million runs by chance.
        let room = 6.0 * (share * (1.0 - share) * ALL as f64).sqrt();
        let off = (origin.count() as f64 - share * ALL as f64).abs();
        assert!(off <= room, "{} of {ALL} for a share of {share}", origin.count());
    }
}

#[test]
fn endpoints_are_balanced() {
    let origins: Vec<Origin> = ["a", "b", "c"].map(Origin::saying).into();
    let ports: Vec<u16> = origins.iter().map(|origin| origin.port).collect();
    let weir = Setup::new(format!(
        "routes:\n  - {{ name: turn, matches: [ {{ path: {{ prefix: /turn }} }} ], service: turn }}\n  \
         - {{ name: hash, matches: [ {{ path: {{ prefix: /hash }} }} ], service: hash }}\n\
         services:\n  turn: {{ endpoints: [ {{ address: \"127.0.0.1:{0}\", weight: 2 }}, \"127.0.0.1:{1}\", \"127.0.0.1:{2}\" ] }}\n  \
         hash: {{ balancer: {{ consistent_hash: {{ header: x-user }} }}, endpoints: [\"127.0.0.1:{0}\", \"127.0.0.1:{1}\", \"127.0.0.1:{2}\"] }}\n",
        ports[0], ports[1], ports[2]
    ))
    .start();
    let mut client = Client::connect(weir.port);
    for _ in 0..40 {
        client.get("/turn");
    }
    let counts: Vec<usize> = origins.iter().map(Origin::count).collect();
    assert_eq!(counts, [20, 10, 10], "round robin by weight");
    let mut homes: BTreeMap<usize, String> = BTreeMap::new();
    for round in 0..3 {
        for user in 0..60 {
            let answer = client.ask(format!("GET /hash HTTP/1.1\r\nhost: h\r\nx-user: {user}\r\n\r\n"));
            let home = homes.entry(user).or_insert_with(|| answer.text());
            assert_eq!(*home, answer.text(), "user {user} in round {round}");
        }
    }
    for name in ["a", "b", "c"] {
        assert!(homes.values().filter(|home| *home == name).count() >= 5, "{homes:?}");
    }
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let upstream = Origin::answering(|request| {
        ok(format!("{} {}", request.field("host").unwrap_or("-"), request.target()))
    });
    let route = |name: &str, rewrite: &str| {
        format!(
            "  - {{ name: {name}, matches: [ {{ path: {{ prefix: /{name} }} }} ], service: origin, rewrite: {{ {rewrite} }} }}\n"
        )
    };
    let weir = Setup::new(format!(
        "routes:\n{}{}{}{}{}{}",
        route("prefix", "path: { prefix: /new }"),
        route("strip", "path: { prefix: / }"),
        route("full", "path: { full: /whole }"),
        route("regex", "path: { regex: { pattern: '/regex/(\\d+)', with: '/items/$1' } }"),
        route("host", "host: { to: inside.example }"),
        route("endpoint", "host: endpoint"),
    ))
    .and(weir_tests::gateway::origin(upstream.port))
    .start();
    let check = |target: &str, expect: &str| assert_eq!(get(weir.port, target).text(), expect, "{target}");
    check("/prefix/a?q=1", "localhost /new/a?q=1");
    check("/prefix", "localhost /new");
    check("/strip/a/b", "localhost /a/b");
    check("/strip", "localhost /");
    check("/full/a?q", "localhost /whole?q");
    check("/regex/12/x", "localhost /items/12/x");
    check("/host/a", "inside.example /host/a");
    check("/endpoint/a", &format!("127.0.0.1:{} /endpoint/a", upstream.port));
}

#[test]
fn fields_are_edited_both_ways() {
    let upstream = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\nserver: theirs\r\nx-drop: 1\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\nok".to_vec()
    });
    let weir = Setup::new(
        "routes:\n  - name: all\n    service: origin\n    \
         request_headers: { remove: [x-drop], set: { X-Set: ours }, add: { X-More: [a, b] } }\n    \
         response_headers: { remove: [x-drop], set: { server: ours }, add: { Vary: Accept } }",
    )
    .and(weir_tests::gateway::origin(upstream.port))
    .start();
    let answer =
        ask(weir.port, "GET", "/", "x-drop: 1\r\nX-SET: theirs\r\nx-set: twice\r\nx-more: theirs\r\n");
    let request = upstream.only();
    assert_eq!((request.all("x-drop"), request.all("x-set")), (vec![], vec!["ours"]));
    assert_eq!(request.all("x-more"), ["theirs", "a", "b"]);
    assert_eq!(
        (answer.all("x-drop"), answer.all("server"), answer.all("vary")),
        (vec![], vec!["ours"], vec!["Accept"])
    );
    assert_eq!(answer.field("x-kept"), Some("1"));
}

#[test]
fn redirects() {
    let route = |name: &str, redirect: &str| {
        format!(
            "  - {{ name: {name}, matches: [ {{ path: {{ prefix: /{name} }} }} ], redirect: {{ {redirect} }} }}\n"
        )
    };
    let weir = Setup::new(format!(
        "routes:\n{}{}{}{}{}",
        route("https", "scheme: https, status: \"308\""),
        route("host", "host: \"www.example.com:81\", status: \"301\""),
        route("prefix", "path: { prefix: /new }"),
        route("full", "path: { full: /new }, strip_query: true, status: \"303\""),
        route("plain", "path: { prefix: / }"),
    ))
    .start();
    let check = |target: &str, status: u16, location: &str| {
        let answer = ask(weir.port, "GET", target, "host: a.example:8080\r\n");
        assert_eq!((answer.status(), answer.field("location")), (status, Some(location)), "{target}");
    };
    check("/https/a?b=c", 308, "https://a.example/https/a?b=c");
    check("/host/a", 301, "http://www.example.com:81/host/a");
    check("/prefix/a?b", 302, "http://a.example:8080/new/a?b");
    check("/full/a?b", 303, "http://a.example:8080/new");
    check("/plain/%0d%0aset-cookie:%20a=b", 302, "http://a.example:8080/%0D%0Aset-cookie:%20a=b");
}

#[test]
fn fixed_answers() {
    let weir = Setup::new(
        "routes:\n  - { name: a, respond: { status: 418, body: short, content_type: text/x } }\n  \
         - { name: empty, matches: [ { path: { exact: /empty } } ], respond: { status: 204 } }",
    )
    .start();
    let mut client = Client::connect(weir.port);
    let answer = client.get("/");
    assert_eq!(
        (answer.status(), answer.text().as_str(), answer.field("content-type")),
        (418, "short", Some("text/x"))
    );
    assert!(answer.field("date").is_some());
    assert_eq!(client.ask("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n").field("content-length"), Some("5"));
    assert_eq!(client.get("/empty").status(), 204);
    assert_eq!(client.ask("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab").status(), 418);
    assert_eq!(client.get("/").status(), 418);
}

#[test]
fn cross_origin_rules() {
    let upstream = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\nok".to_vec()
    });
    let weir = Setup::new(
        "routes:\n  - name: all\n    service: origin\n    cors:\n      \
         origins: [\"https://app.example.com\", { regex: 'https://pr-\\d+\\.example\\.com' }]\n      methods: [GET, PUT]\n      \
         headers: [x-token]\n      expose: [x-id]\n      credentials: true\n      max_age: 1h",
    )
    .and(weir_tests::gateway::origin(upstream.port))
    .start();
    let preflight = |origin: &str, method: &str| {
        ask(
            weir.port,
            "OPTIONS",
            "/a",
            &format!(
                "origin: {origin}\r\naccess-control-request-method: {method}\r\naccess-control-request-headers: x-token\r\n"
            ),
        )
    };
    for origin in ["https://app.example.com", "https://pr-7.example.com"] {
        let answer = preflight(origin, "PUT");
        assert!(matches!(answer.status(), 200 | 204), "{answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
        assert!(
            answer.field("access-control-allow-methods").is_some_and(|m| m.contains("PUT")),
            "{answer:?}"
        );
        assert!(
            answer.field("access-control-allow-headers").is_some_and(|h| h.contains("x-token")),
            "{answer:?}"
        );
        assert_eq!(answer.field("access-control-max-age"), Some("3600"));
    }
    assert_eq!(upstream.count(), 0, "preflights are answered here");
    for origin in
        ["https://evil.example", "https://app.example.com.evil.example", "null", "https://xpr-7.example.com"]
    {
        let answer = preflight(origin, "PUT");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{origin}: {answer:?}");
    }
    let answer = ask(weir.port, "GET", "/", "origin: https://app.example.com\r\n");
    assert_eq!(answer.all("access-control-allow-origin"), ["https://app.example.com"]);
    assert_eq!(answer.field("access-control-expose-headers"), Some("x-id"));
    assert!(answer.all("vary").iter().any(|vary| vary.to_lowercase().contains("origin")), "{answer:?}");
    let answer = ask(weir.port, "GET", "/", "origin: https://evil.example\r\n");
    assert_eq!(
        answer.all("access-control-allow-origin"),
        Vec::<&str>::new(),
        "what the service says does not count"
    );
}

#[test]
fn copies_are_sent_beside_the_request_and_never_in_its_way() {
    let upstream = Origin::echoing();
    let copies = Origin::scripted(|served| {
        while served.request().is_some() {
            std::thread::sleep(Duration::from_secs(1));
            served.send(weir_tests::origin::status(500, "nobody listens"));
        }
    });
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: origin, mirror: {{ service: copies, max_body: 1KiB }} }} ]\nservices:\n  \
         origin: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  copies: {{ endpoints: [\"127.0.0.1:{}\"] }}\n",
        upstream.port, copies.port
    ))
    .start();
    let mut client = Client::connect(weir.port);
    let begun = Instant::now();
    for i in 0..20 {
        let body = format!("body {i}");
        let answer = client
            .ask(format!("POST /{i} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        assert_eq!((answer.status(), answer.text()), (200, body));
    }
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    eventually("all copies arrive", Duration::from_secs(5), || copies.count() == 20);
    let mut seen: Vec<_> = copies.requests().iter().map(|r| (r.target().to_owned(), r.text())).collect();
    seen.sort();
    let mut expect: Vec<_> = (0..20).map(|i| (format!("/{i}"), format!("body {i}"))).collect();
    expect.sort();
    assert_eq!(seen, expect);
    // Too large to be held: passed on, not copied.
    let large = "x".repeat(5000);
    let answer = client.ask(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5000\r\n\r\n{large}"));
    assert!(answer.text() == large && copies.count() == 20);
    assert!(copies.faults().is_empty(), "{:?}", copies.faults());
}

#[test]
fn a_mirror_that_is_down_harms_nobody() {
    let upstream = Origin::saying("ok");
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: origin, mirror: copies }} ]\nservices:\n  \
         origin: {{ endpoints: [\"127.0.0.1:{}\"] }}\n  copies: {{ endpoints: [\"127.0.0.1:{}\"] }}\n",
        upstream.port,
        weir_tests::free_port()
    ))
    .start();
    let mut client = Client::connect(weir.port);
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "ok");
    }
}
