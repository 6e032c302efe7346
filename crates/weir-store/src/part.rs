//! Parts on the disk: how their files are written and opened.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_block::logs::LogSegment;
use weir_block::series::Segment;
use weir_block::spans::SpanSegment;
use weir_block::{Cache, Effort, ReadAt};
use weir_signal::{Labels, ReadError, Tenant};
use xxhash_rust::xxh3::Xxh3;

use crate::disk::{Disk, ReadFile, WriteFile, create_dirs, join};
use crate::manifest::{FileMeta, PART_FILES, PartMeta, Tombstone};
use crate::recent::Recent;
use crate::settings::Settings;
use crate::signal::Signal;

/// The folder of the default tenant, which no tenant can be called.
const DEFAULT_TENANT: &str = "@default";

/// Bytes of data that are gathered before they are appended.
const APPEND_BYTES: usize = 1 << 20;

/// Where a part lies.
pub(crate) fn folder(meta: &PartMeta) -> String {
    join(&signal_folder(&meta.tenant, meta.signal), &meta.name)
}

fn signal_folder(tenant: &Tenant, signal: Signal) -> String {
    let tenant = if tenant.as_str().is_empty() { DEFAULT_TENANT } else { tenant.as_str() };
    format!("tenants/{tenant}/{signal}")
}

/// A part that can be read.
pub(crate) struct Part {
    pub(crate) meta: PartMeta,
    disk: Arc<dyn Disk>,
    open: Arc<OpenParts>,
    /// Its number among those that were opened.
    number: u64,
    /// Each of its files that somebody may read has one, too.
    in_use: Arc<()>,
}

/// The files and directories of all parts that are open, within bounds: a file that was closed is opened again when it is
/// read, so that a query over any number of parts needs no more.
pub(crate) struct OpenParts {
    files: Recent<Arc<dyn ReadFile>>,
    parts: Recent<Opened>,
    /// Pages of metrics that were read lately.
    pages: Arc<Cache>,
    numbers: AtomicU64,
}

/// What a directory takes in memory, where its file has one byte: it is packed there, and labels that were asked for stay.
const DIRECTORY_FACTOR: u64 = 4;

impl OpenParts {
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            files: Recent::new(settings.files_open_max.max(1)),
            parts: Recent::new(settings.directory_bytes_max),
            pages: Cache::new(settings.page_bytes_max),
            numbers: AtomicU64::new(0),
        })
    }

    /// How many files are open.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Clone)]
enum Opened {
    Metrics(Arc<Segment>),
    Logs(Arc<LogSegment>),
    Spans(Arc<SpanSegment>),
}

impl Part {
    /// One whose files are opened when they are first read.
    pub(crate) fn new(meta: PartMeta, disk: &Arc<dyn Disk>, open: &Arc<OpenParts>) -> Self {
        let number = open.number();
        Self { meta, disk: Arc::clone(disk), open: Arc::clone(open), number, in_use: Arc::default() }
    }

    /// Whether somebody may still read its files.
    pub(crate) fn is_read(&self) -> bool {
        self.open.parts.remove(self.number);
        Arc::strong_count(&self.in_use) > 1
    }

    /// Its metrics.
    ///
    /// # Errors
    /// A file is damaged or cannot be read; it is tried again the next time.
    pub(crate) fn metrics(&self) -> Result<Arc<Segment>, ReadError> {
        match self.opened()? {
            Opened::Metrics(segment) => Ok(segment),
            _ => Err(self.other()),
        }
    }

    /// Its logs.
    ///
    /// # Errors
    /// As [`Part::metrics`].
    pub(crate) fn logs(&self) -> Result<Arc<LogSegment>, ReadError> {
        match self.opened()? {
            Opened::Logs(segment) => Ok(segment),
            _ => Err(self.other()),
        }
    }

    /// Its spans.
    ///
    /// # Errors
    /// As [`Part::metrics`].
    pub(crate) fn spans(&self) -> Result<Arc<SpanSegment>, ReadError> {
        match self.opened()? {
            Opened::Spans(segment) => Ok(segment),
            _ => Err(self.other()),
        }
    }

    fn other(&self) -> ReadError {
        ReadError::Damaged {
            file: folder(&self.meta),
            offset: 0,
            what: format!("the manifest says that it holds {}", self.meta.signal),
        }
    }

    fn opened(&self) -> Result<Opened, ReadError> {
        if let Some(opened) = self.open.parts.get(self.number) {
            return Ok(opened);
        }
        let opened = match self.meta.signal {
            Signal::Metrics => {
                let (index, data) = (self.file(1)?, self.file(0)?);
                Opened::Metrics(Arc::new(Segment::open_with(index, data, Some(&self.open.pages))?))
            }
            Signal::Logs => {
                Opened::Logs(Arc::new(LogSegment::open(self.file(1)?, self.file(0)?, self.file(2))?))
            }
            Signal::Spans => {
                Opened::Spans(Arc::new(SpanSegment::open(self.file(1)?, self.file(0)?, self.file(2))?))
            }
        };
        let weight = self.meta.files[1].bytes.saturating_mul(DIRECTORY_FACTOR);
        self.open.parts.put(self.number, weight, opened.clone());
        Ok(opened)
    }

    /// Opens its files now rather than when they are first read.
    pub(crate) fn open(&self) -> Result<(), ReadError> {
        self.opened().map(drop)
    }

    /// The path of one of its files.
    pub(crate) fn path(&self, file: usize) -> String {
        join(&folder(&self.meta), PART_FILES[file])
    }

