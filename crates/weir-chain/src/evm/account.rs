//! Whose transactions a call is about.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::{Transaction, hex};

/// Nobody's transaction is longer in its digits, blobs included.
const DIGITS_MAX: usize = 4 << 20;

/// The account whose transactions a call sends, or counts with those that wait, so that it should meet the node that knows
/// them. `params` is the call's JSON. `None` where no account can be told, and where any node will do.
///
/// Of a signed transaction the sender is recovered from the signature, which takes some 0.1 ms; bytes of more than 2 MiB are
/// not looked at.
pub fn account_of_call(method: &str, params: &[u8]) -> Option<[u8; 20]> {
    if matches!(method, "eth_sendRawTransaction" | "eth_sendRawTransactionSync") {
        return sender_of(params, false);
    }
    if method == "eth_sendRawPrivateTransaction" {
        return sender_of(params, true);
    }
    if !matches!(method, "eth_sendTransaction" | "eea_sendTransaction" | "eth_getTransactionCount") {
        return None;
    }
    let params: Value = serde_json::from_slice(params).ok()?;
    match method {
        "eth_getTransactionCount" if params.get(1)?.as_str()? != "pending" => None,
        "eth_getTransactionCount" => address(params.get(0)?.as_str()?),
        _ => address(params.get(0)?.get("from")?.as_str()?),
    }
}

/// The first of the parameters, and whatever follows.
#[derive(Deserialize)]
struct Raw<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(default)] serde::de::IgnoredAny);

fn sender_of(params: &[u8], private: bool) -> Option<[u8; 20]> {
    if params.len() > DIGITS_MAX {
        return None;
    }
    let raw: Raw<'_> = serde_json::from_slice(params).ok()?;
    let bytes = hex::read_bytes(&raw.0)?;
    let tx = *Transaction::read(&bytes).ok()?.known()?;
    let tx = if private { tx.as_private() } else { tx };
    tx.sender().ok()
}

/// An address written as `0x` and forty digits.
fn address(text: &str) -> Option<[u8; 20]> {
    hex::read_array(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        #[track_caller]
        fn check(method: &str, params: &str, first: Option<u8>) {
            assert_eq!(account_of_call(method, params.as_bytes()).map(|a| a[0]), first, "{method} {params}");
        }
        let account = "0xAb00000000000000000000000000000000000001";
        check("eth_getTransactionCount", &format!(r#"["{account}","pending"]"#), Some(0xAB));
        check("eth_getTransactionCount", &format!(r#"["{account}","latest"]"#), None);
        check("eth_getTransactionCount", r#"["0xab","pending"]"#, None);
        check("eth_sendTransaction", &format!(r#"[{{"from":"{account}"}}]"#), Some(0xAB));
        let raw = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
        check("eth_sendRawTransaction", &format!(r#"["{raw}"]"#), Some(0x9d));
        check("eth_sendRawTransaction", &format!(r#"["{raw}", {{"x": [1]}}]"#), Some(0x9d));
        check("eth_sendRawTransaction", &format!(r#"["{}"]"#, &raw[..raw.len() - 2]), None);
        check("eth_sendRawTransaction", "[]", None);
        check("eth_sendRawTransaction", r#"{"a":1}"#, None);
        check("eth_call", &format!(r#"[{{"from":"{account}"}},"latest"]"#), None);
    }

    /// `cargo test --release -p weir-chain -- --ignored --nocapture cost` says what telling a sender costs.
    #[test]
    #[ignore = "a measurement"]
    fn cost_of_a_sender() {
        let raw = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
        let params = format!(r#"["{raw}"]"#);
        let begun = std::time::Instant::now();
        let rounds = 2000;
        for _ in 0..rounds {
            assert!(
                account_of_call("eth_sendRawTransaction", std::hint::black_box(params.as_bytes())).is_some()
            );
        }
        eprintln!("a sender is told in {:?}", begun.elapsed() / rounds);
    }
}
