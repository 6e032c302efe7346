//! Prints what recorded metrics cost as segments: bytes and time per sample.
//!
//! `cargo run --release -p weir-block --example sizes -- RECORDING [SAMPLES]`, with a recording of `cargo xtask bench store
//! record`; `SAMPLES` is how many samples of a series go into one segment (without it, all).
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

mod recording;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use weir_block::series::{
    Samples, Segment, SegmentOptions, SegmentReader, SegmentWriter, SeriesNumber, verify,
};
use weir_block::{Effort, InMemory, Strict};
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

/// The least time of some runs, in nanoseconds, and what the last one gave.
fn least<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let mut timed = || {
        let begin = Instant::now();
        (run(), begin.elapsed().as_nanos() as f64)
    };
    let (mut result, mut least) = timed();
    for _ in 1..RUNS {
        let (again, time) = timed();
        (result, least) = (again, least.min(time));
    }
    (least, result)
}

const RUNS: usize = 5;

fn measure(series: &Series, samples: f64, effort: Effort) {
    let push = || {
        let mut writer = SegmentWriter::new(SegmentOptions { effort });
        for (labels, samples) in series {
            writer.push(labels, samples).expect("series ascend");
        }
        writer
    };
    let (pushed, _) = least(push);
    let (written, finished) = least(|| push().finish());
    let (data, index) = (finished.data.len() as f64, finished.index.len() as f64);
    println!(
        "{effort:?}: {:.3} bytes a sample: data {:.3}, index {:.3} ({:.1} a series); written in {:.1} ns a sample, \
         {:.1} of them for the index",
        (data + index) / samples,
        data / samples,
        index / samples,
        index / series.len() as f64,
        written / samples,
        (written - pushed) / samples,
    );
    let file = |name: &str, bytes: Vec<u8>| Arc::new(InMemory::new(name, bytes));
    let segment = Segment::open(file("index", finished.index), file("data", finished.data));
    let segment = Arc::new(segment.expect("it was just written"));
    let mut points = Points::default();
    // Of series that do not change, and of the others.
    let (mut still, mut moving) = ((Vec::new(), 0), (Vec::new(), 0));
    for (number, (_, samples)) in segment.all_series().zip(series) {
        let first = samples.values[0].to_bits();
        let is_still = samples.values.iter().all(|value| value.to_bits() == first);
        let (numbers, count) = if is_still { &mut still } else { &mut moving };
        numbers.push(number);
        *count += samples.len();
    }
    let mut read = |(numbers, count): &(Vec<SeriesNumber>, usize)| {
        let (read, ()) = least(|| {
            let mut reader = SegmentReader::new(Arc::clone(&segment));
            for &number in numbers {
                points.clear();
                reader
                    .points(number, i64::MIN, i64::MAX, &mut points, &mut Strict)
                    .expect("it was just written");
            }
        });
        read / *count as f64
    };
    let (still, moving) = (read(&still), read(&moving));
    let (labels, ()) = least(|| {
        let mut reader = SegmentReader::new(Arc::clone(&segment));
        for number in segment.all_series() {
            reader.labels(number).expect("it was just written");
        }
    });
    let matchers = [Matcher::equal("__name__", "node_cpu_seconds_total"), Matcher::equal("mode", "idle")];
    let (select, found) = least(|| {
        segment.select(&matchers, i64::MIN, i64::MAX, &mut Strict).expect("it was just written").len()
    });
    println!(
        "    read at {still:.2} ns a sample of constant series, {moving:.2} of others; labels {:.0} ns a series; \
         selecting {found} series {:.0} µs",
        labels / series.len() as f64,
        select / 1000.0,
    );
    let (mut reader, mut again) = (SegmentReader::new(Arc::clone(&segment)), Samples::default());
    for (number, (labels, samples)) in segment.all_series().zip(series) {
        again.clear();
        reader.samples(number, i64::MIN, i64::MAX, &mut again, &mut Strict).expect("it was just written");
        let bits = |samples: &Samples| samples.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(again.times == samples.times && bits(&again) == bits(samples), "{labels} is another");
    }
    assert_eq!(verify(&segment), []);
}
