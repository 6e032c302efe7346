//! Lines as they come, over WebSocket.
//!
//! The store is asked twice a second for what it has of the last seconds, and what was sent already is passed over: so a
//! line that comes a little late is still seen. A client that reads slowly is asked for less often, and loses nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, mpsc, watch};
use weir_logql::ast::LogExpr;
use weir_logql::{LogQuery, StreamResult, parse_logs, run_logs};
use weir_signal::{Direction, Labels};
use xxhash_rust::xxh3::Xxh3;

use super::asked::Asked;
use super::error::ApiError;
use super::{now_ns, websocket, write};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, text};
use crate::query::params::Params;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(500);
/// How late a line may come and still be seen, in nanoseconds.
const LATE_NS: i64 = 10_000_000_000;
/// How far the clocks of those who write may be ahead, in nanoseconds.
const AHEAD_NS: i64 = 3_600_000_000_000;
/// Lines of one look.
const LINES_MAX: usize = 2_000;
/// Bytes of the lines of one message, unless a single line has more: clients refuse messages beyond 1 MiB, and in JSON
/// lines become longer.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// How long a message may take to be sent.
const SEND_TIME_MAX: Duration = Duration::from_mins(1);
/// A delay asked for is no longer than this, in seconds.
const DELAY_MAX: usize = 5;

/// Tails at once; they outlive the connections that are counted.
static PLACES: Semaphore = Semaphore::const_new(256);

/// Answers `tail`: changes protocols, and sends lines until either side ends.
pub(crate) fn tail(
    engine: &Arc<Engine>,
    caller: &Caller,
    mut request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Answer {
    let tail = match Tail::of(engine, caller, &request) {
        Ok(tail) => tail,
        Err(error) => return error.answer(),
    };
    let answer = match websocket::handshake(request.headers()) {
        Ok(answer) => answer,
        Err(refused) => return refused,
    };
    let Ok(place) = PLACES.try_acquire() else {
        return text(429, "too many tails are open; close one, or ask again later\n");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _place = place;
        // Of a client that went away during the handshake nothing is left to say.
        if let Ok(upgraded) = upgrade.await {
            tail.follow(upgraded, stop).await;
        }
    });
    answer
}

struct Tail {
    engine: Arc<Engine>,
    caller: Caller,
    logs: LogExpr,
    categorizes: bool,
    /// Lines from before that are sent at first, at most.
    history: usize,
    /// The earliest time that still can bring something new.
    from_ns: i64,
    /// How long lines are waited for before they are sent, so that late ones stand in order.
    delay_ns: i64,
    sent: Sent,
}

impl Tail {
    fn of(engine: &Arc<Engine>, caller: &Caller, request: &Request<Incoming>) -> Result<Self, ApiError> {
        let parts_of_query = request.uri().query().unwrap_or_default();
        let asked = Asked::new(Params::of_query(parts_of_query), request.headers(), now_ns());
        let logs = parse_logs(asked.query())?;
        let history = asked.limit()?;
        let delay = asked.count_or_zero("delay_for", DELAY_MAX)?;
        let from_ns = asked.bounds()?.0;
        Ok(Self {
            engine: Arc::clone(engine),
            caller: caller.clone(),
            logs,
            categorizes: asked.categorizes,
            history,
            from_ns,
            delay_ns: delay as i64 * 1_000_000_000,
            sent: Sent::default(),
        })
    }

