//! Jaeger's and Tempo's interfaces.

use serde_json::json;
use weir_tests::store::encoded;

use super::{TRACE, list, story};

#[test]
fn jaeger_interface() {
    let store = story();
    assert_eq!(store.json("/api/services")["data"], json!(["bank", "shop"]));
    assert_eq!(store.json("/api/services/shop/operations")["data"], json!(["checkout"]));
    let spans = store.trace(TRACE);
    assert_eq!(spans.len(), 2, "{spans:?}");
    let found = |more: &str| {
        let answer = store.json(&format!("/api/traces?service=shop&lookback=1h&limit=20{more}"));
        list(&answer["data"]).len()
    };
    assert_eq!(found(""), 1);
    assert_eq!(found("&minDuration=20ms"), 1);
    assert_eq!(found("&minDuration=40ms"), 0);
    assert_eq!(found(&format!("&tags={}", encoded(r#"{"order.id":"7"}"#))), 1);
    assert_eq!(found(&format!("&tags={}", encoded(r#"{"order.id":"8"}"#))), 0);
    assert_eq!(store.get("/api/traces/5b8efff798038103d269b633813fc60d", "").status(), 404);
    assert_eq!(store.get("/api/traces/zz", "").status(), 400);
}

#[test]
fn tempo_interface() {
    let store = story();
    assert_eq!(store.get("/tempo/api/echo", "").text(), "echo");
    let trace = store.json(&format!("/tempo/api/v2/traces/{TRACE}"));
    assert!(trace.to_string().contains("checkout") && trace.to_string().contains("pay"), "{trace}");
    let found = |query: &str| {
        let answer = store.json(&format!("/tempo/api/search?q={}&limit=20", encoded(query)));
        list(&answer["traces"]).len()
    };
    assert_eq!(found(r#"{ resource.service.name = "shop" && duration > 20ms }"#), 1);
    assert_eq!(found(r#"{ resource.service.name = "shop" && duration > 40ms }"#), 0);
    assert_eq!(found(r#"{ name = "checkout" } > { status = error }"#), 1);
    assert_eq!(found("{ span.order.id = 7 } | count() > 1"), 1);
    assert_eq!(store.get(&format!("/tempo/api/traces/{}", TRACE.replace('5', "6")), "").status(), 404);
}
