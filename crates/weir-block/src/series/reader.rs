//! Reads a segment.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;
use weir_signal::{Exemplar, Labels, Matcher, Metadata, Points, ReadError};

use super::directory::{self, PageEntry, TimesEntry};
use super::page::{BlockReader, OpenPage};
use super::samples::{Samples, Sink};
use super::spans::Spans;
use super::summary::Summary;
use super::times::{Column, OpenTimes, Times};
use super::{DATA, INDEX, SeriesNumber, exemplars, extras, metadata, tag};
use crate::cache::Cache;
use crate::frame::{Damage, FileReader, Place};
use crate::index::{Index, IndexBuffers};
use crate::read::{ReadAt, Watch};
use crate::values;

/// A segment on disk. Opening it reads its directories; what else it needs it reads when it is asked.
///
/// It can be shared. Whoever reads samples has a [`SegmentReader`] of their own.
pub struct Segment {
    pub(super) index: FileReader,
    pub(super) data: FileReader,
    pub(super) summary: Summary,
    pub(super) pages: Vec<PageEntry>,
    pub(super) times: Vec<TimesEntry>,
    pub(super) labels: Index,
    spans: OnceLock<Spans>,
}

impl Segment {
    /// # Errors
    /// What of the directories is damaged, or which file cannot be read.
    pub fn open(index: Arc<dyn ReadAt>, data: Arc<dyn ReadAt>) -> Result<Self, ReadError> {
        Self::open_with(index, data, None)
    }

    /// As [`Segment::open`]; pages that were read are kept in `cache` for whoever reads them next.
    pub fn open_with(
        index: Arc<dyn ReadAt>,
        data: Arc<dyn ReadAt>,
        cache: Option<&Arc<Cache>>,
    ) -> Result<Self, ReadError> {
        let index = FileReader::open(index, INDEX)?.with_cache(cache);
        let data = FileReader::open_without_table(data, DATA)?.with_cache(cache);
        let (body, place) = index.read_named(tag::SUMMARY)?;
        let summary = Summary::read(&body).map_err(|damage| index.damaged(place, damage))?;
        if data.file().size() != summary.data_bytes {
            return Err(ReadError::Damaged {
                file: data.file().name().to_owned(),
                offset: data.file().size().min(summary.data_bytes),
                what: format!(
                    "it has {} bytes where {} says {}",
                    data.file().size(),
                    index.file().name(),
                    summary.data_bytes
                ),
            });
        }
        let (body, place) = index.read_named(tag::PAGES)?;
        let pages = directory::read_pages(&body, (summary.from_ms, summary.to_ms))
            .map_err(|damage| index.damaged(place, damage))?;
        let (body, place) = index.read_named(tag::TIMES)?;
        let times = directory::read_times(&body).map_err(|damage| index.damaged(place, damage))?;
        let labels = Index::new(index.clone(), tag::LABELS);
        Ok(Self { index, data, summary, pages, times, labels, spans: OnceLock::new() })
    }

    /// The same segment without a cache: for whoever reads all of it once, or wants to see what is in the file.
    #[must_use]
    pub fn uncached(&self) -> Self {
        let (index, data) = (self.index.clone().with_cache(None), self.data.clone().with_cache(None));
        let labels = Index::new(index.clone(), tag::LABELS);
        let (pages, times) = (self.pages.clone(), self.times.clone());
        Self { index, data, summary: self.summary, pages, times, labels, spans: OnceLock::new() }
    }

    /// What is in it.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// All series, ascending by labels.
    pub fn all_series(&self) -> impl Iterator<Item = SeriesNumber> + use<> {
        (0..self.summary.series).map(SeriesNumber)
    }

    /// The series that all matchers select and that may have a sample in `from_ms..=to_ms`, ascending by labels.
    ///
    /// # Errors
    /// What says which series match is damaged. What says roughly when each has samples can be done without.
    pub fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<SeriesNumber>, ReadError> {
        Ok(self.selected(matchers, from_ms, to_ms, watch)?.iter().map(SeriesNumber).collect())
    }

    fn selected(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        watch: &mut dyn Watch,
    ) -> Result<RoaringBitmap, ReadError> {
        let segment = (self.summary.from_ms, self.summary.to_ms);
        if !self.summary.overlaps(from_ms, to_ms) {
            return Ok(RoaringBitmap::new());
        }
        let mut series = self.labels.select(matchers)?;
        if from_ms > segment.0 || to_ms < segment.1 {
            match self.spans() {
                Ok(spans) => {
                    let may_have = |&number: &u32| spans.may_have(number, from_ms, to_ms, segment);
                    series = series.iter().filter(may_have).collect();
                }
                Err(error) => watch.leave_out(error)?,
            }
        }
        Ok(series)
    }

    pub(super) fn spans(&self) -> Result<&Spans, ReadError> {
        if let Some(spans) = self.spans.get() {
            return Ok(spans);
        }
        let (body, place) = self.index.read_named(tag::SPANS)?;
        let spans = Spans::read(&body, self.summary.series);
        let spans = spans.map_err(|damage| self.index.damaged(place, damage))?;
        Ok(self.spans.get_or_init(|| spans))
    }

