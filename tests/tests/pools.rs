//! How many connections to endpoints are kept, for how long, and for whom.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use weir_tests::origin::ok;
use weir_tests::{Client, Origin, Setup, eventually, get};

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

/// An origin that answers a request only once so many have come.
fn together(count: usize) -> Origin {
    let come = AtomicUsize::new(0);
    Origin::answering(move |_| {
        let turn = come.fetch_add(1, Ordering::SeqCst) / count;
        while come.load(Ordering::SeqCst) < (turn + 1) * count {
            sleep(Duration::from_millis(1));
        }
        ok("x")
    })
}

/// The statuses of so many requests at once, each on a connection of its own.
fn at_once(port: u16, count: usize) -> Vec<u16> {
    let asked: Vec<_> = (0..count).map(|_| spawn(move || get(port, "/").status())).collect();
    asked.into_iter().map(|answer| answer.join().expect("an answer")).collect()
}

#[test]
fn no_more_than_so_many_stand_idle() {
    let origin = together(6);
    let weir = pool(&origin, "max_idle_per_endpoint: 2").start();
    assert_eq!(at_once(weir.port, 6), [200; 6]);
    eventually("the others are closed", Duration::from_secs(5), || origin.open() == 2);
}

#[test]
fn an_endpoint_gets_no_more_connections_at_once_than_allowed() {
    let origin = Origin::answering(|_| {
        sleep(Duration::from_millis(400));
        ok("slow")
    });
    let weir = Setup::new(format!(
        "routes: [ {{ name: all, service: s }} ]\nservices: {{ s: {{ endpoints: [\"127.0.0.1:{}\"], limits: {{ max_connections_per_endpoint: 2 }} }} }}",
        origin.port
    ))
    .workers(2)
    .start();
    let answers = at_once(weir.port, 5);
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(200), count(503)), (2, 3), "{answers:?}");
    assert!(origin.accepted() <= 2);
}

#[test]
fn idle_connections_serve_whichever_worker_needs_them() {
    const COUNT: usize = 16;
    let origin = together(COUNT);
    let weir = pool(&origin, "max_idle_per_endpoint: 100").workers(2).start();
    for _ in 0..4 {
        assert_eq!(at_once(weir.port, COUNT), [200; COUNT]);
        // However clients are spread over workers: at most a connection each stays where it was not needed.
        assert!(origin.accepted() <= COUNT + 2, "{} for {COUNT} at once", origin.accepted());
        // What a worker did not need for a second or two is there for all.
        sleep(Duration::from_millis(2500));
    }
}
