//! A node of the mock, as a client sees it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_model::{Finality, Mono, Repeats};

use super::settings::TAG_DEPTH;
use super::tree::At;
use super::tx::MockTx;
use super::world::World;
use crate::heads::Heads;
use crate::node::{Asked, Node};
use crate::words::{
    BadTx, Block, BlockAt, Head, Height, Inclusion, NodeError, NodeErrorKind, NodeStatus, SendOutcome, Tx,
    TxId,
};

/// The world with a clock.
pub(super) struct Shared {
    world: Mutex<World>,
    started: Instant,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), started: Instant::now() }
    }

    /// The world as it is now.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(Mono(self.started.elapsed().as_nanos() as u64));
        run(&mut world)
    }
}

pub(super) struct MockNode {
    pub(super) shared: Arc<Shared>,
    pub(super) at: usize,
    pub(super) name: String,
}

/// What becomes of a call.
struct Fate {
    /// Until it reaches the node.
    there: Duration,
    /// Until the answer is back.
    back: Duration,
    error: Option<NodeError>,
    answer_lost: bool,
}

fn lost(timeout: Duration, passed: Duration) -> impl Future<Output = NodeError> {
    let rest = timeout.saturating_sub(passed);
    async move {
        sleep(rest).await;
        NodeError::unknown(NodeErrorKind::Timeout, "no answer in time")
    }
}

impl MockNode {
    fn fate(&self) -> Fate {
        self.shared.with(|world| {
            let faults = world.settings.faults.clone();
            let (there, back) = (world.latency() / 2, world.latency() / 2);
            let error = world.fault(faults.errors_ppm).then(|| match world.random.below(3) {
                0 => NodeError::before_send(NodeErrorKind::Unreachable, "connection refused"),
                1 => NodeError::before_send(NodeErrorKind::Busy, "too many requests"),
                _ => NodeError::unknown(NodeErrorKind::Broken, "connection reset"),
            });
            Fate { there, back, error, answer_lost: world.fault(faults.lost_answers_ppm) }
        })
    }

    fn timeout(&self) -> Duration {
        self.shared.with(|world| world.settings.faults.timeout)
    }

    /// A call that changes nothing.
    async fn ask<T>(
        &self,
        read: impl FnOnce(&mut World, usize) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let (fate, timeout) = (self.fate(), self.timeout());
        if fate.there >= timeout {
            return Err(lost(timeout, Duration::ZERO).await);
        }
        sleep(fate.there).await;
        if let Some(error) = fate.error {
            return Err(error);
        }
        let answer = self.shared.with(|world| {
            if world.nodes[self.at].is_down {
                return Err(NodeError::before_send(NodeErrorKind::Unreachable, "connection refused"));
            }
            read(world, self.at)
        });
        if fate.answer_lost || fate.there + fate.back >= timeout {
            return Err(lost(timeout, fate.there).await);
        }
        sleep(fate.back).await;
        answer
    }

    async fn deliver(&self, tx: &Tx) -> Result<SendOutcome, NodeError> {
        let (fate, timeout) = (self.fate(), self.timeout());
        let mock = Arc::new(MockTx::read(&tx.bytes));
        if let Some(error) = fate.error {
            sleep(fate.there).await;
            return Err(error);
        }
        let late = self.shared.with(|world| {
            let ppm = world.settings.faults.late_ppm;
            let late = fate.there >= timeout || world.fault(ppm);
            if late {
                world.send_late(self.at, mock.clone());
            }
            late
        });
        if late {
            return Err(lost(timeout, Duration::ZERO).await);
        }
        // From here on it is on its way, whether or not somebody waits for the answer.
        let call = self.shared.with(|world| world.send(self.at, mock, fate.there));
        sleep(fate.there).await;
        let answer = self.shared.with(|world| world.answer(call));
        if fate.answer_lost || fate.there + fate.back >= timeout {
            return Err(lost(timeout, fate.there).await);
        }
        sleep(fate.back).await;
        match answer {
            Some(Some(outcome)) => Ok(outcome),
            Some(None) => Err(NodeError::before_send(NodeErrorKind::Unreachable, "connection refused")),
            None => Err(lost(timeout, fate.there + fate.back).await),
        }
    }
}

