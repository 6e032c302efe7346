//! Printing and reading are each other's inverse; objects come and go one by one; changes are said in words.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use weir_config::{
    Source, changes, delete_listener, delete_route, delete_service, embedded_default, keep_unchanged, load,
    load_bytes, print, print_listener, print_route, print_service, put_listener, put_route, put_service,
    schema,
};
use weir_model::{Model, Rank};

const FULL: &str = include_str!("full.yaml");
const SAMPLE: &str = include_str!("../../../examples/the-contract.yaml");

fn source(text: &str) -> Source<'_> {
    Source { name: "weir.yaml", text, base: Path::new("") }
}

#[track_caller]
fn loaded(text: &str) -> Model {
    let source = source(text);
    let loaded = load(&source);
    let drawn = weir_config::render(&source, &loaded.diagnostics, weir_config::Style::Plain);
    loaded.model.unwrap_or_else(|| panic!("{drawn}\n{text}"))
}

/// Whether two models are equal but for where they were written.
#[track_caller]
fn assert_same(a: &Model, b: Model) {
    assert_eq!(changes(a, &b), [] as [&str; 0]);
    let kept = keep_unchanged(a, b);
    let differ = |(id, route): &(&weir_model::RouteId, &Arc<weir_model::Route>)| {
        !a.routes.get(*id).is_some_and(|before| Arc::ptr_eq(before, route))
    };
    assert!(kept.routes.ptr_eq(&a.routes), "{:#?}", kept.routes.iter().find(differ));
    assert!(kept.services.ptr_eq(&a.services) && kept.listeners.ptr_eq(&a.listeners));
    assert!(kept.chains.ptr_eq(&a.chains));
    assert_eq!((&kept.admin, &kept.access_log), (&a.admin, &a.access_log));
    assert_eq!((kept.workers, kept.order), (a.workers, a.order));
}

#[test]
fn what_is_printed_reads_as_the_same_model() {
    for text in [FULL, SAMPLE, embedded_default()] {
        let model = loaded(text);
        let printed = print(&model);
        assert_same(&model, loaded(&printed));
    }
}

#[test]
fn objects_are_taken_as_they_are_given() {
    let model = loaded(FULL);
    for (id, route) in model.routes.iter() {
        let text = print_route(route).to_string();
        assert_same(&model, put_route(&model, id.as_str(), &source(&text)).unwrap());
    }
    for (id, service) in model.services.iter() {
        let text = print_service(service).to_string();
        assert_same(&model, put_service(&model, id.as_str(), &source(&text)).unwrap());
    }
    for (id, listener) in model.listeners.iter() {
        let text = print_listener(listener).to_string();
        assert_same(&model, put_listener(&model, id.as_str(), &source(&text)).unwrap());
    }
}

/// Keys of all objects in a schema.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|v| keys(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| keys(v, found)),
        _ => {}
    }
}

