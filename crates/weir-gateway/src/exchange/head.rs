//! Step 1: read the request's head.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Poll;

use weir_head::{HeadError, Parsed, parse_request};
use weir_http::{Buf, mono_now};
use weir_model::{Failure, FailureKind, Mono, Phase};

use super::{Exchange, Why};
use crate::connection::Client;
use crate::live::ListenerLive;

/// What came of it.
pub(super) enum Read {
    /// The exchange holds a head, and the buffer what follows it.
    Head,
    /// The client closed the connection between requests, or went away within a head.
    Gone,
    /// No byte was there after all: the runtime takes a fresh connection for readable. It goes on waiting, without a
    /// buffer.
    Nothing,
    /// The bytes are refused.
    Refused(Failure, Why),
}

/// Reads until the head is complete. The clock runs from its first byte; a slow sender holds a buffer for that long and
/// nothing else.
pub(super) async fn read(client: &mut Client, exchange: &mut Exchange, listener: &ListenerLive) -> Read {
    let limits = &listener.head_limits;
    let mut deadline: Option<Mono> = None;
    // Bytes that were looked at in vain: another look is worth while once a further line has come.
    let mut looked_at = 0;
    poll_fn(|cx| {
        loop {
            let Client { stream, buf, timer, .. } = client;
            let buf = buf.get_or_insert_with(Buf::take);
            let fresh = buf.data().get(looked_at..).unwrap_or_default();
            if !fresh.is_empty() && (looked_at == 0 || fresh.contains(&b'\n') || buf.is_full()) {
                match parse_request(buf.data(), limits, &mut exchange.request) {
                    Ok(Parsed::Complete(len)) => {
                        buf.consume(len);
                        exchange.times.started = mono_now();
                        return Poll::Ready(Read::Head);
                    }
                    Ok(Parsed::Partial) => {
                        looked_at = buf.len();
                        // The parser refuses what is larger than the limit, so this ends.
                        if buf.is_full() {
                            buf.grow();
                        }
                    }
                    Err(error) => return Poll::Ready(refuse(error)),
                }
            }
            match stream.try_read(buf.space()) {
                Ok(0) => return Poll::Ready(Read::Gone),
                Ok(count) => buf.filled(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if stream.poll_readable(cx).is_ready() {
                        continue;
                    }
                    if buf.is_empty() {
                        return Poll::Ready(Read::Nothing);
                    }
                    if deadline.is_none() {
                        deadline = Some(mono_now().after(listener.model.timeouts.head));
                        timer.set(deadline.unwrap_or(Mono::NEVER));
                    }
                    if timer.poll_expired(cx) {
                        let failure = Failure::new(FailureKind::RequestHeadTimeout, Phase::Head);
                        return Poll::Ready(Read::Refused(failure, Why::Nothing));
                    }
                    return Poll::Pending;
                }
                Err(_) => return Poll::Ready(Read::Gone),
            }
        }
    })
    .await
}

fn refuse(error: HeadError) -> Read {
    let kind = match error {
        HeadError::TooLarge | HeadError::TooManyFields => FailureKind::RequestHeadTooLarge,
        HeadError::TargetTooLong => FailureKind::TargetTooLong,
        _ => FailureKind::RequestProtocolError,
    };
    let why = match error {
        HeadError::TooLarge => "the head is larger than the listener allows",
        HeadError::TooManyFields => "the head has more fields than the listener allows",
        HeadError::TargetTooLong => "the request target is longer than the listener allows",
        HeadError::RequestLine => "the request line is malformed",
        HeadError::StatusLine => "the status line is malformed",
        HeadError::Version => "the HTTP version is not supported on this port",
        HeadError::Target => "the request target is malformed",
        HeadError::FieldName => "a field name is malformed",
        HeadError::FieldValue => "a field value holds a control character",
        HeadError::LineEnd => "a line does not end in CRLF",
        HeadError::AmbiguousLength => "the body's length is ambiguous",
        HeadError::TransferCoding => "the transfer coding is not supported",
        HeadError::Host => "the Host field is missing, repeated or malformed",
    };
    Read::Refused(Failure::new(kind, Phase::Head), Why::Text(why))
}
