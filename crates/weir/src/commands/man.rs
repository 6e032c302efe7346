//! `weir man`: the manual, one page for all commands.

use std::fmt::Write as _;

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
    let mut weir = Cli::command().disable_help_subcommand(true);
    // Global options and the names of commands in full reach the commands here.
    weir.build();
    let page = Page::new(weir.clone());
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    let mut text = String::from_utf8(std::mem::take(&mut roff))? + &synopsis(&mut weir);
    page.render_options_section(&mut roff)?;
    text += &String::from_utf8(roff)?;
    for command in weir.get_subcommands_mut() {
        text += &section(command)?;
    }
    Ok(text + &extra(&weir))
}

/// One command: its parts stand one level below it.
fn section(command: &mut clap::Command) -> anyhow::Result<String> {
    let mut text = synopsis(command);
    // Options of all commands are described once, above.
    let of_all = |argument: &&clap::Arg| {
        argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str())
    };
    let of_all: Vec<_> =
        command.get_arguments().filter(of_all).map(|argument| argument.get_id().clone()).collect();
    let hide = |command: clap::Command, id| command.mut_arg(id, |argument| argument.hide(true));
    let own = of_all.into_iter().fold(command.clone(), hide);
    let has_options = own.get_arguments().any(|argument| !argument.is_hide_set());
    let page = Page::new(own);
    let mut roff = Vec::new();
    page.render_description_section(&mut roff)?;
    if has_options {
        page.render_options_section(&mut roff)?;
    }
    text += &String::from_utf8(roff)?;
    text += &extra(command);
    Ok(format!(".SH \"WEIR {}\"\n{}", command.get_name().to_uppercase(), text.replace(".SH ", ".SS ")))
}

fn synopsis(command: &mut clap::Command) -> String {
    let usage = command.render_usage().to_string();
    format!(".SH SYNOPSIS\n{}\n", escaped(usage.trim_start_matches("Usage: ").trim_end()))
}

/// The examples, in lines as they are, and what stands behind them.
fn extra(command: &clap::Command) -> String {
    let Some(after) = command.get_after_help() else { return String::new() };
    let after = after.to_string();
    let (examples, files) = after.split_once("\n\n").unwrap_or((&after, ""));
    let examples = examples.trim_start_matches("Examples:\n");
    let mut text = format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", escaped(examples));
    if !files.is_empty() {
        let _ = writeln!(text, ".SH FILES\n{}", escaped(files));
    }
    text
}

/// Text in which roff finds nothing to do.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
