//! Which id comes when.
//!
//! Ids tie lines together: the next line of a stream mostly has the same, a line of another stream one that was seen a
//! moment ago. So ids are told in the order of time, by when they came last: each as one symbol.
//!
//! ```text
//! 0: the same as in this stream and place before
//! 1: one that is new
//! 2 + n: the one that comes at place n of those that were used last
//! 255: another; its distance from the newest follows among the far ones
//! ```

use crate::frame::Damage;
use crate::varint::{Cursor, put_u64};

const SAME: u8 = 0;
const NEW: u8 = 1;
const RECENT: u8 = 2;
const FAR: u8 = 255;
const RECENTS: usize = 64;
/// Places of ids in a line that are told apart.
const PLACES: usize = 4;

/// Follows the ids of one kind through a block.
#[derive(Debug)]
pub(super) struct Lanes {
    /// By stream and place; `u32::MAX` where there was none.
    last: Vec<u32>,
    /// The one used last comes first.
    recents: Vec<u32>,
    /// How many there were.
    count: u32,
}

impl Lanes {
    pub(super) fn new(streams: usize) -> Self {
        Self { last: vec![u32::MAX; streams * PLACES], recents: Vec::with_capacity(RECENTS + 1), count: 0 }
    }

    /// How many ids there were.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Tells an id at a place of a stream's line: its number, or `None` where it is new. Gives its number.
    pub(super) fn put(
        &mut self,
        stream: usize,
        place: usize,
        id: Option<u32>,
        symbols: &mut Vec<u8>,
        far: &mut Vec<u8>,
    ) -> u32 {
        let lane = stream * PLACES + place.min(PLACES - 1);
        let number = id.unwrap_or(self.count);
        let recent = self.recents.iter().position(|&recent| recent == number);
        if id.is_none() {
            symbols.push(NEW);
        } else if self.last[lane] == number {
            symbols.push(SAME);
        } else if let Some(recent) = recent {
            symbols.push(RECENT + recent as u8);
        } else {
            symbols.push(FAR);
            put_u64(far, u64::from(self.count - 1 - number));
        }
        self.use_id(lane, number, recent);
        number
    }

    /// Reads what [`Lanes::put`] told.
    pub(super) fn take(
        &mut self,
        stream: usize,
        place: usize,
        symbols: &mut Cursor<'_>,
        far: &mut Cursor<'_>,
    ) -> Result<u32, Damage> {
        let lane = stream * PLACES + place.min(PLACES - 1);
        let symbol = symbols.u8()?;
        let number = match symbol {
            SAME => self.last[lane],
            NEW => self.count,
            FAR => (u64::from(self.count).checked_sub(1 + far.length(u32::MAX as usize)? as u64))
                .map_or(u32::MAX, |number| number as u32),
            _ => self.recents.get(usize::from(symbol - RECENT)).copied().unwrap_or(u32::MAX),
        };
        if number == u32::MAX {
            return Err(symbols.damage("an id is told by one that was not there"));
        }
        let recent = self.recents.iter().position(|&recent| recent == number);
        self.use_id(lane, number, recent);
        Ok(number)
    }

    fn use_id(&mut self, lane: usize, number: u32, recent: Option<usize>) {
        self.count = self.count.max(number + 1);
        self.last[lane] = number;
        match recent {
            Some(recent) => self.recents[..=recent].rotate_right(1),
            None => {
                self.recents.insert(0, number);
                self.recents.truncate(RECENTS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_come_back(ids in prop::collection::vec((0_usize..3, 0_usize..6, 0_u32..200), 0..600)) {
            let (mut symbols, mut far, mut told) = (Vec::new(), Vec::new(), Vec::new());
            let mut lanes = Lanes::new(3);
            for &(stream, place, back) in &ids {
                // Mostly one that was there, so that all symbols are used.
                let id = lanes.count.checked_sub(1 + back);
                told.push(lanes.put(stream, place, id, &mut symbols, &mut far));
            }
            let (mut symbols, mut far) = (Cursor::new(&symbols), Cursor::new(&far));
            let mut again = Lanes::new(3);
            for (&(stream, place, _), &id) in ids.iter().zip(&told) {
                prop_assert_eq!(again.take(stream, place, &mut symbols, &mut far)?, id);
            }
            symbols.end()?;
            far.end()?;
            prop_assert_eq!(again.count(), lanes.count());
        }
    }
}
