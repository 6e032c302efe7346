//! Why a scrape failed: in words for people, and under a word that failures are counted by.

/// What a failed scrape is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No whole answer in time.
    Timeout,
    /// No connection, or a name without an address.
    Connect,
    /// TLS: files, or the handshake.
    Tls,
    /// A secret that Weir is to show cannot be had.
    Secret,
    /// The exchange broke off, or was not HTTP.
    Http,
    /// Another status than 200, or redirections that lead nowhere.
    Status,
    /// More bytes or samples than the job allows.
    TooLarge,
    /// An answer in a format or encoding that is not known, or that does not hold to it.
    Malformed,
    /// A defect of Weir.
    Internal,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::Secret,
        Self::Http,
        Self::Status,
        Self::TooLarge,
        Self::Malformed,
        Self::Internal,
    ];

    /// The value of the metric's label `result`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Secret => "secret",
            Self::Http => "http",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Internal => "internal",
        }
    }
}

/// How a scrape failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it is counted under.
    pub(crate) cause: Cause,
    /// For people.
    pub(crate) says: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, says: impl Into<String>) -> Self {
        Self { cause, says: says.into() }
    }
}
