//! What a guest may be made of.

use wasmparser::WasmFeatures;

/// The two ways in which guests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Every machine computes the same, gas included: for contracts. The language is what `rustc`'s `wasm32` targets
    /// emit: the core of version 1, sign extension, saturating conversions, several results, bulk memory, `funcref`.
    /// Floats are allowed; a NaN has one bit pattern.
    Deterministic,
    /// Fast, ended by the clock: for plugins. No gas; vector instructions are allowed.
    Interruptible,
}

impl Profile {
    /// What the validator accepts. Threads, exceptions, 64-bit memories, tail calls, several memories, relaxed vector
    /// instructions and collected references are in neither profile.
    pub(crate) fn features(self) -> WasmFeatures {
        let both = WasmFeatures::MUTABLE_GLOBAL
            | WasmFeatures::SATURATING_FLOAT_TO_INT
            | WasmFeatures::SIGN_EXTENSION
            | WasmFeatures::MULTI_VALUE
            | WasmFeatures::BULK_MEMORY
            | WasmFeatures::REFERENCE_TYPES
            | WasmFeatures::FLOATS;
        match self {
            Self::Deterministic => both,
            Self::Interruptible => both | WasmFeatures::SIMD | WasmFeatures::EXTENDED_CONST,
        }
    }

    /// A number that never changes its meaning, for keys and messages.
    #[cfg(feature = "engine")]
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Deterministic => 1,
            Self::Interruptible => 2,
        }
    }

    #[cfg(feature = "engine")]
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Deterministic, Self::Interruptible].into_iter().find(|profile| profile.code() == code)
    }
}
