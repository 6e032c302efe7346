//! The Unix socket: a door that the file system guards.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::token::make_parent;

/// Connections that the kernel may hold.
const BACKLOG: i32 = 64;

/// Why the Unix socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers on it.
    #[error("another process listens on {}: stop it, or name another admin.socket", .0.display())]
    InUse(PathBuf),
    /// Something else has its name.
    #[error("{} is there and is no socket: move it away, or name another admin.socket", .0.display())]
    Occupied(PathBuf),
    /// The operating system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The file of a bound socket; removed with this value, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Left behind, it would be found to be stale at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Listens on a socket that only this user may open. A file left behind by a process that is gone is replaced.
pub(super) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let system = |source| SocketError::System { path: path.to_owned(), source };
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(SocketError::Occupied(path.to_owned()));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(SocketError::InUse(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(system)?;
    }
    make_parent(path).map_err(system)?;
    let listener = open(path).map_err(system)?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path).map_err(system)? };
    Ok((listener, file))
}

fn open(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens nobody can connect, so there is no moment at which others may.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(socket.into())
}
