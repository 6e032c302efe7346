//! Cross-origin rules (Fetch standard, "CORS protocol").

use std::io::Write as _;

use weir_head::{Fields, Known, Method};
use weir_model::{Cors, OriginMatch};

use crate::exchange::{Exchange, Reply};
use crate::live::RouteLive;

/// Fields that only these rules set; an endpoint's own would contradict them.
const PREFIX: &[u8] = b"access-control-allow-";

fn allowed<'a>(cors: &Cors, fields: &'a Fields) -> Option<&'a [u8]> {
    let origin = fields.get(Known::Origin)?;
    let fits = cors.origins.iter().any(|rule| match rule {
        OriginMatch::Any => true,
        OriginMatch::Exact(text) => text.as_bytes() == origin,
        OriginMatch::Regex(pattern) => pattern.matches(origin),
    });
    fits.then_some(origin)
}

/// Answers a preflight. One from an origin that is not let in gets an answer without permissions, which browsers refuse.
pub(super) fn on_request(exchange: &Exchange, route: &RouteLive) -> Option<Reply> {
    let cors = route.model.cors.as_ref()?;
    let request = &exchange.request;
    let preflight = request.method == Method::Options
        && request.fields.has(Known::Origin)
        && request.fields.has(Known::AccessControlRequestMethod);
    if !preflight {
        return None;
    }
    let mut fields = Vec::new();
    if allowed(cors, &request.fields).is_some() {
        let list = |names: &[std::sync::Arc<str>]| names.join(", ");
        let _ = write!(fields, "access-control-allow-methods: {}\r\n", list(&cors.methods));
        let asked = request.fields.get(Known::AccessControlRequestHeaders);
        if !cors.headers.is_empty() {
            let _ = write!(fields, "access-control-allow-headers: {}\r\n", list(&cors.headers));
        } else if let Some(asked) = asked {
            fields.extend_from_slice(b"access-control-allow-headers: ");
            fields.extend_from_slice(asked);
            fields.extend_from_slice(b"\r\n");
        }
        let _ = write!(fields, "access-control-max-age: {}\r\n", cors.max_age.as_secs());
    }
    // Origin and credentials are added to every reply of the route.
    Some(Reply::empty(204, fields))
}

fn write(exchange: &Exchange, route: &RouteLive, preflight: bool, mut field: impl FnMut(&str, &[u8])) {
    let Some(cors) = &route.model.cors else { return };
    // Caches must not give one origin's answer to another.
    field("vary", b"origin");
    let Some(origin) = allowed(cors, &exchange.request.fields) else { return };
    let any = cors.origins.contains(&OriginMatch::Any) && !cors.credentials;
    field("access-control-allow-origin", if any { b"*" } else { origin });
    if cors.credentials {
        field("access-control-allow-credentials", b"true");
    }
    if !cors.expose.is_empty() && !preflight {
        field("access-control-expose-headers", cors.expose.join(", ").as_bytes());
    }
}

pub(super) fn on_response(exchange: &mut Exchange, route: &RouteLive) {
    let own: Vec<String> = exchange
        .response
        .fields
        .iter()
        .filter(|(name, _, _)| {
            name.len() >= PREFIX.len() && name[..PREFIX.len()].eq_ignore_ascii_case(PREFIX)
        })
        .map(|(name, _, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    for name in own {
        exchange.response.fields.remove(&name);
    }
    let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
    write(exchange, route, false, |name, value| lines.push((name.to_owned(), value.to_vec())));
    for (name, value) in lines {
        exchange.response.fields.append(&name, &value);
    }
}

pub(super) fn on_reply(exchange: &Exchange, route: &RouteLive, out: &mut Vec<u8>) {
    write(exchange, route, exchange.request.method == Method::Options, |name, value| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    });
}
