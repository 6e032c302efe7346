//! Telemetry on its way in: real senders, refusals, tenants, and what a crash leaves.

mod agents;
mod crashes;
mod page;
mod refusals;
mod senders;
mod tenants;
