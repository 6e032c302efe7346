//! `weir completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::stages::{Command, Outcome, Run};
use crate::terminal;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir completions bash > /usr/share/bash-completion/completions/weir
  weir completions zsh > \"${fpath[1]}/_weir\"
  weir completions fish > ~/.config/fish/completions/weir.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Command for Completions {
    const NAME: &'static str = "completions";
    type Ready = Shell;

    fn before(self, _run: &Run) -> anyhow::Result<Shell> {
        Ok(self.shell)
    }

    fn run(shell: &mut Shell, _run: &Run) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "weir", &mut text);
        terminal::print(&String::from_utf8(text)?)?;
        Ok(Outcome::Done)
    }
}
