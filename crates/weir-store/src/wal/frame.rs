//! How records lie in a file of the log.
//!
//! ```text
//! magic "\xa7wl\x01" │ length of the body u32 │ synced u64 │ XXH3-64 of the body │ XXH3-64 of these 24 bytes
//! body: kind u8 │ tenant: length u8, bytes │ batch id u128 │ sequence u64 │ generation u64 │ payload
//! ```
//!
//! Numbers are little-endian. The head has a checksum of its own, so that a length is checked before it is believed; it is
//! seeded with the number of the file, so that a frame counts only in the file that it was written to. `synced` says how many bytes of
//! the file were on the disk when the frame was written: what is damaged before that place was acknowledged, what is torn
//! behind it was not.

use weir_block::varint::Cursor;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) const MAGIC: [u8; 4] = *b"\xa7wl\x01";
pub(crate) const HEAD_BYTES: usize = 32;
/// No body is longer; more is no length.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 30;

/// What a body begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead<'a> {
    /// What kind of payload it is.
    pub(crate) kind: u8,
    pub(crate) tenant: &'a str,
    /// 0 where the sender gave none.
    pub(crate) batch: u128,
    pub(crate) sequence: u64,
    /// The first file of the generation: numbers that records of another one gave mean nothing to it.
    pub(crate) generation: u64,
}

/// Begins a frame in `out`, which is emptied: room for the head, and the head of the record. The payload is appended to it.
pub(crate) fn begin(out: &mut Vec<u8>, head: &RecordHead<'_>) {
    debug_assert!(head.tenant.len() <= 64);
    out.clear();
    out.resize(HEAD_BYTES, 0);
    out.push(head.kind);
    out.push(head.tenant.len() as u8);
    out.extend_from_slice(head.tenant.as_bytes());
    out.extend_from_slice(&head.batch.to_le_bytes());
    out.extend_from_slice(&head.sequence.to_le_bytes());
    out.extend_from_slice(&head.generation.to_le_bytes());
}

/// The checksum of a body: done by whoever made it, before the queue is locked.
pub(crate) fn body_checksum(frame: &[u8]) -> u64 {
    xxh3_64(&frame[HEAD_BYTES..])
}

/// Fills in the head.
pub(crate) fn finish(frame: &mut [u8], file: u64, body_checksum: u64, synced: u64) {
    let length = (frame.len() - HEAD_BYTES) as u32;
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&length.to_le_bytes());
    frame[8..16].copy_from_slice(&synced.to_le_bytes());
    frame[16..24].copy_from_slice(&body_checksum.to_le_bytes());
    let head = xxh3_64_with_seed(&frame[..24], file);
    frame[24..32].copy_from_slice(&head.to_le_bytes());
}

/// A head that is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) body_bytes: usize,
    pub(crate) synced: u64,
    body_checksum: u64,
}

impl FrameHead {
    /// `None` where the bytes are no head of this file.
    pub(crate) fn read(bytes: &[u8], file: u64) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(..HEAD_BYTES)?);
        let magic: [u8; 4] = cursor.array().ok()?;
        let body_bytes = u32::from_le_bytes(cursor.array().ok()?) as usize;
        let synced = cursor.fixed_u64().ok()?;
        let body_checksum = cursor.fixed_u64().ok()?;
        let checksum = cursor.fixed_u64().ok()?;
        let good = magic == MAGIC
            && body_bytes <= BODY_BYTES_MAX
            && checksum == xxh3_64_with_seed(&bytes[..24], file);
        good.then_some(Self { body_bytes, synced, body_checksum })
    }

    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes && xxh3_64(body) == self.body_checksum
    }
}

/// A body's head and payload; `None` where it is too short, which no whole frame is.
pub(crate) fn read_body(body: &[u8]) -> Option<(RecordHead<'_>, &[u8])> {
    let mut cursor = Cursor::new(body);
    let kind = cursor.u8().ok()?;
    let tenant_bytes = cursor.u8().ok()?;
    let tenant = std::str::from_utf8(cursor.take(usize::from(tenant_bytes)).ok()?).ok()?;
    let batch = u128::from_le_bytes(cursor.array().ok()?);
    let (sequence, generation) = (cursor.fixed_u64().ok()?, cursor.fixed_u64().ok()?);
    Some((RecordHead { kind, tenant, batch, sequence, generation }, cursor.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_in_its_file_only() {
        let head = RecordHead { kind: 3, tenant: "team", batch: 7, sequence: 9, generation: 2 };
        let mut frame = Vec::new();
        begin(&mut frame, &head);
        frame.extend_from_slice(b"payload");
        let checksum = body_checksum(&frame);
        finish(&mut frame, 5, checksum, 77);
        let read = FrameHead::read(&frame, 5).unwrap();
        assert_eq!((read.synced, read.body_bytes), (77, frame.len() - HEAD_BYTES));
        assert!(read.fits(&frame[HEAD_BYTES..]));
        assert_eq!(read_body(&frame[HEAD_BYTES..]).unwrap(), (head, &b"payload"[..]));
        assert!(FrameHead::read(&frame, 6).is_none());
        for byte in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[byte] ^= 0x10;
            let whole = FrameHead::read(&damaged, 5).is_some_and(|head| head.fits(&damaged[HEAD_BYTES..]));
            assert!(!whole, "{byte}");
        }
    }
}
