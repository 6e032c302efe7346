//! Calls over HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use weir_model::ChainUrl;

use super::access::Access;
use super::answer::{self, Answered, BATCH_MAX};
use super::http::Http;
use crate::words::{NodeError, NodeErrorKind};

/// A node's JSON-RPC over HTTP. A call is one exchange; it may be cancelled at any time, which does not end what it does at
/// the node.
#[derive(Debug)]
pub struct Rpc {
    http: Http,
    name: String,
    next_id: AtomicU64,
}

impl Rpc {
    /// Connects nowhere yet.
    pub fn new(access: Access, url: ChainUrl) -> Self {
        Self { name: url.shown(), http: Http::new(access, url), next_id: AtomicU64::new(1) }
    }

    /// Its URL without what is secret in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The door that calls go through.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// One call, within the chain's timeout for requests. `params` is an object or an array.
    ///
    /// # Errors
    /// There is no answer, or it is none of the protocol; a node's own refusal is an answer.
    pub async fn call(&self, method: &str, params: &Value) -> Result<Answered, NodeError> {
        self.call_within(method, params, self.http.access().timeouts().request).await
    }

    /// One call, within a time of its own.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn call_within(
        &self,
        method: &str,
        params: &Value,
        within: Duration,
    ) -> Result<Answered, NodeError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = answer::request(id, method, params).to_string();
        let mut answers = self.exchange(body, id, 1, within).await?;
        answers.pop().ok_or_else(|| NodeError::unknown(NodeErrorKind::Protocol, "no answer"))
    }

    /// Calls that are sent in one body, at most a thousand; answers are in their order.
    ///
    /// # Errors
    /// As [`Rpc::call`], for all of them.
    pub async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Answered>, NodeError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        if calls.len() > BATCH_MAX {
            let what = format!("{} calls at once; {BATCH_MAX} are the most", calls.len());
            return Err(NodeError::before_send(NodeErrorKind::Protocol, what));
        }
        let first = self.next_id.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let requests: Value =
            (first..).zip(calls).map(|(id, (method, params))| answer::request(id, method, params)).collect();
        self.exchange(requests.to_string(), first, calls.len(), self.http.access().timeouts().request).await
    }

    async fn exchange(
        &self,
        body: String,
        first: u64,
        count: usize,
        within: Duration,
    ) -> Result<Vec<Answered>, NodeError> {
        let target = self.http.url().target.clone();
        let (status, body) = self.http.post(&target, Bytes::from(body), within).await?;
        answer::read(status, &body, first, count)
            .map_err(|error| NodeError { detail: format!("{}: {}", self.name, error.detail), ..error })
    }
}
