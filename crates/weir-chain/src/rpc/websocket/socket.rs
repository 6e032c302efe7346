//! A WebSocket to a node: calls, and what it pushes.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use weir_jsonrpc::{Limits, read_answers};
use weir_model::ChainUrl;
use weir_signal::base64;

use super::frame::{Kind, decode, encode};
use crate::node::BoxFuture;
use crate::rpc::access::{Access, Stream};
use crate::rpc::answer::{self, Answered};
use crate::rpc::http::{ANSWER_BYTES_MAX, said};
use crate::words::{NodeError, NodeErrorKind};

/// What every server adds to a client's key (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Pushed messages that wait while a call's answer is awaited.
const WAITING_MAX: usize = 64;
/// Bytes of pongs that a node has not taken.
const UNSENT_MAX: usize = 64 << 10;

/// JSON-RPC on one WebSocket. Dropping it closes the connection.
pub struct Socket {
    stream: Box<dyn Stream>,
    name: String,
    within: Duration,
    next_id: u64,
    /// What was read and not understood yet.
    read: BytesMut,
    /// The message so far, where it comes in parts.
    parts: Option<Vec<u8>>,
    /// What is still to be written.
    unsent: BytesMut,
    waiting: VecDeque<Bytes>,
}

impl Socket {
    /// Connects, and changes the protocol.
    ///
    /// # Errors
    /// There is no connection, or the node does not speak WebSocket there. Nothing was asked of the node.
    pub async fn open(access: &Access, url: &ChainUrl) -> Result<Self, NodeError> {
        let within = access.timeouts().request;
        let stream = timeout(within, connected(access, url)).await.unwrap_or_else(|_| {
            let what = format!("{}: no WebSocket within {within:?}", url.shown());
            Err(NodeError::before_send(NodeErrorKind::Timeout, what))
        })?;
        Ok(Self {
            stream,
            name: url.shown(),
            within,
            next_id: 1,
            read: BytesMut::new(),
            parts: None,
            unsent: BytesMut::new(),
            waiting: VecDeque::new(),
        })
    }

    /// One call, within the chain's timeout for requests. What is pushed meanwhile waits for [`Socket::next`]. Not to be
    /// dropped before it ends unless the socket is dropped too.
    ///
    /// # Errors
    /// There is no answer, or the connection broke; it is of no use then.
    pub async fn call(&mut self, method: &str, params: &Value) -> Result<Answered, NodeError> {
        let id = self.next_id;
        self.next_id += 1;
        let deadline = Instant::now() + self.within;
        self.write(Kind::Text, answer::request(id, method, params).to_string().as_bytes())?;
        loop {
            let message = timeout_at(deadline, self.message())
                .await
                .unwrap_or_else(|_| Err(self.failed(NodeErrorKind::Timeout, "no answer in time")))?;
            let limits = Limits { bytes: ANSWER_BYTES_MAX, depth: 64, ..Limits::default() };
            if let Ok(answers) = read_answers(&message, &limits)
                && let [answer] = &*answers.answers
                && answer::number(&answer.id) == Some(id)
            {
                return answer::outcome(answer);
            }
            if self.waiting.len() == WAITING_MAX {
                return Err(self.failed(NodeErrorKind::Protocol, "it pushes, and does not answer"));
            }
            self.waiting.push_back(message);
        }
    }

    /// The next message that is no answer to a call: the whole of it. Waits for as long as it takes. Cancel safe.
    ///
    /// # Errors
    /// The connection broke; or what came is no JSON.
    pub async fn next(&mut self) -> Result<Value, NodeError> {
        let message = match self.waiting.pop_front() {
            Some(message) => message,
            None => self.message().await?,
        };
        serde_json::from_slice(&message)
            .map_err(|error| self.failed(NodeErrorKind::Protocol, &error.to_string()))
    }

    /// Asks for a sign of life; whatever the node sends next is one.
    ///
    /// # Errors
    /// The node has not taken what was sent before.
    pub fn ping(&mut self) -> Result<(), NodeError> {
        self.write(Kind::Ping, b"")
    }

    fn failed(&self, kind: NodeErrorKind, what: &str) -> NodeError {
        NodeError::unknown(kind, format!("{}: {what}", self.name))
    }

