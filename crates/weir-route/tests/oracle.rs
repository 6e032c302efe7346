//! The table against a naive matcher: sort everything, take the first that holds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use weir_head::RequestHead;
use weir_model::{
    HeaderMatch, HostPattern, ListenerId, PathMatch, Pattern, QueryMatch, Route, RouteId, RouteMatch,
    RouteOrder, RpcMethod, ValueMatch,
};
use weir_route::{Call, Request, RouteTable};

/// Written apart from the crate on purpose: straight from the words of `weir_model::RouteOrder`.
fn naive(
    routes: &BTreeMap<String, Arc<Route>>,
    order: RouteOrder,
    request: &Request<'_>,
) -> Option<(RouteId, usize)> {
    let mut all = Vec::new();
    for route in routes.values() {
        let hosts: Vec<Option<&HostPattern>> =
            if route.hosts.is_empty() { vec![None] } else { route.hosts.iter().map(Some).collect() };
        for (at, alternative) in route.matches.iter().enumerate() {
            for host in &hosts {
                let host_class = match host {
                    Some(HostPattern::Exact(_)) => (0, Reverse(0)),
                    Some(HostPattern::Wildcard(suffix)) => (1, Reverse(suffix.len())),
                    None => (2, Reverse(0)),
                };
                let path_class = match &alternative.path {
                    PathMatch::Exact(_) => (0, Reverse(0)),
                    PathMatch::Prefix(p) => (1, Reverse(p.len())),
                    PathMatch::BytePrefix(p) => (1, Reverse(p.len().max(1))),
                    PathMatch::Regex(_) => (2, Reverse(0)),
                };
                let specific = (
                    host_class,
                    path_class,
                    alternative.jsonrpc.is_empty(),
                    alternative.methods.is_empty(),
                    Reverse(alternative.headers.len()),
                    Reverse(alternative.query.len()),
                );
                let specific = (order == RouteOrder::Precedence).then_some(specific);
                all.push((specific, route.rank, at, route.id.clone(), *host, route, alternative));
            }
        }
    }
    all.sort_by(|a, b| (&a.0, a.1, a.2, &a.3).cmp(&(&b.0, b.1, b.2, &b.3)));
    all.into_iter()
        .find(|(.., host, route, alternative)| {
            host.is_none_or(|h| h.covers(request.head.host())) && holds(route, alternative, request)
        })
        .map(|(_, _, at, id, ..)| (id, at))
}

fn holds(route: &Route, alternative: &RouteMatch, request: &Request<'_>) -> bool {
    let head = request.head;
    let path = std::str::from_utf8(head.path()).unwrap();
    let path_holds = match &alternative.path {
        PathMatch::Prefix(p) if &**p == "/" => true,
        PathMatch::BytePrefix(p) if p.is_empty() || &**p == "/" => true,
        _ if path.is_empty() => false,
        PathMatch::Exact(p) => path == &**p,
        PathMatch::Prefix(p) => path == &**p || path.starts_with(&format!("{p}/")),
        PathMatch::BytePrefix(p) => path.starts_with(&**p),
        PathMatch::Regex(p) => p.matches(path.as_bytes()),
    };
    let header = |wanted: &HeaderMatch| {
        let values: Vec<_> = head.fields.all_name(&wanted.name).collect();
        if values.is_empty() {
            wanted.value.holds(None)
        } else {
            values.iter().any(|v| wanted.value.holds(Some(v)))
        }
    };
    // The strategies below use no escapes.
    let query = std::str::from_utf8(head.query().unwrap_or_default()).unwrap();
    let parameter = |wanted: &QueryMatch| {
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        let value =
            pairs.into_iter().find(|(name, _)| *name == &*wanted.name).map(|(_, value)| value.as_bytes());
        wanted.value.holds(value)
    };
    route.serves(request.listener)
        && path_holds
        && (alternative.methods.is_empty()
            || alternative.methods.iter().any(|m| m.as_bytes() == head.method_name()))
        && alternative.headers.iter().all(header)
        && alternative.query.iter().all(parameter)
        && (alternative.jsonrpc.is_empty()
            || matches!(request.call, Call::Of(method) if alternative.jsonrpc.iter().any(|m| m.covers(method))))
}

/// Paths over so few segments that they meet often; some segments are longer than a filed tail.
fn path() -> impl Strategy<Value = String> {
    let long = "x".repeat(66);
    let segment = prop::sample::select(vec![
        String::new(),
        "a".into(),
        "ab".into(),
        "b".into(),
        "orders1".into(),
        "orders12".into(),
        "a".repeat(62),
        "a".repeat(63),
        long.clone(),
        long + "y",
    ]);
    prop_oneof![
        20 => prop::collection::vec(segment, 1..5).prop_map(|s| format!("/{}", s.join("/"))),
        1 => (60_usize..70).prop_map(|n| "/a".repeat(n)),
    ]
}

