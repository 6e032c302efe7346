//! References to secrets. The secret itself never enters the model, so it can't be logged from it.

use std::fmt;
use std::path::PathBuf;

/// Where a secret's bytes are found when they are needed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// A file; watched, so that a new certificate goes live without a restart.
    File(PathBuf),
    /// An environment variable, read once at load.
    Env(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
