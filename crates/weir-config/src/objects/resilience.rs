//! Breakers and retries.

use std::time::Duration;

use weir_model::{Breaker, BreakerFailures, FailureShare, RetryOn, RetryPolicy};

use crate::form::{At, Fields, Object, obj};
use crate::forms::{Flags, Int, SHARE, Size, Time, optional, reference};
use crate::reader::Reader;

const NO_FAILURES: BreakerFailures = BreakerFailures { status_5xx: false, connect: false, timeout: false };

impl Object for Breaker {
    const NAME: &'static str = "breaker";
    const DOC: &'static str =
        "Stops asking what keeps failing: closed, open (503 with `Retry-After`), half-open, closed.";

    fn blank() -> Self {
        Self {
            consecutive_failures: 5,
            failure_share: None,
            failures: BreakerFailures { status_5xx: true, connect: true, timeout: true },
            open_for: Duration::from_secs(30),
            half_open_requests: 3,
            fallback: None,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Opens after so many failures in a row. 0 switches this trigger off.";
        f.key("consecutive_failures", doc, Int { min: 0, max: 1_000_000 }, &mut self.consecutive_failures);
        f.key(
            "failure_share",
            "Opens on a share of failures, too.",
            optional(obj()),
            &mut self.failure_share,
        );
        let failures = Flags {
            none: NO_FAILURES,
            words: &[
                ("5xx", |f| &mut f.status_5xx),
                ("connect", |f| &mut f.connect),
                ("timeout", |f| &mut f.timeout),
            ],
        };
        let doc = "What counts as a failure: a status of 500 to 599, a connection that was not made or broke, a try that ran \
                   out of time.";
        f.key("failures", doc, failures, &mut self.failures);
        f.key(
            "open_for",
            "How long it stays open before probes are let through.",
            Time::POSITIVE,
            &mut self.open_for,
        );
        let doc = "Probes let through; all have to succeed for it to close, one failure opens it again.";
        f.key("half_open_requests", doc, Int { min: 1, max: 1_000_000 }, &mut self.half_open_requests);
        let doc = "A service that is asked instead while it is open; one hop only.";
        f.key("fallback", doc, optional(reference()), &mut self.fallback);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.consecutive_failures == 0 && self.failure_share.is_none() {
            r.error(at.span, "this breaker never opens").help =
                Some("set `consecutive_failures` or `failure_share`, or leave the breaker out".into());
        }
        if self.failures == NO_FAILURES {
            at.error("failures", r, "nothing counts as a failure, so this breaker never opens").help =
                Some("list some of `5xx`, `connect`, `timeout`".into());
        }
    }
}

impl Object for FailureShare {
    const NAME: &'static str = "failure share";
    const DOC: &'static str = "Opens a breaker when a share of recent requests failed.";

    fn blank() -> Self {
        Self { share_ppm: 500_000, window: Duration::from_secs(10), minimum: 20 }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("share", "Share of failures that opens it.", SHARE, &mut self.share_ppm);
        f.key("window", "Span of time looked at.", Time::POSITIVE, &mut self.window);
        let doc = "Fewer requests than this in the span never open it.";
        f.key("minimum", doc, Int { min: 1, max: 1_000_000_000 }, &mut self.minimum);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.share_ppm == 0 {
            at.error("share", r, "a share of 0% is reached without any failure").help =
                Some("raise it".into());
        }
    }
}

impl Object for RetryPolicy {
    const NAME: &'static str = "retry";
    const DOC: &'static str = "When a failed try is repeated, at another endpoint where there is one. Never once an answer began; once a byte of \
         the request was sent, only idempotent methods.";

    fn blank() -> Self {
        Self {
            max: 1,
            on: RetryOn {
                connect: true,
                reset: true,
                timeout: false,
                gateway_status: false,
                status_5xx: false,
            },
            budget_ppm: 200_000,
            budget_min: 10,
            replay_bytes_max: 0,
            backoff: Duration::from_millis(25),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Further tries after the first. 0 switches retries off, except the one that is always safe: a kept \
                   connection that turned out closed before a byte of the answer.";
        f.key("max", doc, Int { min: 0, max: 20 }, &mut self.max);
        let when = Flags {
            none: RetryOn {
                connect: false,
                reset: false,
                timeout: false,
                gateway_status: false,
                status_5xx: false,
            },
            words: &[
                ("connect", |f| &mut f.connect),
                ("reset", |f| &mut f.reset),
                ("timeout", |f| &mut f.timeout),
                ("gateway_status", |f| &mut f.gateway_status),
                ("5xx", |f| &mut f.status_5xx),
            ],
        };
        let doc = "What is repeated: no connection was made, it broke before the answer, the try ran out of time, 502 or 503 \
                   or 504 was answered, any 5xx was answered.";
        f.key("when", doc, when, &mut self.on);
        f.key(
            "budget",
            "Retries in flight may be at most this share of live requests…",
            SHARE,
            &mut self.budget_ppm,
        );
        f.key(
            "budget_min",
            "…but so many are always allowed.",
            Int { min: 0, max: 1_000_000 },
            &mut self.budget_min,
        );
        let doc =
            "Bodies up to this size are held, so that they can be sent again; larger ones are sent once.";
        f.key("max_replay", doc, Size { min: 0, max: 16 << 20 }, &mut self.replay_bytes_max);
        f.key(
            "backoff",
            "First pause before a retry; doubled each time, with jitter.",
            Time::ANY,
            &mut self.backoff,
        );
    }
}
