//! `weir store`: the store alone, and what can be done with its folder.

mod folder;
mod progress;
mod restore;
mod serve;
mod snapshot;
mod stats;
mod verify;

use clap::{Args, Subcommand};

pub(crate) use restore::Restore;
pub(crate) use serve::Serve;
pub(crate) use snapshot::Snapshot;
pub(crate) use stats::Stats;
pub(crate) use verify::Verify;

/// Run the store without a gateway, look into its folder, check it, copy it
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    Serve(Serve),
    Stats(Stats),
    Verify(Verify),
    Snapshot(Snapshot),
    Restore(Restore),
}
