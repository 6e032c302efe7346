//! The commands, a file each.

pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod gateway;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod query;
pub(crate) mod routes;
pub(crate) mod store;
pub(crate) mod trace;
pub(crate) mod traces;
pub(crate) mod up;
pub(crate) mod version;
