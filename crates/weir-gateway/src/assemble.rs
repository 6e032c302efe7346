//! From one snapshot to the next: only what changed is built, and live state is carried over by identity.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use weir_emit::access::AccessLog;
use weir_emit::metrics::{Columns, Counters, Family, Histograms, Registry};
use weir_model::{AccessLogFormat, Endpoint, EndpointAddress, Listener, Model, Route, Service, ServiceId};
use weir_route::RouteTable;
use weir_traffic::{BreakerLive, Gate, Limiter, Picker};

use crate::chain::{ChainLive, Chains, NodeEnd};
use crate::filters::Filter;
use crate::live::{
    ActionLive, EndpointLive, EndpointTls, Hot, ListenerLive, RouteLive, RouteMetrics, ServiceLive,
    ServiceMetrics,
};
use crate::secrets::{self, SecretError};
use crate::snapshot::Snapshot;

/// A name with its port, as services refer to it.
pub(crate) type Name = (Arc<str>, u16);

/// Addresses that names stand for now; a name that could not be resolved is absent.
pub(crate) type Addresses = HashMap<Name, Vec<SocketAddr>>;

/// Why a model can't be put in force although its text was valid: something outside the text is missing.
#[derive(Debug, thiserror::Error)]
#[error("{object} ({origin}): {source}")]
pub struct AssembleError {
    /// `listener web` or `service orders`.
    pub object: String,
    /// Where it was written.
    pub origin: weir_model::Origin,
    /// What is missing.
    #[source]
    pub source: SecretError,
}

/// Whether secrets are read again for objects that did not change themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    Keep,
    ReadAgain,
}

/// Builds snapshots. Owns what must outlive them: series, slots, the echo's address.
#[derive(Debug)]
pub(crate) struct Assembler {
    families: Families,
    slots: Slots<ServiceId>,
    endpoint_slots: Slots<u64>,
    endpoints_made: u64,
    pub(crate) echo: Option<SocketAddr>,
    chains: Chains,
}

/// An address of a service.
struct Wanted {
    address: SocketAddr,
    name: Arc<str>,
    weight: u32,
    node: Option<NodeEnd>,
}

/// Dense numbers for names; a number that is free is used again.
#[derive(Debug)]
struct Slots<K> {
    by_key: HashMap<K, usize>,
    free: Vec<usize>,
    next: usize,
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), free: Vec::new(), next: 0 }
    }
}

impl<K: std::hash::Hash + Eq> Slots<K> {
    fn of(&mut self, key: K) -> usize {
        *self.by_key.entry(key).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.next += 1;
                self.next - 1
            })
        })
    }

    fn release(&mut self, key: &K) {
        if let Some(slot) = self.by_key.remove(key) {
            self.free.push(slot);
        }
    }
}

#[derive(Debug)]
struct Families {
    requests: Counters,
    duration: Histograms,
    service_requests: Counters,
    service_duration: Histograms,
    retries: Counters,
    connects: Counters,
}

impl Families {
    fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.counters(
                Family::new("weir_requests_total", "Requests by route and class of status.")
                    .labels(&["route"])
                    .columns(Columns::Status),
            ),
            duration: registry.histograms(
                Family::new(
                    "weir_request_duration_seconds",
                    "From a request's head to its answer's end, by route.",
                )
                .labels(&["route"]),
            ),
            service_requests: registry.counters(
                Family::new("weir_service_requests_total", "Requests by service and class of status.")
                    .labels(&["service"])
                    .columns(Columns::Status),
            ),
            service_duration: registry.histograms(
                Family::new(
                    "weir_service_first_byte_seconds",
                    "From a request's head to its answer's, by service.",
                )
                .labels(&["service"]),
            ),
            retries: registry.counters(
                Family::new("weir_service_retries_total", "Tries after the first, by service.")
                    .labels(&["service"]),
            ),
            connects: registry.counters(
                Family::new("weir_service_connects_total", "Connections made to endpoints, by service.")
                    .labels(&["service"]),
            ),
        }
    }

    fn route(&self, name: &str) -> RouteMetrics {
        RouteMetrics { requests: self.requests.series(&[name]), duration: self.duration.series(&[name]) }
    }

    fn service(&self, name: &str) -> ServiceMetrics {
        ServiceMetrics {
            requests: self.service_requests.series(&[name]),
            duration: self.service_duration.series(&[name]),
            retries: self.retries.series(&[name]),
            connects: self.connects.series(&[name]),
        }
    }
}

