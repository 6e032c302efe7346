//! The chunked coding.

use weir_head::{Chunk, ChunkDecoder, ChunkError, write_chunk_head};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "chunk",
    words: &[
        "0\r\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "\r\n",
        ";a=b",
        ";",
        "ffffffffffffffff",
        "7fffffffffffffff",
        "0x1",
        " ",
        "+1",
        "-1",
        "00000000000000000",
        "A\r\n",
        "a\r\n",
    ],
    run,
};

/// A body as far as it could be decoded, and how that ended: bytes consumed at the end of the last chunk, an error, or
/// nothing where more is needed.
type Decoded = (Vec<u8>, Option<Result<usize, ChunkError>>);

fn run(input: &[u8]) -> u64 {
    let whole = decode([input]);
    for at in [1, input.len() / 2, input.len().saturating_sub(1)] {
        let (first, second) = input.split_at(at.min(input.len()));
        assert_eq!(decode([first, second]), whole, "split at {at}");
    }
    assert_eq!(decode(input.chunks(1)), whole, "byte by byte");
    let (body, end) = whole;
    if let Some(Ok(consumed)) = end {
        assert!(consumed <= input.len());
    }
    if !body.is_empty() {
        let mut coded = Vec::new();
        for piece in body.chunks(body.len() / 3 + 1) {
            write_chunk_head(piece.len(), &mut coded);
            coded.extend_from_slice(piece);
            coded.extend_from_slice(b"\r\n");
        }
        coded.extend_from_slice(b"0\r\n");
        assert_eq!(
            decode([coded.as_slice()]),
            (body.clone(), Some(Ok(coded.len()))),
            "written and read back"
        );
    }
    let end = end.map(|end| end.map(|_| ()));
    hash(format!("{end:?} {}", body.len().min(64)).as_bytes())
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = ChunkDecoder::default();
    let mut body = Vec::new();
    let mut consumed = 0;
    for mut piece in pieces {
        while !piece.is_empty() {
            match decoder.next(piece) {
                Ok(Chunk::Data { skip, len }) => {
                    assert!(skip + len > 0, "no progress");
                    body.extend_from_slice(&piece[skip..skip + len]);
                    consumed += skip + len;
                    piece = &piece[skip + len..];
                }
                Ok(Chunk::End { skip }) => return (body, Some(Ok(consumed + skip))),
                Err(error) => return (body, Some(Err(error))),
            }
        }
    }
    let end = decoder.is_done().then_some(Ok(consumed));
    (body, end)
}
