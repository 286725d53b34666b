//! One performance: workers, queue, sweep and time, as events one after the other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;

use crate::catalogue::Catalogue;
use crate::engine::{Driven, Engine};
use crate::journal::{CancelReply, Ending, JournalError, Overdue};
use crate::record::{NewRun, Outcome, Phase, Record, RunId};
use crate::testing::clock::Flag;
use crate::testing::stage::Order;
use crate::testing::staged::{StagedJournal, StagedWake};
use crate::testing::{Adversity, ManualClock, MemoryJournal, Point, RecordingWake, Schedule, Settle, Stage};
use crate::timing::Timing;
use crate::{Clock, Journal, Wake};

/// More than any honest performance needs.
const MOST_EVENTS: usize = 50_000;
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A flow and its fake world, made anew for every performance.
pub struct Scene {
    /// The run to perform.
    pub run: NewRun,
    /// The flows, acting on the fake world.
    pub catalogue: Arc<dyn Catalogue>,
    /// What an end means to the fake world; it may start the run that follows.
    pub settle: Settle,
    /// What another's transaction does to the subject of the run when a write conflicts with it; absent: nothing that matters here.
    pub rival: Option<Rival>,
    /// What must be true of the fake world afterwards, beyond what every performance is checked for: nothing left over, exactly one
    /// of everything.
    pub check: Check,
}

/// Looks at the fake world after a performance; says what is not as it must be.
pub type Check = Box<dyn FnOnce(&Finish) -> Result<(), String>>;

/// Does to the subject what another's transaction does.
pub type Rival = Box<dyn FnMut() + Send>;

/// How a performance ended.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The run of the scene.
    pub run: Record,
    /// The runs that followed it, in the order of their identifiers.
    pub followers: Vec<Record>,
    /// Every end that was recorded, in order.
    pub endings: Vec<(RunId, Ending)>,
    /// Whether a cancel was accepted.
    pub cancel_accepted: bool,
    /// The points that were reached, in order.
    pub points: Vec<Point>,
    /// What went wrong, by index of the point.
    pub fired: Vec<(usize, Adversity)>,
    /// How long it took, in virtual time.
    pub took: Duration,
}

impl Finish {
    /// Whether this went wrong anywhere.
    #[must_use]
    pub fn fired(&self, adversity: Adversity) -> bool {
        self.fired.iter().any(|(_, fired)| *fired == adversity)
    }

    /// The names of the effects that were refused for good.
    #[must_use]
    pub fn refused_for_good(&self) -> Vec<&str> {
        let refused = self.fired.iter().filter(|(_, fired)| *fired == Adversity::RefuseForGood);
        refused.filter_map(|(point, _)| Some(self.points.get(*point)?.name.as_str())).collect()
    }

    /// How the run ended; `None` if it parked.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.run.phase {
            Phase::Done { outcome } => Some(outcome),
            _ => None,
        }
    }

    /// The end of the run, which holds its value and notices; `None` if it parked.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.endings.iter().find(|(id, _)| *id == self.run.id).map(|(_, ending)| ending)
    }
}

type Working = Pin<Box<dyn Future<Output = Result<Driven, JournalError>> + Send>>;

struct Worker {
    run: RunId,
    working: Working,
}

struct Theatre {
    clock: ManualClock,
    stage: Arc<Stage>,
    journal: Arc<MemoryJournal>,
    queue: Arc<RecordingWake>,
    /// What workers use: every write and message is a point.
    staged: Arc<Engine>,
    /// What callers and the sweep use.
    plain: Engine,
    rival: Option<Rival>,
    swept_at: Option<Timestamp>,
    workers: Vec<Worker>,
    cancel_accepted: bool,
    run: RunId,
    began: Timestamp,
}

