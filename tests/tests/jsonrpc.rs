//! JSON-RPC: routes that go by the method, batches whose calls take several.

use serde_json::{Value, json};
use weir_tests::origin::{ok, status};
use weir_tests::{Client, Message, Origin, Setup, get};

/// A node that answers each call with its name and its method.
fn node(name: &'static str) -> Origin {
    Origin::answering(move |request| {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return ok(name) };
        let answer = |call: &Value| {
            call.get("id").map(|id| json!({"jsonrpc": "2.0", "id": id, "result": format!("{name} {}", call["method"].as_str().unwrap_or(""))}))
        };
        let answer = match &body {
            Value::Array(calls) => Value::Array(calls.iter().filter_map(answer).collect()),
            call => answer(call).unwrap_or(Value::Null),
        };
        ok(answer.to_string())
    })
}

fn routes(reads: u16, rest: u16) -> Setup {
    Setup::new(format!(
        "routes:
  - {{ name: reads, matches: [ {{ jsonrpc: {{ method: [eth_call, 'eth_get*'] }} }} ], service: reads }}
  - {{ name: no, matches: [ {{ jsonrpc: {{ method: 'debug_*' }} }} ], respond: {{ status: 403, body: no }} }}
  - name: slow
    matches: [ {{ jsonrpc: {{ method: eth_slow }} }} ]
    service: rest
    rate_limits: [ {{ algorithm: token_bucket, requests: 1, per: 1h, burst: 1 }} ]
  - {{ name: rest, service: rest }}
services:
  reads: {{ endpoints: ['127.0.0.1:{reads}'] }}
  rest: {{ endpoints: ['127.0.0.1:{rest}'] }}
"
    ))
}

fn post(port: u16, body: &str) -> Message {
    let length = body.len();
    Client::connect(port).ask(format!("POST / HTTP/1.1\r\nhost: n\r\ncontent-length: {length}\r\n\r\n{body}"))
}

fn call(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []})
}

#[test]
fn a_call_takes_the_route_of_its_method() {
    let (reads, rest) = (node("reads"), node("rest"));
    let weir = routes(reads.port, rest.port).start();
    let check = |method: &str, expect: &str| {
        let answer: Value =
            serde_json::from_slice(&post(weir.port, &call(7, method).to_string()).body).unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 7, "result": expect}), "{method}");
    };
    check("eth_call", "reads eth_call");
    check("eth_getLogs", "reads eth_getLogs");
    check("eth_sendRawTransaction", "rest eth_sendRawTransaction");
    assert_eq!(post(weir.port, &call(7, "debug_traceCall").to_string()).status(), 403);
    // What reaches the node is what the client wrote, byte for byte.
    let odd = "  {\"method\":\"eth_call\",\r\n \"params\" : [1.0e3] ,\"id\":\"\\u0061\"}";
    post(weir.port, odd);
    assert_eq!(reads.requests().last().unwrap().body, odd.as_bytes());
    // Without a body the path's last segment is the method.
    assert_eq!(get(weir.port, "/debug_x?a=1").status(), 403);
    assert_eq!(get(weir.port, "/eth_getLogs").text(), "reads");
    assert_eq!(get(weir.port, "/").text(), "rest");
}

#[test]
fn a_batch_of_one_route_goes_there_as_it_came() {
    let (reads, rest) = (node("reads"), node("rest"));
    let weir = routes(reads.port, rest.port).start();
    let batch = json!([call(1, "eth_call"), call(2, "eth_getCode")]).to_string();
    post(weir.port, &batch);
    assert_eq!(reads.only().body, batch.as_bytes());
    assert_eq!(rest.count(), 0);
}

