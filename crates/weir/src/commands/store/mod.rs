//! `weir store`: the store alone, and what can be done with its folder.

mod serve;

use clap::{Args, Subcommand};

pub(crate) use serve::Serve;

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
}