impl Assembler {
    pub(crate) fn new(registry: &Registry, workers: usize) -> Self {
        Self {
            families: Families::new(registry),
            chains: Chains::new(registry, workers),
            slots: Slots::default(),
            endpoint_slots: Slots::default(),
            endpoints_made: 0,
            echo: None,
        }
    }

    /// The series of requests without a route.
    pub(crate) fn unrouted(&self) -> RouteMetrics {
        self.families.route("_none")
    }

    /// The next snapshot. On an error nothing has changed.
    pub(crate) fn assemble(
        &mut self,
        model: Model,
        previous: Option<&Snapshot>,
        addresses: &Addresses,
        secrets: Secrets,
        access: Arc<AccessLog>,
    ) -> Result<Snapshot, AssembleError> {
        // What can fail comes first, so that no slot is taken for a snapshot that never comes to be.
        let listeners = listeners(&model, previous, secrets)?;
        let mut client_tls = HashMap::new();
        for service in model.services.values() {
            if let Some(tls) = &service.tls {
                let old = previous.and_then(|p| p.model.services.get(service.id.as_str()));
                let same = old.is_some_and(|old| old.tls.as_ref() == Some(tls)) && secrets == Secrets::Keep;
                if !same {
                    let config = secrets::client(tls).map_err(|source| AssembleError {
                        object: format!("service {}", service.id),
                        origin: service.origin.clone(),
                        source,
                    })?;
                    client_tls.insert(service.id.clone(), config);
                }
            }
        }
        let used = model.services.values().filter_map(|service| service.chain.clone());
        self.chains.update(&model.chains, used);
        let services = self.services(&model, previous, addresses, &client_tls);
        let routes = self.routes(&model, previous);
        let version = previous.map_or(1, |p| p.version + 1);
        let logs_requests = model.access_log.format != AccessLogFormat::Off;
        Ok(Snapshot { version, model, routes, services, listeners, access, logs_requests })
    }

    fn routes(&mut self, model: &Model, previous: Option<&Snapshot>) -> RouteTable<Arc<RouteLive>> {
        let (mut table, old) = match previous {
            Some(p) if p.model.order == model.order => (p.routes.clone(), Some(&p.model.routes)),
            _ => (RouteTable::new(model.order), None),
        };
        let empty = weir_model::CowMap::default();
        let (gone, put) = model.routes.changed_since(old.unwrap_or(&empty), Arc::ptr_eq);
        for id in gone {
            table.remove(id);
        }
        let mut put: Vec<&Arc<Route>> = put.into_iter().map(|(_, route)| route).collect();
        put.sort_by_key(|route| route.rank);
        for route in put {
            let earlier = table.get(&route.id).map(|(_, live)| live.clone());
            let live = self.route(route, earlier.as_deref());
            table.insert(route, Arc::new(live));
        }
        table
    }

    fn route(&mut self, route: &Arc<Route>, earlier: Option<&RouteLive>) -> RouteLive {
        let retries = if route.retry.max > 0 { route.retry.replay_bytes_max as usize } else { 0 };
        let copies = route.mirror.as_ref().map_or(0, |mirror| mirror.body_bytes_max as usize);
        RouteLive {
            model: route.clone(),
            hot: Hot::of(route),
            action: ActionLive::new(&route.action, |id| self.slots.of(id.clone())),
            limiters: Limiter::compile(
                &format!("route {}", route.id),
                &route.rate_limits,
                earlier.map_or(&[], |live| &live.limiters),
            ),
            filters: Filter::of(route),
            hold_bytes: retries.max(copies),
            mirror: route.mirror.as_ref().map(|mirror| self.slots.of(mirror.service.clone())),
            metrics: earlier
                .map_or_else(|| self.families.route(route.id.as_str()), |live| live.metrics.clone()),
        }
    }

