//! How records lie in the journal.
//!
//! ```text
//! magic "\xa7wj\x01" │ length of the body u32 │ XXH3-64 of the body, seeded with its length │ body
//! body: kind u8 │ id │ fields
//! ```
//!
//! Numbers are little-endian, texts and bytes have their length before them (u32), options a byte.

use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::submission::machine::Change;
use crate::submission::{NotTaken, Outcome, SubmissionId, Why};
use crate::words::{Execution, Hash, Height, Inclusion, Private, Rejection, Tx, TxId};

const MAGIC: [u8; 4] = *b"\xa7wj\x01";
const HEAD_BYTES: usize = 16;
/// No body is longer; more is no length.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Most recipients of a private transaction.
const RECIPIENTS_MAX: u32 = 10_000;

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A submission begins, or begins again after it ended without a certain end.
    Begun(Box<Begun>),
    /// Something changed.
    Changed(SubmissionId, Change),
    /// It ended; all that is kept of it when the journal is written anew.
    Kept { id: SubmissionId, tx_id: TxId, outcome: Outcome },
    /// It never began: it could not be written in time.
    Forgotten(SubmissionId),
}

/// What a submission begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) id: SubmissionId,
    pub(crate) tx_id: TxId,
    pub(crate) tx: Arc<Tx>,
    pub(crate) may_resend: bool,
    pub(crate) until: Option<Height>,
    pub(crate) deadline_blocks: u64,
}

impl Record {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

/// The journal is damaged in its middle, where a crash does not explain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal is damaged at byte {at}, with whole records behind it: what was submitted there is not known. Move the file away to \
     begin anew; look for those transactions on the chain before they are submitted again"
)]
pub struct JournalDamage {
    /// Where.
    pub at: usize,
}

/// Appends a record.
pub(crate) fn write(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let mut w = Writer(out);
    match record {
        Record::Begun(begun) => {
            w.u8(1);
            w.text(begun.id.as_str());
            w.tx_id(&begun.tx_id);
            w.tx(&begun.tx);
            w.u8(u8::from(begun.may_resend));
            w.height(begun.until);
            w.u64(begun.deadline_blocks);
        }
        Record::Changed(id, change) => {
            let kind = match change {
                Change::Exposed { .. } => 2,
                Change::Clean => 3,
                Change::Known(_) => 4,
                Change::Ended(_) => 5,
            };
            w.u8(kind);
            w.text(id.as_str());
            match change {
                Change::Exposed { since, until } => {
                    w.u64(since.0);
                    w.u64(until.0);
                }
                Change::Clean => {}
                Change::Known(tx_id) => w.tx_id(tx_id),
                Change::Ended(outcome) => w.outcome(outcome),
            }
        }
        Record::Kept { id, tx_id, outcome } => {
            w.u8(6);
            w.text(id.as_str());
            w.tx_id(tx_id);
            w.outcome(outcome);
        }
        Record::Forgotten(id) => {
            w.u8(7);
            w.text(id.as_str());
        }
    }
    let length = out.len() - start - HEAD_BYTES;
    let checksum = xxh3_64_with_seed(&out[start + HEAD_BYTES..], length as u64);
    out[start..start + 4].copy_from_slice(&MAGIC);
    out[start + 4..start + 8].copy_from_slice(&(length as u32).to_le_bytes());
    out[start + 8..start + 16].copy_from_slice(&checksum.to_le_bytes());
}

/// The records in `bytes`, and whether a torn one follows them. A damaged one with whole ones behind it is an error: a crash tears the end only.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<Record>, bool), JournalDamage> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match frame(&bytes[at..]).and_then(|body| Some((body.len(), record(body)?))) {
            Some((length, record)) => {
                records.push(record);
                at += HEAD_BYTES + length;
            }
            None => {
                let behind = (at + 1..bytes.len()).any(|next| frame(&bytes[next..]).is_some());
                return if behind { Err(JournalDamage { at }) } else { Ok((records, true)) };
            }
        }
    }
    Ok((records, false))
}

/// The body of the frame that `bytes` begin with, if it is whole.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let head = bytes.get(..HEAD_BYTES)?;
    if head[..4] != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let checksum = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let body = (length <= BODY_BYTES_MAX).then(|| bytes.get(HEAD_BYTES..HEAD_BYTES + length))??;
    (xxh3_64_with_seed(body, length as u64) == checksum).then_some(body)
}

