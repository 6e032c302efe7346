//! Certificates, connections and waiting, for all TLS tests.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use tokio::net::{TcpListener, TcpStream};
use weir_http::mono_now;
use weir_http::tls::{
    CertificateSpec, ClientAuth, ClientSpec, ClientTlsConfig, HandshakeError, HandshakeInfo, Pem, ServerSpec,
    ServerTlsConfig, TlsStream, VerifyServer, accept, client_config, connect, server_config,
};
use weir_model::{Mono, TlsVersion};

/// An authority that signs what a test needs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> Pem {
        pem(&self.0.pem(), "file ca.pem")
    }

    /// Chain and key for these names, ready for a server or a client.
    pub(crate) fn sign(&self, names: &[&str]) -> (Pem, Pem) {
        self.sign_with(names, |_| {})
    }

    pub(crate) fn sign_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Pem, Pem) {
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params.subject_alt_names.push(SanType::URI("spiffe://example.org/test".try_into().unwrap()));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        (pem(&cert.pem(), &format!("file {}.pem", names[0])), pem(&key.serialize_pem(), "file key.pem"))
    }

    pub(crate) fn server(&self, names: &[&str]) -> ServerSpec {
        let (cert, key) = self.sign(names);
        ServerSpec {
            certificates: vec![CertificateSpec { cert, key, hosts: Vec::new() }],
            client_auth: ClientAuth::None,
            min_version: TlsVersion::V1_2,
            alpn: Vec::new(),
            sessions: None,
        }
    }

    pub(crate) fn client(&self) -> ClientSpec {
        ClientSpec {
            verify: VerifyServer::Roots(self.pem()),
            client_certificate: None,
            min_version: TlsVersion::V1_2,
            alpn: Vec::new(),
        }
    }
}

pub(crate) fn pem(text: &str, origin: &str) -> Pem {
    Pem { bytes: text.as_bytes().to_vec(), origin: origin.to_owned() }
}

/// Runs a test on one thread, and fails it where it hangs.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_mins(1), test).await.expect("the test hangs") };
    runtime.block_on(tokio::task::LocalSet::new().run_until(limited))
}

pub(crate) fn soon() -> Mono {
    mono_now().after(Duration::from_secs(20))
}

/// Two ends of a TCP connection; with `small`, with as little room between them as the kernel allows.
pub(crate) async fn tcp_pair(small: bool) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    if small {
        socket2::SockRef::from(&listener).set_recv_buffer_size(1).unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.set_send_buffer_size(1).unwrap();
    }
    let (client, server) = tokio::join!(socket.connect(address), listener.accept());
    let (client, server) = (client.unwrap(), server.unwrap().0);
    if small {
        socket2::SockRef::from(&server).set_send_buffer_size(1).unwrap();
    }
    for tcp in [&client, &server] {
        tcp.set_nodelay(true).unwrap();
    }
    (client, server)
}

pub(crate) type Shaken = Result<(Box<TlsStream>, HandshakeInfo), HandshakeError>;

/// Both sides of a handshake.
pub(crate) async fn shake(
    server: &ServerTlsConfig,
    client: &ClientTlsConfig,
    name: &str,
    small: bool,
) -> (Shaken, Shaken) {
    let (client_tcp, server_tcp) = tcp_pair(small).await;
    tokio::join!(accept(server_tcp, server, soon()), connect(client_tcp, client, name, soon()))
}

/// A pair that is expected to come about.
pub(crate) async fn pair(
    server: ServerSpec,
    client: ClientSpec,
    small: bool,
) -> ((Box<TlsStream>, HandshakeInfo), (Box<TlsStream>, HandshakeInfo)) {
    let (server, client) = (server_config(server).unwrap(), client_config(client).unwrap());
    let (server, client) = shake(&server, &client, "a.test", small).await;
    (server.unwrap(), client.unwrap())
}

pub(crate) fn configs(authority: &Authority) -> (Arc<ServerTlsConfig>, Arc<ClientTlsConfig>) {
    (server_config(authority.server(&["a.test"])).unwrap(), client_config(authority.client()).unwrap())
}

/// Reads once, waiting as long as it takes.
pub(crate) async fn read(stream: &mut TlsStream, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| {
        loop {
            match stream.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    std::task::ready!(stream.poll_readable(cx))?;
                }
                done => return std::task::Poll::Ready(done),
            }
        }
    })
    .await
}

/// Reads to the end.
pub(crate) async fn read_all(stream: &mut TlsStream) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let mut buf = vec![0; 5000];
    loop {
        match read(stream, &mut buf).await {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&buf[..count]),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Writes some, waiting as long as it takes.
pub(crate) async fn write(stream: &mut TlsStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    poll_fn(|cx| {
        loop {
            match stream.try_write(slices) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    std::task::ready!(stream.poll_writable(cx))?;
                }
                done => return std::task::Poll::Ready(done),
            }
        }
    })
    .await
}

/// Writes all and flushes.
pub(crate) async fn write_all(stream: &mut TlsStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = write(stream, &[IoSlice::new(bytes)]).await?;
        bytes = &bytes[count..];
    }
    flush(stream).await
}

pub(crate) async fn flush(stream: &mut TlsStream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_flush(cx)).await
}

/// Bytes that differ wherever they are.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
