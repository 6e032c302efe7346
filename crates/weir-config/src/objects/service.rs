//! Services.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    Balancer, Chain, ChainId, ClientTls, CowMap, Endpoint, EndpointAddress, HashKey, Origin, Pool, SecretRef,
    Service, ServiceId, ServiceLimits, ServiceTimeouts, TlsVersion, UpstreamProtocol, VerifyServer,
};

use super::limit::LimitText;
use super::secret::{SECRET, TLS_VERSION};
use crate::form::{At, Fields, Form, Object, Raw, obj, via};
use crate::forms::{
    Case, Choice, ENDPOINT, HEADER_NAME, Int, Items, SERVER_NAME, TOKEN, Time, Union, list, optional,
    or_none, reference,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::Shape;

/// Any count.
const COUNT: Int = Int { min: 0, max: u32::MAX as u64 };
/// A count that is not nothing.
const SOME: Int = Int { min: 1, max: u32::MAX as u64 };

impl Object for Service {
    const NAME: &'static str = "service";
    const DOC: &'static str = "Endpoints that answer the same requests, and how they are used.";

    fn blank() -> Self {
        Self {
            id: ServiceId::new("unnamed").expect("a valid name"),
            origin: Origin::whole(""),
            chain: None,
            endpoints: Vec::new(),
            balancer: Balancer::RoundRobin,
            pool: Pool::blank(),
            limits: ServiceLimits::blank(),
            timeouts: ServiceTimeouts::blank(),
            tls: None,
            protocol: UpstreamProtocol::Http1,
            breaker: None,
            endpoint_breaker: None,
            rate_limits: Vec::new(),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        if self.chain.is_some() {
            // They are the chain's, and written there.
            self.endpoints.clear();
            self.tls = None;
        }
        let doc =
            "Who answers. May be empty: every request is then refused. Needed where there is no `chain`.";
        f.key("endpoints", doc, list(obj(), Items::Any), &mut self.endpoints);
        let doc = "A chain whose nodes answer, in place of `endpoints` and `tls`. Calls are then balanced over healthy nodes by \
                   height and latency, reads are repeated where a node fails, writes are sent once, and answers about final \
                   blocks are kept.";
        f.key("chain", doc, optional(reference()), &mut self.chain);
        f.key(
            "balancer",
            "How an endpoint is picked. `least_requests`: the less busy of two picked at random.",
            BALANCER,
            &mut self.balancer,
        );
        f.key("pool", "Idle connections.", obj(), &mut self.pool);
        f.key("limits", "Caps on what is sent at once; beyond them 503.", obj(), &mut self.limits);
        f.key("timeouts", "Deadlines.", obj(), &mut self.timeouts);
        f.key(
            "tls",
            "TLS towards the endpoints; `{}` for TLS with defaults.",
            optional(obj()),
            &mut self.tls,
        );
        f.key(
            "protocol",
            "What is spoken to them.",
            Choice(&[("http1", UpstreamProtocol::Http1)]),
            &mut self.protocol,
        );
        f.key("breaker", "The breaker of the service as a whole.", optional(obj()), &mut self.breaker);
        let doc = "The breaker that each endpoint has on its own; an open one takes the endpoint out of the balancer.";
        f.key("endpoint_breaker", doc, optional(obj()), &mut self.endpoint_breaker);
        let doc = "Limits over all requests to the service; each has to let a request pass.";
        f.key("rate_limits", doc, list(via::<LimitText>(), Items::Any), &mut self.rate_limits);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        match (&self.chain, at.node("endpoints")) {
            (None, None) => {
                at.error("endpoints", r, "a service needs `endpoints`, or a `chain`").help =
                    Some("list who answers: endpoints: [\"127.0.0.1:8080\"]".into());
            }
            (Some(_), _) if !self.endpoints.is_empty() || self.tls.is_some() => {
                at.error(
                    "chain",
                    r,
                    "the nodes of a chain, and TLS towards them, are written at the chain",
                )
                .help = Some("leave `endpoints` and `tls` out here".into());
            }
            _ => {}
        }
        if !self.endpoints.is_empty() && self.endpoints.iter().all(|e| e.weight == 0) {
            at.error("endpoints", r, "all endpoints have weight 0, so none would ever be picked").help =
                Some("give at least one a weight above 0".into());
        }
        if self.tls.is_some() && self.endpoints.iter().any(|e| e.address == EndpointAddress::Echo) {
            at.error("tls", r, "`weir:echo` is inside Weir and speaks no TLS").help =
                Some("leave `tls` out".into());
        }
        let fallback = self.endpoint_breaker.as_ref().and_then(|b| b.fallback.as_ref());
        if fallback.is_some() {
            at.error(
                "endpoint_breaker",
                r,
                "an endpoint's breaker has no `fallback`: the other endpoints are it",
            )
            .help = Some("move `fallback` to `breaker`".into());
        }
    }
}

/// A service with the nodes of its chain as endpoints. Those that are reached only by WebSocket answer no requests.
pub(crate) fn on_chain(service: Service, chains: &CowMap<ChainId, Arc<Chain>>) -> Service {
    let Some(chain) = service.chain.as_ref().and_then(|id| chains.get(id.as_str())) else { return service };
    let nodes = chain.endpoints.iter().filter(|node| !node.url.websocket);
    let tls = nodes.clone().any(|node| node.url.tls).then(|| chain.tls.clone());
    let endpoints = nodes.map(|node| Endpoint { address: node.url.address.clone(), weight: 1 }).collect();
    Service { endpoints, tls, ..service }
}

impl Object for Endpoint {
    const NAME: &'static str = "endpoint";
    const DOC: &'static str = "One endpoint; a bare text is its address.";
    const SHORT: Option<&'static str> = Some("address");

    fn blank() -> Self {
        Self { address: EndpointAddress::Echo, weight: 1 }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Where it listens. A name is resolved again as its records' time to live ends. `weir:echo` is an echo \
                   service inside Weir, for trying things out.";
        f.required("address", doc, ENDPOINT, &mut self.address);
        f.key(
            "weight",
            "Its share of requests relative to the others'; 0 takes none.",
            Int { min: 0, max: 1_000_000 },
            &mut self.weight,
        );
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if r.admin.is_some_and(|admin| reaches(&self.address, admin)) {
            at.error(
                "address",
                r,
                format!("{} is the admin interface, which no request may reach", self.address),
            )
            .help = Some("proxying to it would give its rights away; ask it directly".into());
        }
        let own = r.bound.iter().find(|(bound, _)| reaches(&self.address, *bound));
        if let Some(message) =
            own.map(|(_, name)| format!("{} is the listener `{name}` of this file", self.address))
        {
            at.warn("address", r, message).help =
                Some("requests that are sent there come back in, maybe without end".into());
        }
    }
}

/// Whether a connection to an endpoint would arrive at a socket bound to `bound` on this machine, as far as can
/// be told without resolving names.
fn reaches(endpoint: &EndpointAddress, bound: SocketAddr) -> bool {
    let (ip, port) = match endpoint {
        EndpointAddress::Socket(address) => (address.ip().to_canonical(), address.port()),
        EndpointAddress::Name { host, port } if &**host == "localhost" => {
            (IpAddr::from([127, 0, 0, 1]), *port)
        }
        _ => return false,
    };
    let listens = bound.ip().to_canonical();
    let local = ip.is_loopback() || ip.is_unspecified();
    port == bound.port()
        && bound.port() != 0
        && (ip == listens
            || (local && (listens.is_unspecified() || listens.is_loopback() && ip.is_unspecified())))
}

const HASH_KEY: Union<HashKey> = Union {
    words: &[("address", HashKey::Address)],
    bare: None,
    cases: &[
        Case {
            key: "header",
            read: |node, r| HEADER_NAME.read(node, r).map(HashKey::Header),
            shape: |shapes| HEADER_NAME.shape(shapes),
        },
        Case {
            key: "cookie",
            read: |node, r| TOKEN.read(node, r).map(HashKey::Cookie),
            shape: |shapes| TOKEN.shape(shapes),
        },
    ],
    write: |key| match key {
        HashKey::Address => Out::text("address"),
        HashKey::Header(name) => Out::one("header", Out::text(&**name)),
        HashKey::Cookie(name) => Out::one("cookie", Out::text(&**name)),
    },
};

const BALANCER: Union<Balancer> = Union {
    words: &[("round_robin", Balancer::RoundRobin), ("least_requests", Balancer::LeastRequests)],
    bare: None,
    cases: &[Case {
        key: "consistent_hash",
        read: |node, r| HASH_KEY.read(node, r).map(Balancer::ConsistentHash),
        shape: |shapes| {
            let shape = HASH_KEY.shape(shapes);
            Shape::new(shape.schema, format!("({})", shape.words))
        },
    }],
    write: |balancer| match balancer {
        Balancer::RoundRobin => Out::text("round_robin"),
        Balancer::LeastRequests => Out::text("least_requests"),
        Balancer::ConsistentHash(key) => Out::one("consistent_hash", HASH_KEY.write(key)),
    },
};

impl Object for Pool {
    const NAME: &'static str = "pool";
    const DOC: &'static str = "Idle connections to endpoints, over all workers.";

    fn blank() -> Self {
        Self {
            max_idle_per_endpoint: 200,
            max_requests_per_connection: 0,
            idle_timeout: Duration::from_mins(1),
            max_age: None,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Idle connections kept. 0 closes each after its request.";
        f.key("max_idle_per_endpoint", doc, COUNT, &mut self.max_idle_per_endpoint);
        let doc = "A connection is closed after so many requests. 0 is no limit.";
        f.key("max_requests_per_connection", doc, COUNT, &mut self.max_requests_per_connection);
        f.key(
            "idle_timeout",
            "An idle connection is closed after this time.",
            Time::POSITIVE,
            &mut self.idle_timeout,
        );
        f.key(
            "max_age",
            "A connection is not used again once it is this old.",
            or_none(Time::POSITIVE),
            &mut self.max_age,
        );
    }
}

impl Object for ServiceLimits {
    const NAME: &'static str = "service limits";
    const DOC: &'static str = "Caps on what is sent at once; what is beyond them is refused with 503.";

    fn blank() -> Self {
        Self { max_requests: None, max_connections_per_endpoint: None }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("max_requests", "Requests in flight.", or_none(SOME), &mut self.max_requests);
        let doc = "Open connections per endpoint.";
        f.key("max_connections_per_endpoint", doc, or_none(SOME), &mut self.max_connections_per_endpoint);
    }
}

impl Object for ServiceTimeouts {
    const NAME: &'static str = "service timeouts";
    const DOC: &'static str = "Deadlines towards the endpoints.";

    fn blank() -> Self {
        Self { connect: Duration::from_secs(5) }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("connect", "Name, TCP and TLS together.", Time::POSITIVE, &mut self.connect);
    }
}

/// A certificate and its key, as written.
#[derive(Clone)]
struct PairText {
    cert: SecretRef,
    key: SecretRef,
}

impl Object for PairText {
    const NAME: &'static str = "client certificate";
    const DOC: &'static str = "A certificate chain and its key, shown to endpoints.";

    fn blank() -> Self {
        Self { cert: SecretRef::Env(String::new()), key: SecretRef::Env(String::new()) }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("cert", "PEM chain.", SECRET, &mut self.cert);
        f.required("key", "PEM key.", SECRET, &mut self.key);
    }
}

impl Raw<(SecretRef, SecretRef)> for PairText {
    fn refine<'n>(self, _: At<'n>, _: &mut Reader<'n>) -> Option<(SecretRef, SecretRef)> {
        Some((self.cert, self.key))
    }

    fn raw((cert, key): &(SecretRef, SecretRef)) -> Self {
        Self { cert: cert.clone(), key: key.clone() }
    }
}

const VERIFY: Union<VerifyServer> = Union {
    words: &[("system", VerifyServer::SystemRoots), ("insecure", VerifyServer::Insecure)],
    bare: None,
    cases: &[Case {
        key: "roots",
        read: |node, r| SECRET.read(node, r).map(VerifyServer::Roots),
        shape: |shapes| SECRET.shape(shapes),
    }],
    write: |verify| match verify {
        VerifyServer::SystemRoots => Out::text("system"),
        VerifyServer::Insecure => Out::text("insecure"),
        VerifyServer::Roots(roots) => Out::one("roots", SECRET.write(roots)),
    },
};

impl Object for ClientTls {
    const NAME: &'static str = "service tls";
    const DOC: &'static str = "TLS towards endpoints.";

    fn blank() -> Self {
        Self {
            verify: VerifyServer::SystemRoots,
            server_name: None,
            client_certificate: None,
            min_version: TlsVersion::V1_2,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "How their certificate is checked: against the operating system's roots, against the PEM roots in a file, \
                   or (for tests) not at all.";
        f.key("verify", doc, VERIFY, &mut self.verify);
        let doc = "The name asked for (SNI) and checked; the endpoint's own where not set.";
        f.key("server_name", doc, optional(SERVER_NAME), &mut self.server_name);
        f.key(
            "client_certificate",
            "Shown to them.",
            optional(via::<PairText>()),
            &mut self.client_certificate,
        );
        f.key("min_version", "The oldest version accepted.", TLS_VERSION, &mut self.min_version);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.verify == VerifyServer::Insecure {
            at.warn(
                "verify",
                r,
                "whoever stands between Weir and the endpoints can read and change everything",
            )
            .help = Some("name the roots that signed their certificate: `verify: { roots: ca.pem }`".into());
        }
    }
}
