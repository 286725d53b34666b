use domain::{Rung, State};
use durable::Outcome;
use durable::testing::{Adversity, Schedule};
use flows::testing::Sickness;

use flows::testing::repertoire::{Play, repair_used_up, repair_without_volume, sick};

fn ended(play: &Play) -> (State, Vec<Rung>, usize) {
    let (_, set) = play.perform(&Schedule::calm());
    let instance = set.desk.instance().expect("it is there");
    let alarms = set.world.provider().alarms.len();
    (instance.state, instance.health.climbed.iter().map(|climbed| climbed.rung).collect(), alarms)
}

#[test]
fn the_lowest_rung_that_helps_is_the_last_that_is_climbed() {
    assert_eq!(ended(&sick("process", Sickness::Process)), (State::Running, vec![Rung::Process], 0));
    assert_eq!(ended(&sick("machine", Sickness::Machine)), (State::Running, vec![Rung::Process, Rung::Machine], 0));
}

#[test]
fn when_no_rung_helps_it_is_degraded_and_one_alarm_is_raised() {
    assert_eq!(ended(&sick("hopeless", Sickness::Hopeless)), (State::Degraded, vec![Rung::Process, Rung::Machine], 1));
}

#[test]
fn rungs_that_were_used_within_the_hour_are_not_climbed_again() {
    let (state, climbed, alarms) = ended(&repair_used_up());
    assert_eq!((state, climbed.len(), alarms), (State::Degraded, 2, 1));
    let (_, set) = repair_used_up().perform(&Schedule::calm());
    assert!(set.world.calls().iter().all(|call| call == "raise_alarm"), "{:?}", set.world.calls());
}

#[test]
fn a_machine_whose_volume_is_missing_is_not_rebooted() {
    let (finish, set) = repair_without_volume().perform(&Schedule::calm());
    assert!(finish.run.journal.iter().all(|entry| entry.name != "restart_machine"), "{:?}", finish.run.journal);
    let instance = set.desk.instance().expect("it is there");
    assert_eq!((instance.state, set.world.provider().alarms.len()), (State::Degraded, 1));
    assert!(instance.trouble.is_some_and(|trouble| trouble.message.contains("volume vol_1")));
}

#[test]
fn a_stop_that_turns_back_does_not_boot_a_machine_whose_volume_is_missing() {
    // The wish becomes another one, so that a stop follows the repair, and a call of that is refused.
    let rehearsal = repair_without_volume().rehearsal();
    let conflicts = rehearsal.singles().into_iter().filter(|single| single.0[0].1 == Adversity::Conflict);
    let pairs = conflicts.flat_map(|single| rehearsal.widened(&single)).filter(|pair| pair.0[1].1 == Adversity::RefuseForGood);
    rehearsal.explore(pairs);
}

#[test]
fn every_single_adversity_of_a_repair_by_its_process_ends_well() {
    sick("repair_process", Sickness::Process).every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_repair_by_its_machine_ends_well() {
    sick("repair_machine", Sickness::Machine).every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_repair_that_does_not_help_ends_well() {
    sick("repair_hopeless", Sickness::Hopeless).every_single_adversity();
    repair_used_up().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_repair_without_its_volume_ends_well() {
    repair_without_volume().every_single_adversity();
}

#[test]
fn a_volume_that_cannot_be_asked_for_calls_a_person() {
    let play = sick("repair_machine", Sickness::Machine);
    let points = play.rehearsal().points();
    let look = points.iter().position(|point| point.name == "volume_exists").expect("the volume is looked for");
    let (finish, set) = play.perform(&Schedule::calm().and(look, Adversity::RefuseForGood));
    assert_eq!(finish.outcome(), Some(&Outcome::Succeeded));
    assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Degraded));
    assert_eq!(set.world.provider().alarms.len(), 1);
}

#[test]
fn pairs_of_adversities_of_a_repair_end_well() {
    let play = sick("repair_machine", Sickness::Machine);
    play.every_unknown_effect_before_the_way_forward_ends();
    play.by_chance(5, 2, 100);
    play.by_chance(6, 3, 50);
}
