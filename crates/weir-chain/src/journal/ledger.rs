//! What the journal says, record by record: the same for what was just written and for what is read after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::codec::{self, Begun, JournalDamage, Record};
use crate::submission::machine::Change;
use crate::submission::{Outcome, SubmissionId};
use crate::words::{Height, Tx, TxId};

/// A submission, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It goes on.
    Live(Live),
    /// It ended.
    Ended { tx_id: TxId, outcome: Outcome },
}

/// One that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) tx: Arc<Tx>,
    pub(crate) tx_id: TxId,
    pub(crate) may_resend: bool,
    pub(crate) until: Option<Height>,
    pub(crate) deadline_blocks: u64,
    /// Since when a node may have it, if one may.
    pub(crate) exposed: Option<Height>,
}

/// All submissions that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<SubmissionId, Entry>,
    /// Those that ended, the oldest first.
    ended: VecDeque<SubmissionId>,
    ended_max: usize,
}

impl Ledger {
    /// An empty one that keeps as many ended submissions.
    pub(crate) fn new(ended_max: usize) -> Self {
        Self { ended_max, ..Self::default() }
    }

    /// What `bytes` say.
    pub(crate) fn read(bytes: &[u8], ended_max: usize) -> Result<Self, JournalDamage> {
        let mut ledger = Self::new(ended_max);
        let (records, _) = codec::read(bytes)?;
        records.iter().for_each(|record| ledger.apply(record));
        Ok(ledger)
    }

    pub(crate) fn get(&self, id: &SubmissionId) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SubmissionId, &Entry)> {
        self.entries.iter()
    }

    /// Takes a record.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Begun(begun) => {
                // One that begins again was exposed: why else would its end not have been certain.
                let exposed = match self.entries.get(&begun.id) {
                    Some(Entry::Ended { outcome: Outcome::NotIncluded { by }, .. }) => Some(*by),
                    Some(_) => return,
                    None => None,
                };
                self.ended.retain(|id| *id != begun.id);
                let Begun { id, tx_id, tx, may_resend, until, deadline_blocks } = Begun::clone(begun);
                let live = Live { tx, tx_id, may_resend, until, deadline_blocks, exposed };
                self.entries.insert(id, Entry::Live(live));
            }
            Record::Changed(id, change) => {
                let Some(Entry::Live(live)) = self.entries.get_mut(id) else { return };
                match change {
                    Change::Exposed { since, until } => {
                        (live.exposed, live.until) = (Some(*since), Some(*until));
                    }
                    Change::Clean => live.exposed = None,
                    Change::Known(tx_id) => live.tx_id = tx_id.clone(),
                    Change::Ended(outcome) => {
                        let tx_id = live.tx_id.clone();
                        self.end(id.clone(), tx_id, outcome.clone());
                    }
                }
            }
            Record::Kept { id, tx_id, outcome } => self.end(id.clone(), tx_id.clone(), outcome.clone()),
            Record::Forgotten(id) => {
                self.entries.remove(id);
                self.ended.retain(|ended| ended != id);
            }
        }
    }

    fn end(&mut self, id: SubmissionId, tx_id: TxId, outcome: Outcome) {
        self.ended.push_back(id.clone());
        self.entries.insert(id, Entry::Ended { tx_id, outcome });
        while self.ended.len() > self.ended_max {
            if let Some(oldest) = self.ended.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Everything, in as few bytes as it takes.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in &self.ended {
            if let Some(Entry::Ended { tx_id, outcome }) = self.entries.get(id) {
                let (id, tx_id, outcome) = (id.clone(), tx_id.clone(), outcome.clone());
                codec::write(&Record::Kept { id, tx_id, outcome }, &mut bytes);
            }
        }
        for (id, entry) in &self.entries {
            let Entry::Live(live) = entry else { continue };
            let Live { tx, tx_id, may_resend, until, deadline_blocks, exposed } = live.clone();
            let begun = Begun { id: id.clone(), tx_id, tx, may_resend, until, deadline_blocks };
            codec::write(&Record::Begun(Box::new(begun)), &mut bytes);
            if let Some(since) = exposed {
                // What is watched has a deadline; one that begins again without one has that of its blocks.
                let until = until.unwrap_or(since.plus(deadline_blocks));
                let change = Change::Exposed { since, until };
                codec::write(&Record::Changed(id.clone(), change), &mut bytes);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> SubmissionId {
        SubmissionId::new(&format!("s{n}")).unwrap()
    }

    fn begun(n: u8) -> Record {
        let tx = Arc::new(Tx::new(vec![n]));
        let tx_id = TxId::Hash([n; 32]);
        Record::Begun(Box::new(Begun {
            id: id(n),
            tx_id,
            tx,
            may_resend: true,
            until: None,
            deadline_blocks: 9,
        }))
    }

    fn read(records: &[Record]) -> Ledger {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| codec::write(record, &mut bytes));
        Ledger::read(&bytes, 2).unwrap()
    }

    #[test]
    fn a_snapshot_says_the_same() {
        let exposed = Change::Exposed { since: Height(3), until: Height(12) };
        let ended = Change::Ended(Outcome::NotIncluded { by: Height(12) });
        let ledger = read(&[
            begun(1),
            begun(2),
            Record::Changed(id(1), exposed.clone()),
            begun(3),
            Record::Changed(id(3), exposed.clone()),
            Record::Changed(id(3), Change::Clean),
            Record::Changed(id(2), exposed),
            Record::Changed(id(2), ended),
            Record::Forgotten(id(9)),
        ]);
        let again = Ledger::read(&ledger.snapshot(), 2).unwrap();
        assert_eq!(ledger.entries, again.entries);
        let exposed = |n| match ledger.get(&id(n)) {
            Some(Entry::Live(live)) => live.exposed,
            _ => None,
        };
        assert_eq!((exposed(1), exposed(3)), (Some(Height(3)), None));
        assert!(matches!(ledger.get(&id(2)), Some(Entry::Ended { .. })));
    }

    #[test]
    fn what_ended_is_kept_up_to_a_number_and_may_begin_again() {
        let ended = |n| Record::Changed(id(n), Change::Ended(Outcome::NotIncluded { by: Height(n.into()) }));
        let mut ledger =
            read(&[begun(1), ended(1), begun(2), ended(2), begun(3), ended(3), begun(3), begun(2), ended(9)]);
        assert!(ledger.get(&id(1)).is_none());
        let Some(Entry::Live(live)) = ledger.get(&id(3)) else { panic!() };
        assert_eq!(live.exposed, Some(Height(3)));
        ledger.apply(&Record::Forgotten(id(3)));
        assert!(ledger.get(&id(3)).is_none() && ledger.get(&id(2)).is_some());
    }
}
