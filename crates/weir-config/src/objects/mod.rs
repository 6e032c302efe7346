//! Every object of a configuration: its keys, their meanings, defaults and rules, once.

mod action;
mod document;
mod listener;
mod matches;
mod policy;
mod route;
mod secret;
mod service;

pub(crate) use document::{Document, collect_names};
pub(crate) use route::RouteText;
