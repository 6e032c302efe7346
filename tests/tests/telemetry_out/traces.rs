//! Jaeger's and Tempo's interfaces.

use serde_json::{Value, json};
use weir_tests::Store;
use weir_tests::payload::now_ms;
use weir_tests::store::encoded;

use super::{TRACE, list, read, story};

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

/// A part of an answer, by a JSON pointer; `*` stands for every item of a list.
fn part(value: &Value, path: &str) -> Value {
    match path.split_once("/*") {
        Some((before, after)) => {
            let items = list(value.pointer(before).unwrap_or(&Value::Null));
            items.iter().map(|item| part(item, after)).collect()
        }
        None => value.pointer(path).cloned().unwrap_or(Value::Null),
    }
}

/// Each request, a part of its answer, and what that is.
#[track_caller]
fn answers(store: &Store, table: &[(&str, &str, Value)]) {
    for (path, at, expect) in table {
        let answer = store.get(path, "");
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let answer = read(&answer);
        assert_eq!(part(&answer, at), *expect, "{path}: {answer}");
    }
}

/// Each request and the status of its answer, with a word that it says.
#[track_caller]
fn refusals(store: &Store, table: &[(&str, u16, &str)]) {
    for (path, status, word) in table {
        let answer = store.get(path, "");
        assert_eq!(answer.status(), *status, "{path}: {}", answer.text());
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
    }
}

