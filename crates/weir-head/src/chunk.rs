//! The chunked coding (RFC 9112, section 7.1), as a state machine over bytes that arrive in any pieces.

use thiserror::Error;

/// Longest line of size and extensions. Extensions carry nothing that Weir or anybody uses; they are dropped.
const LINE_BYTES_MAX: u16 = 1024;

/// Reads a chunked body up to, but not including, its trailer section.
///
/// ```text
/// Size ─► (Extension) ─► SizeLf ─► Data ─► DataCr ─► DataLf ─► Size …
///                              └─ size 0 ─► Done (the trailer section follows)
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChunkDecoder {
    state: State,
    /// Bytes left of the current chunk; while the size is read, the size so far.
    left: u64,
    /// Bytes of the current line.
    line: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    SizeStart,
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Done,
}

/// What stands at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// `skip` bytes of framing, then `len` bytes of data (may be 0, when all bytes were framing). Ask again for what
    /// follows.
    Data {
        /// Bytes of framing.
        skip: usize,
        /// Bytes of the body after them.
        len: usize,
    },
    /// `skip` bytes of framing, then the trailer section begins.
    End {
        /// Bytes of framing.
        skip: usize,
    },
}

/// Why bytes are no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// The size is not 1 to 15 hex digits, or white space stands around it.
    #[error("a chunk size is malformed")]
    Size,
    /// A line does not end in CRLF, or the data is longer than its size says.
    #[error("a chunk does not end in CRLF")]
    LineEnd,
    /// An extension holds a control character, or is too long.
    #[error("a chunk extension is malformed or too long")]
    Extension,
}

impl ChunkDecoder {
    /// Looks at the next bytes. All that it reports is consumed; it never reads past the end of the last chunk's line.
    pub fn next(&mut self, buf: &[u8]) -> Result<Chunk, ChunkError> {
        let mut at = 0;
        while at < buf.len() {
            let b = buf[at];
            match self.state {
                State::Data => {
                    let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len() - at);
                    self.left -= len as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Chunk::Data { skip: at, len });
                }
                State::Done => return Ok(Chunk::End { skip: at }),
                State::SizeStart | State::Size => match (b as char).to_digit(16) {
                    Some(digit) => {
                        // 15 digits are 60 bits: no overflow.
                        self.left = self.left << 4 | u64::from(digit);
                        self.line += 1;
                        if self.line > 15 {
                            return Err(ChunkError::Size);
                        }
                        self.state = State::Size;
                    }
                    None if self.state == State::SizeStart => return Err(ChunkError::Size),
                    None => match b {
                        b'\r' => self.state = State::SizeLf,
                        b';' => self.state = State::Extension,
                        _ => return Err(ChunkError::Size),
                    },
                },
                State::Extension => {
                    self.line += 1;
                    match b {
                        _ if self.line > LINE_BYTES_MAX => return Err(ChunkError::Extension),
                        b'\r' => self.state = State::SizeLf,
                        b'\t' | 0x20..=0x7e | 0x80.. => {}
                        _ => return Err(ChunkError::Extension),
                    }
                }
                State::SizeLf => {
                    if b != b'\n' {
                        return Err(ChunkError::LineEnd);
                    }
                    self.line = 0;
                    if self.left == 0 {
                        self.state = State::Done;
                        return Ok(Chunk::End { skip: at + 1 });
                    }
                    self.state = State::Data;
                }
                State::DataCr | State::DataLf => {
                    let (expect, next) = match self.state {
                        State::DataCr => (b'\r', State::DataLf),
                        _ => (b'\n', State::SizeStart),
                    };
                    if b != expect {
                        return Err(ChunkError::LineEnd);
                    }
                    self.state = next;
                }
            }
            at += 1;
        }
        Ok(match self.state {
            State::Done => Chunk::End { skip: at },
            _ => Chunk::Data { skip: at, len: 0 },
        })
    }

    /// Whether the last chunk was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }
}

/// Writes the line before a chunk of `len` bytes. After its data comes CRLF.
pub fn write_chunk_head(len: usize, out: &mut Vec<u8>) {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(len >> (place * 4)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes with the input cut at every given place; gives back the body and what follows it.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>, bool), ChunkError> {
        let (mut decoder, mut body, mut rest) = (ChunkDecoder::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let mut buf = *piece;
            while !buf.is_empty() && !decoder.is_done() {
                match decoder.next(buf)? {
                    Chunk::Data { skip, len } => {
                        body.extend_from_slice(&buf[skip..skip + len]);
                        buf = &buf[skip + len..];
                    }
                    Chunk::End { skip } => buf = &buf[skip..],
                }
            }
            rest.extend_from_slice(buf);
        }
        Ok((body, rest, decoder.is_done()))
    }

    #[test]
    fn bodies_and_errors() {
        #[track_caller]
        fn check(input: &str, expect: Result<(&str, &str), ChunkError>) {
            for cut in 0..=input.len() {
                let (a, b) = input.as_bytes().split_at(cut);
                let got = decode(&[a, b]).map(|(body, rest, done)| {
                    assert!(done, "{input:?} cut at {cut}");
                    (String::from_utf8(body).unwrap(), String::from_utf8(rest).unwrap())
                });
                let got = got.as_ref().map(|(b, r)| (b.as_str(), r.as_str())).map_err(|e| *e);
                assert_eq!(got, expect, "{input:?} cut at {cut}");
            }
        }
        check("3\r\nabc\r\n0\r\n\r\n", Ok(("abc", "\r\n")));
        check("A;x=y\r\n0123456789\r\n00\r\nrest", Ok(("0123456789", "rest")));
        check("a;\tq=\"\u{e9}\"\r\n0123456789\r\n0;z\r\n", Ok(("0123456789", "")));
        check("\r\n", Err(ChunkError::Size));
        check(" 3\r\nabc\r\n", Err(ChunkError::Size));
        check("3 \r\nabc\r\n", Err(ChunkError::Size));
        check("0x3\r\nabc\r\n", Err(ChunkError::Size));
        check("+3\r\nabc\r\n", Err(ChunkError::Size));
        check("1000000000000000\r\n", Err(ChunkError::Size));
        check("3\nabc\r\n", Err(ChunkError::Size));
        check("3\r\rabc", Err(ChunkError::LineEnd));
        check("3;a\nb\r\nabc", Err(ChunkError::Extension));
        check("3\r\nabcd\r\n", Err(ChunkError::LineEnd));
        check("3\r\nabc\n0\r\n", Err(ChunkError::LineEnd));
        check(&format!("3;{}\r\nabc", "e".repeat(2000)), Err(ChunkError::Extension));
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..6),
            cuts in proptest::collection::vec(0_usize..2000, 0..6),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                write_chunk_head(chunk.len(), &mut wire);
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(wire.len())).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &wire[w[0]..w[1]]).collect();
            let (body, rest, done) = decode(&pieces).unwrap();
            prop_assert!(done);
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(rest, b"\r\n");
        }

        #[test]
        fn odd_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&[&bytes]);
        }
    }
}
