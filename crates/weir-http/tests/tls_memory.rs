//! What an idle TLS connection costs in resident memory: our structs, rustls' state and the task that waits.

#![allow(clippy::unwrap_used)] // a test's own steps; what fails is then the test

use std::cell::Cell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use weir_http::tls::{
    CertificateSpec, ClientAuth, ClientSpec, Pem, ServerSpec, TlsStream, VerifyServer, accept, client_config,
    connect, server_config,
};
use weir_http::{mono_now, raise_open_files};
use weir_model::{Mono, TlsVersion};

const CONNECTIONS: usize = 2000;

/// The bar is 10 KB for all of a gateway's connection; this leaves half of it to what is above TLS.
const PER_CONNECTION_MAX: usize = 5_500;

/// Set for the process that plays the clients: where to connect to.
const ADDRESS: &str = "TLS_MEMORY_ADDRESS";

#[test]
fn idle_connections_stay_small() {
    if let Ok(address) = std::env::var(ADDRESS) {
        return clients(address.parse().unwrap());
    }
    raise_open_files().unwrap();
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let pem = |text: String| Pem { bytes: text.into_bytes(), origin: "memory".into() };
    let config = server_config(ServerSpec {
        certificates: vec![CertificateSpec {
            cert: pem(made.cert.pem()),
            key: pem(made.signing_key.serialize_pem()),
            hosts: Vec::new(),
        }],
        client_auth: ClientAuth::None,
        min_version: TlsVersion::V1_2,
        alpn: vec![b"http/1.1".to_vec()],
        sessions: None,
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "idle_connections_stay_small", "--nocapture"])
            .env(ADDRESS, listener.local_addr().unwrap().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let idle = Rc::new(Cell::new(0));
        let mut before = 0;
        // The first few fill the pools and the allocator; they are not counted.
        for at in 0..CONNECTIONS + 50 {
            if at == 50 {
                wait_for(&idle, 50).await;
                before = resident();
            }
            let (tcp, _) = listener.accept().await.unwrap();
            let (config, idle) = (config.clone(), Rc::clone(&idle));
            tokio::task::spawn_local(async move {
                let deadline = mono_now().after(Duration::from_mins(1));
                let (mut stream, _) = accept(tcp, &config, deadline).await.unwrap();
                serve(&mut stream, &idle).await;
            });
        }
        wait_for(&idle, CONNECTIONS + 50).await;
        let each = (resident() - before) / CONNECTIONS;
        println!("size_of TlsStream: {} bytes", size_of::<TlsStream>());
        println!("resident per idle TLS connection, its task included: {each} bytes");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(each <= PER_CONNECTION_MAX, "{each} bytes");
    });
}

/// Answers requests of any length with one answer, waiting without a buffer.
async fn serve(stream: &mut TlsStream, idle: &Cell<usize>) {
    loop {
        poll_fn(|cx| stream.poll_readable(cx)).await.unwrap();
        let mut buf = weir_http::Buf::take();
        match stream.try_read(buf.space()) {
            Ok(0) => return,
            Ok(_) => {
                stream.try_write(&[IoSlice::new(&[b'x'; 2000])]).unwrap();
                stream.release_memory();
                idle.set(idle.get() + 1);
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn wait_for(idle: &Cell<usize>, count: usize) {
    while idle.get() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Opens the connections, makes one request on each, and keeps them until the other process has measured.
fn clients(address: SocketAddr) {
    raise_open_files().unwrap();
    let config = client_config(ClientSpec {
        verify: VerifyServer::Insecure,
        client_certificate: None,
        min_version: TlsVersion::V1_2,
        alpn: vec![b"http/1.1".to_vec()],
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kept = runtime.block_on(async {
        let mut kept = Vec::new();
        for _ in 0..CONNECTIONS + 50 {
            let tcp = TcpStream::connect(address).unwrap();
            tcp.set_nonblocking(true).unwrap();
            let tcp = tokio::net::TcpStream::from_std(tcp).unwrap();
            let (mut stream, _) = connect(tcp, &config, "a.test", Mono::NEVER).await.unwrap();
            stream.try_write(&[IoSlice::new(b"GET / HTTP/1.1\r\n\r\n")]).unwrap();
            poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
            kept.push(stream);
        }
        kept
    });
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(kept);
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