#[test]
fn a_batch_of_several_routes_is_served_in_parts_and_put_together() {
    let (reads, rest) = (node("reads"), node("rest"));
    let weir = routes(reads.port, rest.port).start();
    let notification = json!({"method": "eth_note"});
    let batch = json!([
        call(1, "eth_call"),
        call(2, "eth_slow"),
        call(3, "debug_x"),
        notification,
        call(1, "eth_getCode"),
        call(4, "eth_slow"),
    ]);
    for (at, slow) in ["rest eth_slow", ""].into_iter().enumerate() {
        let answer = post(weir.port, &batch.to_string());
        assert_eq!((answer.status(), answer.field("content-type")), (200, Some("application/json")));
        let answers: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        let ids: Vec<&Value> = answers.iter().map(|a| &a["id"]).collect();
        assert_eq!(ids, [1, 2, 3, 1, 4], "in the order of the calls");
        assert_eq!(answers[0]["result"], "reads eth_call");
        assert_eq!(answers[3]["result"], "reads eth_getCode");
        assert_eq!(answers[2]["error"]["code"], -32002);
        if at == 0 {
            assert_eq!(answers[1]["result"], slow);
        } else {
            assert_eq!(answers[1]["error"]["code"], -32005, "{}", answers[1]);
        }
    }
    // One request for the calls of each route that has a service.
    assert_eq!(reads.count(), 2);
}

#[test]
fn a_failing_part_leaves_the_others() {
    let reads = node("reads");
    let rest = Origin::answering(|_| status(500, "broken"));
    let weir = routes(reads.port, rest.port).start();
    let answer = post(weir.port, &json!([call(1, "eth_call"), call(2, "eth_other")]).to_string());
    let answers: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answers[0]["result"], "reads eth_call");
    assert_eq!(answers[1]["id"], 2);
    assert!(answers[1]["error"]["message"].as_str().unwrap().contains("status 500"), "{}", answers[1]);
}

#[test]
fn what_cannot_be_read_is_refused_in_json() {
    let (reads, rest) = (node("reads"), node("rest"));
    let weir =
        routes(reads.port, rest.port).listener("limits: { jsonrpc_body: 1KiB, jsonrpc_calls: 3 }").start();
    let check = |body: &str, expect: u16, code: i64, says: &str| {
        let answer = post(weir.port, body);
        assert_eq!(answer.status(), expect, "{body}: {}", answer.text());
        let error: Value =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()));
        assert_eq!(error["error"]["code"], code, "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(says), "{error}");
    };
    check("{", 400, -32700, "expected");
    check("[]", 400, -32700, "at least one call");
    check(r#"{"id":1,"method":"eth_call","Method":"debug_x"}"#, 400, -32700, "case of its letters");
    check(
        &json!([call(1, "a"), call(1, "a"), call(1, "a"), call(1, "a")]).to_string(),
        413,
        -32005,
        "more calls",
    );
    check(&format!("{}{}", " ".repeat(1024), call(1, "eth_call")), 413, -32005, "jsonrpc_body");
    assert_eq!((reads.count(), rest.count()), (0, 0));
    // A body of just the limit passes, in chunks too, and after a word to go on.
    let full = format!("{}{}", call(1, "eth_call"), " ".repeat(1024 - call(1, "eth_call").to_string().len()));
    assert_eq!(post(weir.port, &full).status(), 200);
    let chunks =
        format!("POST / HTTP/1.1\r\nhost: n\r\ntransfer-encoding: chunked\r\n\r\n400\r\n{full}\r\n0\r\n\r\n");
    assert_eq!(Client::connect(weir.port).ask(chunks).status(), 200);
    let mut client = Client::connect(weir.port);
    client.send("POST / HTTP/1.1\r\nhost: n\r\nexpect: 100-continue\r\ncontent-length: 1024\r\n\r\n");
    assert_eq!(client.head().status(), 100);
    client.send(&full);
    assert_eq!(client.response("POST").status(), 200);
    assert_eq!(reads.count(), 3);
    assert!(reads.requests().iter().all(|request| request.body == full.as_bytes()));
}

/// A node that takes a request and closes the connection without a word.
fn closing() -> Origin {
    Origin::scripted(|served| {
        let _ = served.request();
    })
}

fn on_chain(kind: &str, nodes: &[u16], more: &str) -> Setup {
    let nodes: Vec<String> =
        nodes.iter().map(|port| format!("'http://127.0.0.1:{port}/v1/secret-key'")).collect();
    Setup::new(format!(
        "chains:
  c: {{ kind: {kind}, endpoints: [ {} ], poll: 1m }}
services:
  n: {{ chain: c }}
routes:
{more}  - {{ name: n, service: n }}
",
        nodes.join(", ")
    ))
}

