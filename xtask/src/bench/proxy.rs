//! The proxies under measurement: each started from its tuned configuration in `bench/peers`.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::gateway::PROXY_CORE;
use super::routes::{self, Route};
use crate::process::{Running, free_address};
use crate::{peers, workspace};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// The release build of this tree.
    Weir,
    /// Debian's.
    Nginx,
    /// Debian's.
    Haproxy,
    /// From PyPI.
    Envoy,
}

impl Kind {
    /// All, in the order they are measured in.
    pub const ALL: [Self; 4] = [Self::Weir, Self::Nginx, Self::Haproxy, Self::Envoy];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }
}

/// What all proxies of a case have in common.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) origin: SocketAddr,
    pub(crate) routes: routes::Table,
    pub(crate) tls: bool,
    pub(crate) logs: bool,
    /// Idle connections to the origin that are kept; each request has its own where there is none.
    pub(crate) pool: Option<u32>,
    pub(crate) upstream_tls: bool,
    /// Further lines of Weir's file.
    pub(crate) more: String,
    /// A scratch folder; certificate, configurations, logs.
    pub(crate) dir: PathBuf,
    pub(crate) core: usize,
    /// The binary that is Weir.
    pub(crate) weir: PathBuf,
    /// A program (with its arguments) that the proxy runs under.
    pub(crate) under: Vec<OsString>,
}

/// A proxy that listens.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Where it tells of itself, where it does.
    pub(crate) admin: SocketAddr,
    pub(crate) running: Running,
    /// From its start to the first connection it took.
    pub(crate) start: Duration,
}

/// Weir's binary, built when it is among those measured.
pub(crate) fn weir_binary(kinds: &[Kind]) -> Result<PathBuf> {
    if kinds.contains(&Kind::Weir) { workspace::release_binary() } else { Ok(PathBuf::new()) }
}

impl Setup {
    /// Plain HTTP on both sides with a pool, no logs, on the proxy's core.
    pub(crate) fn plain(origin: SocketAddr, routes: routes::Table, dir: &Path, weir: &Path) -> Self {
        Self {
            origin,
            routes,
            tls: false,
            logs: false,
            pool: Some(256),
            upstream_tls: false,
            more: String::new(),
            dir: dir.to_owned(),
            core: PROXY_CORE,
            weir: weir.to_owned(),
            under: Vec::new(),
        }
    }

    /// The certificate in the scratch folder, made when missing: P-256, as most of the web's are by now.
    pub(crate) fn certificate(dir: &Path) -> Result<(PathBuf, PathBuf)> {
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        if !cert.is_file() {
            workspace::output(
                Command::new("openssl")
                    .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                    .args(["-days", "30", "-subj", "/CN=localhost"])
                    .args(["-addext", "subjectAltName=DNS:localhost,DNS:*.example.com,IP:127.0.0.1"])
                    .arg("-keyout")
                    .arg(&key)
                    .arg("-out")
                    .arg(&cert),
            )?;
            let both = [fs::read(&cert)?, fs::read(&key)?].concat();
            fs::write(dir.join("both.pem"), both)?;
        }
        Ok((cert, key))
    }

    /// Starts one proxy and waits until it listens.
    pub(crate) fn start(&self, kind: Kind, routes: &[Route]) -> Result<Proxy> {
        let address = free_address()?;
        let admin = free_address()?;
        let (cert, key) = Self::certificate(&self.dir)?;
        let listen = address.to_string();
        let (template, lines) = match kind {
            Kind::Weir => ("weir.yaml", routes::weir(routes)),
            Kind::Nginx => {
                let scheme = if self.upstream_tls { "https" } else { "http" };
                ("nginx.conf", routes::nginx(routes, &listen, self.tls, scheme))
            }
            Kind::Haproxy => ("haproxy.cfg", routes::haproxy(routes, &self.dir)?),
            Kind::Envoy => ("envoy.yaml", routes::envoy(routes)),
        };
        let values = [
            ("listen", listen),
            ("listen_port", address.port().to_string()),
            ("origin", self.origin.to_string()),
            ("origin_port", self.origin.port().to_string()),
            ("admin", admin.to_string()),
            ("admin_port", admin.port().to_string()),
            ("dir", self.dir.display().to_string()),
            ("cert", cert.display().to_string()),
            ("key", key.display().to_string()),
            ("pool_size", self.pool.unwrap_or_default().to_string()),
            ("routes", lines),
            ("more", self.more.clone()),
        ];
        let text = self.fill(template, &values)?;
        let file = self.dir.join(template);
        fs::write(&file, text)?;
        let begin = Instant::now();
        let mut running = Running::start(
            kind.name(),
            &mut self.command(kind, &file)?,
            Some(self.core),
            &self.dir.join(kind.name()),
        )?;
        running.wait_for(address, Duration::from_secs(90))?;
        Ok(Proxy { address, admin, running, start: begin.elapsed() })
    }

    /// Fills in a template; which lines stay is told in `bench/peers/README.md`.
    pub(crate) fn fill(&self, template: &str, values: &[(&str, String)]) -> Result<String> {
        let path = workspace::root().join("bench/peers").join(format!("{template}.tmpl"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let words = [
            ("tls", self.tls),
            ("plain", !self.tls),
            ("logs", self.logs),
            ("quiet", !self.logs),
            ("pool", self.pool.is_some()),
            ("nopool", self.pool.is_none()),
            ("uptls", self.upstream_tls),
            ("upplain", !self.upstream_tls),
        ];
        let keep = |line: &str| -> Option<String> {
            for (word, holds) in words {
                let mark = format!("{{{{{word}}}}} ");
                if line.trim_start().starts_with(&mark) {
                    return holds.then(|| line.replacen(&mark, "", 1));
                }
            }
            Some(line.to_owned())
        };
        let mut text = text.lines().filter_map(keep).collect::<Vec<_>>().join("\n") + "\n";
        for (name, value) in values {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        Ok(text)
    }

    fn command(&self, kind: Kind, file: &Path) -> Result<Command> {
        let program = match kind {
            Kind::Weir => self.weir.clone(),
            _ => peers::locate(kind.name())
                .with_context(|| format!("{} is not installed; run `cargo xtask peers`", kind.name()))?,
        };
        let mut words = self.under.iter().cloned().chain([program.into_os_string()]);
        let mut command = Command::new(words.next().context("no program to run")?);
        command.args(words);
        match kind {
            Kind::Weir => command.args(["gateway", "--config"]).arg(file),
            Kind::Nginx => command.args(["-e", "stderr", "-c"]).arg(file),
            Kind::Haproxy => command.args(["-db", "-f"]).arg(file),
            Kind::Envoy => command
                .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"])
                .arg(file),
        };
        Ok(command)
    }
}
