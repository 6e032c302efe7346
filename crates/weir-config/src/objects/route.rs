//! Routes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    Action, Backend, HeaderEdits, HostRewrite, Origin, PathMatch, PathRewrite, Rank, Redirect, Respond,
    RetryPolicy, Route, RouteId, RouteMatch, RouteTimeouts, ServiceId, ValueMatch,
};

use super::action::{HOST_REWRITE, PATH_REWRITE, RespondText};
use super::document::Document;
use super::limit::LimitText;
use crate::form::{At, Fields, Object, Raw, obj, via};
use crate::forms::{BOOL, HOST, Items, ROUTE_NAME, Size, Time, list, optional, or_none, reference};
use crate::problem::Span;
use crate::reader::{Reader, Step};
use crate::tree::{Node, Value};

/// A route, as written.
#[derive(Clone)]
pub(crate) struct RouteText {
    /// All but what is spelt otherwise.
    route: Route,
    rewrite: Rewrite,
    service: Option<ServiceId>,
    backends: Option<Vec<Backend>>,
    redirect: Option<Redirect>,
    respond: Option<Respond>,
}

impl Object for RouteText {
    const NAME: &'static str = "route";
    const DOC: &'static str = "Which requests go where, and what is done to them on the way. Exactly one of `service`, `backends`, `redirect` \
         and `respond` says what is done with them.";

    fn blank() -> Self {
        Self {
            route: Route {
                id: RouteId::new("unnamed").expect("a valid name"),
                origin: Origin::whole(""),
                rank: Rank(0),
                listeners: Vec::new(),
                hosts: Vec::new(),
                matches: vec![RouteMatch::blank()],
                action: Action::Forward(Vec::new()),
                timeouts: RouteTimeouts::blank(),
                retry: RetryPolicy::blank(),
                rate_limits: Vec::new(),
                request_headers: HeaderEdits::default(),
                response_headers: HeaderEdits::default(),
                rewrite_path: None,
                rewrite_host: HostRewrite::Keep,
                cors: None,
                mirror: None,
                body_bytes_max: None,
                access_log: true,
            },
            rewrite: Rewrite::blank(),
            service: None,
            backends: None,
            redirect: None,
            respond: None,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let Self { route, rewrite, service, backends, redirect, respond } = self;
        f.required("name", "Its name.", ROUTE_NAME, &mut route.id);
        f.key(
            "listeners",
            "Listeners it serves; all when empty.",
            list(reference(), Items::Any),
            &mut route.listeners,
        );
        let doc = "Hosts it serves; all when empty. `*.example.org` covers names below it at any depth, not `example.org`.";
        f.key("hosts", doc, list(HOST, Items::Any), &mut route.hosts);
        let doc = "Alternatives: it matches when one of them does.";
        f.key("matches", doc, list(obj(), Items::Some), &mut route.matches);
        f.key("service", "Short for one backend.", optional(reference()), service);
        f.key(
            "backends",
            "Services with their shares of the requests.",
            optional(list(obj(), Items::Some)),
            backends,
        );
        f.key("redirect", "Sends the client elsewhere.", optional(obj()), redirect);
        f.key("respond", "Answers here.", optional(via::<RespondText>()), respond);
        f.key("timeouts", "Deadlines.", obj(), &mut route.timeouts);
        f.key("retry", "Whether and when a failed try is repeated.", obj(), &mut route.retry);
        let doc = "Limits; each has to let a request pass.";
        f.key("rate_limits", doc, list(via::<LimitText>(), Items::Any), &mut route.rate_limits);
        f.key("request_headers", "Edits of the request's header fields.", obj(), &mut route.request_headers);
        f.key("response_headers", "Edits of the answer's header fields.", obj(), &mut route.response_headers);
        f.key("rewrite", "Changes of path and host on the way to the service.", obj(), rewrite);
        f.key("cors", "Cross-origin rules.", optional(obj()), &mut route.cors);
        f.key("mirror", "A service that is sent a copy of requests.", optional(obj()), &mut route.mirror);
        let doc = "Largest request body, where it differs from the listener's; more is 413.";
        f.key("max_body", doc, optional(Size { min: 0, max: 1 << 60 }), &mut route.body_bytes_max);
        f.key("access_log", "Whether its requests are logged.", BOOL, &mut route.access_log);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        const ACTIONS: [&str; 4] = ["service", "backends", "redirect", "respond"];
        let written: Vec<&str> =
            ACTIONS.into_iter().filter(|key| at.node(key).is_some_and(|n| !n.is_null())).collect();
        match written.as_slice() {
            [] => {
                r.error(at.span, "this route does not say what is done with its requests").help =
                    Some("add `service: NAME`, `backends`, `redirect` or `respond`".into());
            }
            [_] => {}
            [first, others @ ..] => {
                for other in others {
                    let message = format!("a route has either `{first}` or `{other}`, not both");
                    let problem = at.error(other, r, message);
                    problem.related = Some((at.key(first), "the other is here".into()));
                    problem.help = Some("leave one of them out".into());
                }
            }
        }
        if let Some(backends) = &self.backends
            && backends.iter().all(|b| b.weight == 0)
        {
            at.error("backends", r, "all backends have weight 0, so none would ever be picked").help =
                Some("give at least one a weight above 0".into());
        }
        let answered =
            self.redirect.as_ref().map(|_| "redirect").or(self.respond.as_ref().map(|_| "respond"));
        if let Some(action) = answered {
            for key in ["rewrite", "mirror", "retry", "timeouts"] {
                if at.node(key).is_some() {
                    at.warn(
                        key,
                        r,
                        format!("`{key}` has no effect on a route with `{action}`: nothing is sent on"),
                    )
                    .help = Some("leave it out".into());
                }
            }
        }
    }
}

impl Raw<Route> for RouteText {
    fn refine<'n>(self, at: At<'n>, r: &mut Reader<'n>) -> Option<Route> {
        let forward = |service| Action::Forward(vec![Backend { service, weight: 1 }]);
        let action = (self.service.map(forward))
            .or(self.backends.map(Action::Forward))
            .or(self.redirect.map(Action::Redirect))
            .or(self.respond.map(Action::Respond))?;
        let Rewrite { path: rewrite_path, host: rewrite_host } = self.rewrite;
        Some(Route { origin: r.origin(at.span), action, rewrite_path, rewrite_host, ..self.route })
    }

