//! What everything that takes telemetry in, and everything that answers queries, shares.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use weir_intake::Limits as IntakeLimits;
use weir_model::Telemetry;
use weir_signal::{Budget, Limits, ReadError, Scope};
use weir_store::Store;

use crate::caller::{Caller, Guard};

/// The store with the rules for its doors. Shared by all connections.
pub struct Engine {
    store: Store,
    settings: Arc<Telemetry>,
    guard: Guard,
    /// Queries at once.
    places: Semaphore,
    intake: IntakeLimits,
    started_ms: i64,
}

/// How a query ended other than with its answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryEnd<E> {
    /// It failed.
    #[error(transparent)]
    Failed(E),
    /// It took longer than it may.
    #[error("the query took longer than {0:?}; ask for less, or raise `store.queries.timeout`")]
    TimedOut(Duration),
    /// It panicked, which is a mistake in Weir.
    #[error("the query could not be finished: an error in Weir, written to its log")]
    Panicked,
}

impl Engine {
    /// Puts rules around a store.
    pub fn new(store: Store, settings: Arc<Telemetry>, guard: Guard) -> Arc<Self> {
        let places = Semaphore::new(settings.queries.concurrent as usize);
        let limits = &settings.limits;
        let intake = IntakeLimits {
            payload_bytes: limits.payload_bytes as usize,
            decompressed_bytes: limits.payload_bytes as usize,
            labels: limits.labels as usize,
            label_value_bytes: limits.label_bytes as usize,
            line_bytes: limits.line_bytes as usize,
            ..IntakeLimits::default()
        };
        Arc::new(Self { store, settings, guard, places, intake, started_ms: now_ms() })
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was configured.
    pub fn settings(&self) -> &Telemetry {
        &self.settings
    }

    /// Who may come in.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What a payload may hold.
    pub(crate) fn intake_limits(&self) -> &IntakeLimits {
        &self.intake
    }

    /// When it was made, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// What a caller may see, and at what cost.
    pub fn scope(&self, caller: &Caller) -> Scope {
        let limits = Limits {
            bytes_max: self.settings.queries.bytes,
            rows_max: self.settings.queries.rows,
            ..Limits::default()
        };
        Scope::new(caller.tenant.clone(), limits)
    }

    /// Runs a query where it delays nobody: on a thread for blocking work, so many at once, so long at most (`timeout`
    /// may shorten what is configured). Where nobody waits for it any more (this future is dropped), it ends at its
    /// next charge of the budget.
    pub async fn query<T, E>(
        self: &Arc<Self>,
        scope: Scope,
        timeout: Option<Duration>,
        work: impl FnOnce(&Self, &Scope) -> Result<T, E> + Send + 'static,
    ) -> Result<T, QueryEnd<E>>
    where
        T: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        let timeout =
            timeout.map_or(self.settings.queries.timeout, |asked| asked.min(self.settings.queries.timeout));
        let cancel = CancelOnDrop(Arc::clone(&scope.budget));
        let run = async {
            let _place = self.places.acquire().await;
            let engine = Arc::clone(self);
            tokio::task::spawn_blocking(move || work(&engine, &scope)).await
        };
        let ended = tokio::time::timeout(timeout, run).await;
        drop(cancel);
        match ended {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(QueryEnd::Failed(error)),
            Ok(Err(panic)) => {
                tracing::error!(%panic, "a query panicked");
                Err(QueryEnd::Panicked)
            }
            Err(_) => Err(QueryEnd::TimedOut(timeout)),
        }
    }
}

/// Cancels a query whose client has gone or whose time is over.
struct CancelOnDrop(Arc<Budget>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
