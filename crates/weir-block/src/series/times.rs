//! Columns of times of a whole segment: each once, whoever shares it.
//!
//! All series of one scrape have the same times, and so their blocks name one column. A column that is a part of another
//! one (a series that began later, ended earlier, or missed a scrape) says which part.
//!
//! ```text
//! page: number of its first column, count of columns, then each:
//!   count << 1 | whether it is part of another
//!   own:  the times (crate::times)
//!   part: number of the other column, then, until `count` is reached: passed over, taken
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::ROW_SAMPLES_MAX;
use super::samples::Order;
use crate::cache::Decoded;
use crate::frame::Damage;
use crate::pack::Effort;
use crate::times;
use crate::varint::{Cursor, put_u64};

/// A page is written when it is as long.
const PAGE_BYTES: usize = 32 * 1024;
/// Constant steps make many times of few bytes: a page is closed before it has as many.
const PAGE_TIMES_MAX: usize = 1 << 20;
/// Times kept in memory to find columns again; the oldest are forgotten, and may then be written a second time.
const KEPT_TIMES_MAX: usize = 8 << 20;
/// A column that is cut from another one more often than this is written for itself.
const PARTS_MAX: usize = 64;

/// Gathers columns.
pub(crate) struct TimesWriter {
    effort: Effort,
    page: Vec<u8>,
    page_times: usize,
    page_first: u32,
    next: u32,
    /// Columns that can be found again, oldest first: number, whether it was written for itself, times.
    kept: VecDeque<Kept>,
    kept_times: usize,
    by_hash: HashMap<u64, u32>,
    by_first: HashMap<i64, u32>,
    by_last: HashMap<i64, u32>,
    last: Option<u32>,
}

struct Kept {
    number: u32,
    own: bool,
    times: Vec<i64>,
}

/// A page of columns that is full.
pub(crate) struct TimesPage {
    pub(crate) first: u32,
    pub(crate) body: Vec<u8>,
}

impl TimesWriter {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            effort,
            page: Vec::new(),
            page_times: 0,
            page_first: 0,
            next: 0,
            kept: VecDeque::new(),
            kept_times: 0,
            by_hash: HashMap::new(),
            by_first: HashMap::new(),
            by_last: HashMap::new(),
            last: None,
        }
    }

    /// The number of the column with these times.
    pub(crate) fn column(&mut self, times: &[i64]) -> u32 {
        if let Some(last) = self.last
            && self.kept(last).is_some_and(|kept| kept.times == times)
        {
            return last;
        }
        let hash = hash(times);
        if let Some(&number) = self.by_hash.get(&hash)
            && self.kept(number).is_some_and(|kept| kept.times == times)
        {
            self.last = Some(number);
            return number;
        }
        let number = self.next;
        self.next += 1;
        let own = self.write(times);
        self.keep(Kept { number, own, times: times.to_vec() }, hash);
        self.last = Some(number);
        number
    }

    /// Appends the column to the page; whether it is one for itself.
    fn write(&mut self, times: &[i64]) -> bool {
        self.page_times += times.len();
        let mut part = Vec::new();
        let candidates = [
            times.last().and_then(|last| self.by_last.get(last)),
            times.first().and_then(|first| self.by_first.get(first)),
        ];
        for &candidate in candidates.into_iter().flatten() {
            let Some(base) = self.kept(candidate).filter(|kept| kept.own) else { continue };
            if parts(&base.times, times, &mut part) {
                put_u64(&mut self.page, (times.len() as u64) << 1 | 1);
                put_u64(&mut self.page, u64::from(candidate));
                self.page.extend_from_slice(&part);
                return false;
            }
        }
        put_u64(&mut self.page, (times.len() as u64) << 1);
        times::encode(times, self.effort, &mut self.page);
        true
    }

    fn kept(&self, number: u32) -> Option<&Kept> {
        let oldest = self.kept.front()?.number;
        self.kept.get(number.checked_sub(oldest)? as usize)
    }

    fn keep(&mut self, kept: Kept, hash: u64) {
        self.by_hash.insert(hash, kept.number);
        if kept.own
            && let (Some(&first), Some(&last)) = (kept.times.first(), kept.times.last())
        {
            self.by_first.entry(first).or_insert(kept.number);
            self.by_last.entry(last).or_insert(kept.number);
        }
        self.kept_times += kept.times.len();
        self.kept.push_back(kept);
        while self.kept_times > KEPT_TIMES_MAX
            && self.kept.len() > 1
            && let Some(oldest) = self.kept.pop_front()
        {
            self.kept_times -= oldest.times.len();
            // Entries of columns that are gone may stay: whoever follows one finds nothing.
            if self.by_hash.len() > 2 * self.kept.len() + 1024 {
                let alive = self.kept.front().map_or(0, |kept| kept.number);
                for index in [&mut self.by_first, &mut self.by_last] {
                    index.retain(|_, number| *number >= alive);
                }
                self.by_hash.retain(|_, number| *number >= alive);
            }
        }
    }

    /// The page, once it is full; `flush` where it need not be.
    pub(crate) fn take_page(&mut self, flush: bool) -> Option<TimesPage> {
        let count = self.next - self.page_first;
        let full = self.page.len() >= PAGE_BYTES || self.page_times > PAGE_TIMES_MAX - ROW_SAMPLES_MAX;
        if count == 0 || !(full || flush) {
            return None;
        }
        let mut body = Vec::with_capacity(self.page.len() + 10);
        put_u64(&mut body, u64::from(self.page_first));
        put_u64(&mut body, u64::from(count));
        body.append(&mut self.page);
        let first = self.page_first;
        self.page_first = self.next;
        self.page_times = 0;
        Some(TimesPage { first, body })
    }
}

