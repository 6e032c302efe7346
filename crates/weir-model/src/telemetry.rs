//! What Weir remembers: where, for how long, from whom.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{SecretRef, ServerTls};

/// The store of metrics, logs and traces, its doors, and what fills it.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The folder that it is kept in; `None` is the usual place of the user's state.
    pub path: Option<PathBuf>,
    /// Where HTTP is answered: every protocol that comes in over HTTP, and every query interface.
    pub http: Vec<SocketAddr>,
    /// Where gRPC is answered: OTLP, Jaeger.
    pub grpc: Vec<SocketAddr>,
    /// Where Jaeger's compact Thrift comes in over UDP.
    pub jaeger_udp: Option<SocketAddr>,
    /// TLS on `http` and `grpc`.
    pub tls: Option<ServerTls>,
    /// Who may come in, and as which tenant. Where empty, everybody who can connect is the default tenant.
    pub access: Vec<Access>,
    /// How long metrics are kept, and how much of them.
    pub metrics: Retention,
    /// How long logs are kept, and how much of them.
    pub logs: Retention,
    /// How long traces are kept, and how much of them.
    pub traces: Retention,
    /// What may come in.
    pub limits: TelemetryLimits,
    /// What a query may cost.
    pub queries: QueryLimits,
    /// Whose metrics are fetched.
    pub scrape: Vec<Arc<ScrapeJob>>,
    /// What Weir keeps of its own traffic.
    pub own: OwnTelemetry,
}

impl Telemetry {
    /// What can be put in force while a process runs that began with `current`, of what is wanted from now on: places,
    /// addresses and what is kept of its own traffic stay, and where there was no store there is none. Says which settings
    /// wait for the next start.
    pub fn while_running(
        current: Option<&Arc<Self>>,
        wanted: Option<Arc<Self>>,
    ) -> (Option<Arc<Self>>, Vec<&'static str>) {
        let (current, wanted) = match (current, wanted) {
            (None, None) => return (None, Vec::new()),
            (current, None) | (current @ None, Some(_)) => return (current.cloned(), vec!["store"]),
            (Some(current), Some(wanted)) => (current, wanted),
        };
        let waits = [
            ("store.path", current.path != wanted.path),
            ("store.http", current.http != wanted.http),
            ("store.grpc", current.grpc != wanted.grpc),
            ("store.jaeger_udp", current.jaeger_udp != wanted.jaeger_udp),
            ("store.own", current.own != wanted.own),
        ];
        let waits: Vec<_> = waits.into_iter().filter_map(|(name, waits)| waits.then_some(name)).collect();
        if *current == wanted {
            return (Some(current.clone()), waits);
        }
        let Self { path, http, grpc, jaeger_udp, own, .. } = (**current).clone();
        (Some(Arc::new(Self { path, http, grpc, jaeger_udp, own, ..Self::clone(&wanted) })), waits)
    }
}

/// A caller and its tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The tenant; a name that can be a folder's.
    pub tenant: Arc<str>,
    /// How the caller shows who it is.
    pub by: Proof,
    /// What it may do.
    pub may: Permission,
}

/// How a caller shows who it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// `Authorization: Bearer …`, or the password of `Basic`.
    Token(SecretRef),
    /// The name in its verified client certificate (a DNS name or URI of the subject alternative names).
    Certificate(Arc<str>),
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Bring telemetry and query it.
    Both,
    /// Bring telemetry.
    Write,
    /// Query.
    Read,
}

/// How long, and how much, is kept of a signal for each tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What is older is removed.
    pub time: Duration,
    /// The oldest is removed while there is more than this on disk; `None` is no bound.
    pub size_bytes: Option<u64>,
}

/// What may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryLimits {
    /// A payload, before and after decompression.
    pub payload_bytes: u64,
    /// Series with a sample in memory, per tenant.
    pub series: u64,
    /// Log streams with a line in memory, per tenant.
    pub streams: u64,
    /// Labels of a series or stream.
    pub labels: u32,
    /// A label's value.
    pub label_bytes: u64,
    /// A line of a log.
    pub line_bytes: u64,
    /// How far ahead of this machine's clock a time may lie.
    pub ahead: Duration,
    /// Resource attributes of OTLP that become labels of metrics.
    pub promote: Vec<Arc<str>>,
}

/// What a query may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// How long it may take.
    pub timeout: Duration,
    /// Samples, lines or spans that it may look at.
    pub rows: u64,
    /// Bytes that it may decode.
    pub bytes: u64,
    /// Queries at once; further ones wait.
    pub concurrent: u32,
    /// How far an instant query looks back for a sample.
    pub lookback: Duration,
}

