//! From a name to a chain that can be asked.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use tokio::runtime::Runtime;
use weir_chain::journal::{FileJournal, Journal, SimJournal};
use weir_chain::{Client, ClientSettings, factory};
use weir_model::{Chain, Model, SecretRef};

use crate::configuration::Text;
use crate::discovery;
use crate::stages::{Run, Usage};
use crate::terminal;

/// The configuration in the usual place.
pub(super) fn model(run: &Run) -> anyhow::Result<Model> {
    let path = discovery::find_here(run.settings.config.as_deref())?.path;
    let judged = Text::read(&path).map_err(|error| Usage(format!("{error:#}")))?.judge();
    if judged.model.is_none() {
        terminal::complain(&judged.rendered(run.settings.stderr().style()));
    }
    judged.model.with_context(|| format!("{} is not valid", path.display()))
}

/// Its chains, by name.
pub(super) fn chains(model: &Model) -> Vec<Arc<Chain>> {
    let mut chains: Vec<Arc<Chain>> = model.chains.values().cloned().collect();
    chains.sort_by(|a, b| a.id.cmp(&b.id));
    chains
}

/// The chain of a name; the only one where none is given.
pub(super) fn find(model: &Model, name: Option<&str>) -> anyhow::Result<Arc<Chain>> {
    let chains = chains(model);
    let names = || chains.iter().map(|chain| chain.id.as_str()).collect::<Vec<_>>().join(", ");
    match (name, chains.as_slice()) {
        (_, []) => bail!("the configuration has no `chains`; docs/chains.md shows how to write one"),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Usage(format!("there are several chains; name one: {}", names())).into()),
        (Some(name), _) => {
            let found = chains.iter().find(|chain| chain.id.as_str() == name).cloned();
            found.ok_or_else(|| {
                Usage(format!("there is no chain named {name}; there are: {}", names())).into()
            })
        }
    }
}

/// A runtime for one command.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no runtime could be made")
}

/// A client without a journal, for questions.
pub(super) async fn ask(chain: &Chain) -> anyhow::Result<Client> {
    open(chain, Arc::new(SimJournal::new(std::time::Duration::ZERO))).await
}

/// A client that remembers what it submits. Only one at a time may hold a chain's journal.
pub(super) async fn submit(chain: &Chain) -> anyhow::Result<Client> {
    let folder = match &chain.journal {
        Some(folder) => folder.clone(),
        None => usual_folder(chain)?,
    };
    let journal =
        FileJournal::open(&folder).with_context(|| format!("the journal in {}", folder.display()))?;
    open(chain, Arc::new(journal)).await
}

async fn open(chain: &Chain, journal: Arc<dyn Journal>) -> anyhow::Result<Client> {
    let nodes = factory::nodes(chain, &secret).with_context(|| format!("chain {}", chain.id))?;
    Client::open(ClientSettings::of(chain), nodes, journal)
        .await
        .with_context(|| format!("chain {}", chain.id))
}

/// Beside the usual place of the store.
fn usual_folder(chain: &Chain) -> anyhow::Result<PathBuf> {
    let store = weir_telemetry::folder(&weir_config::default_store())?;
    let state = store.parent().ok_or_else(|| anyhow!("{} has no parent", store.display()))?;
    Ok(state.join("chains").join(chain.id.as_str()))
}

fn secret(secret: &SecretRef) -> std::io::Result<Vec<u8>> {
    match secret {
        SecretRef::File(path) => std::fs::read(path),
        SecretRef::Env(name) => std::env::var_os(name)
            .map(std::ffi::OsString::into_encoded_bytes)
            .ok_or_else(|| std::io::Error::other("the variable is not set")),
    }
}
