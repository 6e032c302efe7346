//! Writes a segment.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use weir_signal::{Exemplar, Labels, Metadata};

use super::directory::{self, PageEntry, TimesEntry};
use super::exemplars::{self, ExemplarWriter};
use super::extras::histograms_within;
use super::page::PageWriter;
use super::samples::Samples;
use super::spans::Spans;
use super::summary::Summary;
use super::times::TimesWriter;
use super::{DATA, INDEX, ROW_SAMPLES_MAX, metadata, tag};
use crate::frame::FileWriter;
use crate::histograms;
use crate::index::IndexWriter;
use crate::pack::{Effort, Packer};

/// How a segment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentOptions {
    /// How much work it may be.
    pub effort: Effort,
}

/// Why something was not written. The segment is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Series have to come ascending, each once.
    #[error("{series} comes after {after}: series have to ascend, each once; sort and merge them first")]
    Order {
        /// The series that came.
        series: Labels,
        /// The one before.
        after: Labels,
    },
    /// Columns have different lengths, an index of a histogram is none, or a histogram's runs do not fit its counts.
    #[error("{0} has columns that do not fit together")]
    Columns(Labels),
    /// One histogram has more buckets, or one exemplar longer labels, than a reader would accept.
    #[error(
        "{0} has a histogram of more than {max} buckets or an exemplar with more than 1 MiB of labels",
        max = histograms::BUCKETS_MAX
    )]
    TooLarge(Labels),
    /// There are as many series as a segment can number.
    #[error("a segment has at most 2^32 - 1 series; split it")]
    TooMany,
}

/// A finished segment.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The end of `data`: what [`SegmentWriter::take_data`] has not given yet.
    pub data: Vec<u8>,
    /// All of `index`.
    pub index: Vec<u8>,
    /// What is in it.
    pub summary: Summary,
}

/// Writes a segment, series by series, ascending by labels.
pub struct SegmentWriter {
    effort: Effort,
    data: FileWriter,
    index: FileWriter,
    labels: IndexWriter,
    page: PageWriter,
    pages: Vec<PageEntry>,
    times: TimesWriter,
    times_pages: Vec<TimesEntry>,
    exemplars: ExemplarWriter,
    exemplar_pages: Vec<(u32, crate::Place)>,
    metadata: BTreeMap<String, Metadata>,
    spans: Vec<RangeInclusive<i64>>,
    summary: Summary,
}