fn record(body: &[u8]) -> Option<Record> {
    let mut r = Reader(body);
    let kind = r.u8()?;
    let id = SubmissionId::new(r.text()?).ok()?;
    let record = match kind {
        1 => {
            let (tx_id, tx) = (r.tx_id()?, Arc::new(r.tx()?));
            let may_resend = r.u8()? == 1;
            let (until, deadline_blocks) = (r.height()?, r.u64()?);
            Record::Begun(Box::new(Begun { id, tx_id, tx, may_resend, until, deadline_blocks }))
        }
        2 => Record::Changed(id, Change::Exposed { since: Height(r.u64()?), until: Height(r.u64()?) }),
        3 => Record::Changed(id, Change::Clean),
        4 => Record::Changed(id, Change::Known(r.tx_id()?)),
        5 => Record::Changed(id, Change::Ended(r.outcome()?)),
        6 => Record::Kept { id, tx_id: r.tx_id()?, outcome: r.outcome()? },
        7 => Record::Forgotten(id),
        _ => return None,
    };
    r.0.is_empty().then_some(record)
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.u8(u8::from(text.is_some()));
        text.into_iter().for_each(|text| self.text(text));
    }

    fn number(&mut self, value: Option<u64>) {
        self.u8(u8::from(value.is_some()));
        value.into_iter().for_each(|value| self.u64(value));
    }

    fn height(&mut self, height: Option<Height>) {
        self.number(height.map(|height| height.0));
    }

    fn tx_id(&mut self, id: &TxId) {
        match id {
            TxId::Hash(hash) => {
                self.u8(0);
                self.0.extend_from_slice(hash);
            }
            TxId::Text(text) => {
                self.u8(1);
                self.text(text);
            }
        }
    }

    fn tx(&mut self, tx: &Tx) {
        self.bytes(&tx.bytes);
        self.optional(tx.sender.as_deref());
        self.number(tx.nonce);
        self.height(tx.expires);
        match &tx.private {
            None => self.u8(0),
            Some(Private::Eea) => self.u8(1),
            Some(Private::Manager { from, recipients }) => {
                self.u8(2);
                self.optional(from.as_deref());
                self.0.extend_from_slice(&(recipients.len() as u32).to_le_bytes());
                recipients.iter().for_each(|recipient| self.text(recipient));
            }
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Confirmed(inclusion) => {
                self.u8(0);
                self.u64(inclusion.height.0);
                self.bytes(inclusion.block.as_bytes());
                self.u64(inclusion.index.into());
                self.u8(u8::from(inclusion.execution.succeeded));
                self.u64(inclusion.execution.code as u64);
                self.text(&inclusion.execution.log);
            }
            Outcome::NotIncluded { by } => {
                self.u8(1);
                self.u64(by.0);
            }
            Outcome::Rejected(Why::Refused(rejection)) => {
                self.u8(2);
                self.u64(rejection.code as u64);
                self.text(&rejection.codespace);
                self.text(&rejection.log);
            }
            Outcome::Rejected(Why::NotTaken { last }) => {
                self.u8(3);
                self.u8(match last {
                    NotTaken::Unreachable => 0,
                    NotTaken::MempoolFull => 1,
                    NotTaken::NonceTooHigh => 2,
                    NotTaken::Underpriced => 3,
                    NotTaken::Refused => 4,
                });
            }
            Outcome::Rejected(Why::NumberSpent { at }) => {
                self.u8(4);
                self.u64(at.0);
            }
            Outcome::Rejected(Why::Expired { at }) => {
                self.u8(5);
                self.u64(at.0);
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    #[expect(clippy::option_option, reason = "the outer one is the damage, the inner one what was written")]
    fn optional(&mut self) -> Option<Option<Arc<str>>> {
        Some(if self.u8()? == 1 { Some(self.text()?.into()) } else { None })
    }

    #[expect(clippy::option_option, reason = "the outer one is the damage, the inner one what was written")]
    fn number(&mut self) -> Option<Option<u64>> {
        Some(if self.u8()? == 1 { Some(self.u64()?) } else { None })
    }

    #[expect(clippy::option_option, reason = "the outer one is the damage, the inner one what was written")]
    fn height(&mut self) -> Option<Option<Height>> {
        Some(self.number()?.map(Height))
    }

    fn tx_id(&mut self) -> Option<TxId> {
        Some(match self.u8()? {
            0 => TxId::Hash(self.take(32)?.try_into().ok()?),
            1 => TxId::Text(self.text()?.into()),
            _ => return None,
        })
    }

    fn tx(&mut self) -> Option<Tx> {
        let bytes = Bytes::copy_from_slice(self.bytes()?);
        let (sender, nonce, expires) = (self.optional()?, self.number()?, self.height()?);
        let private = match self.u8()? {
            0 => None,
            1 => Some(Private::Eea),
            2 => {
                let from = self.optional()?;
                let count = self.u32().filter(|count| *count <= RECIPIENTS_MAX)?;
                let recipients = (0..count).map(|_| Some(self.text()?.into())).collect::<Option<Vec<_>>>()?;
                Some(Private::Manager { from, recipients })
            }
            _ => return None,
        };
        Some(Tx { bytes, sender, nonce, expires, private })
    }

    fn outcome(&mut self) -> Option<Outcome> {
        Some(match self.u8()? {
            0 => Outcome::Confirmed(Inclusion {
                height: Height(self.u64()?),
                block: Hash::new(self.bytes()?)?,
                index: u32::try_from(self.u64()?).ok()?,
                execution: Execution {
                    succeeded: self.u8()? == 1,
                    code: self.u64()? as i64,
                    log: self.text()?.to_owned(),
                },
            }),
            1 => Outcome::NotIncluded { by: Height(self.u64()?) },
            2 => Outcome::Rejected(Why::Refused(Rejection {
                code: self.u64()? as i64,
                codespace: self.text()?.to_owned(),
                log: self.text()?.to_owned(),
            })),
            3 => {
                let last = match self.u8()? {
                    0 => NotTaken::Unreachable,
                    1 => NotTaken::MempoolFull,
                    2 => NotTaken::NonceTooHigh,
                    3 => NotTaken::Underpriced,
                    4 => NotTaken::Refused,
                    _ => return None,
                };
                Outcome::Rejected(Why::NotTaken { last })
            }
            4 => Outcome::Rejected(Why::NumberSpent { at: Height(self.u64()?) }),
            5 => Outcome::Rejected(Why::Expired { at: Height(self.u64()?) }),
            _ => return None,
        })
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
