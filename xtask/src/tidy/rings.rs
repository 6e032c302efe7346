//! Dependencies point inward only.

use std::collections::BTreeMap;

use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::{File, Findings};
use crate::workspace;

/// Crates that read clocks, randomness, files or sockets. Rings 0 and 1 take those as values.
const OUTSIDE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "hyper-util",
    "rustls",
    "notify",
    "rand",
    "fastrand",
    "getrandom",
    "chrono",
    "time",
    "tempfile",
    "tracing-subscriber",
    "reqwest",
    "async-std",
    "smol",
];

pub(super) fn check(files: &[File], findings: &mut Findings) -> Result<()> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()?;
    let mut rings = BTreeMap::new();
    for package in &metadata.packages {
        match ring(package) {
            Some(ring) => {
                rings.insert(package.name.to_string(), ring);
            }
            None => findings.problem(format!(
                "{}: states no ring; add `[package.metadata.weir]` with `ring = N` to its manifest",
                package.name
            )),
        }
    }
    for package in &metadata.packages {
        let Some(&own) = rings.get(package.name.as_str()) else { continue };
        let built = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        for dependency in built {
            match rings.get(&dependency.name) {
                Some(&other) if other > own => findings.problem(format!(
                    "{} (ring {own}) depends on {} (ring {other}): dependencies point inward only",
                    package.name, dependency.name
                )),
                None if own <= 1 && OUTSIDE.contains(&dependency.name.as_str()) => findings.problem(format!(
                    "{} (ring {own}) depends on {}: rings 0 and 1 do no IO and read no clock; pass the value in",
                    package.name, dependency.name
                )),
                Some(_) | None => {}
            }
            if own <= 1 && !package.features.is_empty() {
                findings.problem(format!(
                    "{} (ring {own}) has features: builds of rings 0 and 1 never differ",
                    package.name
                ));
            }
        }
        if own <= 1 {
            super::code::check_pure(&format!("crates/{}/src/", package.name), files, findings);
        }
    }
    Ok(())
}

fn ring(package: &Package) -> Option<u64> {
    package.metadata.get("weir")?.get("ring")?.as_u64()
}
