//! Routes and requests for tests.

use std::time::Duration;

use weir_head::{Limits, RequestHead, parse_request};
use weir_model::{
    Action, HeaderEdits, HostPattern, HostRewrite, ListenerId, Origin, Rank, Respond, RetryOn, RetryPolicy,
    Route, RouteId, RouteMatch, RouteTimeouts,
};

pub(crate) fn route(id: &str, rank: u64, hosts: &[&str], matches: Vec<RouteMatch>) -> Route {
    let on =
        RetryOn { connect: false, reset: false, timeout: false, gateway_status: false, status_5xx: false };
    Route {
        id: RouteId::new(id).unwrap(),
        origin: Origin { source: "weir.yaml".into(), line: 7 },
        rank: Rank(rank),
        listeners: vec![],
        hosts: hosts.iter().map(|h| HostPattern::parse(h).unwrap()).collect(),
        matches,
        action: Action::Respond(Respond { status: 200, body: [].into(), content_type: "text/plain".into() }),
        timeouts: RouteTimeouts { request: None, per_try: None, upgrade_idle: None, body: None },
        retry: RetryPolicy {
            max: 0,
            on,
            budget_ppm: 0,
            budget_min: 0,
            replay_bytes_max: 0,
            backoff: Duration::ZERO,
        },
        rate_limits: vec![],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        rewrite_path: None,
        rewrite_host: HostRewrite::Keep,
        cors: None,
        mirror: None,
        body_bytes_max: None,
        access_log: true,
    }
}

/// `target` with its query; header lines without CRLF.
pub(crate) fn head(method: &str, host: &str, target: &str, lines: &[&str]) -> RequestHead {
    let lines = [&[&*format!("Host: {host}")], lines].concat().join("\r\n");
    let text = format!("{method} {target} HTTP/1.1\r\n{lines}\r\n\r\n");
    let mut head = RequestHead::default();
    parse_request(text.as_bytes(), &Limits::default(), &mut head).unwrap();
    head
}

pub(crate) fn listener(name: &str) -> ListenerId {
    ListenerId::new(name).unwrap()
}
