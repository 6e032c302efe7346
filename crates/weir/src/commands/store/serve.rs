//! `weir store serve`: the store without a gateway.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::runtime::Runtime;
use weir_emit::metrics::Registry;
use weir_model::Telemetry;

use crate::build::BUILD;
use crate::configuration::Text;
use crate::serve::{Remembering, Signal, Signals};
use crate::stages::{Command, Lasts, Outcome, Run, Usage};
use crate::terminal;

/// Take telemetry in and answer queries, without a gateway
///
/// With --config, what the file says under `store`; else the defaults, with what is said here.
///
/// Signals: HUP reads the file, tokens and certificates again; TERM and INT let open requests end (a second one ends at
/// once).
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  weir store serve                                    the usual folder, 127.0.0.1:4318 and :4317
  weir store serve --path ./data --http 0.0.0.0:9090
  weir store serve -c weir.yaml                       the file's `store`")]
pub(crate) struct Serve {
    /// The folder that everything is kept in
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// Address where HTTP is answered [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS")]
    http: Vec<SocketAddr>,
    /// Address where gRPC is answered [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS")]
    grpc: Vec<SocketAddr>,
    /// Address where Jaeger's compact Thrift comes in over UDP
    #[arg(long, value_name = "ADDRESS")]
    jaeger_udp: Option<SocketAddr>,
    /// Days that metrics, logs and traces are kept [default: 15]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    keep: Option<u64>,
}

/// A store that serves.
pub(crate) struct Serving {
    runtime: Runtime,
    signals: Signals,
    remembering: Remembering,
    /// What was said on the command line.
    asked: Serve,
    telemetry: Arc<Telemetry>,
}

impl Command for Serve {
    const NAME: &'static str = "store serve";
    const LASTS: Lasts = Lasts::UntilStopped;
    type Ready = Serving;

    fn before(self, run: &Run) -> anyhow::Result<Serving> {
        let telemetry = self.clone().telemetry(run)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("weir-store")
            .enable_all()
            .build()
            .context("the store's threads could not be started")?;
        let entered = runtime.enter();
        let signals = Signals::listen().context("signals cannot be listened to")?;
        let mut remembering = runtime.block_on(Remembering::start(&telemetry))?;
        drop(entered);
        let registry = Registry::new(0);
        weir_emit::process::register(&registry, BUILD);
        run.log.register(&registry);
        remembering.export(&registry);
        Ok(Serving { runtime, signals, remembering, asked: self, telemetry })
    }

    fn run(serving: &mut Serving, run: &Run) -> anyhow::Result<Outcome> {
        terminal::print(&welcome(&serving.remembering, run))?;
        loop {
            match serving.runtime.block_on(serving.signals.next()) {
                Signal::Stop(name, _) => {
                    tracing::info!("{name}: stopping; open requests may end");
                    return Ok(Outcome::Done);
                }
                Signal::Reload => {
                    if let Err(error) = serving.reload(run) {
                        tracing::error!("{error:#}; what is in force serves on");
                    }
                }
            }
        }
    }

    fn after(serving: Serving, _run: &Run) -> anyhow::Result<Outcome> {
        let Serving { runtime, mut signals, remembering, .. } = serving;
        let outcome = runtime.block_on(async {
            tokio::select! {
                () = remembering.stop() => Outcome::Done,
                (name, number) = signals.stop() => {
                    tracing::warn!("{name} again: ending at once");
                    Outcome::Cut(number)
                }
            }
        });
        runtime.shutdown_background();
        Ok(outcome)
    }
}

impl Serving {
    /// Reads the file again, and puts in force what can change while it serves.
    fn reload(&mut self, run: &Run) -> anyhow::Result<()> {
        let wanted = self.asked.clone().telemetry(run)?;
        let (settled, waits) = Telemetry::while_running(Some(&self.telemetry), Some(wanted));
        let settled = settled.unwrap_or_else(|| self.telemetry.clone());
        let _entered = self.runtime.enter();
        self.remembering.server().live().judge(&settled)?.put_in_force();
        self.telemetry = settled;
        for name in waits {
            tracing::warn!("`{name}` takes effect at the next start");
        }
        tracing::info!("configuration, tokens and certificates read again");
        Ok(())
    }
}

impl Serve {
    /// What the file says, with what is said on the command line in its place.
    fn telemetry(self, run: &Run) -> anyhow::Result<Arc<Telemetry>> {
        let mut telemetry = match &run.settings.config {
            None => weir_config::default_store(),
            Some(path) => {
                let model = Text::read(path)?.judge().into_model(run)?;
                let store = model.store.ok_or_else(|| {
                    Usage(format!("{} says nothing of a store: add `store: {{}}`", path.display()))
                })?;
                Telemetry::clone(&store)
            }
        };
        let Self { path, http, grpc, jaeger_udp, keep } = self;
        telemetry.path = path.or(telemetry.path);
        if !http.is_empty() {
            telemetry.http = http;
        }
        if !grpc.is_empty() {
            telemetry.grpc = grpc;
        }
        telemetry.jaeger_udp = jaeger_udp.or(telemetry.jaeger_udp);
        if let Some(days) = keep {
            for retention in [&mut telemetry.metrics, &mut telemetry.logs, &mut telemetry.traces] {
                retention.time = Duration::from_secs(days * 86_400);
            }
        }
        Ok(Arc::new(telemetry))
    }
}

/// Where everything is, and what to do with it.
fn welcome(remembering: &Remembering, run: &Run) -> String {
    let paint = run.settings.stdout();
    let server = remembering.server();
    let mut text = format!(
        "{} {}\n",
        paint.bold("Weir remembers in"),
        paint.cyan(&remembering.folder().display().to_string())
    );
    let urls = |addresses: &[SocketAddr]| {
        addresses.iter().map(|address| format!("http://{address}")).collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(
        text,
        "HTTP: {}  (OTLP, remote write, Loki, Zipkin and Jaeger in; Prometheus, Loki, Jaeger and Tempo out)",
        paint.cyan(&urls(server.http_addresses()))
    );
    let _ = writeln!(text, "gRPC: {}  (OTLP and Jaeger in)", paint.cyan(&urls(server.grpc_addresses())));
    text
}
