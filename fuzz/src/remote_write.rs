//! Remote write. The first byte of the input chooses the version and the compression.

use weir_intake::Limits;
use weir_intake::compress::Encoding;
use weir_intake::record::Recorder;
use weir_intake::remote_write::{Decoder, Message, Outcome};
use weir_signal::Refusal;

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "remote_write",
    words: &[
        "\x0a\x08__name__",
        "\x12\x02up",
        "\x12\x10\x09\0\0\0\0\0\0\x45\x40\x10\x01",
        "\x1a\x00",
        "\x22\x00",
        "\x2a\x00",
        "\x22\x08__name__",
        "\x0a\x02\x01\x02",
        "\x30\x01",
        "\x5a\x04\x08\x01\x10\x02",
        "\x62\x02\x02\x04",
        "\x7f",
        "\x08\x0e\x20\x02",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some((&choice, payload)) = input.split_first() else { return 0 };
    let message = if choice & 1 == 0 { Message::V1 } else { Message::V2 };
    let encoding = [Encoding::Identity, Encoding::Snappy, Encoding::Zstd][usize::from(choice >> 1) % 3];
    let limits =
        Limits { labels: 16, histogram_buckets: 64, decompressed_bytes: 1 << 20, ..Limits::default() };
    let mut decoder = Decoder::new();
    let mut sink = Recorder::new();
    let mut decode = |sink: &mut Recorder| -> Result<Outcome, Refusal> {
        decoder.decode(message, encoding, payload, &limits, sink)
    };
    let first = decode(&mut sink);
    let fresh = (sink.samples.len(), sink.histograms.len(), sink.exemplars.len());
    sink.next_payload();
    let second = decode(&mut sink);
    assert_eq!(first, second, "a series is taken otherwise once its bytes are known");
    let again = (sink.samples.len(), sink.histograms.len(), sink.exemplars.len());
    assert_eq!(fresh, again);
    match first {
        Ok(outcome) => {
            let written = outcome.written;
            let counts = (written.samples as usize, written.histograms as usize, written.exemplars as usize);
            assert_eq!(counts, fresh, "the answer tells of other samples than were given");
            let refused: Vec<_> =
                outcome.refused.counts().map(|(reason, count)| (reason, count.min(2))).collect();
            let written = (counts.0.min(4), counts.1.min(2), counts.2.min(2));
            hash(format!("{message:?} {written:?} {refused:?}").as_bytes())
        }
        Err(refusal) => hash(format!("{message:?} {}", crate::kind(&refusal.message)).as_bytes()),
    }
}
