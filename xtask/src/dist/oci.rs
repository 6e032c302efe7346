//! An OCI image layout with one layer that holds one file. Written by hand: it is four small documents and a tar.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::workspace;

/// An unprivileged user that no distribution gives a name.
const USER: &str = "65532:65532";

/// Writes the layout into `dir` and returns its files with what they are.
pub(super) fn write(dir: &Path, binary: &[u8], epoch: u64) -> Result<Vec<(&'static str, PathBuf)>> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let tar = tar(&[("weir", 0o755, binary)], epoch)?;
    let diff_id = store(&blobs, &tar)?;
    fs::remove_file(blobs.join(&diff_id))?;
    let layer = gzip(&tar)?;
    let layer_digest = store(&blobs, &layer)?;
    let created = workspace::output(Command::new("date").args([
        "-u",
        "+%Y-%m-%dT%H:%M:%SZ",
        "-d",
        &format!("@{epoch}"),
    ]))?;
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": created.trim(),
        "config": {
            "Entrypoint": ["/weir"], "Cmd": ["gateway"], "User": USER,
            "Labels": { "org.opencontainers.image.title": "weir", "org.opencontainers.image.licenses": "Apache-2.0" },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        "history": [{ "created": created.trim(), "created_by": "cargo xtask dist" }],
    });
    let (config, config_digest) = document(&blobs, &config)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config_digest, config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer_digest, layer.len())],
    });
    let (manifest, manifest_digest) = document(&blobs, &manifest)?;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest_digest, manifest);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    entry["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry],
    });
    fs::write(dir.join("index.json"), serde_json::to_vec(&index)?)?;
    fs::write(dir.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(vec![
        ("OCI layer", blobs.join(layer_digest)),
        ("OCI config", blobs.join(config_digest)),
        ("OCI manifest", blobs.join(manifest_digest)),
        ("OCI index", dir.join("index.json")),
    ])
}

/// A file's SHA-256 in hex, by the tool that every system has, so that xtask needs no implementation of its own.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let said = workspace::output(Command::new("sha256sum").arg(path))?;
    let digest = said.trim_start_matches('\\').split_whitespace().next();
    digest.map(str::to_owned).context("sha256sum printed nothing")
}

fn descriptor(media: &str, digest: &str, size: usize) -> Value {
    json!({ "mediaType": media, "digest": format!("sha256:{digest}"), "size": size })
}

fn document(blobs: &Path, value: &Value) -> Result<(usize, String)> {
    let bytes = serde_json::to_vec(value)?;
    let digest = store(blobs, &bytes)?;
    Ok((bytes.len(), digest))
}

fn store(blobs: &Path, bytes: &[u8]) -> Result<String> {
    let file = blobs.join("new");
    fs::write(&file, bytes)?;
    let digest = sha256(&file)?;
    fs::rename(&file, blobs.join(&digest))?;
    Ok(digest)
}

/// `gzip -n` leaves out name and time, so that the same bytes give the same bytes.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut child =
        Command::new("gzip").args(["-9", "-n", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("gzip takes no input")?;
    let bytes = bytes.to_vec();
    let feed = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output()?;
    feed.join().map_err(|_| anyhow::anyhow!("feeding gzip panicked"))??;
    if !output.status.success() {
        bail!("gzip ended with {}", output.status);
    }
    Ok(output.stdout)
}

/// A POSIX tar (ustar) of regular files that belong to root and are dated alike.
fn tar(files: &[(&str, u32, &[u8])], epoch: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (name, mode, bytes) in files {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        if name.len() > 100 {
            bail!("{name} is too long for a tar header");
        }
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", bytes.len()));
        put(136, &format!("{epoch:011o}"));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_what_was_written() {
        let dir = crate::bench::Scratch::new("tar").unwrap();
        let file = dir.path().join("a.tar");
        fs::write(&file, tar(&[("weir", 0o755, b"binary")], 86_400).unwrap()).unwrap();
        let list = workspace::output(
            Command::new("tar").env("TZ", "UTC").args(["--numeric-owner", "-tvf"]).arg(&file),
        )
        .unwrap();
        assert_eq!(
            list.split_whitespace().collect::<Vec<_>>(),
            ["-rwxr-xr-x", "0/0", "6", "1970-01-02", "00:00", "weir"]
        );
        let text = workspace::output(Command::new("tar").arg("-xOf").arg(&file).arg("weir")).unwrap();
        assert_eq!(text, "binary");
    }
}
