//! `weir chain`: the chains of a configuration, asked from the terminal.

mod block;
mod health;
mod list;
mod opened;
mod submit;
mod watch;

use clap::{Args, Subcommand};

pub(crate) use block::Block;
pub(crate) use health::Health;
pub(crate) use list::List;
pub(crate) use submit::Submit;
pub(crate) use watch::Watch;

/// Ask chains: their nodes, their blocks, what becomes of a transaction
///
/// Chains are those of the configuration file, under `chains`. A running Weir is not needed.
#[derive(Debug, Args)]
pub(crate) struct Chain {
    #[command(subcommand)]
    pub(crate) command: ChainCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    List(List),
    Health(Health),
    Block(Block),
    Submit(Submit),
    Watch(Watch),
}
