//! The words of Weir: listeners, routes, services, endpoints, policies, ids and versions.
//!
//! Every source of configuration (files, the admin API, later xDS) becomes these types, and nothing behind
//! them sees raw text. A value of a type in here is valid by construction of its source: `weir-config`
//! refuses what is not.
//!
//! Deliberately unknown here: IO, async, clocks, and how any of this is written down as text.

mod chain;
mod cow;
mod failure;
mod hash;
mod id;
mod listener;
mod model;
mod origin;
mod pattern;
mod policy;
mod principal;
mod route;
mod secret;
mod service;
mod telemetry;
mod time;

pub use chain::{
    Chain, ChainEndpoint, ChainKind, ChainTimeouts, ChainUrl, Finality, MockFaults, MockSettings,
    QuorumSettings, Repeats,
};
pub use cow::CowMap;
pub use failure::{Blame, Failure, FailureKind, Phase, Retry};
pub use hash::{FixedHasher, FixedState, fixed_hash};
pub use id::{ChainId, ChainName, Id, IdError, Kind, ListenerId, RouteId, ServiceId};
pub use listener::{
    Admin, ClientAuth, HeadLimits, Listener, ListenerTimeouts, Network, PathRules, ServerCertificate,
    ServerTls, TlsVersion,
};
pub use model::{AccessLog, AccessLogFormat, Model, RouteOrder};
pub use origin::Origin;
pub use pattern::{HostPattern, HostPatternError, Pattern, PatternError};
pub use policy::{
    Breaker, BreakerFailures, Cors, FailureShare, HeaderEdit, HeaderEdits, LimitKey, MissingKey, OriginMatch,
    RateLimit, RetryOn, RetryPolicy,
};
pub use principal::Principal;
pub use route::{
    Action, Backend, HeaderMatch, HostRewrite, Mirror, PathMatch, PathRewrite, QueryMatch, Rank, Redirect,
    Respond, Route, RouteMatch, RouteTimeouts, RpcMethod, ValueMatch,
};
pub use secret::SecretRef;
pub use service::{
    Balancer, ClientTls, Endpoint, EndpointAddress, HashKey, Pool, Service, ServiceLimits, ServiceTimeouts,
    UpstreamProtocol, VerifyServer,
};
pub use telemetry::{
    Access, Authorization, DnsDiscovery, OwnTelemetry, Permission, Proof, QueryLimits, Relabel,
    RelabelAction, Retention, ScrapeJob, ScrapeProtocol, ScrapeTls, Telemetry, TelemetryLimits,
};
pub use time::{Mono, Wall};
