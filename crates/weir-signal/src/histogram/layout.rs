//! Where buckets stand: runs of neighbours, and what becomes of them when histograms meet.

use super::bounds::coarser_index;
use super::sum::kahan_add;
use super::{BucketRun, Buckets, Histogram};

/// What compensated summation lost for each bucket, as long as the counts; `None` where nobody keeps it.
pub(super) type Carry<'a> = Option<&'a mut Vec<f64>>;

impl Buckets {
    /// Index and count of each bucket, from zero outwards. Runs that promise more buckets than there are counts end early.
    pub(super) fn indexed(&self) -> Indexed<'_> {
        let end = self.runs.iter().fold(0, |end, run| i64::from(run.offset) + end + i64::from(run.length));
        Indexed { runs: &self.runs, counts: &self.counts, front: 0, front_used: 0, back: end, back_used: 0 }
    }

    /// Removes empty buckets and joins runs that touch.
    pub(super) fn compact(&mut self, carry: Carry<'_>) {
        let tidy = self.runs.iter().enumerate().all(|(i, run)| run.length > 0 && (i == 0 || run.offset != 0));
        if !tidy || self.counts.contains(&0.0) {
            self.retain(carry, |_, count, lost| count != 0.0 || lost != 0.0);
        }
    }

    /// Keeps the buckets of which `keep` says so, given index, count and what was lost of it.
    pub(super) fn retain(&mut self, mut carry: Carry<'_>, keep: impl Fn(i32, f64, f64) -> bool) {
        let mut layout = Layout::default();
        let mut counts = Vec::new();
        let mut carries = Vec::new();
        for (position, (index, count)) in self.indexed().enumerate() {
            let lost = carry.as_ref().and_then(|carry| carry.get(position)).copied().unwrap_or(0.0);
            if keep(index, count, lost) && layout.push(index) {
                counts.push(count);
                carries.push(lost);
            }
        }
        *self = Self { runs: layout.runs, counts };
        if let Some(carry) = carry.as_mut() {
            **carry = carries;
        }
    }

    /// Merges buckets to those of a coarser schema.
    pub(super) fn coarsen(&mut self, mut carry: Carry<'_>, from: i32, to: i32) {
        let mut layout = Layout::default();
        let mut counts: Vec<f64> = Vec::with_capacity(self.counts.len());
        let mut carries: Vec<f64> = Vec::new();
        for (position, (index, count)) in self.indexed().enumerate() {
            let lost = carry.as_ref().and_then(|carry| carry.get(position)).copied();
            if layout.push(coarser_index(index, from, to)) {
                counts.push(count);
                carries.extend(lost);
            } else if let Some(sum) = counts.last_mut() {
                match (lost, carries.last_mut()) {
                    (Some(lost), Some(carry)) => {
                        kahan_add(count, sum, carry);
                        kahan_add(lost, sum, carry);
                    }
                    _ => *sum += count,
                }
            }
        }
        *self = Self { runs: layout.runs, counts };
        if let Some(carry) = carry.as_mut() {
            **carry = carries;
        }
    }

    /// Adds what `other` gives for each of its buckets, `sign` times; buckets that are not here yet are inserted.
    pub(super) fn merge(
        &mut self,
        mut carry: Carry<'_>,
        other: impl Iterator<Item = (i32, f64)> + Clone,
        sign: f64,
    ) {
        self.cover(carry.as_deref_mut(), other.clone().map(|(index, _)| index));
        let mut places = self.runs.iter().scan(0_i64, |end, run| {
            let start = *end + i64::from(run.offset);
            *end = start + i64::from(run.length);
            Some(start..*end)
        });
        let (mut run, mut before) = (places.next().unwrap_or_default(), 0);
        for (index, count) in other {
            let index = i64::from(index);
            while index >= run.end {
                before += (run.end - run.start) as usize;
                let Some(next) = places.next() else { return };
                run = next;
            }
            let position = before + (index - run.start) as usize;
            let Some(sum) = self.counts.get_mut(position) else { return };
            match carry.as_mut().and_then(|carry| carry.get_mut(position)) {
                Some(carry) => kahan_add(sign * count, sum, carry),
                None => *sum += sign * count,
            }
        }
    }

    /// Inserts empty buckets so that each of the ascending `indexes` is there.
    fn cover(&mut self, carry: Carry<'_>, indexes: impl Iterator<Item = i32> + Clone) {
        let mut own = self.indexed().map(|(index, _)| index);
        if indexes.clone().all(|wanted| own.by_ref().any(|index| index == wanted)) {
            return;
        }
        let mut layout = Layout::default();
        let mut counts = Vec::with_capacity(self.counts.len());
        let mut carries = Vec::new();
        let mut own = self.indexed().enumerate().peekable();
        let mut wanted = indexes.peekable();
        loop {
            match (own.peek().copied(), wanted.peek().copied()) {
                (Some((position, (index, count))), other) if other.is_none_or(|other| index <= other) => {
                    layout.push(index);
                    counts.push(count);
                    carries
                        .push(carry.as_ref().and_then(|carry| carry.get(position)).copied().unwrap_or(0.0));
                    own.next();
                    wanted.next_if(|&other| other == index);
                }
                (_, Some(other)) => {
                    layout.push(other);
                    counts.push(0.0);
                    carries.push(0.0);
                    wanted.next();
                }
                (Some(_) | None, None) => break,
            }
        }
        drop(own);
        *self = Self { runs: layout.runs, counts };
        if let Some(carry) = carry {
            *carry = carries;
        }
    }

    /// From absolute counts at ascending indexes.
    pub(super) fn from_indexed(buckets: impl Iterator<Item = (i32, f64)>) -> Self {
        let mut layout = Layout::default();
        let mut counts = Vec::new();
        for (index, count) in buckets {
            if layout.push(index) {
                counts.push(count);
            }
        }
        Self { runs: layout.runs, counts }
    }
}