fn path_match() -> impl Strategy<Value = PathMatch> {
    let cut =
        (path(), any::<prop::sample::Index>()).prop_map(|(p, at)| p[..at.index(p.len() + 1)].to_string());
    let patterns = [
        r"/.*",
        r"/a.*",
        r"/[ab]+/orders1(/.*)?",
        r"/[ab]+/orders12(/.*)?",
        r"/(a|ab)/(b|orders1)",
        r"/orders\d+/.*",
        r".*orders.*",
        r"(?i)/A/.*",
        r"(/a)+",
    ];
    prop_oneof![
        path().prop_map(|p| PathMatch::Exact(p.into())),
        path().prop_map(|p| {
            let p = p.trim_end_matches('/');
            PathMatch::Prefix(if p.is_empty() { "/" } else { p }.into())
        }),
        cut.prop_map(|p| PathMatch::BytePrefix(p.into())),
        prop::sample::select(patterns.to_vec()).prop_map(|p| PathMatch::Regex(Pattern::new(p).unwrap())),
    ]
}

fn value_match() -> impl Strategy<Value = ValueMatch> + Clone {
    prop::sample::select(vec![
        ValueMatch::Exact("1".into()),
        ValueMatch::Prefix("1".into()),
        ValueMatch::Regex(Pattern::new("[12]+").unwrap()),
        ValueMatch::Present,
        ValueMatch::Absent,
    ])
}

fn alternative() -> impl Strategy<Value = RouteMatch> {
    let method = prop::sample::select(vec!["GET", "POST", "BREW", "MASH"]).prop_map(Arc::<str>::from);
    let name = prop::sample::select(vec!["accept", "x-a"]);
    let header = (name, value_match()).prop_map(|(n, value)| HeaderMatch { name: n.into(), value });
    let name = prop::sample::select(vec!["p", "q"]);
    let query = (name, value_match()).prop_map(|(n, value)| QueryMatch { name: n.into(), value });
    let few = |weight| prop_oneof![3 => Just(0..1_usize), weight => Just(1..3)];
    let methods = few(2).prop_flat_map(move |n| prop::collection::vec(method.clone(), n));
    let headers = few(1).prop_flat_map(move |n| prop::collection::vec(header.clone(), n));
    let query = few(1).prop_flat_map(move |n| prop::collection::vec(query.clone(), n));
    let rpc = vec![
        RpcMethod::Exact("eth_call".into()),
        RpcMethod::Prefix("eth_".into()),
        RpcMethod::Exact("status".into()),
    ];
    let jsonrpc = few(1).prop_flat_map(move |n| prop::collection::vec(prop::sample::select(rpc.clone()), n));
    let parts = (path_match(), methods, headers, query, jsonrpc);
    parts.prop_map(|(path, methods, headers, query, jsonrpc)| RouteMatch {
        path,
        methods,
        headers,
        query,
        jsonrpc,
    })
}

const HOSTS: [&str; 6] = ["x.org", "a.x.org", "*.x.org", "*.a.x.org", "*.org", "y"];

#[derive(Clone, Debug)]
enum Step {
    Insert(Arc<Route>),
    Remove(String),
}

/// Few names and ranks, so that routes are replaced and ranks are shared.
fn step() -> impl Strategy<Value = Step> {
    let id = (0..24_u32).prop_map(|n| format!("r{n}"));
    let hosts = prop::collection::vec(prop::sample::select(&HOSTS[..]), 0..3);
    let listeners = prop_oneof![4 => Just(vec![]), 1 => Just(vec!["web"]), 1 => Just(vec!["other", "web2"])];
    let matches = prop::collection::vec(alternative(), 1..3);
    let insert = (id.clone(), 0..6_u64, hosts, listeners, matches).prop_map(
        |(id, rank, hosts, listeners, matches)| {
            let mut route = support::route(&id, rank, &hosts, matches);
            route.listeners = listeners.into_iter().map(support::listener).collect();
            Step::Insert(Arc::new(route))
        },
    );
    prop_oneof![4 => insert, 1 => id.prop_map(Step::Remove)]
}

