//! Ways in: payloads to the store, refusals to the words of their protocols.
//!
//! Every protocol goes the same way: decompress and decode into a sink of the store ([`take`]), commit, wait until the disk
//! has it, answer in the protocol's own words. Nothing is acknowledged before.

pub(crate) mod grpc;
pub(crate) mod http;
mod loki;
pub(crate) mod otlp;
mod remote_write;
mod spans;
mod take;
pub(crate) mod udp;

use xxhash_rust::xxh3::Xxh3;

use take::commit;
pub(crate) use take::{Taken, take};

/// When a sender shall come back that was told to.
const RETRY_AFTER_S: u32 = 5;

/// Names a payload by its bytes and its protocol, so that the same one coming again is known.
fn batch_id(protocol: u8, payload: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&[protocol]);
    hash.update(payload);
    hash.digest128()
}
