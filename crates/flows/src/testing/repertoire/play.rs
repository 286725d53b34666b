use std::sync::{Arc, Mutex};

use crate::testing::{Conditions, FakeWorld, Provider, Sickness, sample};
use crate::{Ask, Decision, Flows, plan};
use domain::{RestartScope, State, Verb};
use durable::NewRun;
use durable::testing::{Adversity, Explored, Finish, ManualClock, PointKind, Rehearsal, Scene, Schedule, Stage};

use crate::testing::repertoire::desk::Desk;
use crate::testing::repertoire::judge::judge;

/// What is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An instance is made.
    Provision,
    /// A stopped one is started.
    Start,
    /// A running one is stopped.
    Stop,
    /// Its gateway's process is restarted.
    RestartProcess,
    /// Its machine is restarted.
    RestartMachine,
    /// One that does not answer is brought back.
    Repair,
    /// It is removed.
    Retire,
}

/// A flow, and what it is like in the world in which it is performed.
#[derive(Clone)]
pub struct Play {
    /// Its name, by which a schedule is replayed.
    pub name: &'static str,
    /// The flow.
    pub part: Part,
    /// An older version of it, of which runs may be under way; absent: the one in which runs begin.
    pub version: Option<u32>,
    /// Where the instance may live, in order.
    pub regions: Vec<&'static str>,
    /// What it is like in the world.
    pub conditions: Conditions,
    /// What ails the gateway of an instance that is there already.
    pub sickness: Option<Sickness>,
    /// Changes an instance that is there already, before the run begins.
    pub before: fn(&Desk, &FakeWorld),
    /// A wish that comes while the flow is at its n-th call.
    pub wish: Option<(usize, Verb)>,
    /// The volume that holds its state is gone, and nothing brings it back.
    pub without_volume: bool,
    /// The steps that the world does not let succeed, so that a failure there needs no refusal.
    pub doomed: &'static [&'static str],
}

/// What a performance leaves to look at.
#[derive(Clone)]
pub struct Set {
    /// The instance, its notices, quota and name.
    pub desk: Desk,
    /// What exists.
    pub world: FakeWorld,
}

/// Made once for all performances of a play: plans and machines are costly to write down.
struct Curtain {
    desk: Desk,
    provider: Provider,
    run: NewRun,
}

/// What plays a schedule of any play again.
const COMMAND: &str = "cargo run -p flows --example rehearse";

impl Play {
    /// A flow on a good day.
    #[must_use]
    pub fn new(name: &'static str, part: Part) -> Self {
        Self {
            name,
            part,
            version: None,
            regions: vec!["fra"],
            conditions: Conditions::default(),
            sickness: None,
            before: |_, _| {},
            wish: None,
            without_volume: false,
            doomed: &[],
        }
    }

    /// All of its performances.
    #[must_use]
    pub fn rehearsal(&self) -> Rehearsal {
        let (play, curtain) = (self.clone(), self.curtain());
        Rehearsal::new(self.name, move |stage| play.scene(stage, &curtain, &Arc::default())).replayed_by(COMMAND)
    }

    /// Performs every single adversity at every point, and prints how many those were.
    ///
    /// # Panics
    /// If one of them does not end well, with the line that replays it; so do the following.
    pub fn every_single_adversity(&self) {
        let rehearsal = self.rehearsal();
        rehearsal.perform(&Schedule::calm()).expect("nothing goes wrong");
        self.tell("one adversity", rehearsal.explore(rehearsal.singles()));
    }

    /// Performs every pair of an effect that befalls one of the first, and a later point that befalls one of the second.
    /// [`Adversity::ALL`] twice is every pair that begins at an effect.
    pub fn every_pair_of(&self, first: &[Adversity], second: &[Adversity]) {
        let rehearsal = self.rehearsal();
        let points = rehearsal.points();
        let is_effect = |schedule: &Schedule| points[schedule.0[0].0].kind == PointKind::Effect;
        let firsts = rehearsal.singles().into_iter().filter(|single| is_effect(single) && first.contains(&single.0[0].1));
        let pairs = firsts.flat_map(|single| rehearsal.widened(&single)).filter(|pair| second.contains(&pair.0[1].1));
        self.tell("two adversities", rehearsal.explore(pairs));
    }