fn request() -> impl Strategy<Value = (RequestHead, ListenerId)> {
    let method = prop::sample::select(vec!["GET", "GET", "POST", "BREW", "STEEP"]);
    let host = prop::sample::select(vec!["x.org", "a.x.org", "b.a.x.org", "c.x.org", "y", "z", "org"]);
    let query = prop::sample::select(vec!["", "?p=1", "?p=2&p=1", "?q=12&p", "?q=3"]);
    let lines = prop::sample::select(vec![&[][..], &["x-a: 1"], &["x-a: 3", "X-A: 12"], &["accept: 2"]]);
    let listener = prop::sample::select(vec!["web", "web2", "web3"]).prop_map(support::listener);
    let head = (method, host, path(), query, lines).prop_map(|(method, host, path, query, lines)| {
        support::head(method, host, &format!("{path}{query}"), lines)
    });
    let asterisk = Just(support::head("OPTIONS", "x.org", "*", &[]));
    (prop_oneof![20 => head, 1 => asterisk], listener)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_the_naive_matcher_finds(
        steps in prop::collection::vec(step(), 1..60),
        requests in prop::collection::vec(request(), 40),
        listed in any::<bool>(),
    ) {
        let order = if listed { RouteOrder::Listed } else { RouteOrder::Precedence };
        let mut table = RouteTable::new(order);
        let mut model = BTreeMap::new();
        let mut published = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(route) => {
                    table.insert(&route, n);
                    model.insert(route.id.to_string(), route);
                }
                Step::Remove(id) => {
                    let removed = table.remove(&RouteId::new(&id).unwrap());
                    prop_assert_eq!(removed.is_some(), model.remove(&id).is_some());
                }
            }
            if n % 20 == 0 {
                published.push((table.clone(), model.clone()));
            }
        }
        published.push((table, model));
        // Older versions must not have seen later changes.
        for (table, model) in &published {
            prop_assert_eq!(table.len(), model.len());
            for (at, (head, listener)) in requests.iter().enumerate() {
                let call = [Call::None, Call::Of("eth_call"), Call::Of("eth_getLogs"), Call::Of("block")][at % 4];
                let request = Request { listener, head, call };
                let expected = naive(model, order, &request);
                let found = table.find(&request);
                let got = found.as_ref().map(|f| (f.route.id.clone(), f.matched));
                prop_assert_eq!(&got, &expected, "{:?} {:?}", order, head);
                explanations_agree(table, &request, expected.as_ref())?;
                // Where looking without the call says that it makes no difference, it makes none.
                let unread = table.find(&Request { call: Call::Unread, ..request });
                if unread.as_ref().is_none_or(|found| !found.asks_for_call()) {
                    prop_assert_eq!(unread.map(|f| (f.route.id.clone(), f.matched)), got);
                }
            }
        }
    }
}

fn explanations_agree(
    table: &RouteTable<usize>,
    request: &Request<'_>,
    expected: Option<&(RouteId, usize)>,
) -> Result<(), TestCaseError> {
    let explanation = table.explain(request);
    let found = explanation.found.map(|(route, at)| (route.id.clone(), at));
    prop_assert_eq!(found.as_ref(), expected);
    for passed in &explanation.passed_over {
        prop_assert!(!passed.why.is_empty(), "{} comes first and nothing is amiss", passed.route.id);
    }
    let nearest = table.nearest(request);
    prop_assert_eq!(nearest.is_some(), expected.is_none() && !table.is_empty());
    prop_assert!(nearest.is_none_or(|n| !n.why.is_empty()));
    Ok(())
}

/// A table that was emptied again is as one that never held anything.
#[test]
fn removing_all_leaves_nothing() {
    let patterns = ["/v/orders1(/.*)?", ".*", "/ab/(cd|ef)/"];
    let mut table = RouteTable::new(RouteOrder::Precedence);
    for (n, pattern) in patterns.iter().cycle().take(1_000).enumerate() {
        let matches = vec![
            PathMatch::Regex(Pattern::new(pattern).unwrap()),
            PathMatch::BytePrefix(format!("/a/b{n}").into()),
            PathMatch::Exact(format!("/{n}").into()),
        ];
        let matches = matches.into_iter().map(|path| RouteMatch {
            path,
            methods: vec![],
            headers: vec![],
            query: vec![],
            jsonrpc: vec![],
        });
        let route = support::route(&format!("r{n}"), n as u64, &["*.x.org", "y"], matches.collect());
        table.insert(&Arc::new(route), n);
    }
    assert_eq!((table.len(), table.loose_regexes_max()), (1_000, 333));
    for n in 0..1_000 {
        assert_eq!(table.remove(&RouteId::new(&format!("r{n}")).unwrap()), Some(n));
    }
    assert!(table.is_empty());
    assert_eq!((table.iter().count(), table.loose_regexes_max()), (0, 0));
    let (head, listener) = (support::head("GET", "y", "/1", &[]), support::listener("web"));
    assert!(table.nearest(&Request { listener: &listener, head: &head, call: Call::None }).is_none());
}

/// A byte prefix whose last segment is too long to be filed whole is as specific as a segment prefix of its length.
#[test]
fn a_long_byte_prefix_ties_with_a_segment_prefix() {
    let long = format!("/a/{}", "x".repeat(80));
    let on = |path, methods| RouteMatch { path, methods, headers: vec![], query: vec![], jsonrpc: vec![] };
    let segment = on(PathMatch::Prefix(long.as_str().into()), vec![]);
    let bytes = on(PathMatch::BytePrefix(long.as_str().into()), vec!["GET".into()]);
    let mut table = RouteTable::new(RouteOrder::Precedence);
    table.insert(&Arc::new(support::route("segment", 1, &[], vec![segment])), ());
    table.insert(&Arc::new(support::route("bytes", 2, &[], vec![bytes])), ());
    let listener = support::listener("web");
    for (method, rest, expected) in [
        ("GET", "/b", Some("bytes")),
        ("POST", "/b", Some("segment")),
        ("GET", "x", Some("bytes")),
        ("POST", "x", None),
    ] {
        let head = support::head(method, "h", &format!("{long}{rest}"), &[]);
        let found = table.find(&Request { listener: &listener, head: &head, call: Call::None });
        assert_eq!(found.map(|f| f.route.id.as_str()), expected, "{method} {rest}");
    }
}
