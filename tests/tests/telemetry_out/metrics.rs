//! Prometheus' interface.

use serde_json::json;
use weir_tests::payload::now_ms;
use weir_tests::store::encoded;

use super::{list, read, story};

#[test]
fn prometheus_interface() {
    let store = story();
    let sum = store.promql("sum(orders_total)");
    assert_eq!(sum[0]["value"][1], "180");
    let (start, end) = (now_ms() / 1000 - 30, now_ms() / 1000);
    let range = format!(
        "query={}&start={start}&end={end}&step=10",
        encoded("sum by (shop) (rate(orders_total[30s]))")
    );
    let by_get = store.json(&format!("/api/v1/query_range?{range}"));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let by_post = read(&store.post("/prometheus/api/v1/query_range", form, &range));
    assert_eq!(by_get, by_post, "both methods, and both beginnings");
    let values = list(&by_get["data"]["result"]);
    assert_eq!(values.len(), 2, "{by_get}");
    assert_eq!(values[0]["metric"], json!({ "shop": "north" }));
    assert!(values[0]["values"][1][1].as_str().is_some_and(|value| value.starts_with('1')), "{by_get}");
    let series = store.json(&format!("/api/v1/series?{}={}", encoded("match[]"), encoded("{shop=~\"n.*\"}")));
    assert_eq!(series["data"], json!([{ "__name__": "orders_total", "shop": "north" }]));
    assert_eq!(store.json("/api/v1/label/shop/values")["data"], json!(["north", "south"]));
    assert_eq!(store.json("/api/v1/status/buildinfo")["status"], "success");
    let wrong = store.get("/api/v1/query?query=sum(", "");
    assert_eq!((wrong.status(), &read(&wrong)["errorType"]), (400, &"bad_data".into()));
}
