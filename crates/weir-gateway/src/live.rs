//! Objects in force: the model's words with the state that requests leave behind.
//!
//! State is keyed by identity and carried into the next snapshot unless its defining fields changed, so that reloading
//! ten times a second changes no verdict. Everything here is shared by workers: atomics, and one lock (the shelf) that
//! is taken only when a worker's own pool is empty.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_emit::metrics::{Counter, Histogram};
use weir_http::tls::{ClientTlsConfig, ServerTlsConfig};
use weir_model::{Action, BreakerFailures, HostRewrite, Listener, Mono, Route, Service};
use weir_traffic::{BreakerLive, Gate, Limiter, Picker, RetryBudget, WeightedChoice};

use crate::chain::{ChainLive, NodeEnd};
use crate::filters::Filter;
use crate::pool::Shelved;

/// A listener in force.
#[derive(Debug)]
pub(crate) struct ListenerLive {
    pub(crate) model: Arc<Listener>,
    /// Shared by every version of the listener.
    pub(crate) state: Arc<ListenerState>,
    pub(crate) tls: Option<Arc<ServerTlsConfig>>,
    pub(crate) head_limits: weir_head::Limits,
    pub(crate) path_form: weir_head::PathForm,
}

/// What a listener's connections share.
#[derive(Debug, Default)]
pub(crate) struct ListenerState {
    /// Open connections.
    pub(crate) connections: AtomicU32,
    /// Connections closed at once because of the cap.
    pub(crate) refused: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) handshake_failures: AtomicU64,
}

/// A route in force.
#[derive(Debug)]
pub(crate) struct RouteLive {
    pub(crate) model: Arc<Route>,
    pub(crate) hot: Hot,
    pub(crate) action: ActionLive,
    pub(crate) limiters: Vec<Limiter>,
    pub(crate) filters: Vec<Filter>,
    /// Bodies up to this size are held before they are sent, for retries and copies.
    pub(crate) hold_bytes: usize,
    /// The slot of the service that gets copies.
    pub(crate) mirror: Option<usize>,
    pub(crate) metrics: RouteMetrics,
}

/// What every request asks of its route, side by side: among 50,000 routes each line of the model that a request does not
/// touch is a miss less.
#[derive(Clone, Debug)]
pub(crate) struct Hot {
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) try_timeout: Option<Duration>,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) body_bytes_max: Option<u64>,
    /// Whether the policy allows retries.
    pub(crate) retries: bool,
    /// Whether services see the client's `Host`.
    pub(crate) keeps_host: bool,
    /// Whether requests appear in the access log.
    pub(crate) is_logged: bool,
}

impl Hot {
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            request_timeout: route.timeouts.request,
            try_timeout: route.timeouts.per_try,
            body_timeout: route.timeouts.body,
            body_bytes_max: route.body_bytes_max,
            retries: route.retry.max > 0,
            keeps_host: route.rewrite_host == HostRewrite::Keep,
            is_logged: route.access_log,
        }
    }
}

/// What a route does, with services as places in the snapshot's table, so that a service changes without its routes.
#[derive(Debug)]
pub(crate) enum ActionLive {
    Forward { choice: WeightedChoice, slots: Vec<usize> },
    Local,
}

impl ActionLive {
    pub(crate) fn new(action: &Action, mut slot_of: impl FnMut(&weir_model::ServiceId) -> usize) -> Self {
        match action {
            Action::Forward(backends) => Self::Forward {
                choice: WeightedChoice::new(&backends.iter().map(|b| b.weight).collect::<Vec<_>>()),
                slots: backends.iter().map(|b| slot_of(&b.service)).collect(),
            },
            Action::Redirect(_) | Action::Respond(_) => Self::Local,
        }
    }
}

/// A route's series.
#[derive(Clone, Debug)]
pub(crate) struct RouteMetrics {
    pub(crate) requests: Counter,
    pub(crate) duration: Histogram,
}

/// A service in force.
#[derive(Debug)]
pub(crate) struct ServiceLive {
    pub(crate) model: Arc<Service>,
    pub(crate) slot: usize,
    pub(crate) endpoints: Vec<Arc<EndpointLive>>,
    pub(crate) picker: Picker,
    /// The chain that it stands on.
    pub(crate) chain: Option<Arc<ChainLive>>,
    /// Whether the balancer or a cap needs to know what is in flight.
    pub(crate) counts_load: bool,
    pub(crate) breaker: Option<Arc<BreakerLive>>,
    pub(crate) fallback: Option<usize>,
    pub(crate) limiters: Vec<Limiter>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) retry_budget: Arc<RetryBudget>,
    pub(crate) metrics: ServiceMetrics,
    /// Why a name among the endpoints has no address, for the answer that says so.
    pub(crate) unresolved: bool,
}

