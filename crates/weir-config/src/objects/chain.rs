//! Chains: their nodes, and how one talks to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_model::{
    Authorization, Chain, ChainEndpoint, ChainId, ChainKind, ChainTimeouts, ChainUrl, ClientTls, Finality,
    MockFaults, MockSettings, Origin, QuorumSettings, Repeats,
};

use super::scrape::AUTHORIZATION;
use crate::form::{At, Fields, Form, Object, Raw, obj, via};
use crate::forms::{
    CHAIN_NAME, CHAIN_URL, Case, Choice, FILE, Int, Items, SHARE, TEXT, Time, Union, list, optional,
};
use crate::out::Out;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Entry, Node, Value};

/// The map from names to chains.
pub(crate) struct Chains;

impl Form<Vec<Arc<Chain>>> for Chains {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<Arc<Chain>>> {
        let Value::Map(entries) = &node.value else {
            r.expected(node, "a map from names to chains");
            return None;
        };
        let mut values = Vec::with_capacity(entries.len());
        for Entry { key, key_span, node } in entries {
            r.within(Step::Key(key), |r| {
                let id = CHAIN_NAME.parse_at(key, *key_span, r);
                let chain: Option<Chain> = via::<ChainText>().read(node, r);
                let (Some(id), Some(chain)) = (id, chain) else { return };
                values.push(Arc::new(Chain { id, origin: r.origin(*key_span), ..chain }));
            });
        }
        (values.len() == entries.len()).then_some(values)
    }

    fn write(&self, value: &Vec<Arc<Chain>>) -> Out {
        if value.is_empty() {
            return Out::Absent;
        }
        Out::Map(value.iter().map(|c| (c.id.to_string(), via::<ChainText>().write(&**c))).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let item = shapes.object::<ChainText>();
        let schema = json!({ "type": "object", "additionalProperties": item.schema });
        Shape::new(schema, format!("map from names to {}", item.words))
    }
}

/// A chain as it is written: what its kind decides may be left out.
#[derive(Clone)]
pub(crate) struct ChainText {
    kind: ChainKind,
    endpoints: Vec<ChainEndpoint>,
    finality: Option<Finality>,
    repeats: Option<Repeats>,
    chain_id: Option<Arc<str>>,
    tls: ClientTls,
    authorization: Option<Authorization>,
    timeouts: ChainTimeouts,
    poll: Duration,
    max_lag: u64,
    deadline_blocks: u64,
    journal: Option<PathBuf>,
    quorum: Option<QuorumSettings>,
    mock: Option<MockSettings>,
}

impl Object for ChainText {
    const NAME: &'static str = "chain";
    const DOC: &'static str = "A chain behind however many of its nodes.";

