//! Endpoints by name: resolved again as the time to live of their records ends.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use weir_tests::gateway::binary;
use weir_tests::{Origin, eventually, free_port};

/// Where the name server listens: loopback, but nobody else's.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A name server that says the same of every name: one address, good for a second (RFC 1035, section 4).
fn serve_names(socket: &UdpSocket, address: &AtomicU32) {
    let mut query = [0; 512];
    while let Ok((count, from)) = socket.recv_from(&mut query) {
        let query = &query[..count];
        if count < 12 {
            continue;
        }
        // The question: labels up to the root, then type and class.
        let end = 12 + query[12..].iter().position(|&b| b == 0).unwrap_or(0) + 5;
        let is_a = query[end - 4..end - 2] == [0, 1];
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        answer.extend(&query[12..end]);
        if is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.load(Ordering::Relaxed).to_be_bytes());
        }
        let _ = socket.send_to(&answer, from);
    }
}

#[test]
fn a_name_that_moves_is_followed_without_a_reload() {
    let Ok(socket) = UdpSocket::bind((NAME_SERVER, 53)) else {
        assert!(std::env::var_os("CI").is_none(), "port 53 on loopback is needed for a name server");
        println!("NOT RUN: port 53 on loopback is not to be had");
        return;
    };
    let address = Arc::new(AtomicU32::new(u32::from(Ipv4Addr::LOCALHOST)));
    let answered = address.clone();
    std::thread::spawn(move || serve_names(&socket, &answered));

    // Two origins on one port and two loopback addresses; the second is a plain thread, since only its address matters.
    let first = Origin::saying("first");
    let second = std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), first.port)).expect("127.0.0.2");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in second.incoming().flatten() {
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(1..) = stream.read(&mut piece) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond");
                }
            });
        }
    });

    let dir = tempfile::tempdir().expect("a folder");
    let (resolver, config) = (dir.path().join("resolv.conf"), dir.path().join("weir.yaml"));
    std::fs::write(&resolver, format!("nameserver {NAME_SERVER}\n")).expect("written");
    let port = free_port();
    let text = format!(
        "version: 1\nadmin: {{ address: none }}\nlisteners: [{{ name: web, address: 127.0.0.1:{port} }}]\n\
         routes: [{{ name: all, service: origin }}]\n\
         services: {{ origin: {{ endpoints: [\"origin.weir.test:{}\"] }} }}\n",
        first.port
    );
    std::fs::write(&config, text).expect("written");
    // Its own view of one file, and of nothing else.
    let _weir = Running(
        Command::new("unshare")
            .args([
                "--mount",
                "sh",
                "-c",
                "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" gateway --config \"$3\"",
                "sh",
            ])
            .arg(&resolver)
            .arg(binary())
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare (util-linux)"),
    );
    let says = |word: &str| {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            && weir_tests::get(port, "/").text().contains(word)
    };
    eventually("the first address answers", Duration::from_secs(10), || says("first"));
    address.store(u32::from(Ipv4Addr::new(127, 0, 0, 2)), Ordering::Relaxed);
    eventually("the second address answers", Duration::from_secs(10), || says("second"));
}
