//! What nodes mean by refusing a transaction.
//!
//! The texts are nobody's standard; these are those of geth, GoQuorum and its older kin, Erigon, Nethermind (by names before
//! 1.33, by geth's words since), Besu, Reth and anvil, compared in lower case.

use crate::rpc::Refused;
use crate::words::{NodeError, NodeErrorKind, Rejection, SendOutcome};

#[derive(Clone, Copy)]
enum Means {
    Known,
    Low,
    High,
    Underpriced,
    Full,
    Refused,
    Busy,
    Timeout,
}

/// The first one that the text holds decides.
const WORDS: &[(&str, Means)] = &[
    // Of a delegation, not of the transaction (EIP-7702).
    ("authority nonce too low", Means::Refused),
    ("already known", Means::Known),
    ("already imported", Means::Known),
    ("alreadyknown", Means::Known),
    ("known transaction", Means::Known),
    ("existing tx with same hash", Means::Known),
    ("same hash was already imported", Means::Known),
    ("nonce too low", Means::Low),
    ("nonce is too low", Means::Low),
    ("oldnonce", Means::Low),
    ("nonce too high", Means::High),
    ("noncegap", Means::High),
    ("nonce gap", Means::High),
    ("gapped-nonce", Means::High),
    ("noncetoofarinfuture", Means::High),
    ("nonce too far in future", Means::High),
    ("nonce is too distant", Means::High),
    ("nonce too distant", Means::High),
    ("lower nonce invalid transaction exists", Means::High),
    ("transaction with a lower nonce exists", Means::High),
    ("replacement transaction underpriced", Means::Underpriced),
    ("to replace existing transaction", Means::Underpriced),
    ("could not replace existing tx", Means::Underpriced),
    ("replacementnotallowed", Means::Underpriced),
    ("another transaction with same nonce", Means::Underpriced),
    ("txpool is full", Means::Full),
    ("pool is full", Means::Full),
    ("sub-pool is full", Means::Full),
    ("pool overflow", Means::Full),
    ("account limit exceeded", Means::Full),
    ("exceeds max slots", Means::Full),
    ("feetoolowtocompete", Means::Full),
    ("future transaction tries to replace pending", Means::Full),
    // Another kind of transaction of the same sender waits; once it is in a block, this one may come.
    ("already reserved", Means::Full),
    ("in-flight transaction limit", Means::Full),
    ("initial sync is still in progress", Means::Busy),
    ("transaction pool not enabled", Means::Busy),
    ("node is syncing", Means::Busy),
    ("rate limit", Means::Busy),
    ("too many requests", Means::Busy),
    ("request count exceeded", Means::Busy),
    ("timed out", Means::Timeout),
    ("timeout", Means::Timeout),
    ("insufficient funds", Means::Refused),
    ("insufficientfunds", Means::Refused),
    ("exceeds account balance", Means::Refused),
    ("intrinsic gas", Means::Refused),
    ("gas limit", Means::Refused),
    ("underpriced", Means::Refused),
    ("feetoolow", Means::Refused),
    ("fee too low", Means::Refused),
    ("gas price", Means::Refused),
    ("fee cap", Means::Refused),
    ("fee per gas", Means::Refused),
    ("oversized data", Means::Refused),
    ("invalid sender", Means::Refused),
    ("signature", Means::Refused),
    ("chain id", Means::Refused),
    ("chainid", Means::Refused),
    ("eip-155", Means::Refused),
    ("transaction type not supported", Means::Refused),
    ("sender not an eoa", Means::Refused),
    ("rlp", Means::Refused),
];

/// What a node's refusal of a send comes to.
///
/// # Errors
/// The node said nothing about the transaction: it is not ready, does not offer the call, or failed within, where nobody knows
/// what it did.
pub(crate) fn outcome_of(refused: Refused) -> Result<SendOutcome, NodeError> {
    if refused.is_unknown_method() || refused.code == -32604 {
        return Err(NodeError::before_send(NodeErrorKind::Unsupported, refused.text()));
    }
    let text = refused.text().to_ascii_lowercase();
    let means = WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, means)| *means);
    // Internal errors and numbers that nobody defines say nothing of the transaction.
    let of_transactions = matches!(refused.code, -32010..=-32000 | -32602);
    match means.or(of_transactions.then_some(Means::Refused)) {
        Some(Means::Known) => Ok(SendOutcome::AlreadyKnown),
        Some(Means::Low) => Ok(SendOutcome::NonceTooLow),
        Some(Means::High) => Ok(SendOutcome::NonceTooHigh),
        Some(Means::Underpriced) => Ok(SendOutcome::Underpriced),
        Some(Means::Full) => Ok(SendOutcome::MempoolFull),
        Some(Means::Refused) => {
            let Refused { code, .. } = refused;
            Ok(SendOutcome::Rejected(Rejection { code, codespace: String::new(), log: refused.text() }))
        }
        Some(Means::Busy) => Err(NodeError::before_send(NodeErrorKind::Busy, refused.text())),
        Some(Means::Timeout) => Err(NodeError::unknown(NodeErrorKind::Timeout, refused.text())),
        None => Err(refused.into_error()),
    }
}

