use std::sync::{Arc, Mutex};

use domain::{RestartScope, State, Verb};
use durable::NewRun;
use durable::testing::{Adversity, Explored, Finish, PointKind, Rehearsal, Scene, Schedule, Stage};
use flows::testing::{Conditions, FakeWorld, Sickness, sample};
use flows::{Ask, Decision, Flows, plan};

use crate::desk::Desk;
use crate::judge::judge;

/// What is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Provision,
    Start,
    Stop,
    RestartProcess,
    RestartMachine,
    Repair,
    Retire,
}

/// A flow, and what it is like in the world in which it is performed.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    pub(crate) regions: Vec<&'static str>,
    pub(crate) conditions: Conditions,
    /// What ails the gateway of an instance that is there already.
    pub(crate) sickness: Option<Sickness>,
    /// Changes an instance that is there already, before the run begins.
    pub(crate) before: fn(&Desk, &FakeWorld),
    /// A wish that comes while the flow is at its n-th call.
    pub(crate) wish: Option<(usize, Verb)>,
    /// The world does not let it succeed, so that a failure needs no refusal.
    pub(crate) doomed: bool,
}

/// What a performance leaves to look at.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) desk: Desk,
    pub(crate) world: FakeWorld,
}

type Judge = fn(&Play, &Finish, &Set) -> Result<(), String>;

impl Play {
    pub(crate) fn new(name: &'static str, part: Part) -> Self {
        Self {
            name,
            part,
            regions: vec!["fra"],
            conditions: Conditions::default(),
            sickness: None,
            before: |_, _| {},
            wish: None,
            doomed: false,
        }
    }

    pub(crate) fn rehearsal(&self) -> Rehearsal {
        let play = self.clone();
        Rehearsal::new(self.name, move |stage| play.scene(stage, &Arc::default(), judge))
    }

    /// Performs every single adversity at every point, and prints how many those were.
    pub(crate) fn every_single_adversity(&self) {
        let rehearsal = self.rehearsal();
        rehearsal.perform(&Schedule::calm()).expect("nothing goes wrong");
        self.tell("one adversity", rehearsal.explore(rehearsal.singles()));
    }

    /// Performs every pair of an effect that befalls one of the first, and a later point that befalls one of the second.
    /// [`Adversity::ALL`] twice is every pair that begins at an effect.
    pub(crate) fn every_pair_of(&self, first: &[Adversity], second: &[Adversity]) {
        let rehearsal = self.rehearsal();
        let points = rehearsal.points();
        let is_effect = |schedule: &Schedule| points[schedule.0[0].0].kind == PointKind::Effect;
        let firsts = rehearsal.singles().into_iter().filter(|single| is_effect(single) && first.contains(&single.0[0].1));
        let pairs = firsts.flat_map(|single| rehearsal.widened(&single)).filter(|pair| second.contains(&pair.0[1].1));
        self.tell("two adversities", rehearsal.explore(pairs));
    }

    /// What tells an undo that was armed too late from one in its place: something was done, nobody knows, and then the way forward
    /// ends.
    pub(crate) fn every_unknown_effect_before_the_way_forward_ends(&self) {
        let unknown = [Adversity::LostAnswer, Adversity::LateEffect, Adversity::CrashAfter];
        self.every_pair_of(&unknown, &[Adversity::Cancel, Adversity::RefuseForGood]);
    }

    /// Performs so many schedules of so many adversities, drawn by chance from the seed.
    pub(crate) fn by_chance(&self, seed: u64, adversities: usize, count: usize) {
        let rehearsal = self.rehearsal();
        self.tell(&format!("{adversities} adversities by chance"), rehearsal.explore(rehearsal.sampled(seed, adversities, count)));
    }

    fn tell(&self, what: &str, explored: Explored) {
        println!("{}: {} schedules of {what}", self.name, explored.performed);
    }

    /// One performance, and what it left.
    pub(crate) fn perform(&self, schedule: &Schedule) -> (Finish, Set) {
        self.performed(schedule, judge)
    }

    /// One performance in a world that is not as it must be, for tests that say themselves what is right then.
    pub(crate) fn perform_unjudged(&self, schedule: &Schedule) -> (Finish, Set) {
        self.performed(schedule, |_, _, _| Ok(()))
    }

    fn performed(&self, schedule: &Schedule, judge: Judge) -> (Finish, Set) {
        let (play, left) = (self.clone(), Arc::new(Mutex::new(None)));
        let slot = left.clone();
        let rehearsal = Rehearsal::new(self.name, move |stage| play.scene(stage, &slot, judge));
        let finish = rehearsal.perform(schedule).unwrap_or_else(|broken| panic!("{} {schedule}: {broken}", self.name));
        let set = left.lock().expect("no holder panics").take().expect("a scene was made");
        (finish, set)
    }

    fn scene(&self, stage: &Arc<Stage>, left: &Arc<Mutex<Option<Set>>>, judge: Judge) -> Scene {
        let world = FakeWorld::on(stage, self.conditions.clone());
        let (desk, run) = self.begin(stage, &world);
        if let Some((place, verb)) = self.wish {
            let desk = desk.clone();
            world.at_call(place, move || drop(desk.ask(Ask::new(verb), None)));
        }
        let set = Set { desk: desk.clone(), world: world.clone() };
        *left.lock().expect("no holder panics") = Some(set.clone());
        let play = self.clone();
        Scene {
            run,
            catalogue: Arc::new(Flows::new(world.world())),
            settle: Box::new(move |record, ending| desk.settle(record, ending)),
            check: Box::new(move |finish| judge(&play, finish, &set)),
        }
    }

    fn begin(&self, stage: &Arc<Stage>, world: &FakeWorld) -> (Desk, NewRun) {
        let clock = Arc::new(stage.clock().clone());
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