    fn raw(route: &Route) -> Self {
        let rewrite = Rewrite { path: route.rewrite_path.clone(), host: route.rewrite_host.clone() };
        let blank = Self { route: route.clone(), rewrite, ..Self::blank() };
        match &route.action {
            Action::Forward(backends) => match backends.as_slice() {
                [Backend { service, weight: 1 }] => Self { service: Some(service.clone()), ..blank },
                _ => Self { backends: Some(backends.clone()), ..blank },
            },
            Action::Redirect(redirect) => Self { redirect: Some(redirect.clone()), ..blank },
            Action::Respond(respond) => Self { respond: Some(respond.clone()), ..blank },
        }
    }
}

/// Changes on the way to the service, as written.
#[derive(Clone)]
struct Rewrite {
    path: Option<PathRewrite>,
    host: HostRewrite,
}

impl Object for Rewrite {
    const NAME: &'static str = "rewrite";
    const DOC: &'static str = "Changes of path and host on the way to the service. The query is kept.";

    fn blank() -> Self {
        Self { path: None, host: HostRewrite::Keep }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "`prefix` takes the place of the matched prefix (of the whole path where the match was none), `full` that \
                   of the whole path.";
        f.key("path", doc, optional(PATH_REWRITE), &mut self.path);
        let doc = "The `Host` that the service sees: the client's (`keep`), the chosen endpoint's name (`endpoint`), or this \
                   one.";
        f.key("host", doc, HOST_REWRITE, &mut self.host);
    }
}

impl Object for RouteTimeouts {
    const NAME: &'static str = "route timeouts";
    const DOC: &'static str = "Deadlines of a route.";

