//! Floats of a series in memory: as few bytes as can be had for nanoseconds.
//!
//! ```text
//! sample: control byte │ change of the step of time, where it changed │ start, where it changed │ middle bytes of the XOR
//! control: bit 7 step changed │ bit 6 start changed │ low six bits: trailing zero bytes of the XOR × 8 + (its bytes − 1)
//! ```
//!
//! A counter that is asked every 5 s takes 3 to 5 bytes, one that stands still takes 1. Bytes lie in chains of small blocks
//! of one arena, so that 100,000 series that grow allocate nothing of their own and all of it goes at once.

use weir_block::varint::{Cursor, zigzag};

/// Low six bits of a value that is the one before.
const SAME: u8 = 63;
const STEP: u8 = 0x80;
const START: u8 = 0x40;
/// Control, two longest varints, eight bytes.
const SAMPLE_BYTES_MAX: usize = 1 + 10 + 10 + 8;

const BLOCK_BYTES: usize = 60;
const BLOCKS_PER_PAGE: usize = 1024;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Block {
    next: u32,
    bytes: [u8; BLOCK_BYTES],
}

/// Blocks of all series of a head.
#[derive(Default)]
pub(crate) struct Arena {
    pages: Vec<Box<[Block]>>,
    used: u32,
}

impl Arena {
    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        self.used as usize * size_of::<Block>()
    }

    fn block(&mut self) -> u32 {
        let number = self.used;
        if number as usize == self.pages.len() * BLOCKS_PER_PAGE {
            let empty = Block { next: NONE, bytes: [0; BLOCK_BYTES] };
            self.pages.push(vec![empty; BLOCKS_PER_PAGE].into_boxed_slice());
        }
        self.used += 1;
        self.get_mut(number).next = NONE;
        number
    }

    fn get(&self, number: u32) -> &Block {
        &self.pages[number as usize / BLOCKS_PER_PAGE][number as usize % BLOCKS_PER_PAGE]
    }

    fn get_mut(&mut self, number: u32) -> &mut Block {
        &mut self.pages[number as usize / BLOCKS_PER_PAGE][number as usize % BLOCKS_PER_PAGE]
    }
}

/// The samples of a series since the last flush, and the last sample of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    first: u32,
    tail: u32,
    /// Samples.
    count: u32,
    /// Bytes of the tail that are used.
    tail_used: u8,
    /// Whether `time` and `bits` are those of a sample at all.
    seen: bool,
    time: i64,
    bits: u64,
    step: i64,
    start: i64,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            first: NONE,
            tail: NONE,
            count: 0,
            tail_used: 0,
            seen: false,
            time: 0,
            bits: 0,
            step: 0,
            start: 0,
        }
    }
}

impl Chunk {
    /// How many samples it has.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Time and value of the newest sample, flushed or not.
    pub(crate) fn last(&self) -> Option<(i64, u64)> {
        self.seen.then_some((self.time, self.bits))
    }

    /// Notes a newer sample that is kept elsewhere.
    pub(crate) fn note(&mut self, time: i64, bits: u64) {
        if self.count == 0 {
            (self.seen, self.time, self.bits) = (true, time, bits);
        }
    }

    /// Forgets the newest sample, where it was flushed: it was deleted.
    pub(crate) fn forget(&mut self) {
        if self.count == 0 {
            self.seen = false;
        }
    }

    /// Adds a sample whose time is after all others of the chunk.
    #[inline]
    pub(crate) fn push(&mut self, arena: &mut Arena, time: i64, bits: u64, start: i64) {
        let (before, bits_before, step_before, start_before) =
            if self.count == 0 { (0, 0, 0, 0) } else { (self.time, self.bits, self.step, self.start) };
        let mut sample = [0_u8; SAMPLE_BYTES_MAX + 7];
        let mut at = 1;
        let mut control = 0;
        let step = time.wrapping_sub(before);
        if step != step_before {
            control |= STEP;
            put(&mut sample, &mut at, zigzag(step.wrapping_sub(step_before)));
        }
        if start != start_before {
            control |= START;
            put(&mut sample, &mut at, zigzag(start.wrapping_sub(start_before)));
        }
        let changed = bits ^ bits_before;
        if changed == 0 {
            control |= SAME;
        } else {
            let trailing = changed.trailing_zeros() / 8;
            let length = 8 - changed.leading_zeros() / 8 - trailing;
            control |= (trailing * 8 + length - 1) as u8;
            sample[at..at + 8].copy_from_slice(&(changed >> (8 * trailing)).to_le_bytes());
            at += length as usize;
        }
        sample[0] = control;
        self.append(arena, &sample[..at]);
        (self.time, self.bits, self.step, self.start) = (time, bits, step, start);
        self.seen = true;
        self.count += 1;
    }

