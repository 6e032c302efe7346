//! Payloads that were compressed on their way, each under a limit on what comes out.
//!
//! A size that a payload announces is checked before memory is taken for it; where none is announced, output is taken in
//! steps and stops at the limit. A small payload that unfolds to a huge one is therefore refused after little work.

use std::fmt;

use flate2::{Decompress, FlushDecompress};
use weir_signal::{Reason, Refusal};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// How a payload was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// Snappy's block format, without frames.
    Snappy,
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 1950, or the bare RFC 1951 that some clients send under that name.
    Deflate,
    /// RFC 8878, one frame or several.
    Zstd,
}

impl Encoding {
    /// The encoding that a `Content-Encoding` or `grpc-encoding` names; `None` where it is one that cannot be read here.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim();
        let table = [
            ("", Self::Identity),
            ("identity", Self::Identity),
            ("snappy", Self::Snappy),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("zstd", Self::Zstd),
        ];
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, encoding)| encoding)
    }

    /// As `Content-Encoding` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a payload could not be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// It unfolds to more than the limit.
    #[error("the payload is larger than {limit} bytes once decompressed; send smaller batches")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It is not what it was said to be, or was cut short.
    #[error("the payload is not valid {0}; check `Content-Encoding` against what is sent")]
    Corrupt(Encoding),
}

impl From<CompressError> for Refusal {
    fn from(error: CompressError) -> Self {
        let reason = match error {
            CompressError::TooLarge { .. } => Reason::TooLarge,
            CompressError::Corrupt(_) => Reason::Malformed,
        };
        Self::new(reason, error.to_string())
    }
}

/// A snappy copy of three bytes makes 64 at most, so that a block which announces more than this many times its own size
/// is not one.
const SNAPPY_RATIO_MAX: usize = 22;
/// Windows of zstd may take 8 MiB, as RFC 9659 says for HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// The first step of output whose size nobody announced.
const STEP_BYTES: usize = 16 << 10;

