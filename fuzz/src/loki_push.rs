//! Loki's push API. The first byte of the input chooses how it is written.

use weir_intake::Limits;
use weir_intake::compress::Encoding;
use weir_intake::loki::{Decoder, Message};
use weir_intake::record::Recorder;

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "loki_push",
    words: &[
        "{\"streams\":[",
        "{\"stream\":{\"a\":\"b\"},",
        "\"values\":[",
        "[\"1\",\"x\"],",
        "[1,\"x\",{\"c\":\"d\"}]",
        "]}",
        "\\u00e9",
        "\\ud83d",
        "\\\"",
        "é",
        "\\é",
        "null",
        "-1.5e9",
        "[[[[[[[[",
        "\x0a\x07{a=\"b\"}",
        "\x12\x0b\x0a\x04\x08\x01\x10\x01\x12\x01x",
        "{a=`b`,",
        "\\x41\\777",
        "\x1a\x06\x0a\x01c\x12\x01d",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some((&choice, payload)) = input.split_first() else { return 0 };
    let message = if choice & 1 == 0 { Message::Json } else { Message::Protobuf };
    let encodings = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Snappy];
    let encoding = encodings[usize::from(choice >> 1) % 4];
    let limits = Limits { labels: 8, line_bytes: 256, decompressed_bytes: 1 << 20, ..Limits::default() };
    let mut sink = Recorder::new();
    let found = Decoder::new().decode(message, encoding, payload, &limits, &mut sink);
    match found {
        Ok(outcome) => {
            assert_eq!(outcome.lines, sink.entries.len() as u64);
            assert!(outcome.streams >= sink.streams.len() as u64);
            assert!(sink.streams.iter().all(|labels| !labels.is_empty()), "a stream without labels");
            let refused: Vec<_> =
                outcome.refused.counts().map(|(reason, count)| (reason, count.min(2))).collect();
            hash(
                format!("{message:?} {} {} {refused:?}", outcome.streams.min(4), outcome.lines.min(8))
                    .as_bytes(),
            )
        }
        Err(refusal) => hash(format!("{message:?} {}", crate::kind(&refusal.message)).as_bytes()),
    }
}
