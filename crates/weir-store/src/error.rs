//! What may go wrong with a store as a whole.

use std::io;

use weir_signal::{ReadError, Refusal};

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle, has it open for writing.
    #[error("the store is in use by another process; stop that, or read through its address")]
    InUse,
    /// A file cannot be read or written.
    #[error("cannot open the store: {path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// Both copies of the manifest are damaged.
    #[error("the store cannot be opened: {0}; restore it from a snapshot")]
    Manifest(String),
    /// There is no store.
    #[error("there is no store in this folder")]
    Missing,
}

/// Why something that changes the store's files did not happen. What was there is there still.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// What was to be read is damaged.
    #[error("{what}")]
    Read {
        /// What was being done.
        what: String,
        /// What was found.
        #[source]
        error: ReadError,
    },
    /// The store takes nothing now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store is being closed.
    #[error("the store is being closed")]
    Closed,
    /// A part could not be encoded: a defect of Weir.
    #[error("a part could not be written: {0}; this is a defect, please report it")]
    Encode(String),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }

    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(ReadError) -> Self {
        let what = what.into();
        move |error| Self::Read { what, error }
    }
}
