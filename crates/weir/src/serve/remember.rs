//! The store beside the gateway, or alone: opened, its doors open, closed in good order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use weir_emit::metrics::Registry;
use weir_emit::trail::Trail;
use weir_gateway::StoreChange;
use weir_model::Telemetry;
use weir_telemetry::Server;

/// How long writing what is in memory may take at the end: a disk that fails must not keep the process.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);

/// A store that takes and answers.
pub(crate) struct Remembering {
    store: weir_store::Store,
    server: Server,
    folder: PathBuf,
}

impl Remembering {
    /// Opens the store and its doors on the runtime of the caller.
    pub(crate) async fn start(telemetry: &Arc<Telemetry>) -> anyhow::Result<Self> {
        let opening = telemetry.clone();
        let (store, recovery, folder) =
            tokio::task::spawn_blocking(move || weir_telemetry::open(&opening)).await??;
        if recovery.is_clean() {
            tracing::debug!(folder = %folder.display(), "the store is open");
        } else {
            tracing::error!(folder = %folder.display(), "the store is open, but not whole: {recovery:?}");
        }
        let server = Server::start(store.clone(), telemetry.clone()).await?;
        Ok(Self { store, server, folder })
    }

    /// Shows what it counts among these metrics, and these at its own door.
    pub(crate) fn export(&mut self, registry: &Registry) {
        self.server.export(registry);
    }

    /// What a gateway has changes of its configuration judged by, as far as they are the store's.
    pub(crate) fn changes(&self) -> StoreChange {
        let live = self.server.live().clone();
        StoreChange::new(move |wanted| {
            let change = live.judge(wanted)?;
            Ok(Box::new(move || change.put_in_force()))
        })
    }

    /// Keeps what the gateway in this process says; the way is for the gateway.
    pub(crate) fn own(&mut self, registry: &Registry) -> anyhow::Result<Option<Trail>> {
        self.server.own(registry).context("the thread that keeps Weir's own telemetry could not be started")
    }

    /// Where everything is kept.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Its doors.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Lets requests end, and writes what is in memory.
    pub(crate) async fn stop(self) {
        let Self { store, server, .. } = self;
        server.stop().await;
        let closed = tokio::task::spawn_blocking(move || store.close());
        let Ok(closed) = tokio::time::timeout(CLOSE_WITHIN, closed).await else {
            return tracing::warn!(
                "the store did not close within {CLOSE_WITHIN:?}: its log has what memory had"
            );
        };
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store's memory could not be written; its log has it");
            }
            Err(error) => tracing::error!(%error, "closing the store panicked"),
        }
    }
}
