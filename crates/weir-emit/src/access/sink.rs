//! The writer thread's end: bytes to a file that may vanish, fill up or be moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::writer::Target;

/// How often an error is reported in the log; in between it is only counted.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// How long a target that is not ready (a non-blocking terminal) is tried again.
const READY_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Sink {
    out: Box<dyn Write + Send>,
    name: String,
    path: Option<PathBuf>,
    /// The last write ended within a line.
    torn: bool,
    reported: Option<Instant>,
}

impl Sink {
    pub(super) fn open(target: Target) -> io::Result<Self> {
        let (out, name, path): (Box<dyn Write + Send>, _, _) = match target {
            // A descriptor of its own: the standard library's handle is line-buffered and locked.
            Target::Stdout => (
                Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
                "standard output".to_owned(),
                None,
            ),
            Target::File(path) => (Box::new(open(&path)?), path.display().to_string(), Some(path)),
            Target::Writer(out) => (out, "its writer".to_owned(), None),
        };
        Ok(Self { out, name, path, torn: false, reported: None })
    }

    /// Opens a file anew. Anything else stays as it is.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.out = Box::new(open(path)?);
            self.torn = false;
        }
        Ok(())
    }

    /// Writes a batch of whole lines. Where an earlier one was cut short, the rest of its line is ended first.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_all(b"\n")?;
            self.torn = false;
        }
        self.write_all(bytes)
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut waiting_since = None;
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.torn = bytes[taken - 1] != b'\n';
                    bytes = &bytes[taken..];
                    waiting_since = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if waiting_since.get_or_insert_with(Instant::now).elapsed() > READY_WITHIN {
                        return Err(error);
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says in the log what went wrong, at most once a minute.
    pub(super) fn report(&mut self, error: &io::Error, what: &'static str) {
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            tracing::warn!(
                "access log: {} could not be {what}: {error}; records are lost and counted until it can",
                self.name
            );
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("access log {}: {error}", path.display())))
}
