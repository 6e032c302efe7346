//! A stand-in for nodes with private transactions, since those that had them have ended.
//!
//! It is written from the published descriptions of the interfaces of Tessera (`/storeraw`), GoQuorum
//! (`eth_sendRawPrivateTransaction`) and Besu (`eea_*`, `priv_*`), and is none of them: it checks no signature, executes
//! nothing, and makes a block of each transaction that it takes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// What it holds, and how it misbehaves.
#[derive(Debug, Default)]
pub struct State {
    /// The hashes of the transactions in its blocks, from block 1 on.
    pub blocks: Vec<String>,
    /// What was sent, by method and parameters.
    pub sent: Vec<(String, Value)>,
    /// What it answers to a call, instead of what it would.
    pub answers: BTreeMap<String, Value>,
    /// How long it takes to answer a private call.
    pub delay: Duration,
}

/// A running stand-in; it runs until the test ends.
#[derive(Clone, Debug)]
pub struct PrivateStandIn {
    /// Where it listens: its JSON-RPC at `/`, its transaction manager below it.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl PrivateStandIn {
    /// Listens on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let stand_in = Self { port, state: Arc::default() };
        let served = stand_in.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || while served.serve(&stream).is_some() {});
            }
        });
        stand_in
    }

    /// Looks at its state, or changes it.
    pub fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let answer = match (&body, first.contains("/storeraw")) {
            (_, true) => {
                self.with(|state| state.sent.push(("storeraw".into(), body.clone())));
                // 64 bytes of Base64: every payload has the same hash here.
                json!({ "key": format!("{}==", "A".repeat(86)) })
            }
            (Value::Array(calls), _) => calls.iter().map(|call| self.call(call)).collect(),
            (call, _) => self.call(call),
        };
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        let mut stream = stream;
        stream.write_all((head + &text).as_bytes()).ok()
    }

    fn call(&self, call: &Value) -> Value {
        let method = call["method"].as_str().unwrap_or_default();
        let private = ["eea_", "priv_", "eth_sendRawPrivate"].iter().any(|begin| method.starts_with(begin));
        if private {
            std::thread::sleep(self.with(|state| state.delay));
        }
        match self.with(|state| answer(state, method, &call["params"])) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }),
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": code, "message": message } })
            }
        }
    }
}

fn hash(of: usize) -> String {
    format!("0x{of:064x}")
}

fn block(state: &State, height: usize) -> Value {
    let Some(txs) =
        (if height == 0 { Some(vec![]) } else { state.blocks.get(height - 1).map(|tx| vec![tx]) })
    else {
        return Value::Null;
    };
    json!({
        "number": format!("{height:#x}"), "hash": hash(height + 1000), "parentHash": hash(height + 999), "timestamp": "0x1",
        "stateRoot": hash(7), "transactions": txs,
    })
}

fn answer(state: &mut State, method: &str, params: &Value) -> Result<Value, (i64, String)> {
    if let Some(answer) = state.answers.get(method) {
        return match answer.get("error") {
            Some(error) => Err((
                error["code"].as_i64().unwrap_or(-32000),
                error["message"].as_str().unwrap_or_default().into(),
            )),
            None => Ok(answer.clone()),
        };
    }
    Ok(match method {
        "eth_chainId" => json!("0x539"),
        "eth_syncing" => json!(false),
        "net_peerCount" => json!("0x1"),
        "eth_getBlockByNumber" => {
            let at = params[0].as_str().unwrap_or_default();
            let height = usize::from_str_radix(at.trim_start_matches("0x"), 16).unwrap_or(state.blocks.len());
            block(state, height)
        }
        "eea_sendRawTransaction" | "eth_sendRawPrivateTransaction" => {
            state.sent.push((method.into(), params.clone()));
            let tx = hash(state.blocks.len() + 1);
            state.blocks.push(tx.clone());
            json!(tx)
        }
        "eth_getTransactionReceipt" => {
            match state.blocks.iter().position(|tx| Some(&**tx) == params[0].as_str()) {
                Some(at) => json!({
                    "transactionHash": params[0], "blockHash": hash(at + 1001), "blockNumber": format!("{:#x}", at + 1),
                    "transactionIndex": "0x0", "status": "0x1", "to": "0x000000000000000000000000000000000000007e",
                }),
                None => Value::Null,
            }
        }
        "priv_getTransactionReceipt" => json!({ "status": "0x0", "revertReason": "0x08c379a0" }),
        "priv_getPrivateTransaction" => json!({ "nonce": "0x0" }),
        "priv_getTransactionCount" => json!("0x5"),
        "priv_createPrivacyGroup" => json!("R3JvdXA="),
        "priv_findPrivacyGroup" => {
            json!([{ "privacyGroupId": "R3JvdXA=", "name": "g", "members": params[0] }])
        }
        "eth_call" | "priv_call" => json!("0x01"),
        _ => return Err((-32601, format!("the method {method} does not exist"))),
    })
}
