//! Health: statuses of nodes, compared.

mod table;
mod tracker;

pub use table::{EndpointHealth, Health, Verdict};
pub use tracker::{HealthRules, Tracker};
