//! The task that drives all submissions: one loop, one kind of event after another.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use weir_model::Mono;

use super::log::Log;
use super::{ClientSettings, look};
use crate::consensus::{Submission, SubmitError};
use crate::health::Health;
use crate::journal::{Begun, Entry, Live, Record};
use crate::node::Node;
use crate::submission::machine::{Action, Change, Event, Machine, Pace, Start};
use crate::submission::view::{NodeView, View};
use crate::submission::{Outcome, Progress, Resend, SubmissionId, Submit};
use crate::words::{Height, Private, TxId};

type Answer = oneshot::Sender<Result<Submission, SubmitError>>;

/// What callers ask.
pub(super) enum Command {
    Submit { submit: Box<Submit>, id: SubmissionId, tx_id: TxId, answer: Answer },
    Find { id: SubmissionId, answer: oneshot::Sender<Option<Submission>> },
    List { answer: oneshot::Sender<Vec<Submission>> },
}

/// What ended in the background.
enum Done {
    Event(SubmissionId, Event),
    Written(io::Result<()>),
}

/// A submission, as the driver holds it.
struct Held {
    /// `None` once it ended.
    machine: Option<Machine>,
    tx_id: TxId,
    progress: watch::Sender<Progress>,
    timer: Option<Mono>,
    /// Who is answered once its beginning is written.
    beginning: Vec<Answer>,
}

pub(super) struct Driver {
    settings: ClientSettings,
    pace: Pace,
    chain_rejects: bool,
    nodes: Arc<[Arc<dyn Node>]>,
    health: watch::Receiver<Arc<Health>>,
    log: Log,
    held: BTreeMap<SubmissionId, Held>,
    /// By what the chain finds them, those under way and those that ended.
    by_tx: BTreeMap<TxId, SubmissionId>,
    live: usize,
    timers: BTreeSet<(Mono, SubmissionId)>,
    background: JoinSet<Done>,
    views: Vec<NodeView>,
    head: Option<Height>,
    started: Instant,
}

impl Driver {
    pub(super) fn new(
        settings: ClientSettings,
        pace: Pace,
        chain_rejects: bool,
        nodes: Arc<[Arc<dyn Node>]>,
        health: watch::Receiver<Arc<Health>>,
        log: Log,
    ) -> Self {
        let mut driver = Self {
            settings,
            pace,
            chain_rejects,
            nodes,
            health,
            log,
            held: BTreeMap::new(),
            by_tx: BTreeMap::new(),
            live: 0,
            timers: BTreeSet::new(),
            background: JoinSet::new(),
            views: Vec::new(),
            head: None,
            started: Instant::now(),
        };
        let entries: Vec<_> =
            driver.log.ledger().iter().map(|(id, entry)| (id.clone(), entry.clone())).collect();
        for (id, entry) in entries {
            match entry {
                Entry::Live(live) => driver.hold(id, live),
                Entry::Ended { tx_id, outcome } => {
                    driver.by_tx.insert(tx_id.clone(), id.clone());
                    let progress = watch::Sender::new(Progress::Done(outcome));
                    let held = Held { machine: None, tx_id, progress, timer: None, beginning: Vec::new() };
                    driver.held.insert(id, held);
                }
            }
        }
        driver
    }

