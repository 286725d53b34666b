//! After a park a person acts, in a world in which nothing goes wrong any more.

use std::sync::Arc;

use crate::testing::{Conditions, FakeWorld};
use crate::{Ask, Decision, Flows, Kind};
use domain::Verb;
use durable::testing::{ManualClock, MemoryJournal, RecordingWake};
use durable::{Clock, Driven, Engine, NewRun, Outcome, Phase, Record, RunId};

use crate::testing::repertoire::judge::{demand, is_about_the_volume};
use crate::testing::repertoire::play::{Play, Set};

/// A parked run can be resumed and ends; and its owner can delete the instance, which leaves nothing.
pub(super) fn epilogue(play: &Play, parked: &Record, set: &Set) -> Result<(), String> {
    // Nobody can bring back the volume that it waits for.
    let waits_for_ever = play.without_volume && matches!(&parked.phase, Phase::Parked { why, .. } if is_about_the_volume(why));
    if !waits_for_ever {
        let resumed = Aftermath::of(parked, set);
        resumed.journal_resumes(&parked.id)?;
        resumed.everything_ends(&parked.id)?;
    }

    let given_up = Aftermath::of(parked, set);
    match given_up.desk.ask(Ask::new(Verb::Delete), Some(parked)) {
        Decision::Gone if parked.kind == Kind::Retire.as_str() => Ok(()),
        Decision::Start { run, abandon, .. } => {
            demand(abandon.as_ref() == Some(&parked.id), || "a delete did not give up the parked run".to_owned())?;
            demand(given_up.journal.abandon(&parked.id, given_up.clock.now()), || "it was not parked".to_owned())?;
            given_up.deletes(*run)
        }
        other => Err(format!("a delete of an instance with a parked run was {other:?}")),
    }
}

struct Aftermath {
    clock: ManualClock,
    desk: crate::testing::repertoire::desk::Desk,
    world: FakeWorld,
    journal: Arc<MemoryJournal>,
    engine: Engine,
}

impl Aftermath {
    fn of(parked: &Record, set: &Set) -> Self {
        let clock = ManualClock::at(set.world.now());
        let desk = set.desk.copied(Arc::new(clock.clone()));
        let mut provider = set.world.provider().clone();
        provider.conditions = Conditions { born_sick: None, cannot_boot: false, ..provider.conditions };
        let world = FakeWorld::calm(Arc::new(clock.clone()), provider);
        let settling = desk.clone();
        let journal = Arc::new(MemoryJournal::with_settle(Box::new(move |record, ending| settling.settle(record, ending))));
        journal.put(parked.clone());
        let queue = Arc::new(RecordingWake::new(clock.clone()));
        let engine = Engine::new(journal.clone(), queue, Arc::new(clock.clone()), Arc::new(Flows::new(world.world())));
        Self { clock, desk, world, journal, engine }
    }

    fn journal_resumes(&self, run: &RunId) -> Result<(), String> {
        let resumed = self.clock.block_on(self.engine.resume(run)).expect("a journal in memory never fails");
        demand(resumed, || format!("{run} was not resumed"))
    }

    fn deletes(&self, run: NewRun) -> Result<(), String> {
        let id = run.id.clone();
        self.journal.start(run, self.clock.now());
        let ended = self.drive(&id)?;
        demand(ended.is_none(), || "something follows a deletion".to_owned())?;
        let record = self.journal.get(&id).expect("it was started");
        demand(record.phase == Phase::Done { outcome: Outcome::Succeeded }, || format!("the deletion is {:?}", record.phase))?;
        let leftovers = self.world.provider().leftovers();
        demand(leftovers.is_empty() && self.desk.instance().is_none(), || format!("deleted after a park, it leaves {leftovers:?}"))
    }

    /// The run and those that follow it.
    fn everything_ends(&self, run: &RunId) -> Result<(), String> {
        let mut next = Some(run.clone());
        while let Some(id) = next {
            next = self.drive(&id)?;
        }
        let leftovers = self.world.provider().leftovers();
        match self.desk.instance() {
            None => demand(leftovers.is_empty(), || format!("resumed and gone, it leaves {leftovers:?}")),
            Some(instance) if instance.placement.is_none() => {
                demand(leftovers.is_empty(), || format!("resumed and failed, it leaves {leftovers:?}"))
            }
            Some(instance) => demand(instance.operation.is_none(), || format!("resumed, it still names {:?}", instance.operation)),
        }
    }

    /// Drives a run to its end; the run that follows it, if one does.
    fn drive(&self, run: &RunId) -> Result<Option<RunId>, String> {
        for _ in 0..500 {
            let until = self.clock.now() + self.engine.timing.invocation;
            match self.clock.block_on(self.engine.drive(run, until)).expect("a journal in memory never fails") {
                Driven::Paused { until } => self.clock.advance_to(until),
                Driven::Ended { follow_up, .. } => return Ok(follow_up),
                driven => return Err(format!("{run}, with a person's help, is {driven:?}")),
            }
        }
        Err(format!("{run} goes on for ever, with a person's help"))
    }
}
