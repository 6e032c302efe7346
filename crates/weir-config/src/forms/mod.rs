//! The kinds of values that objects are made of.

mod collection;
mod scalar;
mod text;
mod union;

pub(crate) use collection::{Items, list, named, one_or_more, optional, or_none, unless_empty};
pub(crate) use scalar::{BOOL, Choice, Flags, Int, SHARE, Size, Time};
pub(crate) use text::{
    CHAIN_NAME, CHAIN_URL, ENDPOINT, FIELD_VALUE, FILE, HEADER_NAME, HOST, HOST_WITH_PORT, LABEL_NAME,
    LISTENER_NAME, METHOD, NETWORK, PATH, PATTERN, ROUTE_NAME, RPC_METHOD, SERVER_NAME, SERVICE_NAME, SOCKET,
    TARGET, TENANT, TEXT, TOKEN, Text, reference, wire_name,
};
pub(crate) use union::{Case, Union};
