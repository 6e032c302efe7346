//! The whole of what is served: one immutable value, cheap to clone and to change.

use std::sync::Arc;

use crate::{
    Admin, Chain, ChainId, CowMap, Listener, ListenerId, Route, RouteId, Service, ServiceId, Telemetry,
};

/// Everything that Weir is told to do. A clone is cheap, and changing one object among many copies only the path to
/// it; objects that did not change stay the same `Arc`, which is how a change is found.
#[derive(Clone, Debug)]
pub struct Model {
    /// The admin interface.
    pub admin: Admin,
    /// Worker threads; `None` is one per core.
    pub workers: Option<u32>,
    /// What is logged of requests.
    pub access_log: AccessLog,
    /// What is remembered; `None` is nothing.
    pub store: Option<Arc<Telemetry>>,
    /// How routes are ordered.
    pub order: RouteOrder,
    /// Listeners by name.
    pub listeners: CowMap<ListenerId, Arc<Listener>>,
    /// Routes by name.
    pub routes: CowMap<RouteId, Arc<Route>>,
    /// Services by name.
    pub services: CowMap<ServiceId, Arc<Service>>,
    /// Chains by name.
    pub chains: CowMap<ChainId, Arc<Chain>>,
}

/// How routes of a table are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteOrder {
    /// Host before wildcard (longest first) before any; then exact path, longest prefix, regex; then with method,
    /// more headers, more query parameters; ties by rank.
    #[default]
    Precedence,
    /// The first in rank order that matches.
    Listed,
}

/// What is logged of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// How a record is written.
    pub format: AccessLogFormat,
    /// File to append to; standard output where not set.
    pub file: Option<std::path::PathBuf>,
}

/// How an access record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Nothing is written.
    Off,
    /// JSON on one line.
    Json,
    /// One readable line.
    Text,
    /// Readable on a terminal, JSON elsewhere.
    Auto,
}
