//! `weir init`: a configuration to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;

/// Write the configuration that `weir up` runs to a file, to start from
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir init                    writes weir.yaml here
  weir init /etc/weir          writes /etc/weir/weir.yaml
  weir init -                  prints it")]
pub(crate) struct Init {
    /// File or directory to write to, or `-` for standard output
    #[arg(default_value = "weir.yaml")]
    path: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

impl Command for Init {
    const NAME: &'static str = "init";
    type Ready = Self;

    fn before(mut self, _run: &Run) -> anyhow::Result<Self> {
        if self.path.is_dir() {
            self.path.push("weir.yaml");
        }
        Ok(self)
    }

    fn run(init: &mut Self, run: &Run) -> anyhow::Result<Outcome> {
        let text = weir_config::embedded_default();
        if init.path.as_os_str() == "-" {
            terminal::print(text)?;
            return Ok(Outcome::Done);
        }
        let path = init.path.display();
        let mut options = OpenOptions::new();
        options.write(true);
        if init.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut file = match options.open(&init.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(
                    Usage(format!("{path} is there already: name another file, or say --force")).into()
                );
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = init.path.parent().unwrap_or(&init.path).display();
                return Err(Usage(format!("the directory {parent} does not exist: make it first")).into());
            }
            opened => opened.with_context(|| format!("{path} cannot be written"))?,
        };
        file.write_all(text.as_bytes()).with_context(|| format!("{path} cannot be written"))?;
        let paint = run.settings.stdout();
        let next = [
            [
                format!("weir gateway -c {path}"),
                "serves it; changes of the file go live by themselves".to_owned(),
            ],
            [format!("weir check {path}"), "says what is wrong with it".to_owned()],
        ];
        let bold = |column: usize, cell: &str| if column == 0 { paint.bold(cell) } else { cell.to_owned() };
        terminal::print(&format!("{path} written\n\n{}", terminal::table(&next, "  ", bold)))?;
        Ok(Outcome::Done)
    }
}