    fn blank() -> Self {
        Self {
            kind: ChainKind::Evm,
            endpoints: Vec::new(),
            finality: None,
            repeats: None,
            chain_id: None,
            tls: ClientTls::blank(),
            authorization: None,
            timeouts: ChainTimeouts::blank(),
            poll: Duration::from_millis(500),
            max_lag: 3,
            deadline_blocks: 100,
            journal: None,
            quorum: None,
            mock: None,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let kinds = Choice(&[
            ("tendermint", ChainKind::Tendermint),
            ("quorum", ChainKind::Quorum),
            ("evm", ChainKind::Evm),
            ("mock", ChainKind::Mock),
        ]);
        let doc = "What its nodes speak. `tendermint`: CometBFT's JSON-RPC; `evm`: Ethereum's; `quorum`: Ethereum's with private \
                   transactions; `mock`: nothing, it is a chain in memory with faults.";
        f.required("kind", doc, kinds, &mut self.kind);
        f.key("endpoints", "Its nodes.", list(obj(), Items::Any), &mut self.endpoints);
        let doc = "When a block stays: at once, when that many blocks stand on top of it, or when the chain says so. When not set: \
                   `{ tag: finalized }` for `evm`, `instant` for others.";
        f.key("finality", doc, optional(FINALITY), &mut self.finality);
        let repeats = Choice(&[("rejected", Repeats::Rejected), ("accepted", Repeats::Accepted)]);
        let doc = "Whether the same transaction, sent again, may have an effect again. Only where it is `rejected` is a transaction \
                   sent again whose fate is unknown. When not set: `accepted` for `tendermint`, where the application decides, \
                   `rejected` for others.";
        f.key("repeats", doc, optional(repeats), &mut self.repeats);
        let doc = "What the chain calls itself: a node that says otherwise is not used. What most nodes say when not set.";
        f.key("chain_id", doc, optional(TEXT), &mut self.chain_id);
        f.key("tls", "TLS towards `https` and `wss` endpoints.", obj(), &mut self.tls);
        f.key(
            "authorization",
            "How Weir shows the nodes who it is.",
            optional(AUTHORIZATION),
            &mut self.authorization,
        );
        f.key("timeouts", "Deadlines of calls.", obj(), &mut self.timeouts);
        let doc = "How often nodes are asked how they are, and for new blocks where they cannot push them.";
        let often = Time { min: Duration::from_millis(50), max: Duration::from_mins(1) };
        f.key("poll", doc, often, &mut self.poll);
        let doc = "A node that is this many blocks behind is not used.";
        f.key("max_lag", doc, Int { min: 1, max: 1_000_000 }, &mut self.max_lag);
        let doc = "Blocks that a submission is watched for, where its caller does not say.";
        f.key("deadline_blocks", doc, Int { min: 1, max: 10_000_000 }, &mut self.deadline_blocks);
        let doc = "The folder of the submissions' journal. Where not set, `/var/lib/weir/chains/NAME` for root and \
                   `~/.local/state/weir/chains/NAME` for others.";
        f.key("journal", doc, optional(FILE), &mut self.journal);
        f.key("quorum", "What only `kind: quorum` has.", optional(obj()), &mut self.quorum);
        f.key("mock", "What only `kind: mock` has.", optional(obj()), &mut self.mock);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        let word = self.kind.word();
        match (self.kind, self.endpoints.is_empty()) {
            (ChainKind::Mock, false) => {
                at.error("endpoints", r, "a mock has no endpoints: it is in memory").help =
                    Some("write how many nodes it has: `mock: { nodes: 4 }`".into());
            }
            (ChainKind::Mock, true) | (_, false) => {}
            (_, true) => {
                at.error("endpoints", r, "a chain needs at least one node").help =
                    Some("list their URLs: `endpoints: [http://127.0.0.1:26657]`".into());
            }
        }
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            if self.endpoints[..index].iter().any(|before| before.url == endpoint.url) {
                at.error("endpoints", r, format!("{} stands twice", endpoint.url.shown())).help =
                    Some("list each node once: its health is judged against the others'".into());
            }
        }
        if self.kind == ChainKind::Tendermint && self.finality.is_some_and(|f| f != Finality::AtOnce) {
            at.error("finality", r, "what Tendermint committed stays").help =
                Some("write `finality: instant`".into());
        }
        if self.quorum.is_some() && self.kind != ChainKind::Quorum {
            at.error("quorum", r, format!("a chain of kind `{word}` has no private transactions")).help =
                Some("remove it, or write `kind: quorum`".into());
        }
        if self.mock.is_some() && self.kind != ChainKind::Mock {
            at.error("mock", r, format!("a chain of kind `{word}` has real nodes")).help =
                Some("remove it, or write `kind: mock`".into());
        }
        let managers = self.quorum.as_ref().map_or(0, |quorum| quorum.managers.len());
        if managers > 1 && managers != self.endpoints.len() {
            let message =
                format!("{managers} transaction managers stand beside {} endpoints", self.endpoints.len());
            at.error("quorum", r, message).help =
                Some("list one for each endpoint, in the same order, or one for all".into());
        }
        if self.authorization.is_some() && self.endpoints.iter().any(|endpoint| !endpoint.url.tls) {
            at.warn("authorization", r, "it is sent to endpoints without TLS").help =
                Some("use `https` URLs unless the network is trusted".into());
        }
    }
}

impl Raw<Chain> for ChainText {
    fn refine<'n>(self, _: At<'n>, _: &mut Reader<'n>) -> Option<Chain> {
        let finality = if self.kind == ChainKind::Evm { Finality::Tag } else { Finality::AtOnce };
        let repeats = if self.kind == ChainKind::Tendermint { Repeats::Accepted } else { Repeats::Rejected };
        Some(Chain {
            id: ChainId::new("unnamed").ok()?,
            origin: Origin::whole(""),
            kind: self.kind,
            endpoints: self.endpoints,
            finality: self.finality.unwrap_or(finality),
            repeats: self.repeats.unwrap_or(repeats),
            chain_id: self.chain_id,
            tls: self.tls,
            authorization: self.authorization,
            timeouts: self.timeouts,
            poll: self.poll,
            max_lag: self.max_lag,
            deadline_blocks: self.deadline_blocks,
            journal: self.journal,
            quorum: self.quorum.unwrap_or_else(QuorumSettings::blank),
            mock: self.mock.unwrap_or_else(MockSettings::blank),
        })
    }

    fn raw(chain: &Chain) -> Self {
        let chain = chain.clone();
        Self {
            kind: chain.kind,
            endpoints: chain.endpoints,
            finality: Some(chain.finality),
            repeats: Some(chain.repeats),
            chain_id: chain.chain_id,
            tls: chain.tls,
            authorization: chain.authorization,
            timeouts: chain.timeouts,
            poll: chain.poll,
            max_lag: chain.max_lag,
            deadline_blocks: chain.deadline_blocks,
            journal: chain.journal,
            quorum: (chain.kind == ChainKind::Quorum).then_some(chain.quorum),
            mock: (chain.kind == ChainKind::Mock).then_some(chain.mock),
        }
    }
}

impl Object for ChainEndpoint {
    const NAME: &'static str = "chain endpoint";
    const DOC: &'static str = "A node. A bare text is its `url`.";
    const SHORT: Option<&'static str> = Some("url");

