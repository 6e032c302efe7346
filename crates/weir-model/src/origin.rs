//! Where an object was written, for errors and explanations.

use std::fmt;
use std::sync::Arc;

/// The place that an object came from: a file, an admin request, later an xDS resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path of the file, or a word such as `admin` or `embedded`.
    pub source: Arc<str>,
    /// 1-based line of the object's first character; 0 where the source has no lines.
    pub line: u32,
}

impl Origin {
    /// An origin without lines.
    pub fn whole(source: &str) -> Self {
        Self { source: source.into(), line: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}