    fn services(
        &mut self,
        model: &Model,
        previous: Option<&Snapshot>,
        addresses: &Addresses,
        client_tls: &HashMap<ServiceId, Arc<weir_http::tls::ClientTlsConfig>>,
    ) -> Vec<Option<Arc<ServiceLive>>> {
        let mut services = previous.map(|p| p.services.clone()).unwrap_or_default();
        if let Some(previous) = previous {
            let (gone, _) = model.services.changed_since(&previous.model.services, Arc::ptr_eq);
            for id in gone {
                let slot = self.slots.of(id.clone());
                if let Some(service) = services.get_mut(slot).and_then(Option::take) {
                    for endpoint in &service.endpoints {
                        self.retire(endpoint);
                    }
                }
                self.slots.release(id);
            }
        }
        for service in model.services.values() {
            let slot = self.slots.of(service.id.clone());
            let old = services.get(slot).and_then(Option::as_ref).cloned();
            let wanted = self.addresses_of(service, addresses);
            let chain = service.chain.as_ref().and_then(|id| self.chains.get(id)).cloned();
            let unchanged = old.as_ref().is_some_and(|old| {
                Arc::ptr_eq(&old.model, service)
                    && same(old.chain.as_ref(), chain.as_ref())
                    && !client_tls.contains_key(&service.id)
                    && old.endpoints.len() == wanted.len()
                    && old.endpoints.iter().zip(&wanted).all(|(have, want)| have.address == want.address)
            });
            if unchanged {
                continue;
            }
            let live =
                self.service(service, slot, old.as_deref(), &wanted, client_tls.get(&service.id), chain);
            if services.len() <= slot {
                services.resize(slot + 1, None);
            }
            services[slot] = Some(Arc::new(live));
        }
        services
    }

    /// Every address of a service, with its name and weight.
    fn addresses_of(&self, service: &Service, addresses: &Addresses) -> Vec<Wanted> {
        let mut all = Vec::with_capacity(service.endpoints.len());
        let chain = service.chain.as_ref().and_then(|id| self.chains.get(id));
        // As the configuration made the service's endpoints of them.
        let mut nodes = chain.into_iter().flat_map(|chain| chain.model.endpoints.iter().enumerate());
        let mut nodes = nodes.by_ref().filter(|(_, node)| !node.url.websocket);
        for endpoint in &service.endpoints {
            let node = nodes.next().map(|(node, end)| NodeEnd { node, target: end.url.target.clone() });
            let weight = endpoint.weight;
            let wanted = |address, name| Wanted { address, name, weight, node: node.clone() };
            let name: Arc<str> = endpoint.address.to_string().into();
            match &endpoint.address {
                EndpointAddress::Socket(address) => all.push(wanted(*address, name)),
                EndpointAddress::Echo => {
                    all.extend(self.echo.map(|address| wanted(address, name)));
                }
                EndpointAddress::Name { host, port } => {
                    for address in addresses.get(&(host.clone(), *port)).into_iter().flatten() {
                        all.push(wanted(*address, name.clone()));
                    }
                }
            }
        }
        all
    }

    fn service(
        &mut self,
        service: &Arc<Service>,
        slot: usize,
        old: Option<&ServiceLive>,
        wanted: &[Wanted],
        fresh_tls: Option<&Arc<weir_http::tls::ClientTlsConfig>>,
        chain: Option<Arc<ChainLive>>,
    ) -> ServiceLive {
        let tls_kept = fresh_tls.is_none();
        let config = service.tls.as_ref().and_then(|_| {
            fresh_tls.cloned().or_else(|| {
                old.and_then(|old| old.endpoints.first())
                    .and_then(|e| e.tls.as_ref())
                    .map(|tls| tls.config.clone())
            })
        });
        // A service whose endpoints all had no address has kept no configuration either: it is read again.
        let config = config.or_else(|| service.tls.as_ref().and_then(|tls| secrets::client(tls).ok()));
        let mut left: Vec<Arc<EndpointLive>> = old.map(|old| old.endpoints.clone()).unwrap_or_default();
        let endpoints: Vec<Arc<EndpointLive>> = wanted
            .iter()
            .map(|Wanted { address, name, node, .. }| {
                let same =
                    |e: &Arc<EndpointLive>| e.address == *address && e.name == *name && e.node == *node;
                let earlier = left.iter().position(same).map(|at| left.swap_remove(at));
                if let Some(earlier) = &earlier
                    && tls_kept
                    && old.is_some_and(|old| keeps_endpoints(&old.model, service))
                {
                    return earlier.clone();
                }
                let tls = config.as_ref().map(|config| EndpointTls {
                    config: config.clone(),
                    server_name: server_name(service, name),
                });
                let breaker = service.endpoint_breaker.as_ref().map(|settings| {
                    earlier
                        .as_ref()
                        .and_then(|e| e.breaker.clone())
                        .filter(|breaker| breaker.is_for(settings))
                        .unwrap_or_else(|| Arc::new(BreakerLive::new(settings)))
                });
                self.endpoints_made += 1;
                let made = self.endpoints_made;
                let slot = self.endpoint_slots.of(made);
                if let Some(earlier) = &earlier {
                    self.retire(earlier);
                }
                Arc::new(EndpointLive::new(
                    *address,
                    name.clone(),
                    node.clone(),
                    slot,
                    made,
                    service,
                    tls,
                    breaker,
                ))
            })
            .collect();
        for endpoint in &left {
            self.retire(endpoint);
        }
        let weighted: Vec<Endpoint> = wanted
            .iter()
            .map(|wanted| Endpoint {
                address: EndpointAddress::Socket(wanted.address),
                weight: wanted.weight,
            })
            .collect();
        let gate = old.map_or_else(|| Arc::new(Gate::new(None)), |old| old.gate.clone());
        gate.set_max(service.limits.max_requests);
        ServiceLive {
            model: service.clone(),
            slot,
            picker: Picker::new(&service.balancer, &weighted),
            endpoints,
            counts_load: service.balancer == weir_model::Balancer::LeastRequests || chain.is_some(),
            chain,
            breaker: service.breaker.as_ref().map(|settings| {
                old.and_then(|old| old.breaker.clone())
                    .filter(|breaker| breaker.is_for(settings))
                    .unwrap_or_else(|| Arc::new(BreakerLive::new(settings)))
            }),
            fallback: service
                .breaker
                .as_ref()
                .and_then(|breaker| breaker.fallback.as_ref())
                .map(|id| self.slots.of(id.clone())),
            limiters: Limiter::compile(
                &format!("service {}", service.id),
                &service.rate_limits,
                old.map_or(&[], |old| &old.limiters),
            ),
            gate,
            retry_budget: old.map(|old| old.retry_budget.clone()).unwrap_or_default(),
            metrics: old
                .map_or_else(|| self.families.service(service.id.as_str()), |old| old.metrics.clone()),
            unresolved: wanted.is_empty() && !service.endpoints.is_empty(),
        }
    }