    fn file(&self, file: usize) -> Result<Arc<dyn ReadAt>, ReadError> {
        let path = self.path(file);
        let opened = PartFile::open(self, &path)?;
        let expected = self.meta.files[file].bytes;
        if opened.size != expected {
            return Err(ReadError::Damaged {
                file: path,
                offset: opened.size.min(expected),
                what: format!("it has {} bytes where the manifest says {expected}", opened.size),
            });
        }
        Ok(Arc::new(opened))
    }

    /// Whether its files are there and as long as they should be; names the first that is not.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        for (file, meta) in self.meta.files.iter().enumerate() {
            if meta.bytes > 0 {
                self.file(file)?;
            }
        }
        Ok(())
    }

    /// Compares every byte of its files with the checksums of the manifest. Names what differs.
    pub(crate) fn check_bytes(&self) -> Vec<ReadError> {
        let mut found = Vec::new();
        for (file, meta) in self.meta.files.iter().enumerate().filter(|(_, meta)| meta.bytes > 0) {
            let checked = self.file(file).and_then(|opened| checksum(&*opened));
            match checked {
                Ok(checksum) if checksum == meta.checksum => {}
                Ok(_) => found.push(ReadError::Damaged {
                    file: self.path(file),
                    offset: 0,
                    what: "its checksum is not the one in the manifest".to_owned(),
                }),
                Err(error) => found.push(error),
            }
        }
        found
    }
}

fn checksum(file: &dyn ReadAt) -> Result<u64, ReadError> {
    let mut hash = Xxh3::new();
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < file.size() {
        bytes.resize((file.size() - at).min(APPEND_BYTES as u64) as usize, 0);
        file.read_at(at, &mut bytes)?;
        hash.update(&bytes);
        at += bytes.len() as u64;
    }
    Ok(hash.digest())
}

impl Drop for Part {
    fn drop(&mut self) {
        self.open.parts.remove(self.number);
    }
}

/// A file of a part, as decoders read it. Closed when others were read since; then it is opened again.
struct PartFile {
    name: String,
    size: u64,
    disk: Arc<dyn Disk>,
    open: Arc<OpenParts>,
    number: u64,
    _in_use: Arc<()>,
}

impl PartFile {
    fn open(part: &Part, path: &str) -> Result<Self, ReadError> {
        let opened = || {
            let file = part.disk.open(path)?;
            Ok((file.len()?, file))
        };
        let (size, file) = opened().map_err(|error: io::Error| io_error(path, &error))?;
        let number = part.open.number();
        part.open.files.put(number, 1, file);
        Ok(Self {
            name: path.to_owned(),
            size,
            disk: Arc::clone(&part.disk),
            open: Arc::clone(&part.open),
            number,
            _in_use: Arc::clone(&part.in_use),
        })
    }

    fn file(&self) -> io::Result<Arc<dyn ReadFile>> {
        if let Some(file) = self.open.files.get(self.number) {
            return Ok(file);
        }
        let file = self.disk.open(&self.name)?;
        self.open.files.put(self.number, 1, Arc::clone(&file));
        Ok(file)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        self.open.files.remove(self.number);
    }
}

impl ReadAt for PartFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        match self.file().and_then(|file| file.read_at(offset, buffer)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(weir_block::read::too_short(self, offset, buffer.len()))
            }
            read => read.map_err(|error| io_error(&self.name, &error)),
        }
    }
}

/// The times of a series or stream that were deleted.
pub(crate) fn deleted(tombstones: &[Arc<Tombstone>], labels: &Labels) -> Vec<(i64, i64)> {
    let selects =
        |tombstone: &&Arc<Tombstone>| tombstone.matchers.iter().all(|matcher| matcher.selects(labels));
    tombstones.iter().filter(selects).map(|tombstone| (tombstone.from, tombstone.to)).collect()
}

/// What the operating system said of a file.
pub(crate) fn io_error(path: &str, error: &io::Error) -> ReadError {
    ReadError::Io { file: path.to_owned(), error: error.to_string() }
}

/// Writes the files of a part.
pub(crate) struct PartWriter {
    disk: Arc<dyn Disk>,
    parent: String,
    folder: String,
    data: Box<dyn WriteFile>,
    hash: Xxh3,
    bytes: u64,
    pub(crate) effort: Effort,
}

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) rows: u64,
    pub(crate) series: u64,
}

impl PartWriter {
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        tenant: &Tenant,
        signal: Signal,
        name: &str,
        effort: Effort,
    ) -> io::Result<Self> {
        let parent = signal_folder(tenant, signal);
        let folder = join(&parent, name);
        create_dirs(&**disk, &parent)?;
        disk.create_dir(&folder)?;
        let data = disk.create(&join(&folder, PART_FILES[0]))?;
        Ok(Self { disk: Arc::clone(disk), parent, folder, data, hash: Xxh3::new(), bytes: 0, effort })
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        bytes.chunks(APPEND_BYTES).try_for_each(|chunk| self.data.append(chunk))
    }

    /// Writes the other files, and makes all of it last.
    pub(crate) fn finish(mut self, index: &[u8], filter: &[u8]) -> io::Result<[FileMeta; 3]> {
        self.data.sync()?;
        let mut files = [
            FileMeta { bytes: self.bytes, checksum: self.hash.digest() },
            FileMeta::default(),
            FileMeta::default(),
        ];
        for (at, bytes) in [(1, index), (2, filter)] {
            if bytes.is_empty() {
                continue;
            }
            let mut file = self.disk.create(&join(&self.folder, PART_FILES[at]))?;
            bytes.chunks(APPEND_BYTES).try_for_each(|chunk| file.append(chunk))?;
            file.sync()?;
            let mut hash = Xxh3::new();
            hash.update(bytes);
            files[at] = FileMeta { bytes: bytes.len() as u64, checksum: hash.digest() };
        }
        self.disk.sync_dir(&self.folder)?;
        self.disk.sync_dir(&self.parent)?;
        Ok(files)
    }
}
