//! The engine's ports as workers on the stage reach them: every write and every message is a point.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::journal::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Written};
use crate::record::{Phase, Record, RunId};
use crate::testing::{Adversity, MemoryJournal, PointKind, RecordingWake, Stage};
use crate::{Clock, Wake, WakeError};

/// The journal as everybody on the stage reaches it: the writes of workers are points, callers and the sweep only suffer what has
/// befallen the store.
pub(super) struct StagedJournal {
    pub(super) stage: Arc<Stage>,
    pub(super) journal: Arc<MemoryJournal>,
}

#[async_trait]
impl Journal for StagedJournal {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.stage.unless_throttled()?;
        self.journal.read(id).await
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        self.stage.write("claim".to_owned(), || self.journal.claim(id, claim)).await
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        self.stage.write(what_is_written(next), || self.journal.checkpoint(held, next, guard)).await
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        self.stage.write("end".to_owned(), || self.journal.end(held, next, ending, guard)).await
    }

    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError> {
        self.stage.unless_throttled()?;
        self.journal.request_cancel(id, now).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError> {
        self.stage.unless_throttled()?;
        match self.stage.stale_index() {
            Some(listed) => Ok(listed.into_iter().filter(|seen| seen.overdue_at <= now).take(limit).collect()),
            None => self.journal.overdue(now, limit).await,
        }
    }

    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError> {
        self.stage.unless_throttled()?;
        self.journal.postpone(seen, until).await
    }

    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError> {
        self.stage.unless_throttled()?;
        self.journal.resume(id, now).await
    }
}

fn what_is_written(next: &Record) -> String {
    let what = match (&next.phase, &next.trying) {
        (Phase::Parked { .. }, _) => "park",
        (_, Some(trying)) => return format!("pause {}", trying.name),
        (Phase::Unwinding { .. }, None) => match next.undone.last() {
            Some(undone) => return format!("undone {}", undone.name),
            None => "turn back",
        },
        _ if next.lease_until.is_none() => "yield",
        _ => return format!("checkpoint {}", next.journal.last().map_or("", |entry| entry.name.as_str())),
    };
    what.to_owned()
}

/// The queue as workers on the stage reach it.
pub(super) struct StagedWake {
    pub(super) stage: Arc<Stage>,
    pub(super) queue: Arc<RecordingWake>,
    pub(super) journal: Arc<MemoryJournal>,
}

#[async_trait]
impl Wake for StagedWake {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        let lost = |why: &str| WakeError(why.to_owned());
        let adversity = self.stage.reach(PointKind::Message, "wake".to_owned()).await;
        // With one worker at work, nobody but the sender can hold the run: it would send before it has written.
        let lease_until = self.journal.look(|mut records| records.find(|record| record.id == *run).and_then(|record| record.lease_until));
        let held = lease_until.is_some_and(|until| until > self.stage.clock().now());
        if held && !self.stage.is_crowded() {
            self.stage.report(format!("a message for {run} was sent while its sender held it"));
        }
        match adversity {
            None => self.queue.wake(run, delay).await,
            Some(Adversity::CrashAfter) => {
                self.queue.wake(run, delay).await?;
                self.stage.crash().await
            }
            Some(Adversity::LostAnswer) => {
                self.queue.wake(run, delay).await?;
                Err(lost("the answer was lost"))
            }
            Some(Adversity::AskedTwice) => {
                self.queue.wake(run, delay).await?;
                self.queue.wake(run, delay).await
            }
            Some(other) => Err(lost(&format!("not now ({other:?})"))),
        }
    }
}
