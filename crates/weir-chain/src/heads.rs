//! New blocks as they come.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::node::Node;
use crate::words::{BlockAt, Head, NodeError};

/// New blocks as they come: a bounded queue, filled by a task that ends when this is dropped.
///
/// A reader that falls behind slows the task down; what the task then skips shows in the heads' numbers. After an error the stream is at its end.
#[derive(Debug)]
pub struct Heads {
    queue: mpsc::Receiver<Result<Head, NodeError>>,
    task: JoinHandle<()>,
}

/// Where the task puts heads.
pub type HeadSender = mpsc::Sender<Result<Head, NodeError>>;

impl Heads {
    /// Heads that wait for their reader.
    pub const QUEUE_MAX: usize = 64;

    /// Heads that `fill` puts into the queue, in a task of its own. It should return once the queue is closed, and after it put an error.
    pub fn spawn<F>(fill: impl FnOnce(HeadSender) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, queue) = mpsc::channel(Self::QUEUE_MAX);
        Self { queue, task: tokio::spawn(fill(sender)) }
    }

    /// Asks `node` for its newest block every `interval`, and tells it where it is another one than before. The first is told at once.
    pub fn poll(node: Arc<dyn Node>, interval: Duration) -> Self {
        Self::spawn(move |sender| async move {
            let mut last = None;
            loop {
                match node.block(BlockAt::Latest).await {
                    Ok(Some(block)) if last.as_ref() != Some(&block.hash) => {
                        last = Some(block.hash.clone());
                        if sender.send(Ok(block.head())).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let _ = sender.send(Err(error)).await;
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(interval) => {}
                    () = sender.closed() => return,
                }
            }
        })
    }

    /// The next one; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Head, NodeError>> {
        self.queue.recv().await
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.task.abort();
    }
}
