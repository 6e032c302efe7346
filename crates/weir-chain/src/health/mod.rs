//! Health: statuses of nodes, compared.

mod table;

pub use table::{EndpointHealth, Health, Verdict};
