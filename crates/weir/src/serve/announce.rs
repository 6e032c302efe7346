//! What is served and where, at the start.

use std::sync::Arc;

use weir_model::{Listener, Model};

use super::Serving;
use crate::build::BUILD;
use crate::terminal::count;

/// Listeners that are named one by one at the start.
const LISTENERS_MAX: usize = 20;

impl Serving {
    /// Says so in the log.
    pub(crate) fn announce(&self) {
        let model = self.model();
        match self.reloader.file() {
            Some(file) => tracing::info!("configuration {} ({})", file.path.display(), file.why),
            None => tracing::info!("configuration built in, no file"),
        }
        let listeners = in_order(&model);
        for listener in listeners.iter().take(LISTENERS_MAX) {
            tracing::info!("listener {} on {}", listener.id, url(listener));
        }
        if let Some(more) = listeners.len().checked_sub(LISTENERS_MAX).filter(|more| *more > 0) {
            tracing::info!("and {more} more listeners");
        }
        match (self.admin_address(), &model.admin.socket) {
            (Some(address), _) => tracing::info!("admin on http://{address}"),
            (None, Some(socket)) => tracing::info!("admin on {}", socket.display()),
            (None, None) => tracing::info!("admin is off"),
        }
        let start_ms = self.took.as_micros() as f64 / 1_000.0;
        tracing::info!(
            version = BUILD.version,
            commit = BUILD.commit,
            start_ms,
            "weir serves {} and {} with {}",
            count(model.routes.len(), "route"),
            count(model.services.len(), "service"),
            count(self.workers, "worker"),
        );
    }
}

/// Listeners as they stand in the file.
pub(crate) fn in_order(model: &Model) -> Vec<Arc<Listener>> {
    let mut listeners: Vec<Arc<Listener>> = model.listeners.values().cloned().collect();
    listeners.sort_by(|a, b| (a.origin.line, &a.id).cmp(&(b.origin.line, &b.id)));
    listeners
}

/// What to type to reach a listener. A wildcard address is reached by loopback.
pub(crate) fn url(listener: &Listener) -> String {
    let mut address = listener.address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{}://{address}", if listener.tls.is_some() { "https" } else { "http" })
}
