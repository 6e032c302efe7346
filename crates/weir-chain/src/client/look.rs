//! Looking for a transaction at one node, in the order that makes conclusions true.

use weir_model::Finality;

use crate::node::Node;
use crate::submission::machine::{Sight, settled};
use crate::words::{BlockAt, NodeError, Tx, TxId};

/// Reads heights before what is judged by them: whatever is not found then is in no block up to those heights.
pub(super) async fn look(
    node: &dyn Node,
    finality: Finality,
    tx: &Tx,
    tx_id: &TxId,
) -> Result<Sight, NodeError> {
    let status = node.status().await?;
    let finalized = match (finality, status.finalized) {
        (Finality::Tag, None) => node.block(BlockAt::Finalized).await?.map(|block| block.height),
        (_, finalized) => finalized,
    };
    let settled = settled(finality, status.height, finalized);
    let found = node.look_up(tx_id).await?;
    if found.is_some() {
        return Ok(Sight { head: status.height, settled, spent: false, pending: None, found });
    }
    let spent = settled.0 > 0 && node.spent(tx, BlockAt::Height(settled)).await?;
    let pending = node.pending(tx_id).await?;
    // Asked again: between the first answer and `pending` a block may have taken it out of the mempool.
    let found = node.look_up(tx_id).await?;
    Ok(Sight { head: status.height, settled, spent, pending, found })
}
