//! One writer's storage: it grows while it is written, and never moves.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cells in the first chunk; each further one is twice as long.
const FIRST: u32 = 1_024;
const CHUNKS: usize = 18;

/// Append-only cells. A chunk is made by the registry, in every writer's storage, before a span in it is handed out.
#[derive(Debug)]
pub(super) struct Cells {
    chunks: [OnceLock<Box<[AtomicU64]>>; CHUNKS],
}

/// Where a series' cells are, in every writer's storage alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    chunk: u32,
    offset: u32,
    pub(super) width: u32,
}

impl Cells {
    pub(super) fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// A cell of a span; none past its width, so that a wrong column cannot touch a neighbour.
    #[inline]
    pub(super) fn cell(&self, span: Span, column: u32) -> Option<&AtomicU64> {
        if column >= span.width {
            return None;
        }
        self.chunks.get(span.chunk as usize)?.get()?.get((span.offset + column) as usize)
    }

    /// Adds to a cell that only this thread writes. Wraps, so that a gauge may count down by adding.
    #[inline]
    pub(super) fn add(&self, span: Span, column: u32, by: u64) {
        if let Some(cell) = self.cell(span, column) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        }
    }

    fn grow(&self, chunk: u32) {
        self.chunks[chunk as usize].get_or_init(|| (0..FIRST << chunk).map(|_| AtomicU64::new(0)).collect());
    }
}

/// Hands out spans.
#[derive(Debug, Default)]
pub(super) struct Allocator {
    chunk: u32,
    used: u32,
}

impl Allocator {
    /// A fresh span in all of `writers`; none once everything (some 260 million cells each) is taken.
    pub(super) fn span<'a>(&mut self, width: u32, writers: impl Iterator<Item = &'a Cells>) -> Option<Span> {
        debug_assert!(width <= FIRST, "a series is narrower than the first chunk");
        if self.used + width > FIRST << self.chunk {
            if self.chunk as usize + 1 == CHUNKS {
                return None;
            }
            self.chunk += 1;
            self.used = 0;
        }
        for cells in writers {
            cells.grow(self.chunk);
        }
        let span = Span { chunk: self.chunk, offset: self.used, width };
        self.used += width;
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_never_overlap_nor_straddle() {
        let (cells, mut allocator) = (Cells::new(), Allocator::default());
        let spans: Vec<Span> =
            (0..2_000).map(|n| allocator.span(1 + n % 37, std::iter::once(&cells)).unwrap()).collect();
        for (n, span) in spans.iter().enumerate() {
            for column in 0..span.width {
                cells.add(*span, column, n as u64 + 1);
            }
            cells.add(*span, span.width, 1);
        }
        for (n, span) in spans.iter().enumerate() {
            for column in 0..span.width {
                assert_eq!(cells.cell(*span, column).unwrap().load(Ordering::Relaxed), n as u64 + 1);
            }
        }
    }
}
