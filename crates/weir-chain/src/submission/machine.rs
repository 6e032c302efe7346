//! One submission as a pure machine: events and the time come in, what is to be done goes out.
//!
//! ```text
//!            refused everywhere, or not taken till the deadline
//!  Sending ─────────────────────────────────────────────────────► Rejected
//!     │ a node may have it                                          ▲
//!     ▼                       number spent, or expired              │
//!  Watched ──── in no final block up to the deadline ──► NotIncluded│
//!     │  ▲  └──────────────────────────────────────────────────────┘
//!     ▼  │ the block vanished
//!  Included ── the block is final ──► Confirmed
//! ```
//!
//! What is true, and why:
//!
//! * *Refused* and *not taken* are final only while no send can have had an effect: each was answered by a node that took
//!   nothing, or failed before it was sent. That is what `exposed` keeps, in memory and in the journal. A refusal is checked by a look at the node that gave
//!   it, in case the message was delivered twice and the refusal answers the second copy.
//! * *Confirmed* needs an inclusion that was read after the height that makes it final.
//! * *NotIncluded* needs a look that found nothing, read after the node told that the deadline's block is final.
//! * *NumberSpent* and *Expired* are proofs by the chain: read from final state, before a look that found nothing.
//! * After `exposed` nothing is sent again but where the chain, or the caller, makes that harmless.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{Finality, Mono, fixed_hash};

use super::view::{View, choose};
use super::{NotTaken, Outcome, Progress, SubmissionId, Why};
use crate::words::{Effect, Height, Inclusion, NodeError, Rejection, SendOutcome, Tx, TxId};

/// How eager submissions are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between looks that found nothing new.
    pub(crate) look: Duration,
    /// Blocks without the transaction, before it is sent again.
    pub(crate) resend_blocks: u64,
    /// The first wait after a send that came to nothing; doubled up to `backoff_max`.
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
}

/// What happens to a submission.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Time went on, a block came, or nodes changed.
    Wake,
    /// What was to be remembered is.
    Persisted,
    /// It could not be.
    PersistFailed,
    /// A send ended.
    Sent { node: usize, result: Result<SendOutcome, NodeError> },
    /// A look ended.
    Looked { node: usize, result: Result<Sight, NodeError> },
}

/// What was seen at one node, read in this order.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// The node's newest height.
    pub(crate) head: Height,
    /// Its newest height that stays, by the chain's finality.
    pub(crate) settled: Height,
    /// Whether state at `settled` proves that it can be in no later block.
    pub(crate) spent: bool,
    /// Whether it waits at the node.
    pub(crate) pending: Option<bool>,
    /// Where it is included.
    pub(crate) found: Option<Inclusion>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Remember this for good, then say [`Event::Persisted`].
    Persist(Change),
    /// Remember this, sooner or later.
    Note(Change),
    /// Send it to a node.
    Send { node: usize },
    /// Look for it at a node.
    Look { node: usize, tx_id: TxId },
    /// Tell whoever waits.
    Tell(Progress),
}

/// What is remembered of a submission that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// From here on a node may have it.
    Exposed { since: Height, until: Height },
    /// What was sent is answered for: no node has it.
    Clean,
    /// The chain finds it by another id.
    Known(TxId),
    /// It ended.
    Ended(Outcome),
}

/// What is waited for while something is written.
#[derive(Clone, Debug, PartialEq)]
enum Then {
    Send { node: usize },
    End(Outcome),
}

/// One submission.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) tx: Arc<Tx>,
    tx_id: TxId,
    may_resend: bool,
    finality: Finality,
    deadline_blocks: u64,
    pace: Pace,
    salt: u64,
    since: Option<Height>,
    until: Option<Height>,
    /// Whether a send that was answered, or never will be, may have had an effect.
    exposed: bool,
    /// Whether the journal says so.
    exposed_on_disk: bool,
    writing: Option<Then>,
    sending: bool,
    looking: bool,
    /// Not before this time, and not before this height, it is sent.
    send_after: (Mono, Height),
    look_after: Mono,
    /// The node's height at the last look.
    looked: Option<Height>,
    sends: u32,
    looks: u32,
    failures: u32,
    last_node: Option<usize>,
    /// Looks that failed, in a row.
    blind: u32,
    /// Who refused it, while nobody can have it.
    refused_by: Vec<usize>,
    refusal: Option<Rejection>,
    last: NotTaken,
    included: Option<Inclusion>,
    progress: Progress,
}

