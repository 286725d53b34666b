//! The port to the store of runs.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::record::{Outcome, OwnerId, Record, RunId};

/// A wish to work on a run.
#[derive(Debug, Clone)]
pub struct Claim {
    /// A fresh name for this claim.
    pub owner: OwnerId,
    /// The present moment.
    pub now: Timestamp,
    /// Until when the claim holds, and when the run counts as overdue.
    pub lease_until: Timestamp,
}

/// What a worker knows itself to hold: the condition of all its writes.
#[derive(Debug, Clone)]
pub struct Held {
    /// The name of its claim.
    pub owner: OwnerId,
    /// The `rev` it read or last wrote.
    pub rev: u64,
}

/// What else must hold for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing else.
    None,
    /// Nobody has asked to cancel: a commit, and the end of a run that never committed.
    NotCancelled,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is stored, now or by an earlier try whose answer was lost.
    Yes {
        /// Whether somebody has asked to cancel meanwhile.
        cancel_requested_at: Option<Timestamp>,
    },
    /// The guard refused: somebody asked to cancel first.
    Cancelled,
    /// Somebody else holds the run, or has ended it: stop and touch nothing.
    Superseded,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// What the flow returned; `null` unless it succeeded.
    pub value: Value,
    /// What somebody is to be told, in the order of the flow; recorded with the end or not at all.
    pub notices: Vec<Value>,
}

/// What became of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The run is over.
    Yes {
        /// The run that follows it, because the wish changed meanwhile; it wants a message.
        follow_up: Option<RunId>,
    },
    /// Somebody asked to cancel a run that never committed.
    Cancelled,
    /// Somebody else holds it.
    Superseded,
}

/// What became of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelReply {
    /// It was accepted, now or before: the run will not end in success.
    Accepted {
        /// Whether nobody works on the run, so that it wants a message.
        send: bool,
    },
    /// Too late: it has committed, is over, or waits for a person.
    TooLate,
    /// There is no such run.
    Unknown,
}

/// A live run whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The run.
    pub id: RunId,
    /// The time as it was read, which is the condition for moving it.
    pub overdue_at: Timestamp,
    /// How often it was woken since its last claim.
    pub wakes: u32,
}

/// The store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It may work another time: the message is delivered again, or the sweep finds the run.
    #[error("the store of runs did not answer: {0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("run {id} cannot be read: {why}")]
    Corrupt {
        /// The run.
        id: RunId,
        /// Why.
        why: String,
    },
}

/// Where runs are kept. One item per run, one conditional write per step; every implementation passes the conformance suite.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The run as it stands (a strongly consistent read).
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError>;

    /// Rule 3: one conditional update. It succeeds if the run is live, nobody holds an unexpired lease, and `not_before` is absent or
    /// has passed, or the run is `Running` and a cancel waits. It sets `owner`, `lease_until`, `overdue_at = lease_until`,
    /// `rev + 1`, `claims + 1`, `wakes = 0`, removes `not_before`, and returns the new record. `None`: not to be had; end quietly.
    /// If the stored claim already is this very one (same `owner` and `lease_until`), the answer was lost: the record is returned.
    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError>;

    /// Rule 6: stores `next` if the stored `rev` and `owner` are those of `held`. `next.rev` is `held.rev + 1`.
    /// `cancel_requested_at` is never written by this call. If the condition fails but the stored item already is this very write
    /// (same `owner`, `rev == next.rev`), the answer was lost and it counts as stored.
    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError>;

    /// Rule 12: stores `next` (phase `Done`, no lease, no `overdue_at`) and everything that the end means to the subject, in one
    /// transaction under the same condition as a checkpoint. Idempotent like it.
    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError>;

    /// Rule 10: sets `cancel_requested_at` on a live run that has not committed and is not unwinding by itself; without a live
    /// lease it also sets `overdue_at` to now.
    async fn request_cancel(&self, id: &RunId, now: Timestamp) -> Result<CancelReply, JournalError>;

    /// Live runs with `overdue_at` not after `now`, in any order, at most `limit`. May lag behind the items.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, JournalError>;

    /// Moves `overdue_at` on and counts the wake-up, if it still is what was read; never touches `rev`. `false`: somebody else was
    /// faster, or the run is over.
    async fn postpone(&self, seen: &Overdue, until: Timestamp) -> Result<bool, JournalError>;

    /// Returns a parked run to the phase it was in, due now. `false`: it is not parked.
    async fn resume(&self, id: &RunId, now: Timestamp) -> Result<bool, JournalError>;
}
