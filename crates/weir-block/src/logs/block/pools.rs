//! Where the bytes of like parts of a block's columns come together.

use crate::frame::Damage;
use crate::pack::{Effort, Packer, Unpacker};
use crate::varint::Cursor;

/// What a pool has, in the order in which pools lie in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// Texts of templates, and of names of metadata.
    Texts,
    /// Lengths, places and kinds of slots of templates.
    Slots,
    /// The template of each row.
    Sequence,
    /// How each column is written.
    Columns,
    /// Times.
    Times,
    /// What of numbers does not repeat.
    Bits,
    /// Columns of few different values: a byte for each row.
    Narrow,
    /// Columns of more values: the lower bytes, the upper bytes.
    Wide,
    /// Numbers.
    Numbers,
    /// Values that are texts, once each.
    Words,
    /// Their lengths.
    WordLengths,
    /// UUIDs, once each.
    Uuids,
    /// Which id of 8 bytes comes when.
    Lanes8,
    /// Which id of 16 bytes comes when.
    Lanes16,
    /// Ids that came too long ago.
    Far,
    /// Rests of lines, and whole lines.
    Rests,
    /// Their lengths.
    RestLengths,
}

pub(super) const POOLS: usize = Pool::RestLengths as usize + 1;

/// The pools of a block.
#[derive(Debug, Default)]
pub(super) struct Pools([Vec<u8>; POOLS]);

impl Pools {
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn get(&mut self, pool: Pool) -> &mut Vec<u8> {
        &mut self.0[pool as usize]
    }

    pub(super) fn bytes(&self, pool: Pool) -> &[u8] {
        &self.0[pool as usize]
    }

    /// A cursor over one.
    pub(super) fn cursor(&self, pool: Pool) -> Cursor<'_> {
        Cursor::new(&self.0[pool as usize])
    }

    pub(super) fn encode(&self, packers: &mut PoolPackers, out: &mut Vec<u8>) {
        for (place, pool) in self.0.iter().enumerate() {
            packers.pack(place, pool, out);
        }
    }

    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        bytes_max: usize,
        unpacker: &mut Unpacker,
    ) -> Result<Self, Damage> {
        let mut pools = Self::default();
        for pool in &mut pools.0 {
            unpacker.unpack(cursor, bytes_max, pool)?;
        }
        Ok(pools)
    }
}

/// Shorter pools are packed at once.
const TRIED_BYTES_MIN: usize = 64 << 10;

/// What packs pools.
pub(super) struct PoolPackers {
    quick: Packer,
    /// For rests, of which there are most, and for the others; where these are to be small.
    thorough: Option<(Packer, Packer)>,
    tried: Vec<u8>,
}

impl PoolPackers {
    pub(super) fn new(effort: Effort) -> Self {
        let thorough = (effort == Effort::Small).then(|| (Packer::new(9), Packer::new(12)));
        Self { quick: Packer::new(1), thorough, tried: Vec::new() }
    }

    fn pack(&mut self, place: usize, pool: &[u8], out: &mut Vec<u8>) {
        let Some((rests, others)) = &mut self.thorough else {
            return self.quick.pack(pool, out);
        };
        if pool.len() >= TRIED_BYTES_MIN {
            // What hardly becomes shorter is noise: more work on it takes ten times as long and spares nothing.
            self.tried.clear();
            self.quick.pack(pool, &mut self.tried);
            if self.tried.len() > pool.len() / 20 * 9 {
                out.extend_from_slice(&self.tried);
                return;
            }
        }
        let packer = if place == Pool::Rests as usize { rests } else { others };
        packer.pack(pool, out);
    }
}
