//! New blocks from whichever node is healthy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::heads::{HeadSender, Heads};
use crate::health::Health;
use crate::node::Node;
use crate::words::Head;

/// Before another node is followed after one ended.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn follow(nodes: Arc<[Arc<dyn Node>]>, health: watch::Receiver<Arc<Health>>) -> Heads {
    Heads::spawn(move |sender| run(nodes, health, sender))
}

async fn run(nodes: Arc<[Arc<dyn Node>]>, mut health: watch::Receiver<Arc<Health>>, sender: HeadSender) {
    let mut told: Option<Head> = None;
    let mut last = usize::MAX;
    loop {
        let usable: Vec<usize> = health.borrow_and_update().usable().collect();
        // The next one after the one that ended, so that a node that lets nobody follow is not asked for ever.
        let next =
            usable.iter().copied().find(|at| last != usize::MAX && *at > last).or(usable.first().copied());
        let Some(node) = next else {
            tokio::select! {
                biased;
                () = sender.closed() => return,
                changed = health.changed() => if changed.is_err() { return },
            }
            continue;
        };
        last = node;
        if let Ok(mut heads) = nodes[node].clone().follow().await {
            loop {
                let head = tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    head = heads.next() => head,
                    changed = health.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        if health.borrow_and_update().usable().any(|at| at == node) {
                            continue;
                        }
                        break;
                    }
                };
                let Some(Ok(head)) = head else { break };
                if is_news(told.as_ref(), &head) {
                    told = Some(head.clone());
                    if sender.send(Ok(head)).await.is_err() {
                        return;
                    }
                }
            }
        }
        tokio::select! {
            biased;
            () = sender.closed() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Whether a head is another branch, or further: not what was told, nor what another node, or a late message, tells of the past.
fn is_news(told: Option<&Head>, head: &Head) -> bool {
    match told {
        None => true,
        Some(told) if told.hash == head.hash || told.parent == head.hash => false,
        // A branch that replaces a longer one is told from its tip, which is at least as high.
        Some(told) => head.height >= told.height,
    }
}