    /// Puts a frame where the next read takes it along.
    fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), NodeError> {
        if self.unsent.len() > UNSENT_MAX {
            return Err(self.failed(NodeErrorKind::Broken, "it does not read what is sent to it"));
        }
        let (mut mask, mut frame) = ([0; 4], Vec::with_capacity(payload.len() + 14));
        aws_lc_rs::rand::fill(&mut mask)
            .map_err(|_| self.failed(NodeErrorKind::Broken, "no random numbers"))?;
        encode(kind, payload, mask, &mut frame);
        self.unsent.extend_from_slice(&frame);
        Ok(())
    }

    /// The next whole message. Cancel safe: what was read or written so far is kept.
    async fn message(&mut self) -> Result<Bytes, NodeError> {
        loop {
            while let Some(message) = self.take_frame()? {
                if let Some(message) = message {
                    return Ok(message);
                }
            }
            let moved = if self.unsent.is_empty() {
                self.stream.read_buf(&mut self.read).await
            } else {
                // Bytes come in while bytes wait to go out, or both ends could wait for each other.
                let (mut from, mut to) = tokio::io::split(&mut self.stream);
                tokio::select! {
                    read = from.read_buf(&mut self.read) => read,
                    written = to.write_buf(&mut self.unsent) => match written {
                        Ok(_) if self.unsent.is_empty() => to.flush().await.map(|()| 1),
                        written => written,
                    },
                }
            };
            match moved {
                Ok(0) => return Err(self.failed(NodeErrorKind::Broken, "the connection was closed")),
                Ok(_) => {}
                Err(error) => return Err(self.failed(NodeErrorKind::Broken, &error.to_string())),
            }
        }
    }

    /// Takes a frame off what was read. `None` where there is no whole one, `Some(None)` where it ended no message.
    #[expect(clippy::option_option, reason = "no frame, a frame that ends no message, a message")]
    fn take_frame(&mut self) -> Result<Option<Option<Bytes>>, NodeError> {
        let wrong = |name: &str, what: &dyn fmt::Display| {
            NodeError::unknown(NodeErrorKind::Protocol, format!("{name}: {what}"))
        };
        let frame = decode(&self.read, ANSWER_BYTES_MAX).map_err(|error| wrong(&self.name, &error))?;
        let Some(frame) = frame else { return Ok(None) };
        let (kind, last, length) = (frame.kind, frame.last, frame.length);
        let whole = match kind {
            Kind::Ping => {
                let payload = frame.payload.to_vec();
                self.write(Kind::Pong, &payload)?;
                None
            }
            Kind::Pong => None,
            Kind::Close => return Err(self.failed(NodeErrorKind::Broken, "the node closed the WebSocket")),
            Kind::Text | Kind::Binary if self.parts.is_some() => {
                return Err(wrong(&self.name, &"a message begins within another"));
            }
            Kind::Text | Kind::Binary if last => Some(Bytes::copy_from_slice(frame.payload)),
            Kind::Text | Kind::Binary => {
                self.parts = Some(frame.payload.to_vec());
                None
            }
            Kind::Continuation => {
                let Some(mut parts) = self.parts.take() else {
                    return Err(wrong(&self.name, &"a message goes on that never began"));
                };
                if parts.len() + frame.payload.len() > ANSWER_BYTES_MAX {
                    return Err(wrong(&self.name, &"a message is too long"));
                }
                parts.extend_from_slice(frame.payload);
                if last {
                    Some(parts.into())
                } else {
                    self.parts = Some(parts);
                    None
                }
            }
        };
        self.read.advance(length);
        Ok(Some(whole))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

async fn connected(access: &Access, url: &ChainUrl) -> Result<Box<dyn Stream>, NodeError> {
    let stream = access.connect(url).await?;
    match upgrade(access, url, stream).await {
        Ok(stream) => Ok(stream),
        Err((kind, what)) => Err(NodeError::before_send(kind, format!("{}: {what}", url.shown()))),
    }
}

/// The handshake (section 4.1).
///
/// In a box, and of any stream: of a whole that holds a boxed one the compiler cannot tell that it may be sent between threads.
fn upgrade<'a, S: Stream + 'static>(
    access: &'a Access,
    url: &'a ChainUrl,
    stream: S,
) -> BoxFuture<'a, Result<Box<dyn Stream>, (NodeErrorKind, String)>> {
    Box::pin(handshake(access, url, stream))
}

async fn handshake<S: Stream + 'static>(
    access: &Access,
    url: &ChainUrl,
    stream: S,
) -> Result<Box<dyn Stream>, (NodeErrorKind, String)> {
    let broken = |error: hyper::Error| (NodeErrorKind::Broken, said(&error));
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| (NodeErrorKind::Broken, "no random numbers".to_owned()))?;
    let key = base64(&nonce);
    let request = request(access, url, &key).map_err(|error| (NodeErrorKind::Protocol, error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut connection = pin!(connection.with_upgrades());
    let mut sent = pin!(sender.send_request(request));
    // The connection ends as the protocol changes, which may be seen before the answer is.
    let (answer, driving) = tokio::select! {
        biased;
        answer = &mut sent => (answer, true),
        ended = &mut connection => {
            ended.map_err(broken)?;
            (sent.await, false)
        }
    };
    let answer = answer.map_err(broken)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer::judge(answer.status()).map_err(|error| (error.kind, error.detail))?;
        let what = format!("it answered {} where WebSocket begins with 101", answer.status());
        return Err((NodeErrorKind::Unsupported, what));
    }
    let accepted = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    if answer.headers().get(SEC_WEBSOCKET_ACCEPT).map(http::HeaderValue::as_bytes)
        != Some(base64(accepted.as_ref()).as_bytes())
    {
        return Err((NodeErrorKind::Protocol, "it did not read the key of the WebSocket".into()));
    }
    let upgraded = if driving {
        let (upgraded, ended) = tokio::join!(hyper::upgrade::on(answer), connection);
        ended.map_err(broken)?;
        upgraded
    } else {
        hyper::upgrade::on(answer).await
    };
    Ok(Box::new(TokioIo::new(upgraded.map_err(broken)?)))
}

fn request(access: &Access, url: &ChainUrl, key: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::get(&*url.target)
        .header(HOST, url.address.to_string())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key)
        .body(Empty::new())?;
    if let Some(who) = access.authorization() {
        request.headers_mut().insert(AUTHORIZATION, who.clone());
    }
    Ok(request)
}
