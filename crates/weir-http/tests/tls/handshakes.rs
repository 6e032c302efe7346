//! Who is let in, with which certificate, and what is said of those who are not.

use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use weir_http::mono_now;
use weir_http::tls::{
    CertificateSpec, ClientAuth, HandshakeError, TlsConfigError, VerifyServer, accept, client_config,
    connect, server_config,
};
use weir_model::{FailureKind, HostPattern, TlsVersion};

use crate::support::{Authority, Shaken, configs, pair, pem, read, run, shake, soon, tcp_pair, write_all};

/// A round trip, after which a client has received its TLS 1.3 tickets.
async fn ping(server: &mut weir_http::tls::TlsStream, client: &mut weir_http::tls::TlsStream) {
    write_all(server, b"ping").await.unwrap();
    assert_eq!(read(client, &mut [0; 10]).await.unwrap(), 4);
}

#[test]
fn agrees_on_version_name_and_protocol() {
    run(async {
        let authority = Authority::new();
        let mut server = authority.server(&["a.test"]);
        let mut client = authority.client();
        server.alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        client.alpn = vec![b"http/1.1".to_vec()];
        let ((_, server), (_, client)) = pair(server, client, false).await;
        assert_eq!(server.server_name.as_deref(), Some("a.test"));
        assert_eq!(server.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(client.alpn, server.alpn);
        assert_eq!((server.version, client.version), (TlsVersion::V1_3, TlsVersion::V1_3));
        assert!(server.client_certificate.is_none() && !server.resumed);
    });
}

#[test]
fn protocols_that_do_not_meet_are_refused() {
    run(async {
        let authority = Authority::new();
        let mut server = authority.server(&["a.test"]);
        let mut client = authority.client();
        server.alpn = vec![b"http/1.1".to_vec()];
        client.alpn = vec![b"h3".to_vec()];
        let (server, client) = (server_config(server).unwrap(), client_config(client).unwrap());
        let (server, client) = shake(&server, &client, "a.test", false).await;
        assert!(matches!(server, Err(HandshakeError::Protocol(_))), "{server:?}");
        assert!(matches!(client, Err(HandshakeError::Refused(_))), "{client:?}");
    });
}

#[test]
fn chooses_the_certificate_by_name() {
    run(async {
        let authority = Authority::new();
        let mut spec = authority.server(&["first.test"]);
        let (cert, key) = authority.sign(&["*.wild.test"]);
        spec.certificates.push(CertificateSpec { cert, key, hosts: Vec::new() });
        let (cert, key) = authority.sign(&["x.stated.test"]);
        let hosts = vec![HostPattern::parse("*.stated.test").unwrap()];
        spec.certificates.push(CertificateSpec { cert, key, hosts });
        let (server, client) = (server_config(spec).unwrap(), client_config(authority.client()).unwrap());
        // The client verifies the name, so that success means the right certificate.
        for (name, expect) in [
            ("first.test", true),
            ("y.wild.test", true),
            ("x.stated.test", true),
            ("y.stated.test", false),
            ("other.test", false),
        ] {
            let (accepted, connected) = shake(&server, &client, name, false).await;
            assert_eq!(connected.is_ok(), expect, "{name}");
            match connected {
                Ok(_) => assert_eq!(accepted.unwrap().1.server_name.as_deref(), Some(name)),
                Err(error) => {
                    assert_eq!(error.failure_kind(), FailureKind::TlsCertificateError);
                    assert!(error.to_string().contains(name), "{error}");
                }
            }
        }
    });
}

#[test]
fn resumes_also_after_a_reload() {
    run(async {
        let authority = Authority::new();
        let client = client_config(authority.client()).unwrap();
        let spec = |sessions| {
            let mut spec = authority.server(&["a.test"]);
            spec.sessions = sessions;
            spec
        };
        let first = server_config(spec(None)).unwrap();
        let (accepted, connected) = shake(&first, &client, "a.test", false).await;
        let (mut stream, info) = accepted.unwrap();
        assert!(!info.resumed);
        ping(&mut stream, &mut connected.unwrap().0).await;
        // Another certificate, same sessions.
        let second = server_config(spec(Some(first.sessions()))).unwrap();
        let (accepted, connected) = shake(&second, &client, "a.test", false).await;
        let (mut stream, info) = accepted.unwrap();
        assert!(info.resumed);
        assert_eq!(info.server_name.as_deref(), Some("a.test"));
        ping(&mut stream, &mut connected.unwrap().0).await;
        // Other rules for clients: nobody may resume past them.
        let mut stricter = spec(Some(second.sessions()));
        stricter.client_auth = ClientAuth::Optional(authority.pem());
        let (accepted, _) = shake(&server_config(stricter).unwrap(), &client, "a.test", false).await;
        assert!(!accepted.unwrap().1.resumed);
    });
}

fn refused(shaken: &Shaken) -> bool {
    matches!(shaken, Err(HandshakeError::Certificate(_)))
}

#[test]
fn client_certificates() {
    run(async {
        let (authority, stranger) = (Authority::new(), Authority::named("stranger"));
        let signed = |by: &Authority| {
            let mut spec = authority.client();
            spec.client_certificate = Some(by.sign_with(&["client.test"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }));
            client_config(spec).unwrap()
        };
        let (known, unknown, none) =
            (signed(&authority), signed(&stranger), client_config(authority.client()).unwrap());
        let server = |client_auth| {
            let mut spec = authority.server(&["a.test"]);
            spec.client_auth = client_auth;
            server_config(spec).unwrap()
        };
        let required = server(ClientAuth::Required(authority.pem()));
        let optional = server(ClientAuth::Optional(authority.pem()));
        for server in [&required, &optional] {
            for resumed in [false, true] {
                let (accepted, connected) = shake(server, &known, "a.test", false).await;
                let (mut stream, info) = accepted.unwrap();
                assert_eq!(info.resumed, resumed);
                let certificate = info.client_certificate.unwrap();
                assert_eq!(certificate.subject, "CN=client.test");
                assert_eq!(certificate.dns_names, ["client.test"]);
                assert_eq!(certificate.uris, ["spiffe://example.org/test"]);
                ping(&mut stream, &mut connected.unwrap().0).await;
            }
            assert!(refused(&shake(server, &unknown, "a.test", false).await.0));
            // The tickets of one server must not let anybody into the other.
            known_is_forgotten(&known, server).await;
        }
        assert!(refused(&shake(&required, &none, "a.test", false).await.0));
        let (accepted, _) = shake(&optional, &none, "a.test", false).await;
        assert!(accepted.unwrap().1.client_certificate.is_none());
    });
}

/// Uses up what a client has remembered, so that the next handshake is a full one.
async fn known_is_forgotten(
    client: &weir_http::tls::ClientTlsConfig,
    server: &weir_http::tls::ServerTlsConfig,
) {
    for _ in 0..10 {
        let (accepted, _) = shake(server, client, "a.test", false).await;
        if !accepted.unwrap().1.resumed {
            return;
        }
    }
    panic!("tickets without end");
}

#[test]
fn servers_that_are_not_trusted() {
    run(async {
        let authority = Authority::new();
        let (server, _) = configs(&authority);
        let namesake = client_config(Authority::new().client()).unwrap();
        let error = shake(&server, &namesake, "a.test", false).await.1.unwrap_err();
        assert!(error.to_string().contains("not signed by the trusted root"), "{error}");
        let stranger = client_config(Authority::named("stranger").client()).unwrap();
        let (accepted, connected) = shake(&server, &stranger, "a.test", false).await;
        let error = connected.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::TlsCertificateError);
        assert!(error.to_string().contains("add the issuer"), "{error}");
        // The alert has reached the server.
        let error = accepted.unwrap_err();
        assert!(
            matches!(error, HandshakeError::Refused(_)) && error.to_string().contains("UnknownCA"),
            "{error}"
        );

        let mut insecure = authority.client();
        insecure.verify = VerifyServer::Insecure;
        let insecure = client_config(insecure).unwrap();
        shake(&server, &insecure, "other.test", false).await.1.unwrap();
        shake(&server, &insecure, "192.0.2.1", false).await.1.unwrap();

        let mut expired = authority.server(&["a.test"]);
        let (cert, key) = authority.sign_with(&["a.test"], |params| {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        });
        expired.certificates = vec![CertificateSpec { cert, key, hosts: Vec::new() }];
        let expired = server_config(expired).unwrap();
        assert!(expired.warnings()[0].contains("file a.test.pem expired"), "{:?}", expired.warnings());
        let client = client_config(authority.client()).unwrap();
        let error = shake(&expired, &client, "a.test", false).await.1.unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    });
}

