//! `weir gateway`: serve a configuration file.

use clap::Args;

use crate::configuration::Text;
use crate::discovery;
use crate::serve::{File, Overrides, Plan, Serving, WithoutStore};
use crate::stages::{Command, Lasts, Outcome, Run};

/// Serve a configuration file, and take its changes while running
///
/// The file and every certificate it names are watched: a change goes live within milliseconds, without a restart and
/// without a dropped request. A file that is not valid is refused with the errors of `weir check`, and what is in force
/// serves on.
///
/// Signals: HUP reads everything again and reopens the access log; TERM and INT let open requests end (a second one
/// ends at once).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir gateway                              the file that is found (see `weir --help`)
  weir gateway -c /etc/weir/weir.yaml
  weir gateway -c weir.yaml --workers 2 --log debug")]
pub(crate) struct Gateway {}

impl Command for Gateway {
    const NAME: &'static str = "gateway";
    const LASTS: Lasts = Lasts::UntilStopped;
    type Ready = Serving;

    fn before(self, run: &Run) -> anyhow::Result<Serving> {
        let place = discovery::find_here(run.settings.config.as_deref())?;
        let text = Text::read(&place.path)?;
        let file = File { path: place.path, why: place.why, fingerprint: text.fingerprint() };
        let model = text.judge().into_model(run)?;
        let overrides = Overrides { workers: run.settings.workers, access_log: None };
        let without_store = WithoutStore::Fails;
        Serving::start(Plan { model, file: Some(file), overrides, without_store }, run)
    }

    fn run(serving: &mut Serving, _run: &Run) -> anyhow::Result<Outcome> {
        serving.announce();
        serving.until_stopped()
    }

    fn after(serving: Serving, _run: &Run) -> anyhow::Result<Outcome> {
        Ok(serving.stop())
    }
}
