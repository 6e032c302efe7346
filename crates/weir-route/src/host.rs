//! The routes of one host.

use std::sync::Arc;

use smallvec::SmallVec;
use weir_model::PathMatch;

use crate::candidate::{Candidate, Candidates, Kind, Visitor, file};
use crate::counted::CountedSet;
use crate::hash::{SEED, Table, extend};
use crate::place::{Place, hash, places};
use crate::regexes::Regexes;
use crate::table::Request;

/// Borders of a path that are kept without allocating. More are kept only where the host has prefixes that deep.
const BORDERS: usize = 16;

/// The candidates of one key.
#[derive(Clone, Debug)]
struct PathNode<T> {
    /// Beside the candidates, so that comparing it costs no further hop.
    key: SmallVec<[u8; 40]>,
    candidates: Candidates<T>,
}

/// The candidates of one host (or wildcard, or of any host).
#[derive(Clone, Debug)]
pub(crate) struct HostNode<T> {
    pub(crate) name: SmallVec<[u8; 40]>,
    pub(crate) wildcard: bool,
    paths: Table<Arc<PathNode<T>>>,
    /// Holds 0 where there are exact paths.
    exact: CountedSet,
    /// Depths of borders at which a prefix ends.
    depths: CountedSet,
    /// By depth of the last border before a byte prefix's end: lengths of the tails behind it.
    tails: Vec<CountedSet>,
    regexes: Option<Arc<Regexes<T>>>,
}

/// Where a segment of the request's path ends.
struct Border {
    hash: u64,
    end: usize,
    depth: usize,
}

impl<T> HostNode<T> {
    pub(crate) fn new(name: &str, wildcard: bool) -> Self {
        Self {
            name: SmallVec::from_slice(name.as_bytes()),
            wildcard,
            paths: Table::default(),
            exact: CountedSet::default(),
            depths: CountedSet::default(),
            tails: Vec::new(),
            regexes: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.len() == 0 && self.regexes.is_none()
    }

    /// Patterns without a usable literal.
    pub(crate) fn loose_regexes(&self) -> usize {
        self.regexes.as_ref().map_or(0, |r| r.loose())
    }

    /// All candidates: those by path, then those by pattern. One may come several times.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate<T>> {
        let paths = self.paths.entries().flat_map(|(_, node)| &node.candidates);
        paths.chain(self.regexes.iter().flat_map(|r| r.candidates()))
    }

    /// Shows a visitor every candidate whose path holds: exact, prefixes from the longest, patterns.
    #[inline]
    pub(crate) fn search<'t>(&'t self, request: &Request<'_>, visitor: &mut impl Visitor<'t, T>) {
        let path = request.head.path();
        if self.paths.len() > 0 {
            self.search_paths(path, request, visitor);
        }
        if let Some(regexes) = &self.regexes
            && !visitor.is_done()
            && !path.is_empty()
        {
            regexes.search(path, request, visitor);
        }
    }

    #[inline]
    fn search_paths<'t>(&'t self, path: &[u8], request: &Request<'_>, visitor: &mut impl Visitor<'t, T>) {
        let mut borders: SmallVec<[Border; BORDERS]> = SmallVec::new();
        let (mut hash, mut start, mut depth) = (SEED, 0, 0);
        let mut deeper = true;
        for slash in memchr::memchr_iter(b'/', path) {
            if slash > 0 {
                hash = extend(hash, &path[start..slash]);
                start = slash;
            }
            if self.depths.has(depth) || self.tails.len() > depth.min(CountedSet::MAX) {
                borders.push(Border { hash, end: slash, depth });
            }
            deeper = self.exact.has(0) || self.depths.has_above(depth);
            depth += 1;
            if !deeper {
                break;
            }
        }
        if deeper && (self.exact.has(0) || self.depths.has(depth)) {
            if start < path.len() {
                hash = extend(hash, &path[start..]);
            }
            self.probe(hash, path, request, visitor, |kind| kind != Kind::LongByte);
        }
        let mut next = path.len();
        for border in borders.iter().rev() {
            if !self.tails.is_empty() && !visitor.is_done() {
                self.search_tails(path, border, next, request, visitor);
            }
            if visitor.is_done() {
                return;
            }
            if self.depths.has(border.depth) {
                let is_prefix = |kind| matches!(kind, Kind::Segment | Kind::Byte);
                self.probe(border.hash, &path[..border.end], request, visitor, is_prefix);
            }
            next = border.end;
        }
    }

    /// Byte prefixes that end within the segment behind a border, from the longest. What ends with the segment was
    /// found at its own border.
    fn search_tails<'t>(
        &'t self,
        path: &[u8],
        border: &Border,
        next: usize,
        request: &Request<'_>,
        visitor: &mut impl Visitor<'t, T>,
    ) {
        let Some(lengths) = self.tails.get(border.depth.min(CountedSet::MAX)) else { return };
        let segment = (next - border.end).min(CountedSet::MAX + 1);
        let mut lengths =
            if segment > CountedSet::MAX { lengths.bits() } else { lengths.bits() & ((1 << segment) - 1) };
        while lengths != 0 && !visitor.is_done() {
            let length = lengths.ilog2() as usize;
            lengths &= !(1 << length);
            let end = border.end + length;
            let hash = extend(border.hash, &path[border.end..end]);
            self.probe(hash, &path[..end], request, visitor, |kind| {
                matches!(kind, Kind::Byte | Kind::LongByte)
            });
        }
    }

    #[inline]
    fn probe<'t>(
        &'t self,
        hash: u64,
        key: &[u8],
        request: &Request<'_>,
        visitor: &mut impl Visitor<'t, T>,
        is: impl Fn(Kind) -> bool,
    ) {
        if let Some(node) = self.paths.find(hash, |node| *node.key == *key) {
            visitor.offer(&node.candidates, request, |candidate| {
                is(candidate.kind) && (candidate.kind != Kind::LongByte || starts(candidate, request))
            });
        }
    }
}