#[test]
fn those_who_do_not_speak_tls() {
    run(async {
        let authority = Authority::new();
        let (server, client) = configs(&authority);

        let (plain, tcp) = tcp_pair(false).await;
        plain.try_write(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let Err(HandshakeError::PlainHttp(tcp)) = accept(tcp, &server, soon()).await else { panic!() };
        tcp.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        plain.readable().await.unwrap();
        assert_eq!(plain.try_read(&mut [0; 100]).unwrap(), 28);

        let (garbage, tcp) = tcp_pair(false).await;
        garbage.try_write(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0]).unwrap();
        let error = accept(tcp, &server, soon()).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Protocol(_)), "{error:?}");
        garbage.readable().await.unwrap();
        let mut alert = [0; 100];
        assert_eq!(garbage.try_read(&mut alert).unwrap(), 7);
        assert_eq!(alert[..6], [0x15, 3, 3, 0, 2, 2], "a fatal alert");

        let (gone, tcp) = tcp_pair(false).await;
        drop(gone);
        assert!(matches!(accept(tcp, &server, soon()).await, Err(HandshakeError::Closed)));

        let (_silent, tcp) = tcp_pair(false).await;
        let started = mono_now();
        let deadline = started.after(Duration::from_millis(50));
        assert!(matches!(accept(tcp, &server, deadline).await, Err(HandshakeError::TimedOut)));
        assert!(mono_now() >= deadline);

        let (_silent, tcp) = tcp_pair(false).await;
        let error =
            connect(tcp, &client, "a.test", mono_now().after(Duration::from_millis(50))).await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::ConnectionTimeout);

        let (_silent, tcp) = tcp_pair(false).await;
        let error = connect(tcp, &client, "not a name", soon()).await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::TlsCertificateError);
    });
}

