//! Whom queries from the terminal are put to: a Weir that runs, by HTTP, or a store's folder. Both answer the same JSON.
//!
//! ```text
//! query, logs, trace, traces ─► Asker ─┬─► Remote ─► HTTP ─► weir … store
//!                                      └─► Local  ─► the same interfaces, in this process
//! ```

mod failure;
mod remote;
mod request;
mod when;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use tokio::runtime::Runtime;
use weir_model::Telemetry;
use weir_signal::Tenant;
use weir_telemetry::ask::Local;

use crate::configuration::Text;
use crate::stages::{Run, Usage};
use crate::terminal;
use remote::Remote;

pub(crate) use request::Request;
pub(crate) use when::{duration_ns, now_ms, say_ns, time_ms};

/// Where a Weir listens that was told nothing else.
const USUAL_URL: &str = "http://127.0.0.1:4318";
/// Longer than anything was kept.
const FOREVER: Duration = Duration::from_hours(24 * 36_500);

/// Whom to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where to ask")]
pub(crate) struct AskArgs {
    /// A running Weir; without one, $WEIR_URL, or http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the token that it wants; without one, the token in $WEIR_TOKEN
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    token_file: Option<PathBuf>,
    /// A PEM file with the roots that its certificate is checked against; without one, those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    ca: Option<PathBuf>,
    /// Read the folder of a store instead, also while another process writes it
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    store: Option<PathBuf>,
    /// Whose telemetry of the folder; without one, that of callers who need no token
    #[arg(long, value_name = "NAME", requires = "store")]
    tenant: Option<String>,
}

/// What the file of --config says of the store, or the defaults.
pub(crate) fn configured_store(run: &Run) -> anyhow::Result<Telemetry> {
    let Some(path) = &run.settings.config else { return Ok(weir_config::default_store()) };
    let model = Text::read(path)?.judge().into_model(run)?;
    let store = model
        .store
        .ok_or_else(|| Usage(format!("{} says nothing of a store: add `store: {{}}`", path.display())))?;
    Ok(Telemetry::clone(&store))
}

/// Somebody who answers.
pub(crate) struct Asker {
    runtime: Runtime,
    via: Via,
}

enum Via {
    Remote(Box<Remote>),
    Local(Box<Folder>),
}

/// A store's folder, as it was when it was last looked at.
struct Folder {
    path: PathBuf,
    tenant: Tenant,
    telemetry: Arc<Telemetry>,
    local: Local,
}

/// An answer.
pub(crate) struct Reply {
    /// HTTP's status.
    pub(crate) status: u16,
    /// What it says.
    pub(crate) body: Bytes,
}

impl AskArgs {
    /// Reads tokens and certificates, or opens the folder. A server is not spoken to yet.
    pub(crate) fn asker(self, run: &Run) -> anyhow::Result<Asker> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for queries could be made")?;
        let via = match self.store {
            None => Via::Remote(Box::new(self.remote()?)),
            Some(path) => {
                let tenant = self.tenant.unwrap_or_default();
                let tenant = Tenant::new(&tenant)
                    .ok_or_else(|| Usage(format!("`{tenant}` cannot be the name of a tenant")))?;
                Via::Local(Box::new(Folder::open(path, tenant, configured_store(run)?)?))
            }
        };
        Ok(Asker { runtime, via })
    }

    fn remote(&self) -> anyhow::Result<Remote> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = self.url.clone().or_else(|| variable("WEIR_URL"));
        let token = match &self.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Usage(format!("the token {}: {error}", path.display())))?;
                Some(text.trim().to_owned())
            }
            None => variable("WEIR_TOKEN"),
        };
        Remote::new(url.as_deref().unwrap_or(USUAL_URL), token, self.ca.as_deref())
    }
}

impl Folder {
    fn open(path: PathBuf, tenant: Tenant, mut telemetry: Telemetry) -> anyhow::Result<Self> {
        // All that is in the folder is answered: it may be a copy of long ago.
        for retention in [&mut telemetry.metrics, &mut telemetry.logs, &mut telemetry.traces] {
            retention.time = FOREVER;
        }
        let telemetry = Arc::new(telemetry);
        let (local, recovery) = Local::open(&path, tenant.clone(), &telemetry).map_err(|error| {
            Usage(format!(
                "{error}\n  `weir store serve --path {}` makes one; --url asks a Weir that runs",
                path.display()
            ))
        })?;
        if !recovery.is_clean() {
            terminal::complain(&format!(
                "warning: the store {} is not whole, answers may lack something; `weir store verify --path {0}` says what\n",
                path.display()
            ));
        }
        Ok(Self { path, tenant, telemetry, local })
    }
}

impl Asker {
    /// The answer, whatever its status.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) fn reply(&self, request: &Request) -> anyhow::Result<Reply> {
        let path_and_query = request.path_and_query();
        match &self.via {
            Via::Remote(remote) => self.runtime.block_on(remote.get(&path_and_query)),
            Via::Local(folder) => {
                let (status, body) = self.runtime.block_on(folder.local.get(&path_and_query));
                Ok(Reply { status, body })
            }
        }
    }

    /// The body of a good answer.
    ///
    /// # Errors
    /// Nobody answers, or the answer is an error; a mistake in the query is shown at its place.
    pub(crate) fn body(&self, request: &Request) -> anyhow::Result<Bytes> {
        self.good(self.reply(request)?, request)
    }

    /// The body of an answer to a request, where it is a good one.
    ///
    /// # Errors
    /// As [`Asker::body`].
    pub(crate) fn good(&self, reply: Reply, request: &Request) -> anyhow::Result<Bytes> {
        if reply.status == 200 {
            return Ok(reply.body);
        }
        let token = match &self.via {
            Via::Remote(remote) => remote.token(),
            Via::Local(_) => failure::Token::Needless,
        };
        Err(failure::of(&reply, request.query(), token))
    }

    /// A good answer, read from JSON.
    ///
    /// # Errors
    /// As [`Asker::body`], and where the answer is not what its interface promises.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, request: &Request) -> anyhow::Result<T> {
        let body = self.body(request)?;
        serde_json::from_slice(&body)
            .context("the answer could not be read: is there something else than Weir at this address?")
    }

    /// Looks at what has come in since. Of a server the next answer has it anyway; a folder is opened again.
    ///
    /// # Errors
    /// The folder cannot be opened any more.
    pub(crate) fn refresh(&mut self) -> anyhow::Result<()> {
        if let Via::Local(folder) = &mut self.via {
            let (local, _) = Local::open(&folder.path, folder.tenant.clone(), &folder.telemetry)?;
            folder.local = local;
        }
        Ok(())
    }
}