    fn retire(&mut self, endpoint: &EndpointLive) {
        endpoint.retire();
        self.endpoint_slots.release(&endpoint.made);
    }
}

fn same(a: Option<&Arc<ChainLive>>, b: Option<&Arc<ChainLive>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// Whether nothing changed that an endpoint's connections depend on.
fn keeps_endpoints(old: &Service, new: &Service) -> bool {
    old.pool == new.pool
        && old.tls == new.tls
        && old.limits == new.limits
        && old.endpoint_breaker == new.endpoint_breaker
        && old.protocol == new.protocol
}

fn server_name(service: &Service, endpoint: &str) -> Arc<str> {
    if let Some(name) = service.tls.as_ref().and_then(|tls| tls.server_name.clone()) {
        return name;
    }
    match endpoint.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string().into(),
        Err(_) => endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host).into(),
    }
}

fn listeners(
    model: &Model,
    previous: Option<&Snapshot>,
    secrets: Secrets,
) -> Result<Vec<Arc<ListenerLive>>, AssembleError> {
    let mut all: Vec<&Arc<Listener>> = model.listeners.values().collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.into_iter()
        .map(|listener| {
            let old = previous.and_then(|p| p.listeners.iter().find(|l| l.model.address == listener.address));
            if let Some(old) = old
                && Arc::ptr_eq(&old.model, listener)
                && (secrets == Secrets::Keep || listener.tls.is_none())
            {
                return Ok(old.clone());
            }
            let kept = old.filter(|old| secrets == Secrets::Keep && old.model.tls == listener.tls);
            let tls = match (&listener.tls, kept) {
                (None, _) => None,
                (Some(_), Some(old)) => old.tls.clone(),
                (Some(tls), None) => {
                    let sessions = old.and_then(|old| old.tls.as_ref()).map(|tls| tls.sessions());
                    Some(secrets::server(tls, sessions).map_err(|source| AssembleError {
                        object: format!("listener {}", listener.id),
                        origin: listener.origin.clone(),
                        source,
                    })?)
                }
            };
            Ok(Arc::new(ListenerLive {
                model: listener.clone(),
                state: old.map(|old| old.state.clone()).unwrap_or_default(),
                tls,
                head_limits: weir_head::Limits {
                    head_bytes: listener.limits.head_bytes as usize,
                    target_bytes: listener.limits.target_bytes as usize,
                    fields: listener.limits.fields as usize,
                },
                path_form: weir_head::PathForm {
                    resolve_dots: listener.path.resolve_dots,
                    merge_slashes: listener.path.merge_slashes,
                    refuse_odd: listener.path.refuse_odd,
                },
            }))
        })
        .collect()
}
