//! Ways in: payloads to the store, refusals to the words of their protocols.

pub(crate) mod http;
