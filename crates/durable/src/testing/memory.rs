use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::journal::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Written};
use crate::record::{NewRun, Outcome, Phase, Record, RunId, Why};

/// What the end of a run means to its subject: called inside the transaction of the end, it may give the run that follows. It must
/// not call the journal.
pub type Settle = Box<dyn Fn(&Record, &Ending) -> Option<NewRun> + Send + Sync>;

/// The journal in memory. Each call is atomic, as one conditional write is.
pub struct MemoryJournal {
    shelf: Mutex<Shelf>,
    settle: Settle,
}

#[derive(Default)]
struct Shelf {
    records: BTreeMap<RunId, Record>,
    endings: Vec<(RunId, Ending)>,
    followed_by: BTreeMap<RunId, RunId>,
}

impl MemoryJournal {
    /// An empty journal; runs have no followers.
    #[must_use]
    pub fn new() -> Self {
        Self::with_settle(Box::new(|_, _| None))
    }

    /// An empty journal that asks what the end of a run means.
    #[must_use]
    pub fn with_settle(settle: Settle) -> Self {
        Self { shelf: Mutex::default(), settle }
    }

    /// Starts a run.
    ///
    /// # Panics
    /// If there is one of this name.
    pub fn start(&self, new: NewRun, now: Timestamp) -> Record {
        let record = Record::begin(new, now);
        let before = self.shelf().records.insert(record.id.clone(), record.clone());
        assert!(before.is_none(), "run {} was started twice", record.id);
        record
    }

    /// Stores a run as it is given: a journal that other code wrote.
    pub fn put(&self, record: Record) {
        self.shelf().records.insert(record.id.clone(), record);
    }

    /// The run as it stands.
    #[must_use]
    pub fn get(&self, id: &RunId) -> Option<Record> {
        self.shelf().records.get(id).cloned()
    }

    /// Every run.
    #[must_use]
    pub fn all(&self) -> Vec<Record> {
        self.shelf().records.values().cloned().collect()
    }

