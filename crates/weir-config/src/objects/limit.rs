//! Rate limits.

use std::time::Duration;

use weir_model::{LimitKey, MissingKey, RateLimit};

use crate::form::{At, Fields, Form, Object, Raw};
use crate::forms::{Case, Choice, HEADER_NAME, Int, TEXT, TOKEN, Time, Union, optional};
use crate::out::Out;
use crate::reader::Reader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    TokenBucket,
    SlidingWindow,
}

/// A rate limit, as written.
#[derive(Clone)]
pub(crate) struct LimitText {
    algorithm: Algorithm,
    key: Option<LimitKey>,
    missing: Option<MissingKey>,
    requests: u32,
    per: Duration,
    burst: Option<u32>,
}

/// Finer clocks are not kept, and longer spans would outlive restarts.
const PER: Time = Time { min: Duration::from_millis(1), max: Duration::from_hours(30 * 24) };

impl Object for LimitText {
    const NAME: &'static str = "rate limit";
    const DOC: &'static str =
        "A limit on the rate of requests, over all workers; what is beyond it is refused with 429.";

    fn blank() -> Self {
        Self {
            algorithm: Algorithm::TokenBucket,
            key: None,
            missing: None,
            requests: 1,
            per: Duration::from_secs(1),
            burst: None,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let algorithm =
            Choice(&[("token_bucket", Algorithm::TokenBucket), ("sliding_window", Algorithm::SlidingWindow)]);
        let doc = "`token_bucket`: a bucket per key that fills at a constant rate. `sliding_window`: at most so many in any \
                   span of this length, over all callers.";
        f.required("algorithm", doc, algorithm, &mut self.algorithm);
        let doc = "Token bucket: what tells callers apart (`all`, one bucket for all, when not set). `address` is the \
                   client's, after trusted proxies.";
        f.key("key", doc, optional(LIMIT_KEY), &mut self.key);
        let missing =
            Choice(&[("shared", MissingKey::Shared), ("skip", MissingKey::Skip), ("deny", MissingKey::Deny)]);
        let doc = "Token bucket: requests without a key share one bucket (`shared`, when not set), are not limited, or are \
                   refused.";
        f.key("missing", doc, optional(missing), &mut self.missing);
        f.required("requests", "Requests in a span.", Int { min: 1, max: 1_000_000_000 }, &mut self.requests);
        f.required("per", "The span.", PER, &mut self.per);
        let doc = "Token bucket: how many may come at once; as many as `requests` when not set.";
        f.key("burst", doc, optional(Int { min: 1, max: 1_000_000_000 }), &mut self.burst);
    }
}

impl Raw<RateLimit> for LimitText {
    fn refine<'n>(self, at: At<'n>, r: &mut Reader<'n>) -> Option<RateLimit> {
        let Self { algorithm, key, missing, requests, per, burst } = self;
        match algorithm {
            Algorithm::TokenBucket => Some(RateLimit::TokenBucket {
                key: key.unwrap_or(LimitKey::All),
                missing: missing.unwrap_or(MissingKey::Shared),
                requests,
                per,
                burst: burst.unwrap_or(requests),
            }),
            Algorithm::SlidingWindow => {
                for key in ["key", "missing", "burst"] {
                    if at.node(key).is_some() {
                        let message =
                            format!("a sliding window counts all requests together; it has no `{key}`");
                        at.error(key, r, message).help =
                            Some("leave it out, or use `algorithm: token_bucket`".into());
                    }
                }
                Some(RateLimit::SlidingWindow { requests, per })
            }
        }
    }

    fn raw(model: &RateLimit) -> Self {
        match model.clone() {
            RateLimit::TokenBucket { key, missing, requests, per, burst } => Self {
                algorithm: Algorithm::TokenBucket,
                key: Some(key),
                missing: Some(missing),
                requests,
                per,
                burst: Some(burst),
            },
            RateLimit::SlidingWindow { requests, per } => {
                Self { algorithm: Algorithm::SlidingWindow, requests, per, ..Self::blank() }
            }
        }
    }
}

const LIMIT_KEY: Union<LimitKey> = Union {
    words: &[("all", LimitKey::All), ("address", LimitKey::Address)],
    bare: None,
    cases: &[
        Case {
            key: "header",
            read: |node, r| HEADER_NAME.read(node, r).map(LimitKey::Header),
            shape: |shapes| HEADER_NAME.shape(shapes),
        },
        Case {
            key: "cookie",
            read: |node, r| TOKEN.read(node, r).map(LimitKey::Cookie),
            shape: |shapes| TOKEN.shape(shapes),
        },
        Case {
            key: "query",
            read: |node, r| TEXT.read(node, r).map(LimitKey::Query),
            shape: |shapes| TOKEN.shape(shapes),
        },
    ],
    write: |key| match key {
        LimitKey::All => Out::text("all"),
        LimitKey::Address => Out::text("address"),
        LimitKey::Header(name) => Out::one("header", Out::text(&**name)),
        LimitKey::Cookie(name) => Out::one("cookie", Out::text(&**name)),
        LimitKey::Query(name) => Out::one("query", Out::text(&**name)),
    },
};
