//! What was recorded: every version of every flow, on each way through it.

use std::collections::BTreeSet;

use domain::{Instance, RestartScope, State, Verb};
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
}

#[derive(Clone, Copy)]
enum Part {
    Provision(&'static [&'static str]),
    Ask(State, Ask),
    Repair(Sickness),
}

const fn scene(name: &'static str, part: Part) -> Scene {
    Scene { name, part, called_back_after: None }
}

const RESTART_MACHINE: Ask = Ask { verb: Verb::Restart, scope: RestartScope::Machine };

/// The region in which there is room for a volume and none for a machine.
const FULL: &str = "ams";

pub(crate) const SCENES: [Scene; 14] = [
    scene("provision-1-one-region", Part::Provision(&["fra"])),
    scene("provision-1-second-region", Part::Provision(&[FULL, "fra"])),
    Scene { called_back_after: Some("await_started"), ..scene("provision-1-called-back", Part::Provision(&[FULL, "fra"])) },
    scene("provision-2-one-region", Part::Provision(&["fra"])),
    scene("provision-2-second-region", Part::Provision(&[FULL, "fra"])),
    Scene { called_back_after: Some("await_started"), ..scene("provision-2-called-back", Part::Provision(&[FULL, "fra"])) },
    scene("start-1", Part::Ask(State::Stopped, Ask::new(Verb::Start))),
    scene("stop-1", Part::Ask(State::Running, Ask::new(Verb::Stop))),
    scene("restart-1-process", Part::Ask(State::Running, Ask::new(Verb::Restart))),
    scene("restart-1-machine", Part::Ask(State::Running, RESTART_MACHINE)),
    scene("repair-1-process", Part::Repair(Sickness::Process)),
    scene("repair-1-machine", Part::Repair(Sickness::Machine)),
    scene("repair-1-hopeless", Part::Repair(Sickness::Hopeless)),
    scene("retire-1", Part::Ask(State::Running, Ask::new(Verb::Delete))),
];

impl Scene {
    /// The same, and nobody asks to cancel.
    pub(crate) const fn undisturbed(self) -> Self {
        Self { called_back_after: None, ..self }
    }

    /// What it is like in its world.
    pub(crate) fn conditions() -> Conditions {
        Conditions { no_room_for_machines: BTreeSet::from_iter(sample::regions(&[FULL])), ..Conditions::default() }
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
                sample::settle_in(world, &instance, None);
                match decide(&sample::deployment(), &instance, None, ask, operation, world.now()) {
                    Decision::Start { instance, run, .. } => (*instance, *run),
                    other => panic!("{}: {other:?}", self.name),
                }
            }
            Part::Repair(sickness) => {
                let instance = sample::at_rest(State::Running);
                sample::settle_in(world, &instance, Some(sickness));
                decide_repair(&instance, operation, world.now()).expect("it is to be repaired")
            }
        }
    }
}
