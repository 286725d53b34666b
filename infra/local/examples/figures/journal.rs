//! The store of runs, with a meter on each of its calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sim::{AwsSim, Ledger};
use durable::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Record, RunId, Written};
use dynamo::Store;
use jiff::Timestamp;

/// One call that a worker made of the store.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What for: `claim`, the name of the step that was recorded, `end`.
    pub(crate) what: String,
    /// When it was answered, and how long that took.
    pub(crate) over: Instant,
    pub(crate) took: Duration,
    /// Calls of AWS and what they consumed.
    pub(crate) calls: u64,
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// The size of the run's record as JSON, in bytes; DynamoDB counts its own form of it.
    pub(crate) bytes: usize,
}

/// The store, and what was asked of it since the last look.
#[derive(Clone)]
pub(crate) struct Metered {
    store: Store,
    /// Whose ledger is read before and after each call; without it only the time is, so that reading does not add to it.
    sim: Option<AwsSim>,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Metered {
    pub(crate) fn new(store: Store, sim: Option<AwsSim>) -> Self {
        Self { store, sim, entries: Arc::default() }
    }

    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self) -> (Instant, Ledger) {
        let before = self.sim.as_ref().map(AwsSim::consumed).unwrap_or_default();
        (Instant::now(), before)
    }

    fn note(&self, what: impl Into<String>, record: Option<&Record>, (begun, before): (Instant, Ledger)) {
        let over = Instant::now();
        let after = self.sim.as_ref().map(AwsSim::consumed).unwrap_or_default();
        let record = record.filter(|_| self.sim.is_some());
        let dynamodb = |ledger: &Ledger| -> u64 {
            ledger.operations().iter().filter(|(name, _)| name.starts_with("dynamodb.")).map(|(_, times)| times).sum()
        };
        let entry = Entry {
            what: what.into(),
            over,
            took: over - begun,
            calls: dynamodb(&after) - dynamodb(&before),
            reads: after.read_units() - before.read_units(),
            writes: after.write_units() - before.write_units(),
            bytes: record.and_then(|record| serde_json::to_vec(record).ok()).map_or(0, |json| json.len()),
        };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

#[async_trait]
impl Journal for Metered {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.store.read(id).await
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        let before = self.begin();
        let claimed = self.store.claim(id, claim).await?;
        self.note("claim", claimed.as_ref(), before);
        Ok(claimed)
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        let before = self.begin();
        let written = self.store.checkpoint(held, next, guard).await?;
        let what = match &next.trying {
            Some(trying) => format!("pause at {}", trying.name),
            None => next.journal.last().map_or_else(|| "checkpoint".to_owned(), |entry| entry.name.clone()),
        };
        self.note(what, Some(next), before);
        Ok(written)
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        let before = self.begin();
        let ended = self.store.end(held, next, ending, guard).await?;
        self.note("end", Some(next), before);
        Ok(ended)
    }

    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        self.store.request_cancel(id, now).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        self.store.overdue(now, limit).await
    }

    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        self.store.postpone(seen, until).await
    }

    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        self.store.resume(id, now).await
    }
}
