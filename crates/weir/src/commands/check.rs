//! `weir check`: all that is wrong with a file.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use weir_model::Model;

use crate::cli::Output;
use crate::configuration::{Judged, Text};
use crate::discovery;
use crate::stages::{Command, Outcome, Run};
use crate::terminal::{self, complain, count};

/// The least that a configuration can say of each kind of object, for showing what it does not say.
const LEAST: &str = "\
version: 1
listeners: [{ name: web, address: 127.0.0.1:8080 }]
routes: [{ name: all, service: app }]
services: { app: { endpoints: [\"127.0.0.1:3000\"] } }
";

/// Say all that is wrong with configuration files, and where
///
/// Exit status: 0 all are valid, 1 one is not, 2 wrong usage (as a file that cannot be read).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir check weir.yaml
  weir check examples/*.yaml
  weir check --print weir.yaml             with every default filled in
  weir check --defaults                    the defaults of each kind of object
  weir check --output json weir.yaml       for editors and pipelines")]
pub(crate) struct Check {
    /// Files, or `-` for standard input; without one, the file that `weir gateway` would take
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print each valid file with every default filled in
    #[arg(long, conflicts_with = "defaults")]
    print: bool,
    /// Print a least configuration with every default filled in, and read no file
    #[arg(long, conflicts_with = "files")]
    defaults: bool,
}

/// Files that were read, or why not.
pub(crate) struct Ready {
    files: Vec<(PathBuf, anyhow::Result<Judged>)>,
    print: bool,
}

impl Command for Check {
    const NAME: &'static str = "check";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let Self { mut files, print, defaults } = self;
        if defaults {
            let judged = Text::built_in(LEAST).judge();
            return Ok(Ready { files: vec![("defaults".into(), Ok(judged))], print: true });
        }
        if files.is_empty() {
            files.push(discovery::find_here(run.settings.config.as_deref())?.path);
        }
        let read = |path: PathBuf| {
            let judged = Text::read(&path).map(Text::judge);
            (path, judged)
        };
        Ok(Ready { files: files.into_iter().map(read).collect(), print })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let said = match run.settings.output {
            Output::Text => text(ready, run),
            Output::Json => json(ready),
        };
        terminal::print(&said)?;
        let outcome = |(_, judged): &(PathBuf, anyhow::Result<Judged>)| match judged {
            Err(_) => Outcome::Misused,
            Ok(judged) if judged.model.is_none() => Outcome::Refused,
            Ok(_) => Outcome::Done,
        };
        let all: Vec<Outcome> = ready.files.iter().map(outcome).collect();
        let worst = [Outcome::Misused, Outcome::Refused].into_iter().find(|outcome| all.contains(outcome));
        Ok(worst.unwrap_or(Outcome::Done))
    }
}

/// What goes to standard output. What is wrong goes to standard error, so that `--print` can be piped on.
fn text(ready: &Ready, run: &Run) -> String {
    let (out, err) = (run.settings.stdout(), run.settings.stderr());
    let mut text = String::new();
    for (_, judged) in &ready.files {
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                complain(&format!("{}: {error:#}\n", err.red("error")));
                continue;
            }
        };
        complain(&judged.rendered(err.style()));
        let Some(model) = &judged.model else {
            complain(&format!("{}\n", judged.summary()));
            continue;
        };
        if ready.print {
            if ready.files.len() > 1 {
                let _ = writeln!(text, "---\n# {}", judged.name);
            }
            text += &weir_config::print(model);
        } else {
            let _ =
                writeln!(text, "{} {}", out.green(&judged.summary()), out.dim(&format!("· {}", size(model))));
        }
    }
    text
}

fn size(model: &Model) -> String {
    let listeners = count(model.listeners.len(), "listener");
    let routes = count(model.routes.len(), "route");
    format!("{listeners}, {routes}, {}", count(model.services.len(), "service"))
}

fn json(ready: &Ready) -> String {
    let one = |(path, judged): &(PathBuf, anyhow::Result<Judged>)| match judged {
        Err(error) => {
            json!({ "file": path, "valid": false, "error": format!("{error:#}"), "diagnostics": [] })
        }
        Ok(judged) => {
            let mut value = json!({
                "file": judged.name,
                "valid": judged.model.is_some(),
                "diagnostics": judged.json(),
            });
            if let (true, Some(model)) = (ready.print, &judged.model) {
                value["configuration"] = json!(weir_config::print(model));
            }
            value
        }
    };
    let files: Vec<_> = ready.files.iter().map(one).collect();
    format!("{:#}\n", json!({ "files": files }))
}
