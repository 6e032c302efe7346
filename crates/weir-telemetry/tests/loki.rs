//! Loki's interface over a real socket: lines go in by push, come out by query, and by tail as they come.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use weir_telemetry::Server;

struct Weir {
    server: Server,
    _folder: TempDir,
}

impl Weir {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!("version: 1\nstore: {{ path: {} }}\n", folder.path().join("store").display());
        let parsed = weir_config::parse(&yaml, Path::new("weir.yaml"));
        let mut telemetry = parsed.unwrap().telemetry.unwrap();
        telemetry.http = vec!["127.0.0.1:0".parse().unwrap()];
        telemetry.grpc = Vec::new();
        telemetry.jaeger_udp = None;
        let (store, _, _) = weir_telemetry::open(&telemetry).unwrap();
        let server = Server::start(store, Arc::new(telemetry)).await.unwrap();
        Self { server, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.server.http()[0]
    }

    /// Sends a request; gives status and body.
    async fn send(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        let request =
            format!("{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn push(&self, line: &str) {
        let body = json!({ "streams": [{ "stream": { "app": "a" }, "values": [[now_ns().to_string(), line]] }] });
        let (status, body) = self.send("POST /loki/api/v1/push", &body.to_string()).await;
        assert_eq!(status, 204, "{body}");
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(&format!("GET /loki/api/v1/{path}"), "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// The other end of a tail.
struct Tail(BufReader<TcpStream>);

impl Tail {
    async fn open(weir: &Weir, query: &str) -> Self {
        let mut stream = TcpStream::connect(weir.address()).await.unwrap();
        let request = format!(
            "GET /loki/api/v1/tail?query={query} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self(BufReader::new(stream))
    }

    /// The next frame: its first byte and what it says.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let kind = self.0.read_u8().await.unwrap();
            let length = match self.0.read_u8().await.unwrap() {
                126 => self.0.read_u16().await.unwrap().into(),
                127 => self.0.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            (kind, payload)
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap()
    }

    /// The lines of the next message.
    async fn lines(&mut self) -> Vec<String> {
        let (kind, payload) = self.frame().await;
        assert_eq!(kind, 0x81);
        let message: Value = serde_json::from_slice(&payload).unwrap();
        let streams = message["streams"].as_array().unwrap();
        let lines = streams.iter().flat_map(|stream| stream["values"].as_array().unwrap());
        lines.map(|value| value[1].as_str().unwrap().to_owned()).collect()
    }

    async fn say(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | kind, 0x80 | payload.len() as u8, 1, 2, 3, 4];
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
        self.0.get_mut().write_all(&frame).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_in_and_come_out() {
    let weir = Weir::start().await;
    weir.push("level=info one").await;
    weir.push("level=warn two").await;
    let found = weir.get("query_range?query=%7Bapp=%22a%22%7D+%7C+logfmt+%7C+level=%22warn%22").await;
    assert_eq!(found["data"]["result"][0]["stream"], json!({ "app": "a", "level": "warn" }));
    assert_eq!(found["data"]["result"][0]["values"][0][1], "level=warn two");
    let found = weir.get("query?query=sum(count_over_time(%7Bapp=%22a%22%7D%5B1h%5D))").await;
    assert_eq!(found["data"]["result"][0]["value"][1], "2");
    assert_eq!(weir.get("labels").await["data"], json!(["app"]));
    assert_eq!(weir.get("index/stats?query=%7Bapp=%22a%22%7D").await["entries"], 2);
    let (status, body) = weir.send("GET /loki/api/v1/query_range?query=%7B", "").await;
    assert_eq!((status, body.starts_with("parse error at line 1, col 2")), (400, true), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_sends_each_line_once() {
    let weir = Weir::start().await;
    weir.push("one").await;
    weir.push("other").await;
    let mut tail = Tail::open(&weir, "%7Bapp=%22a%22%7D+!=+%22other%22").await;
    assert_eq!(tail.lines().await, ["one"]);
    weir.push("two").await;
    assert_eq!(tail.lines().await, ["two"]);
    tail.say(0x9, b"still there?").await;
    assert_eq!(tail.frame().await, (0x8a, b"still there?".to_vec()));
    weir.push("other").await;
    weir.push("three").await;
    assert_eq!(tail.lines().await, ["three"]);
    tail.say(0x8, &1000_u16.to_be_bytes()).await;
    let (kind, payload) = tail.frame().await;
    assert_eq!((kind, &payload[..2]), (0x88, &1000_u16.to_be_bytes()[..]));
    let (status, body) = weir.send("GET /loki/api/v1/tail?query=vector(1)", "").await;
    assert_eq!(status, 400, "{body}");
    let (status, body) = weir.send("GET /loki/api/v1/tail?query=%7Bapp=%22a%22%7D", "").await;
    assert_eq!((status, body.contains("WebSocket")), (400, true), "{body}");
}