#[test]
fn the_full_example_holds_every_key() {
    let mut all = BTreeSet::new();
    keys(&schema(), &mut all);
    let missing: Vec<&String> = all.iter().filter(|key| !FULL.contains(&format!("{key}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_route_is_put_in_and_taken_out() {
    let model = loaded(SAMPLE);
    let next =
        put_route(&model, "new", &source("service: origin\nmatches: [{ path: { exact: /new } }]")).unwrap();
    assert_eq!(changes(&model, &next), ["route new added"]);
    assert_eq!(next.routes.get("new").unwrap().rank, Rank(3 * Rank::STEP));
    let again = put_route(&next, "orders", &source("service: orders\ntimeouts: { request: 5s }")).unwrap();
    assert_eq!(again.routes.get("orders").unwrap().rank, Rank(Rank::STEP));
    assert!(Arc::ptr_eq(again.routes.get("all").unwrap(), model.routes.get("all").unwrap()));
    assert_eq!(changes(&next, &delete_route(&next, "new").unwrap()), ["route new removed"]);
}

#[track_caller]
fn refused(result: Result<Model, Vec<weir_config::Diagnostic>>, part: &str) {
    let all: Vec<String> = result.expect_err("refused").iter().map(ToString::to_string).collect();
    assert!(all.len() == 1 && all[0].contains(part), "{all:#?}");
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let model = loaded(SAMPLE);
    refused(put_route(&model, "new", &source("service: orgin")), "there is no service named `orgin`");
    refused(put_route(&model, "new", &source("{ name: old, service: origin }")), "gives itself another one");
    refused(put_route(&model, "a/b", &source("service: origin")), "may not hold '/'");
    refused(
        put_route(&model, "new", &source("{ service: origin, listeners: [webb] }")),
        "no listener named `webb`",
    );
    refused(put_service(&model, "x", &source("endpoints: [\"127.0.0.1:9901\"]")), "is the admin interface");
    refused(
        put_service(&model, "x", &source("{ endpoints: [], breaker: { fallback: y } }")),
        "no service named `y`",
    );
    put_service(&model, "x", &source("{ endpoints: [], breaker: { fallback: x } }")).unwrap();
    refused(
        put_listener(&model, "x", &source("address: 127.0.0.1:8080")),
        "listener `web` is on 127.0.0.1:8080 already",
    );
    refused(put_listener(&model, "x", &source("address: 127.0.0.1:9901")), "address of the admin interface");
    put_listener(&model, "web", &source("address: 127.0.0.1:8080\nmax_connections: 5")).unwrap();
    refused(delete_route(&model, "order"), "there is no route named `order`");
    refused(delete_service(&model, "orders-next"), "service `orders-next` is in use by route orders");
    let full = loaded(FULL);
    refused(delete_listener(&full, "web"), "listener `web` is in use by route forward");
    delete_listener(&full, "other").unwrap();
    refused(delete_service(&full, "b"), "in use by route forward, the breaker of service a");
}

#[test]
fn changes_are_said_in_words() {
    #[track_caller]
    fn check(from: &str, to: &str, expect: &[&str]) {
        let old = loaded(SAMPLE);
        let new = keep_unchanged(&old, loaded(&SAMPLE.replacen(from, to, 1)));
        assert_eq!(changes(&old, &new), expect);
    }
    check("request: 30s", "request: 5s", &["route orders: timeout 30s → 5s"]);
    check("weight: 9", "weight: 8", &["route orders: backend orders weight 9 → 8"]);
    check("[GET, POST]", "[GET]", &["route orders: match method POST removed"]);
    check("x-tier: gold", "x-tier: tin", &["route orders: match headers x-tier gold → tin"]);
    check(
        "\"127.0.0.1:9003\"",
        "\"127.0.0.1:9003\", \"127.0.0.1:9004\"",
        &["service orders-next: endpoint 127.0.0.1:9004 added"],
    );
    check("weight: 2", "weight: 3", &["service orders: endpoint 127.0.0.1:9002 weight 2 → 3"]);
    check("requests: 1000,", "requests: 10,", &["service orders: rate limit requests 1000 → 10"]);
    check("open_for: 60s", "open_for: 5s", &["service orders: breaker open for 60s → 5s"]);
    check("127.0.0.1:9901", "127.0.0.1:9902", &["admin address 127.0.0.1:9901 → 127.0.0.1:9902"]);
    check("127.0.0.1:8080", "127.0.0.1:80", &["listener web: address 127.0.0.1:8080 → 127.0.0.1:80"]);
    check("cert: cert.pem", "cert: new.pem", &["listener secure: tls certificate cert cert.pem → new.pem"]);
    check(
        "routes:\n",
        "routes:\n  - { name: first, service: origin, matches: [{ path: { exact: / } }] }\n",
        &["route first added"],
    );
    check(
        "timeouts: { request: 30s }",
        "timeouts: { request: 5s, per_try: 1s }\n    max_body: 1KiB",
        &["route orders: timeout 30s → 5s, per try timeout none → 1s, max body 1KiB added"],
    );
}

#[test]
fn a_move_is_the_only_change() {
    let text = |order: [usize; 5]| {
        let route =
            |n| format!("  - {{ name: r{n}, service: s, matches: [{{ path: {{ exact: /{n} }} }}] }}\n");
        let routes: String = order.into_iter().map(route).collect();
        format!("version: 1\nservices: {{ s: {{ endpoints: [] }} }}\nroutes:\n{routes}")
    };
    let old = loaded(&text([0, 1, 2, 3, 4]));
    let new = keep_unchanged(&old, loaded(&text([4, 0, 1, 2, 3])));
    assert_eq!(changes(&old, &new), ["route r4: moved in the order"]);
    let mut order: Vec<_> = new.routes.values().map(|r| (r.rank, r.id.to_string())).collect();
    order.sort();
    assert_eq!(order.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ["r4", "r0", "r1", "r2", "r3"]);
}

/// A cut, a repeat and an insertion in a valid text: near enough to it to reach deep.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\t".to_vec()),
        Just(b": ".to_vec()),
        Just(b"[".to_vec()),
        Just(b"}".to_vec()),
        Just(b"&a ".to_vec()),
        Just(b"*a".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"|\n".to_vec()),
        Just(b"99999999999999999999".to_vec()),
        Just("é\u{2028}\u{0}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    let text = prop_oneof![Just(FULL), Just(SAMPLE)];
    (text, any::<[prop::sample::Index; 5]>(), prop::collection::vec(piece, 1..4)).prop_map(
        |(text, at, pieces)| {
            let mut bytes = text.as_bytes().to_vec();
            for (piece, at) in pieces.into_iter().zip(at) {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece);
            }
            let (from, to) = (at[3].index(bytes.len()), at[4].index(bytes.len()));
            if from < to && to - from < 200 {
                bytes.drain(from..to);
            }
            bytes
        },
    )
}

fn survives(bytes: &[u8]) {
    let loaded = load_bytes("fuzz", bytes, Path::new("/etc"));
    let text = String::from_utf8_lossy(bytes);
    let source = Source { name: "fuzz", text: &text, base: Path::new("/etc") };
    let _ = weir_config::render(&source, &loaded.diagnostics, weir_config::Style::Colour);
    let _ = weir_config::to_json(&source, &loaded.diagnostics);
    match loaded.model {
        // What was accepted prints as something that is accepted, and as the same.
        Some(model) => assert_same(&model, self::loaded(&print(&model))),
        None => assert!(!loaded.diagnostics.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in r"version: 1\n([-a-z:{}\[\]&*!|>'%@#,? \t\n]{0,80})") {
        survives(text.as_bytes());
    }

    #[test]
    fn near_misses_are_survived(bytes in mutated()) {
        survives(&bytes);
    }
}
