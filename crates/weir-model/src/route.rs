//! Which requests go where, and what is done to them on the way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Cors, HeaderEdits, HostPattern, ListenerId, Origin, Pattern, RateLimit, RetryPolicy, RouteId, ServiceId,
};

/// A route's place in its table: the lower wins. Sparse, so that a route can be put between two others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u64);

impl Rank {
    /// Distance between neighbours when a table is numbered afresh.
    pub const STEP: u64 = 1 << 20;
}

/// A route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name.
    pub id: RouteId,
    /// Where it was written.
    pub origin: Origin,
    /// Its place among the others: source order for files.
    pub rank: Rank,
    /// Listeners it serves; empty means all.
    pub listeners: Vec<ListenerId>,
    /// Hosts it serves; empty means all.
    pub hosts: Vec<HostPattern>,
    /// Alternatives; it matches when one of them does. Never empty.
    pub matches: Vec<RouteMatch>,
    /// What is done with a request that matched.
    pub action: Action,
    /// Deadlines.
    pub timeouts: RouteTimeouts,
    /// Whether and when a failed try is repeated.
    pub retry: RetryPolicy,
    /// Limits; each must let the request pass.
    pub rate_limits: Vec<RateLimit>,
    /// Edits of the request's header fields.
    pub request_headers: HeaderEdits,
    /// Edits of the answer's header fields.
    pub response_headers: HeaderEdits,
    /// Rewrite of the path before it is forwarded.
    pub rewrite_path: Option<PathRewrite>,
    /// Which `Host` the service sees.
    pub rewrite_host: HostRewrite,
    /// Cross-origin rules.
    pub cors: Option<Cors>,
    /// A service that is sent a copy of each request (or a share of them); its answers are dropped.
    pub mirror: Option<Mirror>,
    /// Largest request body, where it differs from the listener's.
    pub body_bytes_max: Option<u64>,
    /// Whether requests appear in the access log.
    pub access_log: bool,
}

/// One alternative of a route: every part has to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMatch {
    /// The path, in its normal form.
    pub path: PathMatch,
    /// Methods; empty means all. Case-sensitive, as RFC 9110 says.
    pub methods: Vec<Arc<str>>,
    /// Header fields, names in lower case. All have to match.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters. All have to match.
    pub query: Vec<QueryMatch>,
    /// JSON-RPC methods, one of which each call has to be of; empty means that no call is asked for.
    pub jsonrpc: Vec<RpcMethod>,
}

/// JSON-RPC methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RpcMethod {
    /// This one.
    Exact(Arc<str>),
    /// All whose names start with this.
    Prefix(Arc<str>),
}

impl RpcMethod {
    /// Whether a method is among them.
    pub fn covers(&self, method: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *method,
            Self::Prefix(start) => method.starts_with(&**start),
        }
    }
}

impl fmt::Display for RpcMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

/// What a path has to be. Paths start with `/` and are compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Exactly this.
    Exact(Arc<str>),
    /// This, or below it at a segment's border: `/a` covers `/a` and `/a/b`, not `/ab`. A trailing `/` in the
    /// pattern is without meaning, so `/a/` equals `/a`; it is held without it (`/` is held as `/`).
    Prefix(Arc<str>),
    /// Starts with these bytes (xDS).
    BytePrefix(Arc<str>),
    /// The whole path matches.
    Regex(Pattern),
}

/// A condition on one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// The value is exactly this.
    Exact(Arc<str>),
    /// The value starts with this.
    Prefix(Arc<str>),
    /// The whole value matches.
    Regex(Pattern),
    /// There is one.
    Present,
    /// There is none.
    Absent,
}

impl ValueMatch {
    /// Whether it holds for a value (or for none).
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (Self::Present, value) => value.is_some(),
            (_, None) => false,
            (Self::Exact(text), Some(value)) => text.as_bytes() == value,
            (Self::Prefix(text), Some(value)) => value.starts_with(text.as_bytes()),
            (Self::Regex(pattern), Some(value)) => pattern.matches(value),
        }
    }
}

/// A header field's condition. Where a field stands several times it holds when it does for one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: Arc<str>,
    /// Condition.
    pub value: ValueMatch,
}

/// A query parameter's condition, on its percent-decoded value; the first of several counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// Decoded name.
    pub name: Arc<str>,
    /// Condition.
    pub value: ValueMatch,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Passed to one of these services, by weight. Never empty, never all of weight 0.
    Forward(Vec<Backend>),
    /// Sent elsewhere.
    Redirect(Redirect),
    /// Answered here.
    Respond(Respond),
}

/// A service with its share of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The service.
    pub service: ServiceId,
    /// Its share, relative to the others'.
    pub weight: u32,
}

/// A redirect. Parts that are not set are those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`.
    pub scheme: Option<Arc<str>>,
    /// Host, with a port where it is not the scheme's own.
    pub host: Option<Arc<str>>,
    /// Path.
    pub path: Option<PathRewrite>,
    /// Drop the query.
    pub strip_query: bool,
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// Body; empty for none.
    pub body: Arc<[u8]>,
    /// Its media type.
    pub content_type: Arc<str>,
}

/// How a path changes. The query is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The matched prefix is replaced by this one. Where the match was no prefix, as [`PathRewrite::Full`].
    Prefix(Arc<str>),
    /// The whole path becomes this.
    Full(Arc<str>),
    /// The first match of the pattern within the path is replaced; `$1` and `${name}` stand for groups.
    Regex {
        /// What is looked for; not anchored.
        pattern: Pattern,
        /// What takes its place.
        with: Arc<str>,
    },
}

/// Which `Host` the service sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// The client's.
    Keep,
    /// This one.
    To(Arc<str>),
    /// The chosen endpoint's name (and port).
    Endpoint,
}

/// A copy of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Who gets the copy.
    pub service: ServiceId,
    /// Share of requests that are copied, in millionths.
    pub share_ppm: u32,
    /// Requests with a larger body are not copied, and counted.
    pub body_bytes_max: u32,
}

/// Deadlines of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// From the request's head to the answer's end; then 504. `None` is no limit.
    pub request: Option<Duration>,
    /// From the start of a try to its answer's head; then it counts as failed. `None` is no limit of its own.
    pub per_try: Option<Duration>,
    /// Without a byte in either direction of an upgraded connection.
    pub upgrade_idle: Option<Duration>,
    /// Between two reads of an answer's body.
    pub body: Option<Duration>,
}

impl Route {
    /// Services that this route refers to, in every role.
    pub fn services(&self) -> impl Iterator<Item = &ServiceId> {
        let backends = match &self.action {
            Action::Forward(backends) => backends.as_slice(),
            _ => &[],
        };
        backends.iter().map(|b| &b.service).chain(self.mirror.iter().map(|m| &m.service))
    }

    /// Whether the route serves a listener.
    pub fn serves(&self, listener: &ListenerId) -> bool {
        self.listeners.is_empty() || self.listeners.contains(listener)
    }
}