fn hash(times: &[i64]) -> u64 {
    let mut bytes = [0_u8; 1024];
    let mut hash = times.len() as u64;
    for chunk in times.chunks(bytes.len() / 8) {
        for (slot, time) in bytes.chunks_exact_mut(8).zip(chunk) {
            slot.copy_from_slice(&time.to_le_bytes());
        }
        hash = hash.rotate_left(29) ^ xxh3_64(&bytes[..chunk.len() * 8]);
    }
    hash
}

/// Which parts of `base` make up `times`; whether some few do.
fn parts(base: &[i64], times: &[i64], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (mut at, mut done) = (0, 0);
    for _ in 0..PARTS_MAX {
        if done == times.len() {
            return true;
        }
        let Some(skip) = base[at..].iter().position(|&time| time == times[done]) else { return false };
        at += skip;
        let take = base[at..].iter().zip(&times[done..]).take_while(|(a, b)| a == b).count();
        put_u64(out, skip as u64);
        put_u64(out, take as u64);
        (at, done) = (at + take, done + take);
    }
    done == times.len()
}

/// A column of times, decoded.
pub(crate) struct Times {
    pub(crate) all: Vec<i64>,
    pub(crate) order: Order,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

impl Times {
    fn new(times: Vec<i64>) -> Self {
        let order = if times.is_sorted() { Order::Ascending } else { Order::Any };
        let from_ms = times.iter().copied().min().unwrap_or(i64::MAX);
        let to_ms = times.iter().copied().max().unwrap_or(i64::MIN);
        Self { all: times, order, from_ms, to_ms }
    }

    /// `count` of them, in parts: how many are passed over, how many taken. `None` where there are not so many.
    pub(crate) fn parts(&self, count: usize, parts: &[(usize, usize)]) -> Option<Self> {
        let mut times = Vec::with_capacity(count);
        let mut rest = &self.all[..];
        for &(skip, take) in parts {
            let (part, after) = rest.get(skip..)?.split_at_checked(take)?;
            times.extend_from_slice(part);
            rest = after;
        }
        Some(Self::new(times))
    }
}

/// A column as its page has it.
pub(crate) enum Column {
    Own(Arc<Times>),
    Part { base: u32, count: usize, parts: Vec<(usize, usize)> },
}

/// A page of columns that was read.
pub(crate) struct OpenTimes {
    first: u32,
    columns: Vec<Column>,
    times: usize,
}

impl Decoded for OpenTimes {
    fn bytes(&self) -> usize {
        self.columns.len() * (size_of::<Column>() + size_of::<Times>()) + self.times * 8
    }
}

impl OpenTimes {
    /// The number of its first column.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// How many times all its columns have together.
    pub(crate) fn times(&self) -> usize {
        self.times
    }

    pub(crate) fn column(&self, number: u32) -> Option<&Column> {
        self.columns.get(number.checked_sub(self.first)? as usize)
    }

    /// A column that is no part of another.
    pub(crate) fn own(&self, number: u32) -> Option<&Arc<Times>> {
        match self.column(number)? {
            Column::Own(times) => Some(times),
            Column::Part { .. } => None,
        }
    }

    /// Takes apart the body of a page.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(body);
        let first = cursor.length(u32::MAX as usize)? as u32;
        let count = cursor.length(body.len())?;
        let mut columns = Vec::new();
        let mut total = 0;
        for _ in 0..count {
            let head = cursor.length(ROW_SAMPLES_MAX << 1 | 1)?;
            let count = head >> 1;
            total += count;
            if total > PAGE_TIMES_MAX {
                return Err(cursor.damage("a page has more times than it may have"));
            }
            columns.push(if head & 1 == 0 {
                let mut own = Vec::new();
                times::decode(&mut cursor, count, &mut own)?;
                Column::Own(Arc::new(Times::new(own)))
            } else {
                let base = cursor.length(u32::MAX as usize)? as u32;
                let (mut parts, mut done) = (Vec::new(), 0);
                while done < count {
                    let part = (cursor.length(ROW_SAMPLES_MAX)?, cursor.length(count - done)?);
                    if part.1 == 0 {
                        return Err(cursor.damage("a part of a column is empty"));
                    }
                    done += part.1;
                    parts.push(part);
                }
                Column::Part { base, count, parts }
            });
        }
        cursor.end()?;
        Ok(Self { first, columns, times: total })
    }
}
