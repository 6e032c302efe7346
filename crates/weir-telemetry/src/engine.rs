//! What everything that takes telemetry in, and everything that answers queries, shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir_emit::metrics::Registry;
use weir_intake::otlp::Deltas;
use weir_model::Telemetry;
use weir_signal::{Budget, Limits, ReadError, Scope, Tenant};
use weir_store::Store;

use crate::caller::{Caller, Guard};
use crate::rules::Rules;
use crate::scrape::Board;
use crate::tally::Tally;

/// The store with the rules for its doors. Shared by all connections.
pub struct Engine {
    store: Store,
    rules: RwLock<Arc<Rules>>,
    tally: Tally,
    /// The metrics of the process, where it shows them.
    registry: OnceLock<Registry>,
    /// What differences added up to, by tenant.
    deltas: Mutex<BTreeMap<Tenant, Arc<Mutex<Deltas>>>>,
    targets: Board,
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
        Arc::new(Self {
            store,
            rules: RwLock::new(Arc::new(Rules::new(settings, guard))),
            tally: Tally::default(),
            registry: OnceLock::new(),
            deltas: Mutex::default(),
            targets: Board::default(),
            started_ms: now_ms(),
        })
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is configured now.
    pub fn settings(&self) -> Arc<Telemetry> {
        self.rules().settings.clone()
    }

    /// What holds at the doors now.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has other rules hold for whatever begins from now on.
    pub(crate) fn change_rules(&self, new: Rules) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Arc::new(new.after(&rules));
    }

    /// What became of payloads.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The metrics of the process, where it shows them.
    pub(crate) fn registry(&self) -> Option<&Registry> {
        self.registry.get()
    }

    /// Shows these metrics from now on. The first ones stay.
    pub(crate) fn show(&self, registry: Registry) {
        self.registry.get_or_init(|| registry);
    }

    /// What a tenant's differences added up to so far.
    pub(crate) fn deltas(&self, tenant: &Tenant) -> Arc<Mutex<Deltas>> {
        let mut all = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(tenant.clone()).or_default().clone()
    }

    /// Whose metrics are fetched, and how that goes.
    pub(crate) fn targets(&self) -> &Board {
        &self.targets
    }

    /// When it was made, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// What a caller may see, and at what cost.
    pub fn scope(&self, caller: &Caller) -> Scope {
        let queries = self.settings().queries;
        let limits = Limits { bytes_max: queries.bytes, rows_max: queries.rows, ..Limits::default() };
        Scope::new(caller.tenant.clone(), limits)
    }

    /// Logs what turned out to be damaged, once.
    pub(crate) fn tell_damage(&self) {
        for news in self.store.news_of_damage() {
            tracing::warn!("the store is damaged: {news}; `weir store verify` names all of it");
        }
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
        let rules = self.rules();
        let longest = rules.settings.queries.timeout;
        let timeout = timeout.map_or(longest, |asked| asked.min(longest));
        let cancel = CancelOnDrop(Arc::clone(&scope.budget));
        let run = async {
            let _place = rules.places.acquire().await;
            let engine = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                let done = work(&engine, &scope);
                engine.tell_damage();
                done
            })
            .await
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
