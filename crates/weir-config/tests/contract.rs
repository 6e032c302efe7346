//! The contract: the sample is accepted as it stands and means what it says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_config::{Source, Style, embedded_default, load, load_bytes, print, proxy_to, render};
use weir_model::{
    Action, BreakerFailures, HostPattern, LimitKey, MissingKey, Model, PathMatch, Rank, RateLimit, RouteId,
    SecretRef, ValueMatch,
};

const SAMPLE: &str = include_str!("../../../examples/the-contract.yaml");

#[track_caller]
fn loaded(text: &str) -> Model {
    let source = Source { name: "weir.yaml", text, base: Path::new("") };
    let loaded = load(&source);
    let drawn = render(&source, &loaded.diagnostics, Style::Plain);
    assert!(loaded.diagnostics.is_empty(), "{drawn}");
    loaded.model.expect("no error was reported")
}

#[test]
fn the_sample_means_what_it_says() {
    let source = Source { name: "weir.yaml", text: SAMPLE, base: Path::new("/etc/weir") };
    let loaded = load(&source);
    assert_eq!(loaded.diagnostics, []);
    let model = loaded.model.unwrap();
    assert_eq!(model.admin.address, Some("127.0.0.1:9901".parse().unwrap()));
    let tls = model.listeners.get("secure").unwrap().tls.clone().unwrap();
    assert_eq!(tls.certificates[0].cert, SecretRef::File(PathBuf::from("/etc/weir/cert.pem")));

    let orders = model.routes.get("orders").unwrap();
    assert_eq!((orders.origin.to_string().as_str(), orders.rank), ("weir.yaml:11", Rank(Rank::STEP)));
    assert_eq!(
        orders.hosts,
        [HostPattern::Exact("api.example.com".into()), HostPattern::Wildcard("example.org".into())]
    );
    assert_eq!(orders.matches[0].path, PathMatch::Prefix("/orders".into()));
    assert_eq!(orders.matches[0].headers[0].value, ValueMatch::Exact("gold".into()));
    assert!(matches!(&orders.matches[1].path, PathMatch::Regex(p) if p.matches(b"/v12/orders/7")));
    assert_eq!(orders.timeouts.request, Some(Duration::from_secs(30)));
    assert_eq!(
        orders.rate_limits,
        [RateLimit::TokenBucket {
            key: LimitKey::Header("x-user".into()),
            missing: MissingKey::Shared,
            requests: 10,
            per: Duration::from_secs(1),
            burst: 20
        }]
    );
    let Action::Forward(backends) = &orders.action else { panic!("forwards") };
    assert_eq!(
        backends.iter().map(|b| (b.service.as_str(), b.weight)).collect::<Vec<_>>(),
        [("orders", 9), ("orders-next", 1)]
    );
    assert_eq!(model.routes.get("all").unwrap().rank, Rank(2 * Rank::STEP));

    let service = model.services.get("orders").unwrap();
    assert_eq!(service.endpoints.iter().map(|e| e.weight).collect::<Vec<_>>(), [1, 2]);
    let breaker = service.breaker.clone().unwrap();
    assert_eq!(breaker.failures, BreakerFailures { status_5xx: true, connect: true, timeout: true });
    assert_eq!(
        (breaker.consecutive_failures, breaker.open_for.as_secs(), breaker.half_open_requests),
        (4, 60, 5)
    );
    assert_eq!(
        service.rate_limits,
        [RateLimit::SlidingWindow { requests: 1000, per: Duration::from_secs(1) }]
    );
}

#[test]
fn the_default_is_valid() {
    let model = loaded(embedded_default());
    assert_eq!(model.routes.len(), 4);
    assert!(model.routes.contains_key(&RouteId::new("limited").unwrap()));
}

#[test]
fn proxies_to_an_address() {
    #[track_caller]
    fn check(url: &str, expect: Result<&str, &str>) {
        let said = proxy_to(url);
        match (said, expect) {
            (Ok(text), Ok(endpoint)) => {
                let model = loaded(&text);
                let service = model.services.get("upstream").unwrap();
                assert_eq!(service.endpoints[0].address.to_string(), endpoint);
                assert_eq!(service.tls.is_some(), url.starts_with("https"));
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (said, _) => panic!("{url}: {said:?}"),
        }
    }
    check("http://localhost:3000", Ok("localhost:3000"));
    check("http://127.0.0.1:3000/", Ok("127.0.0.1:3000"));
    check("https://example.com", Ok("example.com:443"));
    check("http://[::1]", Ok("[::1]:80"));
    check("http://[::1]:3000", Ok("[::1]:3000"));
    check("localhost:3000", Err("write http://localhost:3000"));
    check("ftp://x", Err("not spoken"));
    check("http://x/y", Err("left over"));
    check("http://u:p@x", Err("user"));
    check("http://", Err("no host"));
}

#[test]
fn bytes_have_to_be_utf8() {
    let loaded = load_bytes("weir.yaml", b"version: 1\nworkers: \xff\n", Path::new(""));
    let diagnostic = &loaded.diagnostics[0];
    assert!(loaded.model.is_none());
    assert_eq!((diagnostic.line, diagnostic.column), (2, 10));
    assert!(diagnostic.message.contains("0xff"), "{}", diagnostic.message);
}

#[test]
fn what_is_printed_is_the_same_configuration() {
    let first = print(&loaded(SAMPLE));
    let second = print(&loaded(&first));
    assert_eq!(first, second);
}
