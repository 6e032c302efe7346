//! The project's own chores, as `cargo xtask COMMAND`.
//!
//! It knows how to check the tree, install and start peers, measure, fuzz and package. It knows nothing of Weir's
//! insides: it meets Weir at its command line and its sockets, as users do.
#![allow(clippy::print_stdout, reason = "what a chore prints is its result")]

pub mod bench;
pub mod dist;
pub mod fuzz;
pub mod peers;
pub mod per_request;
pub mod process;
pub mod sys;
pub mod table;
pub mod test;
pub mod tidy;
pub mod workspace;
