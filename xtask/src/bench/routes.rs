//! The route tables that proxies are measured with, written in each proxy's own language.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Ten prefixes on any host.
    Ten,
    /// 50,000 over 5,000 hosts: four exact, five prefixes and one regex each.
    Hosts,
    /// 50,000 on one host, in the same shares.
    OneHost,
    /// 5,000 prefixes on any host.
    FiveThousand,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    host: Option<String>,
    path: PathIs,
    /// A path that it matches.
    sample: String,
}

#[derive(Debug)]
enum PathIs {
    Exact(String),
    Prefix(String),
    /// Over the whole path.
    Regex(String),
}

impl Table {
    /// The routes.
    pub(crate) fn routes(self) -> Vec<Route> {
        let prefix = |host: Option<String>, n: usize| Route {
            host,
            path: PathIs::Prefix(format!("/r{n}")),
            sample: format!("/r{n}/item"),
        };
        let mixed = |host: String, n: usize, kind: usize| match kind {
            0..4 => Route {
                host: Some(host),
                path: PathIs::Exact(format!("/exact/{n}/status")),
                sample: format!("/exact/{n}/status"),
            },
            4..9 => Route {
                host: Some(host),
                path: PathIs::Prefix(format!("/prefix/{n}")),
                sample: format!("/prefix/{n}/items/7"),
            },
            _ => Route {
                host: Some(host),
                path: PathIs::Regex(format!(r"/v\d+/thing{n}(/.*)?")),
                sample: format!("/v2/thing{n}/7"),
            },
        };
        match self {
            Self::Ten => (0..10).map(|n| prefix(None, n)).collect(),
            Self::FiveThousand => (0..5000).map(|n| prefix(None, n)).collect(),
            Self::Hosts => {
                (0..50_000).map(|n| mixed(format!("host{}.example.com", n / 10), n % 10, n % 10)).collect()
            }
            Self::OneHost => (0..50_000).map(|n| mixed("one.example.com".to_owned(), n, n % 10)).collect(),
        }
    }
}

/// A GET for each route, in an order without locality.
pub(crate) fn requests(routes: &[Route], suffix: &str) -> Vec<Vec<u8>> {
    let mut order: Vec<_> = (0..routes.len()).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..order.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (seed >> 33) as usize % (at + 1));
    }
    let get = |route: &Route| {
        let host = route.host.as_deref().unwrap_or("bench.example.com");
        let path = format!("{}{suffix}", route.sample);
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: weir-bench\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    };
    order.into_iter().map(|at| get(&routes[at])).collect()
}

/// Routes that follow each other on one host.
fn by_host(routes: &[Route]) -> impl Iterator<Item = (Option<&str>, &[Route])> {
    routes.chunk_by(|a, b| a.host == b.host).map(|group| (group[0].host.as_deref(), group))
}

pub(crate) fn nginx(routes: &[Route], listen: &str, tls: bool, scheme: &str) -> String {
    let mut text = String::new();
    let ssl = if tls { " ssl" } else { "" };
    for (host, group) in by_host(routes) {
        let name = host.unwrap_or("_");
        let _ = writeln!(text, "server {{ listen {listen}{ssl}; server_name {name};");
        for route in group {
            let place = match &route.path {
                PathIs::Exact(path) => format!("= {path}"),
                // `^~` gives prefixes precedence over regexes, as everywhere else.
                PathIs::Prefix(path) => format!("^~ {path}/"),
                PathIs::Regex(regex) => format!("~ \"^{regex}$\""),
            };
            let _ = writeln!(text, "location {place} {{ proxy_pass {scheme}://origin; }}");
        }
        text.push_str("}\n");
    }
    text
}

/// Rules, with maps beside the configuration for the three kinds of path.
pub(crate) fn haproxy(routes: &[Route], dir: &Path) -> Result<String> {
    let (mut exact, mut prefix, mut regex) = (String::new(), String::new(), String::new());
    let by_host = routes.iter().any(|route| route.host.is_some());
    for route in routes {
        let host = route.host.as_deref().unwrap_or_default();
        let _ = match &route.path {
            PathIs::Exact(path) => writeln!(exact, "{host}{path} origin"),
            PathIs::Prefix(path) => writeln!(prefix, "{host}{path}/ origin"),
            PathIs::Regex(path) => writeln!(regex, "^{}{path}$ origin", host.replace('.', "\\.")),
        };
    }
    let key = if by_host { "base" } else { "path" };
    let mut text = String::new();
    for (name, method, map) in
        [("exact", "map_str", exact), ("prefix", "map_beg", prefix), ("regex", "map_reg", regex)]
    {
        if map.is_empty() {
            continue;
        }
        let file = dir.join(format!("haproxy.{name}.map"));
        fs::write(&file, map)?;
        let unless = if text.is_empty() { "" } else { " if !{ var(txn.to) -m found }" };
        let _ = writeln!(text, "    http-request set-var(txn.to) {key},{method}({}){unless}", file.display());
    }
    text.push_str("    http-request deny deny_status 404 unless { var(txn.to) -m found }\n");
    text.push_str("    use_backend %[var(txn.to)]\n");
    Ok(text)
}

