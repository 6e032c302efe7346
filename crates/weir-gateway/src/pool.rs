//! Idle connections to endpoints: each worker's own, and a shelf between workers.
//!
//! ```text
//! request done ─► local pool (newest first) ─► next request of this worker
//!                     │ surplus, once a second: not needed since the last look
//!                     ▼
//!                   shelf (deregistered, behind a lock) ─► a worker whose pool is empty, before it dials
//! ```
//! A connection is looked at before it is used again: one that has bytes or an end to report is closed, since whatever
//! it says answers nothing that was asked.

use std::io::ErrorKind;
use std::net::TcpStream as StdTcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use weir_http::{Buf, Stream};
use weir_model::Mono;

use crate::live::EndpointLive;

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    pub(crate) endpoint: Open,
    pub(crate) buf: Option<Buf>,
    /// Requests sent on it so far.
    pub(crate) requests: u32,
    pub(crate) born: Mono,
    idle_since: Mono,
}

/// The endpoint of an open connection, which counts for as long as this lives.
#[derive(Debug)]
pub(crate) struct Open {
    endpoint: Arc<EndpointLive>,
    counted: bool,
}

impl Open {
    /// Counts one more connection, before it is dialled, so that dials at the same time keep to the endpoint's cap. `None`
    /// where that is reached.
    pub(crate) fn reserve(endpoint: &Arc<EndpointLive>) -> Option<Self> {
        let most = endpoint.connections_max.unwrap_or(u32::MAX);
        let one_more = |open: u32| (open < most).then_some(open + 1);
        endpoint.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self { endpoint: endpoint.clone(), counted: true })
    }

    /// The endpoint, whose count the connection keeps although it leaves this value: it goes on the shelf.
    fn keep_counted(mut self) -> Arc<EndpointLive> {
        self.counted = false;
        self.endpoint.clone()
    }
}

impl std::ops::Deref for Open {
    type Target = Arc<EndpointLive>;

