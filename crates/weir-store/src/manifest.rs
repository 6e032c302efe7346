//! What the store consists of: its parts, tombstones, and how far the log is in them.
//!
//! The manifest is written twice, as `manifest.copy` and then as `manifest`, each time as a whole and renamed into place, so
//! that a flipped bit in one of them loses nothing. The edition tells which is newer; what either names is on the disk.

use std::io;
use std::sync::Arc;

use weir_block::Damage;
use weir_block::varint::{Cursor, put_bytes, put_i64, put_u64};
use weir_signal::{MatchOp, Matcher, Tenant};
use xxhash_rust::xxh3::xxh3_64;

use crate::disk::{Disk, read_all, replace};
use crate::signal::Signal;

pub(crate) const NAME: &str = "manifest";
pub(crate) const COPY: &str = "manifest.copy";
const MAGIC: &[u8; 8] = b"weirman\x01";
/// Magic and checksum.
const HEAD_BYTES: usize = 16;

/// What the store consists of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Manifest {
    /// Grows with each attempt to write it.
    pub(crate) edition: u64,
    /// Names this store among others.
    pub(crate) store: u64,
    /// Parts that were ever named.
    pub(crate) parts_named: u64,
    /// What files of the log up to this one have is in parts.
    pub(crate) flushed_log: u64,
    /// No sequence in parts is greater.
    pub(crate) sequence: u64,
    pub(crate) parts: Vec<Arc<PartMeta>>,
    pub(crate) tombstones: Vec<Arc<Tombstone>>,
    /// Batches of those files, oldest first.
    pub(crate) batches: Vec<u128>,
}

/// A part as the manifest knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartMeta {
    /// Whose it is.
    pub tenant: Tenant,
    /// What it holds.
    pub signal: Signal,
    /// The name of its folder.
    pub name: String,
    /// 0 as it was flushed, one more for each merge.
    pub level: u8,
    /// The day that all of it lies in, counted from 1970.
    pub day: i64,
    /// The earliest time, milliseconds for metrics, else nanoseconds.
    pub from: i64,
    /// The latest time.
    pub to: i64,
    /// The sequences of the commits that it holds. Those of two parts of one day and signal do not cross; the greater wins.
    pub sequences: (u64, u64),
    /// Tombstones up to this sequence were applied when it was written.
    pub cleared: u64,
    /// Samples, lines or spans.
    pub rows: u64,
    /// Series, streams, or traces.
    pub series: u64,
    /// Its files, in the order of [`PART_FILES`].
    pub files: [FileMeta; 3],
}

/// The names of a part's files.
pub const PART_FILES: [&str; 3] = ["data", "index", "filter"];

/// A file as the manifest knows it. One without bytes is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileMeta {
    /// Its length.
    pub bytes: u64,
    /// XXH3-64 of all of it.
    pub checksum: u64,
}

impl PartMeta {
    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// What was deleted: not answered any more, and left out when parts are merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// Whose.
    pub tenant: Tenant,
    /// Of what.
    pub signal: Signal,
    /// Which series, streams or spans.
    pub matchers: Vec<Matcher>,
    /// The earliest time, in the signal's unit.
    pub from: i64,
    /// The latest time.
    pub to: i64,
    /// What was committed up to here is deleted, what came later is not.
    pub sequence: u64,
}

impl Tombstone {
    /// Whether it deletes something of a part, as far as is known without reading it.
    pub(crate) fn concerns(&self, part: &PartMeta) -> bool {
        self.tenant == part.tenant
            && self.signal == part.signal
            && self.from <= part.to
            && self.to >= part.from
            && self.sequence > part.cleared.max(part.sequences.1)
    }
}

/// How the two copies were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) manifest: Option<Manifest>,
    /// Files that are damaged, with what is wrong.
    pub(crate) damaged: Vec<(&'static str, Damage)>,
}

impl Manifest {
    /// Reads the newer of the two copies.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Found> {
        let mut found = Found::default();
        for name in [NAME, COPY] {
            let bytes = match read_all(disk, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            match Self::decode(&bytes) {
                Ok(manifest) => {
                    if found.manifest.as_ref().is_none_or(|other| other.edition < manifest.edition) {
                        found.manifest = Some(manifest);
                    }
                }
                Err(damage) => found.damaged.push((name, damage)),
            }
        }
        Ok(found)
    }