/// What Weir keeps of its own traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTelemetry {
    /// How often its metrics are noted; `None` is never.
    pub metrics: Option<Duration>,
    /// Whether access records are kept as logs.
    pub logs: bool,
    /// The share of requests whose spans are kept, in millionths.
    pub spans_ppm: u32,
}

/// A set of programs whose metrics are fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeJob {
    /// Its name: the label `job`.
    pub name: Arc<str>,
    /// `host:port` of each.
    pub targets: Vec<Arc<str>>,
    /// Files (globs) that list targets, in Prometheus' `file_sd` form; watched.
    pub files: Vec<PathBuf>,
    /// Names that DNS answers for.
    pub dns: Vec<DnsDiscovery>,
    /// Labels of every series.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// How often.
    pub interval: Duration,
    /// How long one may take; no longer than the interval.
    pub timeout: Duration,
    /// `http` or `https`.
    pub https: bool,
    /// The path that is asked for.
    pub path: Arc<str>,
    /// Query parameters.
    pub params: Vec<(Arc<str>, Arc<str>)>,
    /// Whether labels that the program gives win over those of the job.
    pub honor_labels: bool,
    /// Whether times that the program gives are kept.
    pub honor_timestamps: bool,
    /// How Weir shows who it is.
    pub authorization: Option<Authorization>,
    /// TLS towards the targets.
    pub tls: ScrapeTls,
    /// Changes targets before they are asked.
    pub relabel: Vec<Relabel>,
    /// Changes series before they are kept.
    pub metric_relabel: Vec<Relabel>,
    /// In which formats metrics are asked for, best first.
    pub protocols: Vec<ScrapeProtocol>,
    /// How an answer is read that does not say its format, or says one that is none of metrics. `None` fails the scrape.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// Most samples of one scrape; more fails it. `None` is no bound.
    pub samples_max: Option<u32>,
    /// Largest answer; more fails the scrape.
    pub body_bytes_max: u64,
}

/// A format of metrics, as Prometheus names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// Protocol Buffers, the one with native histograms.
    PrometheusProto,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0,
    /// Prometheus' text 1.0.0, with names in UTF-8.
    PrometheusText1,
    /// Prometheus' text 0.0.4.
    PrometheusText0,
}

impl ScrapeProtocol {
    /// All of them, in the order in which Prometheus 3 asks for them where it wants native histograms.
    pub const ALL: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText1,
        Self::OpenMetricsText0,
        Self::PrometheusText1,
        Self::PrometheusText0,
    ];
}

/// A name whose addresses or services are targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsDiscovery {
    /// The name.
    pub name: Arc<str>,
    /// The port, where the name has addresses (A, AAAA); `None` asks for services (SRV), which have one.
    pub port: Option<u16>,
}

/// How Weir shows a target who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// `Authorization: Bearer …`.
    Bearer(SecretRef),
    /// A name and a password.
    Basic {
        /// The name.
        user: Arc<str>,
        /// The password.
        password: SecretRef,
    },
}

/// TLS towards targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeTls {
    /// PEM roots; those of the system where not set.
    pub ca: Option<SecretRef>,
    /// A chain and its key that Weir shows.
    pub identity: Option<(SecretRef, SecretRef)>,
    /// The name that is asked for and verified; the target's own where not set.
    pub server_name: Option<Arc<str>>,
    /// Whether any certificate is believed.
    pub insecure: bool,
}

/// One step of relabelling, as Prometheus defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct Relabel {
    /// Labels whose values are joined.
    pub source_labels: Vec<Arc<str>>,
    /// What stands between them.
    pub separator: Arc<str>,
    /// What the whole joined value, or a label's whole name, is matched against. It compiles.
    pub regex: Arc<str>,
    /// For `HashMod`.
    pub modulus: u64,
    /// Where the result goes.
    pub target_label: Arc<str>,
    /// The result, with `$1` or `${name}` for what was matched.
    pub replacement: Arc<str>,
    /// What is done.
    pub action: RelabelAction,
}

/// What a step of relabelling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelabelAction {
    /// Sets the target label where the value matches.
    Replace,
    /// Keeps only what matches.
    Keep,
    /// Drops what matches.
    Drop,
    /// Keeps only what equals the target label.
    KeepEqual,
    /// Drops what equals the target label.
    DropEqual,
    /// Sets the target label to a hash modulo `modulus`.
    HashMod,
    /// Renames the labels whose names match.
    LabelMap,
    /// Drops the labels whose names match.
    LabelDrop,
    /// Keeps only the labels whose names match.
    LabelKeep,
    /// Sets the target label to the value in lower case.
    Lowercase,
    /// Sets the target label to the value in upper case.
    Uppercase,
}
