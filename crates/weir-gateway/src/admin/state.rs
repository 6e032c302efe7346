//! What is in force now, with what requests have left behind: as JSON for programs, as a table for people.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use weir_model::{Action, Mono, PathMatch, Route, RouteMatch};
use weir_traffic::{BreakerLive, BreakerState};

use super::resource::Kind;
use super::table::table as draw;
use crate::live::{EndpointLive, ListenerLive, ServiceLive};
use crate::snapshot::Snapshot;

/// For programs.
pub(super) fn json(kind: Kind, snapshot: &Snapshot, now: Mono) -> Value {
    let (word, objects): (_, Vec<Value>) = match kind {
        Kind::Listener => ("listeners", snapshot.listeners().map(|l| listener(l)).collect()),
        Kind::Route => ("routes", routes(snapshot).into_iter().map(route).collect()),
        Kind::Service => ("services", services(snapshot).into_iter().map(|s| service(s, now)).collect()),
    };
    json!({ "version": snapshot.version, word: objects })
}

/// For people.
pub(super) fn table(kind: Kind, snapshot: &Snapshot, now: Mono) -> String {
    match kind {
        Kind::Listener => {
            let rows: Vec<_> = snapshot.listeners().map(|l| listener_row(l)).collect();
            draw(
                &["LISTENER", "ADDRESS", "TLS", "CONNECTIONS", "ACCEPTED", "REFUSED", "BAD HANDSHAKES"],
                &rows,
            )
        }
        Kind::Route => {
            let rows: Vec<_> = routes(snapshot).into_iter().flat_map(route_rows).collect();
            draw(&["ROUTE", "HOSTS", "MATCHES", "DOES", "LIMITS", "FROM"], &rows)
        }
        Kind::Service => {
            let rows: Vec<_> = services(snapshot).into_iter().flat_map(|s| service_rows(s, now)).collect();
            let titles =
                ["SERVICE", "ENDPOINT", "WEIGHT", "BREAKER", "IN FLIGHT", "CONNECTIONS", "REFUSED", "LIMITS"];
            draw(&titles, &rows)
        }
    }
}

fn routes(snapshot: &Snapshot) -> Vec<&Arc<Route>> {
    let mut routes: Vec<_> = snapshot.model.routes.values().collect();
    routes.sort_by(|a, b| (a.rank, &a.id).cmp(&(b.rank, &b.id)));
    routes
}

fn services(snapshot: &Snapshot) -> Vec<&Arc<ServiceLive>> {
    let mut services: Vec<_> = snapshot.services.iter().flatten().collect();
    services.sort_by(|a, b| a.model.id.cmp(&b.model.id));
    services
}

fn listener(live: &ListenerLive) -> Value {
    json!({
        "name": live.model.id.as_str(),
        "from": live.model.origin.to_string(),
        "address": live.model.address.to_string(),
        "tls": live.tls.is_some(),
        "connections": live.state.connections.load(Relaxed),
        "connections_max": live.model.max_connections,
        "accepted": live.state.accepted.load(Relaxed),
        "refused": live.state.refused.load(Relaxed),
        "handshake_failures": live.state.handshake_failures.load(Relaxed),
    })
}

fn listener_row(live: &ListenerLive) -> Vec<String> {
    vec![
        live.model.id.to_string(),
        live.model.address.to_string(),
        if live.tls.is_some() { "yes" } else { "no" }.into(),
        of(live.state.connections.load(Relaxed), Some(live.model.max_connections)),
        live.state.accepted.load(Relaxed).to_string(),
        live.state.refused.load(Relaxed).to_string(),
        live.state.handshake_failures.load(Relaxed).to_string(),
    ]
}

fn route(route: &Arc<Route>) -> Value {
    json!({
        "name": route.id.as_str(),
        "from": route.origin.to_string(),
        "listeners": route.listeners.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "hosts": route.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "matches": route.matches.iter().map(match_words).collect::<Vec<_>>(),
        "does": action_words(&route.action),
        "services": route.services().map(ToString::to_string).collect::<Vec<_>>(),
        "limits": limits(&weir_config::print_route(route)),
    })
}