    fn blank() -> Self {
        Self {
            request: Some(Duration::from_mins(1)),
            per_try: None,
            upgrade_idle: Some(Duration::from_hours(1)),
            body: Some(Duration::from_mins(1)),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "From the request's head to the answer's end; then 504. Raise it for long downloads.";
        f.key("request", doc, or_none(Time::POSITIVE), &mut self.request);
        let doc = "From the start of a try to its answer's head; then the try counts as failed.";
        f.key("per_try", doc, or_none(Time::POSITIVE), &mut self.per_try);
        let doc = "Without a byte in either direction of an upgraded connection (WebSocket).";
        f.key("upgrade_idle", doc, or_none(Time::POSITIVE), &mut self.upgrade_idle);
        f.key("body", "Between two pieces of an answer's body.", or_none(Time::POSITIVE), &mut self.body);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if let (Some(request), Some(per_try)) = (self.request, self.per_try)
            && per_try > request
        {
            at.warn("per_try", r, "a try may take longer than the whole request, so this never ends one")
                .help = Some("lower `per_try` or raise `request`".into());
        }
    }
}

/// The text of everything that a match looks at; equal for matches of the same requests.
fn match_key(host: Option<&str>, matched: &RouteMatch, key: &mut String) {
    key.clear();
    let (kind, path) = match &matched.path {
        PathMatch::Exact(path) => ('e', &**path),
        PathMatch::Prefix(path) => ('p', &**path),
        PathMatch::BytePrefix(path) => ('b', &**path),
        PathMatch::Regex(pattern) => ('r', pattern.as_str()),
    };
    let _ = write!(key, "{}\n{kind}{path}\n", host.unwrap_or_default());
    let mut parts: Vec<String> = Vec::new();
    parts.extend(matched.methods.iter().map(|m| format!("m{m}")));
    let value = |kind: char, name: &str, value: &ValueMatch| format!("{kind}{name}\r{value:?}");
    parts.extend(matched.headers.iter().map(|h| value('h', &h.name, &h.value)));
    parts.extend(matched.query.iter().map(|q| value('q', &q.name, &q.value)));
    parts.extend(matched.jsonrpc.iter().map(|method| format!("j{method}")));
    parts.sort_unstable();
    for part in parts {
        key.push_str(&part);
        key.push('\n');
    }
}

/// Warns of routes that never match, since earlier ones take exactly the same requests.
pub(crate) fn unreachable_routes<'n>(document: &Document, node: Option<&'n Node<'n>>, r: &mut Reader<'n>) {
    let Some(Value::List(items)) = node.map(|n| &n.value) else { return };
    let mut taken: HashMap<String, Vec<(usize, &Arc<Route>)>> = HashMap::with_capacity(items.len());
    let mut key = String::new();
    for (at, (route, item)) in document.routes.iter().zip(items).enumerate() {
        let mut earlier: Option<usize> = None;
        let mut all_taken = true;
        let hosts = || route.hosts.iter().map(Some).chain(route.hosts.is_empty().then_some(None));
        for (host, matched) in hosts().flat_map(|h| route.matches.iter().map(move |m| (h, m))) {
            match_key(host.map(ToString::to_string).as_deref(), matched, &mut key);
            let before =
                taken.get(&key).and_then(|routes| routes.iter().find(|(_, first)| covers(first, route)));
            match before {
                Some((first, _)) => earlier = earlier.or(Some(*first)),
                None => all_taken = false,
            }
            match taken.get_mut(&key) {
                // Others for the same requests serve other listeners; a handful is remembered, which bounds the search.
                Some(routes) if routes.len() < 8 => routes.push((at, route)),
                Some(_) => {}
                None => drop(taken.insert(key.clone(), vec![(at, route)])),
            }
        }
        if let (true, Some(first)) = (all_taken, earlier) {
            let message = format!(
                "route `{}` never matches: `{}` takes the same requests",
                route.id, document.routes[first].id
            );
            let place: Span = items[first].span;
            r.within(Step::Key("routes"), |r| {
                r.within(Step::Index(at), |r| {
                    let problem = r.warn(item.span, message);
                    problem.related = Some((place, "the earlier one wins".into()));
                    problem.help =
                        Some("remove one of them, or tell them apart by host, method or header".into());
                });
            });
        }
    }
}

/// Whether `first` serves every listener that `second` does.
fn covers(first: &Route, second: &Route) -> bool {
    first.listeners.is_empty()
        || (!second.listeners.is_empty() && second.listeners.iter().all(|l| first.listeners.contains(l)))
}
