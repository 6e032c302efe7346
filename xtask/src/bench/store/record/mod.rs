//! `cargo xtask bench store record`: real exporters under real load, scraped into one file.
//!
//! ```text
//!   loads ──► MariaDB, PostgreSQL, Redis, nginx, HAProxy, Weir …  ◄── 20 exporters ◄── a thread each ──► one writer ──► file
//! ```
//!
//! Each target is scraped at an offset of its own within the interval, as Prometheus does it, and the times are those
//! at which the scrapes began. All that is started ends with the command, also when that is killed.

mod cast;
mod loads;
mod shape;

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use self::cast::{Cast, Target};
use super::http::Client;
use super::recording::{Labels, Scrape, Writer};
use crate::bench::Scratch;
use crate::workspace;

/// How a recording is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long to record
    #[arg(long, default_value_t = 2.0)]
    pub hours: f64,
    /// How often each target is scraped, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub every: f64,
    /// The file; otherwise `recording.zst` in the cache folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Where the recording lies that benches read: `$WEIR_RECORDING`, else in the cache folder.
pub(crate) fn default_file() -> Result<PathBuf> {
    match std::env::var_os("WEIR_RECORDING") {
        Some(file) => Ok(file.into()),
        None => Ok(workspace::cache()?.join("recording.zst")),
    }
}

/// Records. The file takes its name when it is whole; until then it ends in `.part`, and can be read as far as it is.
pub fn run(options: &Options) -> Result<()> {
    let weir = workspace::release_binary()?;
    let out = options.out.clone().map_or_else(default_file, Ok)?;
    if let Some(dir) = out.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let part = out.with_extension("zst.part");
    let scratch = Scratch::new("record")?;
    let cast = Cast::start(scratch.path(), &weir)?;
    for target in &cast.targets {
        let body = scrape(&mut Client::new(target.address, Duration::from_secs(10)), &target.path)?;
        if body.is_empty() {
            bail!("{} answers with nothing", target.labels.instance);
        }
        println!("{:<16} {:<16} {:>7} bytes", target.labels.job, target.labels.instance, body.len());
    }
    let labels: Vec<Labels> = cast.targets.iter().map(|target| target.labels.clone()).collect();
    let every = Duration::from_secs_f64(options.every);
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(options.hours * 3600.0);
    let mut writer = Writer::create(&part, wall_ms(), every.as_millis() as u64, &labels)?;
    let (sender, scrapes) = sync_channel(2 * labels.len());
    let scrapers: Vec<_> = (cast.targets.iter().cloned().enumerate())
        .map(|(index, target)| {
            let offset = every.mul_f64(index as f64 / labels.len() as f64);
            let sender = sender.clone();
            std::thread::spawn(move || {
                scrape_until(&target, index as u16, begin + offset, every, end, &sender);
            })
        })
        .collect();
    drop(sender);

    let mut told = begin;
    let (mut count, mut bytes, mut failed) = (0u64, 0u64, vec![0u64; labels.len()]);
    loop {
        match scrapes.recv_timeout(Duration::from_secs(30)) {
            Ok(scrape) => {
                count += 1;
                match &scrape.body {
                    Some(body) => bytes += body.len() as u64,
                    None => failed[usize::from(scrape.target)] += 1,
                }
                writer.add(&scrape)?;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if told.elapsed() > Duration::from_mins(1) {
            told = Instant::now();
            writer.flush()?;
            let missed: Vec<_> = (labels.iter().zip(&failed).filter(|(_, failed)| **failed > 0))
                .map(|(labels, failed)| format!("{} missed {failed}", labels.instance))
                .collect();
            println!(
                "{:>4} min: {count} scrapes, {} MB raw, {} KB on disk; {}; done:{}",
                begin.elapsed().as_secs() / 60,
                bytes >> 20,
                std::fs::metadata(&part)?.len() >> 10,
                if missed.is_empty() { "none missed".to_owned() } else { missed.join(", ") },
                cast.loads.counts(),
            );
        }
    }
    for scraper in scrapers {
        let _ = scraper.join();
    }
    writer.finish()?;
    std::fs::rename(&part, &out).with_context(|| format!("cannot name {}", out.display()))?;
    println!("{count} scrapes in {}", out.display());
    Ok(())
}

fn scrape_until(
    target: &Target,
    index: u16,
    first: Instant,
    every: Duration,
    end: Instant,
    out: &SyncSender<Scrape>,
) {
    let mut client = Client::new(target.address, every.mul_f64(0.8));
    let mut due = first;
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (begin, wall_ms) = (Instant::now(), wall_ms());
        let body = scrape(&mut client, &target.path).ok();
        let took_us = begin.elapsed().as_micros() as u32;
        if out.send(Scrape { target: index, wall_ms, took_us, body }).is_err() {
            return;
        }
        // A scrape that took too long leaves out those it overran.
        while due <= begin || due < Instant::now() {
            due += every;
        }
    }
}

fn scrape(client: &mut Client, path: &str) -> Result<Vec<u8>> {
    client.send("GET", path, &[("accept", "text/plain;version=0.0.4")], &[])?.success()
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
