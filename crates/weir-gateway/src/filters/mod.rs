//! What is done to requests and answers on their way, compiled per route. Each kind is a file.
//!
//! Order matters: cross-origin preflights are answered before limits count them, limits refuse before work is done, and
//! edits come last, so that limits and routes saw what the client sent.

mod cors;
mod headers;
mod mirror;
mod rate_limit;
mod rewrite;

use std::borrow::Cow;

use weir_head::{Fields, Known};
use weir_model::{LimitKey, Route};

pub(crate) use mirror::copy as copy_request;
pub(crate) use rate_limit::{check as check_limit, describe as describe_limit};
pub(crate) use rewrite::rewritten as rewritten_path;

use crate::connection::Client;
use crate::exchange::{Exchange, Refusal, Reply};
use crate::live::RouteLive;
use crate::worker::Worker;

/// One step. A route holds those that it needs and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Cross-origin rules.
    Cors,
    /// The route's rate limits.
    RateLimit,
    /// A copy for another service.
    Mirror,
    /// Header edits of the request, and of the answer.
    Headers,
    /// Rewrite of the path.
    Rewrite,
}

impl Filter {
    /// The steps of a route, in their order.
    pub(crate) fn of(route: &Route) -> Vec<Self> {
        let mut filters = Vec::new();
        let mut add = |wanted: bool, filter| {
            if wanted {
                filters.push(filter);
            }
        };
        add(route.cors.is_some(), Self::Cors);
        add(!route.rate_limits.is_empty(), Self::RateLimit);
        add(route.rewrite_path.is_some(), Self::Rewrite);
        add(!route.request_headers.is_empty() || !route.response_headers.is_empty(), Self::Headers);
        add(route.mirror.is_some(), Self::Mirror);
        filters
    }

    /// Runs on a request; a reply or a refusal ends it here.
    pub(crate) fn on_request(
        &self,
        worker: &Worker,
        _client: &Client,
        exchange: &mut Exchange,
        route: &RouteLive,
    ) -> Result<Option<Reply>, Refusal> {
        match self {
            Self::Cors => return Ok(cors::on_request(exchange, route)),
            Self::RateLimit => rate_limit::on_request(worker, exchange, route)?,
            Self::Rewrite => rewrite::on_request(exchange, route),
            Self::Headers => headers::edit(&mut exchange.request.fields, &route.model.request_headers),
            Self::Mirror => mirror::on_request(worker, exchange, route),
        }
        Ok(None)
    }

    /// Runs on an endpoint's answer.
    pub(crate) fn on_response(&self, exchange: &mut Exchange, route: &RouteLive) {
        match self {
            Self::Cors => cors::on_response(exchange, route),
            Self::Headers => headers::edit(&mut exchange.response.fields, &route.model.response_headers),
            Self::RateLimit | Self::Rewrite | Self::Mirror => {}
        }
    }

    /// Runs on an answer of Weir's own.
    pub(crate) fn on_reply(&self, exchange: &Exchange, route: &RouteLive, fields: &mut Vec<u8>) {
        match self {
            Self::Cors => cors::on_reply(exchange, route, fields),
            Self::Headers => headers::write(&route.model.response_headers, fields),
            Self::RateLimit | Self::Rewrite | Self::Mirror => {}
        }
    }
}

/// The value that a limit counts a request by.
pub(crate) fn key_of<'a>(exchange: &'a Exchange, key: &LimitKey) -> Option<Cow<'a, [u8]>> {
    match key {
        LimitKey::All => None,
        LimitKey::Header(name) => exchange.request.fields.get_name(name).map(Cow::Borrowed),
        LimitKey::Cookie(name) => cookie(&exchange.request.fields, name).map(Cow::Borrowed),
        LimitKey::Query(name) => {
            exchange.request.query().and_then(|query| parameter(query, name)).map(Cow::Borrowed)
        }
        LimitKey::Address => exchange.address.map(|address| {
            Cow::Owned(match address {
                std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                // A customer holds a /64 at least: single addresses in it are no different callers.
                std::net::IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
            })
        }),
    }
}

/// The value of a cookie (RFC 6265, section 4.2).
pub(crate) fn cookie<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    fields.all(Known::Cookie).flat_map(|value| value.split(|&b| b == b';')).find_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|&b| b == b'=')?;
        (pair[..at] == *name.as_bytes()).then(|| &pair[at + 1..])
    })
}

/// The raw value of a query parameter.
fn parameter<'a>(query: &'a [u8], name: &str) -> Option<&'a [u8]> {
    query.split(|&b| b == b'&').find_map(|pair| {
        let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        (pair[..at] == *name.as_bytes()).then(|| pair.get(at + 1..).unwrap_or_default())
    })
}
