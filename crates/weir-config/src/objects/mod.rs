//! Every object of a configuration: its keys, their meanings, defaults and rules, once.

mod action;
mod chain;
mod cors;
mod document;
mod headers;
mod limit;
mod listener;
mod matches;
mod resilience;
mod route;
mod scrape;
mod secret;
mod service;
mod telemetry;

pub(crate) use chain::ChainText;
pub(crate) use document::{Document, collect_names};
pub(crate) use route::RouteText;
pub(crate) use service::on_chain;
