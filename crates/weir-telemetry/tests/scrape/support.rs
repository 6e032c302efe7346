//! A target that answers what it is told to, a Weir that scrapes it, and ways to look at what became of that.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use weir_model::ScrapeJob;
use weir_signal::{
    Labels, Limits, MatchOp, Matcher, Points, Scope, SeriesSelect, SeriesSource, Tenant, is_stale,
};
use weir_store::Store;
use weir_telemetry::Server;

/// What a target answers.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
}

/// 200 with a content type.
pub(crate) fn answer(content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let headers = vec![("content-type", content_type.to_owned())];
    Answer { status: 200, headers, body: body.into(), delay: Duration::ZERO }
}

/// Prometheus' text.
pub(crate) fn text(body: &str) -> Answer {
    answer("text/plain; version=0.0.4", body)
}

#[derive(Default)]
struct State {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<(String, HeaderMap)>>,
    connections: AtomicUsize,
}

/// A program with metrics.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _task: JoinSet<()>,
}

impl Target {
    pub(crate) async fn start(first: Answer) -> Self {
        Self::start_with(first, None).await
    }

    pub(crate) async fn start_with(first: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { answer: Mutex::new(first), ..State::default() });
        let mut task = JoinSet::new();
        task.spawn(serve(listener, state.clone(), tls));
        Self { address, state, _task: task }
    }

    pub(crate) fn says(&self, answer: Answer) {
        *self.state.answer.lock().unwrap() = answer;
    }

    /// Paths and headers so far.
    pub(crate) fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Waits until it was asked `times` more times, and until what it said before the last of them is in the store.
    pub(crate) async fn asked(&self, times: usize) {
        let before = self.requests().len();
        eventually("more requests", || self.requests().len() > before + times).await;
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.connections.fetch_add(1, Ordering::Relaxed);
        let (state, tls) = (state.clone(), tls.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let state = state.clone();
                async move {
                    let asked = (request.uri().to_string(), request.headers().clone());
                    let answer = state.answer.lock().unwrap().clone();
                    state.requests.lock().unwrap().push(asked);
                    tokio::time::sleep(answer.delay).await;
                    let moved = request.uri().path() == "/moved";
                    let mut response = Response::builder().status(if moved { 302 } else { answer.status });
                    for (name, value) in answer.headers {
                        response = response.header(name, value);
                    }
                    if moved {
                        response = response.header("location", "metrics?from=moved");
                    }
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer.body))).unwrap())
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = match tls {
                None => http.serve_connection(TokioIo::new(stream), service).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => return,
                },
            };
        });
    }
}

/// What was written last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Last {
    Nothing,
    Ended,
    Value(f64),
}

impl Last {
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Ended => None,
        }
    }
}

/// A store that scrapes.
pub(crate) struct Weir {
    pub(crate) server: Server,
    store: Store,
    pub(crate) folder: TempDir,
}

/// The jobs that a configuration's list says. Where one says no timeout, it is the interval.
pub(crate) fn jobs(list: &str) -> Vec<Arc<ScrapeJob>> {
    let mut text = "version: 1\nstore:\n  scrape:\n".to_owned();
    let mut parts = list.split("interval: ");
    text.extend(parts.next());
    for part in parts {
        let (time, rest) = part.split_at(part.find([',', '}', '\n']).unwrap());
        let more = if rest.starts_with('\n') { "\n      " } else { ", " };
        let said = rest.trim_start_matches([',', ' ', '\n']).starts_with("timeout:");
        let timeout = if said { String::new() } else { format!("{more}timeout: {time}") };
        text.extend(["interval: ", time, &timeout, rest]);
    }
    let loaded = weir_config::load(&weir_config::Source { name: "test", text: &text, base: Path::new("/") });
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}\n{text}", loaded.diagnostics));
    model.store.unwrap().scrape.clone()
}

impl Weir {
    pub(crate) async fn start(list: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, list).await
    }

    pub(crate) async fn start_in(folder: TempDir, list: &str) -> Self {
        let mut telemetry = weir_config::default_store();
        telemetry.path = Some(folder.path().join("store"));
        telemetry.http = vec!["127.0.0.1:0".parse().unwrap()];
        telemetry.grpc = Vec::new();
        telemetry.jaeger_udp = None;
        telemetry.scrape = jobs(list);
        let (store, _, _) = weir_telemetry::open(&telemetry).unwrap();
        let server = Server::start(store.clone(), Arc::new(telemetry)).await.unwrap();
        Self { server, store, folder }
    }

    /// All samples of a metric: labels, times, values.
    pub(crate) fn samples(&self, name: &str) -> Vec<(Labels, Points)> {
        let scope = Scope::new(Tenant::default(), Limits::default());
        let select = SeriesSelect {
            matchers: vec![Matcher::new("__name__", MatchOp::Equal, name).unwrap()],
            from_ms: 0,
            to_ms: i64::MAX / 2,
            ..SeriesSelect::default()
        };
        let mut stream = self.store.select(&scope, &select).unwrap();
        let (mut all, mut points) = (Vec::new(), Points::default());
        while let Some(labels) = stream.next(&mut points).unwrap() {
            all.push((labels, std::mem::take(&mut points)));
        }
        all
    }

    /// The last value of the series that has `part` among its labels.
    pub(crate) fn last(&self, name: &str, part: &str) -> Last {
        let all = self.samples(name);
        let found = all.iter().find(|(labels, _)| labels.to_string().contains(part));
        match found.and_then(|(_, points)| points.values.last().copied()) {
            None => Last::Nothing,
            Some(value) if is_stale(value) => Last::Ended,
            Some(value) => Last::Value(value),
        }
    }

    /// Waits until the last value is this.
    pub(crate) async fn becomes(&self, name: &str, part: &str, value: f64) {
        let what = format!("{name} {part} to be {value:?}");
        eventually(&what, || self.last(name, part) == Last::Value(value)).await;
    }

    /// Waits until the series has ended.
    pub(crate) async fn ends(&self, name: &str, part: &str) {
        eventually(&format!("the end of {name} {part}"), || self.last(name, part) == Last::Ended).await;
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// An answer of Prometheus' interface.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.server.http_addresses()[0]).await.unwrap();
        let request = format!("GET /api/v1/{path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
        serde_json::from_str::<Value>(body).unwrap()["data"].clone()
    }

    /// The only active target of a job.
    pub(crate) async fn target(&self, job: &str) -> Value {
        self.get(&format!("targets?scrapePool={job}")).await["activeTargets"][0].clone()
    }

    /// Waits until the last scrape of a job's only target failed, and said so.
    pub(crate) async fn fails(&self, job: &str, part: &str) {
        let begun = Instant::now();
        loop {
            let seen = self.target(job).await;
            let error = seen["lastError"].as_str().unwrap_or_default();
            if error.contains(part) && seen["health"] == "down" {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain for `{part}`: {seen}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop(self) -> (Store, TempDir) {
        self.server.stop().await;
        (self.store, self.folder)
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
