//! Step 4: choose the service, and ask whether it takes one more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_model::{Failure, FailureKind, Mono, Phase};
use weir_traffic::{Outcome, Pass};

use super::{Exchange, Met, Refusal, Why};
use crate::live::{ActionLive, EndpointLive, RouteLive, ServiceLive};
use crate::report;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// A service that has let the request in; left again with [`leave`].
pub(super) struct Admitted<'p> {
    pub(super) service: &'p Arc<ServiceLive>,
    pub(super) pass: Option<Pass>,
}

/// Picks the route's service by weight, or the fallback of one whose breaker is open, and asks its limits in turn: rate,
/// breaker, concurrency.
pub(super) fn admit<'p>(
    worker: &Worker,
    exchange: &mut Exchange,
    published: &'p Snapshot,
    route: &'p RouteLive,
    met: &mut Met<'p>,
) -> Result<Admitted<'p>, Refusal> {
    let now = exchange.times.started;
    let ActionLive::Forward { choice, slots } = &route.action else {
        return Err(Failure::new(FailureKind::Internal, Phase::Route).into());
    };
    let slot = if slots.len() == 1 { slots[0] } else { slots[choice.pick(&mut worker.rng.borrow_mut())] };
    let service = published.service(slot).ok_or(Failure::new(FailureKind::NoEndpoint, Phase::Route))?;
    met.service = Some(service);
    match enter(worker, exchange, service, now) {
        Err(refusal) if refusal.failure.kind == FailureKind::BreakerOpen => {
            // One hop: a fallback's own fallback is not asked, so that no circle can form.
            let Some(fallback) = service.fallback.and_then(|slot| published.service(slot)) else {
                return Err(refusal);
            };
            met.service = Some(fallback);
            enter(worker, exchange, fallback, now)
        }
        entered => entered,
    }
}

fn enter<'p>(
    worker: &Worker,
    exchange: &mut Exchange,
    service: &'p Arc<ServiceLive>,
    now: Mono,
) -> Result<Admitted<'p>, Refusal> {
    let shared = &worker.shared;
    for limiter in &service.limiters {
        let key = limiter.key().and_then(|key| crate::filters::key_of(exchange, key));
        let verdict = limiter.check(shared.limits(), &shared.key_hasher, key.as_deref(), now);
        crate::filters::describe_limit(
            service.model.id.as_str(),
            limiter,
            &verdict,
            &mut exchange.answer_fields,
        );
        crate::filters::check_limit(&verdict)?;
    }
    let mut pass = None;
    if let Some(breaker) = &service.breaker {
        let (verdict, transition) = breaker.try_pass(now);
        report::breaker(&service.model.id, None, transition);
        if let Pass::Refused { retry_after } = verdict {
            let failure = Failure::new(FailureKind::BreakerOpen, Phase::Route);
            return Err(Refusal { failure, why: Why::RetryAfter(retry_after) });
        }
        pass = Some(verdict);
    }
    if !service.gate.try_enter() {
        if let (Some(breaker), Some(pass)) = (&service.breaker, pass) {
            report::breaker(&service.model.id, None, breaker.record(pass, Outcome::Abandoned, now));
        }
        return Err(Failure::new(FailureKind::Overloaded, Phase::Route).into());
    }
    exchange.seen.admitted = true;
    Ok(Admitted { service, pass })
}

/// Leaves the service that was entered.
pub(super) fn leave(exchange: &mut Exchange, met: Met<'_>) {
    if let Some(service) = met.service
        && exchange.seen.admitted
    {
        service.gate.leave();
        exchange.seen.admitted = false;
    }
}

/// Counts a request in flight at an endpoint for as long as it lives, where the balancer wants to know.
pub(super) struct InFlight(Option<Arc<EndpointLive>>);

impl InFlight {
    pub(super) fn at(service: &ServiceLive, endpoint: usize) -> Self {
        let counted = service.counts_load.then(|| service.endpoints[endpoint].clone());
        if let Some(endpoint) = &counted {
            endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Self(counted)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(endpoint) = &self.0 {
            endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
