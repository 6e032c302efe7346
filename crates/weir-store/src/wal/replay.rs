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
    /// Where what is whole and may have been acknowledged ends.
    pub(crate) end: u64,
    /// Bytes behind that.
    pub(crate) torn_bytes: u64,
}

/// How a file of the log came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is the last one: it may be torn.
    Anyhow,
    /// Another one followed, and before that all of it was synced.
    Whole,
}

/// Gives every whole record to `visit`, in order.
///
/// Syncs are acknowledged in order. So where bytes are not whole that no later record knows to have been synced, nothing
/// from there on was acknowledged, whole or not, and the file ends there.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn replay(
    file: Arc<dyn ReadFile>,
    number: u64,
    ended: Ended,
    mut visit: impl FnMut(u64, RecordHead<'_>, &[u8]),
) -> io::Result<Replayed> {
    let mut window = Window::new(file)?;
    let mut found = Replayed::default();
    let mut synced = (ended == Ended::Whole).then_some(window.size);
    let mut at = 0;
    while at < window.size {
        if let Some((_, length)) = frame_at(&mut window, at, number)? {
            let body = window.get(at + HEAD_BYTES as u64, length)?.unwrap_or_default();
            if let Some((head, payload)) = read_body(body) {
                visit(at, head, payload);
                found.records += 1;
            }
            at += (HEAD_BYTES + length) as u64;
            continue;
        }
        let synced = match synced {
            Some(synced) => synced,
            None => *synced.insert(last_synced(&mut window, at + 1, number)?),
        };
        if at >= synced {
            break;
        }
        let next = next_frame(&mut window, at + 1, number)?.unwrap_or(window.size);
        if found.damaged.len() < DAMAGES_MAX {
            found.damaged.push(at..next);
        } else if let Some(last) = found.damaged.last_mut() {
            last.end = next;
        }
        at = next;
    }
    found.end = at;
    found.torn_bytes = window.size - at;
    Ok(found)
}

/// The most that whole frames from `at` on say was synced.
fn last_synced(window: &mut Window, mut at: u64, number: u64) -> io::Result<u64> {
    let mut most = 0;
    while let Some(next) = next_frame(window, at, number)? {
        let Some((synced, length)) = frame_at(window, next, number)? else { break };
        most = most.max(synced.min(next));
        at = next + (HEAD_BYTES + length) as u64;
    }
    Ok(most)
}

/// Where the next whole frame begins, from `at` on.
fn next_frame(window: &mut Window, mut at: u64, number: u64) -> io::Result<Option<u64>> {
    while let Some(next) = window.find_magic(at)? {
        if frame_at(window, next, number)?.is_some() {
            return Ok(Some(next));
        }
        at = next + 1;
    }
    Ok(None)
}

/// Where a whole frame begins at `at`: what it says of syncs, and the length of its body.
fn frame_at(window: &mut Window, at: u64, number: u64) -> io::Result<Option<(u64, usize)>> {
    let Some(head) = window.get(at, HEAD_BYTES)?.and_then(|bytes| FrameHead::read(bytes, number)) else {
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
