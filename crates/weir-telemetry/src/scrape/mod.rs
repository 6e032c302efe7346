//! Fetches the metrics of those that offer them, as Prometheus does.
//!
//! ```text
//!  discovery (configuration, files, DNS) ─► relabel ─► target ─┐
//!                                                              ▼
//!      grid: when ─► fetch: HTTP ─► append: labels, relabel, owners ─► sink of the store
//! ```
//!
//! A pool for each job, a worker for each target. Scrapes are not acknowledged to anybody, so that nobody waits for the
//! disk. What a worker knows of a target's series it knows by the bytes that name them: labels are put together and
//! relabelled once.

mod append;
mod board;
mod discovery;
mod failure;
mod fetch;
mod grid;
mod owners;
mod pool;
mod relabel;
mod target;
mod tls;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_model::ScrapeJob;

use crate::engine::Engine;
pub(crate) use board::{Board, Last, Pool};
use owners::Owners;
use pool::Shared;
pub(crate) use target::duration;

/// Waits until something is told to end, or nobody is left who could tell it.
async fn told(word: &mut watch::Receiver<bool>) {
    // The guard that comes back must not be held over what follows.
    drop(word.wait_for(|told| *told).await);
}

/// Scrapes the jobs that `jobs` names at each time, until it is told to stop. A job that did not change goes on undisturbed.
pub(crate) async fn run(
    engine: Arc<Engine>,
    mut jobs: watch::Receiver<Vec<Arc<ScrapeJob>>>,
    mut stop: watch::Receiver<bool>,
) {
    let shared = Shared { engine, owners: Arc::new(Owners::default()), stop: stop.clone() };
    let mut pools: BTreeMap<Arc<str>, watch::Sender<Option<Arc<ScrapeJob>>>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = jobs.borrow_and_update().clone();
        for (name, pool) in &pools {
            if wanted.iter().all(|job| job.name != *name) {
                pool.send_if_modified(|job| job.take().is_some());
            }
        }
        for job in wanted {
            match pools.get(&job.name) {
                Some(pool) => {
                    pool.send_if_modified(|current| {
                        let changes = current.as_ref() != Some(&job);
                        *current = Some(job);
                        changes
                    });
                }
                None => {
                    let name = job.name.clone();
                    let (sender, receiver) = watch::channel(Some(job));
                    tasks.spawn(pool::run(shared.clone(), name.clone(), receiver));
                    pools.insert(name, sender);
                }
            }
        }
        tokio::select! {
            () = told(&mut stop) => break,
            changed = jobs.changed() => if changed.is_err() { break },
        }
    }
    // Pools end by the same word.
    while tasks.join_next().await.is_some() {}
}
