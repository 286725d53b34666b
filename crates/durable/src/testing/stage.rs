use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::journal::{CancelReply, Claim, Ended, Ending, Guard, Held, Journal, JournalError, Overdue, Written};
use crate::record::{Phase, Record, RunId};
use crate::setback::{Attempt, Setback};
use crate::testing::{Adversity, ManualClock, MemoryJournal, Point, PointKind, RecordingWake, Schedule};
use crate::timing::Timing;
use crate::{Clock, Wake, WakeError};

/// Long enough to be taken for a time-out, shorter than the two seconds that everybody waits after one.
const LATE: Duration = Duration::from_millis(1500);
/// How long a stalled write hangs: until another worker has taken over.
const STALLED: Duration = Duration::from_secs(Timing::DEFAULT.lease.as_secs() + 90);

/// Where a flow is performed: counts the points and lets the scheduled adversities happen.
///
/// A fake world sends every call of its ports through [`Stage::effect`]; the engine's writes and messages pass by themselves.
pub struct Stage {
    clock: ManualClock,
    schedule: Schedule,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    points: Vec<Point>,
    fired: Vec<(usize, Adversity)>,
    refused: BTreeSet<String>,
    late: Vec<(Timestamp, Box<dyn FnOnce() + Send>)>,
    orders: Vec<Order>,
    crowded: bool,
}

/// What the theatre is asked to do from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Crash,
    Cancel,
    Duplicate,
}

impl Stage {
    pub(super) fn new(clock: ManualClock, schedule: Schedule) -> Self {
        Self { clock, schedule, inner: Mutex::default() }
    }

    /// The clock of the performance.
    #[must_use]
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// One call to the world. `apply` does at once what the call does, and may be called later than it was asked for, or not at all;
    /// it therefore owns a handle of the world instead of borrowing it. `name` says what is called (and upon what, if only that is to
    /// be refused for good).
    ///
    /// # Errors
    /// Those of `apply`, and those of the schedule.
    pub async fn effect<T, F>(&self, name: &str, apply: F) -> Attempt<T>
    where
        T: Send,
        F: FnOnce() -> Attempt<T> + Send + 'static,
    {
        let adversity = self.reach(PointKind::Effect, name.to_owned()).await;
        if adversity == Some(Adversity::RefuseForGood) {
            self.inner().refused.insert(name.to_owned());
        }
        if self.inner().refused.contains(name) {
            return Err(Setback::fatal(format!("{name} is refused for good")));
        }
        match adversity {
            None => apply(),
            Some(Adversity::CrashAfter) => {
                // Whether it was done or refused is lost with the worker.
                drop(apply());
                self.crash().await
            }
            Some(Adversity::LostAnswer) => match apply() {
                Ok(_) => Err(Setback::retry(format!("the answer of {name} was lost"))),
                Err(setback) => Err(setback),
            },
            Some(Adversity::LateEffect) => {
                let due = self.clock.now() + LATE;
                self.inner().late.push((due, Box::new(move || drop(apply()))));
                Err(Setback::retry(format!("{name} timed out")))
            }
            Some(Adversity::Stall) => std::future::pending().await,
            Some(other) => Err(Setback::retry(format!("{name} was refused ({other:?})"))),
        }
    }

    /// Counts a point, lets happen what comes from outside, and says what befalls the point itself.
    async fn reach(&self, kind: PointKind, name: String) -> Option<Adversity> {
        let (befalls, wait) = {
            let mut inner = self.inner();
            let index = inner.points.len();
            inner.points.push(Point { kind, name });
            let now: Vec<Adversity> = self.schedule.at(index).filter(|adversity| adversity.applies_to(kind)).collect();
            inner.fired.extend(now.iter().map(|adversity| (index, *adversity)));
            for adversity in &now {
                match adversity {
                    Adversity::Cancel => inner.orders.push(Order::Cancel),
                    Adversity::Duplicate => inner.orders.push(Order::Duplicate),
                    _ => {}
                }
            }
            (now.iter().copied().find(|adversity| !adversity.is_from_outside()), !inner.orders.is_empty() || inner.crowded)
        };
        if wait {
            step_aside().await;
        }
        if befalls == Some(Adversity::CrashBefore) {
            self.crash().await
        }
        befalls
    }

    /// A crash: this worker is never polled again.
    async fn crash<T>(&self) -> T {
        self.inner().orders.push(Order::Crash);
        std::future::pending().await
    }

    /// One write of the journal.
    async fn write<T, W, F>(&self, name: String, write: W) -> Result<T, JournalError>
    where
        W: Fn() -> F + Send,
        F: Future<Output = Result<T, JournalError>> + Send,
        T: Send,
    {
        match self.reach(PointKind::Write, name).await {
            None => write().await,
            Some(Adversity::CrashAfter) => {
                write().await?;
                self.crash().await
            }
            Some(Adversity::LostAnswer) => {
                write().await?;
                Err(JournalError::Unavailable("the answer was lost".to_owned()))
            }
            Some(Adversity::AskedTwice) => {
                write().await?;
                write().await
            }
            Some(Adversity::Stall) => {
                self.clock.sleep(STALLED).await;
                write().await
            }
            Some(other) => Err(JournalError::Unavailable(format!("not now ({other:?})"))),
        }
    }

    pub(super) fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.inner().orders)
    }

    pub(super) fn set_crowded(&self, crowded: bool) {
        self.inner().crowded = crowded;
    }

    pub(super) fn next_late(&self) -> Option<Timestamp> {
        self.inner().late.iter().map(|(due, _)| *due).min()
    }

    /// Lets effects land whose time has come.
    pub(super) fn land_late(&self) {
        let now = self.clock.now();
        let mut inner = self.inner();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.late).into_iter().partition(|(at, _)| *at <= now);
        inner.late = later;
        drop(inner);
        due.into_iter().for_each(|(_, land)| land());
    }

    pub(super) fn into_history(&self) -> (Vec<Point>, Vec<(usize, Adversity)>) {
        let inner = self.inner();
        (inner.points.clone(), inner.fired.clone())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }
}

/// Lets everybody else be polled once.
async fn step_aside() {
    let mut aside = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut aside, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The journal as workers on the stage reach it.
pub(super) struct StagedJournal {
    pub(super) stage: Arc<Stage>,
    pub(super) journal: Arc<MemoryJournal>,
}

#[async_trait]
impl Journal for StagedJournal {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
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
}

#[async_trait]
impl Wake for StagedWake {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        let lost = |why: &str| WakeError(why.to_owned());
        match self.stage.reach(PointKind::Message, "wake".to_owned()).await {
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
