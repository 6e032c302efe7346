//! One request and its answer. [`run`] is the request path; each step is a file, in this order.
//!
//! ```text
//! head → route → filters → admit → send (pick, connect, forward, retry) → pass (or answer) → record
//! ```

mod admit;
mod answer;
mod connect;
mod copy;
mod head;
mod hedge;
mod pass;
mod record;
mod route;
mod rpc;
mod send;
mod stage;
mod tunnel;
mod wait;

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use weir_emit::ids::{RequestId, TraceParent};
use weir_head::{Framing, RequestHead, ResponseHead};
use weir_model::{Failure, Mono};

pub(crate) use answer::Reply;
pub(crate) use copy::send_copy;
pub(crate) use rpc::{Calls, Meaning};
pub(crate) use tunnel::Tunnel;

use crate::connection::Client;
use crate::filters::copy_request;
use crate::flow::Flow;
use crate::live::{ListenerLive, RouteLive, ServiceLive};
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// What becomes of the client's connection after an exchange.
pub(crate) enum Next {
    /// It may carry another request.
    Request,
    /// It is closed.
    Close,
    /// It is closed, but read for a while, since the client may still be sending.
    Linger,
    /// It is reset, since the answer broke off.
    Abort,
    /// It becomes a tunnel.
    Tunnel(Box<Tunnel>),
}

/// The state of one exchange. Recycled, so that the steady state allocates nothing.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) request: RequestHead,
    pub(crate) response: ResponseHead,
    /// Client to endpoint.
    pub(crate) up: Flow,
    /// Endpoint to client.
    pub(crate) down: Flow,
    /// The request's body, where it is held to be sent again.
    pub(crate) held: Vec<u8>,
    /// Whether `held` is the whole body.
    pub(crate) held_all: bool,
    /// Field lines that a filter adds to whatever answer there will be.
    pub(crate) answer_fields: Vec<u8>,
    /// The address that limits and hashes see.
    pub(crate) address: Option<IpAddr>,
    pub(crate) ids: Option<Ids>,
    /// The protocol that the client asks to switch to and may.
    pub(crate) upgrade: Option<Vec<u8>>,
    /// Whether a copy goes to the route's mirror.
    pub(crate) copy: bool,
    /// Bytes of the path that the route's prefix covers.
    pub(crate) matched_prefix: usize,
    pub(crate) times: Times,
    pub(crate) seen: Seen,
    /// What is known of the JSON-RPC calls that the request makes.
    pub(crate) calls: Calls,
    /// What they mean to the chain behind the service, where there is one.
    pub(crate) meaning: Meaning,
}

/// Names of this request in logs and traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    pub(crate) request: RequestId,
    /// What is sent upstream.
    pub(crate) trace: TraceParent,
    /// The span that the request came from; 0 where it brought none.
    pub(crate) parent: u64,
    /// Whether Weir keeps its own span of this request.
    pub(crate) keeps_span: bool,
}

/// Moments of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// The head was complete.
    pub(crate) started: Mono,
    /// Deadline of the whole.
    pub(crate) deadline: Mono,
    /// Time that the last connection took, where one was made.
    pub(crate) connect_ns: Option<u64>,
    /// The answer's head was complete.
    pub(crate) answered: Option<Mono>,
    /// The exchange ended.
    pub(crate) finished: Mono,
}

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Status of the answer that was begun; 0 for none.
    pub(crate) status: u16,
    pub(crate) failure: Option<Failure>,
    pub(crate) tries: u32,
    pub(crate) reused: bool,
    /// The last endpoint, as its service's index.
    pub(crate) endpoint: Option<usize>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Whether the request was counted by its service.
    pub(crate) admitted: bool,
}

/// The objects that an exchange met, for the record.
#[derive(Clone, Copy, Default)]
pub(crate) struct Met<'p> {
    pub(crate) route: Option<&'p Arc<RouteLive>>,
    pub(crate) service: Option<&'p Arc<ServiceLive>>,
}

impl Exchange {
    /// Ready for the next request; memory that only an unusual one needed is given back.
    pub(crate) fn recycle(&mut self) {
        self.up.recycle();
        self.down.recycle();
        self.held.clear();
        self.held.shrink_to(64 * 1024);
        self.answer_fields.clear();
    }

    fn begin(&mut self) {
        self.held.clear();
        self.held_all = false;
        self.answer_fields.clear();
        self.address = None;
        self.ids = None;
        self.upgrade = None;
        self.copy = false;
        self.matched_prefix = 0;
        self.times = Times { deadline: Mono::NEVER, ..Times::default() };
        self.seen = Seen::default();
        self.calls = Calls::default();
        self.meaning = Meaning::default();
    }

    pub(crate) fn has_body(&self) -> bool {
        self.request.framing != Framing::None
    }
}

