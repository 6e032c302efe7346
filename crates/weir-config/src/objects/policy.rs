//! Limits, breakers, retries, header edits and cross-origin rules.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_model::{
    Breaker, BreakerFailures, Cors, FailureShare, HeaderEdit, HeaderEdits, LimitKey, MissingKey, OriginMatch,
    Pattern, RateLimit, RetryOn, RetryPolicy,
};

use crate::form::{At, Fields, Form, Object, Raw, obj};
use crate::forms::{
    BOOL, Case, Choice, FIELD_VALUE, Flags, HEADER_NAME, Int, Items, METHOD, PATTERN, SHARE, Size, TEXT,
    TOKEN, Text, Time, Union, list, named, optional, reference, wire_name,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::{Shape, Shapes};
use crate::tree::{Node, Value};

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
const PER: Time = Time { min: Duration::from_millis(1), max: Duration::from_secs(30 * 86_400) };

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

impl Object for HeaderEdits {
    const NAME: &'static str = "header edits";
    const DOC: &'static str = "Edits of header fields, in the order remove, set, add.";

    fn blank() -> Self {
        Self::default()
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key(
            "remove",
            "Names whose fields are removed.",
            list(LoweredWireName, Items::Any),
            &mut self.remove,
        );
        let set = named(
            wire_name(),
            FIELD_VALUE,
            |name, value| HeaderEdit { name, value },
            |edit: &HeaderEdit| (&edit.name, &edit.value),
        );
        f.key("set", "Fields that replace all of their name.", set, &mut self.set);
        f.key("add", "Fields that come in addition; a list gives several.", AddedFields, &mut self.add);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        for (n, edit) in self.set.iter().enumerate() {
            if self.set[..n].iter().any(|other| other.name.eq_ignore_ascii_case(&edit.name)) {
                at.error("set", r, format!("`{}` is written twice, in different cases", edit.name)).help =
                    Some("leave one of the two out".into());
            }
        }
    }
}

/// A name whose fields are removed: matched, so held in lower case.
struct LoweredWireName;

impl Form<Arc<str>> for LoweredWireName {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Arc<str>> {
        wire_name().read(node, r).map(|name: Arc<str>| name.to_ascii_lowercase().into())
    }

    fn write(&self, value: &Arc<str>) -> Out {
        wire_name().write(value)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        wire_name().shape(shapes)
    }
}

/// A map from names to a value or a list of values.
struct AddedFields;

impl Form<Vec<HeaderEdit>> for AddedFields {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<HeaderEdit>> {
        let Value::Map(entries) = &node.value else {
            r.expected(node, "a map from header names to values");
            return None;
        };
        let before = r.mark();
        let mut edits = Vec::new();
        for entry in entries {
            r.within(crate::reader::Step::Key(&entry.key), |r| {
                let name = wire_name().parse_at(&entry.key, entry.key_span, r);
                let values: Option<Vec<Arc<str>>> = match &entry.node.value {
                    Value::List(_) => list(FIELD_VALUE, Items::Some).read(&entry.node, r),
                    _ => FIELD_VALUE.read(&entry.node, r).map(|value| vec![value]),
                };
                let (Some(name), Some(values)) = (name, values) else { return };
                edits.extend(values.into_iter().map(|value| HeaderEdit { name: name.clone(), value }));
            });
        }
        // Values of one name keep their order; names have none.
        edits.sort_by(|a, b| a.name.cmp(&b.name));
        (r.mark() == before).then_some(edits)
    }

    fn write(&self, value: &Vec<HeaderEdit>) -> Out {
        let mut entries: Vec<(String, Vec<Out>)> = Vec::new();
        for edit in value {
            let text = Out::text(&*edit.value);
            match entries.iter_mut().find(|(name, _)| **name == *edit.name) {
                Some((_, values)) => values.push(text),
                None => entries.push((edit.name.to_string(), vec![text])),
            }
        }
        let one_or_list =
            |mut values: Vec<Out>| if values.len() == 1 { values.remove(0) } else { Out::List(values) };
        Out::Map(entries.into_iter().map(|(name, values)| (name, one_or_list(values))).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let value = FIELD_VALUE.shape(shapes).schema;
        let schema = json!({
            "type": "object",
            "additionalProperties": { "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }] },
        });
        Shape::new(schema, "map from header name to header value or list of them")
    }
}

impl Object for Cors {
    const NAME: &'static str = "cors";
    const DOC: &'static str =
        "Cross-origin rules (Fetch standard, \"CORS protocol\"). Preflights are answered here.";

    fn blank() -> Self {
        Self {
            origins: Vec::new(),
            methods: ["GET", "HEAD", "POST"].map(Into::into).to_vec(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("origins", "Origins let in.", list(ORIGIN, Items::Some), &mut self.origins);
        f.key("methods", "Methods let in on a preflight.", list(METHOD, Items::Any), &mut self.methods);
        let doc = "Request header fields let in on a preflight; whatever is asked for when empty.";
        f.key("headers", doc, list(HEADER_NAME, Items::Any), &mut self.headers);
        f.key(
            "expose",
            "Answer header fields shown to scripts.",
            list(HEADER_NAME, Items::Any),
            &mut self.expose,
        );
        f.key("credentials", "Whether cookies and the like are let in.", BOOL, &mut self.credentials);
        f.key("max_age", "How long a preflight may be remembered.", Time::ANY, &mut self.max_age);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.credentials && self.origins.contains(&OriginMatch::Any) {
            let message = "credentials may not be let in together with `*`: any site could act for a user";
            at.error("credentials", r, message).help =
                Some("list the origins, or leave `credentials` out".into());
        }
    }
}

/// An origin as browsers send it: scheme, host and port, nothing else.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !host.is_empty()
        && !host.contains(['/', '?', '#', '*', ' ', '@'])
}

fn exact_origin<'n>(node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<OriginMatch> {
    let text = r.text(node, "an origin")?;
    if !is_origin(text) {
        r.error(node.span, format!("`{text}` is no origin")).help =
            Some("write https://app.example.com (without a path), \"*\", or { regex: … }".into());
        return None;
    }
    Some(OriginMatch::Exact(text.to_ascii_lowercase().into()))
}

const ORIGIN: Union<OriginMatch> = Union {
    words: &[("*", OriginMatch::Any)],
    bare: Some((exact_origin, |_| Shape::new(json!({ "type": "string" }), "origin"))),
    cases: &[Case {
        key: "regex",
        read: |node, r| PATTERN.read(node, r).map(OriginMatch::Regex),
        shape: |shapes| <Text<Pattern> as Form<Pattern>>::shape(&PATTERN, shapes),
    }],
    write: |origin| match origin {
        OriginMatch::Any => Out::text("*"),
        OriginMatch::Exact(text) => Out::text(&**text),
        OriginMatch::Regex(pattern) => Out::one("regex", Out::text(pattern.as_str())),
    },
};
