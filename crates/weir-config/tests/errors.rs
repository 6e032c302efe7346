//! Everything that is wrong is said, once, at its place.

use std::path::Path;

use weir_config::{Severity, Source, Style, load, render, to_json};

/// Everything said of a text: `line:column path: message`, warnings marked.
fn said(text: &str) -> Vec<String> {
    let source = Source { name: "weir.yaml", text, base: Path::new("") };
    let loaded = load(&source);
    let any_error = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(loaded.model.is_none(), any_error);
    // Drawing never fails, and every span lies in the text.
    let _ = render(&source, &loaded.diagnostics, Style::Colour);
    for d in &loaded.diagnostics {
        assert!(text.get(d.span.clone()).is_some(), "{d:?}");
    }
    let one = |d: &weir_config::Diagnostic| {
        let mark = if d.severity == Severity::Warning { "warning: " } else { "" };
        let help = d.help.as_deref().unwrap_or_default();
        format!("{}:{} {}: {mark}{} | {help}", d.line, d.column, d.path, d.message)
    };
    loaded.diagnostics.iter().map(one).collect()
}

/// Checks a text that is wrong in one way; `part` is a part of what is said.
#[track_caller]
fn check(text: &str, part: &str) {
    let all = said(text);
    assert!(all.len() == 1 && all[0].contains(part), "{text}\n{all:#?}");
}

const LISTENER: &str = "version: 1\nlisteners: [{ name: web, address: 127.0.0.1:8080 }]\n";

#[track_caller]
fn route(keys: &str, part: &str) {
    let services = "services: { a: { endpoints: [\"127.0.0.1:1\"] }, b: { endpoints: [] } }";
    check(&format!("{LISTENER}{services}\nroutes: [{{ name: r, {keys} }}]"), part);
}

#[track_caller]
fn service(keys: &str, part: &str) {
    check(&format!("{LISTENER}services: {{ a: {{ {keys} }} }}"), part);
}

#[track_caller]
fn listener(keys: &str, part: &str) {
    check(&format!("version: 1\nlisteners: [{{ name: web, {keys} }}]"), part);
}

#[test]
fn the_file_as_a_whole() {
    check("", "nothing is written here");
    check(
        "listeners: [{ name: web, address: 127.0.0.1:8080 }]",
        "1:1 : `version` is missing | `version`: The format",
    );
    check(
        "version: 2\nlisteners: [{ name: web, address: 127.0.0.1:8080 }]",
        "1:10 version: version `2` is not known",
    );
    check("version: 1", "warning: there are no listeners");
    check("- a", "a map (configuration) is expected here, not a list");
    check("text", "a map (configuration) is expected here, not a text");
    check(
        &format!("{LISTENER}sevices: {{}}"),
        "3:1 sevices: a configuration has no key `sevices` | did you mean `services`?",
    );
    check(&format!("{LISTENER}<<: {{}}"), "merge keys are not part of YAML 1.2");
    check(&format!("{LISTENER}workers: 0"), "3:10 workers: `0` is no whole number from 1 to 1024");
    check(&format!("{LISTENER}workers: \"2\""), "leave the quotes out");
    check(&format!("{LISTENER}services:\n\ta: 1"), "there is a tab in this line");
    check(
        &format!("{LISTENER}admin: {{ address: 0.0.0.0:9901 }}"),
        "warning: the admin interface is reachable",
    );
    check(
        &format!("{LISTENER}admin: {{ address: 127.0.0.1:9901, hosts: [\"*.a\"] }}"),
        "wildcards are not allowed here",
    );
    check(
        &format!("{LISTENER}access_log: {{ format: jsn }}"),
        "`jsn` is not known here | did you mean `json`?",
    );
    // A key with nothing behind it counts as left out.
    assert_eq!(
        said(&format!(
            "{LISTENER}admin:
routes:"
        )),
        [] as [&str; 0]
    );
}