/// Decompresses payloads, one after the other, into memory that it keeps.
#[derive(Default)]
pub struct Decompressor {
    /// As long as the longest output so far, so that it is zeroed once.
    buffer: Vec<u8>,
    snappy: snap::raw::Decoder,
    inflate: Option<Decompress>,
    zstd: Option<ZstdDecoder<'static>>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Decompressor").field("kept_bytes", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Decompressor {
    /// One that holds no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `input` was before it was compressed, at most `limit` bytes; lent until the next call.
    pub fn decompress<'a>(
        &'a mut self,
        encoding: Encoding,
        input: &'a [u8],
        limit: usize,
    ) -> Result<&'a [u8], CompressError> {
        let length = match encoding {
            Encoding::Identity if input.len() > limit => return Err(CompressError::TooLarge { limit }),
            Encoding::Identity => return Ok(input),
            Encoding::Snappy => self.snappy(input, limit)?,
            Encoding::Gzip => self.gzip(input, limit)?,
            Encoding::Deflate => {
                // A header of RFC 1950 names method 8 and is a multiple of 31.
                let zlib = matches!(*input, [a, b, ..] if a & 15 == 8 && (u16::from(a) << 8 | u16::from(b)) % 31 == 0);
                let (used, length) = self.inflate(Encoding::Deflate, zlib, input, 0, limit)?;
                if used < input.len() {
                    return Err(CompressError::Corrupt(encoding));
                }
                length
            }
            Encoding::Zstd => self.zstd(input, limit)?,
        };
        Ok(&self.buffer[..length])
    }

    /// Gives back the memory of past payloads beyond `keep_bytes`.
    pub fn shrink(&mut self, keep_bytes: usize) {
        self.buffer.truncate(keep_bytes);
        self.buffer.shrink_to_fit();
    }

    fn snappy(&mut self, input: &[u8], limit: usize) -> Result<usize, CompressError> {
        let corrupt = |_| CompressError::Corrupt(Encoding::Snappy);
        let length = snap::raw::decompress_len(input).map_err(corrupt)?;
        if length > limit {
            return Err(CompressError::TooLarge { limit });
        }
        if length > input.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(CompressError::Corrupt(Encoding::Snappy));
        }
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.snappy.decompress(input, &mut self.buffer[..length]).map_err(corrupt)
    }

    fn gzip(&mut self, input: &[u8], limit: usize) -> Result<usize, CompressError> {
        let corrupt = CompressError::Corrupt(Encoding::Gzip);
        let (mut rest, mut length) = (input, 0);
        loop {
            let head = gzip_head(rest).ok_or(corrupt)?;
            let start = length;
            let (used, end) = self.inflate(Encoding::Gzip, false, &rest[head..], start, limit)?;
            let (trailer, after) = rest[head + used..].split_first_chunk::<8>().ok_or(corrupt)?;
            let mut crc = flate2::Crc::new();
            crc.update(&self.buffer[start..end]);
            let expect = (u64::from(crc.amount()) << 32 | u64::from(crc.sum())).to_le_bytes();
            if *trailer != expect {
                return Err(corrupt);
            }
            length = end;
            rest = after;
            if rest.is_empty() {
                return Ok(length);
            }
        }
    }

    /// Inflates one stream into the buffer from `start` on. Returns how much of `input` it took and where output ends.
    fn inflate(
        &mut self,
        encoding: Encoding,
        zlib: bool,
        input: &[u8],
        start: usize,
        limit: usize,
    ) -> Result<(usize, usize), CompressError> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(zlib));
        inflate.reset(zlib);
        loop {
            let (used, end) = (inflate.total_in() as usize, start + inflate.total_out() as usize);
            grow(&mut self.buffer, end, limit);
            let room = &mut self.buffer[end..];
            let status = inflate.decompress(&input[used..], room, FlushDecompress::None);
            let made = start + inflate.total_out() as usize;
            if made > limit {
                return Err(CompressError::TooLarge { limit });
            }
            match status {
                Ok(flate2::Status::StreamEnd) => return Ok((inflate.total_in() as usize, made)),
                Ok(_) if made > end || inflate.total_in() as usize > used => {}
                _ => return Err(CompressError::Corrupt(encoding)),
            }
        }
    }

    fn zstd(&mut self, input: &[u8], limit: usize) -> Result<usize, CompressError> {
        let corrupt = |_| CompressError::Corrupt(Encoding::Zstd);
        let decoder = match &mut self.zstd {
            Some(decoder) => decoder,
            none => {
                let mut decoder = ZstdDecoder::new().map_err(corrupt)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(corrupt)?;
                none.insert(decoder)
            }
        };
        decoder.reinit().map_err(corrupt)?;
        let mut source = InBuffer::around(input);
        let mut length = 0;
        loop {
            grow(&mut self.buffer, length, limit);
            let mut room = OutBuffer::around(&mut self.buffer[length..]);
            let before = source.pos();
            let hint = decoder.run(&mut source, &mut room).map_err(corrupt)?;
            let made = room.pos();
            length += made;
            if length > limit {
                return Err(CompressError::TooLarge { limit });
            }
            if hint == 0 && source.pos() == input.len() {
                return Ok(length);
            }
            if made == 0 && source.pos() == before {
                return Err(CompressError::Corrupt(Encoding::Zstd));
            }
        }
    }
}

/// Makes room in `buffer` past `end`: twice as much each time, one byte more than the limit at most, which shows that
/// the limit is passed.
fn grow(buffer: &mut Vec<u8>, end: usize, limit: usize) {
    if buffer.len() == end {
        let length = (end * 2).max(STEP_BYTES).min(limit.saturating_add(1)).max(end + 1);
        buffer.resize(length, 0);
    }
}

