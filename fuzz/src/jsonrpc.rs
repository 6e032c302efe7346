//! JSON-RPC's calls and answers, and the URI style. What is accepted reads the same when it is read again by itself.

use weir_jsonrpc::methods::Dialect;
use weir_jsonrpc::{Limits, Outcome, read, read_answers, read_uri};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "jsonrpc",
    words: &[
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":[",
        "\"method\":\"block\"",
        "\"params\":{\"height\":\"5\"}",
        "\"id\":null",
        "\"latest\"",
        "\"0x10\"",
        "{\"blockNumber\":\"0x1\"}",
        "\"result\":",
        "\"error\":{\"code\":-32000,\"message\":\"\"}",
        "\\u0065",
        "\\ud83d\\ude00",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "-1.5e+3",
        "true",
        "/broadcast_tx_sync",
        "?tx=%22a%22",
        "&height=5",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let limits = Limits::default();
    let mut outcome = String::new();
    match read(input, &limits) {
        Ok(request) => {
            for call in &request.calls {
                let again = read(call.text, &limits).expect("a call of what was accepted is accepted");
                assert_eq!(again.calls[0], *call, "another call came back");
                for dialect in [Dialect::Ethereum, Dialect::Tendermint] {
                    let subject = dialect.subject(call);
                    outcome.push_str(dialect.effect(&call.method).word());
                    outcome.extend(format!("{subject:?}").chars().filter(char::is_ascii_alphabetic));
                }
            }
        }
        Err(error) => {
            assert!(error.at <= input.len(), "{error}");
            outcome.push_str(&error.wrong.to_string());
        }
    }
    match read_answers(input, &limits) {
        Ok(answers) => {
            for answer in &answers.answers {
                let again =
                    read_answers(answer.text, &limits).expect("an answer of what was accepted is accepted");
                assert_eq!(again.answers[0], *answer, "another answer came back");
                if let Outcome::Result(result) = answer.outcome {
                    let at =
                        Dialect::Ethereum.found_at("", result).or(Dialect::Tendermint.found_at("tx", result));
                    outcome.push(if at.is_some() { 'f' } else { 'r' });
                }
            }
        }
        Err(error) => outcome.push_str(&error.wrong.to_string()),
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        match read_uri(path, query, &limits) {
            Ok(call) => {
                let subject = Dialect::Tendermint.subject_of_uri(&call);
                outcome.extend(format!("{subject:?}").chars().filter(char::is_ascii_alphabetic));
            }
            Err(error) => outcome.push_str(&error.wrong.to_string()),
        }
    }
    hash(outcome.as_bytes())
}