/// What a machine begins with, fresh or remembered.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) id: SubmissionId,
    pub(crate) tx: Arc<Tx>,
    pub(crate) tx_id: TxId,
    pub(crate) may_resend: bool,
    pub(crate) finality: Finality,
    pub(crate) deadline_blocks: u64,
    pub(crate) until: Option<Height>,
    /// Where a node may have it: since when.
    pub(crate) exposed: Option<Height>,
}

impl Machine {
    pub(crate) fn new(start: Start, pace: Pace) -> Self {
        let mut machine = Self {
            salt: fixed_hash(start.id.as_str()),
            tx: start.tx,
            tx_id: start.tx_id,
            may_resend: start.may_resend,
            finality: start.finality,
            deadline_blocks: start.deadline_blocks,
            pace,
            since: start.exposed,
            // What a node may have is watched, so it has a deadline.
            until: start.until.or_else(|| Some(start.exposed?.plus(start.deadline_blocks))),
            exposed: start.exposed.is_some(),
            exposed_on_disk: start.exposed.is_some(),
            writing: None,
            sending: false,
            looking: false,
            send_after: (Mono(0), Height(0)),
            look_after: Mono(0),
            looked: None,
            sends: 0,
            looks: 0,
            failures: 0,
            last_node: None,
            blind: 0,
            refused_by: Vec::new(),
            refusal: None,
            last: NotTaken::Unreachable,
            included: None,
            progress: Progress::Sending,
        };
        machine.progress = machine.stands();
        machine
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.progress, Progress::Done(_))
    }

    /// When it wants to be woken though nothing happens.
    pub(crate) fn wake_at(&self, now: Mono) -> Option<Mono> {
        if self.is_done() || self.writing.is_some() {
            return None;
        }
        let look = (!self.looking && self.look_after > now).then_some(self.look_after);
        let send = (!self.sending && self.send_after.0 > now).then_some(self.send_after.0);
        look.into_iter().chain(send).min()
    }

    /// Takes an event.
    pub(crate) fn step(&mut self, event: Event, now: Mono, view: &View<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_done() {
            return actions;
        }
        match event {
            Event::Wake => {}
            Event::Persisted => match self.writing.take() {
                Some(Then::Send { node }) => {
                    self.exposed_on_disk = true;
                    self.send(node, &mut actions);
                }
                Some(Then::End(outcome)) => {
                    self.progress = Progress::Done(outcome);
                    actions.push(Action::Tell(self.progress.clone()));
                    return actions;
                }
                None => {}
            },
            Event::PersistFailed => {
                if let Some(Then::End(_)) = self.writing.take() {
                    // What was seen is seen again.
                    self.looked = None;
                }
                self.back_off(now);
                self.look_after = self.send_after.0;
            }
            Event::Sent { node, result } => {
                self.sending = false;
                self.sent(node, result, now, view, &mut actions);
            }
            Event::Looked { node, result } => {
                self.looking = false;
                match result {
                    Ok(sight) => self.looked(node, sight, now, &mut actions),
                    Err(_) => {
                        self.blind += 1;
                        self.look_after = now.after(self.pace.look);
                    }
                }
            }
        }
        self.go_on(now, view, &mut actions);
        let stands = self.stands();
        if stands != self.progress {
            self.progress = stands;
            actions.push(Action::Tell(self.progress.clone()));
        }
        actions
    }

    fn stands(&self) -> Progress {
        match (&self.included, self.exposed, self.since, self.until) {
            (Some(inclusion), ..) => Progress::Included(inclusion.clone()),
            (None, true, Some(since), Some(until)) => Progress::Watched { since, until },
            _ => Progress::Sending,
        }
    }

    fn sent(
        &mut self,
        node: usize,
        result: Result<SendOutcome, NodeError>,
        now: Mono,
        view: &View<'_>,
        actions: &mut Vec<Action>,
    ) {
        let not_taken = match result {
            Ok(SendOutcome::Accepted { id }) => {
                if let Some(id) = id.filter(|id| *id != self.tx_id) {
                    self.tx_id = id.clone();
                    actions.push(Action::Note(Change::Known(id)));
                }
                None
            }
            // Its own first copy may be why: it is looked for before anything is concluded.
            Ok(SendOutcome::AlreadyKnown | SendOutcome::NonceTooLow) => None,
            Err(NodeError { effect: Effect::Unknown, .. }) => {
                self.expose();
                self.back_off(now);
                return;
            }
            Err(NodeError { effect: Effect::BeforeSend, .. }) => Some(NotTaken::Unreachable),
            Ok(SendOutcome::MempoolFull) => Some(NotTaken::MempoolFull),
            Ok(SendOutcome::NonceTooHigh) => Some(NotTaken::NonceTooHigh),
            Ok(SendOutcome::Underpriced) => Some(NotTaken::Underpriced),
            Ok(SendOutcome::Rejected(rejection)) => {
                self.refusal = Some(rejection);
                Some(NotTaken::Refused)
            }
        };
        let Some(last) = not_taken else {
            self.expose();
            self.failures = 0;
            self.send_after = (now, self.head(view).plus(self.pace.resend_blocks));
            self.look_after = now.after(self.pace.look);
            self.looked = None;
            return;
        };
        self.last = last;
        self.back_off(now);
        if last == NotTaken::Refused {
            if self.exposed {
                self.send_after = (now, self.head(view).plus(self.pace.resend_blocks));
            } else {
                // Another node may know more. Once all refuse, the last one is looked at.
                self.refused_by.push(node);
                self.look_after = now;
            }
        }
        if !self.exposed && self.exposed_on_disk {
            self.exposed_on_disk = false;
            actions.push(Action::Note(Change::Clean));
        }
    }

    fn expose(&mut self) {
        self.exposed = true;
        self.refused_by.clear();
    }

    fn looked(&mut self, node: usize, sight: Sight, now: Mono, actions: &mut Vec<Action>) {
        self.look_after = now.after(self.pace.look);
        self.looked = Some(sight.head);
        self.blind = 0;
        if let Some(inclusion) = sight.found {
            self.expose();
            let stays = match self.finality {
                Finality::AtOnce => true,
                Finality::Depth(_) | Finality::Tag => inclusion.height <= sight.settled,
            };
            if stays {
                self.end(Outcome::Confirmed(inclusion), actions);
            } else {
                self.included = Some(inclusion);
            }
            return;
        }
        if self.included.take().is_some() {
            // The chain re-organised itself without it: nodes usually take it back into their mempools, but need not.
            self.send_after = (now.after(self.pace.look), Height(0));
        }
        if sight.pending == Some(true) {
            self.expose();
            self.send_after.1 = self.send_after.1.max(sight.head.plus(self.pace.resend_blocks));
        }
        let expired = self.tx.expires.filter(|last| *last <= sight.settled);
        let until = self.until.filter(|until| *until <= sight.settled);
        let refused = !self.exposed && !self.sending && self.refused_by.last() == Some(&node);
        match (&self.refusal, expired, until) {
            (Some(rejection), ..) if refused => {
                let why = Why::Refused(rejection.clone());
                self.end(Outcome::Rejected(why), actions);
            }
            _ if !self.exposed => {}
            _ if sight.spent => {
                self.end(Outcome::Rejected(Why::NumberSpent { at: sight.settled }), actions);
            }
            (_, Some(at), _) => self.end(Outcome::Rejected(Why::Expired { at }), actions),
            (_, None, Some(by)) => self.end(Outcome::NotIncluded { by }, actions),
            (_, None, None) => {}
        }
    }

    fn end(&mut self, outcome: Outcome, actions: &mut Vec<Action>) {
        if self.writing.is_none() {
            self.writing = Some(Then::End(outcome.clone()));
            actions.push(Action::Persist(Change::Ended(outcome)));
        } else {
            // A send waits for the disk. It is seen again after that.
            self.looked = None;
        }
    }

    /// Does what can be done now.
    fn go_on(&mut self, now: Mono, view: &View<'_>, actions: &mut Vec<Action>) {
        if self.writing.is_some() {
            return;
        }
        let head = self.head(view);
        let passed = |height: Option<Height>| height.is_some_and(|height| head >= height);
        let over = passed(self.until) || passed(self.tx.expires);
        let all_refused = !self.refused_by.is_empty() && self.next_node(view).is_none();
        if over && !self.exposed && !self.sending && !self.looking && (!all_refused || self.blind > 0) {
            self.end(Outcome::Rejected(Why::NotTaken { last: self.last }), actions);
            return;
        }
        if !self.looking && now >= self.look_after {
            let node = match self.refused_by.last() {
                Some(&node) if all_refused && !self.sending => Some(node),
                Some(_) | None if !self.exposed => None,
                _ if self.looked.is_some_and(|looked| looked >= head) => None,
                _ => choose(view, &[], self.salt.wrapping_add(u64::from(self.looks))),
            };
            if let Some(node) = node {
                self.looking = true;
                self.looks += 1;
                actions.push(Action::Look { node, tx_id: self.tx_id.clone() });
            }
        }
        let may = (!self.exposed || self.may_resend)
            && self.included.is_none()
            && !self.sending
            && !over
            && !all_refused
            && now >= self.send_after.0
            && head >= self.send_after.1;
        let Some(node) = may.then(|| self.next_node(view)).flatten() else { return };
        let until = *self.until.get_or_insert(head.plus(self.deadline_blocks));
        let since = *self.since.get_or_insert(head);
        if self.exposed_on_disk {
            self.send(node, actions);
        } else {
            self.writing = Some(Then::Send { node });
            actions.push(Action::Persist(Change::Exposed { since, until }));
        }
    }

    /// Whom to send to next: not to who refused it, and rather not to who was asked last.
    fn next_node(&self, view: &View<'_>) -> Option<usize> {
        let sender = self.tx.sender.as_deref().map_or(self.salt, fixed_hash);
        let salt = if self.sends == 0 { sender } else { self.salt.wrapping_add(u64::from(self.sends)) };
        let mut avoid = self.refused_by.clone();
        avoid.extend(self.last_node);
        choose(view, &avoid, salt).or_else(|| choose(view, &self.refused_by, salt))
    }

    fn send(&mut self, node: usize, actions: &mut Vec<Action>) {
        self.sending = true;
        self.sends += 1;
        self.last_node = Some(node);
        actions.push(Action::Send { node });
    }

    /// Later each time, by a part that differs between submissions.
    fn back_off(&mut self, now: Mono) {
        let doubled = self.pace.backoff_min.saturating_mul(1 << self.failures.min(16));
        let most = doubled.min(self.pace.backoff_max);
        self.failures += 1;
        let part = fixed_hash(&(self.salt, self.failures)) % 512;
        self.send_after = (now.after(most * (512 + part as u32) / 1024), Height(0));
    }

    fn head(&self, view: &View<'_>) -> Height {
        view.head.or(self.since).unwrap_or_default()
    }
}

/// The height that stays, by the chain's finality.
pub(crate) fn settled(finality: Finality, head: Height, finalized: Option<Height>) -> Height {
    match finality {
        Finality::AtOnce => head,
        Finality::Depth(blocks) => head.minus(blocks),
        Finality::Tag => finalized.unwrap_or_default(),
    }
}
