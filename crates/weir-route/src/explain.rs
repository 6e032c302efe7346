//! Why a request goes where it goes, in words.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use weir_head::RequestHead;
use weir_model::{
    HeaderMatch, HostPattern, ListenerId, PathMatch, QueryMatch, Route, RouteMatch, RouteOrder, RpcMethod,
    ValueMatch,
};

use crate::candidate::specificity;
use crate::conditions::{call_holds, header_holds, method_holds, query_holds};
use crate::table::{Call, Request, RouteTable};

/// Routes that an explanation lists at most.
const LISTED_MAX: usize = 16;
/// Bytes of a host or path that are shown at most.
const SHOWN_BYTES_MAX: usize = 200;

/// Which route a request takes, and why not those that come before it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The route, and the index of the alternative that matched.
    pub found: Option<(Arc<Route>, usize)>,
    /// Routes that come before it (or all, where none was found), in the order in which they come. Where there are more
    /// than sixteen: those that differ least.
    pub passed_over: Vec<PassedOver>,
    /// How many more come before it.
    pub left_out: usize,
}

/// A route that does not match.
#[derive(Clone, Debug)]
pub struct PassedOver {
    /// The route.
    pub route: Arc<Route>,
    /// Index of the alternative that came closest.
    pub nearest: usize,
    /// All of that alternative that does not hold. Never empty.
    pub why: Vec<Mismatch>,
}

/// One thing that does not hold. Written as `weir routes` prints it; values of conditions on fields that carry
/// credentials are left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// The route does not serve the listener.
    Listener {
        /// The request's.
        listener: ListenerId,
        /// The route's.
        among: Vec<ListenerId>,
    },
    /// The route does not serve the host.
    Host {
        /// The request's.
        host: String,
        /// The route's.
        among: Vec<HostPattern>,
    },
    /// The path.
    Path {
        /// The request's.
        path: String,
        /// The alternative's.
        wanted: PathMatch,
    },
    /// The method.
    Method {
        /// The request's.
        method: String,
        /// The alternative's.
        among: Vec<Arc<str>>,
    },
    /// The method of the JSON-RPC call.
    Call {
        /// The request's; `None` where it makes no call.
        method: Option<String>,
        /// The alternative's.
        among: Vec<RpcMethod>,
    },
    /// A header field.
    Header {
        /// The condition.
        wanted: HeaderMatch,
        /// Whether the request has the field.
        present: bool,
    },
    /// A query parameter.
    Query {
        /// The condition.
        wanted: QueryMatch,
        /// Whether the request has the parameter.
        present: bool,
    },
}

impl Mismatch {
    /// How far off it is: what is easily changed in a request weighs little.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Host { .. } => 64,
            Self::Path { .. } => 16,
            Self::Listener { .. } => 4,
            Self::Method { .. } | Self::Call { .. } | Self::Header { .. } | Self::Query { .. } => 1,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener { listener, among } => {
                write!(f, "listener {listener} is not {}", AnyOf(among))
            }
            Self::Host { host, among } if host.is_empty() => {
                write!(f, "there is no host; it has to be {}", AnyOf(among))
            }
            Self::Host { host, among } => write!(f, "host {host} is not {}", AnyOf(among)),
            Self::Path { path, wanted } => match wanted {
                PathMatch::Exact(p) => write!(f, "path {path} is not exactly {p}"),
                PathMatch::Prefix(p) => write!(f, "path {path} is not {p} or below it"),
                PathMatch::BytePrefix(p) => write!(f, "path {path} does not start with {p}"),
                PathMatch::Regex(p) => write!(f, "path {path} does not match {}", p.as_str()),
            },
            Self::Method { method, among } => write!(f, "method {method} is not {}", AnyOf(among)),
            Self::Call { method: Some(method), among } => {
                write!(f, "JSON-RPC method {method} is not {}", AnyOf(among))
            }
            Self::Call { method: None, among } => {
                write!(f, "there is no JSON-RPC call; its method has to be {}", AnyOf(among))
            }
            Self::Header { wanted, present } => {
                write!(f, "header {} ", wanted.name)?;
                unmet(f, &wanted.value, *present, carries_credentials(&wanted.name))
            }
            Self::Query { wanted, present } => {
                write!(f, "query parameter {} ", wanted.name)?;
                unmet(f, &wanted.value, *present, carries_credentials(&wanted.name))
            }
        }
    }
}

/// `a`, `a or b`, `a, b or c`; of more than eight the first ones.
struct AnyOf<'w, W>(&'w [W]);

impl<W: fmt::Display> fmt::Display for AnyOf<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = self.0.split_at(self.0.len().min(8));
        for (at, word) in shown.iter().enumerate() {
            let before = match at {
                0 => "",
                _ if at + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{before}{word}")?;
        }
        match more.len() {
            0 => Ok(()),
            more => write!(f, " or one of {more} more"),
        }
    }
}

fn unmet(f: &mut fmt::Formatter<'_>, wanted: &ValueMatch, present: bool, secret: bool) -> fmt::Result {
    match wanted {
        ValueMatch::Absent => f.write_str("is there, and must not be"),
        _ if !present => f.write_str("is missing"),
        ValueMatch::Present => f.write_str("is missing"),
        _ if secret => f.write_str("has another value"),
        ValueMatch::Exact(text) => write!(f, "is not {text:?}"),
        ValueMatch::Prefix(text) => write!(f, "does not start with {text:?}"),
        ValueMatch::Regex(pattern) => write!(f, "does not match {}", pattern.as_str()),
    }
}

