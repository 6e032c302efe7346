//! How long connections to endpoints are kept.

use std::time::Duration;

use weir_tests::{Client, Origin, Setup, eventually};

fn pool(origin: &Origin, keys: &str) -> Setup {
    Setup::new(format!(
        "routes:\n  - {{ name: all, service: origin }}\nservices:\n  origin: {{ endpoints: [\"127.0.0.1:{}\"], pool: {{ {keys} }} }}\n",
        origin.port
    ))
    .workers(1)
}

#[test]
fn a_connection_carries_no_more_requests_than_allowed() {
    let origin = Origin::saying("x");
    let weir = pool(&origin, "max_requests_per_connection: 3").start();
    let mut client = Client::connect(weir.port);
    for _ in 0..9 {
        assert_eq!(client.get("/").text(), "x");
    }
    assert_eq!(origin.accepted(), 3);
}

#[test]
fn a_connection_is_not_used_past_its_age() {
    let origin = Origin::saying("x");
    let weir = pool(&origin, "max_age: 300ms").start();
    let mut client = Client::connect(weir.port);
    client.get("/");
    client.get("/");
    assert_eq!(origin.accepted(), 1);
    std::thread::sleep(Duration::from_millis(400));
    client.get("/");
    assert_eq!(origin.accepted(), 2);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let origin = Origin::saying("x");
    let weir = pool(&origin, "idle_timeout: 500ms").start();
    Client::connect(weir.port).get("/");
    assert_eq!(origin.open(), 1);
    eventually("the idle connection is closed", Duration::from_secs(5), || origin.open() == 0);
}

#[test]
fn without_a_pool_each_request_has_a_connection_of_its_own() {
    let origin = Origin::saying("x");
    let weir = pool(&origin, "max_idle_per_endpoint: 0").start();
    let mut client = Client::connect(weir.port);
    for _ in 0..4 {
        client.get("/");
    }
    assert_eq!(origin.accepted(), 4);
}
