//! Answers that are errors, in words that say what to do.

use std::fmt::Write as _;

use anyhow::anyhow;
use serde_json::Value;

use super::Reply;
use crate::stages::Usage;

/// Whether a token was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One was.
    Sent,
    /// None was given.
    None,
    /// Nobody wants one.
    Needless,
}

/// The error that an answer is. A mistake in the query text is one of whoever typed it.
pub(super) fn of(reply: &Reply, query: Option<&str>, token: Token) -> anyhow::Error {
    let said = said(&reply.body);
    match (reply.status, token) {
        (401, Token::Sent) => {
            return anyhow!(
                "the server does not know this token; `store.access` in its configuration says which it takes"
            );
        }
        (401, _) => {
            return anyhow!(
                "the server wants to know who asks: name a file with a token by --token-file, or set WEIR_TOKEN"
            );
        }
        _ => {}
    }
    if let (Some(query), Some(mistake)) = (query, Mistake::find(&said)) {
        return Usage(mistake.shown(query)).into();
    }
    match reply.status {
        400 => Usage(said).into(),
        404 if said.is_empty() => anyhow!("the server does not know this interface: is it a Weir?"),
        _ if said.is_empty() => anyhow!("the server answers with status {}", reply.status),
        _ => anyhow!("{said}"),
    }
}

/// The words of an error: Prometheus' and Jaeger's are in JSON, Loki's and Tempo's are bare.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let inner = json.as_ref().and_then(|json| {
        let places = [&json["error"], &json["errors"][0]["msg"], &json["message"]];
        places.into_iter().find_map(Value::as_str)
    });
    inner.unwrap_or(&text).trim().to_owned()
}

/// A mistake in a query's text, and its place.
#[derive(Debug, PartialEq, Eq)]
struct Mistake<'a> {
    line: usize,
    column: usize,
    message: &'a str,
}

impl<'a> Mistake<'a> {
    /// Reads `LINE:COLUMN: parse error: …` (Prometheus) and `… at line LINE, col COLUMN: …` (Loki, Tempo).
    fn find(said: &'a str) -> Option<Self> {
        if let Some((before, message)) = said.split_once(": parse error: ") {
            let place = before.rsplit(' ').next()?;
            let (line, column) = place.split_once(':')?;
            return Some(Self { line: line.parse().ok()?, column: column.parse().ok()?, message });
        }
        let (_, rest) = said.split_once("line ")?;
        let (line, rest) = rest.split_once(", col ")?;
        let (column, message) = rest.split_once(": ")?;
        Some(Self { line: line.parse().ok()?, column: column.parse().ok()?, message })
    }

    /// The line with a mark below the place.
    fn shown(&self, query: &str) -> String {
        let Self { line, column, message } = self;
        let mut text = format!("the query cannot be read: {message}");
        if let Some(shown) = line.checked_sub(1).and_then(|index| query.split('\n').nth(index)) {
            let shown: String = shown.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
            let margin = " ".repeat(line.to_string().len());
            let at = column.saturating_sub(1).min(shown.chars().count());
            let _ = write!(text, "\n{line} | {shown}\n{margin} | {}^", " ".repeat(at));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, query: &str, token: Token, expect: &str) {
        let reply = Reply { status, body: body.to_owned().into() };
        assert_eq!(of(&reply, Some(query), token).to_string(), expect);
    }

    #[test]
    fn mistakes_are_shown_at_their_place() {
        check(
            400,
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:8: parse error: unexpected <EOF>"}"#,
            "sum(up[",
            Token::None,
            "the query cannot be read: unexpected <EOF>\n1 | sum(up[\n  |        ^",
        );
        check(
            400,
            "parse error at line 2, col 3: unexpected |\n",
            "{a=\"b\"}\n\t|||",
            Token::None,
            "the query cannot be read: unexpected |\n2 |  |||\n  |   ^",
        );
        check(400, "parse error at line 9, col 3: x", "y", Token::None, "the query cannot be read: x");
        check(400, "parse error : no selector", "y", Token::None, "parse error : no selector");
    }

    #[test]
    fn errors_say_what_to_do() {
        check(
            401,
            "who?",
            "up",
            Token::None,
            "the server wants to know who asks: name a file with a token by --token-file, or set WEIR_TOKEN",
        );
        check(
            401,
            "who?",
            "up",
            Token::Sent,
            "the server does not know this token; `store.access` in its configuration says which it takes",
        );
        check(404, "", "up", Token::None, "the server does not know this interface: is it a Weir?");
        check(
            404,
            r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#,
            "",
            Token::Needless,
            "trace not found",
        );
        check(503, "", "up", Token::None, "the server answers with status 503");
    }

    #[test]
    fn only_mistakes_of_the_typist_are_wrong_usage() {
        let is_usage = |status, body: &'static str| {
            of(&Reply { status, body: body.into() }, Some("x"), Token::None).is::<Usage>()
        };
        assert!(is_usage(400, "no"));
        assert!(is_usage(400, "parse error at line 1, col 1: x"));
        assert!(!is_usage(422, r#"{"error":"too many series"}"#));
        assert!(!is_usage(401, "who?"));
    }
}
