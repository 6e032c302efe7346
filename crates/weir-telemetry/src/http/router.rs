//! Which interface a path belongs to.
//!
//! Everything lives on one port, since no two protocols ask for the same path with the same method, but for two: traces
//! are asked for at `/api/traces/ID` by Jaeger and by Tempo. Jaeger has it; Tempo lives below `/tempo`, where a data
//! source's URL can point at. `/prometheus`, `/loki` and `/jaeger` are understood as well.

use http::Method;

use crate::tally::Protocol;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// OTLP over HTTP: metrics.
    OtlpMetrics,
    /// OTLP over HTTP: logs.
    OtlpLogs,
    /// OTLP over HTTP: traces.
    OtlpTraces,
    /// Prometheus' remote write.
    RemoteWrite,
    /// Loki's push.
    LokiPush,
    /// Zipkin's spans, version 2 (JSON or protobuf).
    ZipkinV2,
    /// Zipkin's spans, version 1 (JSON).
    ZipkinV1,
    /// Jaeger's Thrift over HTTP.
    JaegerThrift,
    /// Prometheus' queries; what follows `/api/v1/`.
    Prometheus(&'a str),
    /// Loki's queries; what follows `/loki/api/v1/`.
    Loki(&'a str),
    /// Jaeger's queries; what follows `/api/`.
    Jaeger(&'a str),
    /// Tempo's queries; what follows `/tempo/`.
    Tempo(&'a str),
    /// Whether it is ready.
    Ready,
    /// The metrics of the process.
    Metrics,
    /// Writes what is in memory and merges all that can be merged.
    Settle,
    /// Known under another method.
    WrongMethod,
    /// Nothing known.
    Unknown,
}

impl Asked<'_> {
    /// What payloads that come in there are counted under.
    pub(crate) fn protocol(self) -> Option<Protocol> {
        match self {
            Self::OtlpMetrics | Self::OtlpLogs | Self::OtlpTraces => Some(Protocol::Otlp),
            Self::RemoteWrite => Some(Protocol::RemoteWrite),
            Self::LokiPush => Some(Protocol::Loki),
            Self::ZipkinV2 | Self::ZipkinV1 => Some(Protocol::Zipkin),
            Self::JaegerThrift => Some(Protocol::Jaeger),
            _ => None,
        }
    }
}

/// The interface of a method and a path (without query).
pub(crate) fn route<'a>(method: &Method, path: &'a str) -> Asked<'a> {
    let post = *method == Method::POST;
    let read = post || *method == Method::GET || *method == Method::HEAD;
    let write = |asked| if post { asked } else { Asked::WrongMethod };
    match path {
        "/v1/metrics" => return write(Asked::OtlpMetrics),
        "/v1/logs" => return write(Asked::OtlpLogs),
        "/v1/traces" => return write(Asked::OtlpTraces),
        "/api/v1/write" | "/api/v1/push" | "/prometheus/api/v1/write" => return write(Asked::RemoteWrite),
        "/loki/api/v1/push" | "/api/prom/push" => return write(Asked::LokiPush),
        "/api/v2/spans" => return write(Asked::ZipkinV2),
        "/api/v1/spans" => return write(Asked::ZipkinV1),
        "/api/traces" if post => return Asked::JaegerThrift,
        "/metrics" => return if read && !post { Asked::Metrics } else { Asked::WrongMethod },
        "/-/settle" => return write(Asked::Settle),
        "/ready" | "/-/ready" | "/-/healthy" => return Asked::Ready,
        _ => {}
    }
    let asked = if let Some(rest) = path.strip_prefix("/loki/api/v1/") {
        Asked::Loki(rest)
    } else if let Some(rest) = path.strip_prefix("/tempo/") {
        Asked::Tempo(rest)
    } else if let Some(rest) =
        path.strip_prefix("/prometheus/api/v1/").or_else(|| path.strip_prefix("/api/v1/"))
    {
        Asked::Prometheus(rest)
    } else if let Some(rest) = path.strip_prefix("/jaeger/api/").or_else(|| path.strip_prefix("/api/")) {
        Asked::Jaeger(rest)
    } else {
        return Asked::Unknown;
    };
    if read { asked } else { Asked::WrongMethod }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_has_its_path() {
        let check = |method: Method, path: &str, expect: Asked<'_>| {
            assert_eq!(route(&method, path), expect, "{path}");
        };
        check(Method::POST, "/v1/traces", Asked::OtlpTraces);
        check(Method::GET, "/v1/traces", Asked::WrongMethod);
        check(Method::POST, "/api/traces", Asked::JaegerThrift);
        check(Method::GET, "/api/traces", Asked::Jaeger("traces"));
        check(Method::GET, "/jaeger/api/services", Asked::Jaeger("services"));
        check(Method::GET, "/tempo/api/traces/1f", Asked::Tempo("api/traces/1f"));
        check(Method::POST, "/api/v1/query", Asked::Prometheus("query"));
        check(Method::GET, "/prometheus/api/v1/label/a/values", Asked::Prometheus("label/a/values"));
        check(Method::GET, "/loki/api/v1/tail", Asked::Loki("tail"));
        check(Method::GET, "/metrics", Asked::Metrics);
        check(Method::POST, "/metrics", Asked::WrongMethod);
        check(Method::GET, "/-/settle", Asked::WrongMethod);
        check(Method::DELETE, "/api/v1/query", Asked::WrongMethod);
        check(Method::GET, "/", Asked::Unknown);
    }
}
