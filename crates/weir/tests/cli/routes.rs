use std::fs;

use crate::support::{dir, said, weir};

const CONFIG: &str = "\
version: 1
listeners:
  - { name: web, address: 127.0.0.1:8080 }
  - { name: secure, address: 127.0.0.1:8443, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }
routes:
  - name: gold
    hosts: [api.example.com]
    matches: [{ path: { prefix: /orders }, headers: { x-tier: gold } }]
    service: gold
  - name: orders
    hosts: [api.example.com]
    matches: [{ path: { prefix: /orders } }]
    backends: [{ service: gold, weight: 1 }, { service: plain, weight: 2 }]
  - name: old
    matches: [{ path: { exact: /old } }]
    redirect: { host: new.example.com }
services:
  gold: { endpoints: [\"127.0.0.1:9000\"] }
  plain: { endpoints: [\"127.0.0.1:9001\", { address: \"127.0.0.1:9002\", weight: 3 }] }
";

#[track_caller]
fn check(arguments: &[&str], code: i32, out: &str, err: &str) {
    let dir = dir();
    fs::write(dir.path().join("weir.yaml"), CONFIG).unwrap();
    let said = said(weir(dir.path(), &[&["routes", "weir.yaml", "--request"], arguments].concat()));
    assert_eq!((said.code, said.out.as_str()), (code, out), "{}", said.err);
    assert!(said.err.contains(err), "{}", said.err);
}

#[test]
fn a_route_its_rivals_and_where_it_goes() {
    check(
        &["GET https://api.example.com//orders/./7"],
        0,
        "\
GET https://api.example.com//orders/./7 comes in at listener secure (127.0.0.1:8443, TLS)
Its path in normal form is /orders/7

  ✗  gold    header x-tier is missing     (weir.yaml:6)
  ✓  orders  path is /orders or below it  (weir.yaml:10)

  →  33.3 %  service gold   127.0.0.1:9000
  →  66.7 %  service plain  127.0.0.1:9001, 127.0.0.1:9002 (weight 3)
",
        "",
    );
    check(
        &["http://api.example.com/orders", "-H", "X-Tier: gold"],
        0,
        "\
GET http://api.example.com/orders comes in at listener web (127.0.0.1:8080)

  ✓  gold  path is /orders or below it, header x-tier fits  (weir.yaml:6)

  → service gold: 127.0.0.1:9000
",
        "",
    );
    check(
        &["HEAD http://api.example.com/old", "--listener", "secure"],
        0,
        "\
HEAD http://api.example.com/old comes in at listener secure (127.0.0.1:8443, TLS · --listener)

  ✗  gold    path /old is not /orders or below it; header x-tier is missing  (weir.yaml:6)
  ✗  orders  path /old is not /orders or below it                            (weir.yaml:10)
  ✓  old     path is /old                                                    (weir.yaml:14)

  → redirect 302 to new.example.com
",
        "",
    );
}

#[test]
fn what_no_route_takes() {
    check(
        &["GET https://other.example.com:9/orders"],
        1,
        "\
GET https://other.example.com:9/orders comes in at listener secure (127.0.0.1:8443, TLS · no listener has that port)

  ✗  gold    host other.example.com is not api.example.com; header x-tier is missing  (weir.yaml:6)
  ✗  orders  host other.example.com is not api.example.com                            (weir.yaml:10)
  ✗  old     path /orders is not exactly /old                                         (weir.yaml:14)

No route matches: 404.
",
        "",
    );
    check(&["GET /a%zz"], 1, "", "would be refused with 400");
    check(&["GET /x", "--listener", "nope"], 2, "", "there are: web, secure");
    check(&["nonsense"], 2, "", "write it like 'GET https://");
}

#[test]
fn programs_read_json() {
    let dir = dir();
    fs::write(dir.path().join("weir.yaml"), CONFIG).unwrap();
    let arguments =
        ["routes", "weir.yaml", "--output=json", "--request", "http://api.example.com/orders?a=b"];
    let said = said(weir(dir.path(), &arguments));
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["request"]["query"], &json["listener"]), (&"a=b".into(), &"web".into()));
    assert_eq!(json["passed_over"][0]["why"][0], "header x-tier is missing");
    let action = &json["found"]["action"]["forward"];
    assert_eq!((&action[1]["weight"], &action[1]["endpoints"][1]["weight"]), (&2.into(), &3.into()));
}
