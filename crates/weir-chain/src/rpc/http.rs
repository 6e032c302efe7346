//! Exchanges over HTTP/1.1, on connections that are kept.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use weir_model::ChainUrl;

use super::access::Access;
use crate::words::{NodeError, NodeErrorKind};

/// A longer answer is an error. A block of Tendermint's largest (100 MiB) does not fit; its default (21 MiB of transactions
/// before version 0.38, written in base64) does.
pub const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Connections to one node that rest between exchanges.
const IDLE_MAX: usize = 16;
/// How long one rests at most. CometBFT closes its own after ten seconds.
const IDLE_FOR: Duration = Duration::from_secs(5);

const AGENT: &str = concat!("Weir/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Whole = Request<Full<Bytes>>;

/// One server's door over HTTP/1.1. Any number of exchanges may be under way, each on a connection of its own.
///
/// No task drives the connections: an exchange does, and between exchanges they rest.
pub struct Http {
    access: Access,
    url: ChainUrl,
    idle: Mutex<Vec<Connection>>,
}

impl Http {
    /// Connects nowhere yet.
    pub fn new(access: Access, url: ChainUrl) -> Self {
        Self { access, url, idle: Mutex::default() }
    }

    /// How it is reached.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Where it is.
    pub fn url(&self) -> &ChainUrl {
        &self.url
    }

    /// Posts JSON to `target`, a path with query, and reads the whole answer. It ends within `within`, connecting included.
    ///
    /// Of a status nothing is thought here.
    ///
    /// # Errors
    /// [`Effect::BeforeSend`](crate::words::Effect::BeforeSend) where no byte of the request left; unknown from there on.
    pub async fn post(
        &self,
        target: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), NodeError> {
        let deadline = Instant::now() + within;
        let mut request = self.request(target, body)?;
        while let Some(connection) = self.kept().await {
            match self.exchange(connection, request, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::NotSent { request: whole, .. }) => request = whole,
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        let opened = async {
            let stream = self.access.connect(&self.url).await?;
            Connection::open(TokioIo::new(stream)).await.map_err(|why| self.not_sent(&why))
        };
        let connection = timeout_at(deadline, opened).await.unwrap_or_else(|_| {
            Err(NodeError::before_send(
                NodeErrorKind::Timeout,
                self.says(format!("no connection within {within:?}")),
            ))
        })?;
        match self.exchange(connection, request, deadline).await {
            Ok(answer) => Ok(answer),
            Err(Failed::NotSent { why, .. }) => Err(self.not_sent(&why)),
            Err(Failed::Error(error)) => Err(error),
        }
    }

    fn not_sent(&self, why: &hyper::Error) -> NodeError {
        NodeError::before_send(NodeErrorKind::Broken, self.says(said(why)))
    }

    fn says(&self, what: impl fmt::Display) -> String {
        format!("{}: {what}", self.url.shown())
    }

    fn request(&self, target: &str, body: Bytes) -> Result<Whole, NodeError> {
        let wrong = |error: http::Error| NodeError::before_send(NodeErrorKind::Protocol, error.to_string());
        let mut request = Request::post(target)
            .header(HOST, self.url.address.to_string())
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, JSON)
            .body(Full::new(body))
            .map_err(wrong)?;
        if let Some(who) = self.access.authorization() {
            request.headers_mut().insert(AUTHORIZATION, who.clone());
        }
        Ok(request)
    }

    /// A connection that rests and is still open.
    async fn kept(&self) -> Option<Connection> {
        loop {
            let next = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = next?;
            if connection.rests_since.elapsed() < IDLE_FOR && connection.is_open().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            connection.rests_since = Instant::now();
            idle.push(connection);
        }
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        request: Whole,
        deadline: Instant,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let unknown = |kind, what: String| Failed::Error(NodeError::unknown(kind, self.says(what)));
        let exchanged = timeout_at(deadline, connection.exchange(request)).await;
        let Ok(exchanged) = exchanged else {
            return Err(unknown(NodeErrorKind::Timeout, "no answer in time".into()));
        };
        match exchanged {
            Ok(answer) => {
                if connection.open {
                    self.keep(connection);
                }
                Ok(answer)
            }
            Err(Broken::NotSent { request, why }) => Err(Failed::NotSent { request, why }),
            Err(Broken::Lost(why)) => Err(unknown(NodeErrorKind::Broken, said(&why))),
            Err(Broken::TooLong) => {
                let what = format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
                Err(unknown(NodeErrorKind::Protocol, what))
            }
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.shown())
    }
}

#[expect(clippy::large_enum_variant, reason = "one at a time, and seldom")]
enum Failed {
    NotSent { request: Whole, why: hyper::Error },
    Error(NodeError),
}

/// How an exchange ended without an answer.
#[expect(clippy::large_enum_variant, reason = "one at a time, and seldom")]
enum Broken {
    /// Nothing was written: the request may be sent elsewhere.
    NotSent {
        request: Whole,
        why: hyper::Error,
    },
    Lost(hyper::Error),
    TooLong,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves bytes while an exchange is under way.
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    open: bool,
    rests_since: Instant,
}

impl Connection {
    async fn open<S>(stream: S) -> Result<Self, hyper::Error>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(stream).await?;
        // How it ended is told to whoever waits for an answer.
        let driver = Box::pin(async move { drop(connection.await) });
        Ok(Self { sender, driver, open: true, rests_since: Instant::now() })
    }

    /// Looks whether the server closed it meanwhile.
    async fn is_open(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.driver.as_mut().poll(cx).is_pending())).await && self.sender.is_ready()
    }

    async fn exchange(&mut self, request: Whole) -> Result<(StatusCode, Bytes), Broken> {
        let Self { sender, driver, open, .. } = self;
        let asked = async {
            if let Err(why) = sender.ready().await {
                return Err(Broken::NotSent { request, why });
            }
            let answer =
                sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                    Some(request) => Broken::NotSent { request, why: error.into_error() },
                    None => Broken::Lost(error.into_error()),
                })?;
            let (head, body) = answer.into_parts();
            Ok((head.status, collect(body).await?))
        };
        let mut asked = pin!(asked);
        loop {
            tokio::select! {
                biased;
                answer = &mut asked => return answer,
                () = driver.as_mut(), if *open => *open = false,
            }
        }
    }
}

async fn collect(mut body: Incoming) -> Result<Bytes, Broken> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Broken::Lost)?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(Broken::TooLong);
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.into())
}

/// An error with all that lies behind it.
pub(super) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
