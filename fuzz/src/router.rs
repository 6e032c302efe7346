//! A configuration's routes, and a request for them. The input is the configuration, a NUL, and the request's head.

use std::path::Path;
use std::sync::Arc;

use weir_config::load_bytes;
use weir_head::{Limits, Parsed, PathForm, RequestHead, normalise, parse_request};
use weir_model::{ListenerId, Route, RouteOrder};
use weir_route::{Request, RouteTable};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "router",
    words: &[
        "{ path: { prefix: / } }",
        "{ path: { prefix: /a } }",
        "{ path: { exact: /a/b } }",
        "{ path: { regex: '/a.*' } }",
        "{ path: { regex: '(?i)/A' } }",
        "{ path: { regex: '/\\d+/(x|y)?' } }",
        "methods: [GET]",
        "headers: { a: b }",
        "query: { a: b }",
        "hosts: [a.b]",
        "hosts: [\"*.b\"]",
        "route_order: listed\n",
        "GET /a/b HTTP/1.1\r\n",
        "Host: a.b\r\n",
        "?a=b&a=c",
        "%41",
        "/a",
        "//",
        "/..",
        "a: b\r\n",
        "OPTIONS * HTTP/1.1\r\n",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some(border) = input.iter().position(|&b| b == 0) else { return 0 };
    let (text, request) = (&input[..border], &input[border + 1..]);
    let Some(model) = load_bytes("fuzz", text, Path::new("")).model else { return 1 };
    let mut head = RequestHead::default();
    let Ok(Parsed::Complete(_)) = parse_request(request, &Limits::default(), &mut head) else { return 2 };
    if normalise(&mut head, PathForm::default()).is_err() {
        return 3;
    }
    let listener = ListenerId::new("web").expect("a valid name");
    let asked = Request { listener: &listener, head: &head, call: weir_route::Call::Unread };
    let mut routes: Vec<_> = model.routes.values().cloned().collect();
    let table = table(model.order, &routes);
    let found = chosen(&table, &asked);

    routes.reverse();
    let backwards = self::table(model.order, &routes);
    assert_eq!(chosen(&backwards, &asked), found, "the order of insertion decides");

    let explanation = table.explain(&asked);
    let explained = explanation.found.map(|(route, at)| (route.id.to_string(), at));
    assert_eq!(explained, found, "the explanation tells of another route");

    // What is taken out leaves no trace, and comes back where it was.
    let mut changed = table.clone();
    for route in routes.iter().step_by(2) {
        changed.remove(&route.id);
    }
    let rest: Vec<_> = routes.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(
        chosen(&changed, &asked),
        chosen(&self::table(model.order, &rest), &asked),
        "a removal leaves traces"
    );
    for route in routes.iter().step_by(2) {
        changed.insert(route, ());
    }
    assert_eq!(chosen(&changed, &asked), found, "a route came back elsewhere");
    assert_eq!(chosen(&table, &asked), found, "a change of a clone changed the original");
    let outcome = found.map(|(_, at)| at);
    hash(format!("{outcome:?} {} {}", routes.len().min(8), explanation.passed_over.len()).as_bytes())
}

fn table(order: RouteOrder, routes: &[Arc<Route>]) -> RouteTable<()> {
    let mut table = RouteTable::new(order);
    for route in routes {
        table.insert(route, ());
    }
    table
}

fn chosen(table: &RouteTable<()>, asked: &Request<'_>) -> Option<(String, usize)> {
    table.find(asked).map(|found| (found.route.id.to_string(), found.matched))
}
