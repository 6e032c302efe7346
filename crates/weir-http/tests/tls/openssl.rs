//! OpenSSL's own client and server as peers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use weir_http::tls::{
    ClientAuth, HandshakeError, HandshakeInfo, Pem, ServerSpec, TlsStream, accept, client_config, connect,
    server_config,
};
use weir_model::TlsVersion;

use crate::support::{Authority, pattern, read, read_all, run, soon, write_all};

const VERSIONS: [(&str, TlsVersion); 2] = [("-tls1_2", TlsVersion::V1_2), ("-tls1_3", TlsVersion::V1_3)];

/// Whether OpenSSL is there. Without it nothing is tested, which is said, and is a failure in CI.
fn missing() -> bool {
    let there =
        Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing; install it");
        eprintln!("NOT RUN: openssl is missing; install it");
    }
    !there
}

fn write_pem(dir: &Path, name: &str, pem: &Pem) -> String {
    let path = dir.join(name);
    std::fs::write(&path, &pem.bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs `openssl s_client` with `input` against one connection served by `serve`; gives back what it printed.
fn s_client<F>(
    spec: ServerSpec,
    ca: &Pem,
    arguments: &[&str],
    input: Vec<u8>,
    serve: F,
) -> (Vec<u8>, HandshakeInfo)
where
    F: AsyncFnOnce(&mut TlsStream),
{
    let dir = tempfile::tempdir().unwrap();
    let ca = write_pem(dir.path(), "ca.pem", ca);
    let config = server_config(spec).unwrap();
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-servername", "a.test", "-CAfile", &ca])
            .args(["-verify_return_error", "-verify_hostname", "a.test"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Kept open until the server has closed: the end of its input would make the client go.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
            stdin
        });
        let output = std::thread::spawn(move || child.wait_with_output().unwrap());
        let tcp = listener.accept().await.unwrap().0;
        let (mut stream, info) = accept(tcp, &config, soon()).await.unwrap();
        serve(&mut stream).await;
        stream.send_close_notify();
        std::future::poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        let output = tokio::task::spawn_blocking(move || output.join().unwrap()).await.unwrap();
        drop(writer.join());
        (output.stdout, info)
    })
}

#[test]
fn client_of_both_versions() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    for (flag, version) in VERSIONS {
        for cipher in ["AES128", "CHACHA20"] {
            let suites: &[&str] = match (version, cipher) {
                (TlsVersion::V1_2, "AES128") => &["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
                (TlsVersion::V1_2, _) => &["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
                (TlsVersion::V1_3, "AES128") => &["-ciphersuites", "TLS_AES_128_GCM_SHA256"],
                (TlsVersion::V1_3, _) => &["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
            };
            let mut spec = authority.server(&["a.test"]);
            spec.alpn = vec![b"http/1.1".to_vec()];
            let arguments = [&[flag, "-quiet", "-alpn", "h2,http/1.1"], suites].concat();
            let (printed, info) =
                s_client(spec, &authority.pem(), &arguments, b"question\n".to_vec(), async |stream| {
                    let mut buf = [0; 100];
                    let count = read(stream, &mut buf).await.unwrap();
                    assert_eq!(&buf[..count], b"question\n");
                    write_all(stream, b"answer").await.unwrap();
                });
            assert_eq!(printed, b"answer", "{flag} {cipher}");
            assert_eq!(info.version, version);
            assert_eq!(info.server_name.as_deref(), Some("a.test"));
            assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
        }
    }
}

#[test]
fn client_downloads_and_uploads() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    let bytes = pattern(4_000_000);
    for (flag, _) in VERSIONS {
        let (printed, _) = s_client(
            authority.server(&["a.test"]),
            &authority.pem(),
            &[flag, "-quiet"],
            bytes.clone(),
            async |stream| {
                let mut received = Vec::new();
                let mut buf = vec![0; 16_384];
                while received.len() < bytes.len() {
                    let count = read(stream, &mut buf).await.unwrap();
                    assert!(count > 0);
                    received.extend_from_slice(&buf[..count]);
                }
                assert!(received == bytes);
                write_all(stream, &bytes).await.unwrap();
            },
        );
        assert!(printed == bytes, "{flag}");
    }
}

#[test]
fn client_resumes() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    for (flag, version) in VERSIONS {
        let session = dir.path().join(flag);
        let session = session.to_str().unwrap();
        let spec = authority.server(&["a.test"]);
        let first = server_config(spec.clone()).unwrap();
        for (option, resumed) in [("-sess_out", false), ("-sess_in", true)] {
            let mut spec = spec.clone();
            spec.sessions = Some(first.sessions());
            let arguments = [flag, "-quiet", option, session];
            let (_, info) = s_client(spec, &authority.pem(), &arguments, b"x\n".to_vec(), async |stream| {
                read(stream, &mut [0; 10]).await.unwrap();
                write_all(stream, b"y").await.unwrap();
            });
            assert_eq!((info.version, info.resumed), (version, resumed), "{flag}");
            assert_eq!(info.server_name.as_deref(), Some("a.test"));
        }
    }
}