impl SegmentWriter {
    /// One without series.
    pub fn new(options: SegmentOptions) -> Self {
        let effort = options.effort;
        Self {
            effort,
            data: FileWriter::new(DATA),
            index: FileWriter::new(INDEX),
            labels: IndexWriter::default(),
            page: PageWriter::new(effort),
            pages: Vec::new(),
            times: TimesWriter::new(effort),
            times_pages: Vec::new(),
            exemplars: ExemplarWriter::new(effort),
            exemplar_pages: Vec::new(),
            metadata: BTreeMap::new(),
            spans: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// Adds a series with all its samples, in their order. A series without samples is left out.
    ///
    /// # Errors
    /// What [`WriteError`] names.
    pub fn push(&mut self, labels: &Labels, samples: &Samples) -> Result<(), WriteError> {
        if samples.is_empty() {
            return Ok(());
        }
        if !samples.is_sound() {
            return Err(WriteError::Columns(labels.clone()));
        }
        for (_, histogram) in &samples.histograms {
            match histograms::buckets(histogram) {
                Some(buckets) if buckets <= histograms::BUCKETS_MAX => {}
                Some(_) => return Err(WriteError::TooLarge(labels.clone())),
                None => return Err(WriteError::Columns(labels.clone())),
            }
        }
        let number = self.number(labels)?;
        let mut span = (i64::MAX, i64::MIN);
        let mut rest = 0..samples.len();
        let cells = Cells::of(&samples.times);
        while !rest.is_empty() {
            let row = cells.first_row(samples, rest.clone());
            rest.start = row.end;
            for &time in &samples.times[row.clone()] {
                span = (span.0.min(time), span.1.max(time));
            }
            self.row(number, samples, row);
        }
        self.spans.push(span.0..=span.1);
        self.summary.from_ms = self.summary.from_ms.min(span.0);
        self.summary.to_ms = self.summary.to_ms.max(span.1);
        self.summary.samples += samples.len() as u64;
        self.summary.histograms += samples.histograms.len() as u64;
        Ok(())
    }

    /// Adds exemplars of the series that was added last, or of a later one that has no samples here.
    ///
    /// # Errors
    /// What [`WriteError`] names.
    pub fn exemplars(&mut self, labels: &Labels, exemplars: &[Exemplar]) -> Result<(), WriteError> {
        if exemplars.is_empty() {
            return Ok(());
        }
        if exemplars.iter().any(|exemplar| exemplar.labels.as_encoded().len() > exemplars::LABEL_BYTES_MAX) {
            return Err(WriteError::TooLarge(labels.clone()));
        }
        let number = if self.labels.last() == Some(labels) {
            self.labels.len() as u32 - 1
        } else {
            let number = self.number(labels)?;
            self.row(number, &Samples::default(), 0..0);
            #[expect(clippy::reversed_empty_ranges, reason = "it has no times")]
            self.spans.push(1..=0);
            number
        };
        self.exemplars.push(number, exemplars);
        for (first, body) in self.exemplars.take_pages(false) {
            self.exemplar_pages.push((first, self.index.put(&body)));
        }
        self.summary.exemplars += exemplars.len() as u64;
        Ok(())
    }

    /// Sets what is known of the family `name`.
    pub fn metadata(&mut self, name: &str, metadata: Metadata) {
        self.metadata.insert(name.to_owned(), metadata);
    }

    /// What is to be appended to `data` by now. Calling it often keeps memory low.
    pub fn take_data(&mut self) -> Vec<u8> {
        self.data.take()
    }

    /// How many bytes of `data` wait for [`SegmentWriter::take_data`].
    pub fn data_waiting(&self) -> usize {
        self.data.waiting()
    }

    /// Ends the segment.
    pub fn finish(mut self) -> Finished {
        self.pages(true);
        let mut packer = Packer::of(self.effort);
        self.summary.series = self.labels.len() as u32;
        self.summary.data_bytes = self.data.size();
        let span = (self.summary.from_ms, self.summary.to_ms);
        let mut named = |tag: u8, write: &mut dyn FnMut(&mut Packer, &mut Vec<u8>)| {
            let mut body = Vec::new();
            write(&mut packer, &mut body);
            self.index.put_named(tag, &body);
        };
        named(tag::PAGES, &mut |packer, out| directory::write_pages(&self.pages, span, packer, out));
        named(tag::TIMES, &mut |packer, out| directory::write_times(&self.times_pages, packer, out));
        named(tag::SPANS, &mut |packer, out| Spans::write(&self.spans, span, packer, out));
        if !self.metadata.is_empty() {
            let families = self.metadata.iter().map(|(name, metadata)| (name.as_str(), metadata));
            named(tag::METADATA, &mut |packer, out| metadata::write(families.clone(), packer, out));
        }
        self.labels.finish(tag::LABELS, self.effort, &mut self.index);
        for (first, body) in self.exemplars.take_pages(true) {
            self.exemplar_pages.push((first, self.index.put(&body)));
        }
        let mut body = Vec::new();
        if !self.exemplar_pages.is_empty() {
            exemplars::write_directory(&self.exemplar_pages, &mut body);
            self.index.put_named(tag::EXEMPLARS, &body);
        }
        body.clear();
        self.summary.write(&mut body);
        self.index.put_named(tag::SUMMARY, &body);
        Finished { data: self.data.take(), index: self.index.finish(), summary: self.summary }
    }

    fn number(&mut self, labels: &Labels) -> Result<u32, WriteError> {
        if let Some(after) = self.labels.last()
            && labels <= after
        {
            return Err(WriteError::Order { series: labels.clone(), after: after.clone() });
        }
        if self.labels.len() >= u32::MAX as usize {
            return Err(WriteError::TooMany);
        }
        Ok(self.labels.push(labels))
    }

    fn row(&mut self, series: u32, samples: &Samples, row: Range<usize>) {
        let times = self.times.column(&samples.times[row.clone()]);
        self.page.push(series, times, samples, row);
        self.pages(false);
    }

    /// Writes pages that are full; all with `flush`.
    fn pages(&mut self, flush: bool) {
        if let Some(page) = self.times.take_page(flush) {
            self.times_pages.push(TimesEntry { first: page.first, place: self.data.put(&page.body) });
        }
        if let Some(page) = self.page.take_page(flush) {
            self.pages.push(PageEntry {
                first_series: page.first_series,
                last_series: page.last_series,
                from_ms: page.from_ms,
                to_ms: page.to_ms,
                place: self.data.put(&page.body),
            });
        }
    }
}

/// Where long series are cut: at times that are the same for all series of one step, so that their blocks share columns of
/// times also where one began later than another.
#[derive(Clone, Copy)]
struct Cells {
    /// A cell is 2^bits milliseconds; none where all fits one block.
    bits: Option<u32>,
}

impl Cells {
    fn of(times: &[i64]) -> Self {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Self { bits: None } };
        if times.len() <= ROW_SAMPLES_MAX {
            return Self { bits: None };
        }
        let span = u128::from(last.abs_diff(*first)) * ROW_SAMPLES_MAX as u128 / (times.len() as u128 - 1);
        Self { bits: Some(span.max(1).ilog2().min(62)) }
    }

    /// The samples of `rest` that make up the next block.
    fn first_row(self, samples: &Samples, rest: Range<usize>) -> Range<usize> {
        let start = rest.start;
        let mut end = rest.end.min(start + ROW_SAMPLES_MAX);
        if let Some(bits) = self.bits {
            let cell = samples.times[start] >> bits;
            let times = &samples.times[start..end];
            end = start + times.iter().take_while(|&&time| time >> bits == cell).count();
        }
        let mut buckets = 0;
        for (at, histogram) in histograms_within(samples, &(start..end)) {
            buckets += histograms::buckets(histogram).unwrap_or_default();
            if buckets > histograms::BUCKETS_MAX {
                return start..(*at as usize).max(start + 1);
            }
        }
        start..end
    }
}
