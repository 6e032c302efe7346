//! The answer of `weir routes`, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use weir_head::RequestHead;
use weir_model::{
    Action, Backend, EndpointAddress, Listener, Model, PathMatch, Route, RouteMatch, Service, ValueMatch,
};
use weir_route::{Explanation, PassedOver};

use super::request::Asked;
use crate::terminal::{Paint, table, visible};

/// All that is said.
pub(super) struct Answer<'a> {
    pub(super) model: &'a Model,
    pub(super) asked: &'a Asked,
    pub(super) listener: &'a Listener,
    /// Why this listener, where that is worth a word.
    pub(super) how: &'static str,
    pub(super) head: &'a RequestHead,
    pub(super) explanation: Explanation,
}

impl Answer<'_> {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let Explanation { found, passed_over, left_out } = &self.explanation;
        let tls = if self.listener.tls.is_some() { ", TLS" } else { "" };
        let how = if self.how.is_empty() { String::new() } else { format!(" · {}", self.how) };
        let mut text = format!(
            "{} comes in at listener {} ({}{tls}{how})\n",
            paint.bold(&format!("{} {}", self.asked.method, visible(&self.asked.url))),
            self.listener.id,
            self.listener.address,
        );
        let normal = String::from_utf8_lossy(self.head.path()).into_owned();
        if !normal.is_empty() && !self.asked.url.contains(&normal) {
            let _ = writeln!(text, "Its path in normal form is {normal}");
        }
        text.push('\n');
        let mut rows: Vec<[String; 4]> = passed_over
            .iter()
            .map(|passed| {
                let why: Vec<String> = passed.why.iter().map(ToString::to_string).collect();
                let name = passed.route.id.to_string();
                ["✗".into(), name, visible(&why.join("; ")), format!("({})", passed.route.origin)]
            })
            .collect();
        if let Some((route, at)) = found {
            let matched = says(&route.matches[*at]);
            rows.push(["✓".into(), route.id.to_string(), visible(&matched), format!("({})", route.origin)]);
        }
        if *left_out > 0 {
            let _ = writeln!(text, "  … {left_out} more come before it and are further off");
        }
        text += &table(&rows, "  ", |column, cell| match (column, cell) {
            (0, "✓") => paint.green(cell),
            (0, _) => paint.red(cell),
            (1, _) => paint.bold(cell),
            (3, _) => paint.dim(cell),
            _ => cell.to_owned(),
        });
        match found {
            Some((route, _)) => text += &self.goes(route),
            None => text += "\nNo route matches: 404.\n",
        }
        text
    }

    /// Where a route sends it.
    fn goes(&self, route: &Route) -> String {
        match &route.action {
            Action::Forward(backends) if backends.len() == 1 => {
                format!("\n  → service {}: {}\n", backends[0].service, self.endpoints(&backends[0]))
            }
            Action::Forward(backends) => {
                let whole: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
                let row = |backend: &Backend| {
                    let share = u64::from(backend.weight) as f64 * 100.0 / whole.max(1) as f64;
                    let service = format!("service {}", backend.service);
                    ["→".to_owned(), format!("{} %", tenths(share)), service, self.endpoints(backend)]
                };
                let rows: Vec<[String; 4]> = backends.iter().map(row).collect();
                format!("\n{}", table(&rows, "  ", |_, cell| cell.to_owned()))
            }
            Action::Redirect(redirect) => {
                let host = redirect.host.as_deref().map(|host| format!(" to {host}")).unwrap_or_default();
                format!("\n  → redirect {}{host}\n", redirect.status)
            }
            Action::Respond(respond) => format!("\n  → answered here with {}\n", respond.status),
        }
    }

    fn endpoints(&self, backend: &Backend) -> String {
        let Some(service) = self.model.services.get(backend.service.as_str()) else { return String::new() };
        let one = |endpoint: &weir_model::Endpoint| {
            let address = match &endpoint.address {
                EndpointAddress::Echo => "the echo service inside Weir".to_owned(),
                address => address.to_string(),
            };
            if endpoint.weight == 1 { address } else { format!("{address} (weight {})", endpoint.weight) }
        };
        match service.endpoints.as_slice() {
            [] => "no endpoint: 503".to_owned(),
            all => all.iter().map(one).collect::<Vec<_>>().join(", "),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Explanation { found, passed_over, left_out } = &self.explanation;
        let passed = |passed: &PassedOver| {
            json!({
                "route": passed.route.id.as_str(),
                "origin": passed.route.origin.to_string(),
                "match": passed.nearest,
                "why": passed.why.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        };
        let found = found.as_ref().map(|(route, at)| {
            json!({
                "route": route.id.as_str(),
                "origin": route.origin.to_string(),
                "match": at,
                "because": says(&route.matches[*at]),
                "action": self.action(route),
            })
        });
        json!({
            "request": {
                "method": self.asked.method,
                "url": self.asked.url,
                "host": self.head.host(),
                "path": String::from_utf8_lossy(self.head.path()),
                "query": self.head.query().map(String::from_utf8_lossy),
            },
            "listener": self.listener.id.as_str(),
            "found": found,
            "passed_over": passed_over.iter().map(passed).collect::<Vec<_>>(),
            "left_out": left_out,
        })
    }

    fn action(&self, route: &Route) -> Value {
        let endpoints = |service: &Service| -> Value {
            service
                .endpoints
                .iter()
                .map(|endpoint| json!({ "address": endpoint.address.to_string(), "weight": endpoint.weight }))
                .collect()
        };
        match &route.action {
            Action::Forward(backends) => {
                let backend = |backend: &Backend| {
                    json!({
                        "service": backend.service.as_str(),
                        "weight": backend.weight,
                        "endpoints": self.model.services.get(backend.service.as_str()).map(|s| endpoints(s)),
                    })
                };
                json!({ "forward": backends.iter().map(backend).collect::<Vec<_>>() })
            }
            Action::Redirect(redirect) => {
                json!({ "redirect": { "status": redirect.status, "host": redirect.host.as_deref() } })
            }
            Action::Respond(respond) => json!({ "respond": { "status": respond.status } }),
        }
    }
}

/// What an alternative asks for, all of which holds.
fn says(alternative: &RouteMatch) -> String {
    let mut parts = vec![match &alternative.path {
        PathMatch::Exact(path) => format!("path is {path}"),
        PathMatch::Prefix(path) if &**path == "/" => "any path".to_owned(),
        PathMatch::Prefix(path) => format!("path is {path} or below it"),
        PathMatch::BytePrefix(path) => format!("path starts with {path}"),
        PathMatch::Regex(pattern) => format!("path matches {}", pattern.as_str()),
    }];
    if !alternative.methods.is_empty() {
        parts.push(format!("method is {}", alternative.methods.join(" or ")));
    }
    parts.extend(
        alternative.headers.iter().map(|header| format!("header {} {}", header.name, fits(&header.value))),
    );
    parts
        .extend(alternative.query.iter().map(|query| format!("query {} {}", query.name, fits(&query.value))));
    parts.join(", ")
}

fn fits(value: &ValueMatch) -> &'static str {
    match value {
        ValueMatch::Absent => "is absent",
        ValueMatch::Present => "is there",
        _ => "fits",
    }
}

/// At most one decimal.
fn tenths(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