    async fn follow(mut self, upgraded: Upgraded, mut stop: watch::Receiver<bool>) {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        // A frame must be read whole, so it is read by itself; the end of the reader is the client's.
        let (said, mut hears) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            while let Ok(what) = websocket::read(&mut read).await {
                let ends = what == websocket::Said::Close;
                if said.send(what).await.is_err() || ends {
                    return;
                }
            }
        });
        let mut first = true;
        let (code, reason) = loop {
            let (streams, more) = match self.look(first).await {
                Ok(found) => found,
                Err(error) => break (websocket::FAILED, error.message),
            };
            first = false;
            let mut sent = true;
            for part in parts(streams, MESSAGE_BYTES_MAX) {
                let message = write::tailed(&part, self.categorizes);
                let sending = tokio::time::timeout(SEND_TIME_MAX, websocket::send(&mut write, &message));
                sent = matches!(sending.await, Ok(Ok(())));
                if !sent {
                    break;
                }
            }
            if !sent {
                break (websocket::GOING_AWAY, String::new());
            }
            let pause = if more { Duration::ZERO } else { EVERY };
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {
                    break (websocket::GOING_AWAY, "the server stops".to_owned());
                }
                said = hears.recv() => said,
                () = tokio::time::sleep(pause) => Some(websocket::Said::Other),
            };
            match next {
                None | Some(websocket::Said::Close) => break (websocket::NORMAL, String::new()),
                Some(websocket::Said::Ping(payload)) => {
                    if websocket::pong(&mut write, &payload).await.is_err() {
                        break (websocket::GOING_AWAY, String::new());
                    }
                }
                Some(websocket::Said::Other) => {}
            }
        };
        reader.abort();
        let _ = tokio::time::timeout(EVERY, websocket::close(&mut write, code, &reason)).await;
    }

    /// What is new, oldest first, and whether there is more than one message holds.
    async fn look(&mut self, first: bool) -> Result<(Vec<StreamResult>, bool), ApiError> {
        let now_ns = now_ns();
        let to_ns = if self.delay_ns > 0 { now_ns - self.delay_ns } else { now_ns.saturating_add(AHEAD_NS) };
        // What there was is looked at from its end, since only the last of it is wanted.
        let limit = if first { self.history } else { self.sent.len().saturating_add(LINES_MAX) };
        let query = LogQuery {
            now_ns,
            direction: if first { Direction::Backward } else { Direction::Forward },
            by_stream_labels: self.categorizes,
            ..LogQuery::newest(self.logs.clone(), self.from_ns, to_ns, limit)
        };
        let scope = self.engine.scope(&self.caller);
        let found =
            self.engine.query(scope, None, move |engine, scope| Ok(run_logs(&query, engine.store(), scope)?));
        let mut streams = found.await.map_err(ApiError::from)?;
        let total: usize = streams.iter().map(|stream| stream.entries.len()).sum();
        for stream in &mut streams {
            if first {
                stream.entries.reverse();
            }
            let labels = &stream.labels;
            stream.entries.retain(|entry| self.sent.note(labels, entry));
        }
        streams.retain(|stream| !stream.entries.is_empty());
        let more = !first && total == limit && !streams.is_empty();
        if !more {
            self.from_ns = self.from_ns.max(now_ns - self.delay_ns - LATE_NS);
        }
        if first && total == limit {
            // What was before that is not asked for.
            self.from_ns = self.from_ns.max(self.sent.oldest_ns());
        }
        self.sent.forget_before(self.from_ns);
        Ok((streams, more))
    }
}

/// The same lines in the same order, in parts of so many bytes at most, or of one line.
fn parts(streams: Vec<StreamResult>, bytes_max: usize) -> Vec<Vec<StreamResult>> {
    let mut parts: Vec<Vec<StreamResult>> = Vec::new();
    let mut room = 0;
    for stream in streams {
        let head = stream.labels.as_encoded().len();
        let mut begun = false;
        for entry in stream.entries {
            let bytes =
                entry.line.len() + entry.metadata.as_encoded().len() + entry.parsed.as_encoded().len();
            if parts.is_empty() || bytes + if begun { 0 } else { head } > room {
                parts.push(Vec::new());
                (room, begun) = (bytes_max, false);
            }
            room = room.saturating_sub(bytes + if begun { 0 } else { head });
            let Some(part) = parts.last_mut() else { continue };
            match part.last_mut().filter(|_| begun) {
                Some(last) => last.entries.push(entry),
                None => part.push(StreamResult { labels: stream.labels.clone(), entries: vec![entry] }),
            }
            begun = true;
        }
    }
    parts
}

/// Lines that were sent, by time and what they are.
#[derive(Debug, Default)]
struct Sent(BTreeSet<(i64, u128)>);

impl Sent {
    /// Notes a line; whether it is new.
    fn note(&mut self, labels: &Labels, entry: &weir_logql::Entry) -> bool {
        let mut hash = Xxh3::new();
        for part in [labels.as_encoded(), entry.metadata.as_encoded(), entry.parsed.as_encoded(), &entry.line]
        {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        self.0.insert((entry.time_ns, hash.digest128()))
    }

    fn forget_before(&mut self, time_ns: i64) {
        self.0 = self.0.split_off(&(time_ns, 0));
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn oldest_ns(&self) -> i64 {
        self.0.first().map_or(i64::MIN, |first| first.0)
    }
}

#[cfg(test)]
mod tests {
    use weir_logql::Entry;

    use super::*;

    #[test]
    fn messages_have_bounds() {
        let check = |bytes_max: usize, expect: &str| {
            let streams = [("a", &["1111", "22", "3"][..]), ("b", &["4444444444", "5"][..])];
            let streams = streams.map(|(name, lines)| StreamResult {
                labels: Labels::from_pairs([("s", name)]).unwrap(),
                entries: lines
                    .iter()
                    .map(|line| Entry {
                        time_ns: 0,
                        line: (*line).into(),
                        metadata: Labels::empty(),
                        parsed: Labels::empty(),
                    })
                    .collect(),
            });
            let text = |stream: &StreamResult| {
                let lines: Vec<&str> = stream.entries.iter().map(|entry| &*entry.line).collect();
                format!("{}:{}", stream.labels.get("s").unwrap(), lines.join("+"))
            };
            let parts: Vec<String> = parts(streams.into(), bytes_max)
                .iter()
                .map(|part| part.iter().map(text).collect::<Vec<_>>().join(" "))
                .collect();
            assert_eq!(parts.join(" | "), expect, "{bytes_max}");
        };
        check(1000, "a:1111+22+3 b:4444444444+5");
        check(0, "a:1111 | a:22 | a:3 | b:4444444444 | b:5");
        check(12, "a:1111 | a:22+3 | b:4444444444 | b:5");
        check(20, "a:1111+22+3 | b:4444444444+5");
    }
}