    /// Writes both copies. After an error either may be on the disk, and nothing that it or the one before names may be
    /// removed.
    pub(crate) fn save(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.edition += 1;
        let bytes = self.encode();
        replace(disk, "", COPY, &bytes)?;
        replace(disk, "", NAME, &bytes)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; HEAD_BYTES];
        for number in [self.edition, self.store, self.parts_named, self.flushed_log, self.sequence] {
            put_u64(&mut out, number);
        }
        put_u64(&mut out, self.parts.len() as u64);
        self.parts.iter().for_each(|part| put_part(&mut out, part));
        put_u64(&mut out, self.tombstones.len() as u64);
        self.tombstones.iter().for_each(|tombstone| put_tombstone(&mut out, tombstone));
        put_u64(&mut out, self.batches.len() as u64);
        self.batches.iter().for_each(|batch| out.extend_from_slice(&batch.to_le_bytes()));
        let checksum = xxh3_64(&out[HEAD_BYTES..]);
        out[..8].copy_from_slice(MAGIC);
        out[8..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes);
        let magic: [u8; 8] = cursor.array()?;
        if magic[..7] != MAGIC[..7] {
            return Err(Damage { at: 0, what: "it is no manifest" });
        }
        if magic != *MAGIC {
            return Err(Damage { at: 7, what: "it is of a later version; use a newer Weir" });
        }
        if cursor.fixed_u64()? != xxh3_64(cursor.rest()) {
            return Err(Damage { at: 8, what: "its checksum is not that of its bytes" });
        }
        let cursor = &mut cursor;
        let mut manifest = Self {
            edition: cursor.u64()?,
            store: cursor.u64()?,
            parts_named: cursor.u64()?,
            flushed_log: cursor.u64()?,
            sequence: cursor.u64()?,
            ..Self::default()
        };
        for _ in 0..cursor.u64()? {
            manifest.parts.push(Arc::new(part(cursor)?));
        }
        for _ in 0..cursor.u64()? {
            manifest.tombstones.push(Arc::new(tombstone(cursor)?));
        }
        for _ in 0..cursor.u64()? {
            manifest.batches.push(u128::from_le_bytes(cursor.array()?));
        }
        cursor.end()?;
        Ok(manifest)
    }

    /// The name of a new part: 26 characters, ascending in the order in which they are given (a ULID).
    pub(crate) fn name_part(&mut self, now_ms: i64) -> String {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        self.parts_named += 1;
        let number = (now_ms.max(0) as u128) << 80
            | u128::from(self.store & 0xff_ffff_ffff) << 40
            | u128::from(self.parts_named & 0xff_ffff_ffff);
        (0..26).rev().map(|digit| char::from(DIGITS[(number >> (5 * digit)) as usize & 31])).collect()
    }
}

fn put_part(out: &mut Vec<u8>, part: &PartMeta) {
    put_bytes(out, part.tenant.as_str().as_bytes());
    out.push(part.signal.code());
    put_bytes(out, part.name.as_bytes());
    out.push(part.level);
    for time in [part.day, part.from, part.to] {
        put_i64(out, time);
    }
    for number in [part.sequences.0, part.sequences.1, part.cleared, part.rows, part.series] {
        put_u64(out, number);
    }
    for file in part.files {
        put_u64(out, file.bytes);
        out.extend_from_slice(&file.checksum.to_le_bytes());
    }
}

fn part(cursor: &mut Cursor<'_>) -> Result<PartMeta, Damage> {
    Ok(PartMeta {
        tenant: tenant(cursor)?,
        signal: signal(cursor)?,
        name: cursor.text()?.to_owned(),
        level: cursor.u8()?,
        day: cursor.i64()?,
        from: cursor.i64()?,
        to: cursor.i64()?,
        sequences: (cursor.u64()?, cursor.u64()?),
        cleared: cursor.u64()?,
        rows: cursor.u64()?,
        series: cursor.u64()?,
        files: [file(cursor)?, file(cursor)?, file(cursor)?],
    })
}

fn file(cursor: &mut Cursor<'_>) -> Result<FileMeta, Damage> {
    Ok(FileMeta { bytes: cursor.u64()?, checksum: cursor.fixed_u64()? })
}

fn tenant(cursor: &mut Cursor<'_>) -> Result<Tenant, Damage> {
    Tenant::new(cursor.text()?).ok_or_else(|| cursor.damage("a tenant's name cannot be one"))
}

