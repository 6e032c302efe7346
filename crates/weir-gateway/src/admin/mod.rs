//! The admin interface: what Weir says of itself, and the door through which it is changed while it runs.
//!
//! ```text
//! accept ─► guard (Host, Origin) ─► resource ─► method ─► read ─────────────────────────► answer
//!                                                  └────► token ─► body ─► Gateway::change ─┘
//! ```
//!
//! Invariants:
//! * Reading needs no token, writing does, unless it comes over the Unix socket, which the file system guards.
//! * A page in a browser can't use it, whatever name its host resolves to: a `Host` that is not this machine's or
//!   configured is refused, and so is the `Origin` of another site.
//! * Whatever is refused changes nothing, and says in a line what to do.
//! * Preconditions are judged where the change is made, so that no edit is lost to another one.
//! * Heads, bodies, times and connections are bounded.

mod answer;
mod chains;
mod change_log;
mod etag;
mod guard;
mod read;
mod readiness;
mod reply;
mod resource;
mod serve;
mod socket;
mod state;
mod table;
mod token;
mod whole;
mod write;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use weir_emit::metrics::{Collecting, Family, Kind};
use weir_http::BindError;

use crate::control::Gateway;
use etag::Revisions;
use serve::{CONNECTIONS_MAX, Listening};
use socket::SocketFile;
use token::Token;

pub use change_log::report;
pub use readiness::Readiness;
pub use socket::SocketError;
pub use token::TokenError;

/// What the admin interface is started with.
#[derive(Clone, Debug)]
pub struct AdminOptions {
    /// Where it is found. Its `hosts` are those of the model in force, so that they can be changed while it runs.
    pub admin: weir_model::Admin,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// Program, version and commit, for people.
    pub build: String,
    /// What relative file names in a `PUT` are joined to.
    pub base: PathBuf,
}

/// Why the admin interface does not start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address can't be listened on.
    #[error("the admin interface: {0}")]
    Bind(#[source] BindError),
    /// The Unix socket can't be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The token that guards writes can't be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A resource of the operating system can't be had.
    #[error("the admin interface: {0}")]
    System(#[from] std::io::Error),
}

/// What all requests share.
struct Context {
    gateway: Gateway,
    readiness: Readiness,
    build: String,
    base: PathBuf,
    token: Token,
    revisions: Revisions,
}

/// A running admin interface. Dropped, it ends at once; [`AdminServer::stop`] lets open requests end first.
#[derive(Debug)]
pub struct AdminServer {
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    doors: JoinSet<()>,
    /// Removes its file when dropped.
    _socket: Option<SocketFile>,
    _gauge: Collecting,
}

impl AdminServer {
    /// Starts it on the runtime of the caller, on every address that `options` name; where they name none, it is off.
    /// A token is generated where there is none yet.
    pub async fn start(gateway: Gateway, options: AdminOptions) -> Result<Self, AdminError> {
        let AdminOptions { admin, readiness, build, base } = options;
        let mut listening = Vec::new();
        let mut address = None;
        if let Some(wanted) = admin.address {
            let socket = weir_http::listen(wanted, 1).map_err(AdminError::Bind)?.remove(0);
            address = Some(socket.local_addr()?);
            listening.push(Listening::Tcp(tokio::net::TcpListener::from_std(socket)?));
        }
        let mut file = None;
        if let Some(path) = &admin.socket {
            let (socket, bound) = socket::bind(path).await?;
            listening.push(Listening::Unix(socket));
            file = Some(bound);
        }
        let token = match address {
            Some(_) => Token::ensure(admin.token_file.as_deref())?,
            None => Token::unneeded(),
        };
        // Each door has its own places: whoever fills the one that all may knock at leaves the other open.
        let places: Vec<Arc<Semaphore>> =
            listening.iter().map(|_| Arc::new(Semaphore::new(CONNECTIONS_MAX))).collect();
        let counted = places.clone();
        let gauge = gateway.registry().collect(
            Kind::Gauge,
            Family::new("weir_admin_connections", "Open connections to the admin interface."),
            move |out| {
                let open: usize = counted.iter().map(|p| CONNECTIONS_MAX - p.available_permits()).sum();
                out.push(&[], open as f64);
            },
        );
        let revisions = Revisions::new()?;
        let context = Arc::new(Context { gateway, readiness, build, base, token, revisions });
        let (stop, stopped) = watch::channel(false);
        let mut doors = JoinSet::new();
        for (listening, places) in listening.into_iter().zip(places) {
            doors.spawn(serve::door(context.clone(), listening, places, stopped.clone()));
        }
        Ok(Self { address, stop, doors, _socket: file, _gauge: gauge })
    }

    /// The TCP address it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Accepts no more, lets open requests end within a few seconds, and removes the Unix socket's file.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.doors.join_next().await.is_some() {}
    }
}
