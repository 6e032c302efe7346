//! The stores under measurement: how each is started, fed, brought to rest and weighed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::http::Client;
use crate::bench::gateway::PROXY_CORE;
use crate::process::{Running, free_address};
use crate::{peers, sys, workspace};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Kind {
    /// The release build of this tree.
    Weir,
    /// Built from its Go module.
    VictoriaMetrics,
    /// Built from its Go module.
    Prometheus,
    /// Built from its Go module.
    VictoriaLogs,
    /// Built from its Go module, storing in Badger.
    Jaeger,
}

impl Kind {
    /// Its name in tables, which is also the peer's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::VictoriaMetrics => "victoria-metrics",
            Self::Prometheus => "prometheus",
            Self::VictoriaLogs => "victoria-logs",
            Self::Jaeger => "jaeger",
        }
    }

    /// Its program; built where that is Weir and it is not up to date.
    pub(crate) fn program(self) -> Result<PathBuf> {
        match self {
            Self::Weir => workspace::release_binary(),
            _ => peers::locate(self.name())
                .with_context(|| format!("{} is missing; run `cargo xtask peers --bench`", self.name())),
        }
    }
}

/// A store that runs on a folder of its own.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// Where it takes and answers HTTP.
    pub(crate) address: SocketAddr,
    /// Where it takes OTLP over HTTP.
    pub(crate) otlp: SocketAddr,
    running: Running,
    dir: PathBuf,
    client: Client,
}

/// The path that takes Prometheus' remote write, on all of them.
pub(super) const REMOTE_WRITE: &str = "/api/v1/write";

/// How long a server may take over a request of the bench, such as a merge of everything.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

impl Server {
    /// Starts it on what lies in `dir`, or on nothing.
    pub(crate) fn start(kind: Kind, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let (address, otlp) = (free_address()?, free_address()?);
        let data = dir.join("data");
        let mut command = Command::new(kind.program()?);
        // A server with one core should know of one; Go looks at the cores it may run on.
        match kind {
            Kind::Weir => {
                command.args(["store", "serve", "--path"]).arg(&data);
                command.args(["--http", &address.to_string(), "--grpc", &free_address()?.to_string()]);
                command.args(["--keep", "36500"]);
            }
            Kind::VictoriaMetrics | Kind::VictoriaLogs => {
                command.arg(format!("-storageDataPath={}", data.display()));
                command.arg(format!("-httpListenAddr={address}"));
                command.args(["-retentionPeriod=100y", "-loggerLevel=WARN"]);
            }
            Kind::Prometheus => {
                let file = dir.join("prometheus.yml");
                fs::write(&file, "global: {}\n")?;
                command.arg(format!("--config.file={}", file.display()));
                command.arg(format!("--storage.tsdb.path={}", data.display()));
                command.arg(format!("--web.listen-address={address}"));
                command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
                command.args(["--storage.tsdb.retention.time=100y", "--log.level=warn"]);
            }
            Kind::Jaeger => {
                let file = dir.join("jaeger.yaml");
                let template = workspace::root().join("bench/store/jaeger.yaml");
                let text = fs::read_to_string(&template)
                    .with_context(|| format!("cannot read {}", template.display()))?
                    .replace("{{query}}", &address.to_string())
                    .replace("{{query_grpc}}", &free_address()?.to_string())
                    .replace("{{otlp}}", &otlp.to_string())
                    .replace("{{data}}", &data.display().to_string());
                fs::write(&file, text)?;
                command.arg("--config").arg(&file);
            }
        }
        let output = dir.join("output");
        let mut running = Running::start(kind.name(), &mut command, Some(PROXY_CORE), &output)?;
        running.wait_for(address, Duration::from_mins(1))?;
        let otlp = if kind == Kind::Jaeger { otlp } else { address };
        if kind == Kind::Jaeger {
            running.wait_for(otlp, Duration::from_mins(1))?;
        }
        let client = Client::new(address, PATIENCE);
        let mut server = Self { kind, address, otlp, running, dir: dir.to_owned(), client };
        server.until_ready()?;
        Ok(server)
    }

