//! `weir`: commands, wiring and what people see of them. Everything else is in the crates.
//!
//! ```text
//! cli (what was written) ─► settings (what is meant) ─► stages ─► commands/*
//!                                                                   ├─ gateway, up ─► serve/*
//!                                                                   └─ query, logs, trace, traces ─► ask/*
//! ```

mod allocator;
mod ask;
mod build;
mod cli;
mod commands;
mod configuration;
mod discovery;
mod serve;
mod settings;
mod stages;
mod terminal;

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let started = Instant::now();
    allocator::give_back_at_once();
    cli::run(started)
}