    fn deref(&self) -> &Arc<EndpointLive> {
        &self.endpoint
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.counted {
            self.endpoint.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A plain connection off its worker's runtime.
#[derive(Debug)]
pub(crate) struct Shelved {
    tcp: StdTcpStream,
    requests: u32,
    born: Mono,
    idle_since: Mono,
}

impl Upstream {
    /// A fresh connection.
    pub(crate) fn new(stream: Stream, endpoint: Open, now: Mono) -> Self {
        Self::counted(stream, endpoint, 0, now)
    }

    fn counted(stream: Stream, endpoint: Open, requests: u32, born: Mono) -> Self {
        Self { stream, endpoint, buf: None, requests, born, idle_since: born }
    }

    fn is_worn(&self, now: Mono) -> bool {
        let pool = &self.endpoint.pool;
        is_worn(pool, self.requests, self.born, now) || self.endpoint.retired.load(Ordering::Relaxed)
    }

    /// Whether nothing has come since the last answer. Costs no system call unless the runtime saw an event.
    fn is_quiet(&mut self) -> bool {
        matches!(self.stream.try_read(&mut [0; 1]), Err(e) if e.kind() == ErrorKind::WouldBlock)
    }
}

fn is_worn(pool: &weir_model::Pool, requests: u32, born: Mono, now: Mono) -> bool {
    let most = pool.max_requests_per_connection;
    (most > 0 && requests >= most) || pool.max_age.is_some_and(|age| now.since(born) >= age)
}

/// One worker's idle connections, by the endpoint's slot.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    by_slot: Vec<Local>,
}

#[derive(Debug, Default)]
struct Local {
    idle: Vec<Upstream>,
    /// Fewest idle since the last sweep: so many were not needed.
    unneeded: usize,
}

impl Pools {
    /// An idle connection that may be used, newest first; from the shelf where this worker has none.
    pub(crate) fn check_out(&mut self, endpoint: &Arc<EndpointLive>, now: Mono) -> Option<Upstream> {
        if let Some(local) = self.by_slot.get_mut(endpoint.slot) {
            // A slot may have passed to another endpoint while a request still holds the one before.
            let ours = |local: &Local| local.idle.last().is_some_and(|u| Arc::ptr_eq(&u.endpoint, endpoint));
            while ours(local)
                && let Some(mut upstream) = local.idle.pop()
            {
                local.unneeded = local.unneeded.min(local.idle.len());
                if now.since(upstream.idle_since) < endpoint.pool.idle_timeout
                    && !upstream.is_worn(now)
                    && upstream.is_quiet()
                {
                    return Some(upstream);
                }
            }
        }
        while let Some(shelved) = endpoint.unshelve() {
            let fresh = shelved.is_fresh(&endpoint.pool, now);
            match TcpStream::from_std(shelved.tcp) {
                Ok(tcp) => {
                    let stream = Stream::Plain(tcp);
                    let open = Open { endpoint: endpoint.clone(), counted: true };
                    let mut upstream = Upstream::counted(stream, open, shelved.requests, shelved.born);
                    if fresh && upstream.is_quiet() {
                        return Some(upstream);
                    }
                }
                Err(_) => {
                    endpoint.connections.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        None
    }

    /// Takes a connection back whose answer was read to its end. `share` is how many idle ones this worker may keep for
    /// one endpoint.
    pub(crate) fn check_in(&mut self, mut upstream: Upstream, now: Mono, share: impl FnOnce(u32) -> u32) {
        if upstream.is_worn(now) || upstream.buf.as_ref().is_some_and(|buf| !buf.is_empty()) {
            return;
        }
        upstream.buf = None;
        upstream.stream.release_memory();
        upstream.idle_since = now;
        let slot = upstream.endpoint.slot;
        if self.by_slot.len() <= slot {
            self.by_slot.resize_with(slot + 1, Local::default);
        }
        let local = &mut self.by_slot[slot];
        if local.idle.len() < share(upstream.endpoint.pool.max_idle_per_endpoint) as usize {
            local.idle.push(upstream);
        }
    }

    /// Closes what is too old or was closed by its peer, and shelves what this worker did not need. Called once a second.
    pub(crate) fn sweep(&mut self, now: Mono, shelve: bool) {
        for local in &mut self.by_slot {
            let Some(endpoint) = local.idle.first().map(|u| u.endpoint.clone()) else { continue };
            local.idle.retain_mut(|upstream| {
                now.since(upstream.idle_since) < endpoint.pool.idle_timeout
                    && !upstream.is_worn(now)
                    && upstream.is_quiet()
            });
            if shelve {
                // The oldest stand first. One more stays than the busiest moment asked for.
                let surplus = local.unneeded.saturating_sub(1).min(local.idle.len());
                for upstream in local.idle.drain(..surplus) {
                    put_on_shelf(upstream);
                }
            }
            local.unneeded = local.idle.len();
            endpoint.sweep_shelf(|shelved| shelved.is_fresh(&endpoint.pool, now));
        }
    }

    /// Closes the connections to endpoints that are gone.
    pub(crate) fn drop_retired(&mut self) {
        for local in &mut self.by_slot {
            if local.idle.first().is_some_and(|u| u.endpoint.retired.load(Ordering::Relaxed)) {
                *local = Local::default();
            }
        }
    }

    /// Closes everything.
    pub(crate) fn clear(&mut self) {
        self.by_slot.clear();
    }
}

/// TLS sessions stay with their worker: their state is not made to change threads while idle.
fn put_on_shelf(upstream: Upstream) {
    let Stream::Plain(tcp) = upstream.stream else { return };
    let Ok(tcp) = tcp.into_std() else { return };
    let (requests, born, idle_since) = (upstream.requests, upstream.born, upstream.idle_since);
    let endpoint = upstream.endpoint.keep_counted();
    if endpoint.shelve(Shelved { tcp, requests, born, idle_since }).is_some() {
        // There are enough: it is closed.
        endpoint.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shelved {
    fn is_fresh(&self, pool: &weir_model::Pool, now: Mono) -> bool {
        now.since(self.idle_since) < pool.idle_timeout && !is_worn(pool, self.requests, self.born, now)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use weir_http::mono_now;

    use super::*;

    /// An endpoint of a service with these pool settings.
    fn endpoint(address: std::net::SocketAddr, pool: &str) -> Arc<EndpointLive> {
        let text = format!(
            "version: 1\nlisteners: [{{ name: web, address: 127.0.0.1:1 }}]\nroutes: [{{ name: all, service: o }}]\n\
             services: {{ o: {{ endpoints: [\"{address}\"], pool: {{ {pool} }} }} }}\n"
        );
        let loaded =
            weir_config::load(&weir_config::Source { name: "test", text: &text, base: Path::new(".") });
        let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let service = model.services.get("o").unwrap().clone();
        Arc::new(EndpointLive::new(address, address.to_string().into(), None, 0, 1, &service, None, None))
    }

    async fn connect(endpoint: &Arc<EndpointLive>) -> Upstream {
        let tcp = TcpStream::connect(endpoint.address).await.unwrap();
        Upstream::new(Stream::Plain(tcp), Open::reserve(endpoint).unwrap(), mono_now())
    }

    #[tokio::test]
    async fn what_one_worker_does_not_need_another_takes_over() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(listener.local_addr().unwrap(), "max_idle_per_endpoint: 10");
        let (mut one, mut other) = (Pools::default(), Pools::default());
        for _ in 0..4 {
            one.check_in(connect(&endpoint).await, mono_now(), |most| most);
        }
        assert!(other.check_out(&endpoint, mono_now()).is_none());
        one.sweep(mono_now(), true);
        assert_eq!(endpoint.shelved(), 0, "all four may have been needed until now");
        one.sweep(mono_now(), true);
        assert_eq!(endpoint.shelved(), 3, "none was needed for a while; one stays");
        let taken = other.check_out(&endpoint, mono_now());
        assert!(taken.is_some());
        assert_eq!(endpoint.shelved(), 2);
        assert_eq!(endpoint.connections.load(Ordering::Relaxed), 4, "none was closed or dialled");
        drop(taken);
        one.clear();
        endpoint.retire();
        assert_eq!(endpoint.connections.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_connection_that_its_peer_closed_is_not_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = endpoint(listener.local_addr().unwrap(), "max_idle_per_endpoint: 10");
        let mut pools = Pools::default();
        let upstream = connect(&endpoint).await;
        let (accepted, _) = listener.accept().await.unwrap();
        pools.check_in(upstream, mono_now(), |most| most);
        drop(accepted);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(pools.check_out(&endpoint, mono_now()).is_none());
        assert_eq!(endpoint.connections.load(Ordering::Relaxed), 0);
    }
}
