//! What is asked for at each scrape: pools, breakers, limits, queues.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_chain::health::{EndpointHealth, Health};
use weir_emit::metrics::{Family, Kind, Samples};
use weir_http::mono_now;
use weir_traffic::{BreakerState, GcraStats};

use crate::control::Gateway;
use crate::snapshot::Snapshot;

/// Registers all gauges of a gateway. They hold the gateway, as long as the registry lives.
pub(crate) fn register(gateway: &Gateway) {
    let add =
        |kind, name, help, labels: &'static [&'static str], read: fn(&Gateway, &Snapshot, &mut Samples)| {
            let gateway = gateway.clone();
            let family = Family::new(name, help).labels(labels);
            gateway
                .registry()
                .clone()
                .collect(kind, family, move |samples| read(&gateway, &gateway.snapshot(), samples))
                .forever();
        };
    add(Kind::Gauge, "weir_snapshot_version", "Number of the snapshot in force.", &[], |_, s, out| {
        out.push(&[], s.version as f64);
    });
    add(Kind::Gauge, "weir_routes", "Routes in force.", &[], |_, s, out| {
        out.push(&[], s.routes.len() as f64);
    });
    add(Kind::Gauge, "weir_tunnels", "Open upgraded connections.", &[], |g, _, out| {
        out.push(&[], f64::from(g.shared().tunnels.load(Ordering::Relaxed)));
    });
    add(Kind::Gauge, "weir_buffers", "16 KiB buffers, in use or kept.", &[], |_, _, out| {
        out.push(&[], weir_http::bufs_allocated() as f64);
    });
    add(
        Kind::Counter,
        "weir_mirror_dropped_total",
        "Copies of requests that were not made for want of room.",
        &[],
        |g, _, out| out.push(&[], g.shared().copies_dropped.load(Ordering::Relaxed) as f64),
    );
    add(
        Kind::Counter,
        "weir_mirror_failed_total",
        "Copies of requests whose service did not answer them in time.",
        &[],
        |g, _, out| out.push(&[], g.shared().copies_failed.load(Ordering::Relaxed) as f64),
    );
    add(
        Kind::Gauge,
        "weir_listener_connections",
        "Open client connections, by listener.",
        &["listener"],
        |_, s, out| each_listener(s, out, |l| f64::from(l.state.connections.load(Ordering::Relaxed))),
    );
    add(
        Kind::Counter,
        "weir_listener_accepted_total",
        "Client connections accepted, by listener.",
        &["listener"],
        |_, s, out| each_listener(s, out, |l| l.state.accepted.load(Ordering::Relaxed) as f64),
    );
    add(
        Kind::Counter,
        "weir_listener_refused_total",
        "Client connections closed at once because of max_connections, by listener.",
        &["listener"],
        |_, s, out| each_listener(s, out, |l| l.state.refused.load(Ordering::Relaxed) as f64),
    );
    add(
        Kind::Counter,
        "weir_listener_handshake_failures_total",
        "TLS handshakes that failed, by listener.",
        &["listener"],
        |_, s, out| each_listener(s, out, |l| l.state.handshake_failures.load(Ordering::Relaxed) as f64),
    );
    add(
        Kind::Gauge,
        "weir_service_requests_in_flight",
        "Requests in flight, by service.",
        &["service"],
        |_, s, out| each_service(s, |s| out.push(&[s.model.id.as_str()], f64::from(s.gate.inside()))),
    );
    add(
        Kind::Counter,
        "weir_service_overloaded_total",
        "Requests refused by max_requests, by service.",
        &["service"],
        |_, s, out| each_service(s, |s| out.push(&[s.model.id.as_str()], s.gate.refused() as f64)),
    );
    add(
        Kind::Gauge,
        "weir_service_retries_in_flight",
        "Retries in flight, by service.",
        &["service"],
        |_, s, out| {
            each_service(s, |s| out.push(&[s.model.id.as_str()], f64::from(s.retry_budget.retrying())));
        },
    );
    add(
        Kind::Gauge,
        "weir_endpoint_connections",
        "Open connections to endpoints, idle ones included.",
        &["service", "endpoint"],
        |_, s, out| {
            each_service(s, |s| {
                for e in &s.endpoints {
                    out.push(
                        &[s.model.id.as_str(), &e.name],
                        f64::from(e.connections.load(Ordering::Relaxed)),
                    );
                }
            });
        },
    );
    add(
        Kind::Gauge,
        "weir_endpoint_shelved",
        "Idle connections between workers, by endpoint.",
        &["service", "endpoint"],
        |_, s, out| {
            each_service(s, |s| {
                for e in &s.endpoints {
                    out.push(&[s.model.id.as_str(), &e.name], e.shelved() as f64);
                }
            });
        },
    );
    add(
        Kind::Gauge,
        "weir_breaker_state",
        "0 closed, 1 half-open, 2 open; endpoint is empty for the service's own.",
        &["service", "endpoint"],
        |_, s, out| each_breaker(s, |labels, b| out.push(labels, state_number(b))),
    );
    add(
        Kind::Counter,
        "weir_breaker_opened_total",
        "How often a breaker opened.",
        &["service", "endpoint"],
        |_, s, out| each_breaker(s, |labels, b| out.push(labels, b.counts().opened as f64)),
    );
    add(
        Kind::Counter,
        "weir_breaker_refused_total",
        "Requests that a breaker refused.",
        &["service", "endpoint"],
        |_, s, out| each_breaker(s, |labels, b| out.push(labels, b.counts().refused as f64)),
    );
    add(
        Kind::Gauge,
        "weir_chain_head",
        "The newest height of a chain that services stand on.",
        &["chain"],
        |_, s, out| {
            for chain in s.chains() {
                if let Some(head) = chain.health().head {
                    out.push(&[chain.model.id.as_str()], head.0 as f64);
                }
            }
        },
    );
    add(Kind::Gauge, "weir_chain_node_height", "A node's newest height.", &["chain", "node"], |_, s, out| {
        each_node(s, out, |node, _| Some(node.status.as_ref()?.height.0 as f64));
    });
    add(
        Kind::Gauge,
        "weir_chain_node_lag_blocks",
        "How far a node is behind the newest height.",
        &["chain", "node"],
        |_, s, out| {
            each_node(s, out, |node, health| {
                Some(health.head?.0.saturating_sub(node.status.as_ref()?.height.0) as f64)
            });
        },
    );
    add(
        Kind::Gauge,
        "weir_chain_node_usable",
        "1 where requests go to the node, 0 where it is ejected.",
        &["chain", "node"],
        |_, s, out| {
            each_node(s, out, |node, _| Some(f64::from(u8::from(node.verdict.is_usable()))));
        },
    );
    add(
        Kind::Gauge,
        "weir_chain_node_latency_seconds",
        "How long a node takes to say how it is.",
        &["chain", "node"],
        |_, s, out| {
            each_node(s, out, |node, _| Some(node.latency.as_secs_f64()));
        },
    );
    add(
        Kind::Gauge,
        "weir_chain_kept_bytes",
        "Answers about final blocks that are kept.",
        &["chain"],
        |_, s, out| {
            for chain in s.chains() {
                out.push(&[chain.model.id.as_str()], chain.kept_bytes() as f64);
            }
        },
    );
    add(Kind::Gauge, "weir_limit_cells", "Cells of the table of keyed limits.", &[], |g, _, out| {
        out.push(&[], limits(g).map_or(0, |s| s.cells) as f64);
    });
    add(Kind::Gauge, "weir_limit_cells_used", "Cells whose bucket is not full.", &[], |g, _, out| {
        out.push(&[], limits(g).map_or(0, |s| s.used) as f64);
    });
    add(
        Kind::Counter,
        "weir_limit_overflow_total",
        "Verdicts from a shared overflow cell, for want of a free one.",
        &[],
        |g, _, out| out.push(&[], limits(g).map_or(0, |s| s.overflow_hits) as f64),
    );
}

