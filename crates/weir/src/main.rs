//! `weir`: commands, wiring and what people see of them. Everything else is in the crates.
//!
//! ```text
//! cli (what was written) ─► settings (what is meant) ─► stages ─► commands/*
//!                                                                   └─ gateway, up ─► serve/*
//! ```

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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let started = Instant::now();
    cli::run(started)
}
