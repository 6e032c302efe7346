//! Patterns of one host, found by the literals they need.
//!
//! A pattern is filed under a *window*: the 8 (or 4, or 2) bytes of a literal that every path it matches holds, and of
//! all such windows the one that the fewest others share. At a request each window of the path is looked up, past a small
//! filter that turns nearly all of them away; only patterns found so are run.

use std::sync::Arc;

use memchr::memmem;
use weir_model::{PathMatch, Pattern};

use crate::candidate::{Candidate, Candidates, Visitor, file};
use crate::hash::{SEED, Table, extend};
use crate::literals::{Clause, required};
use crate::table::Request;

/// Lengths of windows, the most telling first.
const LENGTHS: [usize; 3] = [8, 4, 2];
/// What a window of each length costs, in other patterns that might share a longer one.
const PENALTIES: [usize; 3] = [0, 1, 8];
/// Windows of a literal that are weighed, from its end.
const WINDOWS_MAX: usize = 64;
/// Bits of the filter for each window, at least.
const FILTER_BITS_PER_WINDOW: usize = 8;

/// Bytes that a path has to hold, zero-padded, with their number as an index of [`LENGTHS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    bytes: u64,
    class: u8,
}

impl Window {
    #[inline]
    fn new(class: usize, bytes: &[u8]) -> Self {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: u64::from_le_bytes(word), class: class as u8 }
    }

    #[inline]
    fn hash(self) -> u64 {
        extend(SEED ^ u64::from(self.class), &self.bytes.to_le_bytes())
    }

    /// A cheaper hash, for the filter.
    #[inline]
    fn filter_hash(self) -> u64 {
        (self.bytes ^ u64::from(self.class)).wrapping_mul(SEED)
    }
}

#[derive(Clone, Debug)]
struct Node<T> {
    window: Window,
    candidates: Candidates<T>,
}

#[derive(Clone, Debug)]
pub(crate) struct Regexes<T> {
    nodes: Table<Arc<Node<T>>>,
    /// Number of windows of each length.
    windows: [u32; LENGTHS.len()],
    /// A bit for each window; bits of removed ones stay until it is made anew.
    filter: Arc<[u64]>,
    /// Windows that were removed since.
    stale: usize,
    /// Patterns without a usable literal.
    loose: Candidates<T>,
}

impl<T> Default for Regexes<T> {
    fn default() -> Self {
        Self {
            nodes: Table::default(),
            windows: [0; LENGTHS.len()],
            filter: [0].into(),
            stale: 0,
            loose: Candidates::new(),
        }
    }
}

#[inline]
fn filter_bit(filter: &[u64], window: Window) -> (usize, u64) {
    // The filter's length is a power of two; its leading bits index it.
    let bit = window.filter_hash() >> (64 - 6 - filter.len().trailing_zeros());
    ((bit >> 6) as usize, 1 << (bit & 63))
}

impl<T> Regexes<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.len() == 0 && self.loose.is_empty()
    }

    /// Number of patterns that every path is tried against.
    pub(crate) fn loose(&self) -> usize {
        self.loose.len()
    }

    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.nodes.entries().flat_map(|(_, node)| &node.candidates).chain(&self.loose)
    }

    /// Shows the visitor all patterns that may match.
    pub(crate) fn search<'t>(
        &'t self,
        path: &[u8],
        request: &Request<'_>,
        visitor: &mut impl Visitor<'t, T>,
    ) {
        if self.windows[0] > 0 {
            self.scan::<8>(0, path, request, visitor);
        }
        if self.windows[1] > 0 {
            self.scan::<4>(1, path, request, visitor);
        }
        if self.windows[2] > 0 {
            self.scan::<2>(2, path, request, visitor);
        }
        visitor.offer(&self.loose, request, |candidate| matches(candidate, path));
    }

    #[inline]
    fn scan<'t, const LEN: usize>(
        &'t self,
        class: usize,
        path: &[u8],
        request: &Request<'_>,
        visitor: &mut impl Visitor<'t, T>,
    ) {
        for (at, bytes) in path.windows(LEN).enumerate() {
            let window = Window::new(class, bytes);
            let (word, bit) = filter_bit(&self.filter, window);
            if self.filter[word] & bit == 0 {
                continue;
            }
            // A path that repeats a window many times must not make its patterns run as many times.
            if let Some(node) = self.nodes.find(window.hash(), |node| node.window == window)
                && memmem::find(&path[..at + LEN - 1], bytes).is_none()
            {
                visitor.offer(&node.candidates, request, |candidate| matches(candidate, path));
            }
        }
    }
}

