//! The store of a running gateway takes changes of its configuration: at once what can change, and with a word what waits.

use std::time::Duration;

use weir_tests::gateway::{Setup, Weir, origin};
use weir_tests::payload::{loki, now_ms, now_ns, remote_write, snappy};
use weir_tests::store::Door;
use weir_tests::{Origin, eventually, free_port};

const SOON: Duration = Duration::from_secs(20);
const JSON: &str = "content-type: application/json\r\n";

/// A gateway with a store beside it.
struct Both {
    weir: Weir,
    store: Door,
    upstream: Origin,
    grpc: u16,
}

impl Both {
    fn start() -> Self {
        let (http, grpc, upstream) = (free_port(), free_port(), Origin::saying("hello"));
        let store = Door { http };
        let text = text(http, grpc, upstream.port, "");
        let weir = Setup::new(text).access_log("{ format: off }").file("short.token", "short").start();
        Self { weir, store, upstream, grpc }
    }

    /// Writes the file with further keys of `store`.
    fn say(&mut self, keys: &str) {
        let text = text(self.store.http, self.grpc, self.upstream.port, keys);
        self.weir.rewrite(text);
    }

    fn until_log(&self, part: &str) {
        eventually(part, SOON, || self.weir.log().contains(part));
    }

    fn push(&self, line: &str) -> u16 {
        let body = loki(r#"{"app":"a"}"#, [(now_ns(), line.to_owned())]);
        self.store.post("/loki/api/v1/push", JSON, body).status()
    }
}

fn text(http: u16, grpc: u16, upstream: u16, keys: &str) -> String {
    format!(
        "routes: [ {{ name: all, service: origin }} ]\n\
         store: {{ path: data, http: [\"127.0.0.1:{http}\"], grpc: [\"127.0.0.1:{grpc}\"], own: {{ metrics: 1s }}{keys} }}\n"
    ) + &origin(upstream)
}

#[test]
fn scrape_jobs_limits_and_retention_change_while_it_runs() {
    let mut both = Both::start();
    // A scrape job comes, and goes.
    let admin = both.weir.admin;
    both.say(&format!(
        ", scrape: [ {{ name: itself, targets: [\"127.0.0.1:{admin}\"], interval: 200ms, timeout: 200ms }} ]"
    ));
    let up = r#"up{job="itself"}"#;
    eventually("`up` of the new job", SOON, || {
        let found = both.store.promql(up);
        found.len() == 1 && found[0]["value"][1] == "1"
    });
    both.until_log("store scrape itself added · live in");
    both.say("");
    eventually("its series end", SOON, || both.store.promql(up).is_empty());

    // A limit, and back.
    let long = "x".repeat(1000);
    assert_eq!(both.push(&long), 204);
    both.say(", limits: { line: 64B }");
    eventually("a limit that holds", SOON, || both.push(&long) == 400);
    both.say("");
    eventually("a limit that is gone", SOON, || both.push(&long) == 204);

    // Less is kept: it is neither answered nor taken.
    let old = now_ms() - 2 * 3_600_000;
    let sample = |time_ms| snappy(remote_write(&[("__name__", "aging")], [(time_ms, 1.0)]));
    let write = |time_ms| {
        let headers = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
        both.store.post("/api/v1/write", headers, sample(time_ms)).status()
    };
    assert_eq!(write(old), 204);
    assert_eq!(both.store.promql("count_over_time(aging[3h])").len(), 1);
    let store = both.store;
    both.say(", metrics: { time: 1h }");
    eventually("less that is kept", SOON, || store.promql("count_over_time(aging[3h])").is_empty());
    both.until_log("store metrics time 15d → 1h");
    // The gateway served on.
    assert_eq!(weir_tests::get(both.weir.port, "/").status(), 200);
}

#[test]
fn what_cannot_change_says_so_and_what_is_wrong_changes_nothing() {
    let mut both = Both::start();
    // A token that is none is found out before anything of the change is live.
    both.say(", access: [ { by: { token: { file: short.token } } } ], limits: { line: 64B }");
    both.until_log("cannot be put in force: the store's `access`: the token");
    assert_eq!(both.push(&"x".repeat(1000)), 204);
    // Its file becomes right.
    both.weir.replace("short.token", b"long-enough-to-be-a-token");
    eventually("callers are asked who they are", SOON, || both.push("a line") == 401);
    let answer = both.store.get("/api/v1/labels", "authorization: Bearer long-enough-to-be-a-token\r\n");
    assert_eq!(answer.status(), 200);
    // Another token in the same file.
    both.weir.replace("short.token", b"another-one-for-tomorrow");
    let shown = "authorization: Bearer another-one-for-tomorrow\r\n";
    eventually("the new token", SOON, || both.store.get("/api/v1/labels", shown).status() == 200);
    both.say("");
    eventually("everybody again", SOON, || both.push("a line") == 204);

    // What waits, by file and by the admin interface.
    both.say(", jaeger_udp: \"127.0.0.1:0\"");
    both.until_log("`store.jaeger_udp` takes effect at the next start");
    let file = std::fs::read_to_string(both.weir.config()).expect("the file of a moment ago");
    let wanted = file.replace("path: data", "path: elsewhere");
    let answer = both.weir.operate("PUT", "/config?format=json", "", &wanted);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    assert_eq!(json["at_next_start"], serde_json::json!(["store.path", "store.jaeger_udp"]), "{json}");
    assert!(
        both.weir.operate("GET", "/config", "", "").text().contains("/data"),
        "what is in force is shown"
    );
}

/// What the store counts stands on admin, at its own door, and in the store itself.
#[test]
fn what_the_store_counts_is_on_admin_and_in_the_store() {
    let both = Both::start();
    assert_eq!(both.push("a line"), 204);
    let taken = r#"weir_store_taken_total{signal="logs"} "#;
    let on = |text: String| text.lines().any(|line| line.starts_with(taken));
    assert!(on(weir_tests::get(both.weir.admin, "/metrics").text()));
    let own = both.store.get("/metrics", "").text();
    assert!(on(own.clone()) && own.contains("weir_requests_total"), "{own}");
    eventually("it in the store", SOON, || {
        !both.store.promql(r#"weir_store_taken_total{job="weir", signal="logs"} > 0"#).is_empty()
    });
}
