//! One request as bytes between two threads of one process: no format that anybody else sees.

use std::net::{IpAddr, SocketAddr};

use weir_model::{Blame, Failure, FailureKind, Phase, Retry, Wall};

use crate::access::{Record, Reuse, Timings};
use crate::ids::TraceId;

/// Longest text of each field; what is longer is cut.
const TEXT_BYTES_MAX: usize = 1024;
/// Texts of an entry.
const TEXTS: usize = 10;
/// What stands before the texts, at most.
const FIXED_BYTES_MAX: usize = 192;
/// Longest entry.
pub(super) const ENTRY_BYTES_MAX: usize = FIXED_BYTES_MAX + TEXTS * (2 + TEXT_BYTES_MAX);

/// The place of a request in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIds {
    /// The trace; not zero.
    pub trace: u128,
    /// Weir's own span, which is what services see as their parent.
    pub span: u64,
    /// The span of whoever sent the request; 0 where there is none.
    pub parent: u64,
}

/// A record, and where its spans are kept its place in a trace.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What happened.
    pub record: Record<'a>,
    /// Its place in a trace.
    pub span: Option<SpanIds>,
}

const HAS_SPAN: u8 = 1;
const HAS_TRACE: u8 = 2;
const HAS_CLIENT: u8 = 4;
const IS_V6: u8 = 8;
const HAS_CONNECT: u8 = 16;
const HAS_FIRST_BYTE: u8 = 32;
const HAS_FAILURE: u8 = 64;
const HAS_CONNECTION: u8 = 128;

const BLAMES: [Blame; 3] = [Blame::Downstream, Blame::Upstream, Blame::Internal];

pub(super) fn encode(record: &Record<'_>, span: Option<SpanIds>, out: &mut Vec<u8>) {
    let mut flags = 0;
    let mut set = |flag: u8, is_set: bool| flags |= if is_set { flag } else { 0 };
    set(HAS_SPAN, span.is_some());
    set(HAS_TRACE, record.trace_id.is_some());
    set(HAS_CLIENT, record.client.is_some());
    set(IS_V6, record.client.is_some_and(|client| client.is_ipv6()));
    set(HAS_CONNECT, record.timings.connect_ns.is_some());
    set(HAS_FIRST_BYTE, record.timings.first_byte_ns.is_some());
    set(HAS_FAILURE, record.failure.is_some());
    set(HAS_CONNECTION, record.connection.is_some());
    out.push(flags);
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    put(&record.at.0.to_le_bytes());
    put(&record.status.to_le_bytes());
    put(&record.tries.to_le_bytes());
    put(&record.bytes_in.to_le_bytes());
    put(&record.bytes_out.to_le_bytes());
    put(&record.timings.queue_ns.to_le_bytes());
    put(&record.timings.total_ns.to_le_bytes());
    if let Some(ids) = span {
        put(&ids.trace.to_le_bytes());
        put(&ids.span.to_le_bytes());
        put(&ids.parent.to_le_bytes());
    }
    if let Some(trace) = record.trace_id {
        put(&trace.number().to_le_bytes());
    }
    if let Some(client) = record.client {
        match client.ip() {
            IpAddr::V4(ip) => put(&ip.octets()),
            IpAddr::V6(ip) => put(&ip.octets()),
        }
        put(&client.port().to_le_bytes());
    }
    for time in [record.timings.connect_ns, record.timings.first_byte_ns].into_iter().flatten() {
        put(&time.to_le_bytes());
    }
    if let Some(failure) = record.failure {
        let place = |at: Option<usize>| at.unwrap_or(0) as u8;
        put(&[
            place(FailureKind::ALL.iter().position(|kind| *kind == failure.kind)),
            place(BLAMES.iter().position(|blame| *blame == failure.blame)),
            place(Phase::ALL.iter().position(|phase| *phase == failure.phase)),
        ]);
    }
    if let Some(connection) = record.connection {
        put(&[u8::from(connection == Reuse::Reused)]);
    }
    let texts: [&[u8]; TEXTS] = [
        record.request_id,
        record.listener.as_bytes(),
        record.route.as_bytes(),
        record.service.as_bytes(),
        record.endpoint.as_bytes(),
        record.method,
        record.host,
        record.path,
        record.protocol.as_bytes(),
        record.user_agent,
    ];
    for text in texts {
        let text = &text[..text.len().min(TEXT_BYTES_MAX)];
        put(&(text.len() as u16).to_le_bytes());
        put(text);
    }
}