fn starts<T>(candidate: &Candidate<T>, request: &Request<'_>) -> bool {
    match &candidate.alternative().path {
        PathMatch::BytePrefix(prefix) => request.head.path().starts_with(prefix.as_bytes()),
        _ => false,
    }
}

impl<T: Clone> HostNode<T> {
    /// Adds an alternative of a route; `candidate` makes it for the kind that it is filed as.
    pub(crate) fn insert(&mut self, path: &PathMatch, candidate: impl Fn(Kind) -> Candidate<T>) {
        if let PathMatch::Regex(pattern) = path {
            let regexes = self.regexes.get_or_insert_with(Arc::default);
            Arc::make_mut(regexes).insert(pattern, &candidate(Kind::Regex));
            return;
        }
        for place in places(path) {
            self.count(place, CountedSet::add);
            let hash = hash(place.key);
            let candidate = candidate(place.kind);
            let is = |node: &Arc<PathNode<T>>| *node.key == *place.key;
            if self.paths.find(hash, is).is_some() {
                self.paths.update(hash, is, |node| file(&mut Arc::make_mut(node).candidates, candidate));
            } else {
                let candidates = Candidates::from_iter([candidate]);
                self.paths
                    .insert(hash, Arc::new(PathNode { key: SmallVec::from_slice(place.key), candidates }));
            }
        }
    }

    /// Removes an alternative that `is` the one.
    pub(crate) fn remove(&mut self, path: &PathMatch, is: impl Fn(&Candidate<T>) -> bool) {
        if let (PathMatch::Regex(pattern), Some(regexes)) = (path, &mut self.regexes) {
            Arc::make_mut(regexes).remove(pattern, is);
            self.regexes = self.regexes.take().filter(|r| !r.is_empty());
            return;
        }
        for place in places(path) {
            self.count(place, CountedSet::remove);
            let hash = hash(place.key);
            let is_node = |node: &Arc<PathNode<T>>| *node.key == *place.key;
            let rest = self.paths.update(hash, is_node, |node| {
                let candidates = &mut Arc::make_mut(node).candidates;
                candidates.retain(|c| c.kind != place.kind || !is(c));
                candidates.len()
            });
            if rest == Some(0) {
                self.paths.remove(hash, is_node);
            }
        }
    }

    fn count(&mut self, place: Place<'_>, change: fn(&mut CountedSet, usize)) {
        if place.kind == Kind::Exact {
            change(&mut self.exact, 0);
        }
        if matches!(place.kind, Kind::Segment | Kind::Byte) {
            change(&mut self.depths, place.depth());
        }
        if let Some((depth, length)) = place.tail() {
            let depth = depth.min(CountedSet::MAX);
            if self.tails.len() <= depth {
                self.tails.resize_with(depth + 1, CountedSet::default);
            }
            change(&mut self.tails[depth], length);
        }
    }
}