    #[inline]
    fn append(&mut self, arena: &mut Arena, mut bytes: &[u8]) {
        if self.count == 0 {
            self.first = arena.block();
            (self.tail, self.tail_used) = (self.first, 0);
        }
        loop {
            let used = usize::from(self.tail_used);
            let taken = bytes.len().min(BLOCK_BYTES - used);
            let tail = arena.get_mut(self.tail);
            tail.bytes[used..used + taken].copy_from_slice(&bytes[..taken]);
            self.tail_used += taken as u8;
            bytes = &bytes[taken..];
            if bytes.is_empty() {
                return;
            }
            let next = arena.block();
            arena.get_mut(self.tail).next = next;
            (self.tail, self.tail_used) = (next, 0);
        }
    }

    /// Takes the samples out; the last one stays known.
    pub(crate) fn take(&mut self) -> Run {
        let run = self.run();
        (self.first, self.tail, self.count, self.tail_used) = (NONE, NONE, 0, 0);
        run
    }

    /// Where the samples are.
    pub(crate) fn run(&self) -> Run {
        Run { first: self.first, count: self.count, tail_used: self.tail_used }
    }
}

#[inline]
fn put(sample: &mut [u8], at: &mut usize, mut value: u64) {
    while value >= 0x80 {
        sample[*at] = value as u8 | 0x80;
        value >>= 7;
        *at += 1;
    }
    sample[*at] = value as u8;
    *at += 1;
}

/// Samples in an arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    first: u32,
    count: u32,
    tail_used: u8,
}

impl Run {
    /// The time of the first sample.
    pub(crate) fn first_time(&self, arena: &Arena) -> Option<i64> {
        let mut time = None;
        if self.count > 0 {
            // A sample is never longer than a block.
            decode(&arena.get(self.first).bytes, 1, |first, _, _| time = Some(first));
        }
        time
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Appends its bytes, so that it can be decoded without the arena.
    pub(crate) fn copy(&self, arena: &Arena, out: &mut Vec<u8>) {
        let mut number = self.first;
        while number != NONE {
            let block = arena.get(number);
            let used = if block.next == NONE { usize::from(self.tail_used) } else { BLOCK_BYTES };
            out.extend_from_slice(&block.bytes[..used]);
            number = block.next;
        }
    }
}

/// Gives time, bits and start of each of `count` samples.
pub(crate) fn decode(bytes: &[u8], count: u32, mut sink: impl FnMut(i64, u64, i64)) {
    let mut cursor = Cursor::new(bytes);
    let (mut time, mut bits, mut step, mut start) = (0_i64, 0_u64, 0_i64, 0_i64);
    for _ in 0..count {
        let one = || -> Result<_, weir_block::Damage> {
            let control = cursor.u8()?;
            if control & STEP != 0 {
                step = step.wrapping_add(cursor.i64()?);
            }
            if control & START != 0 {
                start = start.wrapping_add(cursor.i64()?);
            }
            let low = control & SAME;
            if low != SAME {
                let (trailing, length) = (u32::from(low / 8), usize::from(low % 8) + 1);
                let mut middle = [0; 8];
                middle[..length].copy_from_slice(cursor.take(length)?);
                bits ^= u64::from_le_bytes(middle) << (8 * trailing);
            }
            Ok(())
        };
        let mut one = one;
        one().expect("the bytes are those that `Chunk::push` wrote a moment ago, in memory");
        time = time.wrapping_add(step);
        sink(time, bits, start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(samples: &[(i64, u64, i64)]) -> usize {
        let (mut arena, mut chunk) = (Arena::default(), Chunk::default());
        // Another series in between, so that blocks of one are not neighbours.
        let mut other = Chunk::default();
        for &(time, bits, start) in samples {
            chunk.push(&mut arena, time, bits, start);
            other.push(&mut arena, time, !bits, start);
        }
        let run = chunk.take();
        let mut bytes = Vec::new();
        run.copy(&arena, &mut bytes);
        let mut found = Vec::new();
        decode(&bytes, run.count(), |time, bits, start| found.push((time, bits, start)));
        assert_eq!(found, samples);
        assert_eq!(chunk.last(), samples.last().map(|&(time, bits, _)| (time, bits)));
        assert_eq!(chunk.count(), 0);
        bytes.len()
    }

    #[test]
    fn a_counter_is_small() {
        let samples: Vec<_> =
            (0..60).map(|at| (1_700_000_000_000 + at * 5000, (at as f64 * 17.0).to_bits(), 0)).collect();
        assert!(check(&samples) < 60 * 4);
        let still: Vec<_> = (0..60).map(|at| (at * 5000, 3.25_f64.to_bits(), 77)).collect();
        assert!(check(&still) < 85);
    }

    proptest! {
        #[test]
        fn samples_come_back(samples in prop::collection::vec(
            (
                prop_oneof![any::<i64>(), -100_i64..100],
                prop_oneof![any::<u64>(), (-10.0_f64..10.0).prop_map(f64::to_bits), any::<u64>().prop_map(|v| v << 40)],
                prop_oneof![Just(0), any::<i64>()],
            ),
            0..200,
        )) {
            check(&samples);
        }
    }
}
