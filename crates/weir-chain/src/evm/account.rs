//! Whose transactions a call is about.

use serde_json::Value;

/// The account whose transactions a call sends, or counts with those that wait, so that it should meet the node that knows
/// them. `params` is the call's JSON. `None` where no account can be told, and where any node will do.
pub fn account_of_call(method: &str, params: &[u8]) -> Option<[u8; 20]> {
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

/// An address written as `0x` and forty digits.
fn address(text: &str) -> Option<[u8; 20]> {
    let digits = text.strip_prefix("0x")?;
    let good = digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let mut bytes = [0; 20];
    for (at, byte) in bytes.iter_mut().enumerate().filter(|_| good) {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    good.then_some(bytes)
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
        check("eth_call", &format!(r#"[{{"from":"{account}"}},"latest"]"#), None);
    }
}
