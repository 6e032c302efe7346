//! Who may come in: tokens and certificates, and that one tenant sees nothing of another.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use weir_tests::payload::{loki, now_ms, now_ns, otlp_spans, remote_write, snappy};
use weir_tests::peers::{peer, run};
use weir_tests::{Store, free_port};

use crate::refusals::grpc;

const SHOP: &str = "shop-shop-shop-shop";
const BANK: &str = "bank-bank-bank-bank";
const READER: &str = "shop-may-only-read-1";
const WRITER: &str = "shop-may-only-write-1";

const ACCESS: &str = "access:
  - { tenant: shop, by: { token: { file: shop.token } } }
  - { tenant: bank, by: { token: { file: bank.token } } }
  - { tenant: shop, by: { token: { file: reader.token } }, may: read }
  - { tenant: shop, by: { token: { file: writer.token } }, may: write }";

const TOKENS: &[(&str, &str)] =
    &[("shop.token", SHOP), ("bank.token", BANK), ("reader.token", READER), ("writer.token", WRITER)];

/// Pushes one sample, one line and one span as a caller; the statuses.
fn push(store: &Store, token: &str, word: &str, trace: u128) -> [u16; 3] {
    let bearer = format!("authorization: Bearer {token}\r\n");
    let metrics = snappy(remote_write(&[("__name__", "deposits"), ("by", word)], [(now_ms(), 1.0)]));
    let logs = loki(r#"{"app":"deposits"}"#, [(now_ns(), format!("a line of {word}"))]);
    let json = format!("{bearer}content-type: application/json\r\n");
    let protobuf = format!("{bearer}content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n");
    [
        store.post("/api/v1/write", &protobuf, metrics).status(),
        store.post("/loki/api/v1/push", &json, logs).status(),
        store.post("/v1/traces", &json, otlp_spans(word, [trace])).status(),
    ]
}

#[test]
fn tenants_do_not_see_each_other() {
    let store = Store::with(ACCESS, TOKENS);
    let shared = 0xabc_u128;
    assert_eq!(push(&store, SHOP, "shop", shared), [204, 204, 200]);
    assert_eq!(push(&store, BANK, "bank", shared), [204, 204, 200]);
    assert_eq!(push(&store, WRITER, "writer", 0xdef), [204, 204, 200]);
    for (token, own, other) in [(SHOP, "shop", "bank"), (BANK, "bank", "shop"), (READER, "shop", "bank")] {
        let series = store.promql_as(token, "deposits");
        assert!(series.iter().any(|series| series["metric"]["by"] == own), "{own}: {series:?}");
        assert!(series.iter().all(|series| series["metric"]["by"] != other), "{own}: {series:?}");
        let lines = store.logql_as(token, r#"{app="deposits"}"#);
        assert!(lines.iter().any(|(_, line)| line.ends_with(own)), "{own}: {lines:?}");
        assert!(lines.iter().all(|(_, line)| !line.ends_with(other)), "{own}: {lines:?}");
        // The same trace id in both: each sees its own span only.
        assert_eq!(store.trace_as(token, &format!("{shared:032x}")).len(), 1);
        let services = store.json_as(token, "/api/services")["data"].to_string();
        assert!(services.contains(own) && !services.contains(other), "{own}: {services}");
        // A header that anybody can set changes nothing.
        let head = format!("authorization: Bearer {token}\r\nx-scope-orgid: {other}\r\n");
        let values = store.get("/api/v1/label/by/values", &head).text();
        assert!(values.contains(own) && !values.contains(other), "{own}: {values}");
    }
    // What one brought without a right to read is there for those who have it.
    assert_eq!(store.trace_as(READER, &format!("{:032x}", 0xdef)).len(), 1);
}

#[test]
fn callers_may_do_what_is_said_and_no_more() {
    let store = Store::with(ACCESS, TOKENS);
    assert_eq!(push(&store, READER, "reader", 1), [403; 3]);
    assert_eq!(push(&store, "not-a-token-of-anybody", "nobody", 1), [401; 3]);
    let paths = [
        "/api/v1/query?query=up",
        "/api/v1/labels",
        "/loki/api/v1/labels",
        "/api/services",
        "/tempo/api/search/tags",
    ];
    for path in paths {
        let status = |headers: &str| store.get(path, headers).status();
        assert_eq!(status(""), 401, "{path}");
        assert_eq!(status("authorization: Bearer not-a-token-of-anybody\r\n"), 401, "{path}");
        assert_eq!(status(&format!("authorization: Bearer {WRITER}\r\n")), 403, "{path}");
        assert_eq!(status(&format!("authorization: Bearer {READER}\r\n")), 200, "{path}");
        // As the password of Basic, for agents that know nothing else: `any:shop-may-only-read-1`.
        assert_eq!(status("authorization: Basic YW55OnNob3AtbWF5LW9ubHktcmVhZC0x\r\n"), 200, "{path}");
    }
    let unknown = store.get("/api/v1/labels", "");
    assert!(unknown.field("www-authenticate").is_some_and(|value| value.contains("Bearer")), "{unknown:?}");
    let method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    grpc(
        &store,
        &[
            (method, "-", Vec::new(), "UNAUTHENTICATED"),
            (method, "not-a-token-of-anybody", Vec::new(), "UNAUTHENTICATED"),
            (method, READER, Vec::new(), "PERMISSION_DENIED"),
            (method, WRITER, Vec::new(), "OK"),
        ],
    );
    assert!(store.promql_as(SHOP, "deposits").is_empty(), "nothing of what was refused is kept");
}

/// Signs certificates of clients and servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate with its key, in one file's text.
    fn sign(&self, name: &str) -> String {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.signed_by(&key, &self.issuer).expect("a certificate").pem() + &key.serialize_pem()
    }
}

#[test]
fn a_certificate_tells_the_tenant() {
    let Some(curl) = peer("telemetry", "curl") else { return };
    let (ours, other) = (Authority::new("agents"), Authority::new("somebody else"));
    let server = Authority::new("servers");
    let keys = "tls:
  certificates: [{ cert: store.pem, key: store.pem }]
  client_auth: { optional: agents.pem }
access:
  - { tenant: bank, by: { certificate: agent.bank.example } }
  - { tenant: shop, by: { token: { file: shop.token } } }";
    let store = Store::with(
        keys,
        &[
            ("store.pem", &server.sign("localhost")),
            ("servers.pem", &server.pem),
            ("agents.pem", &ours.pem),
            ("bank.pem", &ours.sign("agent.bank.example")),
            ("unknown.pem", &ours.sign("agent.mill.example")),
            ("forged.pem", &other.sign("agent.bank.example")),
            ("shop.token", SHOP),
        ],
    );
    let path = |name: &str| store.dir.path().join(name).display().to_string();
    let ask = |curl: &Path, args: &[&str]| {
        let (url, ca) = (format!("https://localhost:{}/api/v1/labels", store.http), path("servers.pem"));
        let common =
            ["-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &ca, &url];
        run(curl, &[&common[..], args].concat())
    };
    let token = format!("authorization: Bearer {SHOP}");
    assert_eq!(ask(&curl, &["--cert", &path("bank.pem")]), (true, "200".to_owned()));
    assert_eq!(ask(&curl, &["--cert", &path("unknown.pem")]), (true, "401".to_owned()));
    assert_eq!(ask(&curl, &[]), (true, "401".to_owned()));
    assert_eq!(ask(&curl, &["-H", &token]), (true, "200".to_owned()));
    let forged = ask(&curl, &["--cert", &path("forged.pem")]);
    assert!(!forged.0 || forged.1 == "401", "a chain that nobody vouches for: {forged:?}");

    // What the bank's agent brings, the shop does not see.
    let send = |args: &[&str], path: &str, body: &str| {
        let (url, ca) =
            (format!("https://localhost:{}{path}", store.http), self::path(&store, "servers.pem"));
        let common = [
            "-sS",
            "--max-time",
            "10",
            "-w",
            "%{http_code}",
            "--cacert",
            &ca,
            &url,
            "-H",
            "content-type: application/json",
            "-d",
            body,
        ];
        run(&curl, &[&common[..], args].concat())
    };
    let line = loki(r#"{"app":"vault"}"#, [(now_ns(), "opened".to_owned())]);
    assert_eq!(send(&["--cert", &path("bank.pem")], "/loki/api/v1/push", &line), (true, "204".to_owned()));
    let lines = |args: &[&str]| {
        let (url, ca) = (
            format!("https://localhost:{}/loki/api/v1/query_range?query=%7Bapp%3D%22vault%22%7D", store.http),
            path("servers.pem"),
        );
        run(&curl, &[&["-sS", "--max-time", "10", "--cacert", &ca, &url][..], args].concat()).1
    };
    assert!(lines(&["--cert", &path("bank.pem")]).contains("opened"));
    let shops = lines(&["-H", &token]);
    assert!(shops.contains("success") && !shops.contains("opened"), "{shops}");
}

fn path(store: &Store, name: &str) -> String {
    store.dir.path().join(name).display().to_string()
}

#[test]
fn a_token_that_is_none_stops_the_start() {
    let dir = tempfile::tempdir().expect("a place for temporary files");
    let text = format!(
        "version: 1\nstore:\n  http: [\"127.0.0.1:{}\"]\n  access: [{{ tenant: shop, by: {{ token: {{ file: t }} }} }}]\n",
        free_port()
    );
    let config = dir.path().join("weir.yaml");
    std::fs::write(&config, text).expect("a folder of our own");
    for (token, says) in [(None, "t"), (Some("short"), "16 bytes")] {
        if let Some(token) = token {
            std::fs::write(dir.path().join("t"), token).expect("a folder of our own");
        }
        let data = dir.path().join("data").display().to_string();
        let args = ["store", "serve", "--path", &data, "-c", &config.display().to_string()];
        let (succeeded, said) = run(weir_tests::gateway::binary(), &args);
        assert!(!succeeded && said.contains(says), "{token:?}: {said}");
    }
}
