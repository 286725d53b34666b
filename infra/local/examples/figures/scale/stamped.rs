//! A journal that notes when it was asked and when it answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use durable::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Record, RunId, Written};
use jiff::Timestamp;

/// A claim, or a write of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

#[derive(Clone)]
pub(crate) struct Stamped {
    journal: Arc<dyn Journal>,
    stamps: Arc<Mutex<Vec<Stamp>>>,
}

impl Stamped {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, stamps: Arc::default() }
    }

    /// The stamps since the last time: first the claim's, then one for each step, last the end's.
    pub(crate) fn take(&self) -> Vec<Stamp> {
        std::mem::take(&mut *self.stamps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, asked: Instant) {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).push(Stamp { asked, answered: Instant::now() });
    }
}

#[async_trait]
impl Journal for Stamped {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.journal.read(id).await
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        let asked = Instant::now();
        let claimed = self.journal.claim(id, claim).await;
        self.note(asked);
        claimed
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        let asked = Instant::now();
        let written = self.journal.checkpoint(held, next, guard).await;
        self.note(asked);
        written
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        let asked = Instant::now();
        let ended = self.journal.end(held, next, ending, guard).await;
        self.note(asked);
        ended
    }

    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        self.journal.request_cancel(id, now).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        self.journal.overdue(now, limit).await
    }

    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        self.journal.postpone(seen, until).await
    }

    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        self.journal.resume(id, now).await
    }
}
