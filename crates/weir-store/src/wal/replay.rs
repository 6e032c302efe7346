//! Reads a file of the log, whatever a crash or a bad disk made of it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;

use super::frame::{FrameHead, HEAD_BYTES, MAGIC, RecordHead, read_body};
use crate::disk::ReadFile;

const WINDOW_BYTES: usize = 1 << 20;
/// So many damaged places of a file are told apart; further ones are counted in the last.
const DAMAGES_MAX: usize = 64;

/// What was found in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Records that were whole.
    pub(crate) records: u64,
    /// Places that had been acknowledged and are damaged now.
    pub(crate) damaged: Vec<Range<u64>>,
    /// Places behind the last sync that are not whole: never acknowledged, unless another generation followed.
    pub(crate) torn: Vec<Range<u64>>,
    pub(crate) torn_bytes: u64,
    /// Up to here all is known to have been on the disk.
    pub(crate) confirmed: u64,
    /// What is whole behind that.
    pub(crate) whole_behind: Vec<Range<u64>>,
}

/// Gives every whole record to `visit`, in order.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn replay(
    file: Arc<dyn ReadFile>,
    generation: u64,
    mut visit: impl FnMut(u64, RecordHead<'_>, &[u8]),
) -> io::Result<Replayed> {
    let mut window = Window::new(file)?;
    let mut found = Replayed::default();
    let mut whole: Vec<Range<u64>> = Vec::new();
    let mut gaps: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < window.size {
        let start = at;
        loop {
            if let Some((synced, length)) = frame_at(&mut window, at, generation)? {
                if at > start {
                    gaps.push(start..at);
                }
                found.confirmed = found.confirmed.max(synced.min(at));
                let body = window.get(at + HEAD_BYTES as u64, length)?.unwrap_or_default();
                if let Some((head, payload)) = read_body(body) {
                    visit(at, head, payload);
                    found.records += 1;
                }
                let end = at + (HEAD_BYTES + length) as u64;
                match whole.last_mut() {
                    Some(last) if last.end == at => last.end = end,
                    _ => whole.push(at..end),
                }
                at = end;
                break;
            }
            match window.find_magic(at + 1)? {
                Some(next) => at = next,
                None => {
                    at = window.size;
                    gaps.push(start..at);
                    break;
                }
            }
        }
    }
    let confirmed = found.confirmed;
    for gap in gaps {
        if gap.start >= confirmed {
            found.torn_bytes += gap.end - gap.start;
            found.torn.push(gap);
        } else if found.damaged.len() < DAMAGES_MAX {
            found.damaged.push(gap);
        } else if let Some(last) = found.damaged.last_mut() {
            last.end = gap.end;
        }
    }
    found.whole_behind = whole
        .into_iter()
        .filter(|range| range.end > confirmed)
        .map(|range| range.start.max(confirmed)..range.end)
        .collect();
    Ok(found)
}

/// Where a whole frame begins at `at`: what it says of syncs, and the length of its body.
fn frame_at(window: &mut Window, at: u64, generation: u64) -> io::Result<Option<(u64, usize)>> {
    let Some(head) = window.get(at, HEAD_BYTES)?.and_then(|bytes| FrameHead::read(bytes, generation)) else {
        return Ok(None);
    };
    let body = window.get(at + HEAD_BYTES as u64, head.body_bytes)?;
    Ok(body.filter(|body| head.fits(body)).map(|_| (head.synced, head.body_bytes)))
}

/// The part of a file that is in memory.
struct Window {
    file: Arc<dyn ReadFile>,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(file: Arc<dyn ReadFile>) -> io::Result<Self> {
        let size = file.len()?;
        Ok(Self { file, size, start: 0, bytes: Vec::new() })
    }

    /// `None` where the file ends before.
    fn get(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let end = at.saturating_add(length as u64);
        if end > self.size {
            return Ok(None);
        }
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            let wanted = (length.max(WINDOW_BYTES) as u64).min(self.size - at);
            self.bytes.resize(wanted as usize, 0);
            self.start = at;
            if let Err(error) = self.file.read_at(at, &mut self.bytes) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = (at - self.start) as usize;
        Ok(Some(&self.bytes[from..from + length]))
    }

    /// The next place from `at` on where a frame may begin.
    fn find_magic(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        loop {
            let length = (self.size.saturating_sub(at) as usize).min(WINDOW_BYTES);
            if length < HEAD_BYTES {
                return Ok(None);
            }
            let Some(bytes) = self.get(at, length)? else { return Ok(None) };
            if let Some(found) = memmem::find(bytes, &MAGIC) {
                return Ok(Some(at + found as u64));
            }
            // A magic may lie across the border.
            at += (length - MAGIC.len() + 1) as u64;
        }
    }
}
