//! WebSocket (RFC 6455), as much of it as a server needs that speaks and only listens for the end: text goes out, pings
//! are answered, whatever else comes is passed over.

use std::io;

use aws_lc_rs::digest;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use weir_signal::{base64, unbase64};

use crate::http::{Answer, text, whole};

/// What every server adds to a client's key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A message of a client's that is longer ends the connection: it has nothing to say.
const MESSAGE_BYTES_MAX: u64 = 64 << 10;

/// Why a connection is closed (section 7.4.1).
pub(super) const NORMAL: u16 = 1000;
pub(super) const GOING_AWAY: u16 = 1001;
pub(super) const FAILED: u16 = 1011;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// The answer that changes protocols, or why the request cannot be one for that (section 4.2).
pub(super) fn handshake(headers: &HeaderMap) -> Result<Answer, Answer> {
    let lists = |name: http::header::HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    if !lists(UPGRADE, "websocket") || !lists(CONNECTION, "upgrade") {
        return Err(text(
            400,
            "this speaks WebSocket only: send `Connection: Upgrade` and `Upgrade: websocket`\n",
        ));
    }
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|key| unbase64(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16));
    let version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version.as_bytes() == b"13");
    let (Some(key), true) = (key, version) else {
        let mut refused = text(400, "the WebSocket handshake needs a key, and version 13\n");
        refused.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(refused);
    };
    let mut answer = Answer::new(whole(Vec::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(answer)
}

/// What proves that a client's key was read.
fn accept(key: &[u8]) -> String {
    base64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()).as_ref())
}

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Answer with these bytes.
    Ping(Vec<u8>),
    /// It goes.
    Close,
    /// Nothing that matters.
    Other,
}

/// Reads one frame. Not to be dropped half-way: what was read of it would be lost.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Said> {
    let first = from.read_u8().await?;
    let second = from.read_u8().await?;
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if second & 0x80 == 0 {
        return Err(invalid("a client's frames are masked"));
    }
    let length = match second & 0x7f {
        126 => from.read_u16().await?.into(),
        127 => from.read_u64().await?,
        short => u64::from(short),
    };
    let kind = first & 0xf;
    if (kind & 0x8 != 0 && length > 125) || length > MESSAGE_BYTES_MAX {
        return Err(invalid("the frame is too long"));
    }
    let mut mask = [0; 4];
    from.read_exact(&mut mask).await?;
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload).await?;
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    Ok(match kind {
        CLOSE => Said::Close,
        PING => Said::Ping(payload),
        _ => Said::Other,
    })
}

async fn frame(to: &mut (impl AsyncWrite + Unpin), kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut head = vec![0x80 | kind];
    match payload.len() {
        short @ 0..=125 => head.push(short as u8),
        medium @ 126..=0xffff => {
            head.push(126);
            head.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            head.push(127);
            head.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    to.write_all(&head).await?;
    to.write_all(payload).await?;
    to.flush().await
}

/// Sends a message.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    frame(to, TEXT, message).await
}

/// Answers a ping.
pub(super) async fn pong(to: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> io::Result<()> {
    frame(to, PONG, payload).await
}

/// Says that nothing more comes, and why.
pub(super) async fn close(to: &mut (impl AsyncWrite + Unpin), code: u16, reason: &str) -> io::Result<()> {
    let mut end = reason.len().min(120);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(to, CLOSE, &payload).await?;
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_accepted_as_the_rfc_says() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut headers = HeaderMap::new();
        assert_eq!(handshake(&headers).unwrap_err().status(), 400);
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        assert_eq!(handshake(&headers).unwrap_err().status(), 400);
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let answer = handshake(&headers).unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn frames_are_read_and_written() {
        let check = async |bytes: &[u8], expect: Option<Said>| {
            assert_eq!(read(&mut &*bytes).await.ok(), expect, "{bytes:x?}");
        };
        check(&[0x89, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2], Some(Said::Ping(b"ab".to_vec()))).await;
        check(&[0x88, 0x80, 0, 0, 0, 0], Some(Said::Close)).await;
        check(&[0x81, 0x81, 0, 0, 0, 0, b'x'], Some(Said::Other)).await;
        // Unmasked, too long for a ping, too long at all, cut off.
        check(&[0x89, 0x01, b'x'], None).await;
        check(&[0x89, 0xfe, 0, 126, 0, 0, 0, 0], None).await;
        check(&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], None).await;
        check(&[0x81, 0x85, 0, 0, 0, 0, b'x'], None).await;
        let mut out = Vec::new();
        send(&mut out, &[b'a'; 200]).await.unwrap();
        assert_eq!(out[..4], [0x81, 126, 0, 200]);
        out.clear();
        close(&mut out, NORMAL, &"é".repeat(100)).await.unwrap();
        assert_eq!(out[..4], [0x88, 122, 0x03, 0xe8]);
    }
}
