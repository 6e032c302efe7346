//! TLS on both sides, with OpenSSL, curl and nginx at the other end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use weir_tests::peers::{Server, peer, run, run_with_input};
use weir_tests::{Origin, Setup, Weir, eventually, free_port};

/// An authority that signs what a test needs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A chain and its key.
struct Signed {
    cert: String,
    key: String,
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

    fn sign(&self, names: &[&str]) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Signed { cert, key: key.serialize_pem() }
    }
}

impl Signed {
    fn files(&self, setup: Setup, name: &str) -> Setup {
        setup.file(format!("{name}.pem"), self.cert.clone()).file(format!("{name}.key"), self.key.clone())
    }
}

const FIXED: &str = "routes: [ { name: all, respond: { body: secure } } ]";

/// A listener that shows one certificate, for `localhost`.
fn plain_tls(authority: &Authority, more: &str) -> Weir {
    let setup = Setup::new(FIXED)
        .listener(format!("tls: {{ certificates: [ {{ cert: a.pem, key: a.key }} ]{more} }}"))
        .file("ca.pem", authority.pem.clone());
    authority.sign(&["localhost", "127.0.0.1"]).files(setup, "a").start()
}

fn path(weir: &Weir, name: &str) -> String {
    weir.dir.path().join(name).display().to_string()
}

/// One GET by curl, and what it printed.
fn curl(program: &Path, weir: &Weir, name: &str, args: &[&str]) -> (bool, String) {
    let resolve = format!("{name}:{0}:127.0.0.1", weir.port);
    let (url, ca) = (format!("https://{name}:{}/", weir.port), path(weir, "ca.pem"));
    let common = ["-sS", "--max-time", "10", "--resolve", &resolve, "--cacert", &ca, &url];
    run(program, &[&common[..], args].concat())
}

#[test]
fn both_versions_and_their_protocols() {
    let (Some(curl_program), Some(openssl)) = (peer("tls", "curl"), peer("tls", "openssl")) else { return };
    let authority = Authority::new("test authority");
    let weir = plain_tls(&authority, "");
    for args in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let (succeeded, said) = curl(&curl_program, &weir, "localhost", args);
        assert!(succeeded && said == "secure", "{args:?}: {said}");
    }
    let (succeeded, said) = curl(&curl_program, &weir, "localhost", &["--tls-max", "1.1"]);
    assert!(!succeeded, "{said}");
    let address = format!("127.0.0.1:{}", weir.port);
    let client = |args: &[&str]| {
        run_with_input(
            &openssl,
            &[&["s_client", "-connect", &address, "-servername", "localhost"], args].concat(),
            b"Q\n",
        )
        .1
    };
    assert!(client(&["-alpn", "h2,http/1.1"]).contains("ALPN protocol: http/1.1"));
    assert!(client(&["-tls1_2"]).contains("TLSv1.2"));
    assert!(client(&["-tls1_3"]).contains("TLSv1.3"));

    let weir = plain_tls(&authority, ", min_version: \"1.3\"");
    assert!(!curl(&curl_program, &weir, "localhost", &["--tls-max", "1.2"]).0);
    assert!(curl(&curl_program, &weir, "localhost", &[]).0);
}