impl ServiceLive {
    /// What the service's breaker counts as a failure.
    pub(crate) fn breaker_failures(&self) -> BreakerFailures {
        self.model.breaker.as_ref().map_or(NO_FAILURES, |breaker| breaker.failures)
    }

    /// What the breakers of its endpoints count as a failure.
    pub(crate) fn endpoint_breaker_failures(&self) -> BreakerFailures {
        self.model.endpoint_breaker.as_ref().map_or(NO_FAILURES, |breaker| breaker.failures)
    }
}

const NO_FAILURES: BreakerFailures = BreakerFailures { status_5xx: false, connect: false, timeout: false };

/// A service's series.
#[derive(Clone, Debug)]
pub(crate) struct ServiceMetrics {
    pub(crate) requests: Counter,
    pub(crate) duration: Histogram,
    pub(crate) retries: Counter,
    pub(crate) connects: Counter,
}

/// One address of a service.
#[derive(Debug)]
pub(crate) struct EndpointLive {
    pub(crate) address: SocketAddr,
    /// As it was configured (`name:port` for a name), for `Host`, SNI and the log.
    pub(crate) name: Arc<str>,
    /// The node that it is, where its service stands on a chain.
    pub(crate) node: Option<NodeEnd>,
    /// Its place in each worker's table of pools.
    pub(crate) slot: usize,
    /// Tells it from every other endpoint that there ever was.
    pub(crate) made: u64,
    pub(crate) tls: Option<EndpointTls>,
    pub(crate) pool: weir_model::Pool,
    pub(crate) connections_max: Option<u32>,
    pub(crate) breaker: Option<Arc<BreakerLive>>,
    /// Requests in flight, where the service counts its load.
    pub(crate) in_flight: AtomicU32,
    /// Open connections, idle ones included.
    pub(crate) connections: AtomicU32,
    /// Set when no snapshot has it any more: connections are then closed after their request.
    pub(crate) retired: AtomicBool,
    shelf: Mutex<Vec<Shelved>>,
    shelved: AtomicUsize,
}

/// TLS towards an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct EndpointTls {
    pub(crate) config: Arc<ClientTlsConfig>,
    pub(crate) server_name: Arc<str>,
}

impl EndpointLive {
    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them twice")]
    pub(crate) fn new(
        address: SocketAddr,
        name: Arc<str>,
        node: Option<NodeEnd>,
        slot: usize,
        made: u64,
        service: &Service,
        tls: Option<EndpointTls>,
        breaker: Option<Arc<BreakerLive>>,
    ) -> Self {
        Self {
            address,
            name,
            node,
            slot,
            made,
            tls,
            pool: service.pool.clone(),
            connections_max: service.limits.max_connections_per_endpoint,
            breaker,
            in_flight: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            retired: AtomicBool::new(false),
            shelf: Mutex::default(),
            shelved: AtomicUsize::new(0),
        }
    }

    /// Whether requests may be sent to it now.
    pub(crate) fn is_usable(&self, now: Mono) -> bool {
        self.breaker.as_ref().is_none_or(|breaker| breaker.would_pass(now))
    }

    /// Connections on the shelf; a look costs one load.
    pub(crate) fn shelved(&self) -> usize {
        self.shelved.load(Ordering::Relaxed)
    }

    /// Takes a connection that another worker could spare.
    pub(crate) fn unshelve(&self) -> Option<Shelved> {
        if self.shelved() == 0 {
            return None;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let taken = shelf.pop();
        self.shelved.store(shelf.len(), Ordering::Relaxed);
        taken
    }

    /// Puts a connection where other workers find it. Gives it back where there are as many as may be idle in all.
    pub(crate) fn shelve(&self, connection: Shelved) -> Option<Shelved> {
        let mut shelf = self.shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if shelf.len() >= self.pool.max_idle_per_endpoint as usize || self.retired.load(Ordering::Relaxed) {
            return Some(connection);
        }
        shelf.push(connection);
        self.shelved.store(shelf.len(), Ordering::Relaxed);
        None
    }

    /// Closes shelved connections that `keep` does not want.
    pub(crate) fn sweep_shelf(&self, keep: impl FnMut(&Shelved) -> bool) {
        if self.shelved() == 0 {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = shelf.len();
        shelf.retain(keep);
        self.connections.fetch_sub((before - shelf.len()) as u32, Ordering::Relaxed);
        self.shelved.store(shelf.len(), Ordering::Relaxed);
    }

    /// Says that no snapshot has it any more.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.sweep_shelf(|_| false);
    }
}
