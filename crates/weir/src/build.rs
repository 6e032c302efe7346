//! Which build this is.

use weir_emit::process::Build;

/// The version, commit and compiler of this binary.
pub(crate) const BUILD: Build =
    Build { version: env!("CARGO_PKG_VERSION"), commit: env!("WEIR_COMMIT"), rustc: env!("WEIR_RUSTC") };

/// The machine it was built for.
pub(crate) const TARGET: &str = env!("WEIR_TARGET");

/// `release` or `debug`.
pub(crate) const PROFILE: &str = env!("WEIR_PROFILE");

/// The parts of Weir that are built in.
pub(crate) const PARTS: &[&str] = &["gateway"];
