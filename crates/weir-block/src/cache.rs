//! Pieces of files that were read lately, decoded.
//!
//! A query over a few series decodes little of its own: what takes its time is unpacking the pages that those few lie in,
//! and the next query asks for the same pages. So whoever reads files that stay keeps one [`Cache`] for all of them.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A piece, decoded.
pub trait Decoded: Any + Send + Sync {
    /// About how much memory it takes.
    fn bytes(&self) -> usize;
}

type Kept = Arc<dyn Any + Send + Sync>;

/// A single piece takes no more than this part of a cache: else one would push out all others.
const PIECE_SHARE: usize = 4;

/// Keeps decoded pieces of many files within a bound. Which of them go first is decided by second chance: those that were
/// not asked for again since the hand passed.
pub struct Cache {
    bytes_max: usize,
    next_file: AtomicU64,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// By file and offset, the place among `pieces`.
    places: HashMap<(u64, u64), usize>,
    pieces: Vec<Piece>,
    hand: usize,
    bytes: usize,
}

struct Piece {
    key: (u64, u64),
    bytes: usize,
    asked_again: bool,
    decoded: Kept,
}

impl Cache {
    /// One that keeps at most about `bytes_max` bytes; nothing where that is 0.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, next_file: AtomicU64::new(0), shelf: Mutex::default() })
    }

    /// How many bytes it keeps now.
    pub fn bytes(&self) -> usize {
        self.shelf().bytes
    }

    /// Nothing is half-changed where a panic could happen.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pieces of one file in a cache. They go when it does.
pub(crate) struct FileCache {
    cache: Arc<Cache>,
    file: u64,
}

impl FileCache {
    pub(crate) fn new(cache: &Arc<Cache>) -> Self {
        let file = cache.next_file.fetch_add(1, Ordering::Relaxed);
        Self { cache: Arc::clone(cache), file }
    }

    /// The piece at `offset`, where it is kept and of that kind.
    pub(crate) fn get<T: Decoded>(&self, offset: u64) -> Option<Arc<T>> {
        let mut shelf = self.cache.shelf();
        let at = *shelf.places.get(&(self.file, offset))?;
        let piece = &mut shelf.pieces[at];
        piece.asked_again = true;
        let found = Arc::clone(&piece.decoded);
        drop(shelf);
        found.downcast().ok()
    }

    /// Keeps a piece for a while.
    pub(crate) fn put<T: Decoded>(&self, offset: u64, decoded: &Arc<T>) {
        let (bytes, key) = (decoded.bytes() + size_of::<Piece>(), (self.file, offset));
        if bytes > self.cache.bytes_max / PIECE_SHARE {
            return;
        }
        let mut gone = Vec::new();
        let mut shelf = self.cache.shelf();
        if shelf.places.contains_key(&key) {
            return;
        }
        while shelf.bytes + bytes > self.cache.bytes_max {
            gone.push(shelf.oldest());
        }
        let at = shelf.pieces.len();
        shelf.bytes += bytes;
        shelf.places.insert(key, at);
        let decoded: Kept = Arc::<T>::clone(decoded);
        shelf.pieces.push(Piece { key, bytes, asked_again: false, decoded });
        // Freeing takes longer than all of the above: others need not wait for it.
        drop(shelf);
        drop(gone);
    }
}

impl Drop for FileCache {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        let mut shelf = self.cache.shelf();
        for at in (0..shelf.pieces.len()).rev() {
            if shelf.pieces[at].key.0 == self.file {
                gone.push(shelf.remove(at));
            }
        }
        drop(shelf);
    }
}

impl Shelf {
    /// Takes out what was not asked for since the hand passed the last time. There has to be something.
    fn oldest(&mut self) -> Piece {
        loop {
            if self.hand >= self.pieces.len() {
                self.hand = 0;
            }
            let piece = &mut self.pieces[self.hand];
            if !std::mem::take(&mut piece.asked_again) {
                return self.remove(self.hand);
            }
            self.hand += 1;
        }
    }

    fn remove(&mut self, at: usize) -> Piece {
        let piece = self.pieces.swap_remove(at);
        self.places.remove(&piece.key);
        if let Some(moved) = self.pieces.get(at) {
            self.places.insert(moved.key, at);
        }
        self.bytes -= piece.bytes;
        piece
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Page(u64, usize);

    impl Decoded for Page {
        fn bytes(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn what_is_asked_for_again_stays() {
        let cache = Cache::new(10_000);
        let file = FileCache::new(&cache);
        file.put(0, &Arc::new(Page(0, 1000)));
        for offset in 1..100 {
            assert_eq!(file.get::<Page>(0).as_deref(), Some(&Page(0, 1000)));
            file.put(offset, &Arc::new(Page(offset, 1000)));
        }
        assert_eq!(file.get::<Page>(1), None);
        assert_eq!(file.get::<Page>(99).as_deref(), Some(&Page(99, 1000)));
        file.put(100, &Arc::new(Page(100, 5000)));
        assert_eq!(file.get::<Page>(100), None, "it is too large a part of all");
    }

    #[test]
    fn pieces_go_with_their_file() {
        let cache = Cache::new(10_000);
        let (one, other) = (FileCache::new(&cache), FileCache::new(&cache));
        one.put(7, &Arc::new(Page(1, 10)));
        other.put(7, &Arc::new(Page(2, 10)));
        drop(one);
        assert_eq!(other.get::<Page>(7).as_deref(), Some(&Page(2, 10)));
        drop(other);
        assert_eq!(cache.bytes(), 0);
    }

    proptest! {
        #[test]
        fn it_keeps_its_bound_and_gives_what_it_was_given(
            steps in prop::collection::vec((0_usize..3, 0_u64..20, 0_usize..700, any::<bool>()), 0..200),
            bytes_max in 0_usize..4000,
        ) {
            let cache = Cache::new(bytes_max);
            let files = [0, 1, 2].map(|_| FileCache::new(&cache));
            for (file, offset, bytes, put) in steps {
                let number = file as u64 * 100 + offset;
                if put {
                    files[file].put(offset, &Arc::new(Page(number, bytes)));
                } else if let Some(found) = files[file].get::<Page>(offset) {
                    prop_assert_eq!(found.0, number);
                }
                prop_assert!(cache.bytes() <= bytes_max);
                let shelf = cache.shelf();
                prop_assert_eq!(shelf.bytes, shelf.pieces.iter().map(|piece| piece.bytes).sum::<usize>());
                for (at, piece) in shelf.pieces.iter().enumerate() {
                    prop_assert_eq!(shelf.places.get(&piece.key), Some(&at));
                }
            }
        }
    }
}
