//! `weir up`: a gateway without a file.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::SocketAddr;

use clap::Args;
use weir_model::AccessLogFormat;

use crate::cli::Output;
use crate::configuration::Text;
use crate::serve::{File, Overrides, Plan, Serving, WithoutStore, in_order, url};
use crate::stages::{Command, Lasts, Outcome, Run, Usage};
use crate::terminal::{self, Paint};

/// Run a gateway at once, without a file
///
/// Alone it runs what is built in: an echo service, and routes to see a limit and a breaker with. With a URL it stands
/// in front of what runs there. Each request is one line. `weir init` writes what is built in to a file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir up
  weir up http://localhost:3000
  weir up https://example.com --listen 127.0.0.1:8081")]
pub(crate) struct Up {
    /// Where everything goes: `http://HOST[:PORT]` or `https://HOST[:PORT]`
    #[arg(value_name = "URL")]
    to: Option<String>,
    /// Address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of the admin interface [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

/// What runs, for the words at the start.
enum Kind {
    BuiltIn,
    Proxy(String),
    File(String),
}

/// A gateway that serves, and what it is.
pub(crate) struct Running {
    serving: Serving,
    kind: Kind,
}

impl Command for Up {
    const NAME: &'static str = "up";
    const LASTS: Lasts = Lasts::UntilStopped;
    type Ready = Running;

    fn before(self, run: &Run) -> anyhow::Result<Running> {
        let (text, kind, file) = self.what(run)?;
        let judged = text.judge();
        if let (Kind::Proxy(to), false) = (&kind, judged.diagnostics.is_empty()) {
            let says = format!(
                "requests to {to} would come back to Weir itself: let it listen elsewhere, as with --listen 127.0.0.1:8081"
            );
            return Err(Usage(says).into());
        }
        let model = judged.into_model(run)?;
        let access_log = match run.settings.output {
            Output::Text => AccessLogFormat::Text,
            Output::Json => AccessLogFormat::Json,
        };
        let overrides = Overrides { workers: run.settings.workers, access_log: Some(access_log) };
        let built_in = file.is_none();
        let without_store = if built_in { WithoutStore::Serves } else { WithoutStore::Fails };
        let serving =
            Serving::start(Plan { model, file, overrides, without_store }, run).map_err(|error| {
                if built_in && is_taken(&error) {
                    return error
                        .context("an address is taken: choose another with --listen or, for admin, --admin");
                }
                error
            })?;
        Ok(Running { serving, kind })
    }

    fn run(running: &mut Running, run: &Run) -> anyhow::Result<Outcome> {
        let Running { serving, kind } = running;
        match run.settings.output {
            Output::Text => terminal::print(&welcome(serving, kind, run.settings.stdout()))?,
            Output::Json => serving.announce(),
        }
        serving.until_stopped()
    }

    fn after(running: Running, _run: &Run) -> anyhow::Result<Outcome> {
        Ok(running.serving.stop())
    }
}

impl Up {
    /// What is to run.
    fn what(&self, run: &Run) -> anyhow::Result<(Text, Kind, Option<File>)> {
        match (&self.to, &run.settings.config) {
            (Some(_), Some(_)) => {
                Err(Usage("a URL and --config both say where requests go: leave one out".into()).into())
            }
            (Some(to), None) => {
                let text = weir_config::proxy_to(to).map_err(Usage)?;
                Ok((self.moved(&text), Kind::Proxy(to.clone()), None))
            }
            (None, Some(_)) if self.listen.is_some() || self.admin.is_some() => {
                let says =
                    "--listen and --admin are for `weir up` without a file: the file says where it listens";
                Err(Usage(says.into()).into())
            }
            (None, Some(path)) => {
                let text = Text::read(path)?;
                let file = File { path: path.clone(), why: "--config", fingerprint: text.fingerprint() };
                Ok((text, Kind::File(path.display().to_string()), Some(file)))
            }
            (None, None) => Ok((self.moved(weir_config::embedded_default()), Kind::BuiltIn, None)),
        }
    }

    /// A text that is built in, with `--listen` and `--admin` in it, so that it is judged as it will run.
    fn moved(&self, text: &str) -> Text {
        let places = [("address: 127.0.0.1:8080", self.listen), ("address: 127.0.0.1:9901", self.admin)];
        let mut text = text.to_owned();
        for (place, address) in places {
            if let Some(address) = address {
                // In quotes, for the brackets of IPv6.
                text = text.replacen(place, &format!("address: \"{address}\""), 1);
            }
        }
        Text::built_in(&text)
    }
}

/// Whether an address can't be listened on because somebody does.
fn is_taken(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == ErrorKind::AddrInUse)
}

/// What is running, what to try, and how it goes on.
fn welcome(serving: &Serving, kind: &Kind, paint: Paint) -> String {
    let model = serving.model();
    let urls: Vec<String> = in_order(&model).iter().map(|listener| url(listener)).collect();
    let listens = urls.join(", ");
    let what = match kind {
        Kind::BuiltIn => "an echo service that is built in".to_owned(),
        Kind::Proxy(to) => terminal::visible(to),
        Kind::File(path) => format!("what {path} says"),
    };
    let mut text = format!("{} {} → {what}\n", paint.bold("Weir stands:"), paint.cyan(&listens));
    if let Some(admin) = serving.admin_address() {
        let _ = writeln!(
            text,
            "Admin: {} (/metrics, /routes, /services, /config)",
            paint.cyan(&format!("http://{admin}"))
        );
    }
    if let Some(store) = serving.store_address() {
        let _ = writeln!(
            text,
            "Store: {} (`weir query`, `weir logs`, `weir traces`; OTLP in, Grafana out)",
            paint.cyan(&format!("http://{store}"))
        );
    }
    let first = urls.first().map_or("", String::as_str);
    let tries = match kind {
        Kind::BuiltIn => vec![
            (format!("curl {first}/hello"), "a route: an answer that Weir gives itself"),
            (
                format!("curl -si '{first}/limited?[1-3]'"),
                "a limit: the third request gets 429, with headers that say when to come back",
            ),
            (
                format!("curl -si {first}/broken"),
                "a broken upstream: 503, with the reason; see what changes after three",
            ),
        ],
        Kind::Proxy(_) => vec![(format!("curl -i {first}/"), "what runs there, through Weir")],
        Kind::File(_) => Vec::new(),
    };
    if !tries.is_empty() {
        text += "\nTry in another terminal:\n";
    }
    for (line, why) in tries {
        let _ = writeln!(text, "\n  {}\n      {}", paint.bold(&line), paint.dim(why));
    }
    let next = match kind {
        Kind::BuiltIn => {
            "\n`weir init` writes this configuration to weir.yaml. Ctrl-C stops. Each request is one line:\n\n"
        }
        _ => "\nCtrl-C stops. Each request is one line:\n\n",
    };
    text + next
}
