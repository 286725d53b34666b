use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::catalogue::{Catalogue, Unknown};
use crate::drive::Drive;
use crate::grip::{Grip, Next};
use crate::journal::{CancelReply, Claim, Held, Journal, JournalError};
use crate::record::{Outcome, OwnerId, Record, RunId};
use crate::run::Run;
use crate::timing::Timing;
use crate::{Clock, Wake};

/// A run is written a few hundred times in its life. A `rev` beyond this was not counted by anybody; it is refused while there is
/// still room to count on.
const MAX_REV: u64 = u64::MAX / 2;

/// Moves runs on. Everything it does may happen twice, at the same time, or stop half-way.
#[derive(Clone)]
pub struct Engine {
    /// Where runs are kept.
    pub journal: Arc<dyn Journal>,
    /// The queue that brings a run back.
    pub wake: Arc<dyn Wake>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The flows.
    pub catalogue: Arc<dyn Catalogue>,
    /// Leases, deadlines and delays; [`Timing::DEFAULT`] everywhere but in tests.
    pub timing: Timing,
}

/// What became of one invocation's work on a run. None of them is an error of the message that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driven {
    /// It is not to be had: over, parked, not due, held by another worker, or unknown.
    NotMine,
    /// It waits; a message or the sweep brings it back.
    Paused {
        /// Until when.
        until: Timestamp,
    },
    /// It is over.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// The run that follows it; its message has been sent.
        follow_up: Option<RunId>,
    },
    /// A person has to look.
    Parked {
        /// One sentence that names the step and the trouble.
        why: String,
    },
    /// Another worker took it over meanwhile.
    Superseded,
    /// Newer code wrote it: it was left for that code.
    UnknownVersion,
}

impl Engine {
    /// An engine with the timing that Rockpool runs with.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, wake: Arc<dyn Wake>, clock: Arc<dyn Clock>, catalogue: Arc<dyn Catalogue>) -> Self {
        Self { journal, wake, clock, catalogue, timing: Timing::DEFAULT }
    }

    /// Works on a run for as long as it gets on, at most until `until`, when the invocation must be done. A copy of the message, an
    /// early one and one for a run that is over all end quietly here.
    ///
    /// # Errors
    /// If the store does not answer. The claim then runs out by itself, and the redelivered message or the sweep brings the run back.
    pub async fn drive(&self, id: &RunId, until: Timestamp) -> Result<Driven, JournalError> {
        let now = self.clock.now();
        let lease_until = now + self.timing.lease;
        let claim = Claim { owner: OwnerId(Uuid::new_v4().to_string()), now, lease_until };
        let Some(record) = self.journal.claim(id, &claim).await? else {
            tracing::debug!(run = %id, "not to be had");
            return Ok(Driven::NotMine);
        };
        if record.rev > MAX_REV {
            return Err(JournalError::Corrupt { id: id.clone(), why: format!("no run was written {} times", record.rev) });
        }
        let span = self.catalogue.span(id, &record.kind, &record.subject);
        self.walk(record, claim, until.min(lease_until)).instrument(span).await
    }

    /// Walks a claimed run. Whatever the caller's time is, nothing of this worker is in flight when another may claim the run.
    async fn walk(&self, record: Record, claim: Claim, until: Timestamp) -> Result<Driven, JournalError> {
        let held = Held { owner: claim.owner, rev: record.rev };
        let (kind, version, claims) = (record.kind.clone(), record.version, record.claims);
        let plan = record.plan.clone();
        let grip = Grip::new(self.journal.clone(), self.clock.clone(), self.timing, record, held, until);

        if claims > self.timing.claims {
            let why = format!("claimed {} times without getting on", claims - 1);
            return self.turn(grip, Next::Park(why)).await;
        }
        let flow = match self.catalogue.open(&kind, version, &plan) {
            Ok(flow) => flow,
            Err(Unknown::Version) => return self.turn(grip, Next::Unknown).await,
            Err(unknown @ Unknown::Plan(_)) => return self.turn(grip, Next::Park(unknown.to_string())).await,
        };
        let mut run = Run::new(grip);
        let walked = flow.walk(&mut run).await;
        let (grip, armed, notices, next) = run.conclude(walked);
        Drive { grip, armed, notices, wake: &*self.wake }.turn(next).await
    }

    /// Sends the message that brings a run to a worker now: after it was started. Failure is only logged, because every live run is
    /// found by the sweep.
    pub async fn start_sent(&self, id: &RunId) {
        send(&*self.wake, id, Duration::ZERO).await;
    }

    /// Asks a run to turn back. Where nobody works on it, it is woken to do so.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn cancel(&self, id: &RunId) -> Result<CancelReply, JournalError> {
        let reply = self.journal.request_cancel(id, self.clock.now()).await?;
        if reply == (CancelReply::Accepted { send: true }) {
            send(&*self.wake, id, Duration::ZERO).await;
        }
        Ok(reply)
    }

    /// Returns a parked run to the phase it was in; its step, or what was left undone, is tried again with fresh limits. `false`: it
    /// is not parked.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn resume(&self, id: &RunId) -> Result<bool, JournalError> {
        let resumed = self.journal.resume(id, self.clock.now()).await?;
        if resumed {
            send(&*self.wake, id, Duration::ZERO).await;
        }
        Ok(resumed)
    }

    async fn turn(&self, grip: Grip, next: Next) -> Result<Driven, JournalError> {
        Drive { grip, armed: Vec::new(), notices: Vec::new(), wake: &*self.wake }.turn(next).await
    }
}

/// Sends a message; the run is already written, so a failure costs time and nothing else.
pub(crate) async fn send(wake: &dyn Wake, id: &RunId, delay: Duration) -> bool {
    let sent = wake.wake(id, delay).await;
    if let Err(error) = &sent {
        tracing::warn!(run = %id, %error, "the sweep will find it");
    }
    sent.is_ok()
}
