//! Ethereum's JSON-RPC (execution-apis, and what geth, Erigon, Nethermind, Besu and Quorum add).

use super::{Effect, Subject, params};

pub(super) fn effect(method: &str) -> Effect {
    match method {
        "eth_sendRawTransaction"
        | "eth_sendRawTransactionSync"
        | "eth_sendRawTransactionConditional"
        | "eth_sendRawPrivateTransaction"
        | "eth_sendPrivateTransaction"
        | "eth_sendBundle"
        | "eth_sendUserOperation"
        | "eth_submitWork"
        | "eth_submitHashrate"
        | "eth_cancelPrivateTransaction"
        | "eea_sendRawTransaction"
        | "priv_distributeRawTransaction"
        | "priv_createPrivacyGroup"
        | "priv_deletePrivacyGroup" => Effect::Write,
        "eth_newFilter"
        | "eth_newBlockFilter"
        | "eth_newPendingTransactionFilter"
        | "eth_getFilterChanges"
        | "eth_getFilterLogs"
        | "eth_uninstallFilter"
        | "priv_newFilter"
        | "priv_getFilterChanges"
        | "priv_getFilterLogs"
        | "priv_uninstallFilter" => Effect::Session,
        "eth_subscribe" | "eth_unsubscribe" | "priv_subscribe" | "priv_unsubscribe" => Effect::Subscribe,
        // These use the node's own keys.
        "eth_sendTransaction"
        | "eth_sign"
        | "eth_signTransaction"
        | "eth_signTypedData"
        | "eea_sendTransaction" => Effect::Control,
        "eth_accounts"
        | "eth_baseFee"
        | "eth_blobBaseFee"
        | "eth_blockNumber"
        | "eth_call"
        | "eth_callMany"
        | "eth_capabilities"
        | "eth_chainId"
        | "eth_coinbase"
        | "eth_config"
        | "eth_createAccessList"
        | "eth_estimateGas"
        | "eth_estimateUserOperationGas"
        | "eth_feeHistory"
        | "eth_gasPrice"
        | "eth_hashrate"
        | "eth_maxPriorityFeePerGas"
        | "eth_mining"
        | "eth_pendingTransactions"
        | "eth_protocolVersion"
        | "eth_simulateV1"
        | "eth_supportedEntryPoints"
        | "eth_syncing" => Effect::Read,
        _ => match method.split_once('_') {
            Some(("eth" | "priv" | "eea", rest)) if rest.starts_with("get") => Effect::Read,
            Some(
                ("net" | "web3" | "rpc" | "trace" | "ots" | "erigon", _)
                | ("priv", "call" | "debugGetStateRoot" | "findPrivacyGroup"),
            ) => Effect::Read,
            Some(("txpool", rest)) if !rest.starts_with("besuSet") => Effect::Read,
            Some(("debug", rest)) if rest.starts_with("trace") || rest.starts_with("getRaw") => Effect::Read,
            Some(("quorumExtension", rest)) if rest.starts_with("get") => Effect::Read,
            Some((
                "admin" | "personal" | "miner" | "debug" | "engine" | "clique" | "istanbul" | "raft" | "perm"
                | "quorumPermission" | "txpool" | "les",
                _,
            )) => Effect::Control,
            _ => Effect::Unknown,
        },
    }
}

/// Where a method's block stands among its parameters.
fn position(method: &str) -> Option<usize> {
    Some(match method {
        "eth_getBlockByNumber"
        | "eth_getBlockReceipts"
        | "eth_getBlockTransactionCountByNumber"
        | "eth_getTransactionByBlockNumberAndIndex"
        | "eth_getUncleByBlockNumberAndIndex"
        | "eth_getUncleCountByBlockNumber"
        | "eth_getRawTransactionByBlockNumberAndIndex"
        | "debug_traceBlockByNumber"
        | "trace_block" => 0,
        "eth_call"
        | "eth_createAccessList"
        | "eth_feeHistory"
        | "eth_getBalance"
        | "eth_getCode"
        | "eth_getTransactionCount"
        | "debug_traceCall" => 1,
        "eth_getProof" | "eth_getStorageAt" => 2,
        _ => return None,
    })
}