#[test]
fn configurations_that_cannot_work() {
    #[track_caller]
    fn check(cert: &str, key: &str, says: &str) {
        let authority = Authority::new();
        let mut spec = authority.server(&["a.test"]);
        spec.certificates[0].cert.bytes = cert.as_bytes().to_vec();
        spec.certificates[0].key.bytes = key.as_bytes().to_vec();
        let error = server_config(spec).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let authority = Authority::new();
    let (cert, key) = authority.sign(&["a.test"]);
    let text = |pem: &weir_http::tls::Pem| String::from_utf8(pem.bytes.clone()).unwrap();
    let (cert, key, other) = (text(&cert), text(&key), text(&authority.sign(&["b.test"]).1));
    check("", &key, "file a.test.pem holds no certificate (it is empty)");
    check(&key, &key, "file a.test.pem holds no certificate (but a private key)");
    check(&cert, &cert, "file key.pem holds no private key (but a certificate)");
    check(&cert, "nonsense", "file key.pem holds no private key; expected PEM");
    check(&cert, &other, "the key in file key.pem does not belong to the certificate in file a.test.pem");
    check(&cert.replace("MII", "%%%"), &key, "file a.test.pem is broken PEM");

    let mut none = authority.server(&["a.test"]);
    none.certificates.clear();
    assert!(matches!(server_config(none), Err(TlsConfigError::NoCertificates)));
    let mut roots = authority.client();
    roots.verify = VerifyServer::Roots(pem("nothing", "file roots.pem"));
    assert!(client_config(roots).unwrap_err().to_string().starts_with("file roots.pem holds no certificate"));
    let spec = authority.server(&["a.test"]);
    assert!(!format!("{spec:?}").contains("PRIVATE KEY"));
}
