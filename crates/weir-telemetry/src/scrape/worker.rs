//! One target, asked again and again until it is retired.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use weir_intake::compress::Encoding;
use weir_signal::{Refusal, Refused};

use super::append::{Appender, Taken};
use super::board::{Counts, Last, Target};
use super::failure::{Cause, Failure};
use super::fetch::{Fetched, Fetcher};
use super::grid::Grid;
use super::told;
use crate::engine::{Engine, now_ms};

/// Answers of up to this many bytes are read where they came in; larger ones on a thread for blocking work.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// What gzip makes of text, about.
const GZIP_RATIO: usize = 8;
/// How often a target's refused samples are spoken of, at most.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// What a worker works with.
pub(super) struct Worker {
    pub(super) engine: Arc<Engine>,
    pub(super) target: Arc<Target>,
    pub(super) fetcher: Fetcher,
    pub(super) appender: Appender,
    pub(super) counts: Arc<Counts>,
    /// True when the process stops.
    pub(super) stop: watch::Receiver<bool>,
    /// True when the target is not asked any more.
    pub(super) retired: watch::Receiver<bool>,
}

impl Worker {
    /// Asks the target until it is retired, and says then of its series that they ended. Where the process stops it says
    /// nothing: the next one goes on with them.
    pub(super) async fn run(self) {
        let Self { engine, target, mut fetcher, appender, counts, mut stop, mut retired } = self;
        let appender = Arc::new(Mutex::new(appender));
        let spec = &target.spec;
        let mut grid = Grid::new(spec.interval, spec.id());
        let mut warned = None;
        let last_ms = loop {
            let ideal_ms = grid.next(now_ms());
            let fetched = tokio::select! {
                () = told(&mut stop) => return,
                () = told(&mut retired) => break ideal_ms,
                fetched = fetch(&mut fetcher, &grid, ideal_ms) => fetched,
            };
            let (at_ms, started) = (fetched.at_ms, fetched.started);
            let taken = take(&engine, &appender, fetched).await;
            let taken = taken.unwrap_or_else(|| Taken {
                duration: started.elapsed(),
                failure: Some(Failure::new(Cause::Internal, "an error in Weir, written to its log")),
                samples: 0,
                refused: Ok(Refused::default()),
            });
            counts.note(taken.failure.as_ref().map(|failure| failure.cause), taken.samples, taken.duration);
            note(&target, at_ms, taken, &mut warned);
        };
        if target.last().is_none() {
            return;
        }
        // The target may be asked anew under the same labels, by whoever takes its place. That shows within two intervals.
        let wait = spec.interval * 21 / 10;
        let stopped = tokio::time::timeout(wait, told(&mut stop)).await.is_ok();
        if !stopped {
            let ended = tokio::task::spawn_blocking(move || {
                appender.lock().unwrap_or_else(PoisonError::into_inner).end(engine.store(), last_ms);
            });
            if let Err(panic) = ended.await {
                tracing::error!(%panic, "ending a target's series panicked");
            }
        }
    }
}

struct Attempt {
    at_ms: i64,
    started: Instant,
    answer: Result<Fetched, Failure>,
}

/// Waits until it is time, and asks.
async fn fetch(fetcher: &mut Fetcher, grid: &Grid, ideal_ms: i64) -> Attempt {
    let wait_ms = ideal_ms - now_ms();
    if wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
    }
    let (at_ms, started) = (grid.stamp(ideal_ms, now_ms()), Instant::now());
    let answer = fetcher.fetch().await.map_err(|error| Failure::new(error.cause(), error.to_string()));
    Attempt { at_ms, started, answer }
}

/// Writes an answer; `None` after a panic.
async fn take(engine: &Arc<Engine>, appender: &Arc<Mutex<Appender>>, attempt: Attempt) -> Option<Taken> {
    let Attempt { at_ms, started, answer } = attempt;
    let large = answer.as_ref().is_ok_and(|fetched| {
        let ratio = if fetched.encoding == Encoding::Identity { 1 } else { GZIP_RATIO };
        fetched.body.len() > INLINE_BYTES_MAX / ratio
    });
    let (engine, appender) = (Arc::clone(engine), Arc::clone(appender));
    let work = move || {
        let mut appender = appender.lock().unwrap_or_else(PoisonError::into_inner);
        appender.take(engine.store(), &engine.rules().intake, answer, at_ms, started)
    };
    if !large {
        return Some(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|panic| tracing::error!(%panic, "reading a target's answer panicked")).ok()
}

/// Notes how it went, and speaks of what changed.
fn note(target: &Target, at_ms: i64, taken: Taken, warned: &mut Option<Instant>) {
    let Taken { duration, failure, refused, .. } = taken;
    let error = failure.map(|failure| failure.says);
    let spec = &target.spec;
    let job = spec.labels.get("job").unwrap_or_default();
    let said = error.clone();
    let before = target.note(Last { at_ms, duration, error });
    let failed_before = before.and_then(|last| last.error).is_some();
    match said {
        Some(error) if !failed_before => tracing::warn!("{} of job `{job}` is down: {error}", spec.url),
        None if failed_before => tracing::info!("{} of job `{job}` is up again", spec.url),
        _ => {}
    }
    if let Some(what) = refusals(&refused)
        && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
    {
        *warned = Some(Instant::now());
        tracing::warn!("the store does not take all of {} of job `{job}`: {what}", spec.url);
    }
}

fn refusals(refused: &Result<Refused, Refusal>) -> Option<String> {
    let refused = match refused {
        Ok(refused) if refused.total() == 0 => return None,
        Ok(refused) => refused,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let counts: Vec<String> =
        refused.counts().map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
    let first = refused.first().unwrap_or_default();
    Some(format!("{} samples refused; the first: {first}", counts.join(", ")))
}
