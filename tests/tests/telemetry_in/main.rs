//! Telemetry on its way in: real senders, refusals and their counts, tenants, and what a crash leaves.

mod agents;
mod counted;
mod crashes;
mod page;
mod refusals;
mod senders;
mod tenants;
