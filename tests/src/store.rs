//! The store under test: `weir store serve`, and what it answers.

use std::fs::{self, File};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::binary;
use crate::{Client, Message, eventually, free_port};

/// Debug builds on a busy machine are slow to start.
const START: Duration = Duration::from_secs(30);

/// The door where a store answers over HTTP, whoever runs it.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Its port.
    pub http: u16,
}

/// A running store; killed when dropped, and its folder removed. Asked as its door is.
#[derive(Debug)]
pub struct Store {
    door: Door,
    /// Where gRPC is answered.
    pub grpc: u16,
    /// Where Jaeger's datagrams come in.
    pub udp: u16,
    /// Its working folder; what it keeps is in `data` there.
    pub dir: TempDir,
    /// A program that starts it, with its first arguments.
    through: Vec<String>,
    child: Child,
}

impl Store {
    /// A store with every default, told on the command line where its doors are.
    #[track_caller]
    pub fn start() -> Self {
        Self::launch([free_port(), free_port()], "", &[], &[])
    }

    /// A store with further keys of `store`, a line each, and files beside its configuration.
    #[track_caller]
    pub fn with(keys: &str, files: &[(&str, &str)]) -> Self {
        Self::launch([free_port(), free_port()], keys, files, &[])
    }

    /// The same, with its HTTP on a port that its keys name too.
    #[track_caller]
    pub fn at(http: u16, keys: &str) -> Self {
        Self::launch([http, free_port()], keys, &[], &[])
    }

    /// A store that another program starts, which is given the command at its end.
    #[track_caller]
    pub fn through(program: &[&str]) -> Self {
        Self::launch([free_port(), free_port()], "", &[], program)
    }

    fn launch([http, grpc]: [u16; 2], keys: &str, files: &[(&str, &str)], through: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a place for temporary files");
        fs::create_dir(dir.path().join("data")).expect("a folder of our own");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("a folder of our own");
        }
        if !keys.is_empty() {
            let keys: Vec<String> = keys.lines().map(|line| format!("  {line}")).collect();
            let keys = keys.join("\n");
            let text = format!("version: 1\nstore:\n{keys}\n");
            fs::write(dir.path().join("weir.yaml"), text).expect("a folder of our own");
        }
        let udp = free_port();
        let through: Vec<String> =
            through.iter().map(|word| word.replace("@DIR@", &dir.path().display().to_string())).collect();
        let child = spawn(dir.path(), &through, [http, grpc, udp]);
        let mut store = Self { door: Door { http }, grpc, udp, dir, through, child };
        store.wait_until_ready();
        store
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        // Behind TLS nobody answers in plain words; that the port is open must do.
        while !Client::try_connect(self.http).is_some_and(|mut client| {
            client.send("GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            client.try_response("GET").map_or(true, |answer| matches!(answer.status(), 200 | 401))
        }) {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the store ended with {status}:\n{}", self.log());
            }
            assert!(begun.elapsed() < START, "the store is not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, as a loss of power would, but for what the kernel holds.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a process of our own");
        self.child.wait().expect("a process of our own");
    }

    /// Starts it again in its folder and on its ports; it must have ended.
    #[track_caller]
    pub fn begin(&mut self) {
        self.child = spawn(self.dir.path(), &self.through, [self.http, self.grpc, self.udp]);
        self.wait_until_ready();
    }

    /// Stops it in good order and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        let status = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -TERM failed");
        let child = &mut self.child;
        eventually("the store ends", START, || child.try_wait().is_ok_and(|status| status.is_some()));
        self.begin();
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stderr"), read("stdout"))
    }
}

impl Deref for Store {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Door {
    /// Posts bytes, with further header lines (each ended by CRLF), on a connection of its own.
    #[track_caller]
    pub fn post(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Message {
        Client::connect(self.http).ask(post(path, headers, body.as_ref()))
    }

    /// Asks, with further header lines, on a connection of its own.
    #[track_caller]
    pub fn get(&self, path: &str, headers: &str) -> Message {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        Client::connect(self.http).ask(head)
    }

    /// The JSON that a path answers with; panics where the status is another than 200.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        self.json_as("", path)
    }

    /// The same for a caller with a token; none where it is empty.
    #[track_caller]
    pub fn json_as(&self, token: &str, path: &str) -> Value {
        let header =
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let answer = self.get(path, &header);
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
    }

    /// What a query in PromQL gives now: each series with its value or values, as Prometheus' interface writes it.
    #[track_caller]
    pub fn promql(&self, query: &str) -> Vec<Value> {
        self.promql_as("", query)
    }

    /// The same for a caller with a token.
    #[track_caller]
    pub fn promql_as(&self, token: &str, query: &str) -> Vec<Value> {
        let answer = self.json_as(token, &format!("/api/v1/query?query={}", encoded(query)));
        list(&answer["data"]["result"])
    }

    /// Lines of the last hour that a query in LogQL finds, oldest first, each with the labels of its stream.
    #[track_caller]
    pub fn logql(&self, query: &str) -> Vec<(Value, String)> {
        self.logql_as("", query)
    }

    /// The same for a caller with a token.
    #[track_caller]
    pub fn logql_as(&self, token: &str, query: &str) -> Vec<(Value, String)> {
        let path = format!(
            "/loki/api/v1/query_range?query={}&limit=5000&direction=forward&since=1h",
            encoded(query)
        );
        let streams = list(&self.json_as(token, &path)["data"]["result"]);
        let mut lines: Vec<(String, Value, String)> = Vec::new();
        for stream in streams {
            for value in list(&stream["values"]) {
                let text = |at: usize| value[at].as_str().unwrap_or_default().to_owned();
                lines.push((text(0), stream["stream"].clone(), text(1)));
            }
        }
        lines.sort_by(|a, b| a.0.cmp(&b.0));
        lines.into_iter().map(|(_, labels, line)| (labels, line)).collect()
    }

    /// Spans of a trace, as Jaeger's interface writes them; none where the trace is not known.
    #[track_caller]
    pub fn trace(&self, id: &str) -> Vec<Value> {
        self.trace_as("", id)
    }

    /// The same for a caller with a token.
    #[track_caller]
    pub fn trace_as(&self, token: &str, id: &str) -> Vec<Value> {
        let header =
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let answer = self.get(&format!("/api/traces/{id}"), &header);
        if answer.status() == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status(), 200, "trace {id}: {}", answer.text());
        let json: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
        list(&json["data"][0]["spans"])
    }
}

/// The bytes of a POST.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A text as it may stand in a query of a URL (RFC 3986, section 2.1).
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn spawn(dir: &Path, through: &[String], [http, grpc, udp]: [u16; 3]) -> Child {
    let log = |name: &str| {
        File::options().create(true).append(true).open(dir.join(name)).expect("a folder of our own")
    };
    let mut words: Vec<String> = through.to_vec();
    words.push(binary().display().to_string());
    words.extend(["store", "serve", "--path"].map(str::to_owned));
    words.push(dir.join("data").display().to_string());
    for (option, port) in [("--http", http), ("--grpc", grpc), ("--jaeger-udp", udp)] {
        words.extend([option.to_owned(), format!("127.0.0.1:{port}")]);
    }
    if dir.join("weir.yaml").is_file() {
        words.extend(["--config".to_owned(), dir.join("weir.yaml").display().to_string()]);
    }
    Command::new(&words[0])
        .args(&words[1..])
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log("stdout"))
        .stderr(log("stderr"))
        .spawn()
        .expect("a binary that starts")
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("── what the store said\n{}\n──", lines[lines.len().saturating_sub(12)..].join("\n"));
        }
    }
}