/// A virtual host for each host with its routes listed; where there are too many for a list, as a tree of matchers.
pub(crate) fn envoy(routes: &[Route]) -> String {
    let mut text = "                  virtual_hosts:\n".to_owned();
    let indent = "                    ";
    for (number, (host, group)) in by_host(routes).enumerate() {
        let domain = host.unwrap_or("*");
        let _ = writeln!(text, "{indent}- name: h{number}\n{indent}  domains: [\"{domain}\"]");
        if group.len() > 100 {
            let _ = writeln!(text, "{indent}  matcher: {}", envoy_matcher(group));
            continue;
        }
        let _ = writeln!(text, "{indent}  routes:");
        for route in group {
            let place = match &route.path {
                PathIs::Exact(path) => format!("path: {path}"),
                PathIs::Prefix(path) => format!("path_separated_prefix: {path}"),
                PathIs::Regex(regex) => format!("safe_regex: {{ regex: '{regex}' }}"),
            };
            let _ = writeln!(
                text,
                "{indent}    - {{ match: {{ {place} }}, route: {{ cluster: origin, timeout: 0s }} }}"
            );
        }
    }
    text
}

/// Exact paths, else the longest prefix, else the regexes in turn.
fn envoy_matcher(routes: &[Route]) -> String {
    let action = r#"{"action":{"name":"route","typed_config":{"@type":"type.googleapis.com/envoy.config.route.v3.Route","match":{"prefix":"/"},"route":{"cluster":"origin","timeout":"0s"}}}}"#;
    let path = r#"{"name":"path","typed_config":{"@type":"type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput","header_name":":path"}}"#;
    let (mut exact, mut prefix, mut regex) = (Vec::new(), Vec::new(), Vec::new());
    for route in routes {
        match &route.path {
            PathIs::Exact(path) => exact.push(format!(r#""{path}":{action}"#)),
            PathIs::Prefix(path) => prefix.push(format!(r#""{path}/":{action}"#)),
            PathIs::Regex(pattern) => {
                let pattern = pattern.replace('\\', "\\\\");
                regex.push(format!(
                    r#"{{"predicate":{{"single_predicate":{{"input":{path},"value_match":{{"safe_regex":{{"google_re2":{{}},"regex":"{pattern}"}}}}}}}},"on_match":{action}}}"#
                ));
            }
        }
    }
    let mut matcher = String::new();
    let otherwise = |inner: &str| match inner {
        "" => String::new(),
        inner => format!(r#","on_no_match":{{"matcher":{inner}}}"#),
    };
    if !regex.is_empty() {
        matcher = format!(r#"{{"matcher_list":{{"matchers":[{}]}}}}"#, regex.join(","));
    }
    for (kind, map) in [("prefix_match_map", prefix), ("exact_match_map", exact)] {
        if !map.is_empty() {
            let rest = otherwise(&matcher);
            matcher = format!(
                r#"{{"matcher_tree":{{"input":{path},"{kind}":{{"map":{{{}}}}}}}{rest}}}"#,
                map.join(",")
            );
        }
    }
    matcher
}

pub(crate) fn weir(routes: &[Route]) -> String {
    let mut text = String::new();
    for (number, route) in routes.iter().enumerate() {
        let hosts = route.host.as_ref().map_or_else(String::new, |host| format!("hosts: [{host}], "));
        let place = match &route.path {
            PathIs::Exact(path) => format!("exact: {path}"),
            PathIs::Prefix(path) => format!("prefix: {path}"),
            PathIs::Regex(regex) => format!("regex: '{regex}'"),
        };
        let _ = writeln!(
            text,
            "  - {{ name: r{number}, {hosts}matches: [ {{ path: {{ {place} }} }} ], service: origin }}"
        );
    }
    text
}
