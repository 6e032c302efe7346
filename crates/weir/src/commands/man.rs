//! `weir man`: the manual, one page for all commands.

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use crate::cli::Cli;
use crate::stages::{Command, Outcome, Run};
use crate::terminal;

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir man | man -l -
  weir man > /usr/share/man/man1/weir.1")]
pub(crate) struct Man {}

impl Command for Man {
    const NAME: &'static str = "man";
    type Ready = ();

    fn before(self, _run: &Run) -> anyhow::Result<()> {
        Ok(())
    }

    fn run((): &mut (), _run: &Run) -> anyhow::Result<Outcome> {
        terminal::print(&page()?)?;
        Ok(Outcome::Done)
    }
}

/// The page in roff.
fn page() -> anyhow::Result<String> {
    let mut weir = Cli::command();
    // Global options and the names of commands in full reach the commands here.
    weir.build();
    let mut roff = Vec::new();
    let page = Page::new(weir.clone().disable_help_subcommand(true));
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    let mut text = String::from_utf8(roff)?;
    for command in weir.get_subcommands().filter(|command| command.get_name() != "help") {
        text += &format!(".SH \"WEIR {}\"\n", command.get_name().to_uppercase());
        let globals: Vec<_> = command
            .get_arguments()
            .filter(|argument| {
                argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str())
            })
            .map(|argument| argument.get_id().clone())
            .collect();
        // Described once, above.
        let own = globals
            .into_iter()
            .fold(command.clone(), |command, id| command.mut_arg(id, |argument| argument.hide(true)));
        let has_options = own.get_arguments().any(|argument| !argument.is_hide_set());
        let page = Page::new(own);
        let mut roff = Vec::new();
        page.render_synopsis_section(&mut roff)?;
        page.render_description_section(&mut roff)?;
        if has_options {
            page.render_options_section(&mut roff)?;
        }
        page.render_extra_section(&mut roff)?;
        // Sections of a command stand one level below it.
        text += &String::from_utf8(roff)?.replace(".SH ", ".SS ");
    }
    let mut roff = Vec::new();
    page.render_extra_section(&mut roff)?;
    page.render_version_section(&mut roff)?;
    Ok(text + &String::from_utf8(roff)?)
}
