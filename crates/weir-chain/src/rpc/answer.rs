//! Answers to calls.

use http::StatusCode;
use serde_json::{Value, json};
use weir_jsonrpc::{Answer, Id, Limits, Outcome, read_answers};

use super::http::ANSWER_BYTES_MAX;
use crate::words::{NodeError, NodeErrorKind};

/// Calls that are sent at once.
pub(super) const BATCH_MAX: usize = 1000;

const LIMITS: Limits = Limits { bytes: ANSWER_BYTES_MAX, calls: BATCH_MAX, method_bytes: 128, depth: 64 };

/// What a node answered: the result, or that it refused.
pub type Answered = Result<Value, Refused>;

/// An error object of JSON-RPC.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct Refused {
    /// Its number.
    pub code: i64,
    /// What the node says.
    pub message: String,
    /// What it adds; `null` where nothing.
    pub data: Value,
}

impl Refused {
    /// The call is not offered (-32601).
    pub fn is_unknown_method(&self) -> bool {
        self.code == -32601
    }

    /// All that it says, in one text.
    pub fn text(&self) -> String {
        match &self.data {
            Value::Null => self.message.clone(),
            Value::String(data) => format!("{}: {data}", self.message),
            data => format!("{}: {data}", self.message),
        }
    }

    /// As an error of the node. What the node refuses by itself it may have done nonetheless, unless it does not know the call.
    pub fn into_error(self) -> NodeError {
        if self.is_unknown_method() {
            NodeError::before_send(NodeErrorKind::Unsupported, self.text())
        } else {
            NodeError::unknown(NodeErrorKind::Internal, format!("{} (code {})", self.text(), self.code))
        }
    }
}

/// A call's body.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// What a status alone says.
pub(super) fn judge(status: StatusCode) -> Result<(), NodeError> {
    let said = || format!("it answered {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(NodeError::before_send(NodeErrorKind::Unauthorized, said()))
        }
        StatusCode::TOO_MANY_REQUESTS => Err(NodeError::before_send(NodeErrorKind::Busy, said())),
        // From something in front of the node, which may have passed the call on.
        StatusCode::SERVICE_UNAVAILABLE => Err(NodeError::unknown(NodeErrorKind::Busy, said())),
        _ => Ok(()),
    }
}

/// Reads the answers to calls `first`, `first + 1`, and so on, in the calls' order.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    first: u64,
    count: usize,
) -> Result<Vec<Answered>, NodeError> {
    judge(status)?;
    let wrong = |what: String| NodeError::unknown(NodeErrorKind::Protocol, what);
    let answers = match read_answers(body, &LIMITS) {
        Ok(answers) => answers,
        Err(_) if !status.is_success() => return Err(wrong(format!("it answered {status}"))),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if let ([answer], false) = (&*answers.answers, answers.batch)
        && matches!(answer.outcome, Outcome::Error { .. })
    {
        // A server that could not read the whole gives it no id, or one of its own.
        let error = outcome(answer)?;
        return Ok(vec![error; count]);
    }
    let mut found: Vec<Option<Answered>> = vec![None; count];
    for answer in &answers.answers {
        let at = number(&answer.id).and_then(|id| id.checked_sub(first)).map(|at| at as usize);
        match at.and_then(|at| found.get_mut(at)) {
            Some(place) if place.is_none() => *place = Some(outcome(answer)?),
            _ => return Err(wrong("it answered a call that was not made".into())),
        }
    }
    let all: Option<Vec<_>> = found.into_iter().collect();
    all.ok_or_else(|| wrong("it did not answer every call".into()))
}

/// Of which call an answer is.
pub(super) fn number(id: &Id<'_>) -> Option<u64> {
    match id {
        Id::Number(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// What came of a call.
pub(super) fn outcome(answer: &Answer<'_>) -> Result<Answered, NodeError> {
    let wrong = |error: serde_json::Error| NodeError::unknown(NodeErrorKind::Protocol, error.to_string());
    match &answer.outcome {
        Outcome::Result(text) => Ok(Ok(serde_json::from_slice(text).map_err(wrong)?)),
        Outcome::Error { code, message, text } => {
            let mut whole: Value = serde_json::from_slice(text).map_err(wrong)?;
            let data = whole.get_mut("data").map(Value::take).unwrap_or_default();
            Ok(Err(Refused { code: *code, message: message.to_string(), data }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Effect;

    #[test]
    fn answers_find_their_calls() {
        #[track_caller]
        fn check(status: u16, body: &str, count: usize, expect: Result<&str, (NodeErrorKind, Effect)>) {
            let answers = read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), 5, count);
            let shown = answers.map(|all| {
                let one = |answer: Answered| answer.map_or_else(|no| no.text(), |value| value.to_string());
                all.into_iter().map(one).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(
                shown.as_deref().map_err(|e| (e.kind, e.effect)),
                expect.as_ref().map(|s| &**s).map_err(|e| *e)
            );
        }
        use NodeErrorKind::{Busy, Protocol, Unauthorized};
        check(200, r#"{"id":5,"result":{"a":1}}"#, 1, Ok(r#"{"a":1}"#));
        check(200, r#"[{"id":6,"result":2},{"id":5,"result":1}]"#, 2, Ok("1 2"));
        // Of CometBFT before 0.38: errors with a status, and an id of its own where it does not know the call's.
        check(500, r#"{"id":5,"error":{"code":-32603,"message":"m","data":"d"}}"#, 1, Ok("m: d"));
        check(500, r#"{"id":-1,"error":{"code":-32603,"message":"m"}}"#, 1, Ok("m"));
        check(400, r#"{"id":null,"error":{"code":-32600,"message":"too many"}}"#, 2, Ok("too many too many"));
        check(200, r#"{"id":6,"result":1}"#, 1, Err((Protocol, Effect::Unknown)));
        check(200, r#"[{"id":5,"result":1}]"#, 2, Err((Protocol, Effect::Unknown)));
        check(200, r#"[{"id":5,"result":1},{"id":5,"result":1}]"#, 2, Err((Protocol, Effect::Unknown)));
        check(200, "<html>", 1, Err((Protocol, Effect::Unknown)));
        check(404, "not found", 1, Err((Protocol, Effect::Unknown)));
        check(401, "", 1, Err((Unauthorized, Effect::BeforeSend)));
        check(429, "", 1, Err((Busy, Effect::BeforeSend)));
        check(503, "", 1, Err((Busy, Effect::Unknown)));
    }
}
