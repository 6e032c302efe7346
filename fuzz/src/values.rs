//! Columns of values and of whole numbers.

use weir_block::values::{Decoder, Encoder, integers};
use weir_block::varint::Cursor;
use weir_block::{Effort, times};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "values",
    words: &["\u{0}", "\u{1}\u{2}", "\u{4}\u{1}", "\u{f}", "\u{7f}", "\u{10}\u{0}\u{0}"],
    run,
};

/// The first byte says how many numbers there are to be, the second what the rest is read as.
fn run(input: &[u8]) -> u64 {
    let [count, how, column @ ..] = input else { return 0 };
    let count = usize::from(*count) * 8;
    let mut cursor = Cursor::new(column);
    if how % 2 == 0 {
        let mut numbers = Vec::new();
        let read = times::decode(&mut cursor, count, &mut numbers);
        if read.is_ok() {
            assert_eq!(numbers.len(), count);
            for effort in [Effort::Fast, Effort::Small] {
                let (mut out, mut again) = (Vec::new(), Vec::new());
                integers::encode(&numbers, effort, &mut out);
                integers::decode(&mut Cursor::new(&out), count, &mut again).expect("it was just written");
                assert_eq!(again, numbers);
            }
        }
        return hash(format!("{:?} {}", read.map_err(|damage| damage.what), cursor.at().min(8)).as_bytes());
    }
    let mut values = Vec::new();
    let read = Decoder::default().decode_whole(&mut cursor, count, &mut values);
    if read.is_ok() {
        assert_eq!(values.len(), count);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for effort in [Effort::Fast, Effort::Small] {
            let (mut out, mut again) = (Vec::new(), Vec::new());
            Encoder::new(effort).encode_whole(&values, &mut out);
            let read = Decoder::default().decode_whole(&mut Cursor::new(&out), count, &mut again);
            read.expect("it was just written");
            assert_eq!(bits(&again), bits(&values));
        }
    }
    hash(format!("{:?} {}", read.map_err(|damage| damage.what), cursor.at().min(8)).as_bytes())
}
