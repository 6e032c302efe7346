//! Ethereum's JSON-RPC against anvil, and against geth where one is built.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use tokio::time::timeout;
use weir_chain::evm::{keccak, rlp};
use weir_chain::journal::SimJournal;
use weir_chain::rpc::{Access, Rpc};
use weir_chain::submission::{Outcome, Progress, Submit, Why};
use weir_chain::words::{BlockAt, SendOutcome, Tx};
use weir_chain::{Client, ClientSettings, ConsensusClient, Node, factory};
use weir_model::{ChainTimeouts, ChainUrl, Finality};
use weir_tests::peers::peer;
use weir_tests::{eventually, free_port};

const SUITE: &str = "chain_evm";
/// The first account that anvil gives its ether to.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CHAIN: u64 = 31337;

/// A running anvil; ended when dropped.
struct Anvil {
    child: Child,
    port: u16,
    rpc: Rpc,
}

impl Anvil {
    fn start(args: &[&str]) -> Option<Self> {
        let node = peer(SUITE, "anvil")?;
        let program = node.parent()?.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
        let port = free_port();
        let child = Command::new(program)
            .args(["--silent", "--port", &port.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let timeouts = ChainTimeouts { connect: Duration::from_secs(1), request: Duration::from_secs(5) };
        let url = ChainUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let anvil = Self { child, port, rpc: Rpc::new(Access::plain(timeouts), url) };
        eventually("anvil listens", Duration::from_secs(20), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(anvil)
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        self.rpc.call(method, &params).await.unwrap().unwrap()
    }

    async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key() -> SigningKey {
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&KEY[2 * at..2 * at + 2], 16).unwrap()).collect();
    SigningKey::from_slice(&bytes).unwrap()
}

/// Signs a transfer of one wei: a legacy one with the chain's number where `kind` is 0, or one with a tip and a fee.
pub(super) fn transfer(kind: u8, nonce: u64, gwei: u64) -> Tx {
    let mut fields = Vec::new();
    if kind == 2 {
        rlp::write_uint(CHAIN, &mut fields);
    }
    rlp::write_uint(nonce, &mut fields);
    if kind == 2 {
        rlp::write_uint(1_000_000_000, &mut fields);
    }
    rlp::write_uint(gwei * 1_000_000_000, &mut fields);
    rlp::write_uint(21_000, &mut fields);
    rlp::write_bytes(&[0x42; 20], &mut fields);
    rlp::write_uint(1, &mut fields);
    rlp::write_bytes(b"", &mut fields);
    if kind == 2 {
        rlp::write_list(&[], &mut fields);
    }
    let mut unsigned = fields.clone();
    if kind == 0 {
        rlp::write_uint(CHAIN, &mut unsigned);
        unsigned.extend_from_slice(&[0x80, 0x80]);
    }
    let mut whole = if kind == 2 { vec![2] } else { Vec::new() };
    rlp::write_list(&unsigned, &mut whole);
    let (signature, id) = key().sign_prehash_recoverable(&keccak(&whole));
    let odd = u64::from(id.is_y_odd());
    rlp::write_uint(if kind == 2 { odd } else { 35 + 2 * CHAIN + odd }, &mut fields);
    let (r, s) = signature.split_bytes();
    rlp::write_number(&r, &mut fields);
    rlp::write_number(&s, &mut fields);
    let mut signed = if kind == 2 { vec![2] } else { Vec::new() };
    rlp::write_list(&fields, &mut signed);
    Tx::new(signed)
}

fn nodes(anvils: &[&Anvil], finality: &str) -> (Vec<Arc<dyn Node>>, Finality) {
    let endpoint =
        |a: &&Anvil| format!(r#"{{ url: "http://127.0.0.1:{0}", websocket: "ws://127.0.0.1:{0}" }}"#, a.port);
    let endpoints: Vec<_> = anvils.iter().map(endpoint).collect();
    let text = format!(
        "version: 1\nchains:\n  c: {{ kind: evm, finality: {finality}, endpoints: [{}] }}\nservices: {{ s: {{ chain: c }} }}\n\
         listeners: [ {{ name: l, address: \"127.0.0.1:1\" }} ]\nroutes: [ {{ name: r, service: s }} ]\n",
        endpoints.join(", ")
    );
    let loaded = weir_config::load_bytes("weir.yaml", text.as_bytes(), std::path::Path::new("."));
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let chain = model.chains.values().next().unwrap();
    let nodes = factory::nodes(chain, &|_| unreachable!("no secret is configured")).unwrap();
    (nodes, chain.finality)
}

async fn client((nodes, finality): (Vec<Arc<dyn Node>>, Finality)) -> Client {
    let settings = ClientSettings { poll: Duration::from_millis(50), ..ClientSettings::new(finality) };
    Client::open(settings, nodes, Arc::new(SimJournal::new(Duration::ZERO))).await.unwrap()
}

async fn outcome(client: &Client, tx: Tx) -> Outcome {
    let mut submission = client.submit_tx(Submit::new(tx)).await.unwrap();
    timeout(Duration::from_secs(20), submission.outcome()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_confirmed_and_refused_by_type() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (nodes, finality) = nodes(&[&anvil], "instant");
    let node = nodes[0].clone();
    let client = client((nodes, finality)).await;
    for (nonce, kind) in [(0, 0), (1, 2)] {
        let ended = outcome(&client, transfer(kind, nonce, 100)).await;
        let Outcome::Confirmed(inclusion) = ended else { panic!("{ended:?}") };
        assert!(inclusion.execution.succeeded);
        assert_eq!(inclusion.height.0, nonce + 1);
    }
    // The same bytes join what they were.
    assert!(matches!(outcome(&client, transfer(0, 0, 100)).await, Outcome::Confirmed(_)));
    // Others under a number that is spent never will be included.
    let ended = outcome(&client, transfer(0, 0, 200)).await;
    assert!(matches!(ended, Outcome::Rejected(Why::NumberSpent { .. })), "{ended:?}");

    // One try at the node, without a client.
    anvil.ask("evm_setAutomine", json!([false])).await;
    let waiting = transfer(2, 2, 100);
    let id = node.tx_id(&waiting).unwrap();
    assert_eq!(node.send(&waiting).await, Ok(SendOutcome::Accepted { id: None }));
    assert_eq!(node.send(&waiting).await, Ok(SendOutcome::AlreadyKnown));
    assert_eq!(node.pending(&id).await, Ok(Some(true)));
    assert_eq!(node.look_up(&id).await, Ok(None));
    assert_eq!(node.send(&transfer(2, 2, 99)).await, Ok(SendOutcome::Underpriced));
    assert_eq!(node.send(&transfer(2, 0, 100)).await, Ok(SendOutcome::NonceTooLow));
    assert_eq!(node.spent(&waiting, BlockAt::Latest).await, Ok(false));
    anvil.mine(1).await;
    assert_eq!(node.spent(&waiting, BlockAt::Latest).await, Ok(true));
    let found = node.look_up(&id).await.unwrap().unwrap();
    let block = node.block(BlockAt::Height(found.height)).await.unwrap().unwrap();
    assert_eq!((block.hash, block.txs), (found.block, vec![id]));
    let status = node.status().await.unwrap();
    assert_eq!((&*status.chain_id, status.height, status.syncing), ("31337", found.height, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_pushed() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (nodes, _) = nodes(&[&anvil], "instant");
    let mut heads = nodes[0].clone().follow().await.unwrap();
    anvil.mine(3).await;
    for height in 1..=3 {
        let head = timeout(Duration::from_secs(10), heads.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(head.height.0, height);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_took_is_watched_and_confirmed_again() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    anvil.mine(5).await;
    let client = client(nodes(&[&anvil], "{ depth: 4 }")).await;
    let mut submission = client.submit_tx(Submit::new(transfer(2, 0, 100))).await.unwrap();
    let included = timeout(Duration::from_secs(20), async {
        loop {
            if let Progress::Included(inclusion) = submission.changed().await.unwrap() {
                return inclusion;
            }
        }
    });
    let first = included.await.unwrap();
    // Two blocks are replaced by empty ones.
    anvil.mine(1).await;
    anvil.ask("anvil_reorg", json!([2, []])).await;
    anvil.mine(1).await;
    let back = timeout(Duration::from_secs(20), async {
        while !matches!(submission.changed().await.unwrap(), Progress::Watched { .. }) {}
    });
    back.await.unwrap();
    let mining = async {
        loop {
            anvil.mine(1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let ended = tokio::select! {
        ended = timeout(Duration::from_secs(30), submission.outcome()) => ended.unwrap().unwrap(),
        () = mining => unreachable!("it mines for ever"),
    };
    let Outcome::Confirmed(inclusion) = ended else { panic!("{ended:?}") };
    assert_ne!(inclusion.block, first.block);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_is_left_for_another() {
    let Some(first) = Anvil::start(&[]) else { return };
    let second = Anvil::start(&[]).unwrap();
    let client = client(nodes(&[&first, &second], "instant")).await;
    client.health_check().await;
    drop(first);
    let ended = outcome(&client, transfer(0, 0, 100)).await;
    assert!(matches!(ended, Outcome::Confirmed(_)), "{ended:?}");
    assert_eq!(second.ask("eth_blockNumber", json!([])).await, json!("0x1"));
}
