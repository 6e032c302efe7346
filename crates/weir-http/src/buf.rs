//! Pooled 16 KiB buffers: held only while bytes are in flight.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a buffer: one TLS record, and what nginx and HAProxy use too.
pub const BUF_BYTES: usize = 16 * 1024;

/// Bytes of a buffer for a long body: a quarter of the system calls.
const LARGE_BYTES: usize = 4 * BUF_BYTES;

/// Buffers that a thread keeps for its next connections, and large ones.
const KEPT_MAX: usize = 256;
const KEPT_LARGE_MAX: usize = 32;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static KEPT_LARGE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// Buffers that exist in the whole process, in use or kept; a gauge.
pub fn bufs_allocated() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}

fn allocate(bytes: usize) -> Box<[u8]> {
    ALLOCATED.fetch_add(1, Ordering::Relaxed);
    vec![0; bytes].into_boxed_slice()
}

/// A buffer of [`BUF_BYTES`], filled at its end and consumed at its front. Taken from and returned to a list that
/// each thread keeps, so the steady state allocates nothing.
#[derive(Debug)]
pub struct Buf {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buf {
    /// An empty buffer.
    #[inline]
    pub fn take() -> Self {
        let kept = KEPT.with_borrow_mut(Vec::pop);
        Self { bytes: kept.unwrap_or_else(|| allocate(BUF_BYTES)), start: 0, end: 0 }
    }

    /// An empty buffer of four times the size, for a body that is longer than one buffer.
    pub fn take_large() -> Self {
        let kept = KEPT_LARGE.with_borrow_mut(Vec::pop);
        Self { bytes: kept.unwrap_or_else(|| allocate(LARGE_BYTES)), start: 0, end: 0 }
    }

    /// Whether it is of the usual size.
    pub fn is_usual(&self) -> bool {
        self.bytes.len() == BUF_BYTES
    }

    /// The bytes that were filled in and not consumed yet.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be changed in place.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Number of bytes in [`Buf::data`].
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether no more can be filled in, even after moving what is there to the front.
    pub fn is_full(&self) -> bool {
        self.len() == self.bytes.len()
    }

    /// Room to fill in. Moves the data to the front when the room behind it is small.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < 2048 && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }

    /// Says that `count` bytes of [`Buf::space`] were filled in.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        debug_assert!(count <= self.bytes.len() - self.end);
        self.end += count;
    }

    /// Drops `count` bytes from the front.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start += count;
    }

    /// Makes room for twice as many bytes: for the rare head that is larger than a buffer. Not pooled afterwards.
    pub fn grow(&mut self) {
        let mut larger = vec![0; self.bytes.len() * 2].into_boxed_slice();
        let len = self.len();
        larger[..len].copy_from_slice(self.data());
        // The smaller one is not given back but freed: it leaves the count as this one enters it.
        self.bytes = larger;
        (self.start, self.end) = (0, len);
    }

    /// Drops all bytes.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

impl Drop for Buf {
    #[inline]
    fn drop(&mut self) {
        let mut bytes = Some(std::mem::take(&mut self.bytes));
        let (list, most) = match bytes.as_ref().map_or(0, |b| b.len()) {
            BUF_BYTES => (&KEPT, KEPT_MAX),
            LARGE_BYTES => (&KEPT_LARGE, KEPT_LARGE_MAX),
            _ => (&KEPT, 0),
        };
        // At the end of a thread its list may be gone already; the buffer is then simply freed.
        let _ = list.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < most {
                kept.extend(bytes.take());
            }
        });
        if bytes.is_some() {
            ALLOCATED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
