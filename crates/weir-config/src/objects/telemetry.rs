//! What is remembered: the store, its doors, limits.

use std::net::SocketAddr;
use std::time::Duration;

use weir_model::{
    Access, OwnTelemetry, Permission, Proof, QueryLimits, Retention, SecretRef, Telemetry, TelemetryLimits,
};

use super::secret::SECRET;
use crate::form::{At, Fields, Form as _, Object, obj};
use crate::forms::{
    BOOL, Case, Choice, FILE, Int, Items, LABEL_NAME, SHARE, SOCKET, Size, TENANT, TEXT, Time, Union, list,
    optional, or_none,
};
use crate::out::Out;
use crate::reader::Reader;

/// How long something may be kept: ten years.
const KEEP_MAX: Duration = Duration::from_hours(24 * 3660);

impl Object for Telemetry {
    const NAME: &'static str = "store";
    const DOC: &'static str =
        "The store of metrics, logs and traces: what comes in, how long it is kept, what may be asked.";

    fn blank() -> Self {
        Self {
            path: None,
            http: vec![([127, 0, 0, 1], 4318).into()],
            grpc: vec![([127, 0, 0, 1], 4317).into()],
            jaeger_udp: None,
            tls: None,
            access: Vec::new(),
            metrics: Retention::blank(),
            logs: Retention::blank(),
            traces: Retention::blank(),
            limits: TelemetryLimits::blank(),
            queries: QueryLimits::blank(),
            scrape: Vec::new(),
            own: OwnTelemetry::blank(),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "The folder that everything is kept in. Where not set, `/var/lib/weir/store` for root and \
                   `~/.local/state/weir/store` for others.";
        f.key("path", doc, optional(FILE), &mut self.path);
        let doc = "Where HTTP is answered: OTLP, remote write, Loki, Zipkin and Jaeger come in, Prometheus, Loki, Jaeger and \
                   Tempo are asked.";
        f.key("http", doc, list(SOCKET, Items::Any), &mut self.http);
        f.key(
            "grpc",
            "Where gRPC is answered: OTLP and Jaeger come in.",
            list(SOCKET, Items::Any),
            &mut self.grpc,
        );
        let doc = "Where Jaeger's compact Thrift comes in over UDP, usually port 6831.";
        f.key("jaeger_udp", doc, optional(SOCKET), &mut self.jaeger_udp);
        f.key("tls", "TLS on `http` and `grpc`; plain when not set.", optional(obj()), &mut self.tls);
        let doc = "Who may come in, and as which tenant. When empty, everybody who can connect is the default tenant.";
        f.key("access", doc, list(obj(), Items::Any), &mut self.access);
        f.key("metrics", "How long metrics are kept.", obj(), &mut self.metrics);
        f.key("logs", "How long logs are kept.", obj(), &mut self.logs);
        f.key("traces", "How long traces are kept.", obj(), &mut self.traces);
        f.key("limits", "What may come in.", obj(), &mut self.limits);
        f.key("queries", "What a query may cost.", obj(), &mut self.queries);
        f.key("scrape", "Whose metrics are fetched.", super::scrape::Jobs, &mut self.scrape);
        f.key("own", "What Weir keeps of its own traffic.", obj(), &mut self.own);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        let doors = || self.http.iter().map(|a| ("http", *a)).chain(self.grpc.iter().map(|a| ("grpc", *a)));
        for (key, address) in doors() {
            taken(key, address, at, r);
        }
        for address in &self.http {
            if self.grpc.contains(address) && address.port() != 0 {
                at.error("grpc", r, format!("{address} stands in `http` as well")).help =
                    Some("give one of the two another port".into());
            }
        }
        let open = doors().find(|(_, address)| !address.ip().to_canonical().is_loopback());
        if let (Some((key, address)), true) = (open, self.access.is_empty()) {
            let message = format!("whoever reaches {address} may write to the store and read all of it");
            at.warn(key, r, message).help = Some("set `access`, or bind it to 127.0.0.1".into());
        }
        let certificates = self.access.iter().any(|a| matches!(a.by, Proof::Certificate(_)));
        let asked = self.tls.as_ref().is_some_and(|tls| tls.client_auth != weir_model::ClientAuth::None);
        if certificates && !asked {
            at.error("access", r, "client certificates are named, and none is asked for").help =
                Some("set `tls` with `client_auth: { required: roots.pem }`".into());
        }
    }
}

fn taken<'n>(key: &'static str, address: SocketAddr, at: At<'n>, r: &mut Reader<'n>) {
    if address.port() == 0 {
        return;
    }
    let by = match r.bound.iter().find(|(bound, _)| *bound == address) {
        Some((_, listener)) => format!("listener `{listener}`"),
        None if r.admin == Some(address) => "the admin interface".into(),
        None => return,
    };
    at.error(key, r, format!("{by} is on {address} already")).help =
        Some("give one of the two another port".into());
}

impl Object for Access {
    const NAME: &'static str = "access";
    const DOC: &'static str = "A caller, and the tenant that it is.";

