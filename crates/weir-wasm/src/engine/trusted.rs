//! The one step that the compiler cannot prove: taking bytes for machine code.
#![allow(
    unsafe_code,
    reason = "the engine takes compiled code on trust; that is what makes starting it fast"
)]

use super::artefact::Artefact;

/// Takes compiled code. Code of another version or for other processor features is refused.
pub(super) fn module(engine: &wasmtime::Engine, artefact: &Artefact) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: an `Artefact` holds what this engine's compiler wrote: compiled in this process, or by a child process that
    // runs the same program, or read from a file whose seal (an HMAC over key and content) was verified just before,
    // from memory that nobody else can change. The engine itself compares version and settings.
    unsafe { wasmtime::Module::deserialize(engine, artefact.bytes()) }
}
