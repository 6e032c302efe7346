//! One client for unlike chains.
//!
//! An adaptor makes an endpoint of a chain a [`Node`]: one try per call, in the words that all chains share. What chains have in
//! common is written once, on top of it.
//!
//! It knows no configuration text, no command line, no gateway; and of a transaction's bytes nothing, but by what its chain finds it.

mod client;
mod consensus;
pub mod evm;
pub mod factory;
mod heads;
pub mod health;
pub mod journal;
pub mod mock;
mod node;
pub mod quorum;
pub mod rpc;
pub mod submission;
pub mod words;

pub use client::{Client, ClientOpenError, ClientSettings, Watch};
pub use consensus::{ClientClosed, ConsensusClient, QueryError, Submission, SubmitError};
pub use heads::{HeadSender, Heads};
pub use node::{Asked, BoxFuture, Node};