fn finalized(world: &World, node: usize) -> u64 {
    let height = world.tree.block(world.nodes[node].tip).height;
    if world.settings.finality == Finality::AtOnce { height } else { height.saturating_sub(TAG_DEPTH) }
}

fn block_at(world: &World, node: usize, at: BlockAt) -> Option<At> {
    let tip = world.nodes[node].tip;
    let height = match at {
        BlockAt::Latest => return Some(tip),
        BlockAt::Finalized => finalized(world, node),
        BlockAt::Height(height) => height.0,
    };
    world.tree.on_branch(tip, height)
}

impl Node for MockNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn tx_id(&self, tx: &Tx) -> Result<TxId, BadTx> {
        if tx.bytes.is_empty() {
            Err(BadTx("there are none".into()))
        } else {
            Ok(MockTx::read(&tx.bytes).id())
        }
    }

    fn repeats(&self) -> Repeats {
        self.shared.with(|world| world.settings.repeats)
    }

    fn send<'a>(&'a self, tx: &'a Tx) -> Asked<'a, SendOutcome> {
        Box::pin(self.deliver(tx))
    }

    fn look_up<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<Inclusion>> {
        Box::pin(self.ask(|world, node| Ok(world.tree.find(world.nodes[node].tip, id))))
    }

    fn pending<'a>(&'a self, id: &'a TxId) -> Asked<'a, Option<bool>> {
        Box::pin(self.ask(|world, node| Ok(Some(world.waits(node, id)))))
    }

    fn spent<'a>(&'a self, tx: &'a Tx, at: BlockAt) -> Asked<'a, bool> {
        let numbered = MockTx::read(&tx.bytes).numbered;
        Box::pin(self.ask(move |world, node| {
            let Some(block) = block_at(world, node, at) else {
                return Err(NodeError::before_send(NodeErrorKind::Internal, "there is no such block"));
            };
            let spent = |(sender, number): (String, u64)| world.tree.next_number(block, &sender) > number;
            Ok(world.settings.repeats == Repeats::Rejected && numbered.is_some_and(spent))
        }))
    }

    fn block(&self, at: BlockAt) -> Asked<'_, Option<Block>> {
        Box::pin(
            self.ask(move |world, node| Ok(block_at(world, node, at).map(|block| world.tree.told(block)))),
        )
    }

    fn status(&self) -> Asked<'_, NodeStatus> {
        Box::pin(self.ask(|world, node| {
            let tip = world.tree.told(world.nodes[node].tip);
            let tagged = world.settings.finality == Finality::Tag;
            Ok(NodeStatus {
                height: tip.height,
                hash: tip.hash,
                app_hash: tip.app_hash,
                finalized: tagged.then(|| Height(finalized(world, node))),
                earliest: Some(Height(0)),
                chain_id: format!("mock-{}", world.settings.seed).into(),
                peers: Some(world.peers(node) as u32),
                syncing: false,
            })
        }))
    }

    fn follow(self: Arc<Self>) -> Asked<'static, Heads> {
        let (every, faulty) =
            self.shared.with(|world| (world.settings.block_time / 4, world.settings.faults.duplicates_ppm));
        Box::pin(async move {
            Ok(Heads::spawn(move |sender| async move {
                let mut before: Vec<Head> = Vec::new();
                while !sender.is_closed() {
                    let (head, odd) =
                        match self.ask(|world, node| Ok(world.tree.told(world.nodes[node].tip))).await {
                            Ok(block) => (block.head(), self.shared.with(|world| world.fault(faulty))),
                            Err(error) => {
                                let _ = sender.send(Err(error)).await;
                                return;
                            }
                        };
                    if before.last().is_none_or(|last| last.hash != head.hash) {
                        let again = before.last().cloned().filter(|_| odd);
                        for head in
                            [Some(head.clone()), again, odd.then(|| head.clone())].into_iter().flatten()
                        {
                            if sender.send(Ok(head)).await.is_err() {
                                return;
                            }
                        }
                        before = vec![head];
                    }
                    sleep(every).await;
                }
            }))
        })
    }
}

impl fmt::Debug for MockNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
