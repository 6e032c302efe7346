//! Where requests come in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{HostPattern, ListenerId, Origin, SecretRef};

/// A socket that requests are accepted on, with what it demands of them before any route is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name.
    pub id: ListenerId,
    /// Where it was written.
    pub origin: Origin,
    /// The address to bind; also the identity of its sockets, which live as long as the address is in use.
    pub address: SocketAddr,
    /// TLS, where it is ended here.
    pub tls: Option<ServerTls>,
    /// How long clients may take.
    pub timeouts: ListenerTimeouts,
    /// Limits on what a client may send.
    pub limits: HeadLimits,
    /// Open connections at once; further ones are accepted and closed at once, counted.
    pub max_connections: u32,
    /// Peers whose forwarding headers (`X-Forwarded-*`, `Forwarded`, `X-Request-Id`) are believed; all others' are
    /// replaced.
    pub trusted_proxies: Vec<Network>,
    /// How paths are brought into their normal form.
    pub path: PathRules,
    /// Protocols that may be switched to by `Upgrade`, in lower case.
    pub upgrades: Vec<String>,
}

/// TLS as a server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTls {
    /// At least one; chosen by SNI, the first where none fits or no name was sent.
    pub certificates: Vec<ServerCertificate>,
    /// Whether and how clients prove who they are.
    pub client_auth: ClientAuth,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first.
    pub alpn: Vec<String>,
}

/// A certificate chain and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerCertificate {
    /// PEM chain, the server's own first.
    pub cert: SecretRef,
    /// PEM key.
    pub key: SecretRef,
    /// Names it is chosen for; empty means those in the certificate itself.
    pub hosts: Vec<HostPattern>,
}

/// Client certificates.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientAuth {
    /// Not asked for.
    None,
    /// Asked for; a client without one is let in.
    Optional(SecretRef),
    /// Demanded.
    Required(SecretRef),
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// How long a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From the first byte of a request (or the connection's start) to the end of its head; then 408.
    pub head: Duration,
    /// A keep-alive connection without a request.
    pub idle: Duration,
    /// Between two reads of a request's body; then 408.
    pub body: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Between two bytes that a client takes of its answer; then the connection is closed.
    pub send: Duration,
    /// How long open requests may go on when Weir stops or the listener is removed.
    pub drain: Duration,
}

/// Limits on a request, checked while it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head; more is 431.
    pub head_bytes: u32,
    /// Bytes of the request target; more is 414.
    pub target_bytes: u32,
    /// Number of header fields; more is 431.
    pub fields: u32,
    /// Bytes of the body; more is 413. A route may set its own.
    pub body_bytes: u64,
    /// Bytes of a body that has to be read for its JSON-RPC calls; more is 413.
    pub jsonrpc_bytes: u32,
    /// Calls of a JSON-RPC batch; more is 413.
    pub jsonrpc_calls: u32,
}

/// How a path is normalised before it is routed on and forwarded. All on by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// `/a/./b/../c` becomes `/a/c`.
    pub resolve_dots: bool,
    /// `//a///b` becomes `/a/b`.
    pub merge_slashes: bool,
    /// A backslash, `%5C` or `%00` is refused (400).
    pub refuse_odd: bool,
}

/// An address range, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether `address` lies in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || u32::from(net) >> shift == u32::from(a) >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(a)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || u128::from(net) >> shift == u128::from(a) >> shift
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The admin interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Address to bind; loopback unless the file says otherwise. `None` switches the interface off.
    pub address: Option<SocketAddr>,
    /// A Unix socket beside it, for callers that the file system lets in; writes need no token there.
    pub socket: Option<std::path::PathBuf>,
    /// Where the token for writes is kept; generated with mode 0600 when missing.
    pub token_file: Option<std::path::PathBuf>,
    /// Names under which the interface may be asked for, beside loopback names and its own address.
    pub hosts: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        #[track_caller]
        fn check(network: &str, address: &str, inside: bool) {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("::/0", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("127.0.0.1", "127.0.0.1", true);
        assert_eq!(Network::parse("10.0.0.0/33"), None);
        assert_eq!(Network::parse("x"), None);
    }
}
