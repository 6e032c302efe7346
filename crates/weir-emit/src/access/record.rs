//! What is said of one request.

use std::net::SocketAddr;

use weir_model::{Failure, Wall};

use crate::ids::TraceId;

/// One request, borrowed from whoever served it. What is unknown is `None` or empty, and is left out.
///
/// There is no place in it for header fields other than `Host` and `User-Agent`, so that credentials have no way in.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When its head was complete.
    pub at: Wall,
    /// Its id, as the client sees it.
    pub request_id: &'a [u8],
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// Who asked, after trusted proxies are seen through. Port 0 is unknown and not shown.
    pub client: Option<SocketAddr>,
    /// Listener.
    pub listener: &'a str,
    /// Route; empty where none matched.
    pub route: &'a str,
    /// Service; empty where none was chosen.
    pub service: &'a str,
    /// The endpoint of the last try.
    pub endpoint: &'a str,
    /// Method.
    pub method: &'a [u8],
    /// Host that was asked for.
    pub host: &'a [u8],
    /// Path as it was asked for. Whatever stands behind a `?` is not written.
    pub path: &'a [u8],
    /// Query, where it is to be logged. Values of parameters that are named like secrets are replaced by `***`.
    pub query: Option<&'a [u8]>,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: &'a str,
    /// Status of the answer; 0 where the connection was closed without one.
    pub status: u16,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// `User-Agent`.
    pub user_agent: &'a [u8],
    /// How long it took.
    pub timings: Timings,
    /// Times it was sent to an endpoint.
    pub tries: u32,
    /// Whether the last try's connection was used before; `None` where there was no try.
    pub connection: Option<Reuse>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// Nanoseconds, counted from the request's complete head unless said otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Spent waiting for a free place (limits, a busy pool).
    pub queue_ns: u64,
    /// Spent on a new connection; `None` where one was reused.
    pub connect_ns: Option<u64>,
    /// Until the answer's first byte from upstream.
    pub first_byte_ns: Option<u64>,
    /// Until the answer's end.
    pub total_ns: u64,
}

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Dialled for this request.
    New,
    /// Taken from the pool.
    Reused,
}

/// Longest text taken from the client for each field, in bytes; what is cut ends in `…`. Together they bound a record.
pub(super) const ID_BYTES_MAX: usize = 128;
pub(super) const METHOD_BYTES_MAX: usize = 32;
pub(super) const HOST_BYTES_MAX: usize = 255;
pub(super) const PATH_BYTES_MAX: usize = 1_024;
pub(super) const QUERY_BYTES_MAX: usize = 1_024;
pub(super) const AGENT_BYTES_MAX: usize = 256;
/// Longest name of a listener, route, service or endpoint (scope and name).
pub(super) const NAME_BYTES_MAX: usize = 2 * 253 + 1;

/// Longest record: each client byte may grow to six by escaping. A test holds the encoders to it.
pub(super) const RECORD_BYTES_MAX: usize = 32 * 1_024;

impl<'a> Record<'a> {
    /// The path without a query.
    pub(super) fn bare_path(&self) -> &'a [u8] {
        let end = self.path.iter().position(|byte| *byte == b'?').unwrap_or(self.path.len());
        &self.path[..end]
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use weir_model::{FailureKind, Phase};

    use super::*;

    /// A plain request that went well.
    pub(crate) fn good() -> Record<'static> {
        Record {
            at: Wall(1_795_521_667_123_456_789),
            request_id: b"00112233445566778899aabbccddeeff",
            trace_id: TraceId::new(0xabc),
            client: Some("192.0.2.7:41234".parse().unwrap()),
            listener: "web",
            route: "orders",
            service: "origin",
            endpoint: "127.0.0.1:9000",
            method: b"GET",
            host: b"api.example.com",
            path: b"/orders/7?token=abc",
            query: None,
            protocol: "HTTP/1.1",
            status: 200,
            bytes_in: 0,
            bytes_out: 1_234,
            user_agent: b"curl/7.88.1",
            timings: Timings {
                queue_ns: 0,
                connect_ns: None,
                first_byte_ns: Some(1_100_000),
                total_ns: 1_240_500,
            },
            tries: 1,
            connection: Some(Reuse::Reused),
            failure: None,
        }
    }

    /// One that no endpoint took.
    pub(crate) fn failed() -> Record<'static> {
        Record {
            status: 503,
            connection: Some(Reuse::New),
            tries: 2,
            failure: Some(Failure::new(FailureKind::ConnectionRefused, Phase::Connect)),
            timings: Timings { connect_ns: Some(80_000), total_ns: 1_000_000, ..Timings::default() },
            ..good()
        }
    }

    /// The longest that can be, for a byte that escaping makes longest.
    pub(crate) fn longest(bytes: &[u8]) -> Record<'_> {
        let name = std::str::from_utf8(bytes).unwrap();
        Record {
            at: Wall(u64::MAX),
            request_id: bytes,
            trace_id: TraceId::new(u128::MAX),
            client: Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap()),
            listener: name,
            route: name,
            service: name,
            endpoint: name,
            method: bytes,
            host: bytes,
            path: bytes,
            query: Some(bytes),
            protocol: "HTTP/1.1",
            status: u16::MAX,
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            user_agent: bytes,
            timings: Timings {
                queue_ns: u64::MAX,
                connect_ns: Some(u64::MAX),
                first_byte_ns: Some(u64::MAX),
                total_ns: u64::MAX,
            },
            tries: u32::MAX,
            connection: Some(Reuse::New),
            failure: Some(Failure::new(FailureKind::ResponseHeadTooLarge, Phase::Connect)),
        }
    }
}