fn limits(gateway: &Gateway) -> Option<GcraStats> {
    gateway.shared().limits_in_use().map(|table| table.stats(mono_now()))
}

fn each_listener(snapshot: &Snapshot, out: &mut Samples, read: impl Fn(&crate::live::ListenerLive) -> f64) {
    for listener in snapshot.listeners() {
        out.push(&[listener.model.id.as_str()], read(listener));
    }
}

fn each_node(snapshot: &Snapshot, out: &mut Samples, read: impl Fn(&EndpointHealth, &Health) -> Option<f64>) {
    for chain in snapshot.chains() {
        let health = chain.health();
        for node in &health.endpoints {
            if let Some(value) = read(node, &health) {
                out.push(&[chain.model.id.as_str(), &node.name], value);
            }
        }
    }
}

fn each_service(snapshot: &Snapshot, read: impl FnMut(&Arc<crate::live::ServiceLive>)) {
    snapshot.services.iter().flatten().for_each(read);
}

fn each_breaker(snapshot: &Snapshot, mut read: impl FnMut(&[&str], &weir_traffic::BreakerLive)) {
    each_service(snapshot, |service| {
        let id = service.model.id.as_str();
        if let Some(breaker) = &service.breaker {
            read(&[id, ""], breaker);
        }
        for endpoint in &service.endpoints {
            if let Some(breaker) = &endpoint.breaker {
                read(&[id, &endpoint.name], breaker);
            }
        }
    });
}

fn state_number(breaker: &weir_traffic::BreakerLive) -> f64 {
    match breaker.state(mono_now()) {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open { .. } => 2.0,
    }
}
