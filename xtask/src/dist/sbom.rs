//! What the binary is made of, as CycloneDX 1.5, from what cargo resolved.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};
use serde_json::json;

use crate::workspace;

/// The document. It holds no time and no random serial, so that the same lock file gives the same bytes.
pub(super) fn cyclonedx(triple: &str) -> Result<String> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), triple.to_owned()])
        .exec()?;
    let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let weir = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "weir")
        .context("no package weir")?;

    // What is compiled in; build scripts and tests stay outside.
    let linked = |id: &PackageId| -> Vec<&PackageId> {
        let node = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
        let normal =
            node.iter().filter(|d| d.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        normal.map(|dependency| &dependency.pkg).collect()
    };
    let mut seen = BTreeSet::from([&weir.id]);
    let mut open = vec![&weir.id];
    while let Some(id) = open.pop() {
        open.extend(linked(id).into_iter().filter(|id| seen.insert(id)));
    }

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in seen {
        let package = &metadata[id];
        let reference = |id: &PackageId| format!("pkg:cargo/{}@{}", metadata[id].name, metadata[id].version);
        let mut uses: Vec<_> = linked(id).into_iter().map(reference).collect();
        uses.sort();
        dependencies.push(json!({ "ref": reference(id), "dependsOn": uses }));
        if *id != weir.id {
            let license = package.license.as_deref().map(|text| text.replace('/', " OR "));
            components.push(json!({
                "type": "library", "bom-ref": reference(id), "name": package.name.as_str(),
                "version": package.version.to_string(), "purl": reference(id),
                "licenses": license.map_or_else(|| json!([]), |text| json!([{ "expression": text }])),
            }));
        }
    }
    // Package ids hold the path of the clone, which must not decide the order.
    let by = |key: &'static str| {
        move |value: &serde_json::Value| value[key].as_str().unwrap_or_default().to_owned()
    };
    components.sort_by_key(by("bom-ref"));
    dependencies.sort_by_key(by("ref"));
    let document = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": format!("pkg:cargo/weir@{}", weir.version), "name": "weir",
            "version": weir.version.to_string(), "licenses": [{ "license": { "id": "Apache-2.0" } }],
        } },
        "components": components, "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