impl Histogram {
    /// Removes empty buckets and joins runs of buckets that touch (Prometheus' `Compact(0)`).
    pub fn compact(&mut self) {
        self.positive.compact(None);
        self.negative.compact(None);
    }

    /// Merges buckets to those of a coarser schema. Nothing happens where `schema` is not coarser, or where the bounds are
    /// custom.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if self.uses_custom_buckets() || schema >= self.schema || schema < super::bounds::SCHEMA_MIN {
            return;
        }
        self.positive.coarsen(None, self.schema, schema);
        self.negative.coarsen(None, self.schema, schema);
        self.schema = schema;
    }

    /// A copy at a coarser schema.
    pub fn to_schema(&self, schema: i32) -> Self {
        let mut copy = self.clone();
        copy.reduce_resolution(schema);
        copy
    }
}

/// Builds runs from ascending indexes.
#[derive(Default)]
struct Layout {
    runs: Vec<BucketRun>,
    /// The index after the last bucket.
    end: i64,
}

impl Layout {
    /// Adds a bucket; `false` where it is the last one that was added already.
    fn push(&mut self, index: i32) -> bool {
        let index = i64::from(index);
        match self.runs.last_mut() {
            Some(_) if index < self.end => return false,
            Some(run) if index == self.end => run.length += 1,
            // Two indexes can lie further apart than an offset can say only where a run reached beyond the numbers of
            // buckets; clamped, they stay in order.
            _ => {
                let gap = index - self.end;
                self.runs.push(BucketRun {
                    offset: gap.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
                    length: 1,
                });
            }
        }
        self.end = index + 1;
        true
    }
}

/// See [`Buckets::indexed`].
#[derive(Clone)]
pub(super) struct Indexed<'a> {
    runs: &'a [BucketRun],
    counts: &'a [f64],
    /// The end of the run before the first that is left, and how much of that first one is used.
    front: i64,
    front_used: u32,
    /// The end of the last run that is left, and how much of it is used.
    back: i64,
    back_used: u32,
}

fn saturated(index: i64) -> i32 {
    index.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

impl Iterator for Indexed<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (run, rest) = self.runs.split_first()?;
            let left = run.length - if rest.is_empty() { self.back_used } else { 0 };
            if self.front_used < left {
                let (&count, counts) = self.counts.split_first()?;
                let index = self.front + i64::from(run.offset) + i64::from(self.front_used);
                self.front_used += 1;
                self.counts = counts;
                return Some((saturated(index), count));
            }
            if rest.is_empty() {
                return None;
            }
            self.front += i64::from(run.offset) + i64::from(run.length);
            self.front_used = 0;
            self.runs = rest;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.counts.len()))
    }
}

impl DoubleEndedIterator for Indexed<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            let (run, rest) = self.runs.split_last()?;
            let used = self.back_used + if rest.is_empty() { self.front_used } else { 0 };
            if used < run.length {
                let (&count, counts) = self.counts.split_last()?;
                self.back_used += 1;
                self.counts = counts;
                return Some((saturated(self.back - i64::from(self.back_used)), count));
            }
            if rest.is_empty() {
                return None;
            }
            self.back -= i64::from(run.offset) + i64::from(run.length);
            self.back_used = 0;
            self.runs = rest;
        }
    }
}