    /// What tells an undo that was armed too late from one in its place: something was done, nobody knows, and then the way forward
    /// ends.
    pub fn every_unknown_effect_before_the_way_forward_ends(&self) {
        let unknown = [Adversity::LostAnswer, Adversity::LateEffect, Adversity::CrashAfter];
        self.every_pair_of(&unknown, &[Adversity::Cancel, Adversity::RefuseForGood]);
    }

    /// Performs so many schedules of so many adversities, drawn by chance from the seed.
    pub fn by_chance(&self, seed: u64, adversities: usize, count: usize) {
        let rehearsal = self.rehearsal();
        self.tell(&format!("{adversities} adversities by chance"), rehearsal.explore(rehearsal.sampled(seed, adversities, count)));
    }

    fn tell(&self, what: &str, explored: Explored) {
        println!("{}: {} schedules of {what}", self.name, explored.performed);
    }

    /// One performance, and what it left.
    ///
    /// # Panics
    /// If it does not end well.
    #[must_use]
    pub fn perform(&self, schedule: &Schedule) -> (Finish, Set) {
        let (play, left) = (self.clone(), Arc::new(Mutex::new(None)));
        let (slot, curtain) = (left.clone(), self.curtain());
        let rehearsal = Rehearsal::new(self.name, move |stage| play.scene(stage, &curtain, &slot));
        let finish = rehearsal.perform(schedule).unwrap_or_else(|broken| panic!("{} {schedule}: {broken}", self.name));
        let set = left.lock().expect("no holder panics").take().expect("a scene was made");
        (finish, set)
    }

    fn scene(&self, stage: &Arc<Stage>, curtain: &Curtain, left: &Arc<Mutex<Option<Set>>>) -> Scene {
        let world = FakeWorld::found(stage, curtain.provider.clone());
        let desk = curtain.desk.copied(Arc::new(stage.clock().clone()));
        if let Some((place, verb)) = self.wish {
            let desk = desk.clone();
            world.at_call(place, move || drop(desk.ask(Ask::new(verb), None)));
        }
        let set = Set { desk: desk.clone(), world: world.clone() };
        *left.lock().expect("no holder panics") = Some(set.clone());
        let (play, rival) = (self.clone(), desk.clone());
        Scene {
            run: curtain.run.clone(),
            catalogue: Arc::new(Flows::new(world.world())),
            settle: Box::new(move |record, ending| desk.settle(record, ending)),
            rival: Some(Box::new(move || rival.change_the_wish())),
            check: Box::new(move |finish| judge(&play, finish, &set)),
        }
    }

    /// What is there when the curtain rises.
    fn curtain(&self) -> Curtain {
        let clock = Arc::new(ManualClock::default());
        let world = FakeWorld::calm(clock.clone(), Provider { conditions: self.conditions.clone(), ..Provider::default() });
        let (desk, mut run) = self.begin(clock, &world);
        run.version = self.version.unwrap_or(run.version);
        let provider = world.provider().clone();
        Curtain { desk, provider, run }
    }

    fn begin(&self, clock: Arc<ManualClock>, world: &FakeWorld) -> (Desk, NewRun) {
        let (state, ask) = match self.part {
            Part::Provision => {
                let instance = sample::instance(&self.regions);
                let run = plan::provision(&sample::deployment(), &instance, sample::operation(1));
                return (Desk::new(clock, instance), run);
            }
            Part::Start => (State::Stopped, Some(Ask::new(Verb::Start))),
            Part::Stop => (State::Running, Some(Ask::new(Verb::Stop))),
            Part::RestartProcess => (State::Running, Some(Ask::new(Verb::Restart))),
            Part::RestartMachine => (State::Running, Some(Ask { verb: Verb::Restart, scope: RestartScope::Machine })),
            Part::Repair => (State::Running, None),
            Part::Retire => (State::Running, Some(Ask::new(Verb::Delete))),
        };
        let instance = sample::at_rest(state);
        sample::settle_in(world, &instance, self.sickness);
        if self.without_volume {
            world.provider().volumes.clear();
        }
        let desk = Desk::new(clock, instance);
        (self.before)(&desk, world);
        let run = match ask.map(|ask| desk.ask(ask, None)) {
            None => desk.begin_repair(),
            Some(Decision::Start { run, .. }) => *run,
            Some(other) => panic!("{}: {other:?}", self.name),
        };
        (desk, run)
    }
}
