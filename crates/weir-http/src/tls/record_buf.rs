//! Buffers for TLS records, lent by each thread while bytes are in flight.

use std::cell::RefCell;
use std::fmt;

/// Bytes of a pooled buffer: two of the largest records that a peer may send (RFC 5246, section 6.2.3: 18,437 bytes
/// with header) would be 36,874; two of the largest that are ever seen in practice (16,384 + 22) fit.
pub(super) const RECORD_BUF_BYTES: usize = 34 * 1024;

/// Buffers that a thread keeps. Each connection holds one per direction at most, and only while bytes wait.
const KEPT_MAX: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes between `start` and `end` of a buffer that is pooled, of an exact size, or absent.
#[derive(Default)]
pub(super) struct RecordBuf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl RecordBuf {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    #[inline]
    pub(super) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// At least `least` bytes of room, taken from the pool; from the heap where the pool's size is not enough.
    #[inline]
    pub(super) fn space(&mut self, least: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < least {
            self.make_room(least);
        }
        &mut self.bytes[self.end..]
    }

    fn make_room(&mut self, least: usize) {
        let needed = self.len() + least;
        if self.bytes.len() >= needed {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            let mut larger =
                if needed <= RECORD_BUF_BYTES { take() } else { vec![0; needed.next_power_of_two()] };
            larger[..self.len()].copy_from_slice(self.data());
            give(std::mem::replace(&mut self.bytes, larger));
        }
        (self.start, self.end) = (0, self.len());
    }

    /// Says that `count` bytes of [`RecordBuf::space`] were filled in.
    #[inline]
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.bytes.len());
    }

    /// Drops `count` bytes from the front, and the buffer with the last of them.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Drops all bytes and gives the buffer back.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        give(std::mem::take(&mut self.bytes));
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Keeps what is there in as little memory as it needs: a peer that stops in the middle of a record must not
    /// hold a pooled buffer.
    pub(super) fn shrink(&mut self) {
        if self.bytes.len() > 2 * self.len() + 512 {
            let exact = self.data().to_vec();
            (self.start, self.end) = (0, exact.len());
            give(std::mem::replace(&mut self.bytes, exact));
        }
    }
}

impl Drop for RecordBuf {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for RecordBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

fn take() -> Vec<u8> {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; RECORD_BUF_BYTES])
}

#[inline]
fn give(bytes: Vec<u8>) {
    if bytes.len() == RECORD_BUF_BYTES {
        // At the end of a thread its list may be gone already; the buffer is then simply freed.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain vector, through every operation that moves or swaps the memory.
        #[test]
        fn keeps_its_bytes(steps in prop::collection::vec((0_u8..4, 0_usize..20_000), 1..40)) {
            let mut buf = RecordBuf::default();
            let mut model: Vec<u8> = Vec::new();
            let mut next = 0_u8;
            for (step, size) in steps {
                match step {
                    0 | 1 => {
                        let bytes: Vec<u8> = (0..size).map(|_| { next = next.wrapping_add(1); next }).collect();
                        buf.push(&bytes);
                        model.extend_from_slice(&bytes);
                    }
                    2 => {
                        let count = size.min(model.len());
                        buf.consume(count);
                        model.drain(..count);
                    }
                    _ => buf.shrink(),
                }
                prop_assert_eq!(buf.data(), &model[..]);
                prop_assert!(!model.is_empty() || buf.bytes.is_empty(), "an empty one holds memory");
            }
        }
    }
}
