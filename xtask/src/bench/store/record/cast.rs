//! The twenty exporters of a recording, and the programs they tell of.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::super::recording::Labels;
use super::loads::{self, Loads};
use super::shape::Shape;
use crate::peers;
use crate::process::{Running, free_address};
use crate::sys;
use crate::workspace::{self, find_program};

/// A program of Debian's, and its package.
const PROGRAMS: &[(&str, &str)] = &[
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("prometheus-mysqld-exporter", "prometheus-mysqld-exporter"),
    ("prometheus-nginx-exporter", "prometheus-nginx-exporter"),
    ("prometheus-process-exporter", "prometheus-process-exporter"),
    ("prometheus-redis-exporter", "prometheus-redis-exporter"),
    ("prometheus-postgres-exporter", "prometheus-postgres-exporter"),
    ("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
    ("prometheus-pushgateway", "prometheus-pushgateway"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("prometheus", "prometheus"),
    ("victoria-metrics", "victoria-metrics"),
    ("mariadbd", "mariadb-server"),
    ("mariadb", "mariadb-client"),
    ("redis-server", "redis-server"),
    ("psql", "postgresql"),
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
];

/// Where a target is scraped.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) labels: Labels,
    pub(super) address: SocketAddr,
    pub(super) path: String,
}

/// Everything that runs, ended when dropped: loads before exporters, exporters before what they look at.
pub(super) struct Cast {
    pub(super) loads: Loads,
    pub(super) targets: Vec<Target>,
    running: Vec<Running>,
    dir: PathBuf,
    seed: u64,
}

impl Drop for Cast {
    fn drop(&mut self) {
        drop(std::mem::take(&mut self.loads));
        while let Some(last) = self.running.pop() {
            drop(last);
        }
    }
}

/// A peer, or else what the search path has under that name.
fn program(name: &str) -> Result<PathBuf> {
    peers::locate(name).or_else(|| find_program(name)).with_context(|| format!("{name} is missing"))
}

const LOOPBACK: &str = "127.0.0.1";

impl Cast {
    /// Starts all. An error names what is missing or did not start, with its last words.
    pub(super) fn start(dir: &Path, weir: &Path) -> Result<Self> {
        let missing: Vec<_> = PROGRAMS.iter().filter(|(name, _)| program(name).is_err()).collect();
        if !missing.is_empty() {
            let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
            bail!(
                "{} are missing; `cargo xtask peers --bench` or, as root: apt-get install --no-install-recommends {}",
                missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
                packages.join(" ")
            );
        }
        let mut cast = Self {
            loads: Loads::default(),
            targets: Vec::new(),
            running: Vec::new(),
            dir: dir.to_owned(),
            seed: 0,
        };
        cast.nodes()?;
        cast.databases()?;
        let fronts = cast.web()?;
        cast.gateways(weir, fronts)?;
        cast.caches()?;
        cast.others(fronts)?;
        cast.watchers()?;
        Ok(cast)
    }

    /// Starts a program and waits until it listens.
    fn run(&mut self, name: &str, command: &mut Command, address: SocketAddr) -> Result<()> {
        // Exporters in Go would else run a thread of garbage collection on each core.
        command.env("GOMAXPROCS", "1");
        let mut running = Running::start(name, command, None, &self.dir.join(format!("{name}.out")))?;
        running.wait_for(address, Duration::from_mins(1))?;
        self.running.push(running);
        Ok(())
    }

    fn target(&mut self, job: &str, instance: &str, address: SocketAddr, path: &str) {
        let labels = Labels { job: job.to_owned(), instance: instance.to_owned() };
        self.targets.push(Target { labels, address, path: path.to_owned() });
    }

    /// An exporter that takes its address by one option.
    fn exporter(&mut self, job: &str, instance: &str, option: &str, command: &mut Command) -> Result<()> {
        let address = free_address()?;
        command.arg(format!("{option}={address}"));
        self.run(&format!("{job}-{}", instance.replace(':', "-")), command, address)?;
        self.target(job, instance, address, "/metrics");
        Ok(())
    }

    fn shape(&mut self, base: f64) -> Shape {
        self.seed += 1;
        Shape { base, wave_s: 600.0 + 337.0 * self.seed as f64, seed: self.seed }
    }

    fn configuration(&self, name: &str, text: &str, values: &[(&str, String)]) -> Result<PathBuf> {
        let filled = values
            .iter()
            .fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value));
        let file = self.dir.join(name);
        fs::write(&file, filled)?;
        Ok(file)
    }

    fn nodes(&mut self) -> Result<()> {
        let node = || Command::new("prometheus-node-exporter");
        let listen = "--web.listen-address";
        self.exporter("node", "app1:9100", listen, &mut node())?;
        let more = ["processes", "interrupts", "tcpstat", "buddyinfo", "ksmd", "zoneinfo", "lnstat"];
        self.exporter(
            "node",
            "db1:9100",
            listen,
            node().args(more.map(|name| format!("--collector.{name}"))).arg("--no-collector.arp"),
        )?;
        let few = ["cpu", "meminfo", "diskstats", "netdev", "loadavg", "filesystem", "time", "uname"];
        self.exporter(
            "node",
            "edge1:9100",
            listen,
            node().arg("--collector.disable-defaults").args(few.map(|name| format!("--collector.{name}"))),
        )?;
        let kernel = [
            "stat",
            "vmstat",
            "schedstat",
            "softnet",
            "pressure",
            "interrupts",
            "sockstat",
            "netstat",
            "slabinfo",
        ];
        self.exporter(
            "node",
            "batch1:9100",
            listen,
            node().arg("--collector.disable-defaults").args(kernel.map(|name| format!("--collector.{name}"))),
        )
    }

    fn databases(&mut self) -> Result<()> {
        let exporter = |address: SocketAddr| {
            let mut command = Command::new("prometheus-mysqld-exporter");
            command.env("DATA_SOURCE_NAME", format!("root@tcp({address})/"));
            command
        };
        let listen = "--web.listen-address";
        let orders = self.mariadb("mariadb-orders", "ON", 60.0, loads::shop)?;
        let more = [
            "info_schema.processlist",
            "info_schema.tables",
            "info_schema.innodb_metrics",
            "info_schema.tablestats",
            "info_schema.userstats",
            "perf_schema.tableiowaits",
            "perf_schema.indexiowaits",
            "perf_schema.eventsstatements",
            "perf_schema.file_events",
            "engine_innodb_status",
        ];
        let more = more.map(|name| format!("--collect.{name}"));
        self.exporter("mysqld", "orders:9104", listen, exporter(orders).args(more))?;
        let reports = self.mariadb("mariadb-reports", "OFF", 4.0, loads::reports)?;
        self.exporter("mysqld", "reports:9104", listen, &mut exporter(reports))?;
        let postgres = self.postgres()?;
        self.exporter(
            "postgres",
            "accounts:9187",
            listen,
            Command::new("prometheus-postgres-exporter").env(
                "DATA_SOURCE_NAME",
                format!("postgresql://postgres@{postgres}/postgres?sslmode=disable"),
            ),
        )
    }

    fn mariadb(
        &mut self,
        name: &str,
        performance_schema: &str,
        rate: f64,
        statement: fn(&mut super::super::random::Random) -> String,
    ) -> Result<SocketAddr> {
        let data = self.dir.join(name);
        let address = free_address()?;
        let user = format!("--user={}", if sys::is_root() { "root" } else { "mysql" });
        workspace::output(
            Command::new("mariadb-install-db")
                .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", &user])
                .arg(format!("--datadir={}", data.display()))
                .stdin(Stdio::null()),
        )?;
        let socket = data.join("socket");
        let mut server = Command::new(program("mariadbd")?);
        server
            .args(["--no-defaults", &user, "--innodb-buffer-pool-size=32M", "--userstat=1", "--skip-log-bin"])
            .arg(format!("--performance-schema={performance_schema}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", data.join("pid").display()))
            .args([format!("--bind-address={LOOPBACK}"), format!("--port={}", address.port())]);
        self.run(name, &mut server, address)?;
        let client = || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "--user=root", "--force", "--silent"]);
            client.arg(format!("--socket={}", socket.display()));
            client
        };
        workspace::output(
            client().args(["-e", &format!("CREATE DATABASE shop; USE shop; {}", loads::SCHEMA)]),
        )?;
        let load: &'static str = if performance_schema == "ON" { "orders" } else { "reports" };
        // Two clients, so that there is something to wait for.
        for _ in 0..2 {
            let shape = self.shape(rate / 2.0);
            self.loads.statements(load, shape, client().arg("shop"), statement)?;
        }
        Ok(address)
    }

    fn postgres(&mut self) -> Result<SocketAddr> {
        let versions =
            fs::read_dir("/usr/lib/postgresql").context("postgresql is not installed as Debian does")?;
        let bin =
            versions.flatten().map(|dir| dir.path().join("bin")).max().context("no version of postgresql")?;
        let data = self.dir.join("postgres");
        fs::create_dir_all(&data)?;
        // It refuses to run as root.
        let id = |option: &str| -> Result<u32> {
            let id = workspace::output(Command::new("id").args([option, "postgres"]))?;
            Ok(id.trim().parse()?)
        };
        let who = if sys::is_root() { Some((id("-u")?, id("-g")?)) } else { None };
        let command = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.arg("-D").arg(&data).current_dir(&self.dir);
            if let Some((user, group)) = who {
                command.uid(user).gid(group);
            }
            command
        };
        if let Some((user, group)) = who {
            chown(&data, Some(user), Some(group))?;
        }
        workspace::output(command("initdb").args(["-A", "trust", "-U", "postgres", "--no-sync"]))?;
        let address = free_address()?;
        let mut server = command("postgres");
        server.arg("-k").arg(&data).args(["-p", &address.port().to_string(), "-h", LOOPBACK]);
        server.args(["-c", "shared_buffers=32MB"]);
        self.run("postgres", &mut server, address)?;
        let client = || {
            let mut client = Command::new("psql");
            client.args(["-q", "-X", "-U", "postgres", "-h", LOOPBACK, "-p", &address.port().to_string()]);
            client
        };
        // It listens before it takes connections.
        let ready = || workspace::output(client().args(["-c", "SELECT 1"]));
        let begin = std::time::Instant::now();
        while let Err(error) = ready() {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        workspace::output(client().args(["-c", loads::SCHEMA]))?;
        let shape = self.shape(15.0);
        self.loads.statements("accounts", shape, &mut client(), loads::shop)?;
        Ok(address)
    }

    /// Two web servers with an exporter each.
    fn web(&mut self) -> Result<[SocketAddr; 2]> {
        let text = include_str!("../../../../../bench/store/record/nginx.conf");
        let mut addresses = Vec::new();
        for (name, rate) in [("front", 30.0), ("assets", 12.0)] {
            let address = free_address()?;
            let dir = self.dir.join(format!("nginx-{name}"));
            fs::create_dir_all(&dir)?;
            let values = [("listen", address.to_string()), ("dir", dir.display().to_string())];
            let file = self.configuration(&format!("nginx-{name}.conf"), text, &values)?;
            let mut server = Command::new(program("nginx")?);
            self.run(&format!("nginx-{name}"), server.args(["-e", "stderr", "-c"]).arg(&file), address)?;
            self.exporter(
                "nginx",
                &format!("{name}:9113"),
                "-web.listen-address",
                Command::new("prometheus-nginx-exporter")
                    .arg(format!("-nginx.scrape-uri=http://{address}/status")),
            )?;
            let shape = self.shape(rate);
            self.loads.run(
                name,
                shape,
                loads::pages(address, &["/", "/items", "/items?page=2", "/", "/missing"]),
            );
            addresses.push(address);
        }
        Ok([addresses[0], addresses[1]])
    }

    /// Two of Weir, the first before a balancer.
    fn gateways(&mut self, weir: &Path, [front, assets]: [SocketAddr; 2]) -> Result<()> {
        let (balancer, stats) = (free_address()?, free_address()?);
        let values = [
            ("listen", balancer.to_string()),
            ("metrics", stats.to_string()),
            ("front", front.to_string()),
            ("assets", assets.to_string()),
        ];
        let text = include_str!("../../../../../bench/store/record/haproxy.cfg");
        let file = self.configuration("haproxy.cfg", text, &values)?;
        self.run("haproxy", Command::new("haproxy").args(["-db", "-f"]).arg(&file), stats)?;
        self.target("haproxy", "balancer:8404", stats, "/metrics");
        let shape = self.shape(12.0);
        self.loads.run(
            "balancer",
            shape,
            loads::pages(balancer, &["/", "/items", "/error", "/", "/missing"]),
        );

        let paths: [(&str, &str, f64, &'static [&'static str]); 2] = [
            (
                "weir-edge",
                include_str!("../../../../../bench/store/record/weir-edge.yaml"),
                30.0,
                &["/", "/items", "/items?page=2", "/hello", "/limited", "/broken", "/", "/error", "/missing"],
            ),
            (
                "weir-api",
                include_str!("../../../../../bench/store/record/weir-api.yaml"),
                15.0,
                &["/v1/users/7", "/v1/users", "/search?q=x", "/teapot"],
            ),
        ];
        for (name, text, rate, paths) in paths {
            let (listen, admin) = (free_address()?, free_address()?);
            let values = [
                ("listen", listen.to_string()),
                ("admin", admin.to_string()),
                ("balancer", balancer.to_string()),
                ("front", front.to_string()),
                ("assets", assets.to_string()),
            ];
            let file = self.configuration(&format!("{name}.yaml"), text, &values)?;
            self.run(name, Command::new(weir).args(["gateway", "--config"]).arg(&file), listen)?;
            self.target("weir", &format!("{}:9901", name.trim_start_matches("weir-")), admin, "/metrics");
            let shape = self.shape(rate);
            self.loads.run(name, shape, loads::pages(listen, paths));
        }
        Ok(())
    }

    fn caches(&mut self) -> Result<()> {
        type Cache = (&'static str, f64, fn(&mut super::super::random::Random) -> String);
        let caches: [Cache; 2] =
            [("cache", 60.0, loads::cache_command), ("queue", 25.0, loads::queue_command)];
        for (name, rate, command) in caches {
            let address = free_address()?;
            let dir = self.dir.join(format!("redis-{name}"));
            fs::create_dir_all(&dir)?;
            let mut server = Command::new("redis-server");
            server.args(["--bind", LOOPBACK, "--port", &address.port().to_string(), "--save", ""]);
            server.args(["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru", "--dir"]).arg(&dir);
            self.run(&format!("redis-{name}"), &mut server, address)?;
            self.exporter(
                "redis",
                &format!("{name}:9121"),
                "-web.listen-address",
                Command::new("prometheus-redis-exporter").arg(format!("-redis.addr=redis://{address}")),
            )?;
            let shape = self.shape(rate);
            self.loads.run(name, shape, loads::redis(address, command));
        }
        Ok(())
    }

    fn others(&mut self, [front, _]: [SocketAddr; 2]) -> Result<()> {
        let listen = "--web.listen-address";
        let text = include_str!("../../../../../bench/store/record/processes.yml");
        let file = self.configuration("processes.yml", text, &[])?;
        self.exporter(
            "process",
            "app1:9256",
            "-web.listen-address",
            Command::new("prometheus-process-exporter")
                .args(["-threads=false", "-gather-smaps=false", "-children=false", "-config.path"])
                .arg(&file),
        )?;
        let text = include_str!("../../../../../bench/store/record/blackbox.yml");
        let file = self.configuration("blackbox.yml", text, &[])?;
        let mut blackbox = Command::new("prometheus-blackbox-exporter");
        let option = format!("--config.file={}", file.display());
        self.exporter("blackbox", "front:80", listen, blackbox.arg(option))?;
        if let Some(target) = self.targets.last_mut() {
            target.path = format!("/probe?module=http_2xx&target=http://{front}/items");
        }
        self.exporter("pushgateway", "batch:9091", listen, &mut Command::new("prometheus-pushgateway"))?;
        if let Some(address) = self.targets.last().map(|target| target.address) {
            let shape = self.shape(0.3);
            self.loads.run("batch", shape, loads::batch_job(address));
        }
        let text = include_str!("../../../../../bench/store/record/alertmanager.yml");
        let file = self.configuration("alertmanager.yml", text, &[])?;
        let mut alertmanager = Command::new("prometheus-alertmanager");
        alertmanager
            .arg("--cluster.listen-address=")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", self.dir.join("alertmanager").display()));
        self.exporter("alertmanager", "alerts:9093", listen, &mut alertmanager)?;
        if let Some(address) = self.targets.last().map(|target| target.address) {
            let shape = self.shape(0.2);
            self.loads.run("alerts", shape, loads::alerts(address));
        }
        Ok(())
    }

    /// A Prometheus that scrapes some of the others, and a VictoriaMetrics that it writes to.
    fn watchers(&mut self) -> Result<()> {
        let data = self.dir.join("victoria");
        self.exporter(
            "victoriametrics",
            "longterm:8428",
            "-httpListenAddr",
            Command::new(program("victoria-metrics")?)
                .args(["-memory.allowedBytes=64MB", "-loggerLevel=WARN"])
                .arg(format!("-storageDataPath={}", data.display())),
        )?;
        let remote = self.targets.last().map(|target| target.address).context("no target")?;
        let targets: Vec<_> = self
            .targets
            .iter()
            .filter(|target| target.path == "/metrics")
            .step_by(3)
            .map(|target| format!("\"{}\"", target.address))
            .collect();
        let text = include_str!("../../../../../bench/store/record/prometheus.yml");
        let values = [("targets", targets.join(", ")), ("remote", remote.to_string())];
        let file = self.configuration("prometheus.yml", text, &values)?;
        let data = self.dir.join("prometheus");
        self.exporter(
            "prometheus",
            "monitor:9090",
            "--web.listen-address",
            Command::new(program("prometheus")?)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", data.display())),
        )
    }
}
