//! The binary as its users meet it: real processes, real files, real signals.
#![allow(clippy::unwrap_used, reason = "a test ends where its surroundings are not as they have to be")]

mod check;
mod discovery;
mod follow;
mod remembered;
mod routes;
mod stop;
mod store;
mod support;
mod up;
mod words;
