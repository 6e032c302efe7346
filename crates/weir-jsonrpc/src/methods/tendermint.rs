//! CometBFT's RPC, versions 0.34 to 1.0 (its OpenAPI description lists the methods).

use super::{Effect, Subject, params};
use crate::uri::UriCall;

pub(super) fn effect(method: &str) -> Effect {
    match method {
        "abci_info"
        | "abci_query"
        | "block"
        | "block_by_hash"
        | "block_results"
        | "block_search"
        | "blockchain"
        | "check_tx"
        | "commit"
        | "consensus_params"
        | "consensus_state"
        | "dump_consensus_state"
        | "genesis"
        | "genesis_chunked"
        | "header"
        | "header_by_hash"
        | "health"
        | "net_info"
        | "num_unconfirmed_txs"
        | "status"
        | "tx"
        | "tx_search"
        | "unconfirmed_tx"
        | "unconfirmed_txs"
        | "validators"
        | "" => Effect::Read,
        "broadcast_tx_sync" | "broadcast_tx_async" | "broadcast_tx_commit" | "broadcast_evidence" => {
            Effect::Write
        }
        "subscribe" | "unsubscribe" | "unsubscribe_all" => Effect::Subscribe,
        "dial_seeds" | "dial_peers" | "unsafe_flush_mempool" => Effect::Control,
        _ if method.starts_with("unsafe_") => Effect::Control,
        _ => Effect::Unknown,
    }
}

/// Where a height stands among positional parameters.
fn position(method: &str) -> Option<usize> {
    Some(match method {
        "block" | "block_results" | "commit" | "header" | "validators" | "consensus_params" => 0,
        "abci_query" => 2,
        _ => return None,
    })
}

fn whole(method: &str) -> Option<Subject> {
    match method {
        "genesis" | "genesis_chunked" => Some(Subject::Chain),
        "tx" | "block_by_hash" | "header_by_hash" => Some(Subject::Found),
        _ => None,
    }
}

pub(super) fn subject(method: &str, given: Option<&[u8]>) -> Subject {
    if let Some(subject) = whole(method) {
        return subject;
    }
    let height = position(method).and_then(|index| {
        let given = given?;
        let value = match given.first()? {
            b'[' => params::element(given, index)?,
            _ => params::member(given, "height").ok()??,
        };
        height(params::text(value).map_or(value, str::as_bytes))
    });
    height.map_or(Subject::Changing, Subject::Height)
}

pub(super) fn subject_of_uri(call: &UriCall<'_>) -> Subject {
    if let Some(subject) = whole(call.method) {
        return subject;
    }
    let height = position(call.method).and_then(|_| height(call.param("height")?));
    height.map_or(Subject::Changing, Subject::Height)
}

/// A height; 0 stands for the newest.
fn height(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|&h| h > 0)
}

/// The height that a transaction, block or header says it is at.
pub(super) fn found_at(method: &str, result: &[u8]) -> Option<u64> {
    let path: &[&str] = match method {
        "tx" => &["height"],
        "block_by_hash" => &["block", "header", "height"],
        "header_by_hash" => &["header", "height"],
        _ => return None,
    };
    let mut value = result;
    for name in path {
        value = params::member(value, name).ok()??;
    }
    height(params::text(value)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, read_uri};

    #[test]
    fn effects() {
        for (method, expected) in [
            ("status", Effect::Read),
            ("abci_query", Effect::Read),
            ("broadcast_tx_commit", Effect::Write),
            ("subscribe", Effect::Subscribe),
            ("unsafe_start_cpu_profiler", Effect::Control),
            ("eth_call", Effect::Unknown),
        ] {
            assert_eq!(effect(method), expected, "{method}");
        }
    }

    #[test]
    fn subjects() {
        for (method, params, expected) in [
            ("block", r#"{"height":"5"}"#, Subject::Height(5)),
            ("block", r#"{"height":5}"#, Subject::Height(5)),
            ("block", r#"["7"]"#, Subject::Height(7)),
            ("block", "{}", Subject::Changing),
            ("block", r#"{"height":"0"}"#, Subject::Changing),
            ("block", r#"{"height":"5","height":"6"}"#, Subject::Changing),
            ("abci_query", r#"["/a","00","9",false]"#, Subject::Height(9)),
            ("genesis", "{}", Subject::Chain),
            ("tx", r#"{"hash":"AA=="}"#, Subject::Found),
            ("status", "{}", Subject::Changing),
        ] {
            assert_eq!(subject(method, Some(params.as_bytes())), expected, "{method} {params}");
        }
        let uri = |path, query| subject_of_uri(&read_uri(path, query, &Limits::default()).unwrap());
        assert_eq!(uri("/block", "height=5"), Subject::Height(5));
        assert_eq!(uri("/block", "height=%225%22"), Subject::Height(5));
        assert_eq!(uri("/block", ""), Subject::Changing);
        assert_eq!(uri("/abci_query", "height=5&path=%22a%22"), Subject::Height(5));
    }

    #[test]
    fn found() {
        assert_eq!(found_at("tx", br#"{"hash":"AA","height":"12","index":0}"#), Some(12));
        assert_eq!(
            found_at("block_by_hash", br#"{"block_id":{},"block":{"header":{"height":"3"}}}"#),
            Some(3)
        );
        assert_eq!(found_at("block_by_hash", br#"{"block":null}"#), None);
    }
}
