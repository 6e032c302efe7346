//! Under which keys a path condition is filed, and how a path is hashed.
//!
//! Prefixes that end at a segment's border are found by hashing a path segment by segment. A byte prefix is cut at its
//! last `/`: the hash up to there is one of a border, and only the few bytes of its last segment (the *tail*) are hashed
//! on top, for those lengths of tails that occur at that depth.

use weir_model::PathMatch;

use crate::candidate::Kind;
use crate::hash::{SEED, extend};

/// Longest tail that is filed whole.
pub(crate) const TAIL_BYTES_MAX: usize = 63;

/// A key with what it says about the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'p> {
    pub(crate) key: &'p [u8],
    pub(crate) kind: Kind,
}

impl Place<'_> {
    /// Depth of the border at which the key ends.
    pub(crate) fn depth(&self) -> usize {
        depth(self.key)
    }

    /// Depth and length of the tail, where the key may end within a segment.
    pub(crate) fn tail(&self) -> Option<(usize, usize)> {
        let anchor = anchor(self.key);
        let tail = self.key.len() - anchor;
        let is_tail = matches!(self.kind, Kind::Byte | Kind::LongByte) && tail <= TAIL_BYTES_MAX;
        is_tail.then(|| (depth(&self.key[..anchor]), tail))
    }
}

/// Number of borders before the end of `path`: `/a/b` is at depth 2, the root (the empty key) at 0.
fn depth(path: &[u8]) -> usize {
    memchr::memchr_iter(b'/', path).count()
}

/// Where the last segment starts, at its `/`.
fn anchor(path: &[u8]) -> usize {
    memchr::memrchr(b'/', path).unwrap_or(0)
}

/// The keys of a path condition; none for a pattern.
///
/// The root is the empty key, and what covers every path (`/` as a prefix of either sort, and the empty byte prefix)
/// is filed there. A byte prefix with an overlong tail is filed twice: whole, which finds it where the path has a border
/// just behind it (and so in the right order with a segment prefix of the same length), and cut, for all other paths.
pub(crate) fn places(path: &PathMatch) -> impl Iterator<Item = Place<'_>> {
    let (key, kind) = match path {
        PathMatch::Exact(p) => (p.as_bytes(), Some(Kind::Exact)),
        PathMatch::Prefix(p) => (p.trim_end_matches('/').as_bytes(), Some(Kind::Segment)),
        PathMatch::BytePrefix(p) if p.is_empty() || &**p == "/" => (&[][..], Some(Kind::Segment)),
        PathMatch::BytePrefix(p) => (p.as_bytes(), Some(Kind::Byte)),
        PathMatch::Regex(_) => (&[][..], None),
    };
    let cut = anchor(key) + TAIL_BYTES_MAX;
    let long = kind == Some(Kind::Byte) && key.len() > cut;
    let whole = kind.map(|kind| Place { key, kind });
    whole.into_iter().chain(long.then(|| Place { key: &key[..cut], kind: Kind::LongByte }))
}

/// The hash of a key: segment after segment, each with its leading `/`.
pub(crate) fn hash(key: &[u8]) -> u64 {
    let (mut hash, mut start) = (SEED, 0);
    for border in memchr::memchr_iter(b'/', key).filter(|at| *at > 0) {
        hash = extend(hash, &key[start..border]);
        start = border;
    }
    if start < key.len() { extend(hash, &key[start..]) } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        #[track_caller]
        fn check(path: &PathMatch, expected: &[(&str, Kind)]) {
            let got: Vec<_> =
                places(path).map(|p| (String::from_utf8(p.key.to_vec()).unwrap(), p.kind)).collect();
            let expected: Vec<_> = expected.iter().map(|(k, kind)| ((*k).to_string(), *kind)).collect();
            assert_eq!(got, expected);
        }
        check(&PathMatch::Exact("/a/".into()), &[("/a/", Kind::Exact)]);
        check(&PathMatch::Prefix("/".into()), &[("", Kind::Segment)]);
        check(&PathMatch::Prefix("/a".into()), &[("/a", Kind::Segment)]);
        check(&PathMatch::BytePrefix("/".into()), &[("", Kind::Segment)]);
        check(&PathMatch::BytePrefix("/a/b".into()), &[("/a/b", Kind::Byte)]);
        let long = format!("/a/{}", "x".repeat(80));
        check(
            &PathMatch::BytePrefix(long.as_str().into()),
            &[(&long, Kind::Byte), (&long[..2 + 63], Kind::LongByte)],
        );
    }

    #[test]
    fn tails_and_depths() {
        let place = Place { key: b"/a/bc", kind: Kind::Byte };
        assert_eq!((place.depth(), place.tail()), (2, Some((1, 3))));
        assert_eq!(Place { key: b"/a/bc", kind: Kind::Segment }.tail(), None);
        assert_eq!(Place { key: b"", kind: Kind::Segment }.depth(), 0);
    }
}
