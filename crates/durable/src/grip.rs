use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use jiff::Timestamp;
use serde_json::Value;

use crate::journal::{Ended, Ending, Guard, Held, Journal, JournalError, Written};
use crate::record::{Entry, Outcome, Phase, Record, Trying, Why};
use crate::setback::Attempt;
use crate::timing::Timing;
use crate::{Clock, RunId};

/// The most that a step may give, in bytes of JSON: results are facts and references, never contents.
pub(crate) const LONGEST_RESULT: usize = 4 * 1024;
/// The most that a run may hold, in bytes of JSON, far from the 400 KB that a DynamoDB item may have.
pub(crate) const LARGEST_RUN: usize = 128 * 1024;
/// Name, times and punctuation of an entry around its result.
const ENTRY_AROUND: usize = 512;

/// What a worker has in hand while it holds a claim: the run as last written, and the only way to write it again.
pub(crate) struct Grip {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: Timing,
    pub(crate) record: Record,
    held: Held,
    until: Timestamp,
    size: usize,
}

/// What the run does next, once a walk has ended or was interrupted.
pub(crate) enum Next {
    /// The flow was walked to its end and gave this.
    End(Value),
    /// Look or try again later.
    Pause { after: Duration, trying: Trying },
    /// Go on in another invocation: this one has too little time left.
    Yield,
    /// The way forward ended. `settle`: its last try may still have an effect, so look away for a moment.
    TurnBack { why: Why, settle: bool },
    /// The walk has come to where the run turned back: every undo is armed.
    Unwind,
    /// Every undo succeeded.
    Unwound,
    /// Newer code wrote this run.
    Unknown,
    /// A person has to look.
    Park(String),
    /// The pause is written; its message is still to be sent.
    Paused { until: Timestamp },
    /// Another worker holds the run: nothing more is touched.
    Superseded,
    /// The store did not answer.
    Lost(JournalError),
}

/// Why a write was not stored.
pub(crate) enum Refused {
    /// Somebody asked to cancel first.
    Cancelled,
    /// Another worker holds the run.
    Superseded,
    /// The store did not answer.
    Lost(JournalError),
}

impl Refused {
    /// Where nothing can be cancelled, or being cancelled means to turn back.
    pub(crate) fn into_next(self, settle: bool) -> Next {
        match self {
            Self::Cancelled => Next::TurnBack { why: Why::Cancelled, settle },
            Self::Superseded => Next::Superseded,
            Self::Lost(error) => Next::Lost(error),
        }
    }
}

impl Grip {
    /// Takes hold of a run that was just claimed. `until` never reaches beyond the lease, whatever the caller says: no step of this
    /// worker is in flight when another may claim the run.
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        timing: Timing,
        record: Record,
        held: Held,
        until: Timestamp,
    ) -> Self {
        let size = bytes(&record);
        Self { journal, clock, timing, record, held, until, size }
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.record.id
    }

    /// Whether a commit or an end still depends on nobody having asked to cancel.
    pub(crate) fn guard(&self) -> Guard {
        if self.record.phase == Phase::Running && !self.record.committed { Guard::NotCancelled } else { Guard::None }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.guard() == Guard::NotCancelled && self.record.cancel_requested_at.is_some()
    }

    pub(crate) fn has_time_for_a_step(&self) -> bool {
        self.clock.now() + self.timing.step_needs <= self.until
    }

    pub(crate) fn has_room_for_a_step(&self) -> bool {
        self.size + LONGEST_RESULT + ENTRY_AROUND <= LARGEST_RUN
    }

    /// What is known of the tries of this step so far. `None`: another step is being tried in its place, by other code.
    pub(crate) fn trying(&self, name: &str, place: usize) -> Option<Trying> {
        let place = place_of(place);
        match &self.record.trying {
            Some(trying) => (trying.name == name && trying.place == place).then(|| trying.clone()),
            None => Some(Trying { name: name.to_owned(), place, since: self.clock.now(), attempts: 0, said: String::new() }),
        }
    }

    /// One try, cut off in time to write down that it was.
    pub(crate) async fn attempt<T>(&self, future: impl Future<Output = Attempt<T>> + Send) -> Option<Attempt<T>> {
        let left = self.until.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default().saturating_sub(self.timing.writing);
        match select(std::pin::pin!(future), self.clock.sleep(left)).await {
            Either::Left((tried, _)) => Some(tried),
            Either::Right(((), _)) => None,
        }
    }

    /// Records one thing done on the way forward: one conditional write.
    pub(crate) async fn advance(&mut self, entry: Entry, guard: Guard, shape: impl FnOnce(&mut Record) + Send) -> Result<(), Refused> {
        let grown = bytes(&entry) + 1;
        let mut next = self.record.clone();
        next.journal.push(entry);
        next.trying = None;
        next.claims = 0;
        shape(&mut next);
        self.write(next, guard).await?;
        self.size += grown;
        Ok(())
    }

    /// The conditional write of rule 6.
    pub(crate) async fn write(&mut self, mut next: Record, guard: Guard) -> Result<(), Refused> {
        next.rev = self.held.rev + 1;
        next.updated_at = self.clock.now();
        match self.journal.checkpoint(&self.held, &next, guard).await {
            Ok(Written::Yes { cancel_requested_at }) => {
                next.cancel_requested_at = cancel_requested_at;
                self.held.rev = next.rev;
                self.record = next;
                Ok(())
            }
            Ok(Written::Cancelled) => Err(Refused::Cancelled),
            Ok(Written::Superseded) => Err(Refused::Superseded),
            Err(error) => Err(Refused::Lost(error)),
        }
    }

    /// The transaction of rule 12. Gives the run that follows, if any.
    pub(crate) async fn end(&mut self, outcome: Outcome, value: Value, notices: Vec<Value>) -> Result<Option<RunId>, Refused> {
        let guard = self.guard();
        let now = self.clock.now();
        let mut next = self.record.clone();
        next.phase = Phase::Done { outcome: outcome.clone() };
        drop_lease(&mut next);
        next.overdue_at = None;
        next.trying = None;
        next.claims = 0;
        next.rev = self.held.rev + 1;
        next.updated_at = now;
        next.ended_at = Some(now);
        match self.journal.end(&self.held, &next, &Ending { outcome, value, notices }, guard).await {
            Ok(Ended::Yes { follow_up }) => Ok(follow_up),
            Ok(Ended::Cancelled) => Err(Refused::Cancelled),
            Ok(Ended::Superseded) => Err(Refused::Superseded),
            Err(error) => Err(Refused::Lost(error)),
        }
    }
}

/// Leaves the run to whoever comes at `wake_at` or later. The sweep looks a little after that, should the message be lost.
pub(crate) fn pause(next: &mut Record, wake_at: Timestamp, timing: &Timing) {
    drop_lease(next);
    next.not_before = Some(wake_at);
    next.overdue_at = Some(wake_at + timing.overdue_grace);
    next.claims = 0;
}

pub(crate) fn drop_lease(next: &mut Record) {
    next.lease_until = None;
    next.not_before = None;
}

pub(crate) fn place_of(place: usize) -> u32 {
    u32::try_from(place).expect("a run of at most 128 KB has fewer entries than that")
}

pub(crate) fn bytes(value: &impl serde::Serialize) -> usize {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_or(usize::MAX, |()| length.0)
}

/// Counts what is written to it; a whole run is measured at every claim and need not be held in memory twice for that.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