    fn hold(&mut self, id: SubmissionId, live: Live) {
        let Live { tx, tx_id, may_resend, until, deadline_blocks, exposed } = live;
        let start = Start {
            id: id.clone(),
            tx,
            tx_id: tx_id.clone(),
            may_resend,
            finality: self.settings.finality,
            deadline_blocks,
            until,
            exposed,
        };
        let machine = Machine::new(start, self.pace);
        self.by_tx.insert(tx_id.clone(), id.clone());
        self.live += 1;
        let progress = machine.progress().clone();
        match self.held.get_mut(&id) {
            // It goes on: who still listens hears of it.
            Some(held) => {
                held.machine = Some(machine);
                held.progress.send_replace(progress);
            }
            None => {
                let progress = watch::Sender::new(progress);
                let held =
                    Held { machine: Some(machine), tx_id, progress, timer: None, beginning: Vec::new() };
                self.held.insert(id, held);
            }
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.look_at_health();
        loop {
            if let Some(write) = self.log.begin() {
                self.background.spawn(async move { Done::Written(write.await) });
            }
            let timer =
                self.timers.first().map(|(at, _)| self.started + std::time::Duration::from_nanos(at.0));
            tokio::select! {
                biased;
                Some(done) = self.background.join_next() => match done {
                    Ok(Done::Event(id, event)) => self.step(&id, event),
                    Ok(Done::Written(result)) => self.written(&result),
                    // A node's adaptor panicked. Its submission would wait for ever: the client is closed, and says so.
                    Err(_) => return,
                },
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                changed = self.health.changed() => match changed {
                    Ok(()) => self.look_at_health(),
                    Err(_) => return,
                },
                () = sleep_until(timer.unwrap_or(self.started)), if timer.is_some() => self.wake_due(),
            }
        }
    }

    fn now(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn look_at_health(&mut self) {
        let table = self.health.borrow_and_update().clone();
        let view = |at: usize| NodeView { usable: table.endpoints[at].verdict.is_usable() };
        self.views = (0..self.nodes.len()).map(view).collect();
        self.head = table.head.or(self.head);
        let live: Vec<SubmissionId> =
            self.held.iter().filter(|(_, held)| held.machine.is_some()).map(|(id, _)| id.clone()).collect();
        live.iter().for_each(|id| self.step(id, Event::Wake));
    }

    fn wake_due(&mut self) {
        let now = self.now();
        while let Some((at, id)) = self.timers.first().cloned()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(held) = self.held.get_mut(&id) {
                held.timer = None;
            }
            self.step(&id, Event::Wake);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Submit { submit, id, tx_id, answer } => self.submit(*submit, id, tx_id, answer),
            Command::Find { id, answer } => {
                let found = self.held.get(&id).filter(|held| held.beginning.is_empty());
                let _ = answer.send(found.map(|held| held.submission(&id)));
            }
            Command::List { answer } => {
                let live = self.held.iter().filter(|(_, held)| held.machine.is_some());
                let _ = answer.send(live.map(|(id, held)| held.submission(id)).collect());
            }
        }
    }

    fn submit(&mut self, submit: Submit, id: SubmissionId, tx_id: TxId, answer: Answer) {
        let same_bytes = self.by_tx.get(&tx_id).cloned();
        let id = match (self.held.get(&id), same_bytes) {
            (Some(held), _) if held.tx_id != tx_id && !self.knows(&id, &submit) => {
                let _ = answer.send(Err(SubmitError::IdTaken(id)));
                return;
            }
            (Some(_), _) | (None, None) => id,
            (None, Some(first)) => first,
        };
        let passed = |deadline: Height| self.head.is_some_and(|head| deadline <= head);
        if let Some(held) = self.held.get_mut(&id) {
            let again = match &*held.progress.borrow() {
                Progress::Done(Outcome::NotIncluded { by }) => match submit.deadline {
                    Some(deadline) => deadline > *by && !passed(deadline),
                    None => self.head.is_some_and(|head| head.plus(self.settings.deadline_blocks) > *by),
                },
                _ => false,
            };
            if !again {
                if held.beginning.is_empty() {
                    let _ = answer.send(Ok(held.submission(&id)));
                } else {
                    held.beginning.push(answer);
                }
                return;
            }
        } else if submit.deadline.is_some_and(passed) {
            let _ = answer.send(Err(SubmitError::DeadlinePassed));
            return;
        }
        if self.live >= self.settings.live_max {
            let _ = answer.send(Err(SubmitError::TooMany(self.live)));
            return;
        }
        let usual = match submit.tx.private {
            // A node makes a public marker of each copy: that of the second would tell of a failure that is not the first's.
            Some(Private::Eea) => Resend::Never,
            Some(Private::Manager { .. }) | None => Resend::ChainRejectsRepeats,
        };
        let resend = submit.resend.unwrap_or(usual);
        let again = self.held.contains_key(&id);
        let blocks = self.settings.deadline_blocks;
        let begun = Begun {
            id: id.clone(),
            tx_id,
            tx: Arc::new(submit.tx),
            may_resend: resend.allows(self.chain_rejects),
            until: submit.deadline.or_else(|| self.head.filter(|_| again).map(|head| head.plus(blocks))),
            deadline_blocks: blocks,
        };
        self.log.add(&Record::Begun(Box::new(begun)), Some(id.clone()));
        let Some(Entry::Live(live)) = self.log.ledger().get(&id).cloned() else { return };
        self.hold(id.clone(), live);
        if let Some(held) = self.held.get_mut(&id) {
            held.beginning.push(answer);
        }
    }

    /// Whether a submission that the chain finds by another id than computed is of the same bytes.
    fn knows(&self, id: &SubmissionId, submit: &Submit) -> bool {
        let machine = self.held.get(id).and_then(|held| held.machine.as_ref());
        machine.is_some_and(|machine| machine.tx.bytes == submit.tx.bytes)
    }

    fn written(&mut self, result: &io::Result<()>) {
        for id in self.log.ended(result) {
            let Some(held) = self.held.get_mut(&id) else { continue };
            if held.beginning.is_empty() {
                let event = if result.is_ok() { Event::Persisted } else { Event::PersistFailed };
                self.step(&id, event);
                continue;
            }
            let beginning = std::mem::take(&mut held.beginning);
            match result {
                Ok(()) => {
                    let submission = held.submission(&id);
                    beginning.into_iter().for_each(|answer| {
                        let _ = answer.send(Ok(submission.clone()));
                    });
                    self.step(&id, Event::Wake);
                }
                Err(error) => {
                    for answer in beginning {
                        let error = io::Error::new(error.kind(), error.to_string());
                        let _ = answer.send(Err(SubmitError::Journal(error)));
                    }
                    self.forget(&id);
                }
            }
        }
    }

    /// Nothing was sent, so nothing has to be remembered.
    fn forget(&mut self, id: &SubmissionId) {
        let Some(held) = self.held.remove(id) else { return };
        self.live -= usize::from(held.machine.is_some());
        self.by_tx.remove(&held.tx_id);
        self.timers.retain(|(_, timed)| timed != id);
        self.log.add(&Record::Forgotten(id.clone()), None);
    }

    fn step(&mut self, id: &SubmissionId, event: Event) {
        let now = self.now();
        let Some(held) = self.held.get_mut(id) else { return };
        // Nothing is sent before its beginning is written.
        let Some(machine) = held.machine.as_mut().filter(|_| held.beginning.is_empty()) else { return };
        let actions = machine.step(event, now, &View { nodes: &self.views, head: self.head });
        let (tx, timer) = (machine.tx.clone(), machine.wake_at(now));
        if held.timer != timer {
            if let Some(before) = held.timer {
                self.timers.remove(&(before, id.clone()));
            }
            held.timer = timer;
            self.timers.extend(timer.map(|at| (at, id.clone())));
        }
        for action in actions {
            match action {
                Action::Persist(change) => {
                    self.log.add(&Record::Changed(id.clone(), change), Some(id.clone()));
                }
                Action::Note(change) => {
                    if let Change::Known(tx_id) = &change {
                        self.by_tx.insert(tx_id.clone(), id.clone());
                    }
                    self.log.add(&Record::Changed(id.clone(), change), None);
                }
                Action::Send { node } => {
                    let (at, id, tx) = (self.nodes[node].clone(), id.clone(), tx.clone());
                    self.background.spawn(async move {
                        let result = at.send(&tx).await;
                        Done::Event(id, Event::Sent { node, result })
                    });
                }
                Action::Look { node, tx_id } => {
                    let (at, id, tx) = (self.nodes[node].clone(), id.clone(), tx.clone());
                    let finality = self.settings.finality;
                    self.background.spawn(async move {
                        let result = look::look(&*at, finality, &tx, &tx_id).await;
                        Done::Event(id, Event::Looked { node, result })
                    });
                }
                Action::Tell(progress) => self.tell(id, progress),
            }
        }
    }

    fn tell(&mut self, id: &SubmissionId, progress: Progress) {
        let Some(held) = self.held.get_mut(id) else { return };
        if matches!(progress, Progress::Done(_)) {
            held.machine = None;
            self.live -= 1;
            if let Some(timer) = held.timer.take() {
                self.timers.remove(&(timer, id.clone()));
            }
        }
        held.progress.send_replace(progress);
        // The ledger decides how many are remembered.
        if self.held.len() > self.live + self.settings.ended_max {
            let ledger = self.log.ledger();
            let by_tx = &mut self.by_tx;
            self.held.retain(|id, held| {
                let keep = held.machine.is_some() || ledger.get(id).is_some();
                if !keep {
                    by_tx.remove(&held.tx_id);
                }
                keep
            });
        }
    }
}

impl Held {
    fn submission(&self, id: &SubmissionId) -> Submission {
        Submission { id: id.clone(), progress: self.progress.subscribe() }
    }
}
