//! A record as one line of JSON.

use std::io::Write;
use std::net::SocketAddr;

use crate::digits::push_u64;
use crate::escape::{Within, clip, push_escaped};
use crate::stamp::push_date_time;

use super::query::push_query;
use super::record::{
    AGENT_BYTES_MAX, HOST_BYTES_MAX, ID_BYTES_MAX, METHOD_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, Record,
    Reuse,
};

/// Appends a record as one JSON object and a line feed.
///
/// The output is always valid UTF-8 and valid JSON: control characters are escaped, and each maximal invalid sequence of
/// bytes becomes U+FFFD. Durations are whole microseconds. Texts from the client are cut at fixed lengths and then end
/// in `…`. Does not allocate where `out` has room.
pub fn encode_json(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    push_date_time(out, record.at);
    out.push(b'"');
    text(out, ",\"id\":\"", record.request_id, ID_BYTES_MAX);
    if let Some(trace) = record.trace_id {
        out.extend_from_slice(b",\"trace\":\"");
        out.extend_from_slice(&trace.hex());
        out.push(b'"');
    }
    if let Some(client) = record.client {
        out.extend_from_slice(b",\"client\":\"");
        push_address(out, client);
        out.push(b'"');
    }
    text(out, ",\"listener\":\"", record.listener.as_bytes(), NAME_BYTES_MAX);
    text(out, ",\"route\":\"", record.route.as_bytes(), NAME_BYTES_MAX);
    text(out, ",\"service\":\"", record.service.as_bytes(), NAME_BYTES_MAX);
    text(out, ",\"endpoint\":\"", record.endpoint.as_bytes(), NAME_BYTES_MAX);
    text(out, ",\"method\":\"", record.method, METHOD_BYTES_MAX);
    text(out, ",\"host\":\"", record.host, HOST_BYTES_MAX);
    text(out, ",\"path\":\"", record.bare_path(), PATH_BYTES_MAX);
    if let Some(query) = record.query {
        out.extend_from_slice(b",\"query\":\"");
        push_query(out, query, Within::Json);
        out.push(b'"');
    }
    text(out, ",\"protocol\":\"", record.protocol.as_bytes(), NAME_BYTES_MAX);
    number(out, ",\"status\":", u64::from(record.status));
    number(out, ",\"bytes_in\":", record.bytes_in);
    number(out, ",\"bytes_out\":", record.bytes_out);
    text(out, ",\"user_agent\":\"", record.user_agent, AGENT_BYTES_MAX);
    number(out, ",\"queue_us\":", record.timings.queue_ns / 1_000);
    if let Some(connect) = record.timings.connect_ns {
        number(out, ",\"connect_us\":", connect / 1_000);
    }
    if let Some(first_byte) = record.timings.first_byte_ns {
        number(out, ",\"first_byte_us\":", first_byte / 1_000);
    }
    number(out, ",\"total_us\":", record.timings.total_ns / 1_000);
    number(out, ",\"tries\":", u64::from(record.tries));
    match record.connection {
        None => {}
        Some(Reuse::New) => out.extend_from_slice(b",\"connection\":\"new\""),
        Some(Reuse::Reused) => out.extend_from_slice(b",\"connection\":\"reused\""),
    }
    if let Some(failure) = record.failure {
        for (key, word) in [
            (",\"failure\":\"", failure.kind.word()),
            (",\"blame\":\"", failure.blame.word()),
            (",\"phase\":\"", failure.phase.word()),
        ] {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
        }
    }
    out.extend_from_slice(b"}\n");
}

/// `key` holds everything up to the value's first character.
#[inline]
fn text(out: &mut Vec<u8>, key: &str, value: &[u8], max: usize) {
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    let (value, cut) = clip(value, max);
    push_escaped(out, value, Within::Json);
    out.extend_from_slice(if cut { "…\"".as_bytes() } else { b"\"" });
}

#[inline]
fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.extend_from_slice(key.as_bytes());
    push_u64(out, value);
}

