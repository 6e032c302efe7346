//! A sink that only remembers: for tests, and for looking at what a payload says.

use std::collections::HashMap;

use weir_signal::{
    Exemplar, HistogramSample, Labels, LogSink, Metadata, MetricSink, Refusal, SeriesRef, Span, SpanSink,
    StreamRef,
};

/// Everything that was given, in order. Floats, histograms and the rest stand apart; equal labels are one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorder {
    /// The labels of each series, by [`SeriesRef`].
    pub series: Vec<Labels>,
    /// Series, time, value, start.
    pub samples: Vec<(SeriesRef, i64, f64, i64)>,
    /// Series, time, value, start.
    pub histograms: Vec<(SeriesRef, i64, HistogramSample, i64)>,
    /// Exemplars.
    pub exemplars: Vec<(SeriesRef, Exemplar)>,
    /// Family and what is known of it.
    pub metadata: Vec<(String, Metadata)>,
    /// The labels of each stream, by [`StreamRef`].
    pub streams: Vec<Labels>,
    /// Stream, time, line, metadata.
    pub entries: Vec<(StreamRef, i64, String, Labels)>,
    /// Spans.
    pub spans: Vec<Span>,
    refuse: Option<Refusal>,
    keys: HashMap<u128, SeriesRef>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that takes series and streams, and answers all that is in them with `refusal`.
    pub fn refusing(refusal: Refusal) -> Self {
        Self { refuse: Some(refusal), ..Self::default() }
    }

    /// Forgets what was given, but for the series and their keys: as between two payloads.
    pub fn next_payload(&mut self) {
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata.clear();
        self.entries.clear();
        self.spans.clear();
    }

    /// The samples, each as `series time value start`, one a line.
    pub fn lines(&self) -> String {
        let line = |&(series, time, value, start): &(SeriesRef, i64, f64, i64)| {
            format!("{} {time} {value} {start}\n", self.series[series.0 as usize])
        };
        self.samples.iter().map(line).collect()
    }

    fn answer(&self) -> Result<(), Refusal> {
        self.refuse.clone().map_or(Ok(()), Err)
    }
}

fn place(known: &mut Vec<Labels>, labels: &Labels) -> u32 {
    let found = known.iter().position(|found| found == labels);
    found.unwrap_or_else(|| {
        known.push(labels.clone());
        known.len() - 1
    }) as u32
}

impl MetricSink for Recorder {
    fn known(&mut self, key: u128) -> Option<SeriesRef> {
        self.keys.get(&key).copied()
    }

    fn series(&mut self, key: Option<u128>, labels: &Labels) -> Result<SeriesRef, Refusal> {
        let series = SeriesRef(place(&mut self.series, labels));
        if let Some(key) = key {
            self.keys.insert(key, series);
        }
        Ok(series)
    }

    fn sample(&mut self, series: SeriesRef, time_ms: i64, value: f64, start_ms: i64) -> Result<(), Refusal> {
        self.answer()?;
        self.samples.push((series, time_ms, value, start_ms));
        Ok(())
    }

    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: HistogramSample,
        start_ms: i64,
    ) -> Result<(), Refusal> {
        self.answer()?;
        self.histograms.push((series, time_ms, value, start_ms));
        Ok(())
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Refusal> {
        self.answer()?;
        self.exemplars.push((series, exemplar));
        Ok(())
    }

    fn metadata(&mut self, name: &str, metadata: Metadata) {
        self.metadata.push((name.to_owned(), metadata));
    }
}

impl LogSink for Recorder {
    fn stream(&mut self, labels: &Labels) -> Result<StreamRef, Refusal> {
        Ok(StreamRef(place(&mut self.streams, labels)))
    }

    fn entry(
        &mut self,
        stream: StreamRef,
        time_ns: i64,
        line: &str,
        metadata: &Labels,
    ) -> Result<(), Refusal> {
        self.answer()?;
        self.entries.push((stream, time_ns, line.to_owned(), metadata.clone()));
        Ok(())
    }
}

impl SpanSink for Recorder {
    fn span(&mut self, span: Span) -> Result<(), Refusal> {
        self.answer()?;
        self.spans.push(span);
        Ok(())
    }
}
