//! A breaker's state in one word.

/// State and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Counts changes of phase; 30 bits.
    pub(super) generation: u32,
    pub(super) phase: Phase,
}

/// The phase, with what is counted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open,
    HalfOpen {
        /// Probes sent and not given back.
        taken: u16,
        /// Those of them that succeeded.
        succeeded: u16,
    },
}

const GENERATION: u32 = (1 << 30) - 1;

impl State {
    /// The same generation, counted on.
    #[inline]
    pub(super) fn same(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// The next generation.
    pub(super) fn next(self, phase: Phase) -> Self {
        Self { generation: self.generation.wrapping_add(1) & GENERATION, phase }
    }

    #[inline]
    pub(super) fn pack(self) -> u64 {
        let (kind, counts) = match self.phase {
            Phase::Closed { failures } => (0, failures),
            Phase::Open => (1, 0),
            Phase::HalfOpen { taken, succeeded } => (2, u32::from(taken) << 16 | u32::from(succeeded)),
        };
        u64::from(counts) << 32 | u64::from(self.generation) << 2 | kind
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> Self {
        let counts = (word >> 32) as u32;
        let phase = match word & 3 {
            0 => Phase::Closed { failures: counts },
            1 => Phase::Open,
            _ => Phase::HalfOpen { taken: (counts >> 16) as u16, succeeded: counts as u16 },
        };
        Self { generation: (word as u32) >> 2, phase }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        for phase in [
            Phase::Closed { failures: u32::MAX },
            Phase::Open,
            Phase::HalfOpen { taken: u16::MAX, succeeded: 3 },
        ] {
            for generation in [0, 5, GENERATION] {
                let state = State { generation, phase };
                assert_eq!(State::unpack(state.pack()), state);
            }
        }
        assert_eq!(State { generation: GENERATION, phase: Phase::Open }.next(Phase::Open).generation, 0);
    }
}
