//! What is measured, as a list.

use super::proxy::Kind;
use super::routes::Table;

/// A question and how it is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) routes: Table,
    pub(crate) tls: bool,
    pub(crate) logs: bool,
    pub(crate) work: Work,
}

/// What the load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// 64 keep-alive connections in a closed loop, then an open loop for the latencies.
    Get,
    /// The same with a larger answer, closed loop only.
    Download(&'static str),
    /// A body of 1 MiB, closed loop only.
    Upload,
    /// 64 keep-alive connections over TLS, by wrk.
    TlsKeepAlive,
    /// A connection for each request, over TLS, by `openssl s_time`.
    TlsHandshake,
    /// Memory held by connections that do nothing.
    Idle,
    /// Memory and time to start.
    Start,
}

impl Case {
    /// Whether a bar of this case is about `kind`.
    pub(crate) fn names(&self, kind: Kind) -> bool {
        let rivals = || BARS.iter().filter(|bar| bar.case == self.name).filter_map(|bar| bar.against);
        matches!(kind, Kind::Weir | Kind::Nginx) || rivals().any(|rival| rival == kind.name())
    }
}

const fn case(name: &'static str, question: &'static str, routes: Table, work: Work) -> Case {
    Case { name, question, routes, tls: false, logs: false, work }
}

/// All, in the order of a full run.
pub(crate) const CASES: &[Case] = &[
    case("plain", "64 keep-alive connections, 10 routes, logs off", Table::Ten, Work::Get),
    Case { logs: true, ..case("plain-logs", "the same with access logs on", Table::Ten, Work::Get) },
    case("routes-hosts", "50,000 routes over 5,000 hosts", Table::Hosts, Work::Get),
    case("routes-one-host", "50,000 routes on one host", Table::OneHost, Work::Get),
    Case { tls: true, ..case("tls", "64 keep-alive connections over TLS", Table::Ten, Work::TlsKeepAlive) },
    Case {
        tls: true,
        ..case("tls-handshake", "a TLS handshake for each request", Table::Ten, Work::TlsHandshake)
    },
    case("get-64k", "answers of 64 KiB", Table::Ten, Work::Download("/64k")),
    case("get-10m", "answers of 10 MiB", Table::Ten, Work::Download("/10m")),
    case("upload-1m", "a body of 1 MiB", Table::Ten, Work::Upload),
    Case { tls: true, ..case("idle", "10,000 idle TLS connections", Table::Ten, Work::Idle) },
    case("start", "memory and start with 5,000 routes", Table::FiveThousand, Work::Start),
];

/// A promise that a case is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) case: &'static str,
    pub(crate) metric: Metric,
    pub(crate) limit: f64,
    /// Another contestant that Weir's value is divided by; nothing where the value itself is bounded.
    pub(crate) against: Option<&'static str>,
}

/// A figure of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Cpu,
    User,
    System,
    Rate,
    P50,
    P99,
    Resident,
    PerConnection,
    Start,
}

impl Metric {
    /// What it is called, and its unit.
    pub(crate) fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Cpu => ("CPU per request", "µs"),
            Self::User => ("user CPU per request", "µs"),
            Self::System => ("system CPU per request", "µs"),
            Self::Rate => ("requests", "1/s"),
            Self::P50 => ("p50", "µs"),
            Self::P99 => ("p99", "µs"),
            Self::Resident => ("resident memory", "MB"),
            Self::PerConnection => ("memory per idle connection", "KB"),
            Self::Start => ("start", "ms"),
        }
    }
}

/// The name of the contestant that is Weir with ten routes, measured in the rounds of larger tables.
pub(crate) const TEN_ROUTES: &str = "weir, 10 routes";

const fn bar(case: &'static str, metric: Metric, limit: f64, against: Option<&'static str>) -> Bar {
    Bar { case, metric, limit, against }
}

/// All bars.
pub(crate) const BARS: &[Bar] = &[
    bar("plain", Metric::Cpu, 0.90, Some("nginx")),
    bar("plain", Metric::Cpu, 0.90, Some("haproxy")),
    bar("plain", Metric::Cpu, 0.28, Some("envoy")),
    bar("plain", Metric::P99, 1.10, Some("nginx")),
    bar("plain-logs", Metric::Cpu, 0.90, Some("nginx")),
    bar("plain-logs", Metric::Cpu, 0.90, Some("haproxy")),
    bar("plain-logs", Metric::Cpu, 0.28, Some("envoy")),
    bar("routes-hosts", Metric::Cpu, 1.25, Some(TEN_ROUTES)),
    bar("routes-one-host", Metric::Cpu, 1.25, Some(TEN_ROUTES)),
    bar("tls", Metric::Cpu, 1.0, Some("nginx")),
    bar("tls-handshake", Metric::Cpu, 1.0, Some("nginx")),
    bar("idle", Metric::PerConnection, 10.0, None),
    bar("start", Metric::Resident, 40.0, None),
    bar("start", Metric::Start, 100.0, None),
];