    fn blank() -> Self {
        Self { tenant: "".into(), by: Proof::Token(SecretRef::Env(String::new())), may: Permission::Both }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key(
            "tenant",
            "Whose telemetry it brings and sees; the default tenant when empty.",
            TENANT,
            &mut self.tenant,
        );
        f.required("by", "How the caller shows who it is.", PROOF, &mut self.by);
        let may =
            Choice(&[("both", Permission::Both), ("write", Permission::Write), ("read", Permission::Read)]);
        f.key("may", "Whether it may bring telemetry, query it, or both.", may, &mut self.may);
    }
}

/// How a caller shows who it is.
const PROOF: Union<Proof> = Union {
    words: &[],
    bare: None,
    cases: &[
        Case {
            key: "token",
            read: |node, r| SECRET.read(node, r).map(Proof::Token),
            shape: |shapes| SECRET.shape(shapes),
        },
        Case {
            key: "certificate",
            read: |node, r| TEXT.read(node, r).map(Proof::Certificate),
            shape: |shapes| TEXT.shape(shapes),
        },
    ],
    write: |proof| match proof {
        Proof::Token(secret) => Out::one("token", SECRET.write(secret)),
        Proof::Certificate(name) => Out::one("certificate", TEXT.write(name)),
    },
};

impl Object for Retention {
    const NAME: &'static str = "retention";
    const DOC: &'static str = "How long, and how much, is kept for each tenant.";

    fn blank() -> Self {
        Self { time: Duration::from_hours(24 * 15), size_bytes: None }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let time = Time { min: Duration::from_hours(1), max: KEEP_MAX };
        f.key("time", "What is older is removed.", time, &mut self.time);
        let doc = "The oldest is removed while more than this is on disk.";
        f.key("size", doc, or_none(Size { min: 16 << 20, max: 1 << 60 }), &mut self.size_bytes);
    }
}

impl Object for TelemetryLimits {
    const NAME: &'static str = "store limits";
    const DOC: &'static str = "What may come in. More is refused, said and counted.";

    fn blank() -> Self {
        Self {
            payload_bytes: 64 << 20,
            series: 2_000_000,
            streams: 50_000,
            labels: 64,
            label_bytes: 4 << 10,
            line_bytes: 256 << 10,
            ahead: Duration::from_mins(10),
            promote: Vec::new(),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "A payload, decompressed.";
        f.key("payload", doc, Size { min: 1 << 10, max: 1 << 30 }, &mut self.payload_bytes);
        let doc = "Series with samples in memory, for each tenant.";
        f.key("series", doc, Int { min: 1, max: 1_000_000_000 }, &mut self.series);
        let doc = "Log streams with lines in memory, for each tenant.";
        f.key("streams", doc, Int { min: 1, max: 1_000_000_000 }, &mut self.streams);
        f.key("labels", "Labels of a series or stream.", Int { min: 1, max: 1024 }, &mut self.labels);
        f.key("label_value", "A label's value.", Size { min: 16, max: 1 << 20 }, &mut self.label_bytes);
        f.key("line", "A line of a log.", Size { min: 64, max: 16 << 20 }, &mut self.line_bytes);
        let doc = "How far ahead of this machine's clock a time may lie.";
        f.key("ahead", doc, Time::ANY, &mut self.ahead);
        let doc = "Resource attributes of OTLP that become labels of metrics.";
        f.key("promote", doc, list(LABEL_NAME, Items::Any), &mut self.promote);
    }
}

impl Object for QueryLimits {
    const NAME: &'static str = "query limits";
    const DOC: &'static str =
        "What a query may cost. One that costs more is ended, with an error that says which bound it met.";

    fn blank() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            rows: 2_000_000_000,
            bytes: 16 << 30,
            concurrent: 20,
            lookback: Duration::from_mins(5),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("timeout", "How long it may take.", Time::POSITIVE, &mut self.timeout);
        let doc = "Samples, lines or spans that it may look at.";
        f.key("rows", doc, Int { min: 1, max: u64::MAX >> 1 }, &mut self.rows);
        f.key("bytes", "What it may decode.", Size { min: 1 << 20, max: 1 << 60 }, &mut self.bytes);
        f.key(
            "concurrent",
            "Queries at once; further ones wait.",
            Int { min: 1, max: 10_000 },
            &mut self.concurrent,
        );
        let doc = "How far an instant query of metrics looks back for a sample.";
        f.key("lookback", doc, Time::POSITIVE, &mut self.lookback);
    }
}

impl Object for OwnTelemetry {
    const NAME: &'static str = "own telemetry";
    const DOC: &'static str =
        "What Weir keeps of its own traffic. It is dropped, and counted, before it delays a request.";

    fn blank() -> Self {
        Self { metrics: Some(Duration::from_secs(5)), logs: true, spans_ppm: 10_000 }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "How often its metrics are noted. `none` is never.";
        let often = Time { min: Duration::from_secs(1), max: Duration::from_hours(1) };
        f.key("metrics", doc, or_none(often), &mut self.metrics);
        f.key("logs", "Whether access records are kept as logs.", BOOL, &mut self.logs);
        f.key("spans", "The share of requests whose spans are kept.", SHARE, &mut self.spans_ppm);
    }
}