fn signal(cursor: &mut Cursor<'_>) -> Result<Signal, Damage> {
    Signal::from_code(cursor.u8()?).ok_or_else(|| cursor.damage("a kind of telemetry is not known"))
}

const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];

fn put_tombstone(out: &mut Vec<u8>, tombstone: &Tombstone) {
    put_bytes(out, tombstone.tenant.as_str().as_bytes());
    out.push(tombstone.signal.code());
    put_i64(out, tombstone.from);
    put_i64(out, tombstone.to);
    put_u64(out, tombstone.sequence);
    put_u64(out, tombstone.matchers.len() as u64);
    for matcher in &tombstone.matchers {
        put_bytes(out, matcher.name().as_bytes());
        out.push(OPS.iter().position(|&op| op == matcher.op()).unwrap_or_default() as u8);
        put_bytes(out, matcher.value().as_bytes());
    }
}

fn tombstone(cursor: &mut Cursor<'_>) -> Result<Tombstone, Damage> {
    let (tenant, signal) = (tenant(cursor)?, signal(cursor)?);
    let (from, to, sequence) = (cursor.i64()?, cursor.i64()?, cursor.u64()?);
    let mut matchers = Vec::new();
    for _ in 0..cursor.u64()? {
        let (name, op, value) = (cursor.text()?, cursor.u8()?, cursor.text()?);
        let op = *OPS.get(usize::from(op)).ok_or_else(|| cursor.damage("a comparison is not known"))?;
        let matcher = Matcher::new(name, op, value);
        matchers.push(matcher.map_err(|_| cursor.damage("a pattern is no regular expression"))?);
    }
    Ok(Tombstone { tenant, signal, matchers, from, to, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Crash, Faults, SimDisk};

    fn manifest() -> Manifest {
        let mut manifest = Manifest {
            edition: 6,
            store: 0x1234_5678_9abc,
            flushed_log: 5,
            sequence: 99,
            batches: vec![1, u128::MAX],
            ..Manifest::default()
        };
        let name = manifest.name_part(1_700_000_000_000);
        manifest.parts.push(Arc::new(PartMeta {
            tenant: Tenant::new("team").unwrap(),
            signal: Signal::Logs,
            name,
            level: 2,
            day: -1,
            from: -5,
            to: i64::MAX,
            sequences: (3, 9),
            cleared: 4,
            rows: 1000,
            series: 10,
            files: [FileMeta { bytes: 7, checksum: u64::MAX }; 3],
        }));
        manifest.tombstones.push(Arc::new(Tombstone {
            tenant: Tenant::default(),
            signal: Signal::Metrics,
            matchers: vec![Matcher::equal("a", "b"), Matcher::new("c", MatchOp::NotRegex, "x|y.*").unwrap()],
            from: i64::MIN,
            to: 7,
            sequence: 3,
        }));
        manifest
    }

    #[test]
    fn comes_back_and_no_bit_may_flip() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(Manifest::decode(&damaged).is_err(), "{at}");
            assert!(Manifest::decode(&bytes[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn names_of_parts_ascend() {
        let mut manifest = manifest();
        let names: Vec<_> = (0..100).map(|at| manifest.name_part(1_700_000_000_000 + at / 10)).collect();
        assert!(names.is_sorted_by(|a, b| a < b) && names.iter().all(|name| name.len() == 26));
    }

    #[test]
    fn one_damaged_copy_loses_nothing() {
        let disk = SimDisk::new(1);
        let mut saved = manifest();
        saved.save(&disk).unwrap();
        for name in [NAME, COPY] {
            disk.flip(name, 30, 2).unwrap();
            let found = Manifest::load(&disk).unwrap();
            assert_eq!(found.manifest.as_ref(), Some(&saved));
            assert_eq!(found.damaged[0].0, name);
            disk.flip(name, 30, 2).unwrap();
        }
    }

    #[test]
    fn a_crash_leaves_the_old_one_or_the_new_one() {
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            let mut saved = manifest();
            saved.save(&disk).unwrap();
            let before = saved.clone();
            disk.set_faults(Faults {
                crash_at: disk.operations() + 1 + seed % 11,
                sync_fails: 8000,
                sync_dir_fails: 8000,
                ..Faults::default()
            });
            let done = saved.save(&disk).is_ok();
            disk.crash(Crash::PowerLost);
            let found = Manifest::load(&disk).unwrap().manifest.unwrap();
            assert!(found == saved || (!done && found == before), "seed {seed}");
        }
    }
}