fn carries_credentials(name: &str) -> bool {
    ["auth", "cookie", "key", "token", "secret", "password", "session", "signature"]
        .iter()
        .any(|word| name.to_ascii_lowercase().contains(word))
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii();
    format!("{text}{}", if bytes.len() > SHOWN_BYTES_MAX { "…" } else { "" })
}

/// Whether a path condition holds, tested alone. An empty path (asterisk form) is covered only by what covers every
/// path.
pub(crate) fn path_holds(wanted: &PathMatch, path: &[u8]) -> bool {
    match wanted {
        PathMatch::Exact(p) => !path.is_empty() && p.as_bytes() == path,
        PathMatch::Prefix(p) => {
            let p = p.trim_end_matches('/').as_bytes();
            p.is_empty() || path.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        }
        PathMatch::BytePrefix(p) => &**p == "/" || path.starts_with(p.as_bytes()),
        PathMatch::Regex(pattern) => !path.is_empty() && pattern.matches(path),
    }
}

fn covers(route: &Route, host: &str) -> bool {
    route.hosts.is_empty() || route.hosts.iter().any(|h| h.covers(host))
}

/// Everything of an alternative that does not hold.
pub(crate) fn mismatches(route: &Route, alternative: &RouteMatch, request: &Request<'_>) -> Vec<Mismatch> {
    let head: &RequestHead = request.head;
    let mut all = Vec::new();
    if !route.serves(request.listener) {
        all.push(Mismatch::Listener { listener: request.listener.clone(), among: route.listeners.clone() });
    }
    if !covers(route, head.host()) {
        all.push(Mismatch::Host { host: shown(head.host().as_bytes()), among: route.hosts.clone() });
    }
    if !path_holds(&alternative.path, head.path()) {
        let path = if head.path().is_empty() { "*".into() } else { shown(head.path()) };
        all.push(Mismatch::Path { path, wanted: alternative.path.clone() });
    }
    if !method_holds(alternative, head) {
        all.push(Mismatch::Method { method: shown(head.method_name()), among: alternative.methods.clone() });
    }
    if !call_holds(alternative, request.call) {
        let method = match request.call {
            Call::Of(method) => Some(shown(method.as_bytes())),
            Call::None | Call::Unread => None,
        };
        all.push(Mismatch::Call { method, among: alternative.jsonrpc.clone() });
    }
    for wanted in alternative.headers.iter().filter(|wanted| !header_holds(wanted, head)) {
        let present = head.fields.get_name(&wanted.name).is_some();
        all.push(Mismatch::Header { wanted: wanted.clone(), present });
    }
    for wanted in alternative.query.iter().filter(|wanted| !query_holds(wanted, head)) {
        let query = head.query().unwrap_or_default();
        let present = crate::query::first(query, wanted.name.as_bytes()).is_some();
        all.push(Mismatch::Query { wanted: wanted.clone(), present });
    }
    all
}

pub(crate) fn weight(mismatches: &[Mismatch]) -> u32 {
    mismatches.iter().map(Mismatch::weight).sum()
}

/// The place of a route's alternative in the whole order.
fn place(order: RouteOrder, route: &Route, at: usize, host: &str) -> impl Ord + use<> {
    let within = (route.rank, at, route.id.clone());
    if order == RouteOrder::Listed {
        return ((0, Reverse(0)), 0, within);
    }
    let of = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(_) => (0, Reverse(0)),
        HostPattern::Wildcard(suffix) => (1, Reverse(suffix.len())),
    };
    // Where it covers the host it comes by the pattern that does; elsewhere by the most specific one.
    let covering = route.hosts.iter().filter(|h| h.covers(host)).map(of).min();
    let host = covering.or_else(|| route.hosts.iter().map(of).min()).unwrap_or((2, Reverse(0)));
    (host, specificity(&route.matches[at]), within)
}

impl<T> RouteTable<T> {
    /// Which route matches, and why those that come before it do not. Looks at every route: for people, not for the
    /// request path.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let host = request.head.host();
        let found = self.first(request).map(|c| (c.live.route.clone(), c.at as usize));
        let limit = found.as_ref().map(|(route, at)| place(self.order, route, *at, host));
        let mut before = Vec::new();
        for (route, _) in self.iter() {
            let ahead = (0..route.matches.len()).map(|at| (place(self.order, route, at, host), at));
            let ahead: Vec<_> =
                ahead.filter(|(place, _)| limit.as_ref().is_none_or(|limit| place < limit)).collect();
            let Some(first) = ahead.iter().map(|(_, at)| *at).next() else { continue };
            if found.as_ref().is_some_and(|(found, _)| found.id == route.id) {
                continue;
            }
            let why = |at: usize| mismatches(route, &route.matches[at], request);
            let nearest = ahead.iter().map(|(_, at)| *at).min_by_key(|at| weight(&why(*at))).unwrap_or(first);
            let place = ahead.into_iter().map(|(place, _)| place).min();
            let passed = PassedOver { route: route.clone(), nearest, why: why(nearest) };
            before.push((weight(&passed.why), place, passed));
        }
        before.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let left_out = before.len().saturating_sub(LISTED_MAX);
        before.truncate(LISTED_MAX);
        before.sort_by(|a, b| a.1.cmp(&b.1));
        Explanation { found, passed_over: before.into_iter().map(|(.., passed)| passed).collect(), left_out }
    }
}