    fn blank() -> Self {
        let address = weir_model::EndpointAddress::Echo;
        Self { url: ChainUrl { websocket: false, tls: false, address, target: "/".into() }, websocket: None }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("url", "Where it answers JSON-RPC: an `http` or `https` URL.", CHAIN_URL, &mut self.url);
        let doc = "Where it pushes new blocks: a `ws` or `wss` URL. When not set, `/websocket` beside `url` for `tendermint`; others \
                   are asked every `poll`.";
        f.key("websocket", doc, optional(CHAIN_URL), &mut self.websocket);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.url.websocket {
            at.error("url", r, "calls are made over HTTP").help =
                Some("write an `http` or `https` URL here, and this one under `websocket`".into());
        }
        if self.websocket.as_ref().is_some_and(|url| !url.websocket) {
            at.error("websocket", r, "blocks are pushed over WebSocket").help =
                Some("write a `ws` or `wss` URL".into());
        }
    }
}

const DEPTH: Int = Int { min: 1, max: 1_000_000 };
const TAG: Choice<Finality> = Choice(&[("finalized", Finality::Tag)]);

/// When a block stays.
const FINALITY: Union<Finality> = Union {
    words: &[("instant", Finality::AtOnce)],
    bare: None,
    cases: &[
        Case {
            key: "depth",
            read: |node, r| DEPTH.read(node, r).map(Finality::Depth),
            shape: |shapes| Form::<u64>::shape(&DEPTH, shapes),
        },
        Case { key: "tag", read: |node, r| TAG.read(node, r), shape: |shapes| TAG.shape(shapes) },
    ],
    write: |finality| match finality {
        Finality::AtOnce => Out::text("instant"),
        Finality::Depth(blocks) => Out::one("depth", DEPTH.write(blocks)),
        Finality::Tag => Out::one("tag", Out::text("finalized")),
    },
};

impl Object for ChainTimeouts {
    const NAME: &'static str = "chain timeouts";
    const DOC: &'static str = "Deadlines of calls to a node.";

    fn blank() -> Self {
        Self { connect: Duration::from_secs(2), request: Duration::from_secs(10) }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("connect", "Name, TCP and TLS together.", Time::POSITIVE, &mut self.connect);
        f.key("request", "One call, connecting included.", Time::POSITIVE, &mut self.request);
    }
}

impl Object for QuorumSettings {
    const NAME: &'static str = "quorum";
    const DOC: &'static str = "What private transactions need.";

    fn blank() -> Self {
        Self { managers: Vec::new(), private_timeout: Duration::from_secs(30) }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "The transaction managers (Tessera's interface): one for each endpoint in the same order, or one for all.";
        f.key("managers", doc, list(CHAIN_URL, Items::Any), &mut self.managers);
        let doc =
            "How long a private call may take, connecting included: it waits for its recipients' managers.";
        f.key("private_timeout", doc, Time::POSITIVE, &mut self.private_timeout);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.managers.iter().any(|url| url.websocket) {
            at.error("managers", r, "a transaction manager is asked over HTTP").help =
                Some("write an `http` or `https` URL".into());
        }
    }
}

impl Object for MockSettings {
    const NAME: &'static str = "mock chain";
    const DOC: &'static str = "A chain in memory. The same seed does the same.";

    fn blank() -> Self {
        Self { seed: 1, nodes: 4, block_time: Duration::from_secs(1), faults: MockFaults::blank() }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key(
            "seed",
            "What everything that it does follows from.",
            Int { min: 0, max: u64::MAX >> 1 },
            &mut self.seed,
        );
        f.key("nodes", "Its nodes.", Int { min: 1, max: 16 }, &mut self.nodes);
        let time = Time { min: Duration::from_millis(10), max: Duration::from_hours(1) };
        f.key("block_time", "Time between blocks.", time, &mut self.block_time);
        f.key("faults", "How often its nodes do harm.", obj(), &mut self.faults);
    }
}

impl Object for MockFaults {
    const NAME: &'static str = "mock faults";
    const DOC: &'static str = "How often a mock's nodes do harm.";

    fn blank() -> Self {
        Self {
            latency: Duration::from_millis(5),
            errors_ppm: 0,
            lost_answers_ppm: 0,
            partitions_ppm: 0,
            duplicates_ppm: 0,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "The usual time of a call; a tenth takes twice as long, a hundredth ten times.";
        let time = Time { min: Duration::ZERO, max: Duration::from_mins(1) };
        f.key("latency", doc, time, &mut self.latency);
        f.key("errors", "Calls that fail before they had an effect.", SHARE, &mut self.errors_ppm);
        let doc = "Calls whose answer is lost after they had their effect.";
        f.key("lost_answers", doc, SHARE, &mut self.lost_answers_ppm);
        let doc = "Blocks at which nodes are cut off from the others for a while.";
        f.key("partitions", doc, SHARE, &mut self.partitions_ppm);
        f.key("duplicates", "Messages that come twice or out of order.", SHARE, &mut self.duplicates_ppm);
    }
}
