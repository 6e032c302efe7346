//! Where requests go.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::{Breaker, ChainId, Origin, RateLimit, SecretRef, ServiceId, TlsVersion};

/// A set of endpoints that answer the same requests, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// Where it was written.
    pub origin: Origin,
    /// The chain whose nodes answer: they are the endpoints, in its order, and its TLS is the service's. Requests are then
    /// understood as calls of what the chain speaks.
    pub chain: Option<ChainId>,
    /// Who answers. May be empty (every request is then refused with its reason).
    pub endpoints: Vec<Endpoint>,
    /// How one is picked.
    pub balancer: Balancer,
    /// Idle connections.
    pub pool: Pool,
    /// Caps.
    pub limits: ServiceLimits,
    /// Deadlines.
    pub timeouts: ServiceTimeouts,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTls>,
    /// What is spoken to them.
    pub protocol: UpstreamProtocol,
    /// The breaker of the service as a whole.
    pub breaker: Option<Breaker>,
    /// The breaker that each endpoint has on its own; an open one takes the endpoint out of the balancer.
    pub endpoint_breaker: Option<Breaker>,
    /// Limits over all requests to the service; each must let the request pass.
    pub rate_limits: Vec<RateLimit>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: EndpointAddress,
    /// Its share of requests relative to the others'; 0 takes none.
    pub weight: u32,
}

/// An endpoint's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointAddress {
    /// An address and port.
    Socket(SocketAddr),
    /// A name, resolved again as its records' time to live ends; each address counts as an endpoint.
    Name {
        /// The name, in lower case.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// The echo service inside Weir (only in the embedded default and examples).
    Echo,
}

impl EndpointAddress {
    /// Reads `127.0.0.1:9000`, `[::1]:9000`, `host:9000` or `weir:echo`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "weir:echo" {
            return Some(Self::Echo);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return (address.port() != 0).then_some(Self::Socket(address));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse::<u16>().ok().filter(|&p| p != 0)?;
        let label =
            |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let name = host.strip_suffix('.').unwrap_or(host);
        let fits = name.len() <= 253 && name.split('.').all(label) && host.parse::<IpAddr>().is_err();
        fits.then(|| Self::Name { host: host.to_ascii_lowercase().into(), port })
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Echo => f.write_str("weir:echo"),
        }
    }
}

/// How an endpoint is picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// In turn, by weight.
    RoundRobin,
    /// The less busy of two picked at random, by weight.
    LeastRequests,
    /// By a hash of the request, so that the same key meets the same endpoint while the set stays.
    ConsistentHash(HashKey),
}

/// What a request is hashed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// A header field (lower-case name).
    Header(Arc<str>),
    /// A cookie.
    Cookie(Arc<str>),
    /// The client's address.
    Address,
}

/// Idle connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Idle connections kept per endpoint, over all workers. 0 closes each after its request.
    pub max_idle_per_endpoint: u32,
    /// A connection is closed after this many requests. 0 is no limit.
    pub max_requests_per_connection: u32,
    /// An idle connection is closed after this time.
    pub idle_timeout: Duration,
    /// A connection is not used again once it is this old. `None` is no limit.
    pub max_age: Option<Duration>,
}

/// Caps on what is sent at once; beyond them a request is refused with 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Requests in flight. `None` is no limit.
    pub max_requests: Option<u32>,
    /// Open connections per endpoint. `None` is no limit.
    pub max_connections_per_endpoint: Option<u32>,
}

/// Deadlines towards a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTimeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
}

/// What is spoken to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
}

/// TLS as a client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTls {
    /// How the endpoint's certificate is checked.
    pub verify: VerifyServer,
    /// The name in SNI and in the check; the endpoint's own name (or address) where not set.
    pub server_name: Option<Arc<str>>,
    /// PEM chain and key shown to the endpoint.
    pub client_certificate: Option<(SecretRef, SecretRef)>,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
}

/// How a server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyServer {
    /// Against the operating system's roots.
    SystemRoots,
    /// Against the PEM roots in this file.
    Roots(SecretRef),
    /// Not at all. For tests; `weir check` warns of it.
    Insecure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_addresses() {
        #[track_caller]
        fn check(text: &str, reads_as: Option<&str>) {
            assert_eq!(EndpointAddress::parse(text).map(|a| a.to_string()).as_deref(), reads_as, "{text}");
        }
        check("127.0.0.1:9000", Some("127.0.0.1:9000"));
        check("[::1]:9000", Some("[::1]:9000"));
        check("Origin.local:80", Some("origin.local:80"));
        check("weir:echo", Some("weir:echo"));
        check("origin", None);
        check("origin:0", None);
        check("origin:70000", None);
        check("a b:80", None);
        check("http://a:80", None);
    }
}