/// Serves one request, whose first bytes are there.
pub(crate) async fn run(worker: &Rc<Worker>, client: &mut Client, exchange: &mut Exchange) -> Next {
    exchange.begin();
    // The snapshot that answers this request.
    let published = worker.published();
    let gone = published.listener_at(client.address).is_none();
    if let Some(listener) = published.listener_at(client.address)
        && !Arc::ptr_eq(listener, &client.listener)
    {
        client.listener = listener.clone();
    }
    let listener = client.listener.clone();
    match head::read(client, exchange, &listener).await {
        head::Read::Head => {}
        head::Read::Gone => return Next::Close,
        head::Read::Nothing => return Next::Request,
        head::Read::Refused(failure, why) => {
            let met = Met::default();
            let next = answer::refuse(worker, client, exchange, &met, failure, why).await;
            record::finish(worker, client, exchange, &listener, met);
            return next;
        }
    }
    // A listener that was taken away serves the request that is here already, and no further one.
    exchange.request.keep_alive &= !gone;
    let mut met = Met::default();
    let next = match forward(worker, client, exchange, &published, &listener, &mut met).await {
        Ok(Outcome::Answered(answered)) => match pass::begin(worker, exchange, &listener, met, answered) {
            Ok(pass::Begun::Passing(mut passing)) => {
                let at_once = poll_fn(|cx| Poll::Ready(passing.poll(cx, client, exchange))).await;
                match at_once {
                    Poll::Ready(result) => passing.finish(worker, exchange, result),
                    Poll::Pending => {
                        // It takes longer: only what it met is kept, so that a slow download pins no old configuration.
                        let (route, service) = (met.route.cloned(), met.service.cloned());
                        drop(published);
                        let result = poll_fn(|cx| passing.poll(cx, client, exchange)).await;
                        let met = Met { route: route.as_ref(), service: service.as_ref() };
                        let next = passing.finish(worker, exchange, result);
                        admit::leave(exchange, met);
                        record::finish(worker, client, exchange, &listener, met);
                        return next;
                    }
                }
            }
            Ok(pass::Begun::Switched(tunnel)) => Next::Tunnel(tunnel),
            Err(Refusal { failure, why }) => {
                answer::refuse(worker, client, exchange, &met, failure, why).await
            }
        },
        Ok(Outcome::Reply(reply)) => answer::reply(worker, client, exchange, &met, reply).await,
        Err(Refusal { failure, why }) => answer::refuse(worker, client, exchange, &met, failure, why).await,
    };
    admit::leave(exchange, met);
    record::finish(worker, client, exchange, &listener, met);
    next
}

/// How far a request got.
enum Outcome {
    /// An endpoint's answer has begun: its head is in the exchange.
    Answered(send::Answered),
    /// Weir answers itself.
    Reply(Reply),
}

/// A request that is not passed on.
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// What a person should know beyond the failure's own words.
    pub(crate) why: Why,
}

/// Details of a refusal, for its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Why {
    #[default]
    Nothing,
    Text(&'static str),
    RetryAfter(std::time::Duration),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, why: Why::Nothing }
    }
}

async fn forward<'p>(
    worker: &Rc<Worker>,
    client: &mut Client,
    exchange: &mut Exchange,
    published: &'p Snapshot,
    listener: &ListenerLive,
    met: &mut Met<'p>,
) -> Result<Outcome, Refusal> {
    route::prepare(worker, client, exchange, listener)?;
    let found = route::find(exchange, published, listener, weir_route::Call::Unread)?;
    let route = if found.asks_for_call() {
        match rpc::choose(client, exchange, published, listener).await? {
            rpc::Chosen::One(found) => route::take(exchange, &found),
            rpc::Chosen::Several(parts) => {
                met.route = parts.iter().find_map(rpc::Part::route);
                let reply = rpc::serve_apart(worker, client, exchange, published, listener, &parts).await?;
                return Ok(Outcome::Reply(reply));
            }
        }
    } else {
        route::take(exchange, &found)
    };
    serve(worker, client, exchange, published, listener, route, met).await
}

/// Does what a route says, up to the head of an endpoint's answer.
async fn serve<'p>(
    worker: &Rc<Worker>,
    client: &mut Client,
    exchange: &mut Exchange,
    published: &'p Snapshot,
    listener: &ListenerLive,
    route: &'p Arc<RouteLive>,
    met: &mut Met<'p>,
) -> Result<Outcome, Refusal> {
    met.route = Some(route);
    route::limit_body(exchange, listener, route)?;
    for filter in &route.filters {
        if let Some(reply) = filter.on_request(worker, client, exchange, route)? {
            return Ok(Outcome::Reply(reply));
        }
    }
    if let Some(reply) = answer::local(exchange, route, client) {
        return Ok(Outcome::Reply(reply));
    }
    let mirror = route.mirror.filter(|_| exchange.copy).and_then(|slot| published.service(slot));
    if mirror.is_some() {
        // Before the service counts the request: reading a body may take a while, or fail.
        send::hold_body(client, exchange, listener, route.hold_bytes).await?;
    }
    let service = admit::admit(worker, exchange, published, route, met)?;
    exchange.times.deadline =
        route.hot.request_timeout.map_or(Mono::NEVER, |span| exchange.times.started.after(span));
    if let Some(mirror) = mirror {
        copy_request(worker, exchange, mirror);
    }
    let chain = service.service.chain.clone();
    if let Some(chain) = &chain
        && let Some(reply) = rpc::understand(worker, client, exchange, listener, route, chain).await?
    {
        return Ok(Outcome::Reply(reply));
    }
    let sent = send::send(worker, client, exchange, listener, route, service).await?;
    match (&chain, sent) {
        (Some(chain), sent) => rpc::keep(worker, client, exchange, chain, sent).await,
        (None, send::Sent::Answered(answered)) => Ok(Outcome::Answered(answered)),
        (None, send::Sent::Whole(body)) => Ok(Outcome::Reply(rpc::whole(exchange, body))),
    }
}
