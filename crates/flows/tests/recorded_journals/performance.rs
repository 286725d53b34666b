//! One run of a scene in a fake world of its own, which can be broken off where an entry was, or was not yet, written down.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{Instance, Placement, State, Wanted};
use durable::testing::{ManualClock, MemoryJournal, RecordingWake};
use durable::{
    CancelReply, Claim, Clock, Driven, Ended, Ending, Engine, Guard, Held, Journal, JournalError, NewRun, Overdue, Record, RunId, Timing,
    Written,
};
use flows::Flows;
use flows::ports::MachineState;
use flows::testing::{FakeWorld, Provider, sample};
use jiff::Timestamp;

use crate::scenes::Scene;

/// More invocations than any run of a scene needs.
const MOST_INVOCATIONS: usize = 200;

pub(crate) struct Performance {
    scene: Scene,
    clock: ManualClock,
    world: FakeWorld,
    journal: Arc<MemoryJournal>,
    instance: Arc<Mutex<Option<Instance>>>,
    notices: Arc<Mutex<Vec<String>>>,
    /// The run as today's code starts it.
    run: NewRun,
}

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// As soon as so much is written down; nothing of what follows is done.
    After(usize),
    /// When it would write more than so much down: what follows is done, and nobody knows.
    BeforeMoreThan(usize),
}

/// What can be seen once nothing is under way.
#[derive(Debug, PartialEq)]
pub(crate) struct Rest {
    instance: Option<(State, Wanted, Option<Placement>)>,
    exists: Vec<String>,
    machines: Vec<MachineState>,
    alarms: usize,
    complaints: Vec<String>,
    notices: Vec<String>,
}

impl Rest {
    /// What no flow must ever do.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// What there is in the world, whatever is known of it.
    pub(crate) fn things(&self) -> (&[String], &[MachineState], &[String]) {
        (&self.exists, &self.machines, &self.complaints)
    }
}

impl Performance {
    pub(crate) fn of(scene: Scene) -> Self {
        let clock = ManualClock::default();
        let provider = Provider { conditions: scene.conditions(), ..Provider::default() };
        let world = FakeWorld::calm(Arc::new(clock.clone()), provider);
        let (instance, run) = scene.begin(&world);
        let (instance, notices) = (Arc::new(Mutex::new(Some(instance))), Arc::new(Mutex::new(Vec::new())));
        let (desk, told, time) = (instance.clone(), notices.clone(), clock.clone());
        let journal = MemoryJournal::with_settle(Box::new(move |record, ending| {
            let mut desk = desk.lock().expect("no holder panics");
            let read = desk.clone().expect("a run ends once");
            let settled = flows::settle(&sample::deployment(), &read, record, ending, sample::operation(3), time.now());
            let settled = settled.expect("today's code reads plan and value");
            *desk = settled.instance;
            told.lock().expect("no holder panics").extend(settled.notices.into_iter().map(|notice| notice.event));
            settled.follow_up
        }));
        Self { scene, clock, world, journal: Arc::new(journal), instance, notices, run }
    }

    /// The run from its beginning to its end, by today's code for this version of the flow.
    pub(crate) fn whole(scene: Scene, version: Option<u32>) -> (Self, Record) {
        let performance = Self::of(scene);
        let run = performance.run.clone();
        let run = NewRun { version: version.unwrap_or(run.version), ..run };
        performance.journal.start(run, performance.clock.now());
        let id = performance.run.id.clone();
        performance.drive(&id, None, true).expect("nobody dies");
        let record = performance.record(&id);
        (performance, record)
    }

    /// The run as it was recorded, in a world in which its worker died.
    pub(crate) fn broken_off(scene: Scene, recorded: &Record, death: Death) -> Self {
        let performance = Self::of(scene);
        let Record { id, kind, version, subject, plan, .. } = recorded.clone();
        performance.journal.start(NewRun { id: id.clone(), kind, version, subject, plan }, performance.clock.now());
        if death != Death::After(0) {
            let broken = performance.drive(&id, Some(death), true);
            assert!(broken.is_err(), "{} does not come to {death:?}: {broken:?}", scene.name);
        }
        performance
    }

