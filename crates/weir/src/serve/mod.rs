//! A gateway that runs until it is told to stop.
//!
//! ```text
//!  main thread:     signals, changes of files ──► Gateway::change ──► workers
//!  control thread:  admin interface, names, echo service
//!  worker threads:  requests, one per core (started by the gateway)
//! ```
//!
//! The main thread reads and judges files itself, so that a large one delays neither requests nor the admin interface.

mod announce;
mod reload;
mod remember;
mod signals;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::Runtime;
use weir_emit::metrics::Registry;
use weir_gateway::Gateway;
use weir_gateway::admin::{AdminOptions, AdminServer, Readiness};
use weir_model::{AccessLogFormat, Model};

use crate::build::BUILD;
use crate::stages::{Outcome, Run};
pub(crate) use announce::{in_order, url};
use reload::{Extent, Reloader};
pub(crate) use remember::Remembering;
pub(crate) use signals::{Signal, Signals};

/// How long files have to be quiet before they are read: editors and deployments write more than once.
const QUIET: Duration = Duration::from_millis(100);
/// Files that are never quiet are read after this time all the same.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// What is to be served.
pub(crate) struct Plan {
    pub(crate) model: Model,
    /// The file that the model came from, to be followed.
    pub(crate) file: Option<File>,
    pub(crate) overrides: Overrides,
    /// What becomes of it where the store cannot be opened.
    pub(crate) without_store: WithoutStore,
}

/// What becomes of a gateway whose store cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutStore {
    /// It does not start: somebody asked for the store.
    Fails,
    /// It serves, and says that nothing is remembered: nobody asked, and another one may well run already.
    Serves,
}

/// What was said on the command line and goes before what the file says, now and after each of its changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overrides {
    /// `--workers`.
    pub(crate) workers: Option<u32>,
    /// How access records are written where the file leaves it open.
    pub(crate) access_log: Option<AccessLogFormat>,
}

impl Overrides {
    fn apply(self, mut model: Model) -> Model {
        model.workers = self.workers.or(model.workers);
        if model.access_log.format == AccessLogFormat::Auto {
            model.access_log.format = self.access_log.unwrap_or(AccessLogFormat::Auto);
        }
        model
    }
}

/// A configuration file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Why this one.
    pub(crate) why: &'static str,
    /// Of the text that was read.
    pub(crate) fingerprint: u64,
}

/// A gateway that serves.
pub(crate) struct Serving {
    runtime: Runtime,
    gateway: Gateway,
    admin: Option<AdminServer>,
    remembering: Option<Remembering>,
    readiness: Readiness,
    signals: Signals,
    reloader: Reloader,
    workers: usize,
    took: Duration,
}

impl Serving {
    /// Opens all that the model asks for. Requests are answered once this returns.
    pub(crate) fn start(plan: Plan, run: &Run) -> anyhow::Result<Self> {
        let Plan { model, file, overrides, without_store } = plan;
        let model = overrides.apply(model);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = model.workers.map_or_else(cores, |n| n as usize);
        if let Err(error) = weir_http::raise_open_files() {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(if model.store.is_some() { cores() } else { 1 })
            .thread_name("weir-control")
            .enable_all()
            .build()
            .context("the control thread could not be started")?;
        let registry = Registry::new(workers);
        weir_emit::process::register(&registry, BUILD);
        run.log.register(&registry);
        let readiness = Readiness::default();
        let base = file.as_ref().and_then(|file| file.path.parent()).map(PathBuf::from).unwrap_or_default();
        // Before secrets are read, so that no change of one is missed.
        let reloader = Reloader::start(file, overrides, &model);
        let entered = runtime.enter();
        // Before anything is opened, so that whoever asks to stop early is heard.
        let signals = Signals::listen().context("signals cannot be listened to")?;
        let (gateway, admin, remembering) = runtime.block_on(async {
            let admin = model.admin.clone();
            let mut remembering = match &model.store {
                Some(store) => match Remembering::start(store).await {
                    Ok(remembering) => Some(remembering),
                    Err(error) if without_store == WithoutStore::Serves => {
                        tracing::warn!("nothing is remembered: {error:#}");
                        None
                    }
                    Err(error) => return Err(error),
                },
                None => None,
            };
            let trail = match &mut remembering {
                Some(remembering) => {
                    remembering.export(&registry);
                    remembering.own(&registry)?
                }
                None => None,
            };
            let gateway = Gateway::start_with_trail(model, registry, workers, trail).await?;
            if let Some(remembering) = &remembering {
                gateway.follow_store(remembering.changes());
            }
            let is_on = admin.address.is_some() || admin.socket.is_some();
            let options = AdminOptions {
                admin,
                readiness: readiness.clone(),
                build: format!("weir {} {}", BUILD.version, BUILD.commit).trim_end().to_owned(),
                base,
            };
            let admin = if is_on { Some(AdminServer::start(gateway.clone(), options).await?) } else { None };
            anyhow::Ok((gateway, admin, remembering))
        })?;
        drop(entered);
        crate::allocator::tidy_up();
        readiness.ready();
        let took = run.settings.started.elapsed();
        Ok(Self { runtime, gateway, admin, remembering, readiness, signals, reloader, workers, took })
    }

    /// The model in force.
    pub(crate) fn model(&self) -> Model {
        self.gateway.model()
    }

    /// Where the store is asked.
    pub(crate) fn store_address(&self) -> Option<SocketAddr> {
        self.remembering.as_ref()?.server().http_addresses().first().copied()
    }

    /// Where the admin interface is found.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(AdminServer::address)
    }

    /// Serves until a signal says to stop.
    pub(crate) fn until_stopped(&mut self) -> anyhow::Result<Outcome> {
        let Self { runtime, gateway, signals, reloader, .. } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    signal = signals.next() => match signal {
                        Signal::Stop(name, _) => {
                            tracing::info!("{name}: stopping; open requests may end");
                            return Ok(Outcome::Done);
                        }
                        Signal::Reload => reloader.reload(gateway, Extent::Everything).await,
                    },
                    () = reloader.changed() => {
                        let begun = Instant::now();
                        while begun.elapsed() < QUIET_MAX && reloader.again_within(QUIET).await {}
                        reloader.reload(gateway, Extent::WhatChanged).await;
                    }
                }
            }
        })
    }

    /// Lets open requests end and stops. A second signal ends at once.
    pub(crate) fn stop(self) -> Outcome {
        let Self { runtime, gateway, admin, remembering, readiness, mut signals, reloader, .. } = self;
        readiness.not_ready("stopping");
        let outcome = runtime.block_on(async {
            let drain = async {
                if !gateway.drain().await {
                    tracing::warn!(
                        "the drain timeout has passed: connections that were still open are closed"
                    );
                }
                if let Some(admin) = admin {
                    admin.stop().await;
                }
                // Whoever holds the gateway holds the way to the store open.
                drop((gateway, reloader));
                if let Some(remembering) = remembering {
                    remembering.stop().await;
                }
            };
            tokio::select! {
                () = drain => Outcome::Done,
                (name, number) = signals.stop() => {
                    tracing::warn!("{name} again: ending at once");
                    Outcome::Cut(number)
                }
            }
        });
        runtime.shutdown_background();
        outcome
    }
}