    /// Looks at every run where it lies.
    pub(super) fn look<T>(&self, at: impl FnOnce(std::collections::btree_map::Values<'_, RunId, Record>) -> T) -> T {
        at(self.shelf().records.values())
    }

    /// Every end that was recorded, in order.
    #[must_use]
    pub fn endings(&self) -> Vec<(RunId, Ending)> {
        self.shelf().endings.clone()
    }

    /// Gives up a parked run, as a delete does. `false`: it is not parked.
    pub fn abandon(&self, id: &RunId, now: Timestamp) -> bool {
        let mut shelf = self.shelf();
        let Some(record) = shelf.records.get_mut(id).filter(|record| matches!(record.phase, Phase::Parked { .. })) else { return false };
        record.phase = Phase::Done { outcome: Outcome::Abandoned };
        record.ended_at = Some(now);
        record.updated_at = now;
        true
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no holder panics")
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

/// What a conditional write finds.
enum Found {
    /// The condition holds.
    Held,
    /// This very write is stored already: its answer was lost.
    Stored,
    /// The guard refuses.
    Cancelled,
    /// Somebody else's.
    Superseded,
}

fn find(stored: Option<&Record>, held: &Held, next: &Record, guard: Guard) -> Found {
    assert_eq!(next.rev, held.rev + 1, "a write raises `rev` by one");
    match stored {
        Some(stored) if stored.owner.as_ref() == Some(&held.owner) && stored.rev == next.rev => Found::Stored,
        Some(stored) if stored.owner.as_ref() != Some(&held.owner) || stored.rev != held.rev => Found::Superseded,
        Some(stored) if guard == Guard::NotCancelled && stored.cancel_requested_at.is_some() => Found::Cancelled,
        Some(_) => Found::Held,
        None => Found::Superseded,
    }
}

/// Stores what a worker wrote; the cancel is not its to write.
fn store(stored: &mut Record, next: &Record) {
    let cancel_requested_at = stored.cancel_requested_at;
    *stored = next.clone();
    stored.cancel_requested_at = cancel_requested_at;
}

fn holds(record: &Record, now: Timestamp) -> bool {
    record.lease_until.is_some_and(|until| until > now)
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        Ok(self.get(id))
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        let mut shelf = self.shelf();
        let Some(record) = shelf.records.get_mut(id).filter(|record| record.phase.is_live()) else { return Ok(None) };
        if record.owner.as_ref() == Some(&claim.owner) && record.lease_until == Some(claim.lease_until) {
            return Ok(Some(record.clone()));
        }
        let due = record.not_before.is_none_or(|at| at <= claim.now);
        let called_back = record.phase == Phase::Running && record.cancel_requested_at.is_some();
        if holds(record, claim.now) || !(due || called_back) {
            return Ok(None);
        }
        // As a store whose numbers outgrow what the reader takes for one.
        let (Some(rev), Some(claims)) = (record.rev.checked_add(1), record.claims.checked_add(1)) else {
            return Err(JournalError::Corrupt { id: id.clone(), why: "it was counted beyond what can be counted".to_owned() });
        };
        (record.rev, record.claims) = (rev, claims);
        record.owner = Some(claim.owner.clone());
        record.lease_until = Some(claim.lease_until);
        record.overdue_at = Some(claim.lease_until);
        record.not_before = None;
        record.wakes = 0;
        record.updated_at = claim.now;
        Ok(Some(record.clone()))
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        let mut shelf = self.shelf();
        let stored = shelf.records.get_mut(&next.id);
        match (find(stored.as_deref(), held, next, guard), stored) {
            (Found::Held, Some(stored)) => {
                store(stored, next);
                Ok(Written::Yes { cancel_requested_at: stored.cancel_requested_at })
            }
            (Found::Stored, Some(stored)) => Ok(Written::Yes { cancel_requested_at: stored.cancel_requested_at }),
            (Found::Cancelled, _) => Ok(Written::Cancelled),
            (Found::Superseded, _) | (_, None) => Ok(Written::Superseded),
        }
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        let mut shelf = self.shelf();
        match find(shelf.records.get(&next.id), held, next, guard) {
            Found::Held => {}
            Found::Stored => return Ok(Ended::Yes { follow_up: shelf.followed_by.get(&next.id).cloned() }),
            Found::Cancelled => return Ok(Ended::Cancelled),
            Found::Superseded => return Ok(Ended::Superseded),
        }
        let follow_up = (self.settle)(next, ending).map(|new| Record::begin(new, next.updated_at));
        let follower = follow_up.as_ref().map(|record| record.id.clone());
        if let Some(record) = follow_up {
            shelf.followed_by.insert(next.id.clone(), record.id.clone());
            shelf.records.insert(record.id.clone(), record);
        }
        store(shelf.records.get_mut(&next.id).expect("found above"), next);
        shelf.endings.push((next.id.clone(), ending.clone()));
        Ok(Ended::Yes { follow_up: follower })
    }

    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        let mut shelf = self.shelf();
        let Some(record) = shelf.records.get_mut(id) else { return Ok(CancelReply::Unknown) };
        match record.phase {
            Phase::Running if !record.committed => {}
            Phase::Unwinding { why: Why::Cancelled } => return Ok(CancelReply::Accepted { send: false }),
            _ => return Ok(CancelReply::TooLate),
        }
        record.cancel_requested_at.get_or_insert(now);
        let send = !holds(record, now);
        if send {
            record.overdue_at = Some(now);
        }
        Ok(CancelReply::Accepted { send })
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        let shelf = self.shelf();
        let overdue = shelf.records.values().filter(|record| record.phase.is_live()).filter_map(|record| {
            let overdue_at = record.overdue_at.filter(|at| *at <= now)?;
            Some(Overdue { id: record.id.clone(), overdue_at, wakes: record.wakes })
        });
        Ok(overdue.take(limit).collect())
    }

    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        let mut shelf = self.shelf();
        let Some(record) = shelf.records.get_mut(&seen.id).filter(|record| record.overdue_at == Some(seen.overdue_at)) else {
            return Ok(false);
        };
        record.overdue_at = Some(until);
        record.wakes = record.wakes.saturating_add(1);
        Ok(true)
    }

    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        let mut shelf = self.shelf();
        let Some(record) = shelf.records.get_mut(id) else { return Ok(false) };
        let Phase::Parked { was, .. } = &record.phase else { return Ok(false) };
        record.phase = (**was).clone();
        record.overdue_at = Some(now);
        record.wakes = 0;
        record.updated_at = now;
        Ok(true)
    }
}
