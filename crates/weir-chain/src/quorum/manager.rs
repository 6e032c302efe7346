//! A transaction manager beside a node: Tessera's interface for third parties.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use weir_model::ChainUrl;
use weir_signal::{base64, unbase64};

use crate::rpc::{Access, Http};
use crate::words::{NodeError, NodeErrorKind};

/// Bytes of the hash of a payload: SHA-512 in Tessera.
const HASH_BYTES: usize = 64;

/// A transaction manager. It keeps payloads for those whom they concern, under hashes that go into public transactions.
#[derive(Debug)]
pub struct Manager {
    http: Http,
    within: Duration,
}

impl Manager {
    /// Connects nowhere yet; no secret of the node's is shown to it. A call takes at most `within`.
    pub fn new(access: &Access, url: ChainUrl, within: Duration) -> Self {
        Self { http: Http::new(access.anonymous(), url), within }
    }

    /// Keeps `payload`, and gives the hash that stands for it as a transaction's data (`POST /storeraw`). The same payload has
    /// the same hash, so it may be stored again. `from` is the sender's key in Base64, the manager's first where not given.
    ///
    /// # Errors
    /// The manager did not answer in time, or refused.
    pub async fn store_raw(&self, payload: &[u8], from: Option<&str>) -> Result<Vec<u8>, NodeError> {
        let mut body = json!({ "payload": base64(payload) });
        if let Some(from) = from {
            body["from"] = json!(from);
        }
        let base = self.http.url().target.trim_end_matches('/');
        let target = format!("{base}/storeraw");
        let (status, body) = self.http.post(&target, Bytes::from(body.to_string()), self.within).await?;
        if !status.is_success() {
            let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            let what = format!("the transaction manager answered {status}: {said}");
            return Err(NodeError::unknown(NodeErrorKind::Internal, what));
        }
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        let key = answer.as_ref().and_then(|answer| unbase64(answer.get("key")?.as_str()?.as_bytes()).ok());
        key.filter(|key| key.len() == HASH_BYTES).ok_or_else(|| {
            NodeError::unknown(
                NodeErrorKind::Protocol,
                "the transaction manager's answer has no `key` of 64 bytes in Base64",
            )
        })
    }
}
