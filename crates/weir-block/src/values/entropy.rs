//! Entropy coding of numbers (crate `pco`), for columns of enough of them.
//!
//! Numbers are narrowed to the type that their range fits before: pco then describes its bins in fewer bytes.

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

use crate::frame::Damage;

/// What wrapped files of pco begin with; it is the same for all of this version, and so it is not written.
const PCO_HEAD: [u8; 2] = [4, 1];
/// How hard pco looks for bins.
const LEVEL: usize = 8;

/// Appends a chunk; `false`, with `out` as it was, where pco has something against it.
pub(super) fn compress<T: Number>(
    numbers: &[T],
    mode: ModeSpec,
    delta: DeltaSpec,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(mode)
        .with_delta_spec(delta)
        .with_paging_spec(PagingSpec::Exact(vec![numbers.len()]))
        .with_enable_8_bit(true);
    let written = (|| {
        let mut chunk = FileCompressor::default().chunk_compressor(numbers, &config)?;
        chunk.write_meta(&mut *out)?;
        chunk.write_page(0, &mut *out).map(|_| ())
    })();
    if written.is_err() {
        out.truncate(start);
    }
    written.is_ok()
}

/// Fills `numbers` with a chunk of so many, of all of `bytes`.
pub(super) fn decompress<T: Number>(bytes: &[u8], numbers: &mut [T]) -> Result<(), Damage> {
    let mut read = || {
        let (file, _) = FileDecompressor::new(&PCO_HEAD[..])?;
        let (mut chunk, rest) = file.chunk_decompressor::<T, _>(bytes)?;
        let mut page = chunk.page_decompressor(rest, numbers.len())?;
        let progress = page.read(numbers)?;
        pco::errors::PcoResult::Ok((progress.finished, page.into_src().is_empty()))
    };
    match read() {
        Ok((true, true)) => Ok(()),
        _ => Err(Damage { at: 0, what: "entropy-coded numbers are damaged" }),
    }
}