#[test]
fn requests_and_answers_of_all_sizes_pass_through_tls() {
    let Some(curl_program) = peer("tls", "curl") else { return };
    let authority = Authority::new("test authority");
    let upstream = Origin::echoing();
    let setup = Setup::to(upstream.port)
        .listener("tls: { certificates: [ { cert: a.pem, key: a.key } ] }")
        .file("ca.pem", authority.pem.clone())
        .file("large", (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let weir = authority.sign(&["localhost"]).files(setup, "a").start();
    let (large, got) = (path(&weir, "large"), path(&weir, "got"));
    for version in ["1.2", "1.3"] {
        let body = format!("@{large}");
        let args = ["--tls-max", version, "--data-binary", &body, "-o", &got, "-H", "expect:"];
        let (succeeded, said) = curl(&curl_program, &weir, "localhost", &args);
        assert!(succeeded, "{said}");
        assert!(std::fs::read(&large).ok() == std::fs::read(&got).ok(), "TLS {version} changed the body");
    }
    assert!(upstream.requests().iter().all(|r| r.field("x-forwarded-proto") == Some("https")));
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let Some(openssl) = peer("tls", "openssl") else { return };
    let authority = Authority::new("test authority");
    let setup = Setup::new(FIXED).listener(
        "tls: { certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key }, { cert: w.pem, key: w.key } ] }",
    );
    let setup = authority.sign(&["a.example"]).files(setup, "a");
    let setup = authority.sign(&["b.example"]).files(setup, "b");
    let weir = authority.sign(&["*.wild.example"]).files(setup, "w").start();
    for (name, subject) in [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("x.wild.example", "*.wild.example"),
        ("other.example", "a.example"),
    ] {
        assert_eq!(shown(&openssl, weir.port, &["-servername", name]), subject, "{name}");
    }
    assert_eq!(
        shown(&openssl, weir.port, &["-noservername"]),
        "a.example",
        "the first where no name is given"
    );
}

/// The common name of the certificate that is shown.
fn shown(openssl: &Path, port: u16, args: &[&str]) -> String {
    let address = format!("127.0.0.1:{port}");
    let (_, said) = run_with_input(openssl, &[&["s_client", "-connect", &address], args].concat(), b"Q\n");
    let subject = said.lines().find_map(|line| line.trim().strip_prefix("subject="));
    let name =
        subject.and_then(|s| s.rsplit_once("CN")).map(|(_, n)| n.trim_start_matches([' ', '=']).to_owned());
    name.unwrap_or(said)
}

#[test]
fn sessions_are_resumed() {
    let Some(openssl) = peer("tls", "openssl") else { return };
    let weir = plain_tls(&Authority::new("test authority"), "");
    let address = format!("127.0.0.1:{}", weir.port);
    let session = path(&weir, "session");
    for version in ["-tls1_2", "-tls1_3"] {
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let common = ["s_client", "-connect", &address, "-servername", "localhost", "-ign_eof", version];
        let (_, first) = run_with_input(&openssl, &[&common[..], &["-sess_out", &session]].concat(), request);
        assert!(first.contains("New, TLS") && first.contains("secure"), "{first}");
        let (_, second) = run_with_input(&openssl, &[&common[..], &["-sess_in", &session]].concat(), request);
        assert!(second.contains("Reused, TLS") && second.contains("secure"), "{version}: {second}");
    }
}

#[test]
fn clients_show_certificates_where_that_is_asked() {
    let Some(curl_program) = peer("tls", "curl") else { return };
    let (authority, clients, others) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let start = |mode: &str| {
        let setup = Setup::new(FIXED)
            .listener(format!(
                "tls: {{ certificates: [ {{ cert: a.pem, key: a.key }} ], client_auth: {{ {mode}: clients.pem }} }}"
            ))
            .file("ca.pem", authority.pem.clone())
            .file("clients.pem", clients.pem.clone());
        let setup = clients.sign(&["somebody"]).files(setup, "good");
        let setup = others.sign(&["somebody"]).files(setup, "bad");
        authority.sign(&["localhost"]).files(setup, "a").start()
    };
    let ask = |weir: &Weir, name: Option<&str>| {
        let (cert, key) = (
            path(weir, &format!("{}.pem", name.unwrap_or("-"))),
            path(weir, &format!("{}.key", name.unwrap_or("-"))),
        );
        let args = ["--cert", &cert, "--key", &key];
        curl(&curl_program, weir, "localhost", if name.is_some() { &args } else { &[] }).0
    };
    let weir = start("required");
    assert!(ask(&weir, Some("good")));
    assert!(!ask(&weir, None));
    assert!(!ask(&weir, Some("bad")));
    let weir = start("optional");
    assert!(ask(&weir, Some("good")));
    assert!(ask(&weir, None));
    assert!(!ask(&weir, Some("bad")));
}

#[test]
fn plain_requests_and_garbage_on_a_tls_port_harm_nobody() {
    let Some(curl_program) = peer("tls", "curl") else { return };
    let authority = Authority::new("test authority");
    let weir = plain_tls(&authority, "");
    let mut client = weir_tests::Client::connect(weir.port);
    let answer = client.ask("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("https"), "{}", answer.text());
    for garbage in
        [&b"\x16\x03\x01\xff\xff\xff\xff"[..], b"\0\0\0\0", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"]
    {
        let mut client = weir_tests::Client::connect(weir.port);
        client.send(garbage).finish();
        client.patience(Duration::from_secs(3));
        client.rest();
    }
    assert!(curl(&curl_program, &weir, "localhost", &[]).0);
}

fn upstream_setup(port: u16, tls: &str, host: &str) -> Setup {
    Setup::new(format!(
        "routes: [ {{ name: all, service: s, retry: {{ max: 0 }} }} ]\nservices:\n  s:\n    endpoints: [\"{host}:{port}\"]\n    tls: {{ {tls} }}\n"
    ))
}

#[test]
fn upstreams_are_verified_against_our_own_roots() {
    let authority = Authority::new("upstreams");
    let signed = authority.sign(&["localhost", "inner.example"]);
    let home = tempfile::tempdir().expect("a place for temporary files");
    let file = |name: &str, text: &str| -> PathBuf {
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("a folder of our own");
        path
    };
    let (cert, key) = (file("up.pem", &signed.cert), file("up.key", &signed.key));
    let server = format!(
        "ssl_certificate {}; ssl_certificate_key {}; location / {{ return 200 $ssl_server_name; }}",
        cert.display(),
        key.display()
    );
    let Some(nginx) = Server::nginx("tls", "ssl", &server) else { return };
    let check = |tls: &str, expect: u16, body: &str| {
        let weir = upstream_setup(nginx.port, tls, "127.0.0.1")
            .file("roots.pem", authority.pem.clone())
            .file("others.pem", Authority::new("others").pem)
            .start();
        for _ in 0..2 {
            let answer = weir_tests::get(weir.port, "/");
            assert_eq!(answer.status(), expect, "{tls}: {}", answer.text());
            assert!(answer.text().contains(body), "{tls}: {}", answer.text());
        }
    };
    check("verify: { roots: roots.pem }, server_name: inner.example", 200, "inner.example");
    check("verify: { roots: roots.pem }, server_name: other.example", 502, "tls_certificate_error");
    check("verify: { roots: others.pem }, server_name: inner.example", 502, "tls_certificate_error");
    check("verify: system, server_name: inner.example", 502, "tls_certificate_error");
    check("verify: insecure, server_name: inner.example", 200, "inner.example");
}

#[test]
fn we_show_our_certificate_to_upstreams_that_ask() {
    let (authority, clients) = (Authority::new("upstreams"), Authority::new("clients"));
    let signed = authority.sign(&["inner.example"]);
    let home = tempfile::tempdir().expect("a place for temporary files");
    for (name, text) in [("up.pem", &signed.cert), ("up.key", &signed.key), ("clients.pem", &clients.pem)] {
        std::fs::write(home.path().join(name), text).expect("a folder of our own");
    }
    let server = format!(
        "ssl_certificate {0}/up.pem; ssl_certificate_key {0}/up.key; ssl_client_certificate {0}/clients.pem;\n\
         ssl_verify_client on; location / {{ return 200 $ssl_client_s_dn; }}",
        home.path().display()
    );
    let Some(nginx) = Server::nginx("tls", "ssl", &server) else { return };
    let setup = upstream_setup(
        nginx.port,
        "verify: { roots: roots.pem }, server_name: inner.example, client_certificate: { cert: me.pem, key: me.key }",
        "127.0.0.1",
    )
    .file("roots.pem", authority.pem.clone());
    let weir = clients.sign(&["weir.example"]).files(setup, "me").start();
    let answer = weir_tests::get(weir.port, "/");
    assert!(answer.status() == 200 && answer.text().contains("weir.example"), "{answer:?}");

    let weir =
        upstream_setup(nginx.port, "verify: { roots: roots.pem }, server_name: inner.example", "127.0.0.1")
            .file("roots.pem", authority.pem.clone())
            .start();
    assert_eq!(weir_tests::get(weir.port, "/").status(), 400, "nginx says what it misses");
}

#[test]
fn an_upstream_that_speaks_no_tls_is_a_502() {
    let upstream = Origin::scripted(|served| {
        served.send("HTTP/1.1 400 no TLS here\r\n\r\n");
    });
    let weir = upstream_setup(upstream.port, "verify: insecure", "127.0.0.1").start();
    let answer = weir_tests::get(weir.port, "/");
    assert_eq!(answer.status(), 502, "{}", answer.text());
}

#[test]
fn a_certificate_that_changes_is_shown_without_a_restart() {
    let Some(openssl) = peer("tls", "openssl") else { return };
    let authority = Authority::new("test authority");
    let setup = Setup::new(FIXED).listener("tls: { certificates: [ { cert: a.pem, key: a.key } ] }");
    let weir = authority.sign(&["first.example"]).files(setup, "a").start();
    assert_eq!(shown(&openssl, weir.port, &["-noservername"]), "first.example");

    let second = authority.sign(&["second.example"]);
    weir.replace("a.key", second.key.as_bytes());
    weir.replace("a.pem", second.cert.as_bytes());
    eventually("the new certificate is shown", Duration::from_secs(10), || {
        shown(&openssl, weir.port, &["-noservername"]) == "second.example"
    });

    // One that is broken is refused, and the old one stays.
    weir.replace("a.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    weir.signal("HUP");
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(shown(&openssl, weir.port, &["-noservername"]), "second.example");
}

#[test]
fn a_key_is_never_shown() {
    let authority = Authority::new("test authority");
    let signed = authority.sign(&["localhost"]);
    let port = free_port();
    let setup = Setup::new(format!(
        "  - {{ name: secure, address: 127.0.0.1:{port}, tls: {{ certificates: [ {{ cert: a.pem, key: {{ file: a.key }} }} ] }} }}\n{FIXED}"
    ));
    let weir = signed.files(setup, "a").start();
    let shown = weir_tests::get(weir.admin, "/config").text();
    let secret: Vec<&str> = signed.key.lines().filter(|line| line.len() > 40).collect();
    assert!(shown.contains("a.key"), "{shown}");
    for text in [shown, weir.log()] {
        assert!(secret.iter().all(|line| !text.contains(line)), "a key is shown");
    }
}
