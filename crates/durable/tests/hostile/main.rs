//! Stored runs that no code of ours wrote so: they park, or are refused, and nothing is done on their word.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod records;
mod texts;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable::testing::{ManualClock, MemoryJournal, RecordingWake};
use durable::{
    Act, Attempt, Catalogue, Clock, Driven, Engine, Entry, Execute, Flow, JournalError, NewRun, Record, Run, RunId, Timing, Unknown,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the flow visits, in order.
const VISITED: [(&str, Act); 4] =
    [("create_app", Act::Step), ("create_volume", Act::Step), ("in_service", Act::Commit), ("announce", Act::Step)];

/// Remembers what was called, and never fails.
#[derive(Default)]
struct World(Mutex<Vec<&'static str>>);

impl World {
    async fn call(&self, name: &'static str) -> Attempt<u32> {
        self.0.lock().unwrap().push(name);
        Ok(7)
    }

    async fn undo(&self, name: &'static str) -> Attempt<()> {
        self.call(name).await.map(drop)
    }
}

struct Known(Arc<World>);

struct Opened<'w>(&'w World);

impl Execute for Opened<'_> {
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>> {
        Box::pin(async move {
            run.undo("delete_app", self.0.undo("delete_app"));
            let _: u32 = run.step("create_app", self.0.call("create_app")).await?;
            run.undo("delete_volume", self.0.undo("delete_volume"));
            let _: u32 = run.step("create_volume", self.0.call("create_volume")).await?;
            run.commit("in_service").await?;
            let _: u32 = run.step("announce", self.0.call("announce")).await?;
            Ok(json!("done"))
        })
    }
}

impl Catalogue for Known {
    fn open(&self, kind: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        match (kind, version, plan) {
            ("sample", 1, Value::Null) => Ok(Box::new(Opened(&self.0))),
            ("sample", 1, _) => Err(Unknown::Plan("it is not null".to_owned())),
            _ => Err(Unknown::Version),
        }
    }
}

struct Bench {
    clock: ManualClock,
    journal: Arc<MemoryJournal>,
    engine: Engine,
    world: Arc<World>,
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn run_1() -> RunId {
    RunId("run_1".to_owned())
}

/// A run as this code writes it, with the first of its steps done.
fn begun(done: usize) -> Record {
    let new = NewRun { id: run_1(), kind: "sample".to_owned(), version: 1, subject: "ins_1".to_owned(), plan: Value::Null };
    let mut record = Record::begin(new, now());
    record.committed = done >= 3;
    record.journal = VISITED
        .iter()
        .take(done)
        .map(|(name, act)| {
            let result = if *act == Act::Commit { Value::Null } else { json!(7) };
            Entry { name: (*name).to_owned(), act: *act, result, started_at: now(), finished_at: now(), attempts: 1 }
        })
        .collect();
    record
}

impl Bench {
    fn with(record: Record) -> Self {
        let (clock, journal, world) = (ManualClock::at(now()), Arc::new(MemoryJournal::new()), Arc::new(World::default()));
        let wake = Arc::new(RecordingWake::new(clock.clone()));
        let engine = Engine::new(journal.clone(), wake, Arc::new(clock.clone()), Arc::new(Known(world.clone())));
        journal.put(record);
        Self { clock, journal, engine, world }
    }

    fn drive(&self) -> Result<Driven, JournalError> {
        self.clock.block_on(self.engine.drive(&run_1(), self.clock.now() + Timing::DEFAULT.invocation))
    }

    /// Invocations one after the other until the run does not go on by itself any more.
    fn drive_on(&self) -> Result<Driven, JournalError> {
        for _ in 0..50 {
            match self.drive()? {
                Driven::Paused { until } => self.clock.advance_to(until),
                Driven::Superseded => self.clock.advance(Duration::from_secs(150)),
                driven => return Ok(driven),
            }
        }
        panic!("it pauses for ever: {:?}", self.journal.get(&run_1()));
    }

    fn calls(&self) -> Vec<&'static str> {
        self.world.0.lock().unwrap().clone()
    }
}
