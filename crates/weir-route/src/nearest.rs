//! For a request that no route matches: the route that comes closest.

use std::fmt;
use std::sync::Arc;

use weir_head::RequestHead;
use weir_model::{HostPattern, PathMatch, Route};

use crate::candidate::{Candidate, Visitor};
use crate::explain::{Mismatch, mismatches, weight};
use crate::table::{Request, RouteTable};

/// Candidates that are looked at, at most, so that a flood of strays costs little.
const LOOKED_AT_MAX: usize = 256;
/// Of these, how many each of the hosts that do not cover the request's may fill.
const PER_HOST_MAX: usize = 8;

/// The route that comes closest, and all that would have to differ.
#[derive(Clone, Debug)]
pub struct Nearest {
    /// The route.
    pub route: Arc<Route>,
    /// Index of its alternative.
    pub alternative: usize,
    /// What does not hold.
    pub why: Vec<Mismatch>,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the nearest route is {} ({}): ", self.route.id, self.route.origin)?;
        for (at, mismatch) in self.why.iter().enumerate() {
            write!(f, "{}{mismatch}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Collects the candidates whose path holds, whatever else does not.
struct OnPath<'t, T> {
    seen: Vec<&'t Candidate<T>>,
}

impl<'t, T> Visitor<'t, T> for OnPath<'t, T> {
    fn is_done(&self) -> bool {
        self.seen.len() >= LOOKED_AT_MAX
    }

    fn offer(
        &mut self,
        candidates: &'t [Candidate<T>],
        _: &Request<'_>,
        mut path: impl FnMut(&Candidate<T>) -> bool,
    ) {
        let left = LOOKED_AT_MAX - self.seen.len();
        self.seen.extend(candidates.iter().take(left).filter(|c| path(c)));
    }
}

impl<T> RouteTable<T> {
    /// The route that comes closest to a request that none matches, among a bounded number of candidates: first those
    /// whose host and path hold, then others of its hosts, then those of other hosts. `None` if a route matches, or
    /// if there is none.
    pub fn nearest(&self, request: &Request<'_>) -> Option<Nearest> {
        if self.first(request).is_some() {
            return None;
        }
        let mut on_path = OnPath { seen: Vec::new() };
        self.visit(request, &mut on_path);
        let mut seen = on_path.seen;
        if seen.is_empty() {
            self.visit_hosts(request.head.host().as_bytes(), |node| {
                let left = LOOKED_AT_MAX - seen.len();
                seen.extend(node.candidates().take(left));
                seen.len() < LOOKED_AT_MAX
            });
            let others = self.hosts.entries().flat_map(|(_, node)| node.candidates().take(PER_HOST_MAX));
            let left = LOOKED_AT_MAX - seen.len();
            seen.extend(others.take(left));
        }
        let nearest = seen
            .into_iter()
            .min_by(|a, b| remoteness(a, request).cmp(&remoteness(b, request)).then_with(|| a.order(b)))?;
        let route = nearest.live.route.clone();
        let why = mismatches(&route, nearest.alternative(), request);
        Some(Nearest { route, alternative: nearest.at as usize, why })
    }
}

/// The weight of what does not hold, and how many bytes host and path are off.
fn remoteness<T>(candidate: &Candidate<T>, request: &Request<'_>) -> u32 {
    let route = &candidate.live.route;
    let why = mismatches(route, candidate.alternative(), request);
    let off = why.iter().map(|mismatch| match mismatch {
        Mismatch::Host { among, .. } => {
            among.iter().map(|pattern| host_distance(pattern, request.head)).min().unwrap_or(0)
        }
        Mismatch::Path { wanted, .. } => path_distance(wanted, request.head.path()),
        _ => 0,
    });
    weight(&why) + off.sum::<usize>() as u32
}

fn host_distance(pattern: &HostPattern, head: &RequestHead) -> usize {
    let host = head.host().as_bytes();
    let (HostPattern::Exact(name) | HostPattern::Wildcard(name)) = pattern;
    match pattern {
        HostPattern::Exact(_) => distance(name.as_bytes(), host),
        HostPattern::Wildcard(_) => distance(name.as_bytes(), &host[host.len().saturating_sub(name.len())..]),
    }
}

fn path_distance(wanted: &PathMatch, path: &[u8]) -> usize {
    match wanted {
        PathMatch::Exact(p) => distance(p.as_bytes(), path),
        // As many segments of the path as the prefix has.
        PathMatch::Prefix(p) => {
            let segments = memchr::memchr_iter(b'/', p.as_bytes()).count();
            let end = memchr::memchr_iter(b'/', path).nth(segments).unwrap_or(path.len());
            distance(p.as_bytes(), &path[..end])
        }
        PathMatch::BytePrefix(p) => distance(p.as_bytes(), &path[..path.len().min(p.len())]),
        // Of a pattern, only what stands before its first special character says how far off it is.
        PathMatch::Regex(pattern) => {
            let text = pattern.as_str().as_bytes();
            let plain = text.iter().position(|b| b"\\.+*?()|[]{}^$".contains(b)).unwrap_or(text.len());
            4 + distance(&text[..plain], &path[..path.len().min(plain)])
        }
    }
}

/// Bytes between the common start and the common end: an upper bound of the edit distance that is exact for one slip.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().max(b.len()) - end
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn one_slip_is_one() {
        for (a, b, expected) in [
            ("/orders", "/order", 1),
            ("/order", "/ordeer", 1),
            ("/orders", "/oxders", 1),
            ("/orders", "/odrers", 2),
            ("/a", "/a", 0),
            ("", "/abc", 4),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
