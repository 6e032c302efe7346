//! The table: hosts, then what each host holds.

use std::sync::Arc;

use weir_head::RequestHead;
use weir_model::{HostPattern, ListenerId, PathMatch, Route, RouteId, RouteOrder};

use crate::candidate::{Best, Candidate, Live, Visitor};
use crate::counted::CountedSet;
use crate::hash::{SEED, Table, extend};
use crate::host::HostNode;

/// What a route is looked up for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the request came in. Compared only with routes that name listeners, and only once host and path hold.
    pub listener: &'a ListenerId,
    /// Its head, the path in its normal form.
    pub head: &'a RequestHead,
    /// The JSON-RPC call that it makes.
    pub call: Call<'a>,
}

/// The JSON-RPC call of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Call<'a> {
    /// Not known, since the body was not read: conditions on it are taken to hold. See [`Found::asks_for_call`].
    #[default]
    Unread,
    /// There is none: conditions on it do not hold.
    None,
    /// One of this method.
    Of(&'a str),
}

/// A route that matches.
#[derive(Debug)]
pub struct Found<'t, T> {
    /// What was put in with the route.
    pub payload: &'t T,
    /// The route.
    pub route: &'t Arc<Route>,
    /// Index of the alternative that matched, of [`Route::matches`].
    pub matched: usize,
}

impl<T> Found<'_, T> {
    /// Whether the alternative that matched has a condition on the JSON-RPC call. Where the call was not read yet, it has
    /// to be, and the route looked up again; where this is false, reading it would have made no difference.
    pub fn asks_for_call(&self) -> bool {
        !self.route.matches[self.matched].jsonrpc.is_empty()
    }

    /// How many bytes of the path its prefix covers; `None` where the path was matched exactly or by a pattern.
    ///
    /// Behind a segment prefix there is nothing or a `/`, so `/` itself covers 0 bytes. A byte prefix covers its own
    /// length. Never more than `path` has, which is empty for the asterisk form.
    pub fn prefix_len(&self, path: &[u8]) -> Option<usize> {
        let len = match &self.route.matches[self.matched].path {
            PathMatch::Prefix(prefix) => prefix.trim_end_matches('/').len(),
            PathMatch::BytePrefix(prefix) => prefix.len(),
            PathMatch::Exact(_) | PathMatch::Regex(_) => return None,
        };
        Some(len.min(path.len()))
    }
}

/// Routes by what they match, each with a payload `T` (usually an `Arc` of what serves it).
///
/// Under [`RouteOrder::Precedence`] less specific hosts are tried where no route of a more specific one matches, as in
/// Gateway API, where precedence is one among the routes that match. Routes of equal rank are ordered by alternative,
/// then by name.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    pub(crate) order: RouteOrder,
    routes: Table<Arc<Live<T>>>,
    pub(crate) hosts: Table<Arc<HostNode<T>>>,
    /// Numbers of labels that the suffixes of wildcards have.
    labels: CountedSet,
    /// Routes of any host.
    any: Arc<HostNode<T>>,
}

fn host_hash(name: &[u8], wildcard: bool) -> u64 {
    extend(SEED ^ u64::from(wildcard), name)
}

fn route_hash(id: &RouteId) -> u64 {
    extend(SEED, id.as_str().as_bytes())
}

fn labels(suffix: &[u8]) -> usize {
    memchr::memchr_iter(b'.', suffix).count() + 1
}