    /// Some listen before they answer.
    fn until_ready(&mut self) -> Result<()> {
        let path = match self.kind {
            Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics | Kind::VictoriaLogs => "/health",
            Kind::Weir | Kind::Jaeger => return Ok(()),
        };
        let begin = Instant::now();
        while self.client.get(path).map_or(true, |answer| answer.status != 200) {
            if begin.elapsed() > Duration::from_mins(1) {
                bail!("{} is not ready after a minute:\n{}", self.kind.name(), self.running.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A client of its own, for a sender or a reader.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, PATIENCE)
    }

    /// The path that takes Loki's push.
    pub(crate) fn loki_push(&self) -> &'static str {
        match self.kind {
            // Lines are kept as they are, as the others do; it would else take JSON in them apart.
            Kind::VictoriaLogs => "/insert/loki/api/v1/push?disable_message_parsing=1",
            _ => "/loki/api/v1/push",
        }
    }

    /// Writes out and merges all it holds, as it would in time by itself.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match self.kind {
            Kind::VictoriaMetrics | Kind::VictoriaLogs => {
                self.client.get("/internal/force_flush")?.success()?;
                self.client.get("/internal/force_merge")?.success()?;
                let metric = if self.kind == Kind::VictoriaMetrics {
                    "vm_active_force_merges"
                } else {
                    "vl_active_force_merges"
                };
                self.wait_while_above_zero(metric)
            }
            // What it keeps in memory and in its log goes into a block, beside those that are there.
            Kind::Prometheus => {
                self.client.post("/api/v1/admin/tsdb/snapshot", "application/json", b"")?.success()?;
                Ok(())
            }
            Kind::Weir => {
                self.client.post("/-/settle", "application/json", b"")?.success()?;
                Ok(())
            }
            // Badger has no such request; it writes out when it ends.
            Kind::Jaeger => Ok(()),
        }
    }

    fn wait_while_above_zero(&mut self, metric: &str) -> Result<()> {
        let begin = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let text = self.client.get("/metrics")?.success()?;
            let text = String::from_utf8_lossy(&text);
            let value = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok());
            if value.unwrap_or(0.0) == 0.0 {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("{} merges for more than {PATIENCE:?}", self.kind.name());
            }
        }
    }

    /// Waits until it is done with what it has accepted: until its CPU time stands still for half a second. Others are
    /// done when they have answered.
    pub(crate) fn drained(&self) -> Result<()> {
        if self.kind != Kind::Jaeger {
            return Ok(());
        }
        let begin = Instant::now();
        let mut before = self.cpu_s();
        while begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.cpu_s();
            if now - before < 0.015 {
                return Ok(());
            }
            before = now;
        }
        bail!("{} does not come to rest", self.kind.name())
    }

    /// Bytes on disk, as they are allocated, of what it keeps: without caches that it could make anew.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        Self::disk_bytes_of(self.kind, &self.dir)
    }

    /// The same of one that has ended.
    pub(crate) fn disk_bytes_of(kind: Kind, dir: &Path) -> Result<u64> {
        let data = dir.join("data");
        match kind {
            Kind::VictoriaMetrics | Kind::VictoriaLogs => {
                Ok(allocated(&data)? - allocated(&data.join("cache"))?)
            }
            Kind::Prometheus => allocated(&data.join("snapshots")),
            Kind::Weir | Kind::Jaeger => allocated(&data),
        }
    }

    /// CPU time so far, in seconds, user and system, of the process and what it started.
    pub(crate) fn cpu_s(&self) -> f64 {
        let cost = self.running.cost();
        // The ticks of a whole process hold also those of threads that have ended.
        (cost.user_ticks + cost.system_ticks) / sys::units().0 as f64
    }

    /// Bytes resident.
    pub(crate) fn resident_bytes(&self) -> f64 {
        self.running.cost().resident
    }

    /// Bytes resident when they were most.
    pub(crate) fn resident_peak_bytes(&self) -> Result<f64> {
        let file = format!("/proc/{}/status", self.running.pid());
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        let kilobytes: f64 = kilobytes.with_context(|| format!("{file} has no VmHWM"))?.parse()?;
        Ok(kilobytes * 1024.0)
    }

    /// Ends it in order, so that everything is on disk.
    pub(crate) fn stop(self) -> Result<PathBuf> {
        self.running.end(Duration::from_mins(2))?;
        Ok(self.dir)
    }

    /// Ends it, forgets what the system has cached of its files, and starts it on them again.
    pub(crate) fn restart_cold(self) -> Result<Self> {
        let kind = self.kind;
        let dir = self.stop()?;
        drop_page_cache()?;
        Self::start(kind, &dir)
    }
}

/// Bytes that the files under `path` take on disk; nothing where there is none.
pub(crate) fn allocated(path: &Path) -> Result<u64> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(0) };
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += allocated(&entry?.path())?;
    }
    Ok(sum)
}

fn drop_page_cache() -> Result<()> {
    workspace::run(&mut Command::new("sync"))?;
    fs::write("/proc/sys/vm/drop_caches", "3").context("only root can make a cold start; run as root")
}
