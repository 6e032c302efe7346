//! Machine code that may be run because of where it comes from.

/// Compiled code. Each way to make one states why the bytes are the compiler's.
pub(super) struct Artefact(Vec<u8>);

impl Artefact {
    /// Compiles here.
    pub(super) fn compile(engine: &wasmtime::Engine, metered: &[u8]) -> Result<Self, String> {
        engine.precompile_module(metered).map(Self).map_err(|e| format!("{e:#}"))
    }

    /// What our own compiling process answered.
    pub(super) fn from_child(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What the cache held under a seal made with its secret.
    pub(super) fn from_sealed(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