    /// The names of labels of the series that [`Segment::select`] gives, ascending.
    pub fn label_names(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<String>, ReadError> {
        let series = self.selected(matchers, from_ms, to_ms, watch)?;
        let all = series.len() == u64::from(self.summary.series);
        self.labels.names((!all).then_some(&series))
    }

    /// The values of one label of those series, ascending.
    pub fn label_values(
        &self,
        matchers: &[Matcher],
        name: &str,
        from_ms: i64,
        to_ms: i64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<String>, ReadError> {
        let series = self.selected(matchers, from_ms, to_ms, watch)?;
        let all = series.len() == u64::from(self.summary.series);
        self.labels.values(name, (!all).then_some(&series))
    }

    /// Exemplars in `from_ms..=to_ms` of `series` (ascending; all where that is `None`), ascending by series, in the order
    /// in which they were written.
    ///
    /// # Errors
    /// What says where they are is damaged. Pages of them that are damaged can be done without.
    pub fn exemplars(
        &self,
        series: Option<&[SeriesNumber]>,
        from_ms: i64,
        to_ms: i64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<(SeriesNumber, Vec<Exemplar>)>, ReadError> {
        let (body, place) = self.index.read_named(tag::EXEMPLARS)?;
        let pages = exemplars::read_directory(&body).map_err(|damage| self.index.damaged(place, damage))?;
        let mut found: Vec<(SeriesNumber, Vec<Exemplar>)> = Vec::new();
        for (index, &(first, place)) in pages.iter().enumerate() {
            let last = pages.get(index + 1).map_or(u32::MAX, |&(next, _)| next);
            let wanted = |number: u32| series.is_none_or(|s| s.binary_search(&SeriesNumber(number)).is_ok());
            if let Some(series) = series {
                let at = series.partition_point(|number| number.0 < first);
                if series.get(at).is_none_or(|number| number.0 > last) {
                    continue;
                }
            }
            let read = self.index.read(place).and_then(|body| {
                exemplars::read_page(&body).map_err(|damage| self.index.damaged(place, damage))
            });
            let page = match read {
                Ok(page) => page,
                Err(error) => {
                    watch.leave_out(error)?;
                    continue;
                }
            };
            for (number, mut list) in page.into_iter().filter(|&(number, _)| wanted(number)) {
                list.retain(|exemplar| (from_ms..=to_ms).contains(&exemplar.time_ms));
                match found.last_mut() {
                    _ if list.is_empty() => {}
                    Some((last, exemplars)) if last.0 == number => exemplars.append(&mut list),
                    _ => found.push((SeriesNumber(number), list)),
                }
            }
        }
        Ok(found)
    }

    /// What is known of metric families, ascending by name.
    pub fn metadata(&self) -> Result<Vec<(String, Metadata)>, ReadError> {
        let (body, place) = self.index.read_named(tag::METADATA)?;
        metadata::read(&body).map_err(|damage| self.index.damaged(place, damage))
    }
}

/// Times that one reader keeps, as decoded.
const TIMES_KEPT_MAX: usize = 1 << 20;

/// Reads labels and samples of a segment, best in the order of series: it keeps the page it read last.
pub struct SegmentReader {
    segment: Arc<Segment>,
    labels: IndexBuffers,
    /// The page that was read last, and which it is.
    page: Option<(usize, Arc<OpenPage>)>,
    blocks: BlockReader,
    /// The last one that was found damaged.
    page_damaged: Option<usize>,
    decoder: values::Decoder,
    /// Pages of times, by their first column.
    times_pages: HashMap<u32, Arc<OpenTimes>>,
    /// Columns that were put together of parts of others.
    times: HashMap<u32, Arc<Times>>,
    times_kept: usize,
}

impl SegmentReader {
    /// A reader of `segment`.
    pub fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            labels: IndexBuffers::default(),
            page: None,
            blocks: BlockReader::default(),
            page_damaged: None,
            decoder: values::Decoder::default(),
            times_pages: HashMap::new(),
            times: HashMap::new(),
            times_kept: 0,
        }
    }

    /// The segment.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The labels of a series.
    pub fn labels(&mut self, series: SeriesNumber) -> Result<Labels, ReadError> {
        self.segment.labels.labels(series.0, &mut self.labels)
    }

    /// Appends the samples of a series in `from_ms..=to_ms`, as they were written. Gives how many bytes were decoded.
    ///
    /// # Errors
    /// `watch` does not go on without a page that is damaged. `samples` may then have a part of them.
    pub fn samples(
        &mut self,
        series: SeriesNumber,
        from_ms: i64,
        to_ms: i64,
        samples: &mut Samples,
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError> {
        self.read(series, from_ms, to_ms, samples, watch)
    }

    /// As [`SegmentReader::samples`], with histograms as queries calculate with them.
    pub fn points(
        &mut self,
        series: SeriesNumber,
        from_ms: i64,
        to_ms: i64,
        points: &mut Points,
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError> {
        self.read(series, from_ms, to_ms, points, watch)
    }

    fn read(
        &mut self,
        series: SeriesNumber,
        from_ms: i64,
        to_ms: i64,
        sink: &mut impl Sink,
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError> {
        let segment = Arc::clone(&self.segment);
        let mut bytes = 0;
        let first = segment.pages.partition_point(|page| page.last_series < series.0);
        for (index, page) in segment.pages.iter().enumerate().skip(first) {
            if page.first_series > series.0 {
                break;
            }
            if page.from_ms > to_ms || page.to_ms < from_ms {
                continue;
            }
            if self.page_damaged == Some(index) {
                continue;
            }
            let open = match self.open_page(index) {
                Ok((open, read)) => {
                    bytes += read;
                    open
                }
                Err(error) => {
                    watch.leave_out(error)?;
                    // Its other series need not read it again.
                    self.page_damaged = Some(index);
                    continue;
                }
            };
            for row in open.rows_of(series.0) {
                let times = match self.times(open.rows()[row].times) {
                    Ok(times) => times,
                    Err(error) => {
                        watch.leave_out(error)?;
                        continue;
                    }
                };
                if times.from_ms > to_ms || times.to_ms < from_ms {
                    continue;
                }
                let start = sink.columns().times.len();
                if let Err(damage) = self.row(&open, row, &times, sink) {
                    sink.truncate(start);
                    watch.leave_out(segment.data.damaged(page.place, damage))?;
                    continue;
                }
                bytes += times.all.len() as u64 * 16;
                if from_ms > times.from_ms || to_ms < times.to_ms {
                    sink.cut(start, times.order, from_ms, to_ms);
                }
            }
        }
        Ok(bytes)
    }

    /// Appends the samples of a block of the page that was opened last.
    pub(super) fn row(
        &mut self,
        page: &OpenPage,
        row: usize,
        times: &Times,
        sink: &mut impl Sink,
    ) -> Result<(), Damage> {
        let columns = sink.columns();
        let start = columns.times.len();
        columns.times.extend_from_slice(&times.all);
        let has_extras = page.rows()[row].has_extras;
        let mut rest = self.blocks.values(page, row, times.all.len(), &mut self.decoder, columns.values)?;
        if has_extras {
            extras::read(&mut rest, start, sink)?;
        }
        let columns = sink.columns();
        if !columns.starts.is_empty() {
            columns.starts.resize(columns.times.len(), 0);
        }
        Ok(())
    }

    /// Opens a page; gives it, and how many bytes were decoded for it: none where it was the last one.
    pub(super) fn open_page(&mut self, index: usize) -> Result<(Arc<OpenPage>, u64), ReadError> {
        if let Some((open, page)) = &self.page
            && *open == index
        {
            return Ok((Arc::clone(page), 0));
        }
        self.page = None;
        self.blocks.turn();
        let page = self.segment.data.decoded(self.segment.pages[index].place, OpenPage::read)?;
        let bytes = page.body_bytes();
        self.page = Some((index, Arc::clone(&page)));
        Ok((page, bytes))
    }

    /// A column of times.
    pub(super) fn times(&mut self, number: u32) -> Result<Arc<Times>, ReadError> {
        if let Some(times) = self.times.get(&number) {
            return Ok(Arc::clone(times));
        }
        let (page, place) = self.times_page(number)?;
        let times = match page.column(number) {
            Some(Column::Own(times)) => return Ok(Arc::clone(times)),
            Some(Column::Part { base, count, parts }) => {
                let base = self.times_page(*base)?.0.own(*base).map(Arc::clone);
                base.and_then(|base| base.parts(*count, parts))
            }
            None => None,
        };
        let what = "a column of times is part of one that is none";
        let times = times.ok_or_else(|| self.segment.data.damaged(place, Damage { at: 0, what }))?;
        self.times_kept += times.all.len();
        let times = Arc::new(times);
        self.times.insert(number, Arc::clone(&times));
        Ok(times)
    }

    /// The page that a column of times stands on, and where that is.
    fn times_page(&mut self, number: u32) -> Result<(Arc<OpenTimes>, Place), ReadError> {
        let entries = &self.segment.times;
        let index = entries.partition_point(|page| page.first <= number);
        let Some(entry) = index.checked_sub(1).map(|index| entries[index]) else {
            let what = "a block has times that no page has";
            return Err(self.segment.index.damaged(Place::default(), Damage { at: 0, what }));
        };
        if let Some(page) = self.times_pages.get(&entry.first) {
            return Ok((Arc::clone(page), entry.place));
        }
        let page = self.segment.data.decoded(entry.place, |body| OpenTimes::read(&body))?;
        if page.first() != entry.first || page.column(number).is_none() {
            let what = "a page of times is not the one it should be";
            return Err(self.segment.data.damaged(entry.place, Damage { at: 0, what }));
        }
        if self.times_kept > TIMES_KEPT_MAX {
            self.times.clear();
            self.times_pages.clear();
            self.times_kept = 0;
        }
        self.times_kept += page.times();
        self.times_pages.insert(entry.first, Arc::clone(&page));
        Ok((page, entry.place))
    }
}
