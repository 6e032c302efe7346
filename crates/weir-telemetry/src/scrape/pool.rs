//! One job: what discovery finds becomes workers, one for each target.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use weir_model::ScrapeJob;
use weir_signal::Labels;

use super::append::{Appender, Common};
use super::board::{Counts, Pool, Target};
use super::discovery::{self, Found};
use super::fetch::Fetcher;
use super::owners::Owners;
use super::relabel::Rules;
use super::target::{Verdict, judge};
use super::tls::Tls;
use super::told;
use super::worker::Worker;
use crate::engine::Engine;

/// Reports of sources on their way to a pool.
const FOUND_MAX: usize = 16;
/// Targets that cannot be asked and are spoken of, for each change.
const INVALID_SAID: usize = 5;

/// What all pools share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) owners: Arc<Owners>,
    pub(super) stop: watch::Receiver<bool>,
}

/// A job as it is configured now.
struct Current {
    job: Arc<ScrapeJob>,
    relabel: Rules,
    metric_relabel: Arc<Rules>,
    tls: Arc<Tls>,
}

impl Current {
    fn new(job: Arc<ScrapeJob>) -> Result<Self, String> {
        let (relabel, metric_relabel) =
            (Rules::new(&job.relabel)?, Arc::new(Rules::new(&job.metric_relabel)?));
        let tls = Arc::new(Tls::new(job.tls.clone()));
        Ok(Self { job, relabel, metric_relabel, tls })
    }
}

/// A target that has a worker. Dropping it retires the worker.
struct Running {
    target: Arc<Target>,
    retire: watch::Sender<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.retire.send_replace(true);
    }
}

/// Scrapes the targets of the job named `name`, as it is configured at each time; `None` is not at all.
pub(super) async fn run(shared: Shared, name: Arc<str>, mut jobs: watch::Receiver<Option<Arc<ScrapeJob>>>) {
    let mut stop = shared.stop.clone();
    let mut workers = JoinSet::new();
    // Over all changes of the job, so that no counter goes back.
    let counts = Arc::new(Counts::default());
    loop {
        let job = jobs.borrow_and_update().clone();
        let current = job.and_then(|job| {
            let current = Current::new(job);
            current.inspect_err(|error| tracing::error!("job `{name}` is not scraped: {error}")).ok()
        });
        let (sender, mut receiver) = mpsc::channel(FOUND_MAX);
        // Both end with this turn: sources at once, workers in good order.
        let mut running = BTreeMap::new();
        let mut found = BTreeMap::new();
        let _sources = current.as_ref().map(|current| {
            let Found { source, targets } = discovery::fixed(&current.job);
            found.insert(source, targets);
            discovery::start(&current.job, &sender)
        });
        let pool = current
            .as_ref()
            .map(|current| reconcile(&shared, current, &counts, &found, &mut running, &mut workers));
        shared.engine.targets().put(&name, pool);
        loop {
            tokio::select! {
                () = told(&mut stop) => {
                    while workers.join_next().await.is_some() {}
                    return;
                }
                changed = jobs.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(ended) = workers.join_next() => {
                    if let Err(panic) = ended {
                        tracing::error!(%panic, "a target of job `{name}` is not scraped any more");
                    }
                }
                Some(Found { source, targets }) = receiver.recv() => {
                    found.insert(source, targets);
                    while let Ok(Found { source, targets }) = receiver.try_recv() {
                        found.insert(source, targets);
                    }
                    if let Some(current) = &current {
                        let pool = reconcile(&shared, current, &counts, &found, &mut running, &mut workers);
                        shared.engine.targets().put(&name, Some(pool));
                    }
                }
            }
        }
    }
}

/// Retires what is not found any more, and starts what is new.
fn reconcile(
    shared: &Shared,
    current: &Current,
    counts: &Arc<Counts>,
    found: &BTreeMap<usize, Vec<Labels>>,
    running: &mut BTreeMap<u128, Running>,
    workers: &mut JoinSet<()>,
) -> Pool {
    let mut pool = Pool { counts: counts.clone(), ..Pool::default() };
    let mut wanted = BTreeMap::new();
    let mut invalid = 0;
    for labels in found.values().flatten() {
        match judge(&current.job, &current.relabel, labels) {
            Verdict::Asked(spec) => {
                wanted.entry(spec.id()).or_insert(spec);
            }
            Verdict::Dropped(labels) => pool.drop_target(labels),
            Verdict::Invalid(why) => {
                invalid += 1;
                if invalid <= INVALID_SAID {
                    tracing::warn!("{why}");
                }
            }
        }
    }
    running.retain(|id, _| wanted.contains_key(id));
    for (id, spec) in wanted {
        if running.contains_key(&id) {
            continue;
        }
        let common = Common {
            job: current.job.clone(),
            rules: current.metric_relabel.clone(),
            labels: spec.labels.clone(),
            owners: shared.owners.clone(),
        };
        let appender = match Appender::new(common, &spec, next_owner()) {
            Ok(appender) => appender,
            Err(refusal) => {
                tracing::warn!("{} of job `{}` cannot be scraped: {refusal}", spec.url, current.job.name);
                continue;
            }
        };
        let fetcher = Fetcher::new(current.job.clone(), current.tls.clone(), spec.url.clone(), spec.timeout);
        let target = Arc::new(Target::new(*spec));
        let (retire, retired) = watch::channel(false);
        let worker = Worker {
            engine: shared.engine.clone(),
            target: target.clone(),
            fetcher,
            appender,
            counts: counts.clone(),
            stop: shared.stop.clone(),
            retired,
        };
        workers.spawn(worker.run());
        running.insert(id, Running { target, retire });
    }
    pool.active = running.values().map(|running| running.target.clone()).collect();
    pool.active.sort_by(|a, b| (&a.spec.url, &a.spec.labels).cmp(&(&b.spec.url, &b.spec.labels)));
    pool
}

fn next_owner() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