    /// Goes on from this record with today's code.
    pub(crate) fn resume(&self, record: Record) -> (Driven, Record) {
        let id = record.id.clone();
        self.journal.put(record);
        let driven = self.drive(&id, None, false).expect("nobody dies");
        (driven, self.record(&id))
    }

    pub(crate) fn record(&self, id: &RunId) -> Record {
        self.journal.get(id).expect("it was started")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What can be seen now; machines as they will be when they have stopped changing.
    pub(crate) fn rest(&self) -> Rest {
        let provider = self.world.provider();
        let instance = self.instance.lock().expect("no holder panics").clone();
        Rest {
            instance: instance.map(|instance| (instance.state, instance.wanted, instance.placement)),
            exists: provider.leftovers(),
            machines: provider.machines.iter().map(flows::testing::FakeMachine::heads_for).collect(),
            alarms: provider.alarms.len(),
            complaints: provider.complaints.clone(),
            notices: self.notices.lock().expect("no holder panics").clone(),
        }
    }

    /// Invocations one after the other, until the run does not pause any more or its worker dies.
    fn drive(&self, id: &RunId, death: Option<Death>, calls_back: bool) -> Result<Driven, JournalError> {
        let clock = Arc::new(self.clock.clone());
        let journal = Arc::new(Mortal { journal: self.journal.clone(), death });
        let wake = Arc::new(RecordingWake::new(self.clock.clone()));
        let engine = Engine::new(journal, wake, clock, Arc::new(Flows::new(self.world.world())));
        for _ in 0..MOST_INVOCATIONS {
            let until = self.clock.now() + Timing::DEFAULT.invocation;
            match self.clock.block_on(engine.drive(id, until))? {
                Driven::Paused { until } => self.clock.advance_to(until),
                driven => return Ok(driven),
            }
            let called_back = self.record(id).journal.last().is_some_and(|entry| Some(entry.name.as_str()) == self.scene.called_back_after);
            if called_back && calls_back {
                self.clock.block_on(engine.cancel(id))?;
            }
        }
        panic!("{} never ends: {:?}", self.scene.name, self.record(id));
    }
}

/// A journal whose worker dies.
struct Mortal {
    journal: Arc<MemoryJournal>,
    death: Option<Death>,
}

impl Mortal {
    fn dies_before(&self, written: usize) -> Result<(), JournalError> {
        if matches!(self.death, Some(Death::BeforeMoreThan(most)) if written > most) { Err(dead()) } else { Ok(()) }
    }
}

fn dead() -> JournalError {
    JournalError::Unavailable("the worker is dead".to_owned())
}

/// How much of a run is written down.
pub(crate) fn written(record: &Record) -> usize {
    record.journal.len() + record.undone.len()
}

#[async_trait]
impl Journal for Mortal {
    async fn read(&self, id: &RunId) -> Result<Option<Record>, JournalError> {
        self.journal.read(id).await
    }

    async fn claim(&self, id: &RunId, claim: &Claim) -> Result<Option<Record>, JournalError> {
        self.journal.claim(id, claim).await
    }

    async fn checkpoint(&self, held: &Held, next: &Record, guard: Guard) -> Result<Written, JournalError> {
        self.dies_before(written(next))?;
        let done = self.journal.checkpoint(held, next, guard).await?;
        if self.death == Some(Death::After(written(next))) { Err(dead()) } else { Ok(done) }
    }

    async fn end(&self, held: &Held, next: &Record, ending: &Ending, guard: Guard) -> Result<Ended, JournalError> {
        self.dies_before(written(next) + 1)?;
        self.journal.end(held, next, ending, guard).await
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
