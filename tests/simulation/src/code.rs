//! Old and new code, side by side.
//!
//! A deployment raises the version of every flow. Runs that are started from then on are of the new version; for a while invocations
//! are of the old code and of the new one by turns. Old code leaves what it does not know, and new code finishes what old code began.
//!
//! The first deployment is that of today's code: what was begun before it is of the oldest version of its flow that is in the catalogue.

use std::sync::Arc;

use async_trait::async_trait;
use durable::{
    CancelReply, Catalogue, Claim, Ended, Ending, Execute, Guard, Held, Journal, JournalError, Overdue, Record, RunId, Unknown, Written,
};
use dynamo::Store;
use flows::{Flows, Kind};
use jiff::Timestamp;
use serde_json::Value;

use crate::tally::Tally;

/// The flows as code of this version knows them. Only the first deployment changed any steps.
pub(crate) struct Code {
    pub(crate) flows: Arc<Flows>,
    pub(crate) knows: u32,
    /// Whether the first version is that of older code: whether there is a deployment at all.
    pub(crate) began_old: bool,
    pub(crate) tally: Arc<Tally>,
}

impl Catalogue for Code {
    fn open(&self, kind: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        let newest = Kind::named(kind).ok_or(Unknown::Version)?.newest_version();
        if version > self.knows {
            return Err(Unknown::Version);
        }
        let oldest = (1..newest).find(|older| Flows::know(kind, *older)).filter(|_| self.began_old && version == 1);
        if oldest.is_some() {
            let by = if self.knows > 1 { &self.tally.old_runs_by_new_code } else { &self.tally.old_runs_by_old_code };
            by.add(1);
        }
        self.flows.open(kind, oldest.unwrap_or(newest), plan)
    }
}

/// The store's journal, in which a run has the version of the code that started it.
pub(crate) struct Dated {
    pub(crate) store: Store,
    /// When each version after the first began.
    pub(crate) deployments: Arc<Vec<Timestamp>>,
}

impl Dated {
    fn date(&self, mut record: Record) -> Record {
        let later = self.deployments.iter().filter(|began| **began <= record.created_at).count();
        record.version = 1 + u32::try_from(later).expect("a few deployments");
        record
    }
}

#[async_trait]
impl Journal for Dated {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        Ok(self.store.read(id).await?.map(|record| self.date(record)))
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        Ok(self.store.claim(id, claim).await?.map(|record| self.date(record)))
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        self.store.checkpoint(held, next, guard).await
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        self.store.end(held, next, ending, guard).await
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
