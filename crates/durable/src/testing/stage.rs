use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

use crate::Clock;
use crate::journal::{JournalError, Overdue};
use crate::setback::{Attempt, Setback};
use crate::testing::{Adversity, ManualClock, Point, PointKind, Schedule};
use crate::timing::Timing;

/// Long enough to be taken for a time-out, shorter than the two seconds that everybody waits after one.
const LATE: Duration = Duration::from_millis(1500);
/// How long a stalled write hangs: until another worker has taken over.
const STALLED: Duration = Duration::from_secs(Timing::DEFAULT.lease.as_secs() + 90);
/// How long a cancelled write is repeated before it comes through.
const CONTENDED: Duration = Duration::from_millis(600);
/// How long the store is throttled: the first sweep after the lease fails too.
const THROTTLED: Duration = Duration::from_secs(240);
/// How long the world answers nothing but 429.
const LIMITED: Duration = Duration::from_secs(60);
/// When it says that one may ask again, in seconds.
const RETRY_AFTER: u64 = 5;
/// How long the index of overdue runs shows what was: longer than a lease and its sweep.
const STALE: Duration = Duration::from_secs(600);

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
    broken: Option<String>,
    crowded: bool,
    throttled_until: Option<Timestamp>,
    limited_until: Option<Timestamp>,
    stale: Option<Stale>,
}

/// The index of overdue runs as it was.
#[derive(Debug, Clone)]
struct Stale {
    listed: Vec<Overdue>,
    until: Timestamp,
}

/// What the theatre is asked to do from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Crash,
    Cancel,
    Duplicate,
    Rival,
    StaleIndex,
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
        if self.inner().limited_until.is_some_and(|until| until > self.clock.now()) {
            return Err(Setback::not_yet(RETRY_AFTER, format!("{name} met 429")));
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
    pub(super) async fn reach(&self, kind: PointKind, name: String) -> Option<Adversity> {
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
                    Adversity::Conflict => inner.orders.push(Order::Rival),
                    Adversity::StaleIndex => inner.orders.push(Order::StaleIndex),
                    Adversity::Throttling if kind == PointKind::Effect => inner.limited_until = Some(self.clock.now() + LIMITED),
                    Adversity::Throttling => inner.throttled_until = Some(self.clock.now() + THROTTLED),
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
    pub(super) async fn crash<T>(&self) -> T {
        self.inner().orders.push(Order::Crash);
        std::future::pending().await
    }

    /// One write of the journal.
    pub(super) async fn write<T, W, F>(&self, name: String, write: W) -> Result<T, JournalError>
    where
        W: Fn() -> F + Send + Sync,
        F: Future<Output = Result<T, JournalError>> + Send,
        T: Send,
    {
        let adversity = self.reach(PointKind::Write, name).await;
        let write = || async {
            self.unless_throttled()?;
            write().await
        };
        match adversity {
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
            Some(Adversity::Conflict) => {
                self.clock.sleep(CONTENDED).await;
                write().await
            }
            Some(other) => Err(JournalError::Unavailable(format!("not now ({other:?})"))),
        }
    }

    /// What the store answers whoever reads or writes.
    pub(super) fn unless_throttled(&self) -> Result<(), JournalError> {
        match self.inner().throttled_until {
            Some(until) if until > self.clock.now() => Err(JournalError::Unavailable("throttled".to_owned())),
            _ => Ok(()),
        }
    }

    /// From here on, and for a while, the index is as it is at this moment.
    pub(super) fn freeze_index(&self, listed: Vec<Overdue>) {
        let until = self.clock.now() + STALE;
        self.inner().stale = Some(Stale { listed, until });
    }

    /// When the index shows what is again.
    pub(super) fn next_thaw(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.stale.take_if(|stale| stale.until <= now);
        inner.stale.as_ref().map(|stale| stale.until)
    }

    /// What the index shows of all live runs, if that is not what is.
    pub(super) fn stale_index(&self) -> Option<Vec<Overdue>> {
        let now = self.clock.now();
        self.inner().stale.as_ref().filter(|stale| stale.until > now).map(|stale| stale.listed.clone())
    }

    pub(super) fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.inner().orders)
    }

    /// Something happened that must never happen, whatever went wrong.
    pub(super) fn report(&self, broken: String) {
        self.inner().broken.get_or_insert(broken);
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.inner().broken.clone()
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.inner().crowded
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

    pub(super) fn history(&self) -> (Vec<Point>, Vec<(usize, Adversity)>) {
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
