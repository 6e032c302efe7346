//! Prints what recorded metrics cost as segments: bytes and time per sample.
//!
//! `cargo run --release -p weir-block --example sizes -- RECORDING [SAMPLES]`, with a recording of `cargo xtask bench store
//! record`; `SAMPLES` is how many samples of a series go into one segment (without it, all).
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

mod recording;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use weir_block::series::{Samples, Segment, SegmentOptions, SegmentReader, SegmentWriter, verify};
use weir_block::{Effort, InMemory};
use weir_signal::{Labels, Matcher, Points};

type Series = Vec<(Labels, Samples)>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which recording? `cargo xtask bench store record` makes one")?;
    let length = arguments.next().map_or(Ok(usize::MAX), |length| length.parse())?;
    let recorded = recording::read(Path::new(&file))?;
    let mut series = Vec::new();
    for (pairs, (times, values)) in recorded {
        let (times, values) = (&times[..times.len().min(length)], &values[..values.len().min(length)]);
        let samples = Samples { times: times.to_vec(), values: values.to_vec(), ..Samples::default() };
        series.push((Labels::from_pairs(pairs)?, samples));
    }
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    series.dedup_by(|(a, _), (b, _)| a == b);
    let samples: usize = series.iter().map(|(_, samples)| samples.len()).sum();
    println!("{} series, {samples} samples", series.len());
    for effort in [Effort::Fast, Effort::Small] {
        measure(&series, samples as f64, effort);
    }
    Ok(())
}

fn measure(series: &Series, samples: f64, effort: Effort) {
    let begin = Instant::now();
    let mut writer = SegmentWriter::new(SegmentOptions { effort });
    for (labels, samples) in series {
        writer.push(labels, samples).expect("series ascend");
    }
    let pushed = begin.elapsed();
    let finished = writer.finish();
    let written = begin.elapsed();
    let (data, index) = (finished.data.len() as f64, finished.index.len() as f64);
    println!(
        "{effort:?}: {:.3} bytes a sample: data {:.3}, index {:.3} ({:.1} a series); written in {:.1} ns a sample, \
         {:.1} of them for the index",
        (data + index) / samples,
        data / samples,
        index / samples,
        index / series.len() as f64,
        written.as_nanos() as f64 / samples,
        (written - pushed).as_nanos() as f64 / samples,
    );
    let file = |name: &str, bytes: Vec<u8>| Arc::new(InMemory::new(name, bytes));
    let segment = Segment::open(file("index", finished.index), file("data", finished.data));
    let segment = Arc::new(segment.expect("it was just written"));
    let begin = Instant::now();
    let mut reader = SegmentReader::new(Arc::clone(&segment));
    let mut points = Points::default();
    for number in segment.all_series() {
        points.clear();
        reader.points(number, i64::MIN, i64::MAX, &mut points).expect("it was just written");
    }
    let read = begin.elapsed();
    let begin = Instant::now();
    for number in segment.all_series() {
        reader.labels(number).expect("it was just written");
    }
    let labels = begin.elapsed();
    let begin = Instant::now();
    let matchers = [Matcher::equal("__name__", "node_cpu_seconds_total"), Matcher::equal("mode", "idle")];
    let found = segment.select(&matchers, i64::MIN, i64::MAX).expect("it was just written");
    println!(
        "    read at {:.1} ns a sample; labels {:.0} ns a series; selecting {} series {:.0} µs",
        read.as_nanos() as f64 / samples,
        labels.as_nanos() as f64 / series.len() as f64,
        found.len(),
        begin.elapsed().as_nanos() as f64 / 1000.0,
    );
    let mut again = Samples::default();
    for (number, (labels, samples)) in segment.all_series().zip(series) {
        again.clear();
        reader.samples(number, i64::MIN, i64::MAX, &mut again).expect("it was just written");
        let bits = |samples: &Samples| samples.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(again.times == samples.times && bits(&again) == bits(samples), "{labels} is another");
    }
    assert_eq!(verify(&segment), []);
}
