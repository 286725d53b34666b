//! What was recorded: every version of every flow, on each way through it.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Climbed, Instance, RestartScope, Rung, State, Verb};
use durable::NewRun;
use flows::testing::{Conditions, FakeWorld, Sickness, sample};
use flows::{Ask, Decision, decide, decide_repair, plan};

/// One recorded run, and the world in which it was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// The name of its file: flow, version, and what happened.
    pub(crate) name: &'static str,
    part: Part,
    /// The entry after which somebody asks to cancel.
    pub(crate) called_back_after: Option<&'static str>,
    day: Day,
}

/// What is unlike a good day.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Day {
    Good,
    /// The gateway never answers.
    Silent,
    /// The machine does not come up before everybody has lost patience.
    Sleepy,
    /// It drains for longer than anybody waits in one call.
    Busy,
    /// Every rung of the ladder was climbed within the hour.
    RungsUsed,
    /// The volume is missing.
    VolumeLost,
}

#[derive(Clone, Copy)]
enum Part {
    Provision(&'static [&'static str]),
    Ask(State, Ask),
    Repair(Sickness),
}

const fn scene(name: &'static str, part: Part) -> Scene {
    Scene { name, part, called_back_after: None, day: Day::Good }
}

const fn on(day: Day, scene: Scene) -> Scene {
    Scene { day, ..scene }
}

const fn called_back(after: &'static str, scene: Scene) -> Scene {
    Scene { called_back_after: Some(after), ..scene }
}

const START: Part = Part::Ask(State::Stopped, Ask::new(Verb::Start));
const STOP: Part = Part::Ask(State::Running, Ask::new(Verb::Stop));
const RESTART_PROCESS: Part = Part::Ask(State::Running, Ask::new(Verb::Restart));
const RESTART_MACHINE: Part = Part::Ask(State::Running, Ask { verb: Verb::Restart, scope: RestartScope::Machine });

/// The region in which there is room for a volume and none for a machine.
const FULL: &str = "ams";

pub(crate) const SCENES: [Scene; 28] = [
    scene("provision-1-one-region", Part::Provision(&["fra"])),
    scene("provision-1-second-region", Part::Provision(&[FULL, "fra"])),
    scene("provision-1-no-room", Part::Provision(&[FULL])),
    called_back("await_started", scene("provision-1-called-back", Part::Provision(&[FULL, "fra"]))),
    scene("provision-2-one-region", Part::Provision(&["fra"])),
    scene("provision-2-second-region", Part::Provision(&[FULL, "fra"])),
    scene("provision-2-no-room", Part::Provision(&[FULL])),
    called_back("await_started", scene("provision-2-called-back", Part::Provision(&[FULL, "fra"]))),
    scene("start-1", START),
    on(Day::Silent, scene("start-1-degraded", START)),
    on(Day::VolumeLost, scene("start-1-without-volume", START)),
    called_back("await_started", scene("start-1-called-back", START)),
    scene("stop-1", STOP),
    called_back("stop_machine", on(Day::Busy, scene("stop-1-called-back", STOP))),
    scene("restart-1-process", RESTART_PROCESS),
    on(Day::Silent, scene("restart-1-process-degraded", RESTART_PROCESS)),
    scene("restart-1-machine", RESTART_MACHINE),
    on(Day::Silent, scene("restart-1-machine-degraded", RESTART_MACHINE)),
    on(Day::Sleepy, scene("restart-1-machine-not-started", RESTART_MACHINE)),
    called_back("restart_process", on(Day::Silent, scene("restart-1-process-called-back", RESTART_PROCESS))),
    called_back("restart_machine", on(Day::Sleepy, scene("restart-1-machine-called-back", RESTART_MACHINE))),
    scene("repair-1-process", Part::Repair(Sickness::Process)),
    scene("repair-1-machine", Part::Repair(Sickness::Machine)),
    scene("repair-1-hopeless", Part::Repair(Sickness::Hopeless)),
    on(Day::RungsUsed, scene("repair-1-rungs-used", Part::Repair(Sickness::Hopeless))),
    on(Day::VolumeLost, scene("repair-1-without-volume", Part::Repair(Sickness::Machine))),
    called_back("restart_process", scene("repair-1-called-back", Part::Repair(Sickness::Hopeless))),
    scene("retire-1", Part::Ask(State::Running, Ask::new(Verb::Delete))),
];

impl Scene {
    /// The same, and nobody asks to cancel.
    pub(crate) const fn undisturbed(self) -> Self {
        Self { called_back_after: None, ..self }
    }

    /// The version of its flow: the second part of its name.
    pub(crate) fn version(&self) -> u32 {
        self.name.split('-').nth(1).and_then(|version| version.parse().ok()).expect("a scene is named by flow, version and way")
    }

    /// What it is like in its world.
    pub(crate) fn conditions(&self) -> Conditions {
        let usual = Conditions { no_room_for_machines: BTreeSet::from_iter(sample::regions(&[FULL])), ..Conditions::default() };
        match self.day {
            Day::Sleepy => Conditions { boot: Duration::from_secs(24 * 3600), ..usual },
            Day::Busy => Conditions { drain: Duration::from_secs(30), ..usual },
            Day::Good | Day::Silent | Day::RungsUsed | Day::VolumeLost => usual,
        }
    }

    /// The instance that the run owns, and the run as today's code would start it.
    pub(crate) fn begin(&self, world: &FakeWorld) -> (Instance, NewRun) {
        let operation = sample::operation(2);
        match self.part {
            Part::Provision(regions) => {
                let instance = sample::instance(regions);
                let run = plan::provision(&sample::deployment(), &instance, sample::operation(1));
                (instance, run)
            }
            Part::Ask(state, ask) => {
                let instance = sample::at_rest(state);
                sample::settle_in(world, &instance, (self.day == Day::Silent).then_some(Sickness::Hopeless));
                self.lose_volume(world);
                match decide(&sample::deployment(), &instance, None, ask, operation, world.now()) {
                    Decision::Start { instance, run, .. } => (*instance, *run),
                    other => panic!("{}: {other:?}", self.name),
                }
            }
            Part::Repair(sickness) => {
                let mut instance = sample::at_rest(State::Running);
                sample::settle_in(world, &instance, Some(sickness));
                self.lose_volume(world);
                if self.day == Day::RungsUsed {
                    let at = world.now() - Duration::from_secs(600);
                    instance.health.climbed = [Rung::Process, Rung::Machine].map(|rung| Climbed { rung, at }).to_vec();
                }
                decide_repair(&instance, operation, world.now()).expect("it is to be repaired")
            }
        }
    }

    fn lose_volume(&self, world: &FakeWorld) {
        if self.day == Day::VolumeLost {
            world.provider().volumes.clear();
        }
    }
}
