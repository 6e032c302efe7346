//! Signals that stop.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::support::{Running, answer, ask, dir, free_port};

/// A gateway, a request on its way through it, and the upstream connection that it waits on.
fn waiting() -> (tempfile::TempDir, Running, TcpStream, TcpStream, u16) {
    let (dir, port) = (dir(), free_port());
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let config = format!(
        "version: 1\nadmin: {{ address: none }}\nlisteners: [{{ name: web, address: 127.0.0.1:{port} }}]\n\
         routes: [{{ name: all, service: slow }}]\nservices: {{ slow: {{ endpoints: [\"{address}\"] }} }}\n"
    );
    fs::write(dir.path().join("weir.yaml"), config).unwrap();
    let weir = Running::gateway(dir.path(), "weir.yaml", port);
    let client = ask(port, "/");
    let (mut connection, _) = upstream.accept().unwrap();
    let mut head = [0; 16];
    connection.read_exact(&mut head).unwrap();
    (dir, weir, client, connection, port)
}

#[test]
fn terminate_lets_open_requests_end() {
    let (_dir, mut weir, client, mut upstream, _) = waiting();
    weir.signal(Signal::TERM);
    weir.until_log("SIGTERM: stopping");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
    assert_eq!(answer(client), (200, "done".into()));
    assert_eq!(weir.ends(), 0);
    // All that was buffered is written: the access record, and the record of the command as the last line.
    assert!(weir.out().contains("\"status\":200"), "{}", weir.out());
    let log = weir.log();
    let record: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&record["command"], &record["outcome"]), (&"gateway".into(), &"done".into()));
    assert!(record["duration_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_second_signal_ends_at_once() {
    let (_dir, mut weir, _client, _upstream, _) = waiting();
    weir.signal(Signal::TERM);
    weir.until_log("SIGTERM: stopping");
    weir.signal(Signal::INT);
    assert_eq!(weir.ends(), 128 + 2);
    assert!(weir.log().contains("ending at once"), "{}", weir.log());
    assert!(weir.log().lines().last().unwrap().contains("\"outcome\":\"cut\""), "{}", weir.log());
}