/// Has `each` take the entries of a batch.
pub(super) fn decode(mut bytes: &[u8], each: &mut impl FnMut(Entry<'_>)) {
    while !bytes.is_empty() {
        // Only this process writes what is read here: an entry that is cut short is a mistake in Weir.
        let Some(entry) = one(&mut bytes) else {
            debug_assert!(false, "an entry is cut short");
            return;
        };
        each(entry);
    }
}

fn one<'a>(bytes: &mut &'a [u8]) -> Option<Entry<'a>> {
    let flags = take::<1>(bytes)?[0];
    let has = |flag: u8| flags & flag != 0;
    let at = Wall(u64::from_le_bytes(take(bytes)?));
    let status = u16::from_le_bytes(take(bytes)?);
    let tries = u32::from_le_bytes(take(bytes)?);
    let mut number = || Some(u64::from_le_bytes(take(bytes)?));
    let (bytes_in, bytes_out, queue_ns, total_ns) = (number()?, number()?, number()?, number()?);
    let span = if has(HAS_SPAN) {
        let trace = u128::from_le_bytes(take(bytes)?);
        let (span, parent) = (u64::from_le_bytes(take(bytes)?), u64::from_le_bytes(take(bytes)?));
        Some(SpanIds { trace, span, parent })
    } else {
        None
    };
    let trace_id = if has(HAS_TRACE) { TraceId::new(u128::from_le_bytes(take(bytes)?)) } else { None };
    let client = if has(HAS_CLIENT) {
        let ip: IpAddr = if has(IS_V6) { take::<16>(bytes)?.into() } else { take::<4>(bytes)?.into() };
        Some(SocketAddr::new(ip, u16::from_le_bytes(take(bytes)?)))
    } else {
        None
    };
    let mut time =
        |flag: u8| if has(flag) { Some(Some(u64::from_le_bytes(take(bytes)?))) } else { Some(None) };
    let (connect_ns, first_byte_ns) = (time(HAS_CONNECT)?, time(HAS_FIRST_BYTE)?);
    let failure = if has(HAS_FAILURE) {
        let [kind, blame, phase] = take(bytes)?;
        Some(Failure {
            kind: *FailureKind::ALL.get(usize::from(kind))?,
            blame: *BLAMES.get(usize::from(blame))?,
            phase: *Phase::ALL.get(usize::from(phase))?,
            retry: Retry::No,
        })
    } else {
        None
    };
    let connection = if has(HAS_CONNECTION) {
        Some(if take::<1>(bytes)?[0] == 1 { Reuse::Reused } else { Reuse::New })
    } else {
        None
    };
    let mut text = || -> Option<&'a [u8]> {
        let length = usize::from(u16::from_le_bytes(take(bytes)?));
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(text)
    };
    let words = |text: &'a [u8]| std::str::from_utf8(text).unwrap_or_default();
    let record = Record {
        at,
        request_id: text()?,
        trace_id,
        client,
        listener: words(text()?),
        route: words(text()?),
        service: words(text()?),
        endpoint: words(text()?),
        method: text()?,
        host: text()?,
        path: text()?,
        query: None,
        protocol: words(text()?),
        status,
        bytes_in,
        bytes_out,
        user_agent: text()?,
        timings: Timings { queue_ns, connect_ns, first_byte_ns, total_ns },
        tries,
        connection,
        failure,
    };
    Some(Entry { record, span })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}
