//! Entropy coding of numbers (crate `pco`), for columns of enough of them.
//!
//! Numbers are narrowed to the type that their range fits before: pco then describes its bins in fewer bytes.

use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

use crate::frame::Damage;

/// What wrapped files of pco begin with; it is the same for all of this version, and so it is not written.
const PCO_HEAD: [u8; 2] = [4, 1];
/// pco's number of the mode with a dictionary, and where its length stands.
const DICTIONARY: u32 = 4;
const DICTIONARY_LENGTH: u32 = (1 << 25) - 1;
/// The window that even short chunks may have.
const WINDOW_MIN: usize = 1 << 10;
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
    // A dictionary or a window that a chunk claims to have would be allocated before it is read.
    let head = bytes.first_chunk::<4>().map_or(0, |head| u32::from_le_bytes(*head));
    let damage = Err(Damage { at: 0, what: "entropy-coded numbers are damaged" });
    if head & 0xf == DICTIONARY && (head >> 4 & DICTIONARY_LENGTH) as usize > bytes.len() {
        return damage;
    }
    let mut read = || {
        let (file, _) = FileDecompressor::new(&PCO_HEAD[..])?;
        let (mut chunk, rest) = file.chunk_decompressor::<T, _>(bytes)?;
        let window_max = numbers.len().next_power_of_two().max(WINDOW_MIN);
        if let DeltaEncoding::Lookback { config, .. } = &chunk.meta().delta_encoding
            && 1 << config.window_n_log > window_max
        {
            return Ok((false, false));
        }
        let mut page = chunk.page_decompressor(rest, numbers.len())?;
        let progress = page.read(numbers)?;
        pco::errors::PcoResult::Ok((progress.finished, page.into_src().is_empty()))
    };
    match read() {
        Ok((true, true)) => Ok(()),
        _ => damage,
    }
}
