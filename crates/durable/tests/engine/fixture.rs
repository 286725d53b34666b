//! One run of a flow that a test writes down, in a world that answers as the test says.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable::testing::{ManualClock, MemoryJournal, RecordingWake};
use durable::{Attempt, Catalogue, Clock, Driven, Engine, Execute, Flow, Journal, NewRun, Record, Run, RunId, Timing, Unknown};
use futures::FutureExt;
use serde_json::Value;

pub(crate) type Walking<'r> = Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>>;
pub(crate) type Walk = for<'r, 'a> fn(&'a World, &'r mut Run<'a>) -> Walking<'r>;

/// A flow from a block: `flow!(|run, world| { …; Ok(Value::Null) })`.
macro_rules! flow {
    (|$run:ident, $world:ident| $body:block) => {{
        fn walk<'r, 'a>($world: &'a crate::fixture::World, $run: &'r mut durable::Run<'a>) -> crate::fixture::Walking<'r> {
            Box::pin(async move { $body })
        }
        walk as crate::fixture::Walk
    }};
}
pub(crate) use flow;

/// Answers each call by its script and, when that is used up, with success.
pub(crate) struct World {
    script: Mutex<BTreeMap<&'static str, VecDeque<Attempt<u32>>>>,
    calls: Mutex<Vec<&'static str>>,
    journal: Arc<MemoryJournal>,
    clock: ManualClock,
    hangs: Mutex<Vec<&'static str>>,
}

impl World {
    /// A step's future. How often a name was called before is its result.
    pub(crate) async fn call(&self, name: &'static str) -> Attempt<u32> {
        let before = self.calls.lock().expect("no holder panics").iter().filter(|call| **call == name).count();
        self.calls.lock().expect("no holder panics").push(name);
        if self.hangs.lock().expect("no holder panics").contains(&name) {
            std::future::pending::<()>().await;
        }
        let scripted = self.script.lock().expect("no holder panics").get_mut(name).and_then(VecDeque::pop_front);
        scripted.unwrap_or_else(|| Ok(u32::try_from(before).expect("few calls")))
    }

    /// An undo's future.
    pub(crate) async fn undo(&self, name: &'static str) -> Attempt<()> {
        self.call(name).await.map(drop)
    }

    /// Somebody asks to cancel, at the very moment at which the flow comes by here.
    pub(crate) fn cancel(&self) {
        let reply = self.journal.request_cancel(&run_1(), self.clock.now()).now_or_never();
        reply.expect("a journal in memory answers at once").expect("and never fails");
    }

    /// A step that takes its time.
    pub(crate) async fn slow(&self, name: &'static str, takes: Duration) -> Attempt<u32> {
        self.clock.sleep(takes).await;
        self.call(name).await
    }
}

struct Catalogued {
    world: Arc<World>,
    walk: Walk,
    version: u32,
}

struct Opened<'w>(&'w World, Walk);

impl Execute for Opened<'_> {
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Walking<'r> {
        (self.1)(self.0, run)
    }
}

impl Catalogue for Catalogued {
    fn open(&self, _: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        if version != self.version {
            return Err(Unknown::Version);
        }
        if !plan.is_null() {
            return Err(Unknown::Plan("it is not null".to_owned()));
        }
        Ok(Box::new(Opened(&self.world, self.walk)))
    }
}

pub(crate) struct Fixture {
    pub(crate) clock: ManualClock,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) queue: Arc<RecordingWake>,
    pub(crate) engine: Engine,
    world: Arc<World>,
}

pub(crate) fn run_1() -> RunId {
    RunId("run_1".to_owned())
}

pub(crate) fn new_run() -> NewRun {
    NewRun { id: run_1(), kind: "sample".to_owned(), version: 1, subject: "ins_1".to_owned(), plan: Value::Null }
}

impl Fixture {
    /// A run of this flow, just started.
    pub(crate) fn new(walk: Walk) -> Self {
        Self::on(walk, MemoryJournal::new())
    }

    pub(crate) fn on(walk: Walk, journal: MemoryJournal) -> Self {
        let clock = ManualClock::default();
        let journal = Arc::new(journal);
        let queue = Arc::new(RecordingWake::new(clock.clone()));
        let world = Arc::new(World {
            script: Mutex::default(),
            calls: Mutex::default(),
            journal: journal.clone(),
            clock: clock.clone(),
            hangs: Mutex::default(),
        });
        let catalogue = Arc::new(Catalogued { world: world.clone(), walk, version: 1 });
        let engine = Engine::new(journal.clone(), queue.clone(), Arc::new(clock.clone()), catalogue);
        journal.start(new_run(), clock.now());
        Self { clock, journal, queue, engine, world }
    }

    /// The same run, met by other code.
    pub(crate) fn met_by(&self, walk: Walk) -> Engine {
        Engine { catalogue: Arc::new(Catalogued { world: self.world.clone(), walk, version: 1 }), ..self.engine.clone() }
    }

    pub(crate) fn answers(&self, name: &'static str, answers: impl IntoIterator<Item = Attempt<u32>>) -> &Self {
        self.world.script.lock().expect("no holder panics").entry(name).or_default().extend(answers);
        self
    }

    pub(crate) fn hangs(&self, name: &'static str) -> &Self {
        self.world.hangs.lock().expect("no holder panics").push(name);
        self
    }

    pub(crate) fn works_again(&self, name: &'static str) {
        self.world.hangs.lock().expect("no holder panics").retain(|hanging| *hanging != name);
        self.world.script.lock().expect("no holder panics").remove(name);
    }

    /// One invocation, with all the time that one has.
    pub(crate) fn drive(&self) -> Driven {
        self.drive_for(Timing::DEFAULT.invocation)
    }

    pub(crate) fn drive_for(&self, time: Duration) -> Driven {
        self.drive_with(&self.engine, time)
    }

    pub(crate) fn drive_with(&self, engine: &Engine, time: Duration) -> Driven {
        let until = self.clock.now() + time;
        self.clock.block_on(engine.drive(&run_1(), until)).expect("a journal in memory never fails")
    }

    /// Invocations one after the other, each when the run may be claimed again, until it does not pause any more.
    pub(crate) fn drive_on(&self) -> Driven {
        if let Some(until) = self.record().not_before {
            self.clock.advance_to(until);
        }
        for _ in 0..500 {
            match self.drive() {
                Driven::Paused { until } => self.clock.advance_to(until),
                driven => return driven,
            }
        }
        panic!("it pauses for ever: {:?}", self.record());
    }

    pub(crate) fn record(&self) -> Record {
        self.journal.get(&run_1()).expect("it was started")
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.world.calls.lock().expect("no holder panics").clone()
    }

    pub(crate) fn timeline(&self) -> Vec<String> {
        self.record().journal.into_iter().map(|entry| entry.name).collect()
    }

    /// The delays of all messages so far, in seconds.
    pub(crate) fn delays(&self) -> Vec<u64> {
        self.queue.sent().iter().map(|sent| sent.delay.as_secs()).collect()
    }

    /// Edits the stored run behind the engine's back.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Record)) {
        let mut record = self.record();
        edit(&mut record);
        self.journal.put(record);
    }
}
