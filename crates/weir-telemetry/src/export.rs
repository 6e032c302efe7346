//! What the store says of itself as metrics. All of it is asked for when it is scraped; nothing is written for it before.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use weir_emit::metrics::{Collecting, Family, Kind, Registry, Samples};
use weir_store::Stats;

use crate::engine::Engine;

/// One look at the store serves all families of a scrape.
const LOOK: Duration = Duration::from_millis(50);
/// Series of a family by tenant, or by scrape job; further ones share `_other`.
const SERIES_MAX: usize = 10_000;
/// The level of parts that hold a whole day.
const LEVEL_DAY: u8 = 100;

/// The store as it was a moment ago.
struct Seen {
    engine: Arc<Engine>,
    stats: Arc<Stats>,
}

/// Looks at the store, as long as it is there.
struct Look {
    engine: Weak<Engine>,
    last: Mutex<Option<(Instant, Arc<Stats>)>>,
}

impl Look {
    fn now(&self) -> Option<Seen> {
        let engine = self.engine.upgrade()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = match &*last {
            Some((at, stats)) if at.elapsed() < LOOK => stats.clone(),
            _ => {
                let stats = Arc::new(engine.store().stats());
                *last = Some((Instant::now(), stats.clone()));
                stats
            }
        };
        Some(Seen { engine, stats })
    }
}

type Collect = fn(&Seen, &mut Samples);

/// Registers all families; they are there as long as what comes back is held.
pub(crate) fn register(registry: &Registry, engine: &Arc<Engine>) -> Vec<Collecting> {
    let look = Arc::new(Look { engine: Arc::downgrade(engine), last: Mutex::default() });
    let families = [payloads(), kept().to_vec(), state().to_vec(), scrapes().to_vec()].concat();
    let register = |(kind, family, collect): (Kind, Family, Collect)| {
        let look = look.clone();
        registry.collect(kind, family, move |out| {
            if let Some(seen) = look.now() {
                collect(&seen, out);
            }
        })
    };
    families.into_iter().map(register).collect()
}

fn payloads() -> Vec<(Kind, Family, Collect)> {
    vec![
        (
            Kind::Counter,
            Family::new("weir_store_payloads_total", "Payloads that came in, by what became of them.")
                .labels(&["protocol", "result"]),
            |seen, out| {
                seen.engine.tally().results(|protocol, result, n| out.push(&[protocol, result], n as f64));
            },
        ),
        (
            Kind::Counter,
            Family::new(
                "weir_store_payloads_refused_total",
                "Payloads of which nothing was taken, by the reason.",
            )
            .labels(&["protocol", "reason"]),
            |seen, out| {
                seen.engine.tally().reasons(|protocol, reason, n| out.push(&[protocol, reason], n as f64));
            },
        ),
    ]
}

