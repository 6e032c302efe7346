//! Segments of spans. Checksums would refuse nearly every changed input, and so they are mended as far as errors name them:
//! what is tried is what stands behind them.

use std::sync::Arc;

use weir_block::frame::{SEAL_BYTES, checksum};
use weir_block::spans::{SpanSegment, SpanSegmentWriter, SpanWriterOptions, Values};
use weir_block::{InMemory, Strict};
use weir_signal::{ReadError, Span, SpanCondition, SpanField, SpanTest, Value};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "span_segment",
    words: &["weirspd\u{1}", "weirspi\u{1}", "weirspf\u{1}", "\u{0}\u{0}", "\u{1}", "service.name", "\u{7f}"],
    run,
};

/// Of all files together, more pieces than the inputs have.
const MENDED_MAX: usize = 64;
const NAMES: [&str; 3] = ["data", "index", "filter"];

/// Four bytes with the lengths of `data` and `index`, then these and `filter`.
fn run(input: &[u8]) -> u64 {
    let Some(([a, b, c, d], rest)) = input.split_first_chunk::<4>() else { return 0 };
    let [data, index] = [[*a, *b], [*c, *d]].map(|length| usize::from(u16::from_le_bytes(length)));
    let Some((data, rest)) = rest.split_at_checked(data) else { return 1 };
    let Some((index, filter)) = rest.split_at_checked(index) else { return 2 };
    let mut files = [data, index, filter].map(<[u8]>::to_vec);
    for _ in 0..MENDED_MAX {
        let damages = match open(&files) {
            Ok(segment) => segment.verify(),
            Err(error) => vec![error],
        };
        if damages.iter().filter(|error| mend(error, &mut files)).count() == 0 {
            break;
        }
    }
    let segment = match open(&files) {
        Ok(segment) => segment,
        Err(error) => return outcome(&error),
    };
    let damages = segment.verify();
    let mut kinds = damages.iter().take(4).map(outcome).fold(3, |all: u64, kind| all.rotate_left(9) ^ kind);
    let mut spans = Vec::new();
    for info in segment.blocks().take(16) {
        let read = segment.read(info.number).and_then(|block| block.all());
        assert!(!damages.is_empty() || read.is_ok(), "what verifies can be read");
        match read {
            Ok(mut read) => spans.append(&mut read),
            Err(error) => kinds = kinds.rotate_left(5) ^ outcome(&error),
        }
    }
    search(&segment);
    comes_back(&spans);
    kinds ^ spans.len() as u64
}

/// Asks in all ways; what is damaged may be an error.
fn search(segment: &SpanSegment) {
    let key = || "http.route".into();
    let fields = [
        SpanField::Name,
        SpanField::Service,
        SpanField::Duration,
        SpanField::Status,
        SpanField::Kind,
        SpanField::Either(key()),
        SpanField::Resource("service.name".into()),
    ];
    let tests = [SpanTest::Exists, SpanTest::Equal(Value::String("/".into())), SpanTest::AtLeast(5.0)];
    for field in fields {
        for test in &tests {
            let condition = SpanCondition { field: field.clone(), test: test.clone() };
            for info in
                segment.candidates(0, i64::MAX, Some(&condition), &mut Strict).into_iter().flatten().take(4)
            {
                let _ = segment.read(info.number).and_then(|block| block.matching(&condition));
            }
        }
        let _ = segment.values(i64::MIN, i64::MAX, &field, &mut Values::new(9), &mut Strict);
    }
}

/// Whatever can be read can be written, and is then the same.
fn comes_back(spans: &[Span]) {
    let mut writer = SpanSegmentWriter::new(SpanWriterOptions::default());
    for span in spans {
        if writer.push(span).is_err() {
            return;
        }
    }
    let finished = writer.finish();
    let segment = open(&[finished.data, finished.index, finished.filter]).expect("it was just written");
    let found = segment.blocks().map(|info| segment.read(info.number).and_then(|block| block.all()));
    let found: Vec<Span> = found.collect::<Result<Vec<_>, _>>().expect("it was just written").concat();
    // In their order within traces; NaNs are unlike themselves.
    let told = |spans: &[Span]| {
        let mut spans: Vec<_> = spans.iter().map(|span| (span.trace, span.start_ns, span.id, span)).collect();
        spans.sort_by_key(|&(trace, start, id, _)| (trace, start, id));
        format!("{spans:?}")
    };
    assert_eq!(told(&found), told(spans));
}

fn open(files: &[Vec<u8>; 3]) -> Result<SpanSegment, ReadError> {
    let file = |at: usize| Arc::new(InMemory::new(NAMES[at], files[at].clone()));
    SpanSegment::open(file(1), file(0), Ok(file(2)))
}

/// Writes the right checksum where the error says that there is another one.
fn mend(error: &ReadError, files: &mut [Vec<u8>; 3]) -> bool {
    let ReadError::Damaged { file, offset, what } = error else { return false };
    let Some(at) = NAMES.iter().position(|name| name == file) else { return false };
    let bytes = &mut files[at];
    let length = if what.starts_with("its tail has another checksum") {
        Some(12)
    } else {
        let length = what.strip_prefix("the ").and_then(|what| what.split(' ').next());
        length.filter(|_| what.ends_with("another checksum")).and_then(|length| length.parse().ok())
    };
    let end = length.and_then(|length| (*offset as usize).checked_add(length));
    let Some((end, after)) = end.and_then(|end| Some((end, end.checked_add(SEAL_BYTES)?))) else {
        return false;
    };
    if after > bytes.len() {
        return false;
    }
    let seal = checksum(&bytes[*offset as usize..end]);
    bytes[end..after].copy_from_slice(&seal.to_le_bytes());
    true
}

fn outcome(error: &ReadError) -> u64 {
    let plain: String = error.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
    hash(plain.as_bytes())
}
