//! Ways in: payloads to the store, refusals to the words of their protocols.
//!
//! Every protocol goes the same way: decompress and decode into a sink of the store ([`take`]), commit, wait until the disk
//! has it, answer in the protocol's own words. Nothing is acknowledged before.

pub(crate) mod http;
mod remote_write;
mod take;

pub(crate) use take::{Taken, take};
