//! Log lines as their readers get them.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as they do")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use weir_emit::logging::{Colour, Log, LogFormat};

const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn logged(filter: &str, format: LogFormat, speak: impl FnOnce(&Log)) -> String {
    let out = Out::default();
    let (log, subscriber) = Log::build(filter.parse().unwrap(), format, Box::new(out.clone())).unwrap();
    tracing::subscriber::with_default(subscriber, || speak(&log));
    drop(log);
    out.text()
}

#[derive(Debug)]
struct Deep(Option<Box<Deep>>);

impl std::fmt::Display for Deep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "could not load" } else { "no such file" })
    }
}

impl std::error::Error for Deep {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|deep| &**deep as _)
    }
}

#[test]
fn lines_for_people() {
    #[track_caller]
    fn check(speak: impl FnOnce(), expect: &str) {
        let text = logged("debug", LogFormat::Text(Colour::Off), |_| speak());
        let clock =
            text.as_bytes().first_chunk::<8>().unwrap().map(|b| if b.is_ascii_digit() { b'0' } else { b });
        assert_eq!(&clock, b"00:00:00", "{text}");
        assert_eq!(&text[8..], expect);
    }
    check(
        || tracing::info!(target: "weir_gateway", "route orders: timeout 30s → 5s · live in 7 ms"),
        " INFO  route orders: timeout 30s → 5s · live in 7 ms\n",
    );
    check(
        || tracing::warn!(target: "h2", peer = "a\x1b[31m", n = 3, ok = true, "odd"),
        " WARN  odd  h2  peer=a\\x1b[31m  n=3  ok=true\n",
    );
    check(|| tracing::error!(target: "weir", "line 1\nline 2"), " ERROR line 1\n               line 2\n");
    check(|| tracing::debug!(target: "weir_http::pool", "took"), " DEBUG took  weir_http::pool\n");
    check(
        || tracing::error!(target: "weir", error = &Deep(Some(Box::new(Deep(None)))) as &dyn std::error::Error, "bad"),
        " ERROR bad  error=could not load: no such file\n",
    );
}

#[test]
fn lines_for_programs() {
    let text = logged("info", LogFormat::Json, |_| {
        tracing::warn!(target: "weir", time = 7, nan = f64::NAN, list = ?["a\"b"], big = u64::MAX, "say \"hi\"\n");
    });
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    assert_eq!(
        (&read["level"], &read["target"], &read["message"]),
        (&"warn".into(), &"weir".into(), &"say \"hi\"\n".into())
    );
    assert_eq!((&read["time_"], &read["nan"]), (&7.into(), &"NaN".into()));
    assert_eq!((&read["list"], &read["big"]), (&"[\"a\\\"b\"]".into(), &u64::MAX.into()));
    assert!(read["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_filter_changes_while_running() {
    let text = logged("warn,weir_http=debug", LogFormat::Text(Colour::Off), |log| {
        let speak = |round: u32| {
            tracing::info!(target: "weir_gateway", "gateway {round}");
            tracing::debug!(target: "weir_http::pool", "pool {round}");
        };
        speak(1);
        log.set_filter("info".parse().unwrap());
        assert_eq!(log.filter().to_string(), "info");
        speak(2);
        assert!(log.flush(LONG));
    });
    let said: Vec<&str> =
        ["pool 1", "gateway 1", "pool 2", "gateway 2"].into_iter().filter(|s| text.contains(s)).collect();
    assert_eq!(said, ["pool 1", "gateway 2"]);
}

#[test]
fn a_stuck_reader_delays_nobody_and_drops_are_counted() {
    struct Stuck(std::sync::mpsc::Receiver<()>, Out);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (release, stuck) = std::sync::mpsc::sync_channel(0);
    let out = Out::default();
    let (log, subscriber) =
        Log::build("info".parse().unwrap(), LogFormat::Json, Box::new(Stuck(stuck, out.clone()))).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..10_000 {
            tracing::info!(n, "flood");
        }
        tracing::error!("the end");
    });
    let dropped = log.dropped();
    assert!((10_000 - 4_096..10_000).contains(&dropped), "{dropped}");
    drop(release);
    assert!(log.flush(LONG));
    let text = out.text();
    assert_eq!(text.lines().count() as u64, 10_001 - dropped);
    assert!(text.lines().last().unwrap().contains("the end"));
}
