//! The client: a set of nodes, a journal, and one task that drives all submissions.
//!
//! ```text
//!  submit_tx ─► commands ─► driver ─► machines (pure) ─► sends and looks at nodes
//!                             │  ▲                          │
//!                             ▼  └──────── results ─────────┘
//!                          journal (one write at a time, whatever gathered meanwhile goes with the next)
//!  monitor: a task per node asks how it is ─► tracker (pure) ─► table ─► driver, gateway, people
//! ```

mod driver;
mod follow;
mod log;
mod look;
mod monitor;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use weir_model::{Chain, Finality, Repeats};

use crate::consensus::{ConsensusClient, QueryError, Submission, SubmitError};
use crate::heads::Heads;
use crate::health::{Health, HealthRules};
use crate::journal::{Journal, JournalDamage};
use crate::node::{BoxFuture, Node};
use crate::submission::machine::Pace;
use crate::submission::{Resend, SubmissionId, Submit};
use crate::words::{Block, BlockAt};
use driver::{Command, Driver};
use monitor::Monitor;
pub use watch::Watch;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// When a block stays.
    pub finality: Finality,
    /// What the chain calls itself; what most nodes say where not set.
    pub chain_id: Option<Arc<str>>,
    /// How often nodes are asked how they are.
    pub poll: Duration,
    /// How long a node may take to say how it is. With `poll`, what bounds the time until a dead one is out.
    pub status_timeout: Duration,
    /// A node that is this many blocks behind is not used.
    pub max_lag: u64,
    /// Blocks that a submission is watched for, where its caller does not say.
    pub deadline_blocks: u64,
    /// Blocks without the transaction, before it is sent again where it may be.
    pub resend_blocks: u64,
    /// The first wait after a send that came to nothing; doubled each time, up to the second.
    pub backoff: (Duration, Duration),
    /// Submissions under way at once; further ones are refused.
    pub live_max: usize,
    /// Submissions that ended and are still remembered, so that submitting them again joins them.
    pub ended_max: usize,
}

impl ClientSettings {
    /// As configured.
    pub fn of(chain: &Chain) -> Self {
        Self {
            chain_id: chain.chain_id.clone(),
            poll: chain.poll,
            max_lag: chain.max_lag,
            deadline_blocks: chain.deadline_blocks,
            status_timeout: Self::new(chain.finality).status_timeout.min(chain.timeouts.request),
            ..Self::new(chain.finality)
        }
    }

    /// The defaults.
    pub fn new(finality: Finality) -> Self {
        Self {
            finality,
            chain_id: None,
            poll: Duration::from_millis(500),
            status_timeout: Duration::from_secs(1),
            max_lag: 3,
            deadline_blocks: 100,
            resend_blocks: 3,
            backoff: (Duration::from_millis(100), Duration::from_secs(5)),
            live_max: 100_000,
            ended_max: 10_000,
        }
    }
}

/// Why a client was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ClientOpenError {
    /// There are no nodes.
    #[error("the chain has no nodes; list at least one endpoint")]
    NoNodes,
    /// The journal cannot be read or written.
    #[error("the journal cannot be opened: {0}")]
    Journal(std::io::Error),
    /// The journal is damaged.
    #[error(transparent)]
    Damaged(#[from] JournalDamage),
}

/// A chain behind a set of nodes. Dropping it stops everything; submissions go on when it is opened again on the same journal.
pub struct Client {
    nodes: Arc<[Arc<dyn Node>]>,
    monitor: Monitor,
    commands: mpsc::Sender<Command>,
    driver: JoinHandle<()>,
}

/// Commands that wait for the driver.
const COMMANDS_MAX: usize = 256;

impl Client {
    /// Opens it, and takes up what the journal says is under way. Within a tokio runtime.
    ///
    /// # Errors
    /// Without nodes; where the journal cannot be read, or is damaged.
    pub async fn open(
        settings: ClientSettings,
        nodes: Vec<Arc<dyn Node>>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, ClientOpenError> {
        let Some(first) = nodes.first().cloned() else { return Err(ClientOpenError::NoNodes) };
        let log = log::Log::open(journal, settings.ended_max).await?;
        let nodes: Arc<[Arc<dyn Node>]> = nodes.into();
        let rules = HealthRules {
            max_lag: settings.max_lag,
            chain_id: settings.chain_id.clone(),
            finality: settings.finality,
        };
        let monitor = Monitor::start(nodes.clone(), rules, settings.poll, settings.status_timeout);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let pace = Pace {
            look: settings.poll,
            resend_blocks: settings.resend_blocks,
            backoff_min: settings.backoff.0,
            backoff_max: settings.backoff.1,
        };
        let rejects = first.repeats() == Repeats::Rejected;
        let driver = Driver::new(settings, pace, rejects, nodes.clone(), monitor.watch(), log);
        let driver = tokio::spawn(driver.run(received));
        Ok(Self { nodes, monitor, commands, driver })
    }

    /// The table of health, as the last poll left it. It is replaced, never changed: load it each time.
    pub fn health(&self) -> Arc<ArcSwap<Health>> {
        self.monitor.table()
    }

    /// The nodes, in the order of the configuration.
    pub fn nodes(&self) -> &[Arc<dyn Node>] {
        &self.nodes
    }

    /// A submission that is under way, or ended and is remembered.
    pub async fn submission(&self, id: &SubmissionId) -> Option<Submission> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Find { id: id.clone(), answer }).await.ok()?;
        answered.await.ok().flatten()
    }

    /// All submissions that are under way, by id.
    pub async fn under_way(&self) -> Vec<Submission> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::List { answer }).await.is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    async fn submit(&self, submit: Submit) -> Result<Submission, SubmitError> {
        let tx_id = self.nodes[0].tx_id(&submit.tx)?;
        let id = submit.id.clone().unwrap_or_else(|| SubmissionId::of_tx(&tx_id));
        let (answer, answered) = oneshot::channel();
        let command = Command::Submit { submit: Box::new(submit), id, tx_id, answer };
        self.commands.send(command).await.map_err(|_| SubmitError::Closed)?;
        answered.await.unwrap_or(Err(SubmitError::Closed))
    }

    async fn block(&self, at: BlockAt) -> Result<Option<Block>, QueryError> {
        let table = self.monitor.table().load_full();
        let (mut failed, mut missing) = (None, false);
        for endpoint in table.usable() {
            match self.nodes[endpoint].block(at).await {
                Ok(Some(block)) => return Ok(Some(block)),
                Ok(None) => missing = true,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            _ if missing => Ok(None),
            Some(error) => Err(QueryError::Failed(error)),
            None => Err(QueryError::NoNode),
        }
    }
}

impl ConsensusClient for Client {
    fn submit_tx(&self, submit: Submit) -> BoxFuture<'_, Result<Submission, SubmitError>> {
        Box::pin(self.submit(submit))
    }

    fn query_block(&self, at: BlockAt) -> BoxFuture<'_, Result<Option<Block>, QueryError>> {
        Box::pin(self.block(at))
    }

    fn health_check(&self) -> BoxFuture<'_, Arc<Health>> {
        Box::pin(self.monitor.check_now())
    }

    fn follow(&self) -> BoxFuture<'_, Result<Heads, QueryError>> {
        let following = follow::follow(self.nodes.clone(), self.monitor.watch());
        Box::pin(async { Ok(following) })
    }
}

impl Resend {
    fn allows(self, chain_rejects: bool) -> bool {
        match self {
            Self::ChainRejectsRepeats => chain_rejects,
            Self::CallerAllows => true,
            Self::Never => false,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
