//! The engine of the sandbox: runs WebAssembly that nobody trusts.
//!
//! ```text
//! bytes ─► check ─► meter ─► compile (in a child process) ─► code, kept on disk under a seal
//!                                                              │
//! host functions ─► Linker ─► Prepared ─► a fresh Instance for every call ─► values or a Stop, and gas used
//! ```
//!
//! Engine, limits and guest ABI are three things. This crate is the engine: it knows no ABI, no contract and no plugin.
//! Limits are numbers of [`Limits`] and [`Budget`]. An ABI is a set of functions in a [`Linker`] and of exports to call.
//!
//! What is always true:
//! * Acceptance depends on structure only ([`check()`]), never on time.
//! * In the deterministic profile, results and gas do not depend on the engine: gas and stack height are written into the
//!   bytecode ([`meter()`]). Clock and native stack are backstops, and say so ([`Backstop`]).
//! * No instance serves two calls. What a guest did to its memory is gone with it.
//! * Whatever a guest does ends its own call only, as a typed [`Stop`].
//!
//! Without the feature `engine` there is only `check` and `meter`, and nothing that runs code.

mod check;
pub mod cost;
#[cfg(feature = "engine")]
mod engine;
#[cfg(feature = "engine")]
mod guest;
#[cfg(feature = "engine")]
mod instance;
mod limits;
#[cfg(feature = "engine")]
mod linker;
mod meter;
mod profile;
#[cfg(feature = "engine")]
mod stop;

pub use check::{Checked, check};
#[cfg(feature = "engine")]
pub use engine::{
    CacheError, CacheSettings, ChildError, ChildLimits, Compiler, Engine, EngineError, LoadError, Module,
    Settings, TICK, child_main,
};
#[cfg(feature = "engine")]
pub use guest::{Guest, Params, Results, Value};
#[cfg(feature = "engine")]
pub use instance::{Budget, Failed, Instance, Prepared, State};
pub use limits::{Limit, Limits, Refusal};
#[cfg(feature = "engine")]
pub use linker::{Answer, HostFunction, LinkError, Linker};
pub use meter::{GAS, MEMORY, STACK, START, meter};
pub use profile::Profile;
#[cfg(feature = "engine")]
pub use stop::{Backstop, BadPointer, ExportError, Stop, Trap};
