//! The program under test: `weir gateway --config FILE`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Client, Message, eventually, free_port, get};

/// Debug builds on a busy machine are slow to start.
const START: Duration = Duration::from_secs(30);

/// A configuration with one listener, to be filled in and started.
#[derive(Clone, Debug)]
pub struct Setup {
    workers: usize,
    listener: String,
    access_log: String,
    text: String,
    files: Vec<(String, Vec<u8>)>,
    through: Vec<String>,
}

/// A running Weir; killed when dropped.
#[derive(Debug)]
pub struct Weir {
    /// The port of its listener `web`.
    pub port: u16,
    /// The port of its admin interface.
    pub admin: u16,
    /// Its working folder, where `weir.yaml` lies.
    pub dir: TempDir,
    child: Child,
    setup: Setup,
}

impl Setup {
    /// Routes and services, as text. It follows the list of listeners, so that lines for further ones may come first.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            workers: 1,
            listener: String::new(),
            access_log: "{ format: json }".into(),
            text: text.into(),
            files: Vec::new(),
            through: Vec::new(),
        }
    }

    /// All requests go to one origin.
    pub fn to(port: u16) -> Self {
        Self::new(format!("routes: [ {{ name: all, service: origin }} ]\n{}", origin(port)))
    }

    /// Worker threads; 1 where nothing is said.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Further keys of the listener, in flow style: `timeouts: { head: 1s }, max_connections: 4`.
    pub fn listener(mut self, keys: impl Into<String>) -> Self {
        self.listener = keys.into();
        self
    }

    /// What is logged of requests, in flow style; JSON on standard output where nothing is said.
    pub fn access_log(mut self, keys: impl Into<String>) -> Self {
        self.access_log = keys.into();
        self
    }

    /// Further text at the end.
    pub fn and(mut self, text: impl AsRef<str>) -> Self {
        self.text.push('\n');
        self.text.push_str(text.as_ref());
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), bytes.into()));
        self
    }

    /// Another program that starts it, which is given the command at its end.
    pub fn through(mut self, program: &[&str]) -> Self {
        self.through = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The whole text.
    pub fn render(&self, port: u16, admin: u16) -> String {
        let Self { workers, listener, access_log, text, .. } = self;
        let comma = if listener.is_empty() { "" } else { ", " };
        format!(
            "version: 1\nworkers: {workers}\nadmin: {{ address: 127.0.0.1:{admin}, token_file: admin.token }}\n\
             access_log: {access_log}\n\
             listeners:\n  - {{ name: web, address: 127.0.0.1:{port}{comma}{listener} }}\n{text}\n"
        )
    }

    /// The whole text, for the ports of one that runs.
    pub fn render_for(&self, weir: &Weir) -> String {
        self.render(weir.port, weir.admin)
    }

    /// Starts Weir and waits until it is ready.
    #[track_caller]
    pub fn start(self) -> Weir {
        let (port, admin) = (free_port(), free_port());
        let dir = tempfile::tempdir().expect("a place for temporary files");
        for (name, bytes) in &self.files {
            fs::write(dir.path().join(name), bytes).expect("a folder of our own");
        }
        let config = dir.path().join("weir.yaml");
        fs::write(&config, self.render(port, admin)).expect("a folder of our own");
        let log = |name: &str| File::create(dir.path().join(name)).expect("a folder of our own");
        let mut words: Vec<_> = self.through.iter().map(OsString::from).collect();
        words.push(binary().into());
        let child = Command::new(&words[0])
            .args(&words[1..])
            .args(["gateway", "--config"])
            .arg(&config)
            .current_dir(dir.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .expect("a binary that starts");
        let mut weir = Weir { port, admin, dir, child, setup: self };
        let begun = Instant::now();
        while !weir.is_ready() {
            if let Ok(Some(status)) = weir.child.try_wait() {
                panic!("weir ended with {status}:\n{}", weir.log());
            }
            assert!(begun.elapsed() < START, "weir is not ready:\n{}", weir.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        weir
    }
}

/// A `services:` section with one service, `origin`.
pub fn origin(port: u16) -> String {
    format!("services: {{ origin: {{ endpoints: [\"127.0.0.1:{port}\"] }} }}\n")
}

impl Weir {
    /// A Weir that passes everything on to one origin.
    #[track_caller]
    pub fn to(port: u16) -> Self {
        Setup::to(port).start()
    }

    /// Whether it says that requests may be sent.
    fn is_ready(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.admin)).is_ok() && get(self.admin, "/readyz").status() == 200
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

    /// The path of its configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("weir.yaml")
    }

    /// Replaces the text after the listener, the way editors do: a new file that takes the old one's place.
    pub fn rewrite(&mut self, text: impl Into<String>) {
        self.setup.text = text.into();
        let text = self.setup.render(self.port, self.admin);
        self.replace("weir.yaml", text.as_bytes());
    }

    /// Puts a new file in place of one beside the configuration.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let fresh = self.dir.path().join(format!(".{name}.new"));
        fs::write(&fresh, bytes).expect("a folder of our own");
        fs::rename(&fresh, self.dir.path().join(name)).expect("a folder of our own");
    }

    /// Asks the admin interface, with the token that writes need.
    #[track_caller]
    pub fn operate(&self, method: &str, path: &str, more: &str, body: &str) -> Message {
        let token = fs::read_to_string(self.dir.path().join("admin.token")).unwrap_or_default();
        Client::connect(self.admin).ask(format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\
             connection: close\r\n{more}\r\n{body}",
            token.trim(),
            body.len()
        ))
    }

    /// Puts an object in force and waits until it is; panics where it is refused.
    #[track_caller]
    pub fn put(&self, object: &str, text: &str) -> Message {
        let answer = self.operate("PUT", &format!("/config/{object}"), "", text);
        assert!(matches!(answer.status(), 200 | 201), "{} {}", answer.start, answer.text());
        answer
    }

    /// Sends a signal, by name (`TERM`, `HUP`).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name} failed");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        let mut ended = None;
        eventually("weir ends", most, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        ended.expect("it has ended, as was just seen")
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Memory in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(12)..].join("\n");
            eprintln!("── what weir said\n{tail}\n──");
        }
    }
}

/// The binary: `$WEIR_BIN` or `$WEIR_BINARY`, else the newest that was built beside this test, else one built now.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let given = ["WEIR_BIN", "WEIR_BINARY"].into_iter().find_map(std::env::var_os);
        if let Some(path) = given {
            return path.into();
        }
        let this = std::env::current_exe().expect("a test that knows where it lies");
        // target/debug/deps/this
        let target = this.ancestors().nth(3).expect("cargo's folders").to_path_buf();
        let built = ["release/weir", "debug/weir"].map(|path| target.join(path));
        let age = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
        if let Some(newest) = built.iter().filter(|path| path.is_file()).max_by_key(|path| age(path)) {
            return newest.clone();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--package", "weir", "--target-dir"])
            .arg(&target)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .status();
        assert!(status.is_ok_and(|status| status.success()), "weir could not be built");
        built[1].clone()
    })
}