/// Whether a node says that it no longer has the state of a block.
pub(crate) fn is_state_gone(refused: &Refused) -> bool {
    let text = refused.text().to_ascii_lowercase();
    [
        "missing trie node",
        "state unavailable",
        "state is not available",
        "historical state",
        "pruned",
        "state at block",
    ]
    .iter()
    .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn words_of_nodes() {
        #[track_caller]
        fn check(code: i64, message: &str, means: &str) {
            let refused = Refused { code, message: message.into(), data: Value::Null };
            let got = match outcome_of(refused) {
                Ok(SendOutcome::Rejected(rejection)) => {
                    assert_eq!((rejection.code, &*rejection.log), (code, message));
                    "refused".to_owned()
                }
                Ok(outcome) => format!("{outcome:?}"),
                Err(error) => format!("{:?} {:?}", error.kind, error.effect),
            };
            assert_eq!(got, means, "{message}");
        }
        // geth
        check(-32000, "already known", "AlreadyKnown");
        check(-32000, "nonce too low: next nonce 5, tx nonce 4", "NonceTooLow");
        check(-32000, "authority nonce too low", "refused");
        check(-32000, "replacement transaction underpriced", "Underpriced");
        check(-32000, "transaction underpriced", "refused");
        check(-32000, "txpool is full", "MempoolFull");
        check(-32000, "account limit exceeded", "MempoolFull");
        check(-32000, "address already reserved", "MempoolFull");
        check(-32000, "gapped-nonce tx from delegated accounts", "NonceTooHigh");
        check(
            -32000,
            "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
            "refused",
        );
        check(-32000, "intrinsic gas too low: gas 0, minimum needed 21000", "refused");
        check(-32000, "only replay-protected (EIP-155) transactions allowed over RPC", "refused");
        check(-32000, "exceeds block gas limit", "refused");
        // GoQuorum and older geth
        check(-32000, "known transaction: 5f…", "AlreadyKnown");
        // Erigon
        check(-32000, "existing tx with same hash", "AlreadyKnown");
        check(-32000, "could not replace existing tx", "Underpriced");
        check(-32000, "pending sub-pool is full", "MempoolFull");
        check(-32000, "underpriced", "refused");
        // Nethermind
        check(-32010, "AlreadyKnown", "AlreadyKnown");
        check(-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", "NonceTooLow");
        check(-32010, "NonceGap, Future nonce. Expected nonce: 5", "NonceTooHigh");
        check(-32010, "FeeTooLowToCompete", "MempoolFull");
        check(-32010, "FeeTooLow, MaxFeePerGas too low", "refused");
        check(-32010, "ReplacementNotAllowed", "Underpriced");
        check(-32010, "InsufficientFunds, Account balance: 0", "refused");
        // Besu
        check(-32000, "Known transaction", "AlreadyKnown");
        check(-32001, "Nonce too low", "NonceTooLow");
        check(-32006, "Nonce too high", "NonceTooHigh");
        check(-32000, "Transaction nonce is too distant from current sender nonce", "NonceTooHigh");
        check(-32000, "An invalid transaction with a lower nonce exists", "NonceTooHigh");
        check(-32000, "Replacement transaction underpriced", "Underpriced");
        check(-32004, "Upfront cost exceeds account balance", "refused");
        check(-32003, "Intrinsic gas exceeds gas limit", "refused");
        check(-32009, "Gas price below current base fee", "refused");
        check(-32008, "Initial sync is still in progress", "Busy BeforeSend");
        check(-32604, "Method not enabled", "Unsupported BeforeSend");
        check(-32603, "Timeout expired", "Timeout Unknown");
        // Reth and anvil
        check(-32000, "nonce too low: next nonce 1, tx nonce 0", "NonceTooLow");
        check(-32003, "Tx: [0x5f…] already Imported", "AlreadyKnown");
        check(-32003, "Tx: [0x5f…] insufficient gas price to replace existing transaction", "Underpriced");
        check(-32003, "max fee per gas less than block base fee", "refused");
        // Those in front of nodes
        check(-32005, "daily request count exceeded, request rate limited", "Busy BeforeSend");
        check(-32601, "the method eth_sendRawTransaction does not exist", "Unsupported BeforeSend");
        check(-32603, "Internal error", "Internal Unknown");
    }
}
