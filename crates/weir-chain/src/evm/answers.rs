//! Answers of Ethereum's JSON-RPC: what is missing or wrong in them is an error, never a guess.

use std::sync::Arc;

use serde_json::Value;
use weir_model::Wall;

use super::hex;
use crate::rpc::Answered;
use crate::words::{Block, Execution, Hash, Head, Height, Inclusion, NodeError, NodeErrorKind, TxId};

/// What a node answered, its refusal as an error.
pub(crate) fn result(answered: Answered) -> Result<Value, NodeError> {
    answered.map_err(crate::rpc::Refused::into_error)
}

/// An answer that is none.
pub(crate) fn wrong(what: &str) -> NodeError {
    NodeError::unknown(NodeErrorKind::Protocol, format!("{what} is missing, or is not what it should be"))
}

pub(crate) fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str, NodeError> {
    of.get(name).and_then(Value::as_str).ok_or_else(|| wrong(name))
}

pub(crate) fn number(of: &Value, name: &str) -> Result<u64, NodeError> {
    hex::read_number(text(of, name)?).ok_or_else(|| wrong(name))
}

pub(crate) fn hash(of: &Value, name: &str) -> Result<[u8; 32], NodeError> {
    hex::read_array(text(of, name)?).ok_or_else(|| wrong(name))
}

/// A number that is the whole answer.
pub(crate) fn bare_number(value: &Value, what: &str) -> Result<u64, NodeError> {
    value.as_str().and_then(hex::read_number).ok_or_else(|| wrong(what))
}

/// A hash that is the whole answer.
pub(crate) fn bare_hash(value: &Value, what: &str) -> Result<[u8; 32], NodeError> {
    value.as_str().and_then(hex::read_array).ok_or_else(|| wrong(what))
}

/// The head of a block, as a block or a push has it.
pub(crate) fn head(of: &Value) -> Result<Head, NodeError> {
    Ok(Head {
        height: Height(number(of, "number")?),
        hash: hash(of, "hash")?.into(),
        parent: hash(of, "parentHash")?.into(),
        time: Wall(number(of, "timestamp")?.saturating_mul(1_000_000_000)),
    })
}

/// A block with the hashes of its transactions. `None` where the node has none.
pub(crate) fn block(of: &Value) -> Result<Option<Block>, NodeError> {
    // Of a block that is not made yet, some nodes give one without a hash.
    if of.is_null() || of.get("hash").is_some_and(Value::is_null) {
        return Ok(None);
    }
    let Head { height, hash, parent, time } = head(of)?;
    let txs = of.get("transactions").and_then(Value::as_array).ok_or_else(|| wrong("transactions"))?;
    let txs: Result<_, _> = txs.iter().map(|tx| bare_hash(tx, "transactions").map(TxId::Hash)).collect();
    let app_hash = Some(Hash::from(self::hash(of, "stateRoot")?));
    Ok(Some(Block { height, hash, parent, time, txs: txs?, app_hash }))
}

/// Where a receipt says that its transaction is, and to whom that goes.
pub(crate) fn receipt(of: &Value, id: &[u8; 32]) -> Result<(Inclusion, Option<[u8; 20]>), NodeError> {
    if hash(of, "transactionHash")? != *id {
        return Err(wrong("transactionHash"));
    }
    let inclusion = Inclusion {
        height: Height(number(of, "blockNumber")?),
        block: hash(of, "blockHash")?.into(),
        index: u32::try_from(number(of, "transactionIndex")?).map_err(|_| wrong("transactionIndex"))?,
        execution: execution(of),
    };
    Ok((inclusion, of.get("to").and_then(Value::as_str).and_then(hex::read_array)))
}

/// What executing it came to. Before Byzantium receipts did not tell; then it counts as done.
pub(crate) fn execution(receipt: &Value) -> Execution {
    let failed = receipt.get("status").and_then(Value::as_str).and_then(hex::read_number) == Some(0);
    if failed {
        let reason = receipt.get("revertReason").and_then(Value::as_str).unwrap_or("it reverted");
        Execution { succeeded: false, code: 1, log: reason.into() }
    } else {
        Execution::success()
    }
}

/// The number of a chain in decimal.
pub(crate) fn chain_id(value: &Value) -> Result<Arc<str>, NodeError> {
    Ok(bare_number(value, "eth_chainId")?.to_string().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn receipts() {
        let hash = |byte: u8| hex::write_bytes(&[byte; 32]);
        let mut value = json!({
            "transactionHash": hash(1), "blockHash": hash(2), "blockNumber": "0x10", "transactionIndex": "0x3",
            "status": "0x1", "to": null,
        });
        let (inclusion, to) = receipt(&value, &[1; 32]).unwrap();
        assert_eq!(
            (inclusion.height, inclusion.index, inclusion.execution.succeeded, to),
            (Height(16), 3, true, None)
        );
        value["status"] = json!("0x0");
        value["to"] = json!("0x000000000000000000000000000000000000007e");
        let (inclusion, to) = receipt(&value, &[1; 32]).unwrap();
        assert_eq!((inclusion.execution.succeeded, to.map(|to| to[19])), (false, Some(0x7e)));
        assert!(receipt(&value, &[2; 32]).is_err());
        value["blockNumber"] = json!(16);
        assert!(receipt(&value, &[1; 32]).is_err());
    }

    #[test]
    fn blocks() {
        let hash = |byte: u8| hex::write_bytes(&[byte; 32]);
        let mut value = json!({
            "hash": hash(2), "parentHash": hash(1), "number": "0x2", "timestamp": "0x5", "stateRoot": hash(3),
            "transactions": [hash(4)],
        });
        let read = block(&value).unwrap().unwrap();
        assert_eq!((read.height, read.time, read.txs.len()), (Height(2), Wall(5_000_000_000), 1));
        value["transactions"] = json!([{}]);
        assert!(block(&value).is_err());
        value["hash"] = Value::Null;
        assert_eq!(block(&value), Ok(None));
        assert_eq!(block(&Value::Null), Ok(None));
    }
}