/// What was taken and what was not.
fn kept() -> [(Kind, Family, Collect); 7] {
    const BY_SIGNAL: &[&str] = &["signal"];
    [
        (
            Kind::Counter,
            Family::new("weir_store_taken_total", "Samples, lines and spans that were taken.")
                .labels(BY_SIGNAL),
            |seen, out| {
                for counts in &seen.stats.counters {
                    out.push(&[counts.signal.as_str()], counts.accepted as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_refused_total", "Samples, lines and spans that were refused, by reason.")
                .labels(&["signal", "reason"]),
            |seen, out| {
                for counts in &seen.stats.counters {
                    for (reason, count) in &counts.refused {
                        out.push(&[counts.signal.as_str(), reason.as_str()], *count as f64);
                    }
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_payloads_repeated_total", "Payloads that were there already.")
                .labels(BY_SIGNAL),
            |seen, out| {
                for counts in &seen.stats.counters {
                    out.push(&[counts.signal.as_str()], counts.batches_again as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new(
                "weir_store_removed_parts_total",
                "Parts removed since they were older, or more, than is kept.",
            )
            .labels(BY_SIGNAL),
            |seen, out| {
                for counts in &seen.stats.counters {
                    out.push(&[counts.signal.as_str()], counts.removed_parts as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_removed_bytes_total", "Bytes of parts that retention removed.")
                .labels(BY_SIGNAL),
            |seen, out| {
                for counts in &seen.stats.counters {
                    out.push(&[counts.signal.as_str()], counts.removed_bytes as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_flushes_total", "Writings of memory to parts, by what became of them.")
                .labels(&["result"]),
            |seen, out| {
                out.push(&["done"], seen.stats.done.flushes as f64);
                out.push(&["failed"], seen.stats.done.flushes_failed as f64);
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_merges_total", "Merges of parts, by what became of them.")
                .labels(&["result"]),
            |seen, out| {
                out.push(&["done"], seen.stats.done.merges as f64);
                out.push(&["failed"], seen.stats.done.merges_failed as f64);
            },
        ),
    ]
}

/// How the store is.
fn state() -> [(Kind, Family, Collect); 17] {
    const BY_TENANT: &[&str] = &["tenant"];
    const BY_TENANT_AND_SIGNAL: &[&str] = &["tenant", "signal"];
    let gauge = |name, help| Family::new(name, help).at_most(SERIES_MAX);
    [
        (Kind::Gauge, gauge("weir_store_tenants", "Tenants that have something."), |seen, out| {
            out.push(&[], seen.stats.tenants.len() as f64);
        }),
        (
            Kind::Gauge,
            gauge("weir_store_active_series", "Series that are written to.").labels(BY_TENANT),
            |seen, out| {
                for tenant in &seen.stats.tenants {
                    out.push(&[tenant.tenant.as_str()], tenant.active_series as f64);
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_series_bytes", "Memory of the labels and tables of series.").labels(BY_TENANT),
            |seen, out| {
                for tenant in &seen.stats.tenants {
                    out.push(&[tenant.tenant.as_str()], tenant.series_bytes as f64);
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_streams", "Log streams with lines in memory.").labels(BY_TENANT),
            |seen, out| {
                for tenant in &seen.stats.tenants {
                    out.push(&[tenant.tenant.as_str()], tenant.streams as f64);
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_bytes", "Bytes of parts on the disk, indexes included.")
                .labels(BY_TENANT_AND_SIGNAL),
            |seen, out| {
                for tenant in &seen.stats.tenants {
                    for stats in &tenant.signals {
                        out.push(&[tenant.tenant.as_str(), stats.signal.as_str()], stats.bytes as f64);
                    }
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_rows", "Samples, lines and spans in parts.").labels(BY_TENANT_AND_SIGNAL),
            |seen, out| {
                for tenant in &seen.stats.tenants {
                    for stats in &tenant.signals {
                        out.push(&[tenant.tenant.as_str(), stats.signal.as_str()], stats.rows as f64);
                    }
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_parts", "Parts, by how often they were merged.").labels(&["signal", "level"]),
            |seen, out| {
                for stats in &seen.stats.levels {
                    let level = match stats.level {
                        LEVEL_DAY => "day".to_owned(),
                        level => level.to_string(),
                    };
                    out.push(&[stats.signal.as_str(), &level], stats.parts as f64);
                }
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_memory_bytes", "Bytes in memory that wait for the next flush."),
            |seen, out| {
                out.push(&[], seen.stats.head_bytes as f64);
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_tombstones", "Deletions that are applied on reading."),
            |seen, out| {
                out.push(&[], seen.stats.tombstones as f64);
            },
        ),
        (Kind::Gauge, gauge("weir_store_wal_bytes", "Bytes of the write-ahead log."), |seen, out| {
            out.push(&[], seen.stats.wal.bytes as f64);
        }),
        (Kind::Gauge, gauge("weir_store_wal_files", "Files of the write-ahead log."), |seen, out| {
            out.push(&[], seen.stats.wal.files as f64);
        }),
        (
            Kind::Gauge,
            gauge("weir_store_failed", "1 once the disk has failed, and nothing is taken any more."),
            |seen, out| {
                out.push(&[], f64::from(u8::from(seen.stats.wal.failure.is_some())));
            },
        ),
        (
            Kind::Gauge,
            gauge("weir_store_damages", "Damaged places that were met; at most 256."),
            |seen, out| {
                out.push(&[], seen.stats.damage.known.len() as f64);
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_store_left_out_total", "How often a read left something out that is damaged."),
            |seen, out| out.push(&[], seen.stats.damage.left_out as f64),
        ),
        (Kind::Gauge, gauge("weir_store_open_files", "Open files of parts."), |seen, out| {
            out.push(&[], seen.stats.files_open as f64);
        }),
        (Kind::Gauge, gauge("weir_store_disk_free_bytes", "Free bytes on the store's disk."), |seen, out| {
            if let Some(space) = seen.stats.space {
                out.push(&[], space.free_bytes as f64);
            }
        }),
        (Kind::Gauge, gauge("weir_store_disk_size_bytes", "Size of the store's disk."), |seen, out| {
            if let Some(space) = seen.stats.space {
                out.push(&[], space.total_bytes as f64);
            }
        }),
    ]
}

/// How scraping goes. The label is Prometheus' `scrape_job`: `job` is that of whoever scrapes Weir.
fn scrapes() -> [(Kind, Family, Collect); 4] {
    [
        (
            Kind::Gauge,
            Family::new("weir_scrape_targets", "Targets of scrape jobs, by how their last scrape went.")
                .labels(&["scrape_job", "state"])
                .at_most(SERIES_MAX),
            |seen, out| {
                for (job, pool) in &seen.engine.targets().pools() {
                    let [mut up, mut down, mut unknown] = [0_u32; 3];
                    for target in &pool.active {
                        match target.last() {
                            None => unknown += 1,
                            Some(last) if last.error.is_some() => down += 1,
                            Some(_) => up += 1,
                        }
                    }
                    for (state, count) in [("up", up), ("down", down), ("unknown", unknown)] {
                        out.push(&[job, state], f64::from(count));
                    }
                    out.push(&[job, "dropped"], pool.dropped_count as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_scrapes_total", "Scrapes, by how they ended.")
                .labels(&["scrape_job", "result"])
                .at_most(SERIES_MAX),
            |seen, out| {
                for (job, pool) in &seen.engine.targets().pools() {
                    for (cause, count) in pool.counts.results() {
                        out.push(&[job, cause.map_or("good", |cause| cause.as_str())], count as f64);
                    }
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_scrape_samples_total", "Samples that targets exposed.")
                .labels(&["scrape_job"])
                .at_most(SERIES_MAX),
            |seen, out| {
                for (job, pool) in &seen.engine.targets().pools() {
                    out.push(&[job], pool.counts.samples() as f64);
                }
            },
        ),
        (
            Kind::Counter,
            Family::new("weir_scrape_duration_seconds_total", "How long all scrapes took together.")
                .labels(&["scrape_job"])
                .at_most(SERIES_MAX),
            |seen, out| {
                for (job, pool) in &seen.engine.targets().pools() {
                    out.push(&[job], pool.counts.took().as_secs_f64());
                }
            },
        ),
    ]
}
