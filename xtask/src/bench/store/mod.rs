//! `cargo xtask bench store`: Weir's store and its rivals, fed the same and asked the same.

mod http;
mod random;
pub mod record;
mod recording;
