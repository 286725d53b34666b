//! Every play by name, so that a printed schedule means the same in the tests and in the example `rehearse`.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Climbed, Rung, Verb};

use crate::testing::repertoire::{Desk, Part, Play};
use crate::testing::{Conditions, FakeWorld, Sickness, sample};

/// The plain way through each version of each flow, and the repair that does not help. All pairs of adversities of these are performed.
#[must_use]
pub fn main_plays() -> Vec<Play> {
    vec![
        provision(),
        provision_1(),
        start(),
        stop(),
        restart_process(),
        restart_machine(),
        sick("repair_machine", Sickness::Machine),
        sick("repair_hopeless", Sickness::Hopeless),
        Play::new("retire", Part::Retire),
    ]
}

/// The other ways through the flows, and days on which something is unlike what it should be.
#[must_use]
pub fn side_plays() -> Vec<Play> {
    let mut plays = vec![
        provision_third_region(),
        provision_no_room(),
        provision_lagging_lists(),
        provision_1_lagging_lists(),
        provision_third_region_lagging_lists(),
        provision_of_a_silent_gateway(),
        provision_1_of_a_silent_gateway(),
        provision_of_a_broken_machine(),
        start_of_a_silent_gateway(),
        start_of_a_broken_machine(),
        start_without_volume(),
        restart_process_of_a_silent_gateway(),
        restart_machine_of_a_silent_gateway(),
        restart_of_a_broken_machine(),
        restart_without_volume(),
        stop_of_a_silent_gateway(),
        sick("repair_process", Sickness::Process),
        repair_used_up(),
        repair_without_volume(),
        provision_deleted(),
        provision_stopped(),
        start_then_stop(),
        start_deleted(),
        stop_then_start(),
        stop_deleted(),
        Play { wish: Some((1, Verb::Stop)), ..restart_machine_named("restart_then_stop") },
        Play { wish: Some((1, Verb::Delete)), ..sick("repair_deleted", Sickness::Process) },
    ];
    plays.extend(retirements().into_iter().skip(1));
    plays
}

/// In one region that has room.
#[must_use]
pub fn provision() -> Play {
    Play::new("provision", Part::Provision)
}

/// The same as older code began it.
#[must_use]
pub fn provision_1() -> Play {
    Play { version: Some(1), ..Play::new("provision_1", Part::Provision) }
}

/// The first region has no room for a volume, the second none for a machine.
#[must_use]
pub fn provision_third_region() -> Play {
    let conditions =
        Conditions { no_room_for_volumes: regions(&["fra"]), no_room_for_machines: regions(&["ams"]), ..Conditions::default() };
    Play { regions: vec!["fra", "ams", "cdg"], conditions, ..Play::new("provision_third_region", Part::Provision) }
}

/// The same, and lists show a new volume when the next region has long been tried.
#[must_use]
pub fn provision_third_region_lagging_lists() -> Play {
    let Play { regions, conditions, .. } = provision_third_region();
    let conditions = Conditions { lists_lag: Duration::from_secs(4), ..conditions };
    Play { regions, conditions, ..Play::new("provision_third_region_lagging_lists", Part::Provision) }
}

/// No region has room for both.
#[must_use]
pub fn provision_no_room() -> Play {
    let conditions =
        Conditions { no_room_for_volumes: regions(&["fra"]), no_room_for_machines: regions(&["ams"]), ..Conditions::default() };
    Play { regions: vec!["fra", "ams"], conditions, doomed: &["choose_region"], ..Play::new("provision_no_room", Part::Provision) }
}

/// A new volume is missing from lists for longer than anybody waits before a second try, so that a lost answer makes a second volume.
#[must_use]
pub fn provision_lagging_lists() -> Play {
    let conditions = Conditions { lists_lag: Duration::from_secs(4), latency: Duration::from_millis(1500), ..Conditions::default() };
    Play { conditions, ..Play::new("provision_lagging_lists", Part::Provision) }
}

/// The same as older code began it.
#[must_use]
pub fn provision_1_lagging_lists() -> Play {
    Play { version: Some(1), name: "provision_1_lagging_lists", ..provision_lagging_lists() }
}

