//! Every damage of a store is found and named.

use weir_signal::ReadError;

use super::Store;
use super::inner::locked;
use crate::manifest::{Manifest, PartMeta};
use crate::part::Part;
use crate::signal::Signal;
use crate::wal::{self, Ended};

/// A damage, and what of the store it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, the place in it, and what is wrong there.
    pub error: ReadError,
    /// What cannot be read because of it.
    pub concerns: Concern,
}

/// What a damage takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// Nothing: there is another copy.
    Nothing,
    /// Commits in the log: those in these bytes, which were not in parts yet.
    Commits {
        /// How many bytes.
        bytes: u64,
    },
    /// What of the part lies in the damaged block or piece; the rest of it can be read.
    Block(Box<PartMeta>),
    /// All of the part.
    Part(Box<PartMeta>),
}

impl Store {
    /// Reads every file of the store and names what is damaged. Empty for a sound one. Takes as long as reading all of it
    /// takes, and keeps nobody waiting.
    pub fn verify(&self) -> Vec<Finding> {
        let mut found = self.verify_manifest();
        self.verify_log(&mut found);
        for part in &self.inner.view().parts {
            verify_part(part, &mut found);
        }
        found
    }

    fn verify_manifest(&self) -> Vec<Finding> {
        // None is written while it is read.
        let _held = locked(&self.inner.manifest);
        match Manifest::load(&*self.inner.disk) {
            Ok(found) => {
                let damages = found.damaged.iter().map(|(name, damage)| damage.within(name, 0));
                damages.map(|error| Finding { error, concerns: Concern::Nothing }).collect()
            }
            Err(error) => {
                let error = crate::part::io_error(crate::manifest::NAME, &error);
                vec![Finding { error, concerns: Concern::Nothing }]
            }
        }
    }

    fn verify_log(&self, found: &mut Vec<Finding>) {
        let Ok(entries) = self.inner.disk.list(wal::FOLDER) else { return };
        let flushed = locked(&self.inner.manifest).flushed_log;
        let files: Vec<u64> = entries
            .iter()
            .filter_map(|entry| wal::file_number(&entry.name))
            .filter(|&file| file > flushed)
            .collect();
        for &number in &files {
            let path = wal::path(number);
            let ended = if files.last() == Some(&number) { Ended::Anyhow } else { Ended::Whole };
            // One that is gone by now was flushed meanwhile.
            let Ok(file) = self.inner.disk.open(&path) else { continue };
            match wal::replay(file, number, ended, |_, _, _| ()) {
                Ok(replayed) => found.extend(replayed.damaged.into_iter().map(|range| Finding {
                    error: ReadError::Damaged {
                        file: path.clone(),
                        offset: range.start,
                        what: format!(
                            "{} bytes of acknowledged records are damaged",
                            range.end - range.start
                        ),
                    },
                    concerns: Concern::Commits { bytes: range.end - range.start },
                })),
                Err(error) => found.push(Finding {
                    error: crate::part::io_error(&path, &error),
                    concerns: Concern::Commits { bytes: 0 },
                }),
            }
        }
    }
}

fn verify_part(part: &Part, found: &mut Vec<Finding>) {
    let files = part.check_bytes();
    if files.is_empty() {
        return;
    }
    let whole = |error| Finding { error, concerns: Concern::Part(Box::new(part.meta.clone())) };
    let opened = match part.meta.signal {
        Signal::Metrics => part.metrics().map(|segment| weir_block::series::verify(&segment)),
        Signal::Logs => part.logs().map(|segment| segment.verify()),
        Signal::Spans => part.spans().map(|segment| segment.verify()),
    };
    match opened {
        Err(error) => found.push(whole(error)),
        Ok(places) => {
            // What the decoders do not look at, such as the bytes between pieces, only the checksum of the file knows.
            let named = |file: &str| places.iter().any(|error| error.file() == Some(file));
            let unnamed: Vec<_> =
                files.into_iter().filter(|error| !error.file().is_some_and(named)).collect();
            let block = |error| Finding { error, concerns: Concern::Block(Box::new(part.meta.clone())) };
            found.extend(places.into_iter().map(block));
            found.extend(unnamed.into_iter().map(|error| Finding { error, concerns: Concern::Nothing }));
        }
    }
}
