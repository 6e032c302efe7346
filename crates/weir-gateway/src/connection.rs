//! One client connection: handshake, then one request after the other.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use weir_http::tls::{self, HandshakeError};
use weir_http::{Buf, Stream, Timer, mono_now};
use weir_model::{Mono, Principal};

use crate::exchange::{self, Next};
use crate::live::{ListenerLive, ListenerState};
use crate::worker::Worker;

/// How long, and for how many bytes, a closed connection is still read, so that the client gets the answer that closed it
/// and not a reset (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// A client's connection. While it is idle it holds no buffer.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) buf: Option<Buf>,
    pub(crate) timer: Timer,
    /// The listener's address: names the listener across changes of everything else about it.
    pub(crate) address: SocketAddr,
    /// The listener as the last request found it.
    pub(crate) listener: Arc<ListenerLive>,
    pub(crate) secure: bool,
    pub(crate) principal: Principal,
    /// When its last exchange ended; none yet for a fresh one.
    pub(crate) idle_since: Option<Mono>,
    /// The peer's address as it stands in `X-Forwarded-For`.
    pub(crate) peer_text: String,
}

impl Client {
    pub(crate) fn buf(&mut self) -> &mut Buf {
        self.buf.get_or_insert_with(Buf::take)
    }

    /// Whether bytes of a further request are here already.
    pub(crate) fn has_more(&self) -> bool {
        self.buf.as_ref().is_some_and(|buf| !buf.is_empty())
    }

    /// Gives the buffer back where it holds nothing.
    pub(crate) fn release_buf(&mut self) {
        if !self.has_more() {
            self.buf = None;
        }
    }
}

/// Counts a connection for as long as it is open, however its task ends.
struct Counted<'a> {
    worker: &'a Worker,
    key: usize,
    state: Arc<ListenerState>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.worker.left(self.key);
        self.state.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(worker: Rc<Worker>, tcp: TcpStream, peer: SocketAddr, listener: Arc<ListenerLive>) {
    let key = poll_fn(|cx| Poll::Ready(worker.joined(cx.waker().clone()))).await;
    let _counted = Counted { worker: &worker, key, state: listener.state.clone() };
    // An answer's last piece must not wait for an acknowledgement.
    let _ = tcp.set_nodelay(true);
    let mut principal = Principal::of_peer(peer);
    let address = listener.model.address;
    let secure = listener.tls.is_some();
    let stream = if secure {
        // Boxed: the handshake's state is large, and most of a connection's life comes after it.
        match Box::pin(handshake(tcp, &listener, &mut principal)).await {
            Some(stream) => stream,
            None => return,
        }
    } else {
        Stream::Plain(tcp)
    };
    let peer_text = principal.address.to_string();
    let mut client = Client {
        stream,
        buf: None,
        timer: Timer::default(),
        address,
        listener,
        secure,
        principal,
        idle_since: None,
        peer_text,
    };
    while wait_for_request(&worker, &mut client).await {
        let mut exchange = worker.take_exchange();
        let next = exchange::run(&worker, &mut client, &mut exchange).await;
        worker.give_exchange(exchange);
        match next {
            Next::Request => {}
            Next::Close => {
                client.stream.finish();
                return;
            }
            Next::Linger => return linger(&mut client).await,
            Next::Tunnel(tunnel) => return tunnel.run(client).await,
            Next::Abort => {
                // A length that can no longer be kept must not look like one that was.
                let _ = socket2::SockRef::from(client.stream.tcp()).set_linger(Some(Duration::ZERO));
                return;
            }
        }
    }
    client.stream.finish();
}

async fn handshake(tcp: TcpStream, listener: &ListenerLive, principal: &mut Principal) -> Option<Stream> {
    let config = listener.tls.as_ref()?;
    let deadline = mono_now().after(listener.model.timeouts.handshake);
    match tls::accept(tcp, config, deadline).await {
        Ok((stream, info)) => {
            principal.certificate = info.client_certificate.map(|c| c.subject.into());
            Some(Stream::Tls(stream))
        }
        Err(HandshakeError::PlainHttp(tcp)) => {
            listener.state.handshake_failures.fetch_add(1, Ordering::Relaxed);
            let _ = tcp.try_write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 50\r\n\
                  connection: close\r\n\r\nweir: this port speaks TLS: use https:// to reach\n",
            );
            None
        }
        Err(error) => {
            listener.state.handshake_failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(listener = %listener.model.id, peer = %principal.peer, %error, "TLS handshake failed");
            None
        }
    }
}

/// Waits until bytes of a request are there. False when the connection should end instead: the client closed it, was idle
/// for too long, the listener is gone, or the worker drains.
async fn wait_for_request(worker: &Worker, client: &mut Client) -> bool {
    if client.has_more() {
        return true;
    }
    client.buf = None;
    client.stream.release_memory();
    let mut armed = false;
    poll_fn(|cx| {
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if worker.is_draining() {
            return Poll::Ready(false);
        }
        let published = worker.published();
        let Some(listener) = published.listener_at(client.address) else { return Poll::Ready(false) };
        if !armed {
            armed = true;
            let timeouts = &listener.model.timeouts;
            client.timer.set(match client.idle_since {
                Some(since) => since.after(timeouts.idle),
                // A connection that has not sent anything yet gets as long as a head may take, and no longer.
                None => mono_now().after(timeouts.head),
            });
        }
        if client.timer.poll_expired(cx) { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

/// Ends our side, then reads and drops what the client still sends, within bounds.
async fn linger(client: &mut Client) {
    client.stream.finish();
    client.timer.set(mono_now().after(LINGER));
    let mut left = LINGER_BYTES_MAX;
    client.buf().clear();
    poll_fn(|cx| {
        loop {
            let Client { stream, buf, timer, .. } = client;
            let buf = buf.get_or_insert_with(Buf::take);
            match stream.try_read(buf.space()) {
                Ok(0) => return Poll::Ready(()),
                Ok(count) if count < left => left -= count,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    if stream.poll_readable(cx).is_pending() {
                        return if timer.poll_expired(cx) { Poll::Ready(()) } else { Poll::Pending };
                    }
                }
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}