/// Its gateway never answers, so that everything is undone when the first boot has taken too long.
#[must_use]
pub fn provision_of_a_silent_gateway() -> Play {
    let conditions = Conditions { born_sick: Some(Sickness::Hopeless), ..patient() };
    Play { conditions, doomed: &["await_healthy"], ..Play::new("provision_of_a_silent_gateway", Part::Provision) }
}

/// The same as older code began it.
#[must_use]
pub fn provision_1_of_a_silent_gateway() -> Play {
    Play { version: Some(1), name: "provision_1_of_a_silent_gateway", ..provision_of_a_silent_gateway() }
}

/// Its machine cannot boot.
#[must_use]
pub fn provision_of_a_broken_machine() -> Play {
    let conditions = Conditions { cannot_boot: true, ..Conditions::default() };
    Play { conditions, doomed: &["await_started"], ..Play::new("provision_of_a_broken_machine", Part::Provision) }
}

/// Its owner deletes it while it is being made.
#[must_use]
pub fn provision_deleted() -> Play {
    Play { wish: Some((4, Verb::Delete)), ..Play::new("provision_deleted", Part::Provision) }
}

/// Its owner wants it stopped while it is being made.
#[must_use]
pub fn provision_stopped() -> Play {
    Play { wish: Some((4, Verb::Stop)), ..Play::new("provision_stopped", Part::Provision) }
}

/// A stopped instance is started.
#[must_use]
pub fn start() -> Play {
    Play::new("start", Part::Start)
}

/// Its gateway does not answer.
#[must_use]
pub fn start_of_a_silent_gateway() -> Play {
    Play { sickness: Some(Sickness::Hopeless), conditions: patient(), ..Play::new("start_of_a_silent_gateway", Part::Start) }
}

/// Its machine does not come up again.
#[must_use]
pub fn start_of_a_broken_machine() -> Play {
    Play { before: break_machine, doomed: &["await_started"], ..Play::new("start_of_a_broken_machine", Part::Start) }
}

/// The volume that holds its state is gone: it boots nothing.
#[must_use]
pub fn start_without_volume() -> Play {
    Play { without_volume: true, doomed: &["check_volume"], ..Play::new("start_without_volume", Part::Start) }
}

/// Its owner wants it stopped again meanwhile.
#[must_use]
pub fn start_then_stop() -> Play {
    Play { wish: Some((1, Verb::Stop)), ..Play::new("start_then_stop", Part::Start) }
}

/// Its owner deletes it meanwhile.
#[must_use]
pub fn start_deleted() -> Play {
    Play { wish: Some((1, Verb::Delete)), ..Play::new("start_deleted", Part::Start) }
}

/// The volume that holds its state is gone: its machine is left as it is.
#[must_use]
pub fn restart_without_volume() -> Play {
    Play { without_volume: true, doomed: &["restart_machine", "check_volume"], ..restart_machine_named("restart_without_volume") }
}

/// A running instance is stopped.
#[must_use]
pub fn stop() -> Play {
    Play::new("stop", Part::Stop)
}

/// Its gateway did not answer before.
#[must_use]
pub fn stop_of_a_silent_gateway() -> Play {
    Play { sickness: Some(Sickness::Hopeless), conditions: patient(), ..Play::new("stop_of_a_silent_gateway", Part::Stop) }
}

/// Its owner wants it started again meanwhile.
#[must_use]
pub fn stop_then_start() -> Play {
    Play { wish: Some((1, Verb::Start)), ..Play::new("stop_then_start", Part::Stop) }
}

/// Its owner deletes it meanwhile.
#[must_use]
pub fn stop_deleted() -> Play {
    Play { wish: Some((1, Verb::Delete)), ..Play::new("stop_deleted", Part::Stop) }
}

/// The gateway's process is restarted.
#[must_use]
pub fn restart_process() -> Play {
    Play::new("restart_process", Part::RestartProcess)
}

/// The machine is restarted.
#[must_use]
pub fn restart_machine() -> Play {
    restart_machine_named("restart_machine")
}

fn restart_machine_named(name: &'static str) -> Play {
    Play::new(name, Part::RestartMachine)
}

