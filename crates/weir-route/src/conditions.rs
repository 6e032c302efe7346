//! What an alternative asks for beside its path.

use weir_head::RequestHead;
use weir_model::{HeaderMatch, QueryMatch, Route, RouteMatch};

use crate::query;
use crate::table::{Call, Request};

/// Whether listener, method, header fields and query hold.
pub(crate) fn hold(route: &Route, alternative: &RouteMatch, request: &Request<'_>) -> bool {
    route.serves(request.listener)
        && method_holds(alternative, request.head)
        && alternative.headers.iter().all(|wanted| header_holds(wanted, request.head))
        && alternative.query.iter().all(|wanted| query_holds(wanted, request.head))
        && call_holds(alternative, request.call)
}

pub(crate) fn method_holds(alternative: &RouteMatch, head: &RequestHead) -> bool {
    let name = head.method_name();
    alternative.methods.is_empty() || alternative.methods.iter().any(|m| m.as_bytes() == name)
}

/// Where a field stands several times, one that holds suffices.
pub(crate) fn header_holds(wanted: &HeaderMatch, head: &RequestHead) -> bool {
    let mut values = head.fields.all_name(&wanted.name).peekable();
    if values.peek().is_none() {
        return wanted.value.holds(None);
    }
    values.any(|value| wanted.value.holds(Some(value)))
}

pub(crate) fn query_holds(wanted: &QueryMatch, head: &RequestHead) -> bool {
    query::holds(&wanted.value, query::first(head.query().unwrap_or_default(), wanted.name.as_bytes()))
}

pub(crate) fn call_holds(alternative: &RouteMatch, call: Call<'_>) -> bool {
    alternative.jsonrpc.is_empty()
        || match call {
            Call::Unread => true,
            Call::None => false,
            Call::Of(method) => alternative.jsonrpc.iter().any(|wanted| wanted.covers(method)),
        }
}
