//! Step 5a: pick an endpoint and get a connection to it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use weir_http::tls;
use weir_http::{Stream, mono_now};
use weir_model::{Balancer, Failure, FailureKind, HashKey, Mono, Phase, Retry, fixed_hash};

use super::Exchange;
use crate::filters::cookie;
use crate::live::{EndpointLive, ServiceLive};
use crate::pool::{Open, Upstream};
use crate::worker::Worker;

/// Endpoints of a service that this request was sent to already, as bits; those past the 64th are never excluded.
pub(super) type Tried = u64;

/// Picks an endpoint whose breaker lets requests through, an untried one if there is one.
pub(super) fn pick(
    worker: &Worker,
    exchange: &Exchange,
    service: &ServiceLive,
    tried: Tried,
    now: Mono,
) -> Result<usize, Failure> {
    if let Some(chain) = &service.chain {
        let picked = super::rpc::pick(worker, exchange, service, chain, tried, now);
        return picked.ok_or(Failure::new(FailureKind::NoEndpoint, Phase::Connect));
    }
    let hash = match &service.model.balancer {
        Balancer::ConsistentHash(key) => hash_of(exchange, key),
        Balancer::RoundRobin | Balancer::LeastRequests => None,
    };
    let endpoints = &service.endpoints;
    let load = |i: usize| endpoints[i].in_flight.load(Ordering::Relaxed);
    let pick = |tried: Tried| {
        worker.with_cursor(service.slot, |cursor| {
            let untried = |i: usize| i >= 64 || tried & (1 << i) == 0;
            let usable = |i: usize| untried(i) && endpoints[i].is_usable(now);
            service.picker.pick(cursor, &mut worker.rng.borrow_mut(), hash, usable, load)
        })
    };
    let picked = pick(tried).or_else(|| if tried == 0 { None } else { pick(0) });
    picked.ok_or_else(|| {
        let unresolved = service.unresolved && endpoints.is_empty();
        Failure::new(if unresolved { FailureKind::DnsError } else { FailureKind::NoEndpoint }, Phase::Connect)
    })
}

fn hash_of(exchange: &Exchange, key: &HashKey) -> Option<u64> {
    match key {
        HashKey::Header(name) => exchange.request.fields.get_name(name).map(fixed_hash),
        HashKey::Cookie(name) => cookie(&exchange.request.fields, name).map(fixed_hash),
        HashKey::Address => exchange.address.map(|address| fixed_hash(&address)),
    }
}

/// A connection from the pool, if one is there.
pub(super) fn pooled(worker: &Worker, endpoint: &Arc<EndpointLive>, now: Mono) -> Option<Upstream> {
    worker.pools.borrow_mut().check_out(endpoint, now)
}

/// A new connection. Cancel-safe: dropping the future closes what was begun.
pub(super) async fn dial(endpoint: &Arc<EndpointLive>, deadline: Mono) -> Result<Upstream, Failure> {
    let fail = |kind| Failure::new(kind, Phase::Connect).retry(Retry::Safe);
    let open = Open::reserve(endpoint).ok_or_else(|| fail(FailureKind::Overloaded))?;
    let tcp = TcpStream::connect(endpoint.address).await.map_err(|error| {
        fail(match error.kind() {
            ErrorKind::TimedOut => FailureKind::ConnectionTimeout,
            _ => FailureKind::ConnectionRefused,
        })
    })?;
    let _ = tcp.set_nodelay(true);
    let stream = match &endpoint.tls {
        None => Stream::Plain(tcp),
        Some(tls) => {
            let connected = tls::connect(tcp, &tls.config, &tls.server_name, deadline).await;
            Stream::Tls(connected.map(|(stream, _)| stream).map_err(|error| {
                tracing::debug!(endpoint = %endpoint.name, %error, "TLS handshake with an endpoint failed");
                fail(error.failure_kind())
            })?)
        }
    };
    Ok(Upstream::new(stream, open, mono_now()))
}