/// How long a gzip member's header is (RFC 1952, section 2.3).
fn gzip_head(bytes: &[u8]) -> Option<usize> {
    let [0x1f, 0x8b, 8, flags, ..] = *bytes else { return None };
    let mut at = 10;
    if flags & 4 != 0 {
        let &[low, high] = bytes.get(at..at + 2)? else { return None };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += bytes.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Encoding; 5] =
        [Encoding::Identity, Encoding::Snappy, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    fn compress(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            Encoding::Gzip => {
                let mut out = flate2::GzBuilder::new()
                    .filename("a")
                    .comment("b")
                    .extra("c")
                    .write(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Encoding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        }
    }

    #[test]
    fn bombs_are_refused_at_their_limit() {
        let zeros = vec![0; 8 << 20];
        for encoding in ALL {
            let bomb = compress(encoding, &zeros);
            let mut decompressor = Decompressor::new();
            let limit = 1 << 20;
            let found = decompressor.decompress(encoding, &bomb, limit);
            assert_eq!(found, Err(CompressError::TooLarge { limit }), "{encoding}");
            assert!(decompressor.buffer.len() <= limit + 1, "{encoding}");
            assert_eq!(decompressor.decompress(encoding, &bomb, zeros.len()), Ok(&zeros[..]), "{encoding}");
            let short = zeros.len() - 1;
            assert_eq!(
                decompressor.decompress(encoding, &bomb, short),
                Err(CompressError::TooLarge { limit: short }),
                "{encoding}"
            );
        }
    }

    #[test]
    fn an_announced_size_takes_no_memory() {
        let mut decompressor = Decompressor::new();
        let lie = b"\xff\xff\xff\x07\x00a";
        assert_eq!(
            decompressor.decompress(Encoding::Snappy, lie, usize::MAX),
            Err(CompressError::Corrupt(Encoding::Snappy))
        );
        assert!(decompressor.buffer.is_empty());
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let two =
                [compress(encoding, b"one "), compress(encoding, b""), compress(encoding, b"two")].concat();
            assert_eq!(Decompressor::new().decompress(encoding, &two, 100), Ok(&b"one two"[..]));
        }
    }

    #[test]
    fn bare_deflate_is_read() {
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(b"bare bare bare").unwrap();
        let bytes = out.finish().unwrap();
        assert_eq!(
            Decompressor::new().decompress(Encoding::Deflate, &bytes, 100),
            Ok(&b"bare bare bare"[..])
        );
    }

    #[test]
    fn names_are_read_as_http_writes_them() {
        assert_eq!(Encoding::parse(" GZIP "), Some(Encoding::Gzip));
        assert_eq!(Encoding::parse(""), Some(Encoding::Identity));
        assert_eq!(Encoding::parse("br"), None);
        assert!(ALL.iter().all(|&encoding| Encoding::parse(encoding.as_str()) == Some(encoding)));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back_and_no_part_of_it_does(
            payloads in prop::collection::vec(prop::collection::vec(0_u8..4, 0..400), 1..4),
            flip: prop::sample::Index,
        ) {
            let mut decompressor = Decompressor::new();
            for (payload, encoding) in payloads.iter().flat_map(|p| ALL[1..].iter().map(move |&e| (p, e))) {
                let bytes = compress(encoding, payload);
                prop_assert_eq!(decompressor.decompress(encoding, &bytes, payload.len()), Ok(payload.as_slice()));
                for end in 0..bytes.len() {
                    prop_assert!(decompressor.decompress(encoding, &bytes[..end], 1000).is_err(), "{encoding} {end}");
                }
                let mut broken = bytes.clone();
                broken[flip.index(bytes.len())] ^= 0x10;
                let _ = decompressor.decompress(encoding, &broken, 1000);
                prop_assert_eq!(decompressor.decompress(encoding, &bytes, 1000), Ok(payload.as_slice()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, head in 0_usize..4) {
            let heads: [&[u8]; 4] = [b"", b"\x1f\x8b\x08\x1f", b"\x28\xb5\x2f\xfd", b"\x78\x01"];
            let bytes = [heads[head], &bytes].concat();
            for encoding in ALL {
                let _ = Decompressor::new().decompress(encoding, &bytes, 1 << 16);
            }
        }
    }
}
