//! `kill -9` while all three signals come in: what was acknowledged is there afterwards, and once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use weir_tests::payload::{loki, now_ms, now_ns, otlp_spans, remote_write, snappy};
use weir_tests::store::post;
use weir_tests::{Client, Store, eventually};

/// Items of a batch.
const BATCH: u64 = 10;
/// How often it is killed; `WEIR_KILLS` says another number.
const KILLS: u64 = 10;

/// Sends batch after batch and, as real senders do, each again until it is acknowledged. The bytes stay the same.
struct Sender {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Sender {
    /// `batch` makes the request of a batch, whose items begin with a number.
    fn start(port: u16, batch: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), acknowledged.clone());
        let thread = std::thread::spawn(move || {
            let (mut client, mut again) = (None, 0);
            while !stopped.load(Ordering::Relaxed) {
                let request = batch(count.load(Ordering::Relaxed) * BATCH);
                loop {
                    let connection: Option<&mut Client> = match &mut client {
                        Some(client) => Some(client),
                        none => {
                            *none = Client::try_connect(port);
                            none.as_mut()
                        }
                    };
                    let answer =
                        connection.and_then(|client| client.send(&request).try_response("POST").ok());
                    match answer {
                        Some(answer) if matches!(answer.status(), 200 | 204) => break,
                        Some(answer) => panic!("{} {}", answer.start, answer.text()),
                        None => {
                            again += 1;
                            client = None;
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            again
        });
        Self { stop, acknowledged, thread }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many items were acknowledged, and how many tries failed.
    fn finish(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let again = self.thread.join().expect("a sender that is answered well or not at all");
        (self.acknowledged.load(Ordering::Relaxed) * BATCH, again)
    }
}

/// Every number below `count`, once; what is else is named.
#[track_caller]
fn each_once(what: &str, count: u64, found: impl IntoIterator<Item = u64>) {
    let mut times: BTreeMap<u64, u64> = (0..count).map(|number| (number, 0)).collect();
    for number in found {
        *times.entry(number).or_default() += 1;
    }
    let wrong: Vec<_> = times.iter().filter(|(_, times)| **times != 1).take(20).collect();
    assert!(wrong.is_empty(), "{what}: of {count} acknowledged, (number, times found): {wrong:?}");
}

#[test]
fn what_was_acknowledged_is_there_once_after_kills() {
    let kills: u64 = std::env::var("WEIR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut store = Store::start();
    // A sample a millisecond, from so long ago that even a fast store is asked for none of the future.
    let (begin_ms, begin_ns) = (now_ms() - 30 * 60_000, now_ns());
    let (json, protobuf) = (
        "content-type: application/json\r\n",
        "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n",
    );
    let senders = [
        Sender::start(store.http, move |first| {
            let samples = (first..first + BATCH).map(|n| (begin_ms + n as i64, n as f64));
            post("/api/v1/write", protobuf, &snappy(remote_write(&[("__name__", "crash")], samples)))
        }),
        Sender::start(store.http, move |first| {
            let lines = (first..first + BATCH).map(|n| (begin_ns + n, format!("line {n}")));
            post("/loki/api/v1/push", json, loki(r#"{"app":"crash"}"#, lines).as_bytes())
        }),
        Sender::start(store.http, {
            // Their times are the clock's; a batch that is sent again is the same bytes all the same.
            move |first| {
                let traces = (first..first + BATCH).map(|n| u128::from(n) + 1);
                post("/v1/traces", json, otlp_spans("crash", traces).as_bytes())
            }
        }),
    ];
    for round in 0..kills {
        let before: Vec<_> = senders.iter().map(Sender::acknowledged).collect();
        eventually("all three signals are acknowledged", Duration::from_secs(30), || {
            senders.iter().zip(&before).all(|(sender, before)| sender.acknowledged() > before + 3)
        });
        // In every third round while it writes out what is in memory; and never at the same point of its work.
        if round % 3 == 2 {
            let port = store.http;
            std::thread::spawn(move || {
                if let Some(mut client) = Client::try_connect(port) {
                    let _ = client.send(post("/-/settle", "", b"")).try_response("POST");
                }
            });
        }
        std::thread::sleep(Duration::from_millis(round * 7919 % 97));
        store.kill9();
        store.begin();
    }
    let [metrics, logs, traces] = senders.map(Sender::finish);
    println!("{kills} kills: items acknowledged and tries that failed: {metrics:?}, {logs:?}, {traces:?}");
    assert!(metrics.1 + logs.1 + traces.1 >= kills, "every kill was in somebody's way");
    for after in ["as it is", "after one more start"] {
        let samples = store.promql("crash[1h]");
        let values =
            samples.first().and_then(|series| series["values"].as_array()).cloned().unwrap_or_default();
        let number =
            |text: &serde_json::Value| text.as_str().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
        each_once(&format!("samples {after}"), metrics.0, values.iter().map(|pair| number(&pair[1])));
        each_once(&format!("lines {after}"), logs.0, lines(&store, begin_ns, logs.0));
        let spans = (0..traces.0).flat_map(|n| {
            let spans = store.trace(&format!("{:032x}", n + 1)).len();
            std::iter::repeat_n(n, spans)
        });
        each_once(&format!("spans {after}"), traces.0, spans);
        store.restart();
    }
}

/// The numbers of all lines, asked for in pieces that no limit cuts.
fn lines(store: &Store, begin_ns: u64, count: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for first in (0..count).step_by(1000) {
        let (from, to) = (begin_ns + first, begin_ns + first + 1000);
        let path = format!(
            "/loki/api/v1/query_range?query=%7Bapp%3D%22crash%22%7D&start={from}&end={to}&limit=5000"
        );
        let answer = store.json(&path);
        for stream in answer["data"]["result"].as_array().into_iter().flatten() {
            for value in stream["values"].as_array().into_iter().flatten() {
                let line = value[1].as_str().unwrap_or_default();
                numbers.push(line.trim_start_matches("line ").parse().unwrap_or(u64::MAX));
            }
        }
    }
    numbers
}