pub(super) fn subject(method: &str, given: Option<&[u8]>) -> Subject {
    match method {
        "eth_chainId" | "net_version" => return Subject::Chain,
        "eth_getBlockByHash"
        | "eth_getTransactionByHash"
        | "eth_getTransactionByBlockHashAndIndex"
        | "eth_getTransactionReceipt" => return Subject::Found,
        "eth_getLogs" => {
            return given.and_then(range).map_or(Subject::Changing, Subject::Height);
        }
        _ => {}
    }
    let at = position(method).and_then(|index| params::element(given?, index)).and_then(number);
    at.map_or(Subject::Changing, Subject::Height)
}

/// The last block of a filter that names both ends by number.
fn range(given: &[u8]) -> Option<u64> {
    let filter = params::element(given, 0)?;
    if params::member(filter, "blockHash").ok()?.is_some() {
        return None;
    }
    let end = |name| params::member(filter, name).ok().flatten().and_then(number);
    Some(end("fromBlock")?.max(end("toBlock")?))
}

/// A block's number: `"0x10"`, `"earliest"`, or `{"blockNumber": "0x10"}` (EIP-1898).
fn number(value: &[u8]) -> Option<u64> {
    if value.starts_with(b"{") {
        if params::member(value, "blockHash").ok()?.is_some() {
            return None;
        }
        return number(params::member(value, "blockNumber").ok()??);
    }
    match params::text(value)? {
        "earliest" => Some(0),
        text => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().filter(|_| !text.contains('+')),
    }
}

/// The block that a block, transaction or receipt says it is, or is in.
pub(super) fn found_at(result: &[u8]) -> Option<u64> {
    let named = |name| params::member(result, name).ok().flatten().and_then(number);
    named("blockNumber").or_else(|| named("number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects() {
        for (method, expected) in [
            ("eth_call", Effect::Read),
            ("eth_getLogs", Effect::Read),
            ("eth_getFilterChanges", Effect::Session),
            ("eth_sendRawTransaction", Effect::Write),
            ("eea_sendRawTransaction", Effect::Write),
            ("eth_sendTransaction", Effect::Control),
            ("eth_subscribe", Effect::Subscribe),
            ("debug_traceTransaction", Effect::Read),
            ("debug_setHead", Effect::Control),
            ("priv_getTransactionReceipt", Effect::Read),
            ("admin_peers", Effect::Control),
            ("eth_somethingNew", Effect::Unknown),
            ("evm_mine", Effect::Unknown),
            ("status", Effect::Unknown),
        ] {
            assert_eq!(effect(method), expected, "{method}");
        }
    }

    #[test]
    fn subjects() {
        for (method, params, expected) in [
            ("eth_chainId", "[]", Subject::Chain),
            ("eth_getBlockByNumber", r#"["0x10",false]"#, Subject::Height(16)),
            ("eth_getBlockByNumber", r#"["latest",false]"#, Subject::Changing),
            ("eth_getBlockByNumber", r#"["0x+1",false]"#, Subject::Changing),
            ("eth_call", r#"[{"to":"0x0"},{"blockNumber":"0xA"}]"#, Subject::Height(10)),
            ("eth_call", r#"[{"to":"0x0"},{"blockHash":"0xA"}]"#, Subject::Changing),
            ("eth_call", r#"[{"to":"0x0"}]"#, Subject::Changing),
            ("eth_getBalance", r#"["0x0","earliest"]"#, Subject::Height(0)),
            ("eth_getLogs", r#"[{"fromBlock":"0x1","toBlock":"0x9"}]"#, Subject::Height(9)),
            ("eth_getLogs", r#"[{"fromBlock":"0x1"}]"#, Subject::Changing),
            ("eth_getLogs", r#"[{"fromBlock":"0x1","toBlock":"0x2","toBlock":"latest"}]"#, Subject::Changing),
            ("eth_getLogs", r#"[{"fromBlock":"0x1","toBlock":"0x2","ToBlock":"latest"}]"#, Subject::Changing),
            ("eth_getTransactionReceipt", r#"["0x0"]"#, Subject::Found),
            ("eth_blockNumber", "[]", Subject::Changing),
        ] {
            assert_eq!(subject(method, Some(params.as_bytes())), expected, "{method} {params}");
        }
        assert_eq!(found_at(br#"{"hash":"0x0","blockNumber":"0x20"}"#), Some(32));
        assert_eq!(found_at(br#"{"blockNumber":null}"#), None);
        assert_eq!(found_at(b"null"), None);
    }
}
