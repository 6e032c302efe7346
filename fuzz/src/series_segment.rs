//! Segments of metrics. Checksums would refuse nearly every changed input, and so they are mended as far as errors name
//! them: what is tried is what stands behind them.

use std::sync::Arc;

use weir_block::frame::{SEAL_BYTES, checksum};
use weir_block::series::{Samples, Segment, SegmentReader, verify};
use weir_block::{InMemory, Strict};
use weir_signal::{MatchOp, Matcher, Points, ReadError};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "series_segment",
    words: &["weirsmp\u{1}", "weirsix\u{1}", "\u{0}\u{0}", "\u{1}", "__name__", "\u{7f}"],
    run,
};

/// Of both files together, more pieces than the inputs have.
const MENDED_MAX: usize = 128;

/// Two bytes with the length of `data`, `data`, `index`.
fn run(input: &[u8]) -> u64 {
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return 0 };
    let Some((data, index)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else {
        return 1;
    };
    let (mut data, mut index) = (data.to_vec(), index.to_vec());
    for _ in 0..MENDED_MAX {
        let damages = match open(&data, &index) {
            Ok(segment) => verify(&segment),
            Err(error) => vec![error],
        };
        let mended = damages.iter().filter(|error| mend(error, &mut data, &mut index)).count();
        if mended == 0 {
            break;
        }
    }
    let segment = match open(&data, &index) {
        Ok(segment) => segment,
        Err(error) => return outcome(&error),
    };
    let damages = verify(&segment);
    let mut kinds = damages.iter().take(4).map(outcome).fold(2, |all: u64, kind| all.rotate_left(9) ^ kind);
    let mut reader = SegmentReader::new(Arc::clone(&segment));
    let mut check = |read: Result<u64, ReadError>| {
        assert!(!damages.is_empty() || read.is_ok(), "what verifies can be read");
        kinds = kinds.rotate_left(5) ^ read.err().as_ref().map_or(0, outcome);
    };
    let matcher = Matcher::new("__name__", MatchOp::Regex, "re.*|up").expect("it is one");
    for matchers in [&[][..], &[matcher]] {
        let series = match segment.select(matchers, 0, i64::MAX, &mut Strict) {
            Ok(series) => series,
            Err(error) => {
                check(Err(error));
                continue;
            }
        };
        for series in series.into_iter().take(64) {
            check(reader.labels(series).map(|_| 0));
            check(reader.samples(series, 0, 1 << 50, &mut Samples::default(), &mut Strict));
            check(reader.points(series, i64::MIN, i64::MAX, &mut Points::default(), &mut Strict));
        }
        check(segment.label_names(matchers, 0, 1 << 50, &mut Strict).map(|_| 0));
        check(segment.label_values(matchers, "__name__", 0, 1 << 50, &mut Strict).map(|_| 0));
    }
    kinds
}

fn open(data: &[u8], index: &[u8]) -> Result<Arc<Segment>, ReadError> {
    let file = |name: &str, bytes: &[u8]| Arc::new(InMemory::new(name, bytes.to_vec()));
    Segment::open(file("index", index), file("data", data)).map(Arc::new)
}

/// Writes the right checksum where the error says that there is another one.
fn mend(error: &ReadError, data: &mut [u8], index: &mut [u8]) -> bool {
    let ReadError::Damaged { file, offset, what } = error else { return false };
    let bytes = if file == "data" { data } else { index };
    let length = if what.starts_with("its tail has another checksum") {
        Some(12)
    } else {
        let length = what.strip_prefix("the ").and_then(|what| what.split(' ').next());
        length.filter(|_| what.ends_with("another checksum")).and_then(|length| length.parse().ok())
    };
    let Some(length) = length else { return false };
    let place =
        (*offset as usize).checked_add(length).and_then(|end| Some((end, end.checked_add(SEAL_BYTES)?)));
    let Some((end, after)) = place.filter(|&(_, after)| after <= bytes.len()) else { return false };
    let seal = checksum(&bytes[*offset as usize..end]);
    bytes[end..after].copy_from_slice(&seal.to_le_bytes());
    true
}

fn outcome(error: &ReadError) -> u64 {
    let plain: String = error.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
    hash(plain.as_bytes())
}