/// The process comes back, and its gateway does not answer.
#[must_use]
pub fn restart_process_of_a_silent_gateway() -> Play {
    let play = Play::new("restart_process_of_a_silent_gateway", Part::RestartProcess);
    Play { sickness: Some(Sickness::Hopeless), conditions: patient(), ..play }
}

/// The machine comes back, and its gateway does not answer.
#[must_use]
pub fn restart_machine_of_a_silent_gateway() -> Play {
    let play = restart_machine_named("restart_machine_of_a_silent_gateway");
    Play { sickness: Some(Sickness::Hopeless), conditions: patient(), ..play }
}

/// The machine does not come back; a start that follows, because the wish changed, fails.
#[must_use]
pub fn restart_of_a_broken_machine() -> Play {
    Play { before: break_machine, doomed: &["await_started"], ..restart_machine_named("restart_of_a_broken_machine") }
}

/// A repair of what ails the gateway. A hopeless gateway is looked at less often, so that a performance stays short.
#[must_use]
pub fn sick(name: &'static str, sickness: Sickness) -> Play {
    let conditions = Conditions { look_again: Duration::from_secs(100), gateway_start: Duration::from_secs(15), ..Conditions::default() };
    Play { sickness: Some(sickness), conditions, ..Play::new(name, Part::Repair) }
}

/// Every rung was climbed within the hour.
#[must_use]
pub fn repair_used_up() -> Play {
    let before = |desk: &Desk, world: &FakeWorld| {
        let at = world.now() - Duration::from_secs(600);
        let climbed = [Rung::Process, Rung::Machine].map(|rung| Climbed { rung, at }).to_vec();
        desk.book().instance.as_mut().expect("there is an instance").health.climbed = climbed;
    };
    Play { before, ..sick("repair_used_up", Sickness::Hopeless) }
}

/// The volume that holds its state is gone: its machine is not booted, and neither is it by a start that follows.
#[must_use]
pub fn repair_without_volume() -> Play {
    Play { without_volume: true, doomed: &["check_volume"], ..sick("repair_without_volume", Sickness::Machine) }
}

type Before = fn(&Desk, &FakeWorld);

/// A retirement of a whole instance, and of whatever provisions that parked leave behind.
#[must_use]
pub fn retirements() -> Vec<Play> {
    let left: [(&'static str, Before); 7] = [
        ("retire", |_, _| {}),
        ("retire_without_machine", lose_machine),
        ("retire_without_volume", lose_machine_and_volume),
        ("retire_without_app", lose_app),
        ("retire_without_secret", lose_secret),
        ("retire_nothing", lose_everything),
        ("retire_surplus", one_too_many),
    ];
    left.into_iter().map(|(name, before)| Play { before, ..Play::new(name, Part::Retire) }).collect()
}

/// From now on no machine comes up. The one that is there was made on a better day.
fn break_machine(_: &Desk, world: &FakeWorld) {
    world.provider().conditions.cannot_boot = true;
}

fn lose_machine(_: &Desk, world: &FakeWorld) {
    world.provider().machines.clear();
}

fn lose_machine_and_volume(desk: &Desk, world: &FakeWorld) {
    lose_machine(desk, world);
    world.provider().volumes.clear();
}

fn lose_app(desk: &Desk, world: &FakeWorld) {
    lose_machine_and_volume(desk, world);
    world.provider().apps.clear();
}

fn lose_secret(_: &Desk, world: &FakeWorld) {
    world.provider().secrets.clear();
}

fn lose_everything(desk: &Desk, world: &FakeWorld) {
    lose_app(desk, world);
    lose_secret(desk, world);
}

/// Two volumes of the planned name, of which one belongs to nobody.
fn one_too_many(_: &Desk, world: &FakeWorld) {
    let mut provider = world.provider();
    let mut surplus = provider.volumes[0].clone();
    surplus.id = "vol_surplus".to_owned();
    provider.volumes.push(surplus);
}

/// A hopeless gateway is looked at less often, so that a performance stays short.
fn patient() -> Conditions {
    Conditions { look_again: Duration::from_secs(100), ..Conditions::default() }
}

fn regions(codes: &[&str]) -> BTreeSet<domain::Region> {
    sample::regions(codes).into_iter().collect()
}