#[test]
fn jaegers_operations_and_version_3() {
    let store = story();
    let both = |store: &Store| {
        answers(
            store,
            &[
                ("/api/services", "/total", json!(2)),
                ("/api/operations?service=bank", "/data", json!([{ "name": "pay", "spanKind": "server" }])),
                ("/api/operations?service=bank&spanKind=client", "/data", json!([])),
                ("/api/services/nobody/operations", "/data", json!([])),
                (
                    "/api/dependencies",
                    "/data",
                    json!([{ "parent": "shop", "child": "bank", "callCount": 1 }]),
                ),
                ("/api/v3/services", "", json!({ "services": ["bank", "shop"] })),
                (
                    "/api/v3/operations?service=shop",
                    "",
                    json!({ "operations": [{ "name": "checkout", "spanKind": "server" }] }),
                ),
                (
                    &format!("/api/v3/traces/{TRACE}"),
                    "/result/resourceSpans/*/scopeSpans/0/spans/0/name",
                    json!(["checkout", "pay"]),
                ),
            ],
        );
    };
    both(&store);
    // The same from the index of a part.
    assert_eq!(store.post("/-/settle", "", "").status(), 200);
    both(&store);
    let found = |more: &str| {
        let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z";
        let answer = store.get(&format!("/api/v3/traces?{times}&query.serviceName=shop{more}"), "");
        (answer.status(), list(&part(&read(&answer), "/result/resourceSpans")).len())
    };
    assert_eq!(found(""), (200, 2));
    assert_eq!(found("&query.operationName=checkout&query.durationMin=20ms&query.searchDepth=1"), (200, 2));
    assert_eq!(found("&query.durationMin=40ms"), (404, 0));
    assert_eq!(found(&format!("&query.attributes={}", encoded(r#"{"order.id":"7"}"#))), (200, 2));
    assert_eq!(found(&format!("&query.attributes={}", encoded(r#"{"order.id":"8"}"#))), (404, 0));
    refusals(
        &store,
        &[
            ("/api/v3/traces/zz", 400, r#""httpCode":400"#),
            ("/api/v3/traces/1f", 404, r#""httpCode":404"#),
            ("/api/v3/traces", 400, "startTimeMin"),
            ("/api/v3/nothing", 404, "error"),
        ],
    );
}

#[test]
fn tempos_names_and_values() {
    let store = story();
    let table = |store: &Store| {
        let bank = encoded(r#"{ resource.service.name = "bank" }"#);
        let written = encoded(r#"{ resource.service.name = "bank" && span.order.id = }"#);
        answers(
            store,
            &[
                ("/tempo/api/search/tags", "/tagNames", json!(["order.id", "service.name"])),
                ("/tempo/api/search/tags?scope=span", "/tagNames", json!(["order.id"])),
                ("/tempo/api/v2/search/tags", "/scopes/*/name", json!(["resource", "span", "intrinsic"])),
                (
                    "/tempo/api/v2/search/tags?scope=resource",
                    "/scopes",
                    json!([{ "name": "resource", "tags": ["service.name"] }]),
                ),
                ("/tempo/api/v2/search/tags?scope=event", "/scopes/0/tags", json!([])),
                (
                    &format!("/tempo/api/v2/search/tags?scope=span&q={bank}"),
                    "/scopes/0/tags",
                    json!(["order.id"]),
                ),
                (
                    "/tempo/api/v2/search/tags?scope=intrinsic&limit=2",
                    "/scopes/0/tags",
                    json!(["duration", "event:name"]),
                ),
                ("/tempo/api/search/tag/service.name/values", "/tagValues", json!(["bank", "shop"])),
                ("/tempo/api/search/tag/order.id/values", "/tagValues", json!(["7"])),
                (
                    "/tempo/api/v2/search/tag/resource.service.name/values?limit=1",
                    "/tagValues",
                    json!([{ "type": "string", "value": "bank" }]),
                ),
                (
                    "/tempo/api/v2/search/tag/span.order.id/values",
                    "/tagValues",
                    json!([{ "type": "int", "value": "7" }]),
                ),
                (
                    &format!("/tempo/api/v2/search/tag/name/values?q={bank}"),
                    "/tagValues/*/value",
                    json!(["pay"]),
                ),
                (
                    &format!("/tempo/api/v2/search/tag/name/values?q={written}"),
                    "/tagValues/*/value",
                    json!(["pay"]),
                ),
                (
                    "/tempo/api/v2/search/tag/name/values?q=%7B",
                    "/tagValues/*/value",
                    json!(["checkout", "pay"]),
                ),
                (
                    "/tempo/api/v2/search/tag/rootServiceName/values",
                    "/tagValues",
                    json!([{ "type": "string", "value": "shop" }]),
                ),
                (
                    "/tempo/api/v2/search/tag/status/values",
                    "/tagValues",
                    json!([{ "type": "keyword", "value": "ok" }, { "type": "keyword", "value": "error" },
                        { "type": "keyword", "value": "unset" }]),
                ),
                ("/tempo/api/v2/search/tag/duration/values", "/tagValues", json!([])),
                ("/tempo/api/search/tags?start=1&end=2", "/tagNames", json!([])),
            ],
        );
    };
    table(&store);
    assert_eq!(store.post("/-/settle", "", "").status(), 200);
    table(&store);
    refusals(
        &store,
        &[
            ("/tempo/api/v2/search/tags?scope=galaxy", 400, "galaxy"),
            ("/tempo/api/v2/search/tag/galaxy/values", 400, "galaxy"),
            ("/tempo/api/search/tags?start=2&end=1", 400, "before"),
        ],
    );
}

#[test]
fn tempos_search_and_traces() {
    let store = story();
    let found = |query: &str| list(&store.json(&format!("/tempo/api/search?{query}"))["traces"]).len();
    assert_eq!(found(""), 1);
    assert_eq!(found("tags=service.name%3Dshop+order.id%3D7"), 1);
    assert_eq!(found("tags=name%3D%22checkout%22&minDuration=20ms&maxDuration=40ms"), 1);
    assert_eq!(found("minDuration=40ms"), 0);
    assert_eq!(found("start=1&end=2"), 0);
    let spans = |more: &str| {
        let path = format!("/tempo/api/search?q={}{more}", encoded("{} | select(span.order.id, status)"));
        let set = &store.json(&path)["traces"][0]["spanSets"][0];
        (list(&set["spans"]).len(), set["matched"].clone(), set["spans"][0]["attributes"].clone())
    };
    let order = json!({ "key": "order.id", "value": { "intValue": "7" } });
    let unset = json!({ "key": "status", "value": { "stringValue": "unset" } });
    assert_eq!(spans(""), (2, json!(2), json!([order, unset])));
    assert_eq!(spans("&spss=1").0, 1);
    refusals(
        &store,
        &[
            ("/tempo/api/search?q=%7B&limit=5", 400, "parse error"),
            ("/tempo/api/search?q=%7B%7D&tags=a%3Db", 400, "tags"),
            ("/tempo/api/search?limit=0", 400, "limit"),
            ("/tempo/api/search?start=2&end=1", 400, "before"),
            ("/tempo/api/search?tags=a", 400, "key=value"),
            ("/tempo/api/traces/zz", 400, "zz"),
            ("/tempo/api/v2/traces/1f", 404, "not known"),
            ("/tempo/api/nothing", 404, "nothing"),
        ],
    );
    assert_eq!(part(&store.json("/tempo/api/status/buildinfo"), "/version"), "2.9.0");
    // Protocol Buffers, as Grafana asks: a trace's first field, and within version 2 the trace as the first field.
    let bytes = |version: &str, accept: &str| {
        let answer =
            store.get(&format!("/tempo/api/{version}traces/{TRACE}"), &format!("accept: {accept}\r\n"));
        assert_eq!(answer.field("content-type"), Some("application/protobuf"));
        answer.body
    };
    let one = bytes("", "application/protobuf");
    assert_eq!(one[0], 0x0a);
    assert!(one.windows(8).any(|part| part == b"checkout"));
    let two = bytes("v2/", "application/json;q=0.5, application/protobuf");
    assert!(two[0] == 0x0a && two.ends_with(&one), "{two:?}");
}

/// The form is that of Protocol Buffers' JSON, which Grafana's data source reads strictly.
#[test]
fn tempos_metrics() {
    let store = story();
    let now_s = now_ms() / 1000;
    let ask = |kind: &str, query: &str, more: &str| {
        let times = format!("start={}&end={now_s}", now_s - 600);
        store.json(&format!("/tempo/api/metrics/{kind}?q={}&{times}{more}", encoded(query)))
    };
    let labels = |name: &str, value: &str| json!([{ "key": name, "value": { "stringValue": value } }]);

    let count = ask("query_range", "{} | count_over_time() by (resource.service.name)", "&step=1h");
    assert_eq!(part(&count, "/series/*/labels/0/value/stringValue"), json!(["bank", "shop"]));
    assert_eq!(part(&count, "/series/0/promLabels"), r#"{resource.service.name="bank"}"#);
    let sum: f64 =
        list(&count["series"][0]["samples"]).iter().filter_map(|sample| sample["value"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{count}");
    let time = count["series"][0]["samples"][0]["timestampMs"].as_str().and_then(|text| text.parse().ok());
    assert!(time.is_some_and(|time: i64| time % 3_600_000 == 0), "{count}");
    let exemplar = &count["series"][0]["exemplars"][0];
    assert_eq!(
        exemplar["labels"][0],
        json!({ "key": "trace:id", "value": { "stringValue": TRACE } }),
        "{count}"
    );
    assert_eq!(exemplar["value"], 1.0);

    let longest = ask("query_range", "{} | max_over_time(duration)", "&step=1h&exemplars=1");
    assert_eq!(longest["series"][0]["labels"], labels("__name__", "max_over_time"));
    assert_eq!(longest["series"][0]["exemplars"][0]["value"], 0.03, "{longest}");
    let without = ask("query_range", "{} | max_over_time(duration) with (exemplars=false)", "&step=1h");
    assert_eq!(without["series"][0]["exemplars"], Value::Null);
    // Without a step there are about 240.
    let usual = ask("query_range", "{} | rate()", "");
    assert!((295..=305).contains(&list(&usual["series"][0]["samples"]).len()), "{usual}");
    let compared = ask("query_range", "{} | compare({ status = error })", "&step=1h");
    assert!(compared.to_string().contains("selection_total"), "{compared}");

    // One value of the whole time, and no field that Tempo does not have.
    let checks = [
        ("{} | count_over_time()", "__name__", json!("count_over_time"), 2.0),
        ("{ name = \"pay\" } | sum_over_time(span.order.id)", "__name__", json!("sum_over_time"), 7.0),
        ("{ status = error } | min_over_time(duration)", "__name__", json!("min_over_time"), 0.015),
        ("{} | avg_over_time(duration)", "__name__", json!("avg_over_time"), 0.0225),
    ];
    for (query, key, label, value) in checks {
        let answer = ask("query", query, "");
        let labels = json!([{ "key": key, "value": { "stringValue": label } }]);
        assert_eq!(
            answer,
            json!({ "series": [{ "labels": labels, "value": value }], "metrics": {} }),
            "{query}"
        );
    }
    let quantile = ask("query", "{} | quantile_over_time(duration, 0.5, 0.9)", "");
    assert_eq!(part(&quantile, "/series/*/labels/0/value/doubleValue"), json!([0.5, 0.9]));
    let buckets = ask("query", "{} | histogram_over_time(duration)", "");
    assert_eq!(part(&buckets, "/series/*/labels/0/key"), json!(["__bucket", "__bucket"]));
    refusals(
        &store,
        &[
            ("/tempo/api/metrics/query_range", 400, "invalid TraceQL query"),
            ("/tempo/api/metrics/query?q=%7B%7D", 400, "traces, not series"),
            ("/tempo/api/metrics/query?q=%7B%7D%7Crate()&start=2&end=1", 400, "start"),
            ("/tempo/api/metrics/query_range?q=%7B%7D%7Crate()&step=0", 400, "step"),
            ("/tempo/api/metrics/query_range?q=%7B%7D%7Crate()&since=7d&step=1s", 400, "longer step"),
        ],
    );
}
