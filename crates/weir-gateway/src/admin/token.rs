//! The token that writes need. It lives in a file that only its owner may read, and nowhere else.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Random bytes in a token that is generated.
const RANDOM_BYTES: usize = 32;

/// Bounds on a token that was written by hand.
const TOKEN_BYTES_MIN: usize = 16;
const FILE_BYTES_MAX: u64 = 4096;

/// Why the token can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Others may read it.
    #[error(
        "the token file {0} may be used by others than its owner (mode {mode:04o}): run `chmod 600 {0}`",
        .path.display()
    )]
    Loose {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What stands in it is no token.
    #[error(
        "the token file {} holds no token, which is one line of at least {TOKEN_BYTES_MIN} visible ASCII characters: \
         remove the file, and one is generated at the next start",
        .0.display()
    )]
    Malformed(PathBuf),
    /// It can't be read or made.
    #[error("the token file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Where the token is found. It is read for each write, so that a new one counts at once.
#[derive(Debug)]
pub(super) enum Token {
    File(PathBuf),
    /// There is none, and so no writing but over the Unix socket.
    Absent {
        why: String,
    },
}

impl Token {
    /// For a server without a TCP address.
    pub(super) fn unneeded() -> Self {
        Self::Absent { why: "writes come over admin.socket only".into() }
    }

    /// Finds the token, or generates one. Where nothing was configured and the usual place can't be written to, writes
    /// are switched off, as in a container with a read-only file system.
    pub(super) fn ensure(configured: Option<&Path>) -> Result<Self, TokenError> {
        if let Some(path) = configured {
            ensure_file(path)?;
            return Ok(Self::File(path.to_owned()));
        }
        let usual = usual_place(is_root(), std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
        let Some(path) = usual else {
            return Ok(Self::absent("there is no home directory for a token"));
        };
        match ensure_file(&path) {
            Ok(()) => Ok(Self::File(path)),
            Err(error @ TokenError::Io { .. }) => Ok(Self::absent(&error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn absent(why: &str) -> Self {
        tracing::warn!("admin takes no writes over TCP: {why}; set admin.token_file");
        Self::Absent { why: format!("{why}; set admin.token_file") }
    }
}

/// Whether the file holds this token, in a time that does not depend on where they differ.
pub(super) fn holds(path: &Path, presented: &[u8]) -> Result<bool, TokenError> {
    let token = read(path)?;
    Ok(aws_lc_rs::constant_time::verify_slices_are_equal(token.trim_ascii(), presented).is_ok())
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness can be had"))?;
    Ok(bytes)
}

/// `/var/lib/weir/admin.token` for root, else below the user's state directory.
fn usual_place(
    root: bool,
    state: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> Option<PathBuf> {
    if root {
        return Some("/var/lib/weir/admin.token".into());
    }
    let absolute =
        |path: Option<std::ffi::OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(state).or_else(|| Some(absolute(home)?.join(".local/state")))?;
    Some(state.join("weir/admin.token"))
}

/// `/proc/self` belongs to the user that the process acts as.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn ensure_file(path: &Path) -> Result<(), TokenError> {
    let system = |source| TokenError::Io { path: path.to_owned(), source };
    if !path.exists() {
        make_parent(path).map_err(system)?;
        generate(path).map_err(system)?;
    }
    read(path).map(drop)
}

fn read(path: &Path) -> Result<Vec<u8>, TokenError> {
    let system = |source| TokenError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(system)?;
    let mode = file.metadata().map_err(system)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Loose { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(system)?;
    let token = bytes.trim_ascii();
    if token.len() < TOKEN_BYTES_MIN || !token.iter().all(u8::is_ascii_graphic) {
        return Err(TokenError::Malformed(path.to_owned()));
    }
    Ok(bytes)
}

/// Writes a new token under another name and links it to its own, so that whoever finds the file finds it whole, and of
/// two that start at once both use the same.
fn generate(path: &Path) -> io::Result<()> {
    let token = hex(&random::<RANDOM_BYTES>()?);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", hex(&random::<8>()?)));
    let draft = PathBuf::from(draft);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(format!("{token}\n").as_bytes())?;
            file.sync_all()?;
            match std::fs::hard_link(&draft, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        });
    let _ = std::fs::remove_file(&draft);
    written
}

/// Makes the directory of a file where it is missing, for its owner only.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)
        }
        _ => Ok(()),
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn usual_places() {
        #[track_caller]
        fn check(root: bool, state: Option<&str>, home: Option<&str>, expected: Option<&str>) {
            assert_eq!(
                usual_place(root, state.map(Into::into), home.map(Into::into)),
                expected.map(PathBuf::from)
            );
        }
        check(true, Some("/s"), Some("/root"), Some("/var/lib/weir/admin.token"));
        check(false, Some("/s"), Some("/home/a"), Some("/s/weir/admin.token"));
        check(false, None, Some("/home/a"), Some("/home/a/.local/state/weir/admin.token"));
        check(false, Some("relative"), Some("/home/a"), Some("/home/a/.local/state/weir/admin.token"));
        check(false, None, None, None);
    }

    #[test]
    fn generated_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/admin.token");
        let token = Token::ensure(Some(&path)).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        assert_eq!(first.trim().len(), 2 * RANDOM_BYTES);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");

        Token::ensure(Some(&path)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        assert!(holds(&path, first.trim().as_bytes()).unwrap());
        assert!(!holds(&path, b"").unwrap());
        assert!(!holds(&path, &first.trim().as_bytes()[1..]).unwrap());
        assert!(!format!("{token:?}").contains(first.trim()));
    }

    #[test]
    fn what_is_refused_names_the_remedy() {
        #[track_caller]
        fn check(text: &str, mode: u32, remedy: &str) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("token");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let message = Token::ensure(Some(&path)).unwrap_err().to_string();
            assert!(message.contains(remedy), "{message}");
        }
        check("0123456789abcdef", 0o640, "mode 0640");
        check("0123456789abcdef", 0o604, "chmod 600 /");
        check("short", 0o600, "remove the file");
        check("0123456789abcdef 0123456789abcdef", 0o600, "remove the file");
    }
}
