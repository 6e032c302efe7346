//! One step of rustls' state machine over our own buffers.

use std::fmt;

use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};

use super::record_buf::RecordBuf;

/// What a record adds at most: header, explicit nonce, content type, tag.
const RECORD_OVERHEAD: usize = 64;

/// Either side of a connection, from its first byte to its last.
pub(super) enum Machine {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What is to be done as soon as the state allows it.
#[derive(Clone, Copy)]
pub(super) enum Goal<'a> {
    /// Only process what has arrived.
    Receive,
    /// Encrypt these bytes (not none, at most one record).
    Send(&'a [u8]),
    /// Say that nothing more will be sent.
    Close,
}

/// What a step did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Went on; there may be more to process.
    Progress,
    /// Put plaintext into the sink; there may be more to process.
    Plaintext,
    /// Everything that arrived is processed and the goal is reached.
    Reached,
    /// Everything that arrived is processed; more has to arrive before the goal can be reached.
    Starved,
    /// The peer said that it sends no more. Seen once.
    PeerClosed,
    /// Both sides said so.
    Closed,
}

/// Where plaintext goes: to the reader first, what does not fit there behind it.
pub(super) struct Sink<'a> {
    pub(super) reader: &'a mut [u8],
    pub(super) read: usize,
    pub(super) rest: &'a mut RecordBuf,
}

impl Sink<'_> {
    fn push(&mut self, bytes: &[u8]) {
        // Order: once something waits behind, all that follows has to.
        let direct = if self.rest.is_empty() { bytes.len().min(self.reader.len() - self.read) } else { 0 };
        self.reader[self.read..self.read + direct].copy_from_slice(&bytes[..direct]);
        self.read += direct;
        if direct < bytes.len() {
            self.rest.push(&bytes[direct..]);
        }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the state itself: it holds keys.
        f.write_str(match self {
            Self::Server(_) => "server",
            Self::Client(_) => "client",
        })
    }
}

impl Machine {
    /// Processes `incoming` up to the next thing that matters, appending what has to be sent to `outgoing`.
    ///
    /// rustls demands that every state is handled before the next step, which this function does in itself. After an
    /// error, steps may be made only while something is queued to be sent, to fetch the alert.
    #[inline]
    pub(super) fn step(
        &mut self,
        incoming: &mut RecordBuf,
        outgoing: &mut RecordBuf,
        sink: &mut Sink<'_>,
        goal: Goal<'_>,
    ) -> Result<Step, Error> {
        let (discard, done) = match self {
            Self::Server(server) => {
                handle(server.process_tls_records(incoming.data_mut()), outgoing, sink, goal)
            }
            Self::Client(client) => {
                handle(client.process_tls_records(incoming.data_mut()), outgoing, sink, goal)
            }
        };
        incoming.consume(discard);
        done
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// What is known of the connection on both sides.
    pub(super) fn common(&self) -> &rustls::CommonState {
        match self {
            Self::Server(server) => server,
            Self::Client(client) => client,
        }
    }
}

fn handle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    outgoing: &mut RecordBuf,
    sink: &mut Sink<'_>,
    goal: Goal<'_>,
) -> (usize, Result<Step, Error>) {
    let mut discard = status.discard;
    let state = match status.state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let step = match state {
        ConnectionState::ReadTraffic(mut traffic) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.push(record.payload);
                }
                Some(Err(error)) => return (discard, Err(error)),
                None => break Step::Plaintext,
            }
        },
        ConnectionState::EncodeTlsData(mut encode) => {
            let mut room = RECORD_OVERHEAD;
            loop {
                match encode.encode(outgoing.space(room)) {
                    Ok(count) => break outgoing.filled(count),
                    Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
                    Err(EncodeError::AlreadyEncoded) => break,
                }
            }
            Step::Progress
        }
        ConnectionState::TransmitTlsData(transmit) => {
            // It is in `outgoing`, which is always sent before anything that follows.
            transmit.done();
            Step::Progress
        }
        ConnectionState::BlockedHandshake => Step::Starved,
        ConnectionState::WriteTraffic(traffic) => match write(traffic, outgoing, goal) {
            Ok(()) => Step::Reached,
            Err(error) => return (discard, Err(error)),
        },
        ConnectionState::PeerClosed => Step::PeerClosed,
        ConnectionState::Closed => Step::Closed,
        // Early data is not enabled on either side.
        _ => return (discard, Err(Error::General("unexpected state".into()))),
    };
    (discard, Ok(step))
}

#[inline]
fn write<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    outgoing: &mut RecordBuf,
    goal: Goal<'_>,
) -> Result<(), Error> {
    let mut room = RECORD_OVERHEAD
        + match goal {
            Goal::Send(bytes) => bytes.len(),
            Goal::Receive | Goal::Close => 0,
        };
    loop {
        let done = match goal {
            Goal::Receive => return Ok(()),
            Goal::Send(bytes) => traffic.encrypt(bytes, outgoing.space(room)),
            Goal::Close => traffic.queue_close_notify(outgoing.space(room)),
        };
        match done {
            Ok(count) => {
                outgoing.filled(count);
                return Ok(());
            }
            // A key update or a warning was queued before it.
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => {
                return Err(Error::General("the connection's keys are used up".into()));
            }
        }
    }
}
