//! One alternative of a route as the table holds it: its place in the order, and what is left to be tested.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;
use weir_head::Method;
use weir_model::{PathMatch, Route, RouteMatch, RouteOrder};

use crate::conditions;
use crate::table::Request;

/// A route with what hangs on it; all its candidates share one.
#[derive(Debug)]
pub(crate) struct Live<T> {
    pub(crate) route: Arc<Route>,
    pub(crate) payload: T,
}

/// How a candidate's path was filed, and so what finding its key has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key is the whole path.
    Exact,
    /// The key is a prefix that ends at a segment's border.
    Segment,
    /// The key is a prefix that ends anywhere.
    Byte,
    /// The key is the start of a byte prefix that is too long to be filed whole; the rest is still to be compared.
    LongByte,
    /// The key is a literal that the pattern needs; the pattern is still to be run.
    Regex,
}

/// Thirty-two bytes, so that the usual candidate (no conditions but a path and methods) is decided without a further
/// look into memory.
#[derive(Debug)]
pub(crate) struct Candidate<T> {
    /// The lower comes first; 0 throughout where routes are listed.
    specificity: u64,
    rank: u64,
    pub(crate) live: Arc<Live<T>>,
    /// Index of the alternative.
    pub(crate) at: u32,
    methods: u16,
    pub(crate) kind: Kind,
    /// Whether more than the path and well-known methods has to hold.
    conditional: bool,
}

impl<T> Clone for Candidate<T> {
    fn clone(&self) -> Self {
        Self { live: self.live.clone(), ..*self }
    }
}

const OTHER_METHOD: u16 = 1 << 15;

fn method_bit(name: &[u8]) -> u16 {
    match name {
        b"GET" => 1,
        b"HEAD" => 1 << 1,
        b"POST" => 1 << 2,
        b"PUT" => 1 << 3,
        b"DELETE" => 1 << 4,
        b"CONNECT" => 1 << 5,
        b"OPTIONS" => 1 << 6,
        b"TRACE" => 1 << 7,
        b"PATCH" => 1 << 8,
        _ => OTHER_METHOD,
    }
}

#[inline]
fn request_method_bit(method: Method) -> u16 {
    match method {
        Method::Get => 1,
        Method::Head => 1 << 1,
        Method::Post => 1 << 2,
        Method::Put => 1 << 3,
        Method::Delete => 1 << 4,
        Method::Connect => 1 << 5,
        Method::Options => 1 << 6,
        Method::Trace => 1 << 7,
        Method::Patch => 1 << 8,
        Method::Other(_) => OTHER_METHOD,
    }
}

/// How specific an alternative is within its host, the lower the more: exact path, longest prefix, regex; then with
/// a JSON-RPC method, with methods, more header fields, more query parameters. Lengths and numbers are told apart up to 65,535 bytes and 4,095
/// conditions.
pub(crate) fn specificity(alternative: &RouteMatch) -> u64 {
    let (class, length) = match &alternative.path {
        PathMatch::Exact(_) => (0, 0),
        PathMatch::Prefix(p) => (1, p.trim_end_matches('/').len().max(1)),
        PathMatch::BytePrefix(p) => (1, p.len().max(1)),
        PathMatch::Regex(_) => (2, 0),
    };
    let fewer = |count: usize, max: u64| max - (count as u64).min(max);
    class << 48
        | fewer(length, 0xFFFF) << 32
        | u64::from(alternative.jsonrpc.is_empty()) << 25
        | u64::from(alternative.methods.is_empty()) << 24
        | fewer(alternative.headers.len(), 0xFFF) << 12
        | fewer(alternative.query.len(), 0xFFF)
}

impl<T> Candidate<T> {
    pub(crate) fn new(order: RouteOrder, live: &Arc<Live<T>>, at: usize, kind: Kind) -> Self {
        let alternative = &live.route.matches[at];
        let methods = alternative.methods.iter().fold(0, |bits, m| bits | method_bit(m.as_bytes()));
        let specificity = match order {
            RouteOrder::Precedence => specificity(alternative),
            RouteOrder::Listed => 0,
        };
        let conditional = !live.route.listeners.is_empty()
            || !alternative.headers.is_empty()
            || !alternative.query.is_empty()
            || !alternative.jsonrpc.is_empty()
            || methods & OTHER_METHOD != 0;
        Self {
            specificity,
            rank: live.route.rank.0,
            live: live.clone(),
            at: at as u32,
            methods: if alternative.methods.is_empty() { u16::MAX } else { methods },
            kind,
            conditional,
        }
    }

    /// Order in which candidates of the same host are tried. Routes of equal rank are told apart by their names, so
    /// that the answer never depends on the order of changes.
    #[inline]
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        (self.specificity, self.rank, self.at)
            .cmp(&(other.specificity, other.rank, other.at))
            .then_with(|| self.live.route.id.cmp(&other.live.route.id))
    }

    pub(crate) fn alternative(&self) -> &RouteMatch {
        &self.live.route.matches[self.at as usize]
    }

    /// Whether everything but the path holds.
    #[inline]
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        self.methods & request_method_bit(request.head.method) != 0
            && (!self.conditional || conditions::hold(&self.live.route, self.alternative(), request))
    }
}

/// Candidates of one key, in order. Nearly always one.
pub(crate) type Candidates<T> = SmallVec<[Candidate<T>; 1]>;

/// Files a candidate at its place.
pub(crate) fn file<T>(candidates: &mut Candidates<T>, candidate: Candidate<T>) {
    let at = candidates.partition_point(|c| c.order(&candidate) == Ordering::Less);
    candidates.insert(at, candidate);
}

/// Is shown the candidates of each key that a request leads to, the more specific key first.
pub(crate) trait Visitor<'t, T> {
    /// Whether nothing that comes later matters.
    fn is_done(&self) -> bool;

    /// Looks at the sorted candidates of one key. `path` decides what finding the key left open.
    fn offer(
        &mut self,
        candidates: &'t [Candidate<T>],
        request: &Request<'_>,
        path: impl FnMut(&Candidate<T>) -> bool,
    );
}

/// The candidate that comes first, among those seen so far that hold.
pub(crate) struct Best<'t, T> {
    pub(crate) order: RouteOrder,
    pub(crate) found: Option<&'t Candidate<T>>,
}

impl<'t, T> Visitor<'t, T> for Best<'t, T> {
    /// In order of precedence the keys of a host come in that order too; where routes are listed, any may follow.
    #[inline]
    fn is_done(&self) -> bool {
        self.found.is_some() && self.order == RouteOrder::Precedence
    }

    #[inline]
    fn offer(
        &mut self,
        candidates: &'t [Candidate<T>],
        request: &Request<'_>,
        mut path: impl FnMut(&Candidate<T>) -> bool,
    ) {
        for candidate in candidates {
            if self.found.is_some_and(|best| best.order(candidate) != Ordering::Greater) {
                return;
            }
            if candidate.holds(request) && path(candidate) {
                self.found = Some(candidate);
                return;
            }
        }
    }
}