/// A line per alternative, with everything else on the first.
fn route_rows(route: &Arc<Route>) -> Vec<Vec<String>> {
    let hosts = match &route.hosts[..] {
        [] => "any".into(),
        hosts => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let limits = limits(&weir_config::print_route(route)).join("; ");
    let first = [route.id.to_string(), hosts, action_words(&route.action), limits, route.origin.to_string()];
    let rows = route.matches.iter().enumerate().map(|(at, alternative)| {
        let [name, hosts, does, limits, from] = if at == 0 { first.clone() } else { Default::default() };
        vec![name, hosts, match_words(alternative), does, limits, from]
    });
    rows.collect()
}

fn match_words(alternative: &RouteMatch) -> String {
    let mut words = match &alternative.path {
        PathMatch::Exact(path) => format!("exact {path}"),
        PathMatch::Prefix(path) => format!("prefix {path}"),
        PathMatch::BytePrefix(path) => format!("byte prefix {path}"),
        PathMatch::Regex(pattern) => format!("regex {}", pattern.as_str()),
    };
    if !alternative.methods.is_empty() {
        words = format!("{} {words}", alternative.methods.join(","));
    }
    for header in &alternative.headers {
        words = format!("{words}, header {}", header.name);
    }
    for parameter in &alternative.query {
        words = format!("{words}, query {}", parameter.name);
    }
    words
}

fn action_words(action: &Action) -> String {
    match action {
        Action::Forward(backends) => match &backends[..] {
            [only] => format!("→ {}", only.service),
            many => {
                let shares: Vec<_> = many.iter().map(|b| format!("{} ({})", b.service, b.weight)).collect();
                format!("→ {}", shares.join(", "))
            }
        },
        Action::Redirect(redirect) => format!("redirect {}", redirect.status),
        Action::Respond(respond) => format!("respond {}", respond.status),
    }
}

/// The rate limits of a printed object, in words.
fn limits(printed: &Value) -> Vec<String> {
    let words = |limit: &Value| {
        let text = |key: &str| match &limit[key] {
            Value::String(text) => text.clone(),
            Value::Object(one) => {
                let named = one
                    .iter()
                    .next()
                    .map(|(kind, name)| format!("{kind} {}", name.as_str().unwrap_or_default()));
                named.unwrap_or_default()
            }
            other => other.to_string(),
        };
        let rate = format!("{} per {}", text("requests"), text("per"));
        match limit["algorithm"].as_str() {
            Some("token_bucket") => format!("{rate} by {}, burst {}", text("key"), text("burst")),
            _ => rate,
        }
    };
    printed["rate_limits"].as_array().into_iter().flatten().map(words).collect()
}

fn service(live: &Arc<ServiceLive>, now: Mono) -> Value {
    json!({
        "name": live.model.id.as_str(),
        "from": live.model.origin.to_string(),
        "unresolved": live.unresolved,
        "breaker": live.breaker.as_deref().map(|b| breaker(b, now)),
        "in_flight": live.gate.inside(),
        "in_flight_max": live.model.limits.max_requests,
        "overloaded": live.gate.refused(),
        "retries_in_flight": live.retry_budget.retrying(),
        "limits": limits(&weir_config::print_service(&live.model)),
        "endpoints": live.endpoints.iter().map(|e| endpoint(live, e, now)).collect::<Vec<_>>(),
    })
}

fn endpoint(service: &ServiceLive, live: &EndpointLive, now: Mono) -> Value {
    json!({
        "name": &*live.name,
        "address": live.address.to_string(),
        "weight": weight(service, live),
        "breaker": live.breaker.as_deref().map(|b| breaker(b, now)),
        "in_flight": service.counts_load.then(|| live.in_flight.load(Relaxed)),
        "connections": live.connections.load(Relaxed),
        "connections_max": live.connections_max,
        "idle_between_workers": live.shelved(),
    })
}

fn service_rows(live: &Arc<ServiceLive>, now: Mono) -> Vec<Vec<String>> {
    let refused = live.gate.refused() + live.breaker.as_ref().map_or(0, |b| b.counts().refused);
    let first = vec![
        live.model.id.to_string(),
        if live.unresolved { "no address found" } else { "" }.into(),
        String::new(),
        live.breaker.as_deref().map_or_else(|| "-".into(), |b| breaker_words(b, now)),
        of(live.gate.inside(), live.model.limits.max_requests),
        String::new(),
        refused.to_string(),
        limits(&weir_config::print_service(&live.model)).join("; "),
    ];
    let rest = live.endpoints.iter().map(|e| {
        let address = e.address.to_string();
        vec![
            String::new(),
            if *address == *e.name { address } else { format!("{} ({address})", e.name) },
            weight(live, e).to_string(),
            e.breaker.as_deref().map_or_else(|| "-".into(), |b| breaker_words(b, now)),
            if live.counts_load { e.in_flight.load(Relaxed).to_string() } else { "-".into() },
            of(e.connections.load(Relaxed), e.connections_max),
            e.breaker.as_ref().map_or(0, |b| b.counts().refused).to_string(),
            String::new(),
        ]
    });
    std::iter::once(first).chain(rest).collect()
}

fn weight(service: &ServiceLive, live: &EndpointLive) -> u32 {
    let configured = service.model.endpoints.iter().find(|e| e.address.to_string() == *live.name);
    configured.map_or(0, |endpoint| endpoint.weight)
}

fn breaker(live: &BreakerLive, now: Mono) -> Value {
    let (state, retry_after) = match live.state(now) {
        BreakerState::Closed => ("closed", None),
        BreakerState::HalfOpen => ("half-open", None),
        BreakerState::Open { until } => ("open", Some(until.since(now).as_secs_f64())),
    };
    let counts = live.counts();
    json!({ "state": state, "probes_in_s": retry_after, "opened": counts.opened, "refused": counts.refused })
}

fn breaker_words(live: &BreakerLive, now: Mono) -> String {
    match live.state(now) {
        BreakerState::Closed => "closed".into(),
        BreakerState::HalfOpen => "half-open".into(),
        BreakerState::Open { until } => {
            format!("open, probes in {} s", until.since(now).as_secs_f64().ceil())
        }
    }
}

/// A count, with its cap where there is one.
fn of(count: u32, max: Option<u32>) -> String {
    max.map_or_else(|| count.to_string(), |max| format!("{count} of {max}"))
}