fn matches<T>(candidate: &Candidate<T>, path: &[u8]) -> bool {
    match &candidate.alternative().path {
        PathMatch::Regex(pattern) => pattern.matches(path),
        _ => false,
    }
}

/// All windows of a literal, of the longest length that fits.
fn windows(literal: &[u8]) -> impl Iterator<Item = Window> {
    let class = LENGTHS.iter().position(|len| *len <= literal.len()).unwrap_or(LENGTHS.len() - 1);
    literal.windows(LENGTHS[class]).rev().take(WINDOWS_MAX).map(move |bytes| Window::new(class, bytes))
}

impl<T: Clone> Regexes<T> {
    pub(crate) fn insert(&mut self, pattern: &Pattern, candidate: &Candidate<T>) {
        let choices = required(pattern.as_str()).into_iter().map(|clause| self.choose(&clause));
        let Some((_, windows)) = choices.min_by_key(|(cost, _)| *cost) else {
            file(&mut self.loose, candidate.clone());
            return;
        };
        for window in windows {
            self.file(window, candidate);
        }
    }

    /// The least shared window of each literal, and the cost of the worst of them.
    fn choose(&self, clause: &Clause) -> (usize, Vec<Window>) {
        let cost = |window: &Window| self.sharing(*window) + PENALTIES[usize::from(window.class)];
        let mut chosen: Vec<Window> = clause.iter().filter_map(|l| windows(l).min_by_key(cost)).collect();
        chosen.sort_by_key(|w| (w.class, w.bytes));
        chosen.dedup();
        (chosen.iter().map(cost).max().unwrap_or(0), chosen)
    }

    fn sharing(&self, window: Window) -> usize {
        self.nodes.find(window.hash(), |n| n.window == window).map_or(0, |n| n.candidates.len())
    }

    fn file(&mut self, window: Window, candidate: &Candidate<T>) {
        let filed = self.nodes.update(
            window.hash(),
            |node| node.window == window,
            |node| file(&mut Arc::make_mut(node).candidates, candidate.clone()),
        );
        if filed.is_some() {
            return;
        }
        let candidates = Candidates::from_iter([candidate.clone()]);
        self.nodes.insert(window.hash(), Arc::new(Node { window, candidates }));
        self.windows[usize::from(window.class)] += 1;
        if (self.nodes.len() + self.stale) * FILTER_BITS_PER_WINDOW > self.filter.len() * 64 {
            self.renew_filter();
        } else {
            let (word, bit) = filter_bit(&self.filter, window);
            Arc::make_mut(&mut self.filter)[word] |= bit;
        }
    }

    fn renew_filter(&mut self) {
        let words = (self.nodes.len() * FILTER_BITS_PER_WINDOW * 2).div_ceil(64).next_power_of_two();
        let mut filter = vec![0; words];
        for (_, node) in self.nodes.entries() {
            let (word, bit) = filter_bit(&filter, node.window);
            filter[word] |= bit;
        }
        self.filter = filter.into();
        self.stale = 0;
    }

    /// Removes a pattern's candidates that `is` picks, under whichever windows they were filed.
    pub(crate) fn remove(&mut self, pattern: &Pattern, is: impl Fn(&Candidate<T>) -> bool) {
        self.loose.retain(|c| !is(c));
        let clauses = required(pattern.as_str());
        for window in clauses.iter().flatten().flat_map(|literal| windows(literal)) {
            let is_node = |node: &Arc<Node<T>>| node.window == window;
            let node = self.nodes.find(window.hash(), is_node);
            if !node.is_some_and(|node| node.candidates.iter().any(&is)) {
                continue;
            }
            let rest = self.nodes.update(window.hash(), is_node, |node| {
                let candidates = &mut Arc::make_mut(node).candidates;
                candidates.retain(|c| !is(c));
                candidates.len()
            });
            if rest == Some(0) {
                self.nodes.remove(window.hash(), is_node);
                self.windows[usize::from(window.class)] -= 1;
                self.stale += 1;
            }
        }
    }
}
