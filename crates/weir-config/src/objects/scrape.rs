//! Whose metrics are fetched, and how.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_model::{
    Authorization, DnsDiscovery, Relabel, RelabelAction, ScrapeJob, ScrapeProtocol, ScrapeTls, SecretRef,
};

use super::secret::SECRET;
use crate::form::{At, Fields, Form, Object, obj};
use crate::forms::{
    BOOL, Case, Choice, FILE, Int, Items, LABEL_NAME, SERVER_NAME, Size, TARGET, TEXT, Time, Union, list,
    named, optional, or_none,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::{Shape, Shapes};
use crate::tree::Node;

/// The list of jobs; each name once.
pub(crate) struct Jobs;

impl Form<Vec<Arc<ScrapeJob>>> for Jobs {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<Arc<ScrapeJob>>> {
        super::document::items("scrape job", node, r, |_, item, r| {
            obj::<ScrapeJob>().read(item, r).map(Arc::new)
        })
    }

    fn write(&self, value: &Vec<Arc<ScrapeJob>>) -> Out {
        Out::List(value.iter().map(|job| obj().write(&**job)).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let item = shapes.object::<ScrapeJob>();
        Shape::new(json!({ "type": "array", "items": item.schema }), format!("list of {}", item.words))
    }
}

impl Object for ScrapeJob {
    const NAME: &'static str = "scrape job";
    const DOC: &'static str = "Programs whose metrics are fetched in one way.";

    fn blank() -> Self {
        Self {
            name: "unnamed".into(),
            targets: Vec::new(),
            files: Vec::new(),
            dns: Vec::new(),
            labels: Vec::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            https: false,
            path: "/metrics".into(),
            params: Vec::new(),
            honor_labels: false,
            honor_timestamps: true,
            authorization: None,
            tls: ScrapeTls::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            protocols: ScrapeProtocol::ALL.to_vec(),
            fallback_protocol: Some(ScrapeProtocol::PrometheusText0),
            samples_max: None,
            body_bytes_max: 64 << 20,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("name", "Its name, and the label `job`.", TEXT, &mut self.name);
        f.key("targets", "Address or name and port of each.", list(TARGET, Items::Any), &mut self.targets);
        let doc = "Files that list targets as Prometheus' `file_sd` does, JSON or YAML; `*` stands for any characters. Watched.";
        f.key("files", doc, list(FILE, Items::Any), &mut self.files);
        f.key("dns", "Names that DNS answers for.", list(obj(), Items::Any), &mut self.dns);
        f.key(
            "labels",
            "Labels of every series.",
            named(LABEL_NAME, TEXT, |n, v| (n, v), |(n, v)| (n, v)),
            &mut self.labels,
        );
        let often = || Time { min: Duration::from_millis(100), max: Duration::from_hours(24) };
        f.key("interval", "How often.", often(), &mut self.interval);
        f.key(
            "timeout",
            "How long one may take; never longer than the interval.",
            often(),
            &mut self.timeout,
        );
        f.key(
            "scheme",
            "How targets are asked.",
            Choice(&[("http", false), ("https", true)]),
            &mut self.https,
        );
        f.key("path", "The path that is asked for.", TEXT, &mut self.path);
        f.key(
            "params",
            "Query parameters.",
            named(TEXT, TEXT, |n, v| (n, v), |(n, v)| (n, v)),
            &mut self.params,
        );
        let doc = "Whether labels that the program gives win over those of the job; else they get the prefix `exported_`.";
        f.key("honor_labels", doc, BOOL, &mut self.honor_labels);
        f.key(
            "honor_timestamps",
            "Whether times that the program gives are kept.",
            BOOL,
            &mut self.honor_timestamps,
        );
        f.key("authorization", "How Weir shows who it is.", optional(AUTHORIZATION), &mut self.authorization);
        f.key("tls", "TLS towards the targets.", obj(), &mut self.tls);
        f.key(
            "relabel",
            "Changes targets before they are asked.",
            list(obj(), Items::Any),
            &mut self.relabel,
        );
        f.key(
            "metric_relabel",
            "Changes series before they are kept.",
            list(obj(), Items::Any),
            &mut self.metric_relabel,
        );
        let doc = "In which formats metrics are asked for, best first; Prometheus' `scrape_protocols`.";
        f.key("protocols", doc, list(PROTOCOL, Items::Some), &mut self.protocols);
        let doc = "How an answer is read whose `Content-Type` is missing or none of metrics; Prometheus' \
                   `fallback_scrape_protocol`. `none` fails the scrape, as Prometheus 3 does unless it is told otherwise.";
        f.key("fallback_protocol", doc, or_none(PROTOCOL), &mut self.fallback_protocol);
        let doc = "Most samples of one scrape; more fails it.";
        f.key("samples_max", doc, or_none(Int { min: 1, max: 100_000_000 }), &mut self.samples_max);
        let doc = "Largest answer; more fails the scrape.";
        f.key("body_max", doc, Size { min: 1 << 10, max: 1 << 30 }, &mut self.body_bytes_max);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        // Where only the interval is written, the timeout is the shorter of the two.
        if self.timeout > self.interval && at.node("timeout").is_some() {
            at.error("timeout", r, "a scrape may not take longer than the interval").help =
                Some("lower `timeout` to at most `interval`".into());
        }
        if self.targets.is_empty() && self.files.is_empty() && self.dns.is_empty() {
            at.warn("targets", r, "the job has no targets").help =
                Some("set `targets`, `files` or `dns`".into());
        }
        if !self.path.starts_with('/') {
            at.error("path", r, "a path begins with `/`");
        }
    }
}

/// Formats of metrics, under Prometheus' names.
const PROTOCOL: Choice<ScrapeProtocol> = Choice(&[
    ("PrometheusProto", ScrapeProtocol::PrometheusProto),
    ("OpenMetricsText1.0.0", ScrapeProtocol::OpenMetricsText1),
    ("OpenMetricsText0.0.1", ScrapeProtocol::OpenMetricsText0),
    ("PrometheusText1.0.0", ScrapeProtocol::PrometheusText1),
    ("PrometheusText0.0.4", ScrapeProtocol::PrometheusText0),
]);

impl Object for DnsDiscovery {
    const NAME: &'static str = "dns discovery";
    const DOC: &'static str = "A name whose addresses or services are targets.";
    const SHORT: Option<&'static str> = Some("name");

    fn blank() -> Self {
        Self { name: "".into(), port: None }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("name", "The name.", TEXT, &mut self.name);
        let doc = "The port of its addresses (A, AAAA). When not set, services (SRV) are asked for, which have one.";
        f.key("port", doc, or_none(Int { min: 1, max: 65535 }), &mut self.port);
    }
}

/// How Weir shows a target who it is.
pub(super) const AUTHORIZATION: Union<Authorization> = Union {
    words: &[],
    bare: None,
    cases: &[
        Case {
            key: "bearer",
            read: |node, r| SECRET.read(node, r).map(Authorization::Bearer),
            shape: |shapes| SECRET.shape(shapes),
        },
        Case {
            key: "basic",
            read: |node, r| {
                let basic: Basic = obj().read(node, r)?;
                Some(Authorization::Basic { user: basic.user, password: basic.password })
            },
            shape: |shapes| shapes.object::<Basic>(),
        },
    ],
    write: |authorization| match authorization {
        Authorization::Bearer(secret) => Out::one("bearer", SECRET.write(secret)),
        Authorization::Basic { user, password } => {
            Out::one("basic", obj().write(&Basic { user: user.clone(), password: password.clone() }))
        }
    },
};

#[derive(Clone)]
struct Basic {
    user: Arc<str>,
    password: SecretRef,
}

impl Object for Basic {
    const NAME: &'static str = "basic authorization";
    const DOC: &'static str = "A name and a password.";

    fn blank() -> Self {
        Self { user: "".into(), password: SecretRef::Env(String::new()) }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("user", "The name.", TEXT, &mut self.user);
        f.required("password", "The password.", SECRET, &mut self.password);
    }
}

impl Object for ScrapeTls {
    const NAME: &'static str = "scrape tls";
    const DOC: &'static str = "TLS towards targets, where the scheme is https.";

    fn blank() -> Self {
        Self::default()
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("ca", "PEM roots; those of the system when not set.", optional(SECRET), &mut self.ca);
        f.key("identity", "A certificate that Weir shows.", optional(IdentityForm), &mut self.identity);
        f.key(
            "server_name",
            "The name that is verified; the target's own when not set.",
            optional(SERVER_NAME),
            &mut self.server_name,
        );
        f.key("insecure", "Whether any certificate is believed.", BOOL, &mut self.insecure);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.insecure {
            at.warn("insecure", r, "whoever stands in between can answer in the target's place").help =
                Some("set `ca` to the roots that signed the target's certificate".into());
        }
    }
}

#[derive(Clone)]
struct Identity {
    cert: SecretRef,
    key: SecretRef,
}

impl Object for Identity {
    const NAME: &'static str = "scrape identity";
    const DOC: &'static str = "A certificate chain and its key.";

    fn blank() -> Self {
        let nowhere = SecretRef::Env(String::new());
        Self { cert: nowhere.clone(), key: nowhere }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("cert", "PEM chain, the own certificate first.", SECRET, &mut self.cert);
        f.required("key", "PEM key.", SECRET, &mut self.key);
    }
}

/// An [`Identity`] as the pair that the model holds.
struct IdentityForm;

impl Form<(SecretRef, SecretRef)> for IdentityForm {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<(SecretRef, SecretRef)> {
        let identity: Identity = obj().read(node, r)?;
        Some((identity.cert, identity.key))
    }

    fn write(&self, (cert, key): &(SecretRef, SecretRef)) -> Out {
        obj().write(&Identity { cert: cert.clone(), key: key.clone() })
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        shapes.object::<Identity>()
    }
}

impl Object for Relabel {
    const NAME: &'static str = "relabelling";
    const DOC: &'static str = "One step of relabelling, as Prometheus defines it, under Prometheus' names.";

    fn blank() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".into(),
            regex: "(.*)".into(),
            modulus: 0,
            target_label: "".into(),
            replacement: "$1".into(),
            action: RelabelAction::Replace,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Labels whose values are joined.";
        f.key("source_labels", doc, list(LABEL_NAME, Items::Any), &mut self.source_labels);
        f.key("separator", "What stands between them.", TEXT, &mut self.separator);
        f.key(
            "regex",
            "What the whole joined value, or a label's whole name, is matched against.",
            TEXT,
            &mut self.regex,
        );
        f.key("modulus", "For `hashmod`.", Int { min: 0, max: u64::MAX >> 1 }, &mut self.modulus);
        f.key("target_label", "Where the result goes.", TEXT, &mut self.target_label);
        f.key(
            "replacement",
            "The result, with `$1` or `${name}` for what was matched.",
            TEXT,
            &mut self.replacement,
        );
        let actions = Choice(&[
            ("replace", RelabelAction::Replace),
            ("keep", RelabelAction::Keep),
            ("drop", RelabelAction::Drop),
            ("keepequal", RelabelAction::KeepEqual),
            ("dropequal", RelabelAction::DropEqual),
            ("hashmod", RelabelAction::HashMod),
            ("labelmap", RelabelAction::LabelMap),
            ("labeldrop", RelabelAction::LabelDrop),
            ("labelkeep", RelabelAction::LabelKeep),
            ("lowercase", RelabelAction::Lowercase),
            ("uppercase", RelabelAction::Uppercase),
        ]);
        f.key("action", "What is done.", actions, &mut self.action);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if let Err(error) = regex_syntax::parse(&self.regex) {
            let says =
                error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            at.error("regex", r, format!("this regular expression does not compile: {says}"));
        }
        let writes = matches!(
            self.action,
            RelabelAction::Replace
                | RelabelAction::HashMod
                | RelabelAction::KeepEqual
                | RelabelAction::DropEqual
                | RelabelAction::Lowercase
                | RelabelAction::Uppercase
        );
        if writes && self.target_label.is_empty() {
            at.error("target_label", r, "this action needs a target label");
        }
        if self.action == RelabelAction::HashMod && self.modulus == 0 {
            at.error("modulus", r, "`hashmod` needs a modulus of at least 1");
        }
    }
}