#[test]
fn client_shows_a_certificate() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.sign(&["client.test"]);
    let (cert, key) = (write_pem(dir.path(), "c.pem", &cert), write_pem(dir.path(), "k.pem", &key));
    for (flag, _) in VERSIONS {
        let mut spec = authority.server(&["a.test"]);
        spec.client_auth = ClientAuth::Required(authority.pem());
        let arguments = [flag, "-quiet", "-cert", &cert, "-key", &key];
        let (_, info) = s_client(spec, &authority.pem(), &arguments, Vec::new(), async |_| {});
        assert_eq!(info.client_certificate.unwrap().dns_names, ["client.test"]);
    }
}

#[test]
fn client_updates_keys() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    // `K` makes s_client update its keys and demand the same of us; `k` its own only. It reads one command at a
    // time from its input, so the lines are sent one by one.
    let dir = tempfile::tempdir().unwrap();
    let ca = write_pem(dir.path(), "ca.pem", &authority.pem());
    let config = server_config(authority.server(&["a.test"])).unwrap();
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-tls1_3", "-brief", "-CAfile", &ca])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (mut stream, _) = accept(listener.accept().await.unwrap().0, &config, soon()).await.unwrap();
        let mut buf = [0; 100];
        for (at, command) in ["K\n", "k\n", "K\n"].into_iter().enumerate() {
            stdin.write_all(command.as_bytes()).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let line = format!("line {at}\n");
            stdin.write_all(line.as_bytes()).unwrap();
            let count = read(&mut stream, &mut buf).await.unwrap();
            assert_eq!(&buf[..count], line.as_bytes());
            // The first write after it carries our own update.
            write_all(&mut stream, line.as_bytes()).await.unwrap();
            let mut printed = [0; 7];
            stdout.read_exact(&mut printed).unwrap();
            assert_eq!(printed, line.as_bytes());
        }
        drop(stdin);
        let (rest, end) = read_all(&mut stream).await;
        assert!(rest.is_empty() && end.is_ok(), "{end:?}");
        drop(stream);
        child.wait().unwrap();
    });
}

/// Stopped when dropped.
struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn s_server(dir: &Path, authority: &Authority, arguments: &[&str]) -> Server {
    let (cert, key) = authority.sign(&["a.test"]);
    let (cert, key) = (write_pem(dir, "cert.pem", &cert), write_pem(dir, "key.pem", &key));
    let ca = write_pem(dir, "ca.pem", &authority.pem());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            &cert,
            "-key",
            &key,
            "-CAfile",
            &ca,
        ])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Server(child, port)
}

/// Connects as soon as the server listens.
async fn dial(server: &Server) -> tokio::net::TcpStream {
    loop {
        match tokio::net::TcpStream::connect(("127.0.0.1", server.1)).await {
            Ok(tcp) => return tcp,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[test]
fn server_of_both_versions() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    for (flag, version) in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        let server = s_server(dir.path(), &authority, &[flag, "-rev", "-alpn", "http/1.1"]);
        let mut spec = authority.client();
        spec.alpn = vec![b"http/1.1".to_vec()];
        let config = client_config(spec).unwrap();
        run(async {
            for resumed in [false, true] {
                let (mut stream, info) =
                    connect(dial(&server).await, &config, "a.test", soon()).await.unwrap();
                assert_eq!((info.version, info.resumed), (version, resumed));
                assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
                write_all(&mut stream, b"abc\n").await.unwrap();
                let mut buf = [0; 100];
                let count = read(&mut stream, &mut buf).await.unwrap();
                assert_eq!(&buf[..count], b"cba\n");
                stream.send_close_notify();
            }
        });
    }
}

#[test]
fn server_demands_a_certificate_and_sends_a_file() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    let bytes = pattern(3_000_000);
    for (flag, _) in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), &bytes).unwrap();
        let server =
            s_server(dir.path(), &authority, &[flag, "-HTTP", "-Verify", "1", "-verify_return_error"]);
        let mut spec = authority.client();
        spec.client_certificate = Some(authority.sign(&["client.test"]));
        let config = client_config(spec).unwrap();
        run(async {
            let (mut stream, _) = connect(dial(&server).await, &config, "a.test", soon()).await.unwrap();
            write_all(&mut stream, b"GET /file HTTP/1.0\r\n\r\n").await.unwrap();
            let (received, _) = read_all(&mut stream).await;
            assert!(received == bytes, "{} bytes", received.len());
        });
    }
}

#[test]
fn server_older_than_allowed() {
    if missing() {
        return;
    }
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let server = s_server(dir.path(), &authority, &["-tls1_2", "-rev"]);
    let mut spec = authority.client();
    spec.min_version = TlsVersion::V1_3;
    let config = client_config(spec).unwrap();
    run(async {
        let error = connect(dial(&server).await, &config, "a.test", soon()).await.unwrap_err();
        assert_eq!(error.failure_kind(), weir_model::FailureKind::TlsProtocolError, "{error}");
    });
}

#[test]
fn client_older_than_allowed() {
    if missing() {
        return;
    }
    let mut spec = Authority::new().server(&["a.test"]);
    spec.min_version = TlsVersion::V1_3;
    let config = server_config(spec).unwrap();
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-tls1_2"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let error = accept(listener.accept().await.unwrap().0, &config, soon()).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Protocol(_)), "{error:?}");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("alert protocol version"), "{said}");
        child.wait().unwrap();
    });
}
