//! Relative links in documents lead somewhere.

use std::path::Path;

use super::{File, Findings};
use crate::workspace;

pub(super) fn check(files: &[File], findings: &mut Findings) {
    for file in files.iter().filter(|file| file.is("md")) {
        for (number, target) in links(&file.text) {
            if let Some(problem) = broken(file, target, files) {
                findings.problem(format!("{}:{number}: the link to {target} {problem}", file.path));
            }
        }
    }
}

/// Targets of `[text](target)` outside code, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let mut at = 0;
        while let Some(open) = line[at..].find("](") {
            let start = at + open + 2;
            let in_code = line[..start].matches('`').count() % 2 == 1;
            let Some(length) = line[start..].find(')') else { break };
            if !in_code {
                found.push((number + 1, line[start..start + length].split(' ').next().unwrap_or_default()));
            }
            at = start + length;
        }
    }
    found
}

fn broken(file: &File, target: &str, files: &[File]) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { Path::new(&file.path).to_owned() } else { normal(&folder.join(path))? };
    if !workspace::root().join(&path).exists() {
        return Some("leads nowhere; is it relative to the document?".to_owned());
    }
    let anchor = anchor?;
    let document = files.iter().find(|file| Path::new(&file.path) == path && file.is("md"))?;
    let known = document.text.lines().filter_map(heading);
    let mut known = known.map(|heading| slug(&heading));
    (!known.any(|slug| slug == anchor))
        .then(|| format!("names a heading that {} does not have", document.path))
}

/// The path without `.` and `..`; `None` where it leaves the tree.
fn normal(path: &Path) -> Option<std::path::PathBuf> {
    let mut out = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => out.push(name),
            std::path::Component::CurDir => {}
            _ => {
                if !out.pop() {
                    return None;
                }
            }
        }
    }
    Some(out)
}

fn heading(line: &str) -> Option<String> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim().to_owned())
}

/// A heading's anchor as forges make it: lower case, spaces to hyphens, other signs dropped.
fn slug(heading: &str) -> String {
    let keep = |c: char| match c {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    };
    heading.to_lowercase().chars().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_outside_code() {
        let text = "[a](b.md) and `[c](d.md)` [e](f.md#g \"title\")\n```\n[h](i.md)\n```\n";
        assert_eq!(links(text), [(1, "b.md"), (1, "f.md#g")]);
    }

    #[test]
    fn anchors() {
        assert_eq!(slug("How to add a filter"), "how-to-add-a-filter");
        assert_eq!(slug("`weir check`: what it says"), "weir-check-what-it-says");
    }
}
