//! Blocks of telemetry: columns of samples, lines and spans, their indexes and filters, as bytes and back.
//!
//! Pure: bytes in, bytes out, read through [`ReadAt`]. This crate knows no file system, no clock and no tenant. What holds
//! everywhere:
//!
//! * Every input comes back bit for bit.
//! * Every piece of a file has a checksum and every file a version ([`frame`]).
//! * No length is believed before it is checked, and damaged bytes give an error that names file and place.

pub mod cache;
pub mod frame;
pub mod histograms;
pub mod index;
pub mod logs;
pub mod pack;
pub mod read;
pub mod series;
pub mod spans;
pub mod strings;
pub mod times;
pub mod values;
pub mod varint;

pub use cache::Cache;
pub use frame::{Damage, FileKind, FileReader, FileWriter, Place};
pub use pack::{Effort, Packer, Unpacker};
pub use read::{InMemory, ReadAt, Strict, Watch, or_left_out};
