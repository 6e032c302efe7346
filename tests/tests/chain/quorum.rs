//! Private transactions, against a stand-in written from the published interfaces.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_chain::quorum::{
    Audience, Eea, PrivateComparison, PrivateQuestion, QuorumNode, Signature, compare_private,
};
use weir_chain::words::{Effect, Height, NodeErrorKind, Private, SendOutcome, Tx, TxId};
use weir_chain::{Node, factory};
use weir_tests::private_stand_in::PrivateStandIn;

fn nodes(stand_ins: &[&PrivateStandIn]) -> Vec<Arc<QuorumNode>> {
    let urls: Vec<_> = stand_ins.iter().map(|s| format!("\"http://127.0.0.1:{}\"", s.port)).collect();
    let urls = urls.join(", ");
    let text = format!(
        "version: 1\nchains:\n  c:\n    kind: quorum\n    endpoints: [{urls}]\n    quorum: {{ managers: [{urls}], private_timeout: 300ms }}\n\
         services: {{ s: {{ chain: c }} }}\nlisteners: [ {{ name: l, address: \"127.0.0.1:1\" }} ]\nroutes: [ {{ name: r, service: s }} ]\n"
    );
    let loaded = weir_config::load_bytes("weir.yaml", text.as_bytes(), std::path::Path::new("."));
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let chain = model.chains.values().next().unwrap();
    factory::quorum_nodes(chain, &|_| unreachable!("no secret is configured")).unwrap()
}

fn eea() -> Tx {
    let eea = Eea {
        nonce: 0,
        gas_price: [0; 32],
        gas: 100_000,
        to: None,
        value: [0; 32],
        data: vec![1, 2],
        chain_id: Some(1337),
        private_from: vec![3; 32],
        audience: Audience::Group(vec![4; 32]),
        restriction: "restricted".into(),
    };
    let bytes = eea.assemble(&Signature { odd: false, r: [5; 32], s: [6; 32] });
    Tx { private: Some(Private::Eea), ..Tx::new(bytes) }
}

#[tokio::test]
async fn private_transactions_in_the_alliances_form() {
    let stand_in = PrivateStandIn::start();
    let node = nodes(&[&stand_in]).remove(0);
    let sent = node.send(&eea()).await.unwrap();
    let SendOutcome::Accepted { id: Some(TxId::Hash(marker)) } = sent else { panic!("{sent:?}") };
    // The marker succeeded on the chain, the private part did not.
    let found = node.look_up(&TxId::Hash(marker)).await.unwrap().unwrap();
    assert_eq!((found.height, found.execution.succeeded), (Height(1), false));
    assert!(node.private_receipt(&marker).await.unwrap().is_some());
    assert!(node.private_transaction(&marker).await.unwrap().is_some());
    assert_eq!(node.private_count(&[1; 20], "R3JvdXA=").await, Ok(5));
    let group = node.create_privacy_group(&["a", "b"], "g", "").await.unwrap();
    let groups = node.find_privacy_group(&["a", "b"]).await.unwrap();
    assert_eq!((&groups[0].id, groups[0].members.len()), (&group, 2));

    let refuse = |code: i64, message: &str| {
        let error = json!({ "error": { "code": code, "message": message } });
        stand_in.with(|state| state.answers.insert("eea_sendRawTransaction".into(), error));
    };
    refuse(-32001, "Nonce too low");
    assert_eq!(node.send(&eea()).await, Ok(SendOutcome::NonceTooLow));
    refuse(-50100, "Private transaction nonce too low");
    assert_eq!(node.send(&eea()).await, Ok(SendOutcome::NonceTooLow));
    refuse(-32000, "Known transaction");
    assert_eq!(node.send(&eea()).await, Ok(SendOutcome::AlreadyKnown));
    stand_in.with(|state| state.delay = Duration::from_secs(2));
    let late = node.send(&eea()).await.unwrap_err();
    assert_eq!((late.kind, late.effect), (NodeErrorKind::Timeout, Effect::Unknown));
}

#[tokio::test]
async fn private_transactions_through_a_manager() {
    let stand_in = PrivateStandIn::start();
    let node = nodes(&[&stand_in]).remove(0);
    let hash = node.manager().unwrap().store_raw(b"payload", Some("from")).await.unwrap();
    assert_eq!(hash.len(), 64);
    let raw = super::evm::transfer(0, 0, 1);
    let recipients = vec!["to".into()];
    let private = |recipients| Some(Private::Manager { from: Some("from".into()), recipients });
    let tx = Tx { private: private(recipients), ..raw.clone() };
    assert!(matches!(node.send(&tx).await, Ok(SendOutcome::Accepted { id: Some(_) })));
    stand_in.with(|state| {
        assert_eq!(state.sent[0], ("storeraw".into(), json!({ "payload": "cGF5bG9hZA==", "from": "from" })));
        assert_eq!(state.sent[1].1[1], json!({ "privateFor": ["to"], "privateFrom": "from" }));
    });
    let nobody = Tx { private: private(Vec::new()), ..raw };
    assert_eq!(node.send(&nobody).await.unwrap_err().effect, Effect::BeforeSend);
}

#[tokio::test]
async fn private_state_is_compared() {
    let (a, b) = (PrivateStandIn::start(), PrivateStandIn::start());
    let nodes = nodes(&[&a, &b]);
    let question = PrivateQuestion::Call { group: Some("R3JvdXA=".into()), to: [1; 20], data: vec![] };
    let ask = || compare_private([&nodes[0], &nodes[1]], &question, Height(0));
    assert_eq!(ask().await, Ok(PrivateComparison::Same(vec![1])));
    b.with(|state| state.answers.insert("priv_call".into(), json!("0x02")));
    assert_eq!(ask().await, Ok(PrivateComparison::Differs([vec![1], vec![2]])));
    b.with(|state| state.answers.insert("eth_getBlockByNumber".into(), serde_json::Value::Null));
    assert!(matches!(ask().await, Ok(PrivateComparison::OtherBlock(_))));
}