/// Performs the scene to its end and checks what is true of every performance.
pub(super) fn perform(make: &dyn Fn(&Arc<Stage>) -> Scene, schedule: &Schedule) -> (Vec<Point>, Result<Finish, String>) {
    let clock = ManualClock::default();
    let stage = Arc::new(Stage::new(clock.clone(), schedule.clone()));
    let Scene { run, catalogue, settle, rival, check } = make(&stage);
    let journal = Arc::new(MemoryJournal::with_settle(settle));
    let queue = Arc::new(RecordingWake::new(clock.clone()));
    let engine = |journal: Arc<dyn Journal>, wake: Arc<dyn Wake>| Engine::new(journal, wake, Arc::new(clock.clone()), catalogue.clone());
    let staged_journal = Arc::new(StagedJournal { stage: stage.clone(), journal: journal.clone() });
    let staged_wake = Arc::new(StagedWake { stage: stage.clone(), queue: queue.clone(), journal: journal.clone() });
    let began = clock.now();
    let mut theatre = Theatre {
        plain: engine(staged_journal.clone(), queue.clone()),
        staged: Arc::new(engine(staged_journal, staged_wake)),
        rival,
        swept_at: None,
        run: run.id.clone(),
        clock,
        stage,
        journal,
        queue,
        workers: Vec::new(),
        cancel_accepted: false,
        began,
    };
    theatre.journal.start(run, began);
    theatre.queue.redeliver(theatre.run.clone(), Duration::ZERO);
    let played = theatre.play();
    let finish = theatre.finish();
    let points = finish.points.clone();
    (points, played.and_then(|()| always_true(&finish)).and_then(|()| check(&finish)).map(|()| finish))
}

impl Theatre {
    fn play(&mut self) -> Result<(), String> {
        for _ in 0..MOST_EVENTS {
            self.hire();
            let busy = self.work();
            self.stage.land_late();
            self.look_at_records()?;
            if let Some(broken) = self.stage.broken() {
                return Err(broken);
            }
            if busy {
                continue;
            }
            let live = self.journal.look(|mut records| records.any(|record| record.phase.is_live()));
            let thaw = self.stage.next_thaw();
            let to_come = [self.queue.next_due(), self.stage.next_late(), thaw].into_iter().flatten().min();
            if !live && self.workers.is_empty() && to_come.is_none() {
                return Ok(());
            }
            let sweep = self.next_sweep();
            let events = [self.clock.next_timer(), to_come, sweep];
            let Some(next) = events.into_iter().flatten().min() else {
                return Err("nothing will ever happen again, and the run is not over".to_owned());
            };
            self.clock.advance_to(next);
            if sweep == Some(next) {
                self.swept_at = sweep;
                // A sweep that the store refuses is followed by the next one, a minute later.
                drop(self.plain.sweep(100).now_or_never().expect("a journal in memory answers at once"));
            }
            if next.duration_since(self.began) > jiff::SignedDuration::try_from(LONGEST).expect("a week") {
                return Err("it goes on for more than a week".to_owned());
            }
        }
        Err(format!("it is not over after {MOST_EVENTS} events"))
    }

    /// One worker for each message whose time has come. The newest is polled first, so that a duplicate really is in the way.
    fn hire(&mut self) {
        for run in self.queue.take_due() {
            let (engine, id) = (self.staged.clone(), run.clone());
            let until = self.clock.now() + engine.timing.invocation;
            self.workers.insert(0, Worker { run, working: Box::pin(async move { engine.drive(&id, until).await }) });
        }
        self.stage.set_crowded(self.workers.len() > 1);
    }

    /// Polls every worker once. Whether anybody wants to be polled again at once.
    fn work(&mut self) -> bool {
        let mut busy = false;
        for mut worker in std::mem::take(&mut self.workers) {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(flag.clone());
            let polled = worker.working.as_mut().poll(&mut Context::from_waker(&waker));
            let orders = self.stage.take_orders();
            let crashed = orders.contains(&Order::Crash);
            for order in orders {
                self.obey(order, &worker.run);
            }
            match polled {
                // A message that was not dealt with shows up again when its visibility ends.
                _ if crashed => self.queue.redeliver(worker.run, Timing::DEFAULT.visibility),
                Poll::Ready(Err(_)) => self.queue.redeliver(worker.run, Timing::DEFAULT.visibility),
                Poll::Ready(Ok(_)) => busy = true,
                Poll::Pending => {
                    busy |= flag.take();
                    self.workers.push(worker);
                }
            }
        }
        busy || self.queue.next_due().is_some_and(|due| due <= self.clock.now())
    }

