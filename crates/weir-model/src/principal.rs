//! Who calls.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who a request comes from, as far as it is proven. It is part of every exchange, so that policies have one place to
/// look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// The caller's address once trusted proxies are seen through; the peer's own otherwise.
    pub address: IpAddr,
    /// The subject of a client certificate that was verified.
    pub certificate: Option<Arc<str>>,
}

impl Principal {
    /// A caller of whom only the connection is known.
    pub fn of_peer(peer: SocketAddr) -> Self {
        Self { peer, address: peer.ip().to_canonical(), certificate: None }
    }
}
