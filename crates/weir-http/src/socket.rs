//! Listening sockets: one per worker and address, found to be free before they are shared.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel may hold for an acceptor that is busy.
const BACKLOG: i32 = 4096;

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{}", holder.as_deref().map(|h| format!(" (held by {h})")).unwrap_or_default())]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Who has it, where that could be found out.
    pub holder: Option<String>,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// Opens `count` sockets for one address, among which the kernel spreads connections (`SO_REUSEPORT`).
///
/// The address is first bound exclusively: with `SO_REUSEPORT` alone a second Weir would silently take half of the first
/// one's connections. That first socket never listens, so that nobody connects to what is closed at once.
pub fn listen(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let fail = |source: io::Error| {
        let in_use = source.kind() == io::ErrorKind::AddrInUse;
        BindError { address, holder: if in_use { holder(address.port()) } else { None }, source }
    };
    drop(open(address, false).map_err(fail)?);
    (0..count)
        .map(|_| {
            let socket = open(address, true).map_err(fail)?;
            socket.listen(BACKLOG).map_err(fail)?;
            Ok(socket.into())
        })
        .collect()
}

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The process that listens on a port, from `/proc`: socket inode by port, then the process that holds the inode.
fn holder(port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        std::fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let hit = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == LISTEN;
            if hit { columns.get(9).map(ToString::to_string) } else { None }
        })
    })?;
    let wanted = format!("socket:[{inode}]");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(fds) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = fds
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()));
        if holds {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// Raises the limit on open files to its hard maximum; gives back what holds now.
pub fn raise_open_files() -> io::Result<u64> {
    crate::rlimit::raise_open_files()
}