    fn obey(&mut self, order: Order, run: &RunId) {
        match order {
            Order::Crash => {}
            Order::Rival => self.rival.as_mut().into_iter().for_each(|rival| rival()),
            Order::StaleIndex => self.stage.freeze_index(self.journal.look(|records| records.filter_map(listed).collect())),
            Order::Duplicate => self.queue.redeliver(run.clone(), Duration::ZERO),
            Order::Cancel => {
                let reply = self.plain.cancel(&self.run).now_or_never().expect("a journal in memory answers at once");
                self.cancel_accepted |= matches!(reply, Ok(CancelReply::Accepted { .. }));
            }
        }
    }

    /// Rule 2, after every event: all live runs can be found by the sweep, and no others.
    fn look_at_records(&self) -> Result<(), String> {
        self.journal.look(|records| {
            for record in records {
                if record.phase.is_live() != record.overdue_at.is_some() {
                    return Err(format!("{} is {:?} and overdue at {:?}", record.id, record.phase, record.overdue_at));
                }
                if !record.phase.is_live() && record.lease_until.is_some() {
                    return Err(format!("{} is {:?} and still held", record.id, record.phase));
                }
            }
            Ok(())
        })
    }

    /// The sweep runs every minute; it is only played where the index shows it something.
    fn next_sweep(&self) -> Option<Timestamp> {
        let overdue = match self.stage.stale_index() {
            Some(listed) => listed.into_iter().map(|seen| seen.overdue_at).min()?,
            None => self.journal.look(|records| records.filter_map(|record| record.overdue_at).min())?,
        };
        let (second, nanosecond) = (overdue.as_second(), overdue.subsec_nanosecond());
        let due = Timestamp::from_second(second + i64::from(nanosecond > 0)).ok()?.max(self.clock.now());
        let past = due.as_second().rem_euclid(60);
        let minute = if past == 0 && due.subsec_nanosecond() == 0 { due.as_second() } else { due.as_second() - past + 60 };
        let minute = Timestamp::from_second(minute).ok()?;
        Some(if self.swept_at.is_some_and(|swept| swept >= minute) { minute + Duration::from_secs(60) } else { minute })
    }

    fn finish(&self) -> Finish {
        let (points, fired) = self.stage.history();
        let (mut runs, followers): (Vec<_>, Vec<_>) = self.journal.all().into_iter().partition(|record| record.id == self.run);
        Finish {
            run: runs.pop().expect("it was started"),
            followers,
            endings: self.journal.endings(),
            cancel_accepted: self.cancel_accepted,
            points,
            fired,
            took: Duration::try_from(self.clock.now().duration_since(self.began)).unwrap_or_default(),
        }
    }
}

fn listed(record: &Record) -> Option<Overdue> {
    Some(Overdue { id: record.id.clone(), overdue_at: record.overdue_at?, wakes: record.wakes })
}

/// What is true of every run of every flow, whatever went wrong.
fn always_true(finish: &Finish) -> Result<(), String> {
    for record in std::iter::once(&finish.run).chain(&finish.followers) {
        let ends = finish.endings.iter().filter(|(id, _)| *id == record.id).count();
        match &record.phase {
            Phase::Done { .. } if ends == 1 => {}
            Phase::Parked { .. } if ends == 0 && finish.fired(Adversity::RefuseForGood) => {}
            Phase::Parked { why, .. } => return Err(format!("{} parked without a cause: {why}", record.id)),
            phase => return Err(format!("{} is {phase:?} with {ends} ends", record.id)),
        }
    }
    if finish.cancel_accepted && finish.outcome() == Some(&Outcome::Succeeded) {
        return Err("a cancel was accepted, and the run succeeded".to_owned());
    }
    if finish.run.committed && matches!(finish.outcome(), Some(Outcome::Failed { .. } | Outcome::Cancelled)) {
        return Err("it turned back after the point of no return".to_owned());
    }
    Ok(())
}