/// An address as usual; IPv4, the common case, without the formatting machinery.
pub(super) fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            for (place, octet) in v4.ip().octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                push_u64(out, u64::from(octet));
            }
        }
        // Writing to a Vec cannot fail.
        SocketAddr::V6(v6) if v6.port() == 0 => drop(write!(out, "{}", v6.ip())),
        SocketAddr::V6(v6) => drop(write!(out, "[{}]", v6.ip())),
    }
    if address.port() != 0 {
        out.push(b':');
        push_u64(out, u64::from(address.port()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::record::{RECORD_BYTES_MAX, samples};
    use super::*;

    fn encoded(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        encode_json(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records() {
        assert_eq!(
            encoded(&samples::good()),
            concat!(
                r#"{"time":"2026-11-24T12:01:07.123456Z","id":"00112233445566778899aabbccddeeff","#,
                r#""trace":"00000000000000000000000000000abc","client":"192.0.2.7:41234","listener":"web","#,
                r#""route":"orders","service":"origin","endpoint":"127.0.0.1:9000","method":"GET","#,
                r#""host":"api.example.com","path":"/orders/7","protocol":"HTTP/1.1","status":200,"bytes_in":0,"#,
                r#""bytes_out":1234,"user_agent":"curl/7.88.1","queue_us":0,"first_byte_us":1100,"total_us":1240,"#,
                r#""tries":1,"connection":"reused"}"#,
                "\n"
            )
        );
        let failed = encoded(&samples::failed());
        assert!(failed.ends_with(concat!(
            r#""queue_us":0,"connect_us":80,"total_us":1000,"tries":2,"connection":"new","#,
            r#""failure":"connection_refused","blame":"upstream","phase":"connect"}"#,
            "\n"
        )));
    }

    #[test]
    fn a_secret_in_the_path_or_query_is_not_written() {
        let record = Record { query: Some(b"a=1&token=abc"), ..samples::good() };
        let text = encoded(&record);
        assert!(text.contains(r#""path":"/orders/7","query":"a=1&token=***""#), "{text}");
        assert!(!text.contains("token=abc"), "{text}");
    }

    #[test]
    fn addresses() {
        #[track_caller]
        fn check(address: &str, expect: &str) {
            let mut out = Vec::new();
            push_address(&mut out, address.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
        check("10.20.30.255:8080", "10.20.30.255:8080");
        check("10.0.0.1:0", "10.0.0.1");
        check("[2001:db8::1]:443", "[2001:db8::1]:443");
        check("[::1]:0", "::1");
    }

    #[test]
    fn no_record_is_longer_than_its_bound() {
        for byte in [b'\x01', b'"', b'a'] {
            let bytes = vec![byte; 100_000];
            let text = encoded(&samples::longest(&bytes));
            assert!(text.len() <= RECORD_BYTES_MAX, "{}", text.len());
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![prop::collection::vec(any::<u8>(), 1..60), any::<String>().prop_map(String::into_bytes)]
    }

    proptest! {
        #[test]
        fn any_record_is_json_and_reads_back(
            method in bytes(), host in bytes(), path in bytes(), agent in bytes(), query in bytes(),
            route in "\\PC{1,40}", status in any::<u16>(), total in any::<u64>(),
        ) {
            let mut record = samples::good();
            (record.method, record.host, record.path, record.user_agent) = (&method, &host, &path, &agent);
            (record.route, record.status, record.timings.total_ns) = (&route, status, total);
            record.query = Some(&query);
            let text = encoded(&record);
            prop_assert_eq!(text.matches('\n').count(), 1);
            let read: Value = serde_json::from_str(&text).unwrap();
            let check = |key: &str, bytes: &[u8]| {
                let expect = String::from_utf8_lossy(bytes);
                assert_eq!(read.get(key).and_then(Value::as_str).unwrap_or_default(), expect, "{key}");
            };
            if method.len() <= METHOD_BYTES_MAX { check("method", &method); }
            if host.len() <= HOST_BYTES_MAX { check("host", &host); }
            if agent.len() <= AGENT_BYTES_MAX { check("user_agent", &agent); }
            check("path", path.split(|byte| *byte == b'?').next().unwrap());
            check("route", route.as_bytes());
            prop_assert_eq!(&read["status"], &Value::from(status));
            prop_assert_eq!(&read["total_us"], &Value::from(total / 1_000));
        }
    }
}
