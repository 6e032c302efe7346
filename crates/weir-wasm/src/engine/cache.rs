//! Compiled code on disk, under a seal.
//!
//! An entry's name is a hash of everything the code depends on: module, limits, profile, cost table, engine, settings
//! and processor. Its content is sealed with a secret that lies beside it, readable by its owner only: what is damaged or
//! forged does not open, and is compiled again. Entries are written aside and renamed. Failing to write costs time only,
//! so it is not an error.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac, rand};

use super::CacheSettings;
use super::artefact::Artefact;
use crate::cost;
use crate::limits::Limits;
use crate::profile::Profile;

const SECRET: &str = "secret";
const SECRET_BYTES: usize = 32;
const SEAL_BYTES: usize = 32;
const SUFFIX: &str = "code";

/// Why a directory is not taken for a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be read or made.
    #[error("the cache {directory}: {source}")]
    Io {
        /// Which directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others could put code in it.
    #[error(
        "the cache {directory} may be written by others; `chmod go-w` it, or name a directory of this user's own"
    )]
    Open {
        /// Which directory.
        directory: PathBuf,
    },
}

pub(super) struct Cache {
    directory: PathBuf,
    bytes_max: u64,
    secret: hmac::Key,
    /// What code depends on besides module and limits.
    environment: Vec<u8>,
}

impl Cache {
    pub(super) fn open(
        settings: &CacheSettings,
        profile: Profile,
        engine: &wasmtime::Engine,
    ) -> Result<Self, CacheError> {
        let directory = settings.directory.clone();
        let secret = secure(&directory).and_then(|safe| safe.then(|| secret(&directory)).transpose());
        let secret = match secret {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(CacheError::Open { directory }),
            Err(source) => return Err(CacheError::Io { directory, source }),
        };
        let mut environment = Collected(vec![profile.code()]);
        cost::VERSION.hash(&mut environment);
        engine.precompile_compatibility_hash().hash(&mut environment);
        Ok(Self {
            directory,
            bytes_max: settings.bytes_max,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            environment: environment.0,
        })
    }

    /// The code of a module, if it is there and sound.
    pub(super) fn get(&self, wasm: &[u8], limits: &Limits) -> Option<Artefact> {
        let key = self.key(wasm, limits);
        let path = self.path(&key);
        let file = File::open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        if length <= SEAL_BYTES as u64 || length > self.bytes_max {
            return None;
        }
        let mut content = Vec::with_capacity(length as usize);
        (&file).take(length).read_to_end(&mut content).ok()?;
        let code = content.split_off(SEAL_BYTES.min(content.len()));
        if hmac::verify(&self.secret, &sealed(&key, &code), &content).is_err() {
            // It would never open; what is compiled now takes its place.
            let _ = fs::remove_file(&path);
            return None;
        }
        let _ = file.set_modified(SystemTime::now());
        Some(Artefact::from_sealed(code))
    }

    pub(super) fn put(&self, wasm: &[u8], limits: &Limits, artefact: &Artefact) {
        let key = self.key(wasm, limits);
        let size = (artefact.bytes().len() + SEAL_BYTES) as u64;
        if size > self.bytes_max {
            return;
        }
        self.make_room(size);
        let seal = hmac::sign(&self.secret, &sealed(&key, artefact.bytes()));
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(seal.as_ref())?;
            file.write_all(artefact.bytes())?;
            // A name that points to lost bytes would only cost a compilation, so nothing is synced.
            file.persist(self.path(&key)).map_err(|e| e.error)
        });
        drop(written);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries().iter().map(|(_, size, _)| size).sum()
    }

    fn make_room(&self, size: u64) {
        let mut entries = self.entries();
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        for (_, freed, path) in entries {
            if total + size <= self.bytes_max {
                return;
            }
            if fs::remove_file(path).is_ok() {
                total -= freed;
            }
        }
    }

    /// Last use, bytes and path of each entry.
    fn entries(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let Ok(directory) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = directory.flatten().map(|entry| entry.path());
        let entries = paths.filter(|path| path.extension().is_some_and(|extension| extension == SUFFIX));
        entries
            .filter_map(|path| {
                let metadata = fs::metadata(&path).ok()?;
                Some((metadata.modified().ok()?, metadata.len(), path))
            })
            .collect()
    }

    fn key(&self, wasm: &[u8], limits: &Limits) -> [u8; 32] {
        let mut limited = Collected(Vec::new());
        limits.hash(&mut limited);
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&self.environment, &limited.0, wasm] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    fn path(&self, key: &[u8; 32]) -> PathBuf {
        use std::fmt::Write as _;
        let mut name = String::with_capacity(70);
        for byte in key {
            let _ = write!(name, "{byte:02x}");
        }
        self.directory.join(name).with_extension(SUFFIX)
    }
}

/// What the seal covers: the code is that of this key and no other.
fn sealed(key: &[u8; 32], code: &[u8]) -> Vec<u8> {
    [key.as_slice(), code].concat()
}

/// Makes the directory, and tells whether only its owner, who is this user, may write in it.
fn secure(directory: &Path) -> io::Result<bool> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let metadata = fs::metadata(directory)?;
    Ok(metadata.mode() & 0o022 == 0 && metadata.uid() == rustix::process::geteuid().as_raw())
}

/// The secret of the directory, made on first use.
fn secret(directory: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    let path = directory.join(SECRET);
    let mut secret = [0; SECRET_BYTES];
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match made {
        Ok(mut file) => {
            rand::fill(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
            file.write_all(&secret)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            File::open(&path)?.read_exact(&mut secret)?;
        }
        Err(error) => return Err(error),
    }
    Ok(secret)
}

/// Keeps what is hashed, so that a strong hash can be taken of it.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}