#[test]
fn listeners() {
    listener("address: localhost:80", "write 127.0.0.1:80");
    listener("address: \":80\"", "write 0.0.0.0:80");
    listener("address: 127.0.0.1:9901", "is the address of the admin interface");
    listener(
        "addres: 127.0.0.1:1, address: 127.0.0.1:1",
        "listeners[0].addres: a listener has no key `addres`",
    );
    listener("address: 127.0.0.1:1, tls: { certificates: [] }", "at least one is needed here");
    listener("address: 127.0.0.1:1, tls: { certificates: [{ cert: a }] }", "`key` is missing");
    let tls = "address: 127.0.0.1:1, tls: { certificates: [{ cert: a, key: b }]";
    listener(&format!("{tls}, min_version: 1.1 }}"), "`1.1` is not known here");
    listener(&format!("{tls}, alpn: [h2] }}"), "`h2` is not known here");
    listener(
        &format!("{tls}, client_auth: required }}"),
        "write `none` or `{ optional: … }` or `{ required: … }`",
    );
    listener(
        &format!("{tls}, client_auth: {{ required: a, optional: b }} }}"),
        "exactly one key is needed here, not 2",
    );
    listener("address: 127.0.0.1:1, timeouts: { head: 10 }", "a duration has a unit: 10s or 10ms");
    listener("address: 127.0.0.1:1, timeouts: { head: 0s }", "is not between 1ms and");
    listener("address: 127.0.0.1:1, limits: { target: 64KiB }", "the target is a part of the head");
    listener("address: 127.0.0.1:1, limits: { body: 1Kib }", "`1Kib` is no size");
    listener(
        "address: 127.0.0.1:1, trusted_proxies: [0.0.0.0/0]",
        "warning: 0.0.0.0/0 lets every client choose",
    );
    listener("address: 127.0.0.1:1, trusted_proxies: [10.0.0.0/33]", "is no network");
    listener("address: 127.0.0.1:1, path: { merge_slashes: no }", "write `false`");
    check(
        "version: 1\nlisteners: [{ name: a, address: 127.0.0.1:1 }, { name: b, address: 127.0.0.1:1 }]",
        "listeners[1].address: listener `a` is on 127.0.0.1:1 already",
    );
    check(
        "version: 1\nlisteners: [{ name: a, address: 127.0.0.1:1 }, { name: a, address: 127.0.0.1:2 }]",
        "there are two listeners named `a`",
    );
}

#[test]
fn routes() {
    route("service: c", "there is no service named `c`");
    route("service: a/b", "is in another scope");
    route("matches: [{}]", "does not say what is done with its requests | add `service: NAME`");
    route("service: a, respond: {}", "a route has either `service` or `respond`, not both");
    route("backends: [{ service: a, weight: 0 }]", "all backends have weight 0");
    route("backends: []", "at least one is needed here");
    route("service: a, listeners: [wbe]", "there is no listener named `wbe` | did you mean `web`?");
    route("service: a, hosts: [\"a.*\"]", "routes[0].hosts[0]: `a.*` is no host: '*' is allowed only as");
    route("service: a, hosts: a.b", "put it in brackets");
    route("service: a, matches: []", "at least one is needed");
    route("service: a, matches: [{ path: /x }]", "write `{ prefix: … }` or `{ exact: … }`");
    route("service: a, matches: [{ path: { prefx: /x } }]", "did you mean `prefix`?");
    route("service: a, matches: [{ path: { prefix: x } }]", "write /x");
    route("service: a, matches: [{ path: { exact: '/x?y' } }]", "a query is matched with `query`");
    route(
        "service: a, matches: [{ path: { exact: /a//b } }]",
        "warning: requests never have the path `/a//b`",
    );
    route(
        "service: a, matches: [{ path: { regex: '/a(b' } }]",
        "unclosed group at character 3 of the pattern",
    );
    route("service: a, matches: [{ path: { regex: 'é(' } }]", "at character 2 of the pattern");
    route("service: a, matches: [{ methods: [post] }]", "write POST");
    route("service: a, matches: [{ headers: { 'x y': 1 } }]", "`x y` is no header name");
    route(
        "service: a, matches: [{ headers: { X-A: 1, x-a: 2 } }]",
        "`x-a` is written twice, in different cases",
    );
    route("service: a, matches: [{ headers: { x: { prefix: a, regex: b } } }]", "exactly one key is needed");
    route("redirect: {}", "leads to where the request came from");
    route("redirect: { status: 200, host: a.b }", "`200` is not known here");
    route("redirect: { host: \"a.b:x\" }", "is no host");
    route("redirect: { host: a.b }, mirror: a", "warning: `mirror` has no effect on a route with `redirect`");
    route("respond: { status: 99 }", "no whole number from 200 to 599");
    route("respond: { status: 204, body: x }", "an answer of status 204 has no body");
    route("service: a, request_headers: { set: { Host: x } }", "use `rewrite: { host: … }`");
    route("service: a, request_headers: { remove: [Transfer-Encoding] }", "belongs to the connection");
    route("service: a, request_headers: { set: { X-A: 1, x-a: 2 } }", "`x-a` is written twice");
    route("service: a, response_headers: { add: { X: \"a\\nb\" } }", "may not hold line breaks");
    route(
        "service: a, cors: { origins: [\"*\"], credentials: true }",
        "cors.credentials: credentials may not be let in",
    );
    route("service: a, cors: { origins: [\"https://a.b/\"] }", "`https://a.b/` is no origin");
    route("service: a, mirror: { service: a, share: 0.5 }", "write it in percent");
    route("service: a, timeouts: { request: 1s, per_try: 2s }", "warning: a try may take longer");
    route("service: a, retry: { when: [conect] }", "did you mean `connect`?");
    let limit = "service: a, rate_limits: [{ algorithm: sliding_window, requests: 1, per: 1s";
    route(&format!("{limit}, burst: 2 }}]"), "rate_limits[0].burst: a sliding window counts all requests");
    route("service: a, rate_limits: [{ algorithm: token_bucket, requests: 1 }]", "`per` is missing");
    route("service: a, rate_limits: [{ algorithm: token_bucket, requests: 0, per: 1s }]", "from 1 to");
    route(
        "service: a, rate_limits: [{ algorithm: token_bucket, key: ip, requests: 1, per: 1s }]",
        "`ip` is not known",
    );
    check(
        &format!(
            "{LISTENER}services: {{ a: {{ endpoints: [] }} }}\nroutes:\n  - {{ name: r, service: a }}\n  - {{ name: s, service: a }}"
        ),
        "6:5 routes[1]: warning: route `s` never matches: `r` takes the same requests",
    );
}

