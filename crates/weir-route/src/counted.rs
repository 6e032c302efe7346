//! Which of a few small numbers occur among a changing number of things.

/// Numbers from 0 to 63, each counted, as a set that is tested with one instruction. Larger ones count as 63.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountedSet {
    bits: u64,
    counts: Vec<u32>,
}

impl CountedSet {
    /// The largest number that is told from larger ones.
    pub(crate) const MAX: usize = 63;

    pub(crate) fn add(&mut self, number: usize) {
        let number = number.min(Self::MAX);
        if self.counts.len() <= number {
            self.counts.resize(number + 1, 0);
        }
        self.counts[number] += 1;
        self.bits |= 1 << number;
    }

    pub(crate) fn remove(&mut self, number: usize) {
        let number = number.min(Self::MAX);
        self.counts[number] -= 1;
        if self.counts[number] == 0 {
            self.bits &= !(1 << number);
        }
    }

    #[inline]
    pub(crate) fn has(&self, number: usize) -> bool {
        self.bits >> number.min(Self::MAX) & 1 != 0
    }

    /// Bit n stands for the number n.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        self.bits
    }

    /// Whether a number above this one may occur.
    #[inline]
    pub(crate) fn has_above(&self, number: usize) -> bool {
        if number >= Self::MAX { self.has(Self::MAX) } else { self.bits >> number > 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let mut set = CountedSet::default();
        set.add(2);
        set.add(2);
        set.add(200);
        set.remove(2);
        assert!(set.has(2) && set.has(63) && set.has(64) && !set.has(3));
        assert!(set.has_above(2) && set.has_above(62) && set.has_above(90));
        set.remove(300);
        set.remove(2);
        assert!(!set.has_above(0) && set.bits() == 0);
    }
}
