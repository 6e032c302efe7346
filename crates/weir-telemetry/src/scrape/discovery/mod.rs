//! Where targets come from: the configuration, files, DNS. Each source is a task that says what it found whenever that
//! changes.

mod dns;
mod file;
mod groups;
mod yaml;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use weir_model::{DnsDiscovery, ScrapeJob};
use weir_signal::Labels;

use super::target::ADDRESS;

/// How often files are looked at.
const FILES_EVERY: Duration = Duration::from_secs(2);
/// How often names are looked up.
const DNS_EVERY: Duration = Duration::from_secs(30);

/// What a source found: all that it has now.
#[derive(Debug)]
pub(super) struct Found {
    /// Which source.
    pub(super) source: usize,
    /// Labels of each target, before any relabelling.
    pub(super) targets: Vec<Labels>,
}

/// The targets that the configuration itself names. They are source 0.
pub(super) fn fixed(job: &ScrapeJob) -> Found {
    Found { source: 0, targets: job.targets.iter().map(|address| labels(address, &[])).collect() }
}

/// Starts the other sources of a job; they end when the set is dropped, or nobody listens any more.
pub(super) fn start(job: &ScrapeJob, found: &mpsc::Sender<Found>) -> JoinSet<()> {
    let mut sources = JoinSet::new();
    if !job.files.is_empty() {
        sources.spawn(files(job.clone(), found.clone()));
    }
    for (at, dns) in job.dns.iter().enumerate() {
        sources.spawn(names(at + 2, job.name.clone(), dns.clone(), found.clone()));
    }
    sources
}

async fn files(job: ScrapeJob, found: mpsc::Sender<Found>) {
    let mut files = file::Files::new(&job.name, job.files);
    let mut first = true;
    loop {
        let looked = tokio::task::spawn_blocking(move || {
            let changed = files.look();
            (files, changed)
        });
        let changed;
        (files, changed) = match looked.await {
            Ok(looked) => looked,
            Err(panic) => {
                tracing::error!(%panic, "reading files of targets panicked; they are not read any more");
                return;
            }
        };
        if (changed || first) && found.send(Found { source: 1, targets: files.targets() }).await.is_err() {
            return;
        }
        first = false;
        tokio::time::sleep(FILES_EVERY).await;
    }
}

async fn names(source: usize, job: Arc<str>, dns: DnsDiscovery, found: mpsc::Sender<Found>) {
    let mut known = None;
    loop {
        match dns::look_up(&dns).await {
            Ok(targets) => {
                if known.as_ref() != Some(&targets) {
                    known = Some(targets.clone());
                    if found.send(Found { source, targets }).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(
                    "targets of job `{job}`: `{}` cannot be looked up: {error}; those known stay",
                    dns.name
                );
            }
        }
        tokio::time::sleep(DNS_EVERY).await;
    }
}

/// Labels of a target at an address. None where a string is longer than labels may be, which relabelling then says.
fn labels(address: &str, more: &[(&str, &str)]) -> Labels {
    let all = more.iter().copied().chain([(ADDRESS, address)]);
    Labels::from_pairs(all).unwrap_or_default()
}