#[test]
fn services() {
    service("balancer: round_robin", "a service needs `endpoints`, or a `chain`");
    service("endpoints: [\"http://a:80/\"]", "is a URL, not an endpoint | write a:80");
    service("endpoints: [\"a\"]", "`a` is no endpoint");
    service("endpoints: [{ address: \"a:1\", weight: 0 }]", "all endpoints have weight 0");
    service("endpoints: [\"127.0.0.1:9901\"]", "is the admin interface, which no request may reach");
    service("endpoints: [\"localhost:9901\"]", "is the admin interface");
    service("endpoints: [\"127.0.0.1:8080\"]", "warning: 127.0.0.1:8080 is the listener `web`");
    service(
        "endpoints: [], balancer: random",
        "write `round_robin` or `least_requests` or `{ consistent_hash: … }`",
    );
    service("endpoints: [], balancer: { consistent_hash: { header: 'a b' } }", "is no header name");
    service("endpoints: [], breaker: { consecutive_failures: 0 }", "this breaker never opens");
    service("endpoints: [], breaker: { failures: [] }", "nothing counts as a failure");
    service("endpoints: [], breaker: { fallback: b }", "there is no service named `b`");
    service("endpoints: [], endpoint_breaker: { fallback: a }", "move `fallback` to `breaker`");
    service("endpoints: [], breaker: { failure_share: { share: 0% } }", "reached without any failure");
    service(
        "endpoints: [], tls: { verify: insecure }",
        "services.a.tls.verify: warning: whoever stands between",
    );
    service("endpoints: [], tls: { server_name: \"*.a\" }", "is no host name");
    service("endpoints: [\"weir:echo\"], tls: {}", "speaks no TLS");
    service("endpoints: [], pool: { idle_timeout: soon }", "`soon` is no duration");
}

#[test]
fn one_bad_object_does_not_hide_the_others() {
    let text = "version: 1\nlisteners: [{ name: web, adress: x }]\nroutes:\n  - { name: a, service: x, hosts: [\"*\"] }\n  - { nme: b }\nservices: { s: { endpoints: [1], pool: { a: 1 } } }";
    let all = said(text);
    let places: Vec<&str> = all.iter().map(|s| s.split(' ').nth(1).unwrap().trim_end_matches(':')).collect();
    assert_eq!(
        places,
        [
            "listeners[0]",
            "listeners[0].adress",
            "routes[0].service",
            "routes[0].hosts[0]",
            "routes[1]",
            "routes[1].nme",
            "services.s.endpoints[0].address",
            "services.s.pool.a",
        ],
        "{all:#?}"
    );
}

