//! `cargo xtask dist`: what is handed to users, made so that two runs give the same bytes.
//!
//! ```text
//! target/dist/
//!   weir             static, stripped
//!   weir.zst         the same, smaller (weir.upx where upx is there: it runs as it is)
//!   weir.cdx.json    what is in it (CycloneDX)
//!   oci/             an image with nothing but the binary
//!   SHA256SUMS
//! ```

mod oci;
mod sbom;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::table::Table;
use crate::workspace::{self, cargo, find_program};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// How it is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Build in two places and compare
    #[arg(long)]
    pub twice: bool,
}

/// Builds and packages. An error when the binary asks for shared libraries, or two builds differ.
pub fn run(options: &Options) -> Result<()> {
    let out = workspace::target().join("dist");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out)?;
    let binary = out.join("weir");
    fs::copy(build(&workspace::target())?, &binary)?;
    check_static(&binary)?;
    package(&out)?;
    if options.twice {
        let other = workspace::target().join("dist-again");
        fs::create_dir_all(&other)?;
        fs::copy(build(&other)?, other.join("weir"))?;
        package(&other)?;
        let (one, two) = (fs::read(out.join("SHA256SUMS"))?, fs::read(other.join("SHA256SUMS"))?);
        if one != two {
            bail!("two builds differ:\n{}\n{}", String::from_utf8_lossy(&one), String::from_utf8_lossy(&two));
        }
        println!("two builds, one digest");
    }
    Ok(())
}

/// Seconds since the epoch that files are dated with: those of the commit.
fn epoch() -> Result<u64> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return epoch.parse().context("SOURCE_DATE_EPOCH is no number");
    }
    let git = Command::new("git").current_dir(workspace::root()).args(["log", "-1", "--format=%ct"]).output();
    let text =
        git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    Ok(text.parse().unwrap_or(0))
}

/// Builds into `target`; nothing in the result tells where that was.
fn build(target: &Path) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let places = [(workspace::root(), "/weir"), (target.to_owned(), "/target"), (home, "/cargo")];
    let map = |flag: &str| {
        places.iter().map(|(from, to)| format!("{flag}={}={to}", from.display())).collect::<Vec<_>>()
    };
    let mut flags = map("--remap-path-prefix");
    flags.push("-Ctarget-feature=+crt-static".to_owned());
    workspace::run(
        cargo()
            .args(["build", "--locked", "--profile", "dist", "--package", "weir", "--target", TRIPLE])
            .env("CARGO_TARGET_DIR", target)
            // Unlike RUSTFLAGS this can hold paths with spaces.
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env("CFLAGS", map("-ffile-prefix-map").join(" "))
            .env("SOURCE_DATE_EPOCH", epoch()?.to_string()),
    )?;
    Ok(target.join(TRIPLE).join("dist/weir"))
}

/// The kernel alone can run it: no interpreter, no needed libraries.
fn check_static(binary: &Path) -> Result<()> {
    let said = workspace::output(Command::new("file").arg("--brief").arg(binary))?;
    if !said.contains("static") || !said.contains(" stripped") {
        bail!("the binary is not static and stripped: {}", said.trim());
    }
    let ldd = Command::new("ldd").arg(binary).output()?;
    let ldd = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    if ldd.contains("=>") {
        bail!("the binary asks for shared libraries:\n{ldd}");
    }
    println!("{}", said.trim());
    Ok(())
}

fn package(out: &Path) -> Result<()> {
    let binary = out.join("weir");
    let mut files = vec![("static binary", binary.clone())];
    let zst = out.join("weir.zst");
    workspace::output(Command::new("zstd").args(["-19", "-q", "-f", "-o"]).arg(&zst).arg(&binary))?;
    files.push(("the same through zstd", zst));
    if find_program("upx").is_some() {
        let upx = out.join("weir.upx");
        workspace::output(Command::new("upx").args(["-q", "--best", "-f", "-o"]).arg(&upx).arg(&binary))?;
        files.push(("the same through upx", upx));
    }
    let sbom = out.join("weir.cdx.json");
    fs::write(&sbom, sbom::cyclonedx(TRIPLE)?)?;
    files.push(("SBOM (CycloneDX)", sbom));
    let image = out.join("oci");
    let _ = fs::remove_dir_all(&image);
    files.extend(oci::write(&image, &fs::read(&binary)?, epoch()?)?);

    let mut table = Table::new(&["what", "bytes", "sha256", "file"]);
    let mut sums = String::new();
    for (what, path) in &files {
        let digest = oci::sha256(path)?;
        let name = path.strip_prefix(out).unwrap_or(path).display().to_string();
        let size = fs::metadata(path)?.len().to_string();
        table.row([what, size.as_str(), &digest[..12], &name]);
        let _ = writeln!(sums, "{digest}  {name}");
    }
    fs::write(out.join("SHA256SUMS"), sums)?;
    table.print();
    Ok(())
}
