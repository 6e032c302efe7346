//! Loki's interface.

use serde_json::json;
use weir_tests::store::encoded;

use super::{list, story};

#[test]
fn loki_interface() {
    let store = story();
    let texts = |query: &str| store.logql(query).into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    assert_eq!(texts(r#"{app="orders"}"#).len(), 5);
    assert_eq!(texts(r#"{app="orders"} |= "error""#), ["level=error order=3 took=30ms"]);
    assert_eq!(
        texts(r#"{app="orders"} | logfmt | took > 15ms | level="info" | line_format "{{.order}}""#),
        ["2", "4"]
    );
    let count = format!(
        "/loki/api/v1/query?query={}",
        encoded(r#"sum by (level) (count_over_time({app="orders"} | logfmt [5m]))"#)
    );
    let count = store.json(&count);
    let mut levels: Vec<_> = list(&count["data"]["result"])
        .iter()
        .map(|series| (series["metric"]["level"].to_string(), series["value"][1].to_string()))
        .collect();
    levels.sort();
    let expected = [("\"error\"", "\"1\""), ("\"info\"", "\"4\"")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(levels, expected, "{count}");
    assert_eq!(store.json("/loki/api/v1/labels")["data"], json!(["app"]));
    assert_eq!(store.json("/loki/api/v1/label/app/values")["data"], json!(["orders"]));
    let backward =
        store.json(&format!("/loki/api/v1/query_range?query={}&limit=1", encoded(r#"{app="orders"}"#)));
    assert_eq!(
        backward["data"]["result"][0]["values"][0][1], "level=info order=4 took=40ms",
        "the newest first"
    );
    assert_eq!(store.get("/loki/api/v1/query_range?query=%7B", "").status(), 400);
}
