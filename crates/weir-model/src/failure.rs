//! What went wrong with a request: one vocabulary for log, metrics, answers and explanations.

use std::fmt;

/// Why a request did not get the answer it asked for. The kinds follow RFC 9209 (Proxy-Status), section 2.3, with
/// additions where it has no word; [`FailureKind::response_flag`] is the table to Envoy's response flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No route matched (404).
    NoRoute,
    /// The service has no endpoint that may be tried.
    NoEndpoint,
    /// A name could not be resolved.
    DnsError,
    /// The connection was refused.
    ConnectionRefused,
    /// The connection was not established in time.
    ConnectionTimeout,
    /// The connection broke before or while it was used.
    ConnectionTerminated,
    /// The upstream's certificate was not acceptable.
    TlsCertificateError,
    /// The TLS handshake failed otherwise.
    TlsProtocolError,
    /// The whole request took longer than its route allows.
    RequestTimeout,
    /// One try took longer than allowed.
    TryTimeout,
    /// The upstream's answer was not HTTP, or ambiguous.
    ResponseProtocolError,
    /// The upstream's answer ended early.
    ResponseIncomplete,
    /// The head of the upstream's answer was larger than allowed.
    ResponseHeadTooLarge,
    /// The breaker is open.
    BreakerOpen,
    /// A concurrency or connection cap was reached.
    Overloaded,
    /// A rate limit was reached.
    RateLimited,
    /// The request was malformed or ambiguous.
    RequestProtocolError,
    /// The request's head did not arrive in time.
    RequestHeadTimeout,
    /// The request's head was too large, or had too many fields.
    RequestHeadTooLarge,
    /// The request's target was too long.
    TargetTooLong,
    /// The request's body was larger than allowed.
    RequestBodyTooLarge,
    /// The request's body stopped arriving.
    RequestBodyTimeout,
    /// A policy said no (CONNECT, an upgrade that is not listed, a forbidden path).
    Denied,
    /// The client went away.
    ClientGone,
    /// A defect of Weir's own.
    Internal,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Whoever sent the request.
    Downstream,
    /// Whoever should have answered it.
    Upstream,
    /// Weir, or the policy it was given.
    Internal,
}

/// When it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// While the request's head was read.
    Head,
    /// While the route was chosen and request filters ran.
    Route,
    /// While an endpoint and a connection were obtained.
    Connect,
    /// While the request was sent.
    Send,
    /// While the answer's head was awaited.
    Wait,
    /// While the answer's body was passed on.
    Body,
}

/// Whether the request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No byte of it can have been acted on.
    Safe,
    /// It may have been acted on: only idempotent methods.
    IfIdempotent,
    /// Never.
    No,
}

/// One failure, with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// Who is to blame.
    pub blame: Blame,
    /// When it happened.
    pub phase: Phase,
    /// Whether another try is allowed.
    pub retry: Retry,
}

impl Failure {
    /// A failure with the usual blame for its kind and no retry.
    pub fn new(kind: FailureKind, phase: Phase) -> Self {
        Self { kind, blame: kind.blame(), phase, retry: Retry::No }
    }

    /// The same failure with another verdict on retries.
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }
}

macro_rules! kinds {
    ($($kind:ident $word:literal $status:literal $blame:ident $flag:literal $says:literal,)*) => {
        impl FailureKind {
            /// Every kind, in the order of the documentation's table.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word in logs, metrics and `Proxy-Status`.
            pub fn word(self) -> &'static str { match self { $(Self::$kind => $word),* } }

            /// The HTTP status of the answer that Weir makes for it; 0 where the connection is only closed.
            pub fn status(self) -> u16 { match self { $(Self::$kind => $status),* } }

            /// Who is usually to blame.
            pub fn blame(self) -> Blame { match self { $(Self::$kind => Blame::$blame),* } }

            /// Envoy's response flag for the same thing; empty where it has none.
            pub fn response_flag(self) -> &'static str { match self { $(Self::$kind => $flag),* } }

            /// One sentence for the answer's body.
            pub fn says(self) -> &'static str { match self { $(Self::$kind => $says),* } }
        }
    };
}

kinds! {
    NoRoute "no_route" 404 Downstream "NR" "no route matches this request",
    NoEndpoint "no_endpoint" 503 Internal "UH" "the service has no endpoint that may be tried",
    DnsError "dns_error" 502 Upstream "DF" "the upstream's name could not be resolved",
    ConnectionRefused "connection_refused" 503 Upstream "UF" "the upstream refused the connection",
    ConnectionTimeout "connection_timeout" 504 Upstream "UF" "the upstream did not accept the connection in time",
    ConnectionTerminated "connection_terminated" 502 Upstream "UC" "the upstream closed the connection without an answer",
    TlsCertificateError "tls_certificate_error" 502 Upstream "UF" "the upstream's certificate is not acceptable",
    TlsProtocolError "tls_protocol_error" 502 Upstream "UF" "the TLS handshake with the upstream failed",
    RequestTimeout "request_timeout" 504 Upstream "UT" "the request took longer than its route allows",
    TryTimeout "try_timeout" 504 Upstream "UT" "the upstream did not answer in time",
    ResponseProtocolError "http_protocol_error" 502 Upstream "UPE" "the upstream's answer is not acceptable HTTP",
    ResponseIncomplete "http_response_incomplete" 502 Upstream "UC" "the upstream's answer ended early",
    ResponseHeadTooLarge "http_response_header_section_size" 502 Upstream "UPE" "the head of the upstream's answer is too large",
    BreakerOpen "breaker_open" 503 Upstream "UO" "the service's breaker is open",
    Overloaded "overloaded" 503 Internal "UO" "the service is at its limit of concurrent requests",
    RateLimited "rate_limited" 429 Downstream "RL" "a rate limit was reached",
    RequestProtocolError "http_request_error" 400 Downstream "DPE" "the request is not acceptable HTTP",
    RequestHeadTimeout "request_head_timeout" 408 Downstream "DT" "the request's head did not arrive in time",
    RequestHeadTooLarge "request_head_too_large" 431 Downstream "DPE" "the request's head is too large",
    TargetTooLong "request_target_too_long" 414 Downstream "DPE" "the request's target is too long",
    RequestBodyTooLarge "request_body_too_large" 413 Downstream "DPE" "the request's body is too large",
    RequestBodyTimeout "request_body_timeout" 408 Downstream "DT" "the request's body stopped arriving",
    Denied "http_request_denied" 403 Downstream "UAEX" "a policy refuses this request",
    ClientGone "client_gone" 0 Downstream "DC" "the client went away",
    Internal "proxy_internal_error" 500 Internal "" "a defect of the gateway",
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Blame {
    /// The word in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
            Self::Internal => "internal",
        }
    }
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::Head, Self::Route, Self::Connect, Self::Send, Self::Wait, Self::Body];

    /// The word in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Route => "route",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Body => "body",
        }
    }
}
