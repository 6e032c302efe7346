//! Metrics: cells per worker, summed when scraped.
//!
//! ```text
//!   worker 0 ──► Cells [ · · · · · · · ]──┐
//!   worker 1 ──► Cells [ · · · · · · · ]──┼──► render(): sums a span over all ──► text
//!   anyone  ───► Cells [ · · · · · · · ]──┘    (the last, shared one is written with read-modify-write)
//! ```
//!
//! A series is a span of cells at the same place in every writer's own storage. Resolving a series by its label values
//! takes a lock and is done when a route or service is compiled; counting needs only the handle: one load and one
//! store to memory that no other thread writes.
//!
//! * A family is bounded (`at_most`): series beyond it are counted together under `_other`.
//! * A series is alive while a handle to it is. Once the last is dropped it is shown for a few more scrapes, then
//!   hidden; it continues where it stood if it is resolved again. Its cells go to another series only when the family
//!   is full. So no counter goes back while it can be seen.

mod cells;
mod family;
mod histogram;
mod registry;
mod render;
mod table;
mod worker;

pub use family::{Column, Columns, Family, Kind};
pub use registry::{
    CONTENT_TYPE, Collecting, Counter, Counters, Gauge, Gauges, Histogram, Histograms, Registry, Samples,
};
pub use worker::{Shared, Worker};
