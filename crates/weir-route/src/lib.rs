//! From the head of a request to its route.
//!
//! A [`RouteTable`] is a persistent value: a clone is cheap, and a change to a clone copies only the path to what
//! changed. A look-up hashes the host and the path once each and probes a few slots, however many routes there are;
//! it allocates nothing.
//!
//! ```text
//! host ──hash──► host node ─┬─ path ──hash per segment──► exact and prefix candidates
//!   exact, then each        └─ regexes ──literal windows──► the few that could match
//!   wildcard, then any
//! ```
//!
//! Deliberately unknown here: what a route does, what hangs on it (`T`), normalising paths (a head's path is expected
//! in its normal form), clocks, IO.
//!
//! Invariants:
//! * [`RouteTable::find`] answers as if all alternatives of all routes were sorted by [`RouteOrder`]'s key and the first
//!   that holds was taken; the property tests hold it to that.
//! * A hash is never trusted alone: the key's bytes are compared, since requests choose what is looked up.
//! * The work of a look-up is bounded by the length of the head and by what one host's routes look like (how deep their
//!   prefixes are, how many share one path, how many patterns have no literal), never by the number of routes.
//!
//! The asterisk form (`OPTIONS *`) has no path: only alternatives that cover every path ([`PathMatch::Prefix`] `/`)
//! accept it.
//!
//! [`RouteOrder`]: weir_model::RouteOrder
//! [`PathMatch::Prefix`]: weir_model::PathMatch::Prefix

mod candidate;
mod conditions;
mod counted;
mod explain;
mod hash;
mod host;
mod literals;
mod nearest;
mod place;
mod query;
mod regexes;
mod table;

pub use explain::{Explanation, Mismatch, PassedOver};
pub use nearest::Nearest;
pub use table::{Call, Found, Request, RouteTable};
