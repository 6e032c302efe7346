//! Both ways of an upgraded connection: bytes, until both sides have ended or nothing moves for too long.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use weir_head::Framing;
use weir_http::{Buf, mono_now};
use weir_model::Mono;

use crate::connection::Client;
use crate::flow::{Coding, Flow};
use crate::pool::Upstream;
use crate::worker::Worker;

/// Two connections that were switched to another protocol. It holds no snapshot: changes of configuration neither end it
/// nor are kept alive by it.
pub(crate) struct Tunnel {
    upstream: Upstream,
    down: Flow,
    idle: Option<Duration>,
    _counted: Counted,
}

struct Counted(std::sync::Arc<crate::shared::Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Tunnel {
    /// A tunnel that begins with the bytes of the 101.
    pub(super) fn new(worker: &Worker, first: Vec<u8>, upstream: Upstream, idle: Option<Duration>) -> Self {
        let mut down = Flow::default();
        down.start(Framing::UntilClose, Coding::Identity, u64::MAX);
        down.out = first;
        worker.shared.tunnels.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self { upstream, down, idle, _counted: Counted(worker.shared.clone()) }
    }

    /// Moves bytes until the end. A side that ends is told to the other, which may go on (TCP's half-close).
    pub(crate) async fn run(mut self, mut client: Client) {
        let mut up = Flow::default();
        up.start(Framing::UntilClose, Coding::Identity, u64::MAX);
        let (mut up_open, mut down_open) = (true, true);
        let mut moved = u64::MAX;
        poll_fn(|cx| {
            let Client { stream, buf, timer, .. } = &mut client;
            let upstream = &mut self.upstream;
            if up_open {
                let from = buf.get_or_insert_with(Buf::take);
                match up.poll(cx, stream, from, &mut upstream.stream) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => {
                        up_open = false;
                        upstream.stream.finish();
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                }
                if from.is_empty() {
                    *buf = None;
                }
            }
            if down_open {
                let from = upstream.buf.get_or_insert_with(Buf::take);
                match self.down.poll(cx, &mut upstream.stream, from, stream) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => {
                        down_open = false;
                        stream.finish();
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                }
                if from.is_empty() {
                    upstream.buf = None;
                }
            }
            if !up_open && !down_open {
                return Poll::Ready(());
            }
            let so_far = up.wire_bytes + self.down.wire_bytes;
            if so_far != moved {
                moved = so_far;
                timer.set(self.idle.map_or(Mono::NEVER, |idle| mono_now().after(idle)));
            }
            if timer.poll_expired(cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
