//! TLS, authorization, redirections, connections.

use std::fs;
use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::support::{Answer, Target, Weir, text};

/// A root in a folder, and certificates that it signs.
struct Root {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut params, key) = (CertificateParams::new([]).unwrap(), KeyPair::generate().unwrap());
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), der: root.der().clone() }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.folder.path().join(format!("{name}.pem")), cert.pem()).unwrap();
        fs::write(self.folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        (cert, key)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A server named `name` that wants a certificate of its clients.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let (cert, key) = self.sign(name);
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_verifies_shows_and_says_what_is_wrong() {
    let root = Root::new();
    let target = Target::start_with(text("m 1\n"), Some(root.acceptor("target.example"))).await;
    root.sign("weir.example");
    let (at, ca) = (target.address, root.path("ca.pem"));
    let identity = format!(
        "identity: {{cert: {{file: {}}}, key: {{file: {}}}}}",
        root.path("weir.example.pem"),
        root.path("weir.example.key")
    );
    let job = |name: &str, tls: &str| {
        format!(
            "    - {{name: {name}, targets: [\"{at}\"], interval: 300ms, scheme: https, tls: {{{tls}}}}}\n"
        )
    };
    let weir = Weir::start(
        &[
            job("good", &format!("ca: {{file: {ca}}}, server_name: target.example, {identity}")),
            job("insecure", &format!("insecure: true, {identity}")),
            job("name", &format!("ca: {{file: {ca}}}, {identity}")),
            job("anonymous", &format!("ca: {{file: {ca}}}, server_name: target.example")),
            job("missing", "ca: {file: /nowhere/ca.pem}"),
        ]
        .concat(),
    )
    .await;
    for good in ["good", "insecure"] {
        weir.becomes("up", &format!("\"{good}\""), 1.0).await;
    }
    for (bad, part) in [("name", "no TLS with"), ("anonymous", ""), ("missing", "/nowhere/ca.pem")] {
        weir.becomes("up", &format!("\"{bad}\""), 0.0).await;
        weir.fails(bad, part).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_is_read_at_use_and_kept_from_others() {
    let (own, other) = (Target::start(text("m 1\n")).await, Target::start(text("m 2\n")).await);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "first\n").unwrap();
    let (at, file) = (own.address, token.display());
    let weir = Weir::start(&format!(
        "    - {{name: bearer, targets: [\"{at}\"], interval: 200ms, authorization: {{bearer: {{file: {file}}}}}}}\n    \
         - {{name: basic, targets: [\"{at}\"], interval: 200ms, path: /basic, authorization: {{basic: {{user: u, password: {{file: {file}}}}}}}}}\n"
    ))
    .await;
    weir.becomes("m", "bearer", 1.0).await;
    weir.becomes("m", "basic", 1.0).await;
    let last = |path: &str| {
        let requests = own.requests();
        let (_, headers) = requests.iter().rfind(|(asked, _)| asked.starts_with(path)).unwrap();
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(last("/metrics").as_deref(), Some("Bearer first"));
    assert_eq!(last("/basic").as_deref(), Some("Basic dTpmaXJzdA=="));
    fs::write(&token, "second").unwrap();
    own.asked(4).await;
    assert_eq!(last("/metrics").as_deref(), Some("Bearer second"));
    // Elsewhere it is not told.
    let elsewhere = format!("http://{}/metrics", other.address);
    own.says(Answer { status: 307, headers: vec![("location", elsewhere)], ..Answer::default() });
    weir.becomes("m", "bearer", 2.0).await;
    assert!(other.requests().iter().all(|(_, headers)| !headers.contains_key("authorization")));
    fs::remove_file(&token).unwrap();
    weir.becomes("up", "bearer", 0.0).await;
    weir.fails("bearer", "authorization").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirections_are_followed_and_closed_connections_are_no_failure() {
    let mut closing = text("m 1\n");
    closing.headers.push(("connection", "close".into()));
    let target = Target::start(closing).await;
    let weir = Weir::start(&format!(
        "    - {{name: j, targets: [\"{}\"], interval: 200ms, path: /moved}}\n",
        target.address
    ))
    .await;
    weir.becomes("m", "", 1.0).await;
    target.asked(3).await;
    assert!(target.requests().iter().any(|(path, _)| path == "/metrics?from=moved"));
    assert!(target.connections() > 2);
    let (_, up) = weir.samples("up").remove(0);
    assert!(up.values.iter().all(|value| (value - 1.0).abs() < f64::EPSILON), "{up:?}");
    // In circles.
    target.says(Answer { status: 302, headers: vec![("location", "/again".into())], ..Answer::default() });
    weir.becomes("up", "", 0.0).await;
    weir.fails("j", "redirects too often").await;
}
