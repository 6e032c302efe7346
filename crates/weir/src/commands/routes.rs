//! `weir routes`: which route a request takes, and why.

mod answer;
mod request;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use weir_model::{Listener, Model};
use weir_route::{Call, RouteTable};

use crate::cli::Output;
use crate::configuration::Text;
use crate::discovery;
use crate::serve::in_order;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal;
use answer::Answer;
use request::Asked;

/// Say which route a request takes, and why not one of those before it
///
/// The request is read as a listener would read it: its head is parsed by the same parser, and its path is brought into
/// the same normal form. Exit status: 0 a route matches, 1 none does or the file is not valid, 2 wrong usage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir routes weir.yaml --request 'GET https://api.example.com/orders/7'
  weir routes weir.yaml --request 'POST http://api.example.com/orders' -H 'x-tier: gold'
  weir routes weir.yaml --request 'POST http://node.example.com/' --jsonrpc eth_getLogs
  weir routes weir.yaml --request /hello --listener web --output json")]
pub(crate) struct Routes {
    /// The configuration file; without one, the file that `weir gateway` would take
    file: Option<PathBuf>,
    /// A method (GET where left out) and a URL, or a path alone
    #[arg(short, long, value_name = "'METHOD URL'")]
    request: String,
    /// A header field of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'")]
    headers: Vec<String>,
    /// The method of the JSON-RPC call that its body holds
    #[arg(long, value_name = "METHOD")]
    jsonrpc: Option<String>,
    /// The listener it comes in at; without one, the first that the URL's scheme and port fit
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
}

/// A valid configuration and what is asked of it.
pub(crate) struct Ready {
    model: Model,
    asked: Asked,
    jsonrpc: Option<String>,
    listener: Option<String>,
}

impl Command for Routes {
    const NAME: &'static str = "routes";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let asked = Asked::read(&self.request, &self.headers).map_err(Usage)?;
        let path = match self.file {
            Some(path) => path,
            None => discovery::find_here(run.settings.config.as_deref())?.path,
        };
        let judged = Text::read(&path).map_err(|error| Usage(format!("{error:#}")))?.judge();
        let Some(model) = judged.model else {
            terminal::complain(&judged.rendered(run.settings.stderr().style()));
            bail!("{}", judged.summary());
        };
        Ok(Ready { model, asked, jsonrpc: self.jsonrpc, listener: self.listener })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { model, asked, jsonrpc, listener } = ready;
        let (listener, how) = choose(model, asked, listener.as_deref())?;
        let head = asked
            .head(&listener)
            .context("the request would be refused with 400 before any route is looked at")?;
        let mut table = RouteTable::new(model.order);
        for route in model.routes.values() {
            table.insert(route, ());
        }
        let call = jsonrpc.as_deref().map_or(Call::None, Call::Of);
        let request = weir_route::Request { listener: &listener.id, head: &head, call };
        let explanation = table.explain(&request);
        let outcome = if explanation.found.is_some() { Outcome::Done } else { Outcome::Refused };
        let answer = Answer { model, asked, listener: &listener, how, head: &head, explanation };
        terminal::print(&match run.settings.output {
            Output::Text => answer.text(run.settings.stdout()),
            Output::Json => format!("{:#}\n", answer.json()),
        })?;
        Ok(outcome)
    }
}

/// The listener that a request comes in at, and why this one.
fn choose(model: &Model, asked: &Asked, name: Option<&str>) -> anyhow::Result<(Listener, &'static str)> {
    let listeners = in_order(model);
    if let Some(name) = name {
        let found = listeners.iter().find(|listener| listener.id.as_str() == name);
        let names = || listeners.iter().map(|l| l.id.as_str()).collect::<Vec<_>>().join(", ");
        return match found {
            Some(listener) => Ok((Listener::clone(listener), "--listener")),
            None => Err(Usage(format!("there is no listener named {name}; there are: {}", names())).into()),
        };
    }
    let scheme = |l: &Listener| asked.tls.is_none_or(|tls| tls == l.tls.is_some());
    let port = |l: &Listener| asked.port.is_none_or(|port| port == l.address.port());
    let first =
        |fits: &dyn Fn(&Listener) -> bool| listeners.iter().find(|l| fits(l)).map(|l| Listener::clone(l));
    if let Some(listener) = first(&|l| scheme(l) && port(l)) {
        return Ok((listener, ""));
    }
    if let Some(listener) = first(&scheme) {
        return Ok((listener, "no listener has that port"));
    }
    first(&|_| true)
        .map(|listener| (listener, "no listener fits the URL's scheme"))
        .context("the file has no listener")
}
