//! What well-known methods do, and which block their answers are about.

mod ethereum;
mod tendermint;

use crate::request::Call;
use crate::uri::UriCall;

/// Whose methods are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ethereum's nodes, Quorum's and Besu's private calls included.
    Ethereum,
    /// CometBFT and the versions of Tendermint before it.
    Tendermint,
    /// Any other: nothing is known of its methods.
    Other,
}

/// What a call does to the server that it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: it may be asked again, and of another server.
    Read,
    /// It may change the chain: sent once.
    Write,
    /// It uses what this server remembers of this caller (filters): the same server, once.
    Session,
    /// It begins or ends a stream of notifications: the same connection.
    Subscribe,
    /// It changes the server itself, or uses its keys: sent once, and seldom meant for strangers.
    Control,
    /// Not known: treated as a write.
    Unknown,
}

impl Effect {
    /// Whether it does no harm to ask again.
    pub fn may_repeat(self) -> bool {
        self == Self::Read
    }

    /// The word for it in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Session => "session",
            Self::Subscribe => "subscribe",
            Self::Control => "control",
            Self::Unknown => "unknown",
        }
    }
}

/// What an answer is about, and so how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The newest state, or something that may change: not to be kept.
    Changing,
    /// The block of this height and those below: holds once that block is final.
    Height(u64),
    /// Something whose block the answer names: holds once that block is final. See [`Dialect::found_at`].
    Found,
    /// The chain as a whole: holds for as long as the server serves the same chain.
    Chain,
}

impl Dialect {
    /// What a method does.
    pub fn effect(self, method: &str) -> Effect {
        match self {
            Self::Ethereum => ethereum::effect(method),
            Self::Tendermint => tendermint::effect(method),
            Self::Other => Effect::Unknown,
        }
    }

    /// What the answer to a call is about.
    pub fn subject(self, call: &Call<'_>) -> Subject {
        match self {
            Self::Ethereum => ethereum::subject(&call.method, call.params),
            Self::Tendermint => tendermint::subject(&call.method, call.params),
            Self::Other => Subject::Changing,
        }
    }

    /// What the answer to a call in the URI style is about.
    pub fn subject_of_uri(self, call: &UriCall<'_>) -> Subject {
        match self {
            Self::Tendermint => tendermint::subject_of_uri(call),
            _ => Subject::Changing,
        }
    }

    /// The block that a result of [`Subject::Found`] names; `None` where it names none yet.
    pub fn found_at(self, method: &str, result: &[u8]) -> Option<u64> {
        match self {
            Self::Ethereum => ethereum::found_at(result),
            Self::Tendermint => tendermint::found_at(method, result),
            Self::Other => None,
        }
    }
}

/// A walk over parameters that were read before.
mod params {
    use crate::scan::{Kind, Scanner};

    /// An element of an array, as JSON.
    pub(super) fn element(array: &[u8], index: usize) -> Option<&[u8]> {
        let mut scanner = Scanner::again(array);
        if scanner.kind().ok()? != Kind::Array {
            return None;
        }
        let (mut at, mut found) = (0, None);
        scanner
            .elements(|scanner| {
                let value = scanner.value()?;
                if at == index {
                    found = Some(value);
                }
                at += 1;
                Ok(())
            })
            .ok()?;
        found
    }

    /// A member of an object, as JSON. `Err` where it stands twice, or where a name cannot be told.
    pub(super) fn member<'a>(object: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, ()> {
        let mut scanner = Scanner::again(object);
        if scanner.kind() != Ok(Kind::Object) {
            return Err(());
        }
        let (mut found, mut odd) = (None, false);
        scanner
            .members(|scanner, text| {
                let value = scanner.value()?;
                match text.decode() {
                    Some(n) if n == name => odd |= found.replace(value).is_some(),
                    // Go's decoder would take it for the member.
                    Some(n) if n.eq_ignore_ascii_case(name) => odd = true,
                    Some(_) => {}
                    None => odd = true,
                }
                Ok(())
            })
            .map_err(drop)?;
        if odd { Err(()) } else { Ok(found) }
    }

    /// What a JSON string means, where it was written without escapes.
    pub(super) fn text(value: &[u8]) -> Option<&str> {
        let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        std::str::from_utf8(inner).ok().filter(|t| !t.contains('\\'))
    }
}