impl<T> RouteTable<T> {
    /// Number of routes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All routes with their payloads, in no particular (but reproducible) order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Route>, &T)> {
        self.routes.entries().map(|(_, live)| (&live.route, &live.payload))
    }

    /// A route's payload, by its name.
    pub fn get(&self, id: &RouteId) -> Option<(&Arc<Route>, &T)> {
        let live = self.routes.find(route_hash(id), |live| live.route.id == *id)?;
        Some((&live.route, &live.payload))
    }

    /// The most patterns that a request to one host is tried against one by one, because they hold no literal of at
    /// least two bytes that could lead to them.
    pub fn loose_regexes_max(&self) -> usize {
        let hosts = self.hosts.entries().map(|(_, node)| node.loose_regexes());
        hosts.chain([self.any.loose_regexes()]).max().unwrap_or(0)
    }

    /// The route for a request. Allocates nothing (but what a pattern needs on its first run on a thread, and for a
    /// query value of more than 256 bytes that a pattern is put to).
    #[inline]
    pub fn find<'t>(&'t self, request: &Request<'_>) -> Option<Found<'t, T>> {
        let candidate = self.first(request)?;
        let live = &candidate.live;
        Some(Found { payload: &live.payload, route: &live.route, matched: candidate.at as usize })
    }

    #[inline]
    pub(crate) fn first<'t>(&'t self, request: &Request<'_>) -> Option<&'t Candidate<T>> {
        let mut best = Best { order: self.order, found: None };
        self.visit(request, &mut best);
        best.found
    }

    /// Shows a visitor what the nodes that cover the request's host hold for it.
    #[inline]
    pub(crate) fn visit<'t>(&'t self, request: &Request<'_>, visitor: &mut impl Visitor<'t, T>) {
        self.visit_hosts(request.head.host().as_bytes(), |node| {
            node.search(request, visitor);
            !visitor.is_done()
        });
    }

    /// The exact host, wildcards from the longest, any host; until `visit` says to stop.
    #[inline]
    pub(crate) fn visit_hosts<'t>(&'t self, host: &[u8], mut visit: impl FnMut(&'t HostNode<T>) -> bool) {
        if self.hosts.len() > 0 {
            if let Some(node) = self.host(host, false)
                && !visit(node)
            {
                return;
            }
            if self.labels.bits() != 0 && !self.visit_wildcards(host, &mut visit) {
                return;
            }
        }
        visit(&self.any);
    }

    fn visit_wildcards<'t>(&'t self, host: &[u8], visit: &mut impl FnMut(&'t HostNode<T>) -> bool) -> bool {
        let mut left = labels(host);
        for dot in memchr::memchr_iter(b'.', host) {
            left -= 1;
            // A wildcard stands for at least one character before the dot.
            if dot == 0 || !self.labels.has(left) {
                continue;
            }
            if let Some(node) = self.host(&host[dot + 1..], true)
                && !visit(node)
            {
                return false;
            }
        }
        true
    }

    #[inline]
    fn host(&self, name: &[u8], wildcard: bool) -> Option<&Arc<HostNode<T>>> {
        self.hosts.find(host_hash(name, wildcard), |node| *node.name == *name && node.wildcard == wildcard)
    }
}

impl<T: Clone> RouteTable<T> {
    /// An empty table.
    pub fn new(order: RouteOrder) -> Self {
        Self {
            order,
            routes: Table::default(),
            hosts: Table::default(),
            labels: CountedSet::default(),
            any: Arc::new(HostNode::new("", true)),
        }
    }

    /// Puts a route in; replaces one of the same name. Copies only what the route touches: a few hundred reference
    /// counts among 50,000 routes, for each of its hosts and alternatives.
    pub fn insert(&mut self, route: &Arc<Route>, payload: T) {
        self.remove(&route.id);
        let live = Arc::new(Live { route: route.clone(), payload });
        self.routes.insert(route_hash(&route.id), live.clone());
        let order = self.order;
        self.each_host(route, |node| {
            for (at, alternative) in live.route.matches.iter().enumerate() {
                node.insert(&alternative.path, |kind| Candidate::new(order, &live, at, kind));
            }
        });
    }

    /// Takes a route out.
    pub fn remove(&mut self, id: &RouteId) -> Option<T> {
        let live = self.routes.remove(route_hash(id), |live| live.route.id == *id)?;
        self.each_host(&live.route, |node| {
            for (at, alternative) in live.route.matches.iter().enumerate() {
                node.remove(&alternative.path, |c| Arc::ptr_eq(&c.live, &live) && c.at as usize == at);
            }
        });
        Some(live.payload.clone())
    }

    /// Changes the nodes of a route's hosts. Those that are missing are made, those that become empty are dropped.
    fn each_host(&mut self, route: &Route, mut change: impl FnMut(&mut HostNode<T>)) {
        if route.hosts.is_empty() {
            return change(Arc::make_mut(&mut self.any));
        }
        for (at, host) in route.hosts.iter().enumerate() {
            if route.hosts[..at].contains(host) {
                continue;
            }
            let (name, wildcard) = match host {
                HostPattern::Exact(name) => (name, false),
                HostPattern::Wildcard(suffix) => (suffix, true),
            };
            let hash = host_hash(name.as_bytes(), wildcard);
            let is = |node: &Arc<HostNode<T>>| *node.name == *name.as_bytes() && node.wildcard == wildcard;
            if self.hosts.find(hash, is).is_none() {
                self.hosts.insert(hash, Arc::new(HostNode::new(name, wildcard)));
                if wildcard {
                    self.labels.add(labels(name.as_bytes()));
                }
            }
            let empty = self.hosts.update(hash, is, |node| {
                let node = Arc::make_mut(node);
                change(node);
                node.is_empty()
            });
            if empty == Some(true) {
                self.hosts.remove(hash, is);
                if wildcard {
                    self.labels.remove(labels(name.as_bytes()));
                }
            }
        }
    }
}