/// Health checks and calls come to the same origin; these are the calls of a client.
fn calls_of(origin: &Origin, method: &str) -> usize {
    let is = |request: &&Message| {
        serde_json::from_slice::<Value>(&request.body)
            .is_ok_and(|body| body["id"] == 7 && body["method"] == method)
    };
    origin.requests().iter().filter(is).count()
}

#[test]
fn reads_are_repeated_at_another_node_and_writes_are_sent_once() {
    for _ in 0..4 {
        let (bad, good) = (closing(), node("good"));
        let weir = on_chain("evm", &[bad.port, good.port], "").start();
        for _ in 0..4 {
            let answer = post(weir.port, &call(7, "eth_getBlockByNumber").to_string());
            assert!(answer.text().contains("good eth_getBlockByNumber"), "{}", answer.text());
        }
        let mut failed = 0;
        for _ in 0..8 {
            let answer = post(weir.port, &call(7, "eth_sendRawTransaction").to_string());
            if answer.status() != 200 {
                failed += 1;
                let error: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(
                    (error["id"].clone(), error["error"]["code"].clone()),
                    (7.into(), (-32002).into())
                );
            }
        }
        let method = "eth_sendRawTransaction";
        assert_eq!(calls_of(&bad, method), failed, "each write that failed was sent to one node");
        assert_eq!(calls_of(&good, method), 8 - failed);
    }
}

#[test]
fn calls_go_to_the_nodes_url_and_nothing_shows_it() {
    let good = node("good");
    let weir = on_chain("evm", &[good.port], "").start();
    post(weir.port, &call(7, "eth_call").to_string());
    let sent = good.requests().into_iter().find(|r| r.text().contains("eth_call")).unwrap();
    assert_eq!(sent.target(), "/v1/secret-key");
    for page in ["/chains", "/chains?format=text", "/services", "/metrics"] {
        let page = weir.operate("GET", page, "", "");
        assert_eq!(page.status(), 200);
        assert!(!page.text().contains("secret-key"), "{}", page.text());
    }
    assert!(!weir.log().contains("secret-key"), "{}", weir.log());
    assert!(
        weir.operate("GET", "/metrics", "", "")
            .text()
            .contains("weir_chain_calls_total{chain=\"c\",method=\"eth_call\",effect=\"read\"} 1")
    );
}

#[test]
fn calls_below_a_path_go_below_the_nodes_url() {
    let good = node("good");
    let weir = on_chain("tendermint", &[good.port], "").start();
    get(weir.port, "/cosmos/abci_query?path=%22a%22&height=5");
    let sent = good.requests().into_iter().find(|r| r.target().contains("abci_query")).unwrap();
    assert_eq!(sent.target(), "/v1/secret-key/abci_query?path=%22a%22&height=5");
}

#[test]
fn what_controls_a_node_passes_by_a_route_that_names_it() {
    let good = node("good");
    let weir = on_chain("evm", &[good.port], "").start();
    let refused = post(weir.port, &call(7, "admin_addPeer").to_string());
    let error: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status(), error["error"]["code"].clone()), (403, (-32601).into()), "{error}");
    let batch = post(weir.port, &json!([call(7, "eth_call"), call(8, "admin_addPeer")]).to_string());
    assert_eq!(batch.status(), 403);
    assert_eq!((calls_of(&good, "admin_addPeer"), calls_of(&good, "eth_call")), (0, 0));
    let named = "  - { name: a, matches: [ { jsonrpc: { method: 'admin_*' } } ], service: n }\n";
    let weir = on_chain("evm", &[good.port], named).start();
    assert_eq!(post(weir.port, &call(7, "admin_addPeer").to_string()).status(), 200);
}

#[test]
fn a_slow_read_is_asked_of_a_second_node() {
    let slow = Origin::scripted(|served| {
        let _ = served.request();
        std::thread::sleep(std::time::Duration::from_secs(20));
    });
    let good = node("good");
    let weir = on_chain("evm", &[slow.port, good.port], "").start();
    let begun = std::time::Instant::now();
    for _ in 0..8 {
        let answer = post(weir.port, &call(7, "eth_call").to_string());
        assert_eq!(answer.text(), r#"{"id":7,"jsonrpc":"2.0","result":"good eth_call"}"#);
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(weir.operate("GET", "/metrics", "", "").text().contains("weir_chain_hedges_total{chain=\"c\"}"));
}