#[test]
fn drawn_for_people() {
    let text = "version: 1\nlisteners:\n  - name: web  # the first\n    address: 127.0.0.1:80\n  - name: web\n    address: 127.0.0.1:81\n";
    let source = Source { name: "weir.yaml", text, base: Path::new("") };
    let diagnostics = load(&source).diagnostics;
    let expect = "\
error: there are two listeners named `web`
 --> weir.yaml:5:11  (listeners[1])
3 |   - name: web  # the first
  |           --- the first is here
…
5 |   - name: web
  |           ^^^
  = help: give one of them another name

";
    assert_eq!(render(&source, &diagnostics, Style::Plain), expect);
    let json = to_json(&source, &diagnostics);
    assert_eq!(json[0]["line"], 5);
    assert_eq!(json[0]["path"], "listeners[1]");
    assert_eq!(json[0]["related"]["line"], 3);
}

#[test]
fn drawn_where_lines_are_long_or_hostile() {
    let text = format!("{{\"version\": 1, \"x\u{1b}[2J\": 1, \"listeners\": [], {}, }}", "\"é\": 1");
    let source = Source { name: "x", text: &text, base: Path::new("") };
    let drawn = render(&source, &load(&source).diagnostics, Style::Plain);
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    let text =
        format!("version: 1\nlisteners: [{}x]\n", "{ name: a, address: \"127.0.0.1:0\" }, ".repeat(500));
    let source = Source { name: "x", text: &text, base: Path::new("") };
    let loaded = load(&source);
    assert_eq!(loaded.diagnostics.len(), 201);
    assert!(loaded.diagnostics[200].message.contains("more that are not shown"));
    let drawn = render(&source, &loaded.diagnostics, Style::Plain);
    assert!(drawn.lines().all(|line| line.chars().count() < 220), "{drawn}");
}

#[track_caller]
fn chain(keys: &str, part: &str) {
    check(&format!("{LISTENER}chains: {{ c: {{ {keys} }} }}"), part);
}

#[test]
fn chains() {
    let nodes = "endpoints: [\"http://n:1\", \"http://n:2\"]";
    chain("kind: solana", "3:22 chains.c.kind: `solana` is not known here");
    chain(nodes, "`kind` is missing");
    chain("kind: evm", "a chain needs at least one node | list their URLs");
    chain(
        "kind: mock, endpoints: [\"http://n:1\"]",
        "a mock has no endpoints: it is in memory | write how many",
    );
    chain("kind: evm, endpoints: [\"n:1\"]", "`n:1` is no URL of a node | write http://127.0.0.1:26657");
    chain(
        "kind: evm, endpoints: [\"http://u:p@n:1\"]",
        "holds no user name or password | write them under `authorization`",
    );
    chain(
        "kind: evm, endpoints: [\"ws://n:1\"]",
        "calls are made over HTTP | write an `http` or `https` URL here",
    );
    chain(
        "kind: evm, endpoints: [{ url: \"http://n:1\", websocket: \"http://n:2\" }]",
        "pushed over WebSocket",
    );
    chain(
        "kind: evm, endpoints: [\"http://n:1\", \"http://n:1\"]",
        "http://n:1 stands twice | list each node once",
    );
    chain(&format!("kind: tendermint, {nodes}, finality: {{ depth: 3 }}"), "what Tendermint committed stays");
    chain(&format!("kind: evm, {nodes}, finality: {{ tag: safe }}"), "`safe` is not known here");
    chain(
        &format!("kind: evm, {nodes}, finality: soon"),
        "write `instant` or `{ depth: … }` or `{ tag: … }`",
    );
    chain(&format!("kind: evm, {nodes}, quorum: {{}}"), "a chain of kind `evm` has no private transactions");
    chain(&format!("kind: evm, {nodes}, mock: {{}}"), "a chain of kind `evm` has real nodes");
    let managers = "quorum: { managers: [\"http://m:1\", \"http://m:2\", \"http://m:3\"] }";
    chain(&format!("kind: quorum, {nodes}, {managers}"), "3 transaction managers stand beside 2 endpoints");
    let secret = "authorization: { bearer: { env: T } }";
    chain(&format!("kind: evm, {nodes}, {secret}"), "warning: it is sent to endpoints without TLS");
    let several =
        said(&format!("{LISTENER}chains: {{ a: {{ kind: evm }}, b: {{ kind: mocked, poll: 1 }} }}"));
    assert_eq!(several.len(), 3, "{several:#?}");
}
