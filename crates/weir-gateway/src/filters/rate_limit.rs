//! The route's rate limits: each must let the request pass.

use weir_model::{Failure, FailureKind, Phase};
use weir_traffic::{Limiter, Verdict, write_policy, write_state};

use super::key_of;
use crate::exchange::{Exchange, Refusal, Why};
use crate::live::RouteLive;
use crate::worker::Worker;

pub(super) fn on_request(worker: &Worker, exchange: &mut Exchange, route: &RouteLive) -> Result<(), Refusal> {
    let now = exchange.times.started;
    for limiter in &route.limiters {
        let key = limiter.key().and_then(|key| key_of(exchange, key));
        let verdict = limiter.check(worker.shared.limits(), &worker.shared.key_hasher, key.as_deref(), now);
        describe(route.model.id.as_str(), limiter, &verdict, &mut exchange.answer_fields);
        check(&verdict)?;
    }
    Ok(())
}

/// Turns a verdict that refuses into a refusal.
pub(crate) fn check(verdict: &Verdict) -> Result<(), Refusal> {
    let why = match verdict {
        Verdict::Allow { .. } | Verdict::Skip => return Ok(()),
        Verdict::Deny { retry_after } => Why::RetryAfter(*retry_after),
        Verdict::NoKey => Why::Text("the request lacks the key that the limit counts by"),
    };
    Err(Refusal { failure: Failure::new(FailureKind::RateLimited, Phase::Route), why })
}

/// Tells the client where it stands, whatever the verdict.
pub(crate) fn describe(name: &str, limiter: &Limiter, verdict: &Verdict, out: &mut Vec<u8>) {
    if matches!(verdict, Verdict::Skip | Verdict::NoKey) {
        return;
    }
    out.extend_from_slice(b"ratelimit-policy: ");
    write_policy(name, limiter, out);
    out.extend_from_slice(b"\r\nratelimit: ");
    write_state(name, verdict, out);
    out.extend_from_slice(b"\r\n");
}
