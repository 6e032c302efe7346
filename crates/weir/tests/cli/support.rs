//! Running the binary, asking it over HTTP, and waiting for what is to come.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command that sees nothing of the surroundings of the test: `dir` is its home and where it runs.
pub(crate) fn weir(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command
}

/// What a command says and how it ends.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn said(mut command: Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: code(status), out: text(stdout), err: text(stderr) }
}

fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap())
}

pub(crate) fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A port that nothing listens on, and that no other test of this process is given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().get_or_insert_default().insert(port) {
            return port;
        }
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A configuration with one route that answers `body`, and more text.
pub(crate) fn answering(port: u16, body: &str, more: &str) -> String {
    format!(
        "version: 1\nadmin: {{ address: none }}\naccess_log: {{ format: json }}\n\
         listeners: [{{ name: web, address: 127.0.0.1:{port} }}]\n\
         routes: [{{ name: hello, respond: {{ status: 200, body: {body} }} }}]\n{more}\n"
    )
}

/// A process that goes on until it is stopped. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    out: PathBuf,
    _logs: TempDir,
}

impl Running {
    /// Starts it.
    pub(crate) fn begin(mut command: Command) -> Self {
        let logs = dir();
        let (log, out) = (logs.path().join("stderr"), logs.path().join("stdout"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log, out, _logs: logs }
    }

    /// Starts it and waits until the port answers.
    #[track_caller]
    pub(crate) fn start(command: Command, port: u16) -> Self {
        let mut running = Self::begin(command);
        until("it listens", || {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended ({ended:?}): {}", running.log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        running
    }

    /// `weir store serve` with the folder `store`; the port answers HTTP.
    #[track_caller]
    pub(crate) fn store(dir: &Path, more: &[&str]) -> (Self, u16) {
        let port = free_port();
        let (http, grpc) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", free_port()));
        let arguments =
            [&["store", "serve", "--path", "store", "--http", &http, "--grpc", &grpc], more].concat();
        (Self::start(weir(dir, &arguments), port), port)
    }

    /// `weir gateway -c CONFIG`.
    #[track_caller]
    pub(crate) fn gateway(dir: &Path, config: &str, port: u16) -> Self {
        Self::start(weir(dir, &["gateway", "-c", config]), port)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn out(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    #[track_caller]
    pub(crate) fn until_log(&self, part: &str) {
        let begun = Instant::now();
        while !self.log().contains(part) {
            assert!(begun.elapsed() < PATIENCE, "{part:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> i32 {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        code(status.unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET on a connection of its own.
#[track_caller]
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    answer(ask(port, path))
}

/// Sends a GET.
pub(crate) fn ask(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// Status and body of a POST of JSON on a connection of its own.
#[track_caller]
pub(crate) fn post(port: u16, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    answer(stream)
}

/// Reads its answer.
#[track_caller]
pub(crate) fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Replaces a file as editors and deployments do: another file takes its name.
pub(crate) fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}
