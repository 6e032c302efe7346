//! The names on a simulated disk: what is seen, and what a crash leaves of it.

use std::collections::BTreeMap;
use std::io;

use super::Chance;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    /// The number of its content.
    File(usize),
}

#[derive(Debug)]
pub(super) struct Names {
    seen: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// What is not synced yet, in order.
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Put(String, Node),
    Remove(String),
    Rename { from: String, to: String, node: Node },
}

impl Change {
    /// The folder whose sync makes it last.
    fn folder(&self) -> &str {
        let (Self::Put(path, _) | Self::Remove(path) | Self::Rename { to: path, .. }) = self;
        folder(path)
    }

    fn apply(self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Put(path, node) => {
                names.insert(path, node);
            }
            Self::Remove(path) => {
                names.remove(&path);
            }
            Self::Rename { from, to, node } => {
                names.remove(&from);
                names.insert(to, node);
            }
        }
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Names {
    pub(super) fn new() -> Self {
        let root = BTreeMap::from([(String::new(), Node::Folder)]);
        Self { seen: root.clone(), durable: root, changes: Vec::new() }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.seen.contains_key(path)
    }

    pub(super) fn file(&self, path: &str) -> io::Result<usize> {
        match self.seen.get(path) {
            Some(Node::File(content)) => Ok(*content),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(missing()),
        }
    }

    pub(super) fn files(&self) -> Vec<String> {
        let files = self.seen.iter().filter(|(_, node)| **node != Node::Folder);
        files.map(|(path, _)| path.clone()).collect()
    }

    /// The contents that names stand for, each once.
    pub(super) fn contents(&self) -> impl Iterator<Item = usize> {
        let contents = self.seen.values().filter_map(|node| match node {
            Node::File(content) => Some(*content),
            Node::Folder => None,
        });
        contents.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    pub(super) fn put(&mut self, path: &str, node: Node) -> io::Result<()> {
        self.change(Change::Put(path.to_owned(), node))
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.change(Change::Remove(path.to_owned()))
    }

    pub(super) fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.remove(path)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = *self.seen.get(from).ok_or_else(missing)?;
        if node == Node::Folder || folder(from) != folder(to) {
            return Err(io::Error::other("only files are renamed, within their folder"));
        }
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), node })
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        if self.seen.get(change.folder()) != Some(&Node::Folder) {
            return Err(missing());
        }
        let again = match &change {
            Change::Put(path, node) => Change::Put(path.clone(), *node),
            Change::Remove(path) => Change::Remove(path.clone()),
            Change::Rename { from, to, node } => {
                Change::Rename { from: from.clone(), to: to.clone(), node: *node }
            }
        };
        change.apply(&mut self.seen);
        self.changes.push(again);
        Ok(())
    }

    pub(super) fn list(&self, path: &str) -> io::Result<Vec<(String, Node)>> {
        if self.seen.get(path) != Some(&Node::Folder) {
            return Err(missing());
        }
        let inside = self.seen.iter().filter(|(found, _)| !found.is_empty() && folder(found) == path);
        Ok(inside
            .map(|(found, node)| (found[found.rfind('/').map_or(0, |at| at + 1)..].to_owned(), *node))
            .collect())
    }

    pub(super) fn sync(&mut self, path: &str) -> io::Result<()> {
        if self.seen.get(path) != Some(&Node::Folder) {
            return Err(missing());
        }
        for change in self.changes.extract_if(.., |change| change.folder() == path) {
            change.apply(&mut self.durable);
        }
        Ok(())
    }

    /// The power goes: what was not synced happened, or did not, each change on its own.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        let mode = chance.below(3);
        for change in std::mem::take(&mut self.changes) {
            if mode == 0 || (mode == 1 && chance.below(2) == 0) {
                change.apply(&mut self.durable);
            }
        }
        // What is in a folder that is not there is not there either.
        loop {
            let names = &self.durable;
            let lost: Vec<_> =
                names.keys().filter(|path| !names.contains_key(folder(path))).cloned().collect();
            if lost.is_empty() {
                break;
            }
            for path in lost {
                self.durable.remove(&path);
            }
        }
        self.seen.clone_from(&self.durable);
    }
}
