//! Programs of others. One that is missing is said to be, and fails the test where `CI` is set; it never passes silently.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{eventually, free_port};

/// The program of a peer, for a suite. `None` where it is missing and that may be; it was then said.
pub fn peer(suite: &str, name: &str) -> Option<PathBuf> {
    let Some(path) = find(name) else {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing: `cargo xtask peers` installs it");
        eprintln!("NOT RUN: {suite} needs {name}; `cargo xtask peers` installs it");
        return None;
    };
    note(suite, name);
    Some(path)
}

fn find(name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(format!("WEIR_PEER_{}", name.to_uppercase())) {
        return Some(path.into());
    }
    if let Some(installed) = installed(name) {
        return Some(installed);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    dirs.into_iter().map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// What `cargo xtask peers` put into a folder of its own: an environment of Python's, packages of npm's, or a program in
/// Go in a folder for its version.
fn installed(name: &str) -> Option<PathBuf> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => return None,
    };
    let home = base.join("weir/peers").join(name);
    let versions = fs::read_dir(&home).into_iter().flatten().flatten().map(|entry| entry.path().join(name));
    let mut programs: Vec<_> = ["bin/python3", "node"].map(|program| home.join(program)).into();
    programs.extend(versions);
    programs.into_iter().find(|program| program.is_file())
}

/// Adds a line to the record of what ran against what, which `cargo xtask test` prints at its end.
fn note(suite: &str, peer: &str) {
    let path = std::env::var_os("WEIR_PEERS_USED").map(PathBuf::from).or_else(|| {
        let this = std::env::current_exe().ok()?;
        Some(this.ancestors().nth(3)?.join("peers-used.jsonl"))
    });
    let line = format!("{{\"suite\":\"{suite}\",\"peer\":\"{peer}\"}}\n");
    if let Some(path) = path
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}

/// A server of somebody else, with a folder of its own; ended when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    /// Its folder.
    pub dir: TempDir,
    child: Child,
}

impl Server {
    /// Real nginx. `server` stands within its `server` block; `@DIR@` is its folder. Its access log, a line per request,
    /// is `access.log` there.
    pub fn nginx(suite: &str, listen: &str, server: &str) -> Option<Self> {
        let program = peer(suite, "nginx")?;
        let (port, dir) = (free_port(), tempfile::tempdir().expect("a place for temporary files"));
        let home = dir.path().display().to_string();
        let server = server.replace("@DIR@", &home);
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log info;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n  log_format line '$request_method $request_uri $status $request_length';\n\
             access_log {home}/access.log line;\n\
             client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n\
             uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi; client_max_body_size 100m;\n\
             server {{ listen 127.0.0.1:{port} {listen};\n{server}\n}}\n}}\n"
        );
        fs::write(dir.path().join("nginx.conf"), config).expect("a folder of our own");
        let mut command = Command::new(program);
        command.args(["-p", &home, "-c"]).arg(dir.path().join("nginx.conf"));
        Some(Self::start(command, port, dir))
    }

    /// Real HAProxy that answers every request itself, and writes a line per request to `stdout` in its folder.
    pub fn haproxy(suite: &str) -> Option<Self> {
        let program = peer(suite, "haproxy")?;
        let (port, dir) = (free_port(), tempfile::tempdir().expect("a place for temporary files"));
        let config = format!(
            "global\n  log stdout format raw local0\n\
             defaults\n  mode http\n  log global\n  log-format \"%HM %HP %ST\"\n  timeout client 10s\n  \
             timeout server 10s\n  timeout connect 10s\n  timeout http-request 10s\n  option http-buffer-request\n\
             frontend web\n  bind 127.0.0.1:{port}\n  http-request return status 200 content-type text/plain string ok\n"
        );
        let path = dir.path().join("haproxy.cfg");
        fs::write(&path, config).expect("a folder of our own");
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(path);
        Some(Self::start(command, port, dir))
    }

    fn start(mut command: Command, port: u16, dir: TempDir) -> Self {
        let file = |name: &str| fs::File::create(dir.path().join(name)).expect("a folder of our own");
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("a peer that starts");
        let server = Self { port, dir, child };
        let begun = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "a peer does not listen: {}{}",
                server.read("stderr"),
                server.read("error.log")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// A file in its folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// Lines of a log once it has stopped growing.
    pub fn settled_lines(&self, name: &str) -> usize {
        let mut last = usize::MAX;
        eventually("a log that settles", Duration::from_secs(5), || {
            let now = self.read(name).lines().count();
            let settled = now == last;
            last = now;
            if !settled {
                std::thread::sleep(Duration::from_millis(10));
            }
            settled
        });
        last
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a script of Node.js where the packages of its peer are found, with bytes on its standard input.
pub fn run_node(node: &Path, script: &str, input: &[u8]) -> (bool, String) {
    let mut command = Command::new(node);
    command.current_dir(node.parent().expect("a program in a folder")).args(["-e", script]);
    end_of(command, input)
}

/// Runs a program to its end, and gives back whether it succeeded and all that it printed.
pub fn run(program: &Path, args: &[&str]) -> (bool, String) {
    run_with_input(program, args, b"")
}

/// The same with bytes on its standard input.
pub fn run_with_input(program: &Path, args: &[&str], input: &[u8]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(args);
    end_of(command, input)
}

fn end_of(mut command: Command, input: &[u8]) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a program that starts");
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().expect("a program that ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
