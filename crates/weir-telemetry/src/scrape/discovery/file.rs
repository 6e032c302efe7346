//! Files that list targets. They are looked at every few seconds, and read again where they are not as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_signal::Labels;

use super::groups;

/// The largest file that is read.
const BYTES_MAX: u64 = 16 << 20;

/// What a file was when it was read: its device, number, size and times.
type Stamp = [i64; 6];

/// Files of a job, and what they said when they were read last.
#[derive(Debug)]
pub(super) struct Files {
    job: Arc<str>,
    patterns: Vec<PathBuf>,
    known: BTreeMap<PathBuf, (Stamp, Vec<Labels>)>,
    /// Patterns without a file, once that was said.
    missing: BTreeSet<PathBuf>,
}

impl Files {
    /// None was read yet. In the last part of a pattern `*` stands for any characters.
    pub(super) fn new(job: &Arc<str>, patterns: Vec<PathBuf>) -> Self {
        Self { job: job.clone(), patterns, known: BTreeMap::new(), missing: BTreeSet::new() }
    }

    /// All targets, in the order of the files' names.
    pub(super) fn targets(&self) -> Vec<Labels> {
        self.known.values().flat_map(|(_, targets)| targets).cloned().collect()
    }

    /// Looks at all files, reads those that changed, and says whether targets did. A file that cannot be read keeps the
    /// targets that it had; one that is gone has none.
    pub(super) fn look(&mut self) -> bool {
        let mut here = BTreeSet::new();
        for pattern in &self.patterns {
            let found = matching(pattern);
            if found.is_empty() && self.missing.insert(pattern.clone()) {
                tracing::warn!("targets of job `{}`: there is no file {}", self.job, pattern.display());
            } else if !found.is_empty() {
                self.missing.remove(pattern);
            }
            here.extend(found);
        }
        let before = self.known.len();
        self.known.retain(|path, _| here.contains(path));
        let mut changed = self.known.len() != before;
        for path in here {
            changed |= self.look_at(path);
        }
        changed
    }

    fn look_at(&mut self, path: PathBuf) -> bool {
        let Ok(stamp) = fs::metadata(&path).map(|metadata| stamp(&metadata)) else {
            return self.known.remove(&path).is_some();
        };
        if self.known.get(&path).is_some_and(|(known, _)| *known == stamp) {
            return false;
        }
        let read = read(&path).and_then(|text| groups::read(&path.to_string_lossy(), &text));
        let entry = self.known.entry(path);
        match read {
            Ok(targets) => {
                let known = entry.or_default();
                let changed = known.1 != targets;
                *known = (stamp, targets);
                changed
            }
            Err(error) => {
                let path = entry.key().display();
                tracing::warn!("targets of job `{}`: {path}: {error}; its last targets stay", self.job);
                entry.or_default().0 = stamp;
                false
            }
        }
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let numbers = [metadata.dev() as i64, metadata.ino() as i64, metadata.size() as i64];
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec()];
    [numbers[0], numbers[1], numbers[2], times[0], times[1], times[2]]
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("it is larger than {} MiB; split it", BYTES_MAX >> 20));
    }
    Ok(text)
}

/// The files that a pattern names.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    if !name.contains('*') {
        return if pattern.is_file() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let folder = match pattern.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let hit = entries.filter(|entry| {
        let found = entry.file_name();
        let found = found.to_string_lossy();
        // As in shells, what is hidden is not meant.
        is_match(&name, &found) && (!found.starts_with('.') || name.starts_with('.'))
    });
    hit.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// Whether `name` is `pattern`, in which `*` stands for any characters.
fn is_match(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(is_match(pattern, name), expect, "{pattern} {name}");
        };
        check("a.yml", "a.yml", true);
        check("a.yml", "aa.yml", false);
        check("*.yml", "a.yml", true);
        check("*.yml", ".yml", true);
        check("*.yml", "a.json", false);
        check("a*b*c", "a-b-c", true);
        check("a*b*c", "abc", true);
        check("a*b*c", "acb", false);
        check("a*a", "a", false);
        check("*", "x", true);
    }

    #[test]
    fn files_are_read_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let job: Arc<str> = "j".into();
        let mut files = Files::new(&job, vec![path("t-*.yml"), path("fixed.json")]);
        let addresses = |files: &Files| -> Vec<String> {
            files.targets().iter().map(|labels| labels.get("__address__").unwrap().to_owned()).collect()
        };
        assert!(!files.look());
        fs::write(path("t-b.yml"), "- targets: [b:1]\n").unwrap();
        fs::write(path("other.yml"), "- targets: [x:1]\n").unwrap();
        assert!(files.look());
        assert!(!files.look());
        assert_eq!(addresses(&files), ["b:1"]);
        fs::write(path("t-a.yml"), "- targets: [a:1]\n").unwrap();
        fs::write(path("fixed.json"), r#"[{"targets":["f:1"]}]"#).unwrap();
        assert!(files.look());
        assert_eq!(addresses(&files), ["f:1", "a:1", "b:1"]);
        // Broken: what was known stays. Gone: its targets go.
        fs::write(path("t-a.yml"), "- targets: [a:1, a:2").unwrap();
        assert!(!files.look());
        fs::remove_file(path("t-b.yml")).unwrap();
        assert!(files.look());
        assert_eq!(addresses(&files), ["f:1", "a:1"]);
        fs::write(path("t-a.yml"), "- targets: [a:1, a:2]").unwrap();
        assert!(files.look());
        assert_eq!(addresses(&files), ["f:1", "a:1", "a:2"]);
    }
}
