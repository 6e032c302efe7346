//! What is said of a match, of those passed over, and of a request that none matches.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use weir_model::{HeaderMatch, PathMatch, Pattern, QueryMatch, Route, RouteMatch, RouteOrder, ValueMatch};
use weir_route::{Call, Request, RouteTable};

fn on(path: PathMatch, methods: &[&str]) -> RouteMatch {
    let methods = methods.iter().map(|m| (*m).into()).collect();
    RouteMatch { path, methods, headers: vec![], query: vec![], jsonrpc: vec![] }
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

fn exactly(text: &str) -> ValueMatch {
    ValueMatch::Exact(text.into())
}

/// A small shop.
fn routes() -> Vec<Route> {
    let gold = HeaderMatch { name: "x-tier".into(), value: exactly("gold") };
    let key = HeaderMatch { name: "x-api-key".into(), value: exactly("hunter2") };
    let debug = QueryMatch { name: "debug".into(), value: ValueMatch::Present };
    let pattern = PathMatch::Regex(Pattern::new(r"/v\d+/orders(/.*)?").unwrap());
    let host = &["api.example.com", "*.example.org"][..];
    let tiered = RouteMatch { headers: vec![gold, key], ..on(prefix("/orders"), &["GET"]) };
    let debugged = RouteMatch { query: vec![debug], ..on(pattern, &[]) };
    let mut inner = support::route("inner", 4, &[], vec![on(prefix("/inner"), &[])]);
    inner.listeners = vec![support::listener("secure")];
    vec![
        support::route("gold", 1, host, vec![tiered]),
        support::route("orders", 2, host, vec![on(prefix("/orders"), &["GET", "POST"]), debugged]),
        support::route("health", 3, &[], vec![on(PathMatch::Exact("/health".into()), &[])]),
        inner,
    ]
}

fn table(order: RouteOrder) -> RouteTable<()> {
    let mut table = RouteTable::new(order);
    for route in routes() {
        table.insert(&Arc::new(route), ());
    }
    table
}

#[test]
fn explains() {
    #[track_caller]
    fn check(line: &str, found: Option<&str>, passed_over: &[&str]) {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        let head = support::head(word(), word(), word(), &[]);
        let listener = support::listener("web");
        let explanation = table(RouteOrder::Precedence).explain(&Request {
            listener: &listener,
            head: &head,
            call: Call::None,
        });
        assert_eq!(
            explanation.found.as_ref().map(|(route, at)| format!("{} {at}", route.id)).as_deref(),
            found
        );
        let said: Vec<_> = explanation
            .passed_over
            .iter()
            .map(|p| {
                let why: Vec<_> = p.why.iter().map(ToString::to_string).collect();
                format!("{}: {}", p.route.id, why.join("; "))
            })
            .collect();
        assert_eq!(said, passed_over);
        assert_eq!(explanation.left_out, 0);
    }
    check(
        "GET api.example.com /orders/7",
        Some("orders 0"),
        &["gold: header x-tier is missing; header x-api-key is missing"],
    );
    check(
        "GET shop.example.org /v1/orders?debug",
        Some("orders 1"),
        &[
            "gold: path /v1/orders is not /orders or below it; header x-tier is missing; header x-api-key is missing",
        ],
    );
    check(
        "PUT example.org /inner",
        None,
        &[
            "gold: host example.org is not api.example.com or *.example.org; path /inner is not /orders or below it; \
             method PUT is not GET; header x-tier is missing; header x-api-key is missing",
            "orders: host example.org is not api.example.com or *.example.org; path /inner is not /orders or below it; \
             method PUT is not GET or POST",
            "health: path /inner is not exactly /health",
            "inner: listener web is not secure",
        ],
    );
}

#[test]
fn names_the_nearest() {
    #[track_caller]
    fn check(line: &str, lines: &[&str], expected: &str) {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        let head = support::head(word(), word(), word(), lines);
        let listener = support::listener("web");
        let nearest = table(RouteOrder::Listed).nearest(&Request {
            listener: &listener,
            head: &head,
            call: Call::None,
        });
        assert_eq!(nearest.unwrap().to_string(), format!("the nearest route is {expected}"));
    }
    check("DELETE api.example.com /orders", &[], "orders (weir.yaml:7): method DELETE is not GET or POST");
    check(
        "GET api.example.com /order/7",
        &[],
        "orders (weir.yaml:7): path /order/7 is not /orders or below it",
    );
    check("GET a.example.com /healt", &[], "health (weir.yaml:7): path /healt is not exactly /health");
    check("GET a.example.com /inner/x", &[], "inner (weir.yaml:7): listener web is not secure");
    check("GET api.example.com /v7/orders", &[], "orders (weir.yaml:7): query parameter debug is missing");
}

#[test]
fn a_credential_is_not_repeated() {
    let head = support::head("GET", "api.example.com", "/orders", &["x-tier: tin", "x-api-key: swordfish"]);
    let listener = support::listener("web");
    let explanation =
        table(RouteOrder::Listed).explain(&Request { listener: &listener, head: &head, call: Call::None });
    let why: Vec<_> = explanation.passed_over[0].why.iter().map(ToString::to_string).collect();
    assert_eq!(why, ["header x-tier is not \"gold\"", "header x-api-key has another value"]);
}

#[test]
fn only_the_nearest_are_listed() {
    let mut table = table(RouteOrder::Listed);
    for n in 0..100 {
        let matches = vec![on(prefix(&format!("/other{n}")), &[])];
        table.insert(&Arc::new(support::route(&format!("other{n}"), 10 + n, &[], matches)), ());
    }
    let (head, listener) = (support::head("GET", "a", "/inner", &[]), support::listener("web"));
    let explanation = table.explain(&Request { listener: &listener, head: &head, call: Call::None });
    assert_eq!((explanation.passed_over.len(), explanation.left_out), (16, 88));
    assert!(explanation.passed_over.iter().any(|p| p.route.id.as_str() == "inner"));
}

#[test]
fn a_prefix_says_how_much_it_covers() {
    #[track_caller]
    fn check(path: PathMatch, target: &str, expected: Option<usize>) {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let (head, listener) = (support::head(method, "a", target, &[]), support::listener("web"));
        let mut table = RouteTable::new(RouteOrder::Precedence);
        table.insert(&Arc::new(support::route("r", 1, &[], vec![on(path, &[])])), ());
        let found = table.find(&Request { listener: &listener, head: &head, call: Call::None }).unwrap();
        assert_eq!(found.prefix_len(head.path()), expected);
    }
    check(prefix("/"), "/a", Some(0));
    check(prefix("/"), "*", Some(0));
    check(prefix("/a"), "/a/b", Some(2));
    check(PathMatch::BytePrefix("/".into()), "/a", Some(1));
    check(PathMatch::BytePrefix("/".into()), "*", Some(0));
    check(PathMatch::BytePrefix("/a".into()), "/ab", Some(2));
    check(PathMatch::Exact("/a".into()), "/a", None);
    check(PathMatch::Regex(Pattern::new("/.").unwrap()), "/a", None);
}
